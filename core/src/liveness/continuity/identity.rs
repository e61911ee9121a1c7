//! The same face from the first frame to the last.
//!
//! Embeddings taken through the flow are compared with a template, the mean of those seen before. What is nearer than the
//! network's threshold is the same person. That threshold is set so that two people are hardly ever taken for one; one
//! person in two moods may well be farther apart. So another person begins at 1.25 thresholds, and what is between is
//! doubted without consequence. Single frames are allowed to be bad (blurred, turned away, eyes closed); a face that
//! stays far from the template, or two far ones in a row that are near each other, are another person. It does not matter
//! whether the face was followed or lost in between: the template stays.
//!
//! The template takes in only what is near to it, so that one person does not become another one in small steps: what
//! it was at the beginning is kept too.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::super::{Finding, Verdict};

/// How far apart two faces are, as the network that made their vectors measures it.
type Distance = Arc<dyn Fn(&[f32], &[f32]) -> f32 + Send + Sync>;

/// A face as a vector. Biometric data: `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Embedding(Vec<f32>);

impl Embedding {
    /// The vector as the network gave it; none when it has no length or no direction.
    pub fn new(values: Vec<f32>) -> Option<Self> {
        let norm = norm(&values);
        (norm.is_finite() && norm > 0.0).then_some(Self(values))
    }
}

impl fmt::Debug for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Embedding")
    }
}

fn norm(values: &[f32]) -> f32 {
    values.iter().map(|v| v * v).sum::<f32>().sqrt()
}

/// What an embedding told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// The person of before; or the first one.
    Same,
    /// Not near to the person of before: a bad frame or another person. A picture of this frame should not be used.
    Doubtful,
    /// Another person. It stays so.
    Changed,
}

/// From how many thresholds on an embedding speaks for another person: `docs/liveness.md` has the distances of one person.
const FAR: f32 = 1.25;
/// This many far embeddings in a row are another person, whatever they are like among themselves.
const FAR_IN_A_ROW: usize = 3;
/// Embeddings up to which the template is a plain mean; later ones weigh as much as the last of these.
const MEMORY: f32 = 12.0;
/// Embeddings that make the template of the beginning.
const BEGINNING: u32 = 3;
/// After a break so many near embeddings say that it is the same person.
const CONFIRMATIONS: u32 = 2;
/// A connection that comes back within this may go on with its challenge, the same person provided.
pub const RECONNECT_LIMIT: Duration = Duration::from_secs(3);

/// A mean of unit vectors, at the mean length of what went into it: a template for angles and for lengths alike.
#[derive(Clone)]
struct Template {
    direction: Vec<f32>,
    length: f32,
    weight: f32,
    values: Vec<f32>,
}

impl Template {
    fn of(first: &[f32]) -> Self {
        let mut template = Self { direction: vec![0.0; first.len()], length: 0.0, weight: 0.0, values: Vec::new() };
        template.add(first);
        template
    }

    fn add(&mut self, values: &[f32]) {
        self.weight = (self.weight + 1.0).min(MEMORY);
        let share = 1.0 / self.weight;
        let length = norm(values);
        self.length += (length - self.length) * share;
        for (mean, value) in self.direction.iter_mut().zip(values) {
            *mean += (value / length - *mean) * share;
        }
        let scale = self.length / norm(&self.direction).max(f32::MIN_POSITIVE);
        self.values.clear();
        self.values.extend(self.direction.iter().map(|value| value * scale));
    }
}

/// Watches one subject's identity.
#[derive(Clone)]
pub struct Identity {
    distance: Distance,
    threshold: f32,
    template: Option<Template>,
    /// The template when [`BEGINNING`] embeddings had gone into it.
    beginning: Option<Vec<f32>>,
    taken: u32,
    /// The far ones in a row, at most [`FAR_IN_A_ROW`].
    far: Vec<Embedding>,
    /// The last one was not near.
    doubtful: bool,
    last: Option<f32>,
    worst: f32,
    /// Near embeddings since the last break.
    confirmed: u32,
    interrupted: bool,
    changed: bool,
}

impl Identity {
    /// `distance` and `threshold` are those of the network that makes the embeddings, as for matching: two faces are one
    /// person when they are nearer than the threshold.
    pub fn new(distance: impl Fn(&[f32], &[f32]) -> f32 + Send + Sync + 'static, threshold: f32) -> Self {
        Self {
            distance: Arc::new(distance),
            threshold,
            template: None,
            beginning: None,
            taken: 0,
            far: Vec::new(),
            doubtful: false,
            last: None,
            worst: 0.0,
            confirmed: 0,
            interrupted: false,
            changed: false,
        }
    }

    /// Takes in an embedding, of a frame of its own: not twice that of one frame.
    pub fn see(&mut self, embedding: Embedding) -> Seen {
        if self.changed {
            return Seen::Changed;
        }
        let Some(template) = &mut self.template else {
            self.template = Some(Template::of(&embedding.0));
            (self.taken, self.confirmed) = (1, 1);
            return Seen::Same;
        };
        if embedding.0.len() != template.values.len() {
            return Seen::Doubtful; // of another network: it says nothing
        }
        self.taken = self.taken.saturating_add(1);
        let far = (self.distance)(&embedding.0, &template.values) / self.threshold;
        // One bad frame is no sign of anything: the better of two in a row counts.
        self.worst = self.worst.max(self.last.map_or(0.0, |last| last.min(far)));
        self.last = Some(far);
        let near = far < 1.0;
        self.doubtful = !near;
        self.confirmed = if near { self.confirmed.saturating_add(1) } else { 0 };
        if near {
            self.far.clear();
            template.add(&embedding.0);
            match &self.beginning {
                None if self.taken >= BEGINNING => self.beginning = Some(template.values.clone()),
                Some(beginning) => {
                    self.changed = (self.distance)(&template.values, beginning) >= FAR * self.threshold;
                }
                None => {}
            }
        } else if far < FAR {
            self.far.clear();
        } else {
            // (a distance that is not a number is far)
            let alike = self.far.iter().any(|other| (self.distance)(&other.0, &embedding.0) < self.threshold);
            self.far.push(embedding);
            self.changed = alike || self.far.len() >= FAR_IN_A_ROW;
        }
        match (self.changed, near) {
            (true, _) => Seen::Changed,
            (false, true) => Seen::Same,
            (false, false) => Seen::Doubtful,
        }
    }

    /// The face was lost, or the video broke off: who comes now has to be seen to be the same person.
    pub fn interrupt(&mut self) {
        self.interrupted = true;
        self.confirmed = 0;
    }

    /// Is it the person of before the last [`interrupt`](Self::interrupt)? None until two embeddings say so; false at the first
    /// doubt, and for a gap that is too long ([`RECONNECT_LIMIT`]) to be a connection that broke.
    pub fn same_as_before(&self, gap: Duration) -> Option<bool> {
        if self.changed || gap >= RECONNECT_LIMIT || self.doubtful || self.template.is_none() {
            return Some(false);
        }
        (self.confirmed >= CONFIRMATIONS).then_some(true)
    }

    /// Should the next embedding be taken as soon as possible, since the last ones speak for another person?
    pub fn is_urgent(&self) -> bool {
        !self.changed && (!self.far.is_empty() || self.interrupted && self.confirmed < CONFIRMATIONS)
    }

    /// What is known so far. The score is 0.5 at the threshold, of the worst two embeddings in a row.
    pub fn finding(&self) -> Finding {
        let verdict = match () {
            () if self.changed => Verdict::Failed,
            () if self.taken < 2 || self.doubtful || self.is_urgent() => Verdict::Inconclusive,
            () => Verdict::Passed,
        };
        let score = match self.last {
            None => None,
            Some(_) if self.changed => Some(0.0),
            // 1 / (1 + e^(8 (d - 1))): 0.98 at half the threshold, 0.02 at one and a half of it
            Some(_) => Some(1.0 / (1.0 + (8.0 * (self.worst - 1.0)).exp())),
        };
        Finding { verdict, score }
    }
}

// Templates are biometric data.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} embeddings, {:?})", self.taken, self.finding().verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        1.0 - a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>() / (norm(a) * norm(b))
    }

    /// Somebody's embedding: `person` is the direction, `turn` moves it sideways.
    fn face(person: usize, turn: f32) -> Embedding {
        let mut values = vec![0.0; 8];
        values[person] = 2.0;
        values[7] = 2.0 * turn;
        Embedding::new(values).unwrap()
    }

    fn watch() -> Identity {
        Identity::new(cosine, 0.5)
    }

    #[test]
    fn one_bad_frame_is_forgiven() {
        let mut identity = watch();
        assert_eq!(identity.finding(), Finding { verdict: Verdict::Inconclusive, score: None });
        for turn in [0.0, 0.3, -0.2, 0.4] {
            assert_eq!(identity.see(face(0, turn)), Seen::Same);
        }
        assert_eq!(identity.see(face(0, 5.0)), Seen::Doubtful);
        assert!(identity.is_urgent() && identity.finding().verdict == Verdict::Inconclusive);
        assert_eq!(identity.see(face(0, 0.2)), Seen::Same);
        let finding = identity.finding();
        assert!(finding.verdict == Verdict::Passed && finding.score > Some(0.9), "{finding:?}");
    }

    #[test]
    fn another_face_is_noticed_at_the_second_embedding() {
        let mut identity = watch();
        for turn in [0.0, 0.3, -0.2] {
            identity.see(face(0, turn));
        }
        assert_eq!(identity.see(face(1, 0.1)), Seen::Doubtful);
        assert_eq!(identity.see(face(1, 0.2)), Seen::Changed);
        assert_eq!(identity.see(face(0, 0.0)), Seen::Changed, "for good");
        assert_eq!(identity.finding(), Finding { verdict: Verdict::Failed, score: Some(0.0) });
    }

    #[test]
    fn three_different_strangers_are_noticed_too() {
        let mut identity = watch();
        identity.see(face(0, 0.0));
        let seen = [1, 2, 3].map(|person| identity.see(face(person, 0.0)));
        assert_eq!(seen, [Seen::Doubtful, Seen::Doubtful, Seen::Changed]);
    }

    #[test]
    fn what_is_between_the_same_and_another_is_doubted_and_no_more() {
        let mut identity = watch();
        identity.see(face(0, 0.0));
        identity.see(face(0, 0.1));
        // 1.1 thresholds from the template: 1 - cos of the angle, which is 1 / sqrt(1 + turn^2), over 0.5.
        for _ in 0..20 {
            assert_eq!(identity.see(face(0, 2.2)), Seen::Doubtful);
            assert!(!identity.is_urgent() && identity.finding().verdict == Verdict::Inconclusive);
            assert_eq!(identity.same_as_before(Duration::ZERO), Some(false));
        }
        // Two far ones that are alike: not in a row they are no other person.
        for turn in [9.0, 2.2, 9.0] {
            assert_eq!(identity.see(face(0, turn)), Seen::Doubtful);
        }
        assert!(identity.is_urgent());
        assert_eq!(identity.see(face(0, 0.2)), Seen::Same, "the template did not take them in");
        assert_eq!(identity.finding().verdict, Verdict::Passed);
        let seen = [9.0, 9.0].map(|turn| identity.see(face(0, turn)));
        assert_eq!(seen, [Seen::Doubtful, Seen::Changed]);
    }

    #[test]
    fn a_face_that_becomes_another_one_in_small_steps_is_noticed() {
        let mut identity = watch();
        let mut seen = Seen::Same;
        for step in 0..200 {
            let angle = step as f32 / 200.0 * std::f32::consts::FRAC_PI_2;
            let values = vec![angle.cos(), angle.sin(), 0.0];
            seen = identity.see(Embedding::new(values).unwrap());
            if seen == Seen::Changed {
                break;
            }
        }
        assert_eq!(seen, Seen::Changed);
    }

    #[test]
    fn after_a_break_the_person_is_confirmed_or_not() {
        let short = Duration::from_secs(2);
        let mut identity = watch();
        identity.see(face(0, 0.0));
        identity.see(face(0, 0.1));
        assert_eq!(identity.finding().verdict, Verdict::Passed);
        identity.interrupt();
        assert_eq!((identity.same_as_before(short), identity.is_urgent()), (None, true));
        assert_eq!(identity.finding().verdict, Verdict::Inconclusive);
        let mut other = identity.clone();
        identity.see(face(0, 0.2));
        assert_eq!(identity.same_as_before(short), None);
        identity.see(face(0, 0.1));
        assert_eq!(identity.same_as_before(short), Some(true));
        assert_eq!(identity.same_as_before(RECONNECT_LIMIT), Some(false));
        assert_eq!(identity.finding().verdict, Verdict::Passed);
        other.see(face(2, 0.0));
        assert_eq!(other.same_as_before(short), Some(false));
        assert_eq!(watch().same_as_before(short), Some(false), "there is no before");
    }

    #[test]
    fn vectors_that_are_none() {
        assert!(Embedding::new(vec![0.0; 4]).is_none());
        assert!(Embedding::new(vec![f32::NAN, 1.0]).is_none());
        assert!(Embedding::new(Vec::new()).is_none());
        let mut identity = watch();
        identity.see(face(0, 0.0));
        assert_eq!(identity.see(Embedding::new(vec![1.0]).unwrap()), Seen::Doubtful);
        assert_eq!(identity.taken, 1);
    }

    #[test]
    fn nothing_biometric_is_shown() {
        let mut identity = watch();
        identity.see(face(0, 0.25));
        assert_eq!(format!("{:?} {identity:?}", face(0, 0.25)), "Embedding Identity(1 embeddings, Inconclusive)");
    }
}

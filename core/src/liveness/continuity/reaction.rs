//! Gestures follow their instruction, not sooner than a person can.
//!
//! A recording does not read: its gestures come when they come. One that is completed before its instruction was on the
//! screen, or sooner after it than anybody reacts, does not count; the subject is simply asked to go on.
//!
//! What is known here is when the picture with the instruction was handed to the encoder, and when the frame with the
//! gesture was received. Encoding, two networks, jitter buffers, display and camera lie between the two and only add to a
//! person's reaction: the least reaction is a lower bound whatever the call is like.

use std::time::{Duration, Instant};

use super::super::{Finding, Verdict};

/// The least time from an instruction to the beginning of what it asks for.
///
/// Pressing a key at the sight of a known stimulus takes about 200 to 250 ms by the textbooks, a choice among several longer. An instruction in words and a picture has to be
/// read, head and lids have to move, and the way through the call adds 50 ms and more each way. 250 ms is below what any
/// subject can do, and above what chance gives a recording that blinks just then.
pub const LEAST_REACTION: Duration = Duration::from_millis(250);

/// The least time from the beginning of a gesture to its end: a blink, the shortest, takes 100 to 400 ms.
pub const LEAST_DURATION: Duration = Duration::from_millis(60);

/// How many gestures may be discarded before that speaks against the subject. A person blinks every three to four
/// seconds unasked: within 250 ms of an instruction in one case of fourteen, three times in a row in one of 2,700.
pub const DISCARDED_LIMIT: u32 = 3;

/// What times of gestures have to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// From the instruction to the beginning of the gesture.
    pub least: Duration,
    /// From the beginning of the gesture to its end.
    pub shortest: Duration,
}

impl Default for Reaction {
    fn default() -> Self {
        Self { least: LEAST_REACTION, shortest: LEAST_DURATION }
    }
}

/// Whether a gesture counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReactionVerdict {
    /// It follows its instruction.
    Counts,
    /// It was begun before the instruction was on the screen, or what comes before it was not seen.
    BeforeShown,
    /// It followed sooner than a person can, or was over sooner.
    TooFast,
}

impl Reaction {
    /// Judges a completed gesture.
    ///
    /// * `shown`: when the picture with the instruction was handed to the encoder; none: it was not yet.
    /// * `began`: when the gesture left the neutral state, which for a [`GestureRun`](crate::gestures::GestureRun) is the
    ///   frame on which step 1 was passed (step 0 is the neutral state); none: it was not seen to begin.
    /// * `completed`: when its last step was passed.
    pub fn judge(&self, shown: Option<Instant>, began: Option<Instant>, completed: Instant) -> ReactionVerdict {
        match (shown, began) {
            (Some(shown), Some(began)) if began >= shown && completed >= began => {
                if began - shown < self.least || completed - began < self.shortest {
                    ReactionVerdict::TooFast
                } else {
                    ReactionVerdict::Counts
                }
            }
            _ => ReactionVerdict::BeforeShown,
        }
    }
}

/// The reactions of one subject: what was discarded, and how regular the others were.
#[derive(Clone, Debug, Default)]
pub struct Reactions {
    discarded: u32,
    /// Seconds from instruction to beginning, of those that count. As many as there are gestures in a flow: a few.
    times: Vec<f32>,
}

/// More reaction times than any challenge has gestures are not kept.
const KEPT: usize = 32;

impl Reactions {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A gesture was judged; `began - shown` is its reaction time.
    pub fn add(&mut self, verdict: ReactionVerdict, shown: Option<Instant>, began: Option<Instant>) {
        if verdict != ReactionVerdict::Counts {
            self.discarded += 1;
        } else if let (Some(shown), Some(began)) = (shown, began)
            && self.times.len() < KEPT
        {
            self.times.push(began.saturating_duration_since(shown).as_secs_f32());
        }
    }

    /// Gestures that did not count.
    pub fn discarded(&self) -> u32 {
        self.discarded
    }

    /// Passed once a gesture counted, failed when [`DISCARDED_LIMIT`] did not; the score falls with every one.
    pub fn finding(&self) -> Finding {
        let verdict = match () {
            () if self.discarded >= DISCARDED_LIMIT => Verdict::Failed,
            () if self.times.is_empty() => Verdict::Inconclusive,
            () => Verdict::Passed,
        };
        let judged = self.discarded > 0 || !self.times.is_empty();
        let score = 1.0 - self.discarded.min(DISCARDED_LIMIT) as f32 / DISCARDED_LIMIT as f32;
        Finding { verdict, score: judged.then_some(score) }
    }

    /// Standard deviation of the reaction times over their mean; none for fewer than three.
    ///
    /// People should scatter by a tenth and more, and over different gestures by far more; not measured here.
    /// A program that waits the same time before each is at the few hundredths that frames and network add. A hint for
    /// [`injection`](super::injection), never more.
    pub fn scatter(&self) -> Option<f32> {
        let count = self.times.len();
        if count < 3 {
            return None;
        }
        let mean = self.times.iter().sum::<f32>() / count as f32;
        let variance = self.times.iter().map(|t| (t - mean) * (t - mean)).sum::<f32>() / (count - 1) as f32;
        (mean > 0.0).then(|| variance.sqrt() / mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_too_early_does_not_count() {
        let reaction = Reaction::default();
        let shown = Instant::now();
        let at = |ms: u64| shown + Duration::from_millis(ms);
        let judge = |began, completed| reaction.judge(Some(shown), began, completed);
        assert_eq!(judge(Some(at(700)), at(1100)), ReactionVerdict::Counts);
        assert_eq!(judge(Some(at(250)), at(310)), ReactionVerdict::Counts);
        assert_eq!(judge(Some(at(249)), at(900)), ReactionVerdict::TooFast);
        assert_eq!(judge(Some(at(700)), at(759)), ReactionVerdict::TooFast);
        assert_eq!(judge(None, at(900)), ReactionVerdict::BeforeShown);
        assert_eq!(reaction.judge(Some(at(500)), Some(at(400)), at(900)), ReactionVerdict::BeforeShown);
        assert_eq!(reaction.judge(None, Some(at(400)), at(900)), ReactionVerdict::BeforeShown);
        assert_eq!(judge(Some(at(900)), at(800)), ReactionVerdict::BeforeShown);
    }

    #[test]
    fn one_chance_blink_is_forgiven_and_three_are_not() {
        let shown = Instant::now();
        let began = shown + Duration::from_millis(600);
        let mut reactions = Reactions::new();
        assert_eq!(reactions.finding(), Finding { verdict: Verdict::Inconclusive, score: None });
        reactions.add(ReactionVerdict::TooFast, Some(shown), Some(shown));
        assert_eq!(reactions.finding().verdict, Verdict::Inconclusive);
        reactions.add(ReactionVerdict::Counts, Some(shown), Some(began));
        assert_eq!(reactions.finding().verdict, Verdict::Passed);
        assert!(reactions.finding().score.is_some_and(|score| (0.6..0.7).contains(&score)));
        reactions.add(ReactionVerdict::BeforeShown, None, Some(began));
        reactions.add(ReactionVerdict::TooFast, Some(shown), Some(shown));
        assert_eq!(reactions.finding(), Finding { verdict: Verdict::Failed, score: Some(0.0) });
    }

    #[test]
    fn a_program_that_waits_the_same_time_is_too_regular() {
        let shown = Instant::now();
        let scatter = |times: &[u64]| {
            let mut reactions = Reactions::new();
            for ms in times {
                let began = shown + Duration::from_millis(*ms);
                reactions.add(ReactionVerdict::Counts, Some(shown), Some(began));
            }
            reactions.scatter()
        };
        assert_eq!(scatter(&[800, 810]), None);
        assert!(scatter(&[800, 833, 817, 800]).is_some_and(|scatter| scatter < 0.03));
        assert!(scatter(&[620, 1100, 840, 760]).is_some_and(|scatter| scatter > 0.15));
    }
}

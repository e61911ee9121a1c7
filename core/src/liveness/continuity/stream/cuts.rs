//! A jump from one picture to the next that nothing leads up to and nothing follows: a cut.

use std::collections::VecDeque;
use std::time::Duration;

use super::signature::{Change, Signature};

/// Frames before and after a change that it is compared with.
const BEFORE: usize = 3;
const AFTER: usize = 3;
/// The least jump of the picture, mean levels, and of the head, in distances between the eyes.
const LEAST_PICTURE: f32 = 1.5;
const LEAST_HEAD: f32 = 0.08;
/// Below these, changes around a jump are noise.
const PICTURE_FLOOR: f32 = 0.33;
const HEAD_FLOOR: f32 = 0.01;
/// People throw their heads about: a head's jump has to be so many times sharper than a picture's.
const HEAD: f32 = 2.0;
/// The sharpness of a change to a picture that does not correlate with the one before at all. Even a camera that is
/// swung round leaves them alike by 0.68 from one frame to the next.
const OTHER_SCENE: f32 = 9.0;
/// The share of a jump that is still there some frames later: an artefact goes away, a cut stays.
const LASTING: f32 = 0.6;
/// After more time than this without a frame, a jump says nothing.
const GAP: Duration = Duration::from_millis(400);

/// How far the head and picture of a frame are from those of the frame before.
#[derive(Clone)]
struct Step {
    at: Duration,
    signature: Signature,
    head: Option<[f32; 2]>,
    /// Changes since the frame before, for a usual time between frames.
    picture: Change,
    motion: Option<f32>,
}

/// Watches for cuts.
#[derive(Clone, Default)]
pub(super) struct Cuts {
    steps: VecDeque<Step>,
    sharpest: f32,
    latest: f32,
}

impl Cuts {
    /// A frame; `head` is the place between the eyes, in distances between the eyes, where it is known.
    pub(super) fn see(&mut self, frame: &Signature, head: Option<[f32; 2]>, at: Duration) {
        let (mut picture, mut motion) = (Change::default(), None);
        if let Some(last) = self.steps.back() {
            let gap = at.saturating_sub(last.at);
            if gap > GAP {
                self.interrupt();
            } else {
                let usual = self.usual_interval().unwrap_or(gap);
                // Frames that were lost make a change larger; it is shared among them.
                let lost = (gap.as_secs_f32() / usual.as_secs_f32().max(1e-3)).max(1.0);
                picture = frame.change_since(&last.signature);
                picture.levels /= lost;
                motion = last.head.zip(head).map(|([x, y], [u, v])| (u - x).hypot(v - y) / lost);
            }
        }
        self.steps.push_back(Step { at, signature: frame.clone(), head, picture, motion });
        if self.steps.len() > BEFORE + 1 + AFTER {
            self.steps.pop_front();
            self.latest = self.sharpness();
            self.sharpest = self.sharpest.max(self.latest);
        }
    }

    /// How many times larger the change in the middle is than those around it; 0 for one that is too small or does not last.
    fn sharpness(&self) -> f32 {
        let steps = &self.steps;
        let jump = &steps[BEFORE];
        let lasting = steps[BEFORE + AFTER].signature.change_since(&steps[BEFORE - 1].signature).levels;
        // The frame just after a cut still changes much: the encoder catches up, the landmarks are smoothed.
        let around = || (1..BEFORE).chain(BEFORE + 2..=BEFORE + AFTER);
        let mut sharpness = 0.0_f32;
        if jump.picture.levels >= LEAST_PICTURE && lasting >= LASTING * jump.picture.levels {
            let usual = around().map(|i| steps[i].picture.levels).fold(PICTURE_FLOOR, f32::max);
            sharpness = (jump.picture.levels / usual).max(OTHER_SCENE * jump.picture.unlike);
        }
        if let Some(motion) = jump.motion.filter(|motion| *motion >= LEAST_HEAD) {
            let known = around().all(|i| steps[i].motion.is_some());
            let usual = around().filter_map(|i| steps[i].motion).fold(HEAD_FLOOR, f32::max);
            if known {
                sharpness = sharpness.max(motion / (HEAD * usual));
            }
        }
        sharpness
    }

    /// The median time between the frames at hand.
    fn usual_interval(&self) -> Option<Duration> {
        let mut intervals: Vec<_> =
            self.steps.iter().zip(self.steps.iter().skip(1)).map(|(a, b)| b.at.saturating_sub(a.at)).collect();
        intervals.sort_unstable();
        intervals.get(intervals.len() / 2).copied()
    }

    /// Nothing of before is continued.
    pub(super) fn interrupt(&mut self) {
        self.steps.clear();
        self.latest = 0.0;
    }

    /// Of the change three frames ago.
    pub(super) fn latest(&self) -> f32 {
        self.latest
    }

    /// The sharpest so far.
    pub(super) fn sharpest(&self) -> f32 {
        self.sharpest
    }
}

//! Is the video one that a camera films now: does it move, without cuts, without coming again?
//!
//! | module | what |
//! |---|---|
//! | [`signature`] | what a frame looks like from afar |
//! | `freeze` | pictures that do not move |
//! | `cuts` | jumps |
//! | `repeats` | loops, forwards and backwards |
//!
//! All of them look at signatures alone, tens of microseconds a frame; landmarks add the head's own jumps. Memory is
//! bounded: about 0.3 MB once the longest loop fits in.

mod cuts;
mod freeze;
mod repeats;
pub mod signature;

use std::time::Duration;

use self::cuts::Cuts;
use self::freeze::Freeze;
use self::repeats::Repeats;
pub use self::repeats::Resemblance;
use self::signature::Signature;
use super::super::{Finding, Verdict};
use crate::face::Face;

/// Outer corners of the eyes, in the mesh.
const EYES: [usize; 2] = [33, 263];

/// Thresholds; `docs/liveness.md` has the figures behind the defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StreamLimits {
    /// A picture that stands for this long is no living person.
    pub frozen: Duration,
    /// So is one with nothing but noise on it for this long.
    pub noise: Duration,
    /// Correlation above which a scene comes again.
    pub loops: f32,
    /// The same for a scene that runs backwards.
    pub reversed: f32,
    /// How many times larger than the changes around it a cut is.
    pub cut: f32,
    /// Before this nothing is said in favour of a stream.
    pub least: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            frozen: Duration::from_secs(2),
            noise: Duration::from_millis(1500),
            loops: 0.85,
            reversed: 0.85,
            cut: 5.0,
            least: Duration::from_secs(3),
        }
    }
}

/// What is measured, for plots and figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StreamMeasures {
    /// The longest time that one picture stood.
    pub frozen: Duration,
    /// The longest time that nothing but noise was seen.
    pub noise: Duration,
    /// Resemblance of the last seconds to earlier ones.
    pub resemblance: Resemblance,
    /// Its greatest values so far.
    pub closest: Resemblance,
    /// Sharpness of the change three frames ago.
    pub sharpness: f32,
    /// The greatest so far.
    pub sharpest: f32,
    /// How often the picture's size changed: a turned telephone, another camera, a sender short of bandwidth.
    pub size_changes: u32,
}

/// Watches one video stream.
#[derive(Clone, Default)]
pub struct Stream {
    limits: StreamLimits,
    freeze: Freeze,
    cuts: Cuts,
    repeats: Repeats,
    size: Option<(usize, usize)>,
    size_changes: u32,
    seen: Option<(Duration, Duration)>,
}

impl Stream {
    /// Nothing seen yet.
    pub fn new(limits: StreamLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes in a received frame. `at` is the time since any fixed moment, when the frame was taken or received.
    /// `face` is what the networks saw in this very frame: `None` where they did not look, `Some(None)` where there is no
    /// face. Only frames with a face count as frozen, and those that follow one: a camera that is switched off is black.
    pub fn see(&mut self, frame: &Signature, face: Option<Option<&Face>>, at: Duration) {
        if self.size.replace(frame.size).is_some_and(|size| size != frame.size) {
            // Announced by the encoder, and no picture can be compared with one of another shape.
            self.size_changes = self.size_changes.saturating_add(1);
            self.freeze.interrupt();
            self.cuts.interrupt();
            self.repeats.interrupt();
        }
        self.seen = Some((self.seen.map_or(at, |(first, _)| first), at));
        if face.is_some_and(|face| face.is_none()) {
            self.freeze.interrupt();
        } else {
            self.freeze.see(frame, at);
        }
        let head = face.flatten().and_then(|face| place(face, frame.size));
        self.cuts.see(frame, head, at);
        self.repeats.see(frame, at);
    }

    /// The video broke off: nothing of before is continued, what was found stays.
    pub fn interrupt(&mut self) {
        self.freeze.interrupt();
        self.cuts.interrupt();
        self.repeats.interrupt();
    }

    /// [`Check::FrozenStream`](super::super::Check::FrozenStream). The score is what is left of the limits.
    pub fn frozen(&self) -> Finding {
        let share = |time: Duration, limit: Duration| time.as_secs_f32() / limit.as_secs_f32().max(1e-3);
        let worst =
            share(self.freeze.longest(), self.limits.frozen).max(share(self.freeze.longest_noise(), self.limits.noise));
        self.finding(worst >= 1.0, (1.0 - worst).max(0.0))
    }

    /// [`Check::CutsAndLoops`](super::super::Check::CutsAndLoops). The score is 0.5 at the threshold.
    pub fn cuts_and_loops(&self) -> Finding {
        let (closest, limits) = (self.repeats.closest(), self.limits);
        let loops = closest.forwards / limits.loops;
        let reversed = closest.backwards / limits.reversed;
        let cut = self.cuts.sharpest() / limits.cut;
        let worst = loops.max(reversed).max(cut);
        self.finding(worst >= 1.0, (1.0 - worst / 2.0).clamp(0.0, 1.0))
    }

    fn finding(&self, failed: bool, score: f32) -> Finding {
        let Some((first, last)) = self.seen else {
            return Finding { verdict: Verdict::Inconclusive, score: None };
        };
        let verdict = match () {
            () if failed => Verdict::Failed,
            () if last.saturating_sub(first) < self.limits.least => Verdict::Inconclusive,
            () => Verdict::Passed,
        };
        Finding { verdict, score: Some(score) }
    }

    /// The figures behind the findings.
    pub fn measures(&self) -> StreamMeasures {
        StreamMeasures {
            frozen: self.freeze.longest(),
            noise: self.freeze.longest_noise(),
            resemblance: self.repeats.now(),
            closest: self.repeats.closest(),
            sharpness: self.cuts.latest(),
            sharpest: self.cuts.sharpest(),
            size_changes: self.size_changes,
        }
    }

    /// Mean changes of the liveliest cells from frame to frame and within a second, levels: small and alike is noise.
    pub fn liveliest(&self) -> Option<(f32, f32)> {
        self.freeze.liveliest()
    }
}

/// The place between the eyes, in distances between them.
fn place(face: &Face, (width, height): (usize, usize)) -> Option<[f32; 2]> {
    let [a, b] = EYES.map(|i| [face.landmarks[i][0] * width as f32, face.landmarks[i][1] * height as f32]);
    let unit = (a[0] - b[0]).hypot(a[1] - b[1]);
    (unit.is_finite() && unit > 1.0).then(|| [(a[0] + b[0]) / (2.0 * unit), (a[1] + b[1]) / (2.0 * unit)])
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({:?})", self.measures())
    }
}

#[cfg(test)]
mod tests;

//! Collects what the frames of one challenge show.

use std::time::Duration;

use super::{
    detect::{Judgement, judge},
    sequence::{STEPS, Sequence},
    signal::Sample,
};
use crate::{face::Face, picture::PictureView};

/// More frames than this are not kept: 7 s of a camera that makes 60 a second.
const MOST_FRAMES: usize = 420;

/// Sees the frames of one challenge, from its beginning until [`Observer::AFTERGLOW`] after its end. Keeps ratios of mean
/// colours, no picture and no landmark.
#[derive(Default)]
pub struct Observer {
    samples: Vec<Sample>,
}

impl Observer {
    /// How long after the last grey frames are still worth seeing: the longest delay.
    pub const AFTERGLOW: Duration = Duration::from_millis(1200);

    /// Looks at a frame. `time` is on the clock of [`Observer::judge`] and never decreases; frames without a face need not be
    /// shown. Costs some tens of microseconds.
    pub fn frame(&mut self, picture: &PictureView, face: &Face, time: Duration) {
        if self.samples.len() < MOST_FRAMES && self.samples.last().is_none_or(|last| last.time < time.as_secs_f64()) {
            self.samples.push(Sample::of(picture, face, time));
        }
    }

    /// How many frames it has seen.
    pub fn frames(&self) -> usize {
        self.samples.len()
    }

    /// Is the sequence found in the frames? `shown` says when each of its colours went out to the subject, and when the last
    /// of them ended ([`Sequence::times`], if the screen was never late). Costs some milliseconds: not for a thread that
    /// must not wait.
    ///
    /// `least_contrast` is the least light of the screen, for each part of light of the surroundings, that subjects have: where
    /// less than that would have been seen and nothing was, the reflection is absent. Nobody can tell a recording from a face in
    /// light that drowns the screen's; with 0 the want of a reflection alone is never held against a subject.
    pub fn judge(&self, sequence: &Sequence, shown: &[Duration; STEPS + 1], least_contrast: f32) -> Judgement {
        judge(&self.samples, sequence, &shown.map(|time| time.as_secs_f64()), least_contrast)
    }
}

// What it keeps is about a face.
impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Observer({} frames)", self.samples.len())
    }
}

//! What the subject sees: their own mirrored picture, a guide for the face, what to do next, how far they are and how it
//! ended, composed straight onto I420.
//!
//! | module | what |
//! |---|---|
//! | [`layout`] | pure geometry: which part goes where, for any size |
//! | [`composer`] | one flow's composer: what changed is drawn anew, the rest is blended from memory |
//! | `paint` | the parts drawn with cairo: cards, guide, dots, tick and cross |
//! | `picture` | the mirrored and scaled picture, or the calm background |

pub mod composer;
pub mod layout;
mod paint;
mod picture;

use std::time::{Duration, Instant};

pub use crate::drawing::text::fonts_available;
pub use composer::Composer;
pub use layout::output_size;
#[cfg(test)]
pub(crate) use picture::OwnedI420;

/// Everything that is shown over the picture at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubjectView {
    /// What to do, in the subject's language. Empty: no message.
    pub message: String,
    /// What is wrong with the picture, in the subject's language.
    pub warning: Option<String>,
    /// How far the challenge is.
    pub step: Option<Step>,
    /// How much time is left.
    pub countdown: Option<Countdown>,
    /// Where the face should be.
    pub guide: Guide,
    /// How it ended.
    pub outcome: Option<OutcomeView>,
    /// Nothing can be done but wait: a pulsing dot, also shown when there is no picture.
    pub waiting: bool,
    /// A colour over the picture and under all the rest: alpha, red, green, blue.
    pub colour: Option<[u8; 4]>,
    /// The screen as a lamp: red, green and blue, sRGB. It fills everything but the guide's oval, which is there whatever the
    /// guide says; the message is written on it without a card, so that as much of it as possible shines.
    pub light: Option<[u8; 3]>,
}

/// One of several steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// Which one, from 1.
    pub current: usize,
    /// Of how many.
    pub total: usize,
}

/// A time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Countdown {
    /// When the time is up.
    pub ends: Instant,
    /// How much there was in the beginning.
    pub total: Duration,
}

impl Countdown {
    /// The part of the time that is left, 0..1.
    pub fn left(&self, now: Instant) -> f32 {
        let left = self.ends.saturating_duration_since(now).as_secs_f32();
        let total = self.total.as_secs_f32();
        if total > 0.0 { (left / total).min(1.0) } else { 0.0 }
    }
}

/// The oval in which the face belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Guide {
    /// Not shown.
    #[default]
    Hidden,
    /// Shown.
    Neutral,
    /// The face is where it should be.
    Good,
    /// Something is wrong with the face's place or size.
    Warning,
}

/// The result as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutcomeView {
    /// A green tick.
    Success,
    /// A red cross.
    Failure,
}

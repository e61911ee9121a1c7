//! AGS: how fit is a picture to be matched with another one.
//!
//! A product of factors, each near 1 where embeddings do not suffer yet. Where a factor begins to fall comes from degrading
//! frames of the clips and comparing each with an undegraded frame of the same clip (the table in `docs/liveness.md`): an
//! embedding bears few pixels and darkness for long, and suffers from blur, burnt skin, light from the side and turning.

use super::mouth::Mouth;
use super::{AlignedFace, Measures, sigmoid};
use crate::face::{Angles, Face};

/// The factors of the score, 0..1 each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// Structure: `sigmoid((detail - 0.085) / 0.012)`.
    pub detail: f32,
    /// Pixels between the eyes: `sigmoid((distance - 11) / 2.5)`.
    pub size: f32,
    /// Frontal: `cos(yaw)^2 * cos(pitch)^2`, as OFIQ's head pose. Roll is undone by alignment.
    pub pose: f32,
    /// Neither dark nor burnt out: `sigmoid((median - 16) / 6) * sigmoid((235 - median) / 10)`.
    pub exposure: f32,
    /// Lit from both sides: `sigmoid((0.9 - unevenness) / 0.2)`.
    pub evenness: f32,
    /// The mouth is to be seen: `1 - 0.4 * occluded`.
    pub mouth: f32,
    /// Probability that there is a face at all.
    pub presence: f32,
}

impl Factors {
    /// The factors of a face.
    pub fn of(aligned: &AlignedFace<'_>, face: &Face, measures: &Measures, mouth: &Mouth) -> Self {
        let Angles { yaw, pitch, .. } = face.angles();
        Self {
            detail: sigmoid(measures.detail - 0.085, 0.012),
            size: sigmoid(aligned.eye_distance() - 11.0, 2.5),
            pose: yaw.cos().max(0.0).powi(2) * pitch.cos().max(0.0).powi(2),
            exposure: sigmoid(measures.median - 16.0, 6.0) * sigmoid(235.0 - measures.median, 10.0),
            evenness: sigmoid(0.9 - measures.unevenness, 0.2),
            mouth: 1.0 - 0.4 * mouth.occluded,
            presence: face.presence.clamp(0.0, 1.0),
        }
    }

    /// The score, 0..1: their product.
    pub fn ags(&self) -> f32 {
        self.detail * self.size * self.pose * self.exposure * self.evenness * self.mouth * self.presence
    }
}

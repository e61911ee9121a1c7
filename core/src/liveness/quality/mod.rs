//! How good is a picture of a face: measures without networks, all of them on one aligned copy of the face.
//!
//! | module | what |
//! |---|---|
//! | `aligned` | the face cut out upright, and what in it is skin |
//! | `measures` | blur, light, darkness, illumination, specularity |
//! | [`mouth`] | opened, smile, occluded |
//! | [`glasses`] | none, eyeglasses or sunglasses, as far as that is seen without a network; a vote over frames |
//! | [`ags`] | how fit the picture is to be matched |
//!
//! Every score is 0..1. `docs/liveness.md` has the figures from which the constants come.

pub mod ags;
mod aligned;
pub mod glasses;
mod measures;
pub mod mouth;
#[cfg(test)]
pub(crate) mod tests;

pub use aligned::AlignedFace;

use serde::Serialize;

use self::ags::Factors;
use self::glasses::GlassesCues;
use self::mouth::Mouth;
use crate::face::Face;

/// Raw sharpness of a score of one half, and how far from there to 0.73.
const SHARPNESS: [f32; 2] = [0.135, 0.02];

/// What can be wrong with a picture. Blur, light and darkness: 1 is good. Illumination and specularity: 0 is good.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// Sharpness: `sigmoid((detail - 0.135) / 0.02)`, where *detail* is the mean of |p - box3(p)| over the mean of
    /// |p - box9(p)| with the eyes 47 values apart. Low out of focus, in motion, or with few pixels.
    pub blur: f32,
    /// Neither burnt out nor in front of a bright light: `0.01 / (burnt + 0.01) * (1 - sigmoid((behind - 120) / 12))`.
    pub light: f32,
    /// Bright enough: `sigmoid((median - 45) / 8) * (1 - black)`.
    pub darkness: f32,
    /// Lit from one side: `sigmoid((unevenness - 0.3) / 0.05)`.
    pub illumination: f32,
    /// Glare: `sigmoid((shine - 0.05) / 0.01)`.
    pub specularity: f32,
}

/// What the scores are made of: for figures, and for [`ags`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measures {
    /// Fine structure over coarse structure; 0.1 is blurred, 0.3 sharp.
    pub detail: f32,
    /// Median luma of the skin, 0..255.
    pub median: f32,
    /// Share of the skin that is burnt out (luma of 247 and more).
    pub burnt: f32,
    /// Share of the skin that is black (luma up to 25).
    pub black: f32,
    /// How many levels what is around the face is brighter than the brightest tenth of the skin.
    pub behind: f32,
    /// Difference of the light on both cheeks over its mean; 0 is even.
    pub unevenness: f32,
    /// Share of the skin that shines.
    pub shine: f32,
}

impl Measures {
    /// Measures a face.
    pub fn of(face: &AlignedFace<'_>) -> Self {
        let measures::Exposure { median, burnt, black, behind } = measures::exposure(face);
        Self {
            detail: measures::detail(face),
            median,
            burnt,
            black,
            behind,
            unevenness: measures::unevenness(face),
            shine: measures::shine(face),
        }
    }

    /// The scores.
    pub fn quality(&self) -> Quality {
        let Self { median, burnt, black, behind, .. } = *self;
        let exposure = measures::Exposure { median, burnt, black, behind };
        let [middle, width] = SHARPNESS;
        Quality {
            blur: sigmoid(self.detail - middle, width),
            light: exposure.light(),
            darkness: exposure.darkness(),
            illumination: measures::illumination(self.unevenness),
            specularity: measures::specularity(self.shine),
        }
    }
}

/// All that is told of the picture of a face without a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Appearance {
    /// Its scores.
    pub quality: Quality,
    /// State of the mouth.
    pub mouth: Mouth,
    /// What is seen of glasses.
    pub cues: GlassesCues,
    /// How fit it is to be matched, 0..1.
    pub ags: f32,
}

impl Appearance {
    /// Looks at a face.
    pub fn of(aligned: &AlignedFace<'_>, face: &Face) -> Self {
        let (measures, mouth) = (Measures::of(aligned), Mouth::of(aligned, face));
        Self {
            quality: measures.quality(),
            mouth,
            cues: GlassesCues::of(aligned),
            ags: Factors::of(aligned, face, &measures, &mouth).ags(),
        }
    }
}

/// 0.5 at 0, 0.73 at `width`.
fn sigmoid(value: f32, width: f32) -> f32 {
    1.0 / (1.0 + (-value / width).exp())
}

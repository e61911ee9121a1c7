//! Passive liveness: does the picture show a face, or a screen or a sheet of paper that shows a face.
//!
//! Model-free cues and the anti-spoof network, each turned into evidence and added up over the frames of a flow. No cue
//! decides alone: see [`fusion`]. Everything works without the network, too, and says so.
//!
//! | module | cue | what |
//! |---|---|---|
//! | `spectrum` | [`Cue::Spectrum`] | moire, sub-pixel grids, halftone: lines in the face's spectrum |
//! | `texture` | [`Cue::Texture`] | micro-texture that paper and a second camera flatten |
//! | `colour` | [`Cue::Colour`] | black that is not black, skin that is pale: the gamut of what shows the face |
//! | `borders` | [`Cue::Borders`] | straight edges around the face, which move with it |
//! | `motion` | [`Cue::Motion`] | face and surroundings move as one piece |
//! | | [`Cue::Network`] | the network's logit, worked out elsewhere |
//! | [`fusion`] | | evidence, score and verdict |
//! | `sight` | | where the face is, and the small pictures that the cues look at |

mod borders;
mod colour;
pub mod fusion;
mod motion;
mod sight;
mod spectrum;
#[cfg(test)]
mod tests;
mod texture;

use serde::Serialize;

use crate::face::Face;
use crate::liveness::pixels::Pixels;
use crate::liveness::{Finding, Verdict};
use crate::picture::PictureView;
use borders::Borders;
use colour::Colour;
use fusion::Evidence;
use motion::Motion;
use sight::{FaceArea, SQUARE, Thumbnail};
use spectrum::Spectrum;
use texture::Texture;

/// A source of evidence. The names are those of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cue {
    /// How far the tallest line in the spectrum of the face stands out beyond what is natural, in nepers; more is
    /// worse.
    Spectrum,
    /// Share 0..1 of face pixels that are flat; more is worse.
    Texture,
    /// Logarithm of skin's saturation over the depth of black; more is better.
    Colour,
    /// Straight edges around the face, 0..1; more is worse.
    Borders,
    /// How much face and surroundings move apart, 0..1; more is better.
    Motion,
    /// Logit of the anti-spoof network, mean over frames; more is better.
    Network,
}

/// Every cue, in the order of results.
pub const CUES: [Cue; 6] = [Cue::Spectrum, Cue::Texture, Cue::Colour, Cue::Borders, Cue::Motion, Cue::Network];

impl Cue {
    /// As in results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spectrum => "spectrum",
            Self::Texture => "texture",
            Self::Colour => "colour",
            Self::Borders => "borders",
            Self::Motion => "motion",
            Self::Network => "network",
        }
    }
}

/// Whether a check's network took part; here the anti-spoof network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// It looked at one frame at least.
    Present,
    /// The cues stand alone.
    Absent,
}

impl Network {
    /// Present or not.
    pub fn is(present: bool) -> Self {
        if present { Self::Present } else { Self::Absent }
    }
}

/// What was seen so far. Nothing biometric: it may be told and logged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Verdict, and score 0..1: 1 is live. Inconclusive below [`LEAST_QUALITY`], whatever the score.
    #[serde(flatten)]
    pub finding: Finding,
    /// 0..1: the share of cues that could tell, less in the first second.
    pub quality: f32,
    /// Whether the network took part.
    pub network: Network,
    /// Frames that were looked at.
    pub frames: u32,
    /// What each cue contributed, in the order of [`CUES`].
    pub cues: [Evidence; CUES.len()],
}

/// Quality below which the verdict is left open: a single picture has a score and no more.
pub const LEAST_QUALITY: f32 = 0.25;
/// Frames after which more do not make it better: a second of video at 15 frames a second.
const SETTLED: f32 = 15.0;

/// The cues of one person in front of one camera, about 200 kB: start a new one when the face or the camera changes.
pub struct Passive {
    spectrum: Spectrum,
    texture: Texture,
    colour: Colour,
    borders: Borders,
    motion: Motion,
    logits: (f32, u32),
    frames: u32,
    square: Vec<f32>,
    looked_at: Vec<Cue>,
}

impl Default for Passive {
    fn default() -> Self {
        Self::new()
    }
}

impl Passive {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::of(&CUES)
    }

    /// With some of the cues only; the others cannot tell.
    pub fn of(cues: &[Cue]) -> Self {
        Self {
            looked_at: cues.to_vec(),
            spectrum: Spectrum::new(),
            texture: Texture::default(),
            colour: Colour::default(),
            borders: Borders::default(),
            motion: Motion::default(),
            logits: (0.0, 0),
            frames: 0,
            square: Vec::with_capacity(SQUARE * SQUARE),
        }
    }

    /// Looks at a frame and the face in it, in the order of time, about 15 a second. `network`: the anti-spoof logit of
    /// this frame, where it was asked (every third frame is plenty).
    ///
    /// Cues take turns, so that a frame costs half of all of them. A picture whose planes are too short is not looked
    /// at.
    pub fn observe(&mut self, picture: &PictureView<'_>, face: &Face, network: Option<f32>) {
        if let Some(logit) = network {
            self.network(logit);
        }
        let (Some(pixels), Some(area)) = (Pixels::new(picture), FaceArea::of(face, picture)) else { return };
        let even = self.frames.is_multiple_of(2);
        if even && self.looks_at(&[Cue::Spectrum, Cue::Texture]) && area.square(&pixels, &mut self.square) {
            if self.looks_at(&[Cue::Spectrum]) {
                self.spectrum.observe(&self.square);
            }
            if self.looks_at(&[Cue::Texture]) {
                self.texture.observe(&self.square);
            }
        }
        if (!even || self.frames == 0) && self.looks_at(&[Cue::Colour]) {
            self.colour.observe(&pixels, &area);
        }
        if self.looks_at(&[Cue::Borders, Cue::Motion])
            && let Some(thumbnail) = Thumbnail::of(picture)
        {
            if !even && self.looks_at(&[Cue::Borders]) {
                self.borders.observe(&thumbnail, &area);
            }
            if self.looks_at(&[Cue::Motion]) {
                self.motion.observe(thumbnail, &area);
            }
        }
        self.frames += 1;
    }

    /// What the anti-spoof network says about one of the frames, also later than the frame.
    pub fn network(&mut self, logit: f32) {
        if logit.is_finite() && self.looks_at(&[Cue::Network]) {
            self.logits = (self.logits.0 + logit, self.logits.1 + 1);
        }
    }

    fn looks_at(&self, any: &[Cue]) -> bool {
        any.iter().any(|cue| self.looked_at.contains(cue))
    }

    /// What a cue measured, by its own formula. None where it cannot tell.
    pub fn value(&self, cue: Cue) -> Option<f32> {
        match cue {
            Cue::Spectrum => self.spectrum.value(),
            Cue::Texture => self.texture.value(),
            Cue::Colour => self.colour.value(),
            Cue::Borders => self.borders.value(),
            Cue::Motion => self.motion.value(),
            Cue::Network => (self.logits.1 > 0).then(|| self.logits.0 / self.logits.1 as f32),
        }
    }

    /// What came of it so far.
    pub fn report(&self) -> Report {
        let cues = CUES.map(|cue| fusion::calibration(cue).evidence(cue, self.value(cue)));
        let told = cues.iter().filter(|evidence| evidence.value.is_some()).count() as f32 / CUES.len() as f32;
        let quality = told * (self.frames as f32 / SETTLED).min(1.0);
        let mut finding = fusion::judge(&cues);
        if quality < LEAST_QUALITY {
            finding.verdict = Verdict::Inconclusive;
        }
        Report {
            finding,
            quality,
            network: if self.logits.1 > 0 { Network::Present } else { Network::Absent },
            frames: self.frames,
            cues,
        }
    }
}

//! Glasses, as far as they are seen without a network, and a vote over frames.
//!
//! Sunglasses are told reliably: both eyes are far darker than the cheeks. Eyeglasses are told by the lines that frames draw over
//! the bridge of the nose and below the eyes; thin frames, and wrinkles that look like them, are where this guesses. Where it
//! matters, let the network of `vision-models` look ([`Glasses`] is the answer of both).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::aligned::{AlignedFace, EYE_DISTANCE, Levels, SIDE};
use super::sigmoid;

/// What a face wears. The names are those of LUNA PASS's setting, without the prefix `GlassesEstimation.`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Glasses {
    /// Nothing.
    NoGlasses,
    /// Glasses through which the eyes are seen.
    EyeGlasses,
    /// Glasses that hide the eyes.
    SunGlasses,
}

/// The setting `GLASSES_DETECTOR_MODE` of the original.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GlassesMode {
    /// Nobody looks.
    #[default]
    Off,
    /// The subject is asked to take them off; gestures count all the same.
    WarningOnly,
    /// They end the verification.
    Error,
}

/// Where the eyes are in the patch: level, their middles this far from the left and from the top.
const EYES: [f32; 2] = [SIDE as f32 / 2.0 - EYE_DISTANCE / 2.0, SIDE as f32 / 2.0 + EYE_DISTANCE / 2.0];
const EYE_LINE: f32 = 0.37 * SIDE as f32 - 0.5;
/// Luma of an eye's region over that of the cheeks below which a lens is dark: eyes have 0.66 and more, dark lenses 0.25.
const DARK_LENS: f32 = 0.45;

/// What the picture itself says about glasses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GlassesCues {
    /// Luma of the brighter eye's region over that of the cheeks.
    pub eyes: f32,
    /// Strength of the strongest level line over the bridge of the nose, in parts of the luma there.
    pub bridge: f32,
    /// The same below the eyes: the weaker of both.
    pub rims: f32,
}

impl GlassesCues {
    /// Looks at a face.
    pub fn of(face: &AlignedFace<'_>) -> Self {
        let d = EYE_DISTANCE;
        let luma = |x: f32, wide: f32, top: f32, bottom: f32| {
            let rows = band(face, [x - wide * d, x + wide * d], [EYE_LINE + top * d, EYE_LINE + bottom * d]);
            rows.into_iter().flatten().copied().collect::<Levels>().quantile(0.5)
        };
        let cheeks = EYES.map(|x| luma(x, 0.15, 0.6, 0.85)).iter().sum::<f32>() / 2.0;
        let eyes = EYES.map(|x| luma(x, 0.25, 0.05, 0.25) / (cheeks + 1.0));
        let middle = (EYES[0] + EYES[1]) / 2.0;
        let bridge =
            [-0.045, 0.055].map(|x| line(face, middle + x * d, 0.055 * d, [-0.12, 0.4])).iter().sum::<f32>() / 2.0;
        let rims = EYES.map(|x| {
            let mut lines = [-0.2, 0.0, 0.2].map(|shift| line(face, x + shift * d, 0.07 * d, [0.24, 0.7]));
            lines.sort_unstable_by(f32::total_cmp);
            lines[1]
        });
        Self { eyes: eyes[0].max(eyes[1]), bridge, rims: rims[0].min(rims[1]) }
    }

    /// Probability 0..1 of a frame in front of the face; logistic regression on the clips.
    pub fn frame(&self) -> f32 {
        sigmoid(1.92 * (self.bridge + 0.003).ln() + 1.26 * (self.rims + 0.003).ln() + 11.98, 1.0)
    }

    /// The most probable answer.
    pub fn glasses(&self) -> Glasses {
        match self {
            _ if self.eyes < DARK_LENS => Glasses::SunGlasses,
            _ if self.frame() > 0.5 => Glasses::EyeGlasses,
            _ => Glasses::NoGlasses,
        }
    }
}

/// Rows of the patch between two columns and two rows.
fn band<'a>(face: &'a AlignedFace<'_>, columns: [f32; 2], rows: [f32; 2]) -> Vec<&'a [f32]> {
    let range = |[from, to]: [f32; 2]| {
        let edge = |value: f32| value.round().clamp(0.0, SIDE as f32) as usize;
        edge(from)..edge(to)
    };
    let columns = range(columns);
    range(rows).map(|row| &face.patch.values[row * SIDE..][columns.clone()]).collect()
}

/// The strongest level line in a narrow band: the greatest second difference of the means of its rows, over its luma.
fn line(face: &AlignedFace<'_>, x: f32, half: f32, [top, bottom]: [f32; 2]) -> f32 {
    let rows = band(face, [x - half, x + half], [EYE_LINE + top * EYE_DISTANCE, EYE_LINE + bottom * EYE_DISTANCE]);
    let means: Vec<f32> = rows.iter().map(|row| row.iter().sum::<f32>() / row.len().max(1) as f32).collect();
    let luma = means.iter().sum::<f32>() / means.len().max(1) as f32;
    let strongest = means.windows(5).map(|w| (w[0] - 2.0 * w[2] + w[4]).abs() / 4.0).fold(0.0, f32::max);
    strongest / (luma + 10.0)
}

/// The answers of the last frames: one frame says little, the majority of some is the answer.
#[derive(Clone, Debug)]
pub struct GlassesVote {
    last: VecDeque<Glasses>,
    frames: usize,
}

impl GlassesVote {
    /// A vote over this many frames, at least one.
    pub fn new(frames: usize) -> Self {
        Self { last: VecDeque::new(), frames: frames.max(1) }
    }

    /// What a frame showed.
    pub fn add(&mut self, glasses: Glasses) {
        if self.last.len() == self.frames {
            self.last.pop_front();
        }
        self.last.push_back(glasses);
    }

    /// What more than half of the frames showed; `None` before there are enough of them, and where none has the majority.
    pub fn result(&self) -> Option<Glasses> {
        let count = |glasses: Glasses| self.last.iter().filter(|seen| **seen == glasses).count();
        let majority = |glasses: &Glasses| 2 * count(*glasses) > self.frames;
        let all = [Glasses::NoGlasses, Glasses::EyeGlasses, Glasses::SunGlasses];
        all.into_iter().find(majority).filter(|_| self.last.len() == self.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_of_the_last_frames_is_the_answer() {
        let mut vote = GlassesVote::new(3);
        for (seen, result) in [
            (Glasses::EyeGlasses, None),
            (Glasses::EyeGlasses, None),
            (Glasses::NoGlasses, Some(Glasses::EyeGlasses)),
            (Glasses::SunGlasses, None),
            (Glasses::SunGlasses, Some(Glasses::SunGlasses)),
        ] {
            vote.add(seen);
            assert_eq!(vote.result(), result);
        }
    }

    #[test]
    fn settings_have_the_originals_names() {
        for (mode, name) in
            [(GlassesMode::Off, "OFF"), (GlassesMode::WarningOnly, "WARNING_ONLY"), (GlassesMode::Error, "ERROR")]
        {
            assert_eq!(serde_json::to_value(mode).unwrap(), name);
        }
        assert_eq!(serde_json::to_value(Glasses::SunGlasses).unwrap(), "SunGlasses");
    }

    #[test]
    fn a_dark_lens_is_sunglasses_whatever_its_frame() {
        let cues = GlassesCues { eyes: 0.3, bridge: 0.0, rims: 0.0 };
        assert_eq!(cues.glasses(), Glasses::SunGlasses);
        assert_eq!(GlassesCues { eyes: 0.9, ..cues }.glasses(), Glasses::NoGlasses);
        assert_eq!(GlassesCues { eyes: 0.9, bridge: 0.1, rims: 0.04 }.glasses(), Glasses::EyeGlasses);
    }
}

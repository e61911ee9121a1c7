//! Glasses, as far as they are seen without a network, and a vote over frames.
//!
//! Sunglasses make both eyes far darker than the cheeks. Eyeglasses draw lines over the bridge of the nose and below the
//! eyes; so do wrinkles, and thin frames draw faint ones: then there is no answer. Where one is needed, let the network of
//! `vision-models` look.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::aligned::{AlignedFace, EYE_DISTANCE, Levels, SIDE};
use super::sigmoid;
use crate::liveness::{Finding, Mode, Verdict};

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

impl From<GlassesMode> for Mode {
    fn from(mode: GlassesMode) -> Self {
        match mode {
            GlassesMode::Off => Self::Off,
            GlassesMode::WarningOnly => Self::Observe,
            GlassesMode::Error => Self::Enforce,
        }
    }
}

/// Where the eyes are in the patch: level, their middles this far from the left and from the top.
const EYES: [f32; 2] = [SIDE as f32 / 2.0 - EYE_DISTANCE / 2.0, SIDE as f32 / 2.0 + EYE_DISTANCE / 2.0];
const EYE_LINE: f32 = 0.37 * SIDE as f32 - 0.5;
/// Luma of an eye's region over that of the cheeks below which a lens is dark: about midway between eyes (0.68 at the fifth
/// percentile of the clips) and the lenses painted onto them (0.26 at the 95th).
const DARK_LENS: f32 = 0.45;
/// From which probability on there is a frame, and up to which there is none. Between them are thin frames and wrinkles.
const FRAME: f32 = 0.9;
const NO_FRAME: f32 = 0.2;

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

    /// The answer, where the picture alone gives one: dark lenses, or a frame with a probability above 0.9 or below 0.2.
    pub fn glasses(&self) -> Option<Glasses> {
        match self.frame() {
            _ if self.eyes < DARK_LENS => Some(Glasses::SunGlasses),
            frame if frame > FRAME => Some(Glasses::EyeGlasses),
            frame if frame < NO_FRAME => Some(Glasses::NoGlasses),
            _ => None,
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
    last: VecDeque<Option<Glasses>>,
    frames: usize,
}

impl GlassesVote {
    /// The vote of a call. The network answers about every frame, and wrongly about a fifth of some people's: nine frames. The
    /// picture alone keeps silent where it cannot tell: three.
    pub fn in_call(network: bool) -> Self {
        Self::new(if network { 9 } else { 3 })
    }

    /// A vote over this many frames, at least one.
    pub fn new(frames: usize) -> Self {
        Self { last: VecDeque::new(), frames: frames.max(1) }
    }

    /// What a frame showed; `None` where that could not be told.
    pub fn add(&mut self, glasses: Option<Glasses>) {
        if self.last.len() == self.frames {
            self.last.pop_front();
        }
        self.last.push_back(glasses);
    }

    /// What more than half of the frames showed, as soon as those that are still to come cannot change it; `None` before,
    /// and where none has the majority.
    pub fn result(&self) -> Option<Glasses> {
        let count = |glasses: Glasses| self.last.iter().filter(|seen| **seen == Some(glasses)).count();
        let all = [Glasses::NoGlasses, Glasses::EyeGlasses, Glasses::SunGlasses];
        all.into_iter().find(|glasses| 2 * count(*glasses) > self.frames)
    }

    /// The result as a finding of the check, where `allowed` may be worn (the original allows nothing but no glasses).
    /// The score is the share of the frames with an answer whose answer is allowed.
    pub fn finding(&self, allowed: &[Glasses]) -> Finding {
        let verdict = match self.result() {
            None => Verdict::Inconclusive,
            Some(glasses) if allowed.contains(&glasses) => Verdict::Passed,
            Some(_) => Verdict::Failed,
        };
        let answers = self.last.iter().flatten().count();
        let good = self.last.iter().flatten().filter(|glasses| allowed.contains(glasses)).count();
        Finding { verdict, score: (answers > 0).then(|| good as f32 / answers as f32) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_of_the_last_frames_is_the_answer() {
        use Glasses::{EyeGlasses, NoGlasses, SunGlasses};
        use Verdict::{Failed, Inconclusive, Passed};
        let mut vote = GlassesVote::new(3);
        assert_eq!(vote.finding(&[NoGlasses]), Finding { verdict: Inconclusive, score: None });
        for (seen, result, verdict, score) in [
            (Some(EyeGlasses), None, Inconclusive, 0.0),
            (Some(EyeGlasses), Some(EyeGlasses), Failed, 0.0),
            (Some(NoGlasses), Some(EyeGlasses), Failed, 1.0 / 3.0),
            (None, None, Inconclusive, 0.5),
            (Some(NoGlasses), Some(NoGlasses), Passed, 1.0),
            (Some(SunGlasses), None, Inconclusive, 0.5),
            (Some(SunGlasses), Some(SunGlasses), Failed, 1.0 / 3.0),
        ] {
            vote.add(seen);
            assert_eq!(vote.result(), result);
            assert_eq!(vote.finding(&[NoGlasses]), Finding { verdict, score: Some(score) });
        }
        assert_eq!(vote.finding(&[NoGlasses, SunGlasses]).verdict, Passed);
    }

    #[test]
    fn settings_have_the_originals_names() {
        for (mode, name, check) in [
            (GlassesMode::Off, "OFF", Mode::Off),
            (GlassesMode::WarningOnly, "WARNING_ONLY", Mode::Observe),
            (GlassesMode::Error, "ERROR", Mode::Enforce),
        ] {
            assert_eq!(serde_json::to_value(mode).unwrap(), name);
            assert_eq!(Mode::from(mode), check);
        }
        assert_eq!(serde_json::to_value(Glasses::SunGlasses).unwrap(), "SunGlasses");
    }

    #[test]
    fn a_dark_lens_is_sunglasses_whatever_its_frame() {
        let cues = GlassesCues { eyes: 0.3, bridge: 0.0, rims: 0.0 };
        assert_eq!(cues.glasses(), Some(Glasses::SunGlasses));
        assert_eq!(GlassesCues { eyes: 0.9, ..cues }.glasses(), Some(Glasses::NoGlasses));
        assert_eq!(GlassesCues { eyes: 0.9, bridge: 0.025, rims: 0.015 }.glasses(), None);
        assert_eq!(GlassesCues { eyes: 0.9, bridge: 0.1, rims: 0.04 }.glasses(), Some(Glasses::EyeGlasses));
    }
}

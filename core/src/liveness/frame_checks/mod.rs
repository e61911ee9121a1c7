//! Is a frame good enough to tell liveness from it, and does it look alive: the checks of LUNA PASS, in its order.
//!
//! faces, quality, position and size, pose, eyes, mouth, glasses, AGS, liveness. The first check that fails ends the
//! evaluation, so that a bad frame costs no later model; all that is wrong within that check is told. At a threshold is
//! passed.
//!
//! ```
//! # use vision_core::{face::Face, picture::PictureView};
//! use vision_core::liveness::frame_checks::{BestShot, FrameChecks, Liveness, Models, Thresholds};
//! use vision_core::liveness::quality::AlignedFace;
//! use vision_core::liveness::quality::glasses::{Glasses, GlassesCues};
//!
//! struct Networks;
//!
//! impl Models for Networks {
//!     fn glasses(&mut self, _face: &Face, aligned: &AlignedFace<'_>) -> Option<Glasses> {
//!         GlassesCues::of(aligned).glasses() // or the network's answer
//!     }
//!
//!     fn liveness(&mut self, _face: &Face, _aligned: &AlignedFace<'_>) -> Option<Liveness> {
//!         None // no anti-spoof network: the check is left out, and the result shows it
//!     }
//! }
//!
//! # fn look(picture: &PictureView<'_>, faces: &[Face]) {
//! let checks = FrameChecks::new(Thresholds::default());
//! let mut best = BestShot::new(checks.thresholds());
//! let status = checks.evaluate(picture, faces, &mut Networks);
//! best.offer(&status, || "this frame");
//! println!("{}", serde_json::json!(status)); // the client's FrameStatus
//! # }
//! ```

mod best_shot;
mod codes;
mod select;
mod status;
#[cfg(test)]
mod tests;
mod thresholds;

pub use best_shot::BestShot;
pub use codes::Code;
pub use select::{MultifacePolicy, UnknownPolicy};
pub use status::{Details, FrameStatus, HeadPose, Liveness, PixelRect, Position, QualityStatus};
pub use thresholds::Thresholds;

use crate::face::Face;
use crate::liveness::quality::ags::Factors;
use crate::liveness::quality::glasses::Glasses;
use crate::liveness::quality::mouth::Mouth;
use crate::liveness::quality::{AlignedFace, Measures};
use crate::picture::PictureView;

/// Indices of `eyeBlinkLeft` and `eyeBlinkRight` in [`crate::face::BLENDSHAPE_NAMES`].
const BLINK: [usize; 2] = [9, 10];
/// Both `eyeBlink` scores at or above this are closed eyes, where the thresholds do not say: the gesture's own.
const CLOSED: f32 = 0.5;

/// What the checks ask others for, and only when everything before passed. `None`: cannot be told; the check is left out.
pub trait Models {
    /// What the face wears.
    fn glasses(&mut self, face: &Face, aligned: &AlignedFace<'_>) -> Option<Glasses>;
    /// Whether it is alive.
    fn liveness(&mut self, face: &Face, aligned: &AlignedFace<'_>) -> Option<Liveness>;
}

/// The frame checks with their thresholds.
#[derive(Clone, Debug, Default)]
pub struct FrameChecks {
    thresholds: Thresholds,
}

impl FrameChecks {
    /// With these thresholds.
    pub fn new(thresholds: Thresholds) -> Self {
        Self { thresholds }
    }

    /// The thresholds.
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// Checks a frame with all the faces that are in it. A picture without the pixels that its size promises shows no face.
    pub fn evaluate(&self, picture: &PictureView<'_>, faces: &[Face], models: &mut impl Models) -> FrameStatus {
        let mut details = Details::default();
        let errors = self.first_failure(picture, faces, models, &mut details).err().unwrap_or_default();
        FrameStatus { is_ok: errors.is_empty(), errors, details }
    }

    fn first_failure(
        &self,
        picture: &PictureView<'_>,
        faces: &[Face],
        models: &mut impl Models,
        details: &mut Details,
    ) -> Result<(), Vec<Code>> {
        let limits = &self.thresholds;
        let (width, height) = (picture.width(), picture.height());
        let face = limits.multiface_policy.select(faces, width, height).map_err(|code| vec![code])?;
        let aligned = AlignedFace::new(picture, face).ok_or_else(|| vec![Code::NoFace])?;

        let measures = Measures::of(&aligned);
        passed(limits.quality(details.quality.insert(QualityStatus::new(&measures, limits))))?;
        passed(limits.position(details.face_frame_position.insert(Position::of(face, width, height))))?;
        passed(limits.pose(details.head_pose.insert(HeadPose::of(face))))?;

        let closed = limits.eyes.unwrap_or(CLOSED);
        let eyes_closed = *details.eyes_closed.insert(BLINK.iter().all(|index| face.blendshapes[*index] >= closed));
        if limits.eyes.is_some() && eyes_closed && !limits.allow_sunglasses() {
            return Err(vec![Code::OpenEyes]);
        }

        let mouth = *details.mouth.insert(Mouth::of(&aligned, face));
        passed([(below(mouth.closed_and_visible(), limits.mouth), Code::Mouth)])?;

        details.eyeglasses = models.glasses(face, &aligned);
        passed([(details.eyeglasses.is_some_and(|glasses| !limits.glasses.contains(&glasses)), Code::Glasses)])?;

        let ags = *details.ags.insert(Factors::of(&aligned, face, &measures, &mouth).ags());
        passed([(below(ags, limits.ags), Code::LowAgs)])?;

        details.liveness = models.liveness(face, &aligned);
        passed(details.liveness.iter().flat_map(|liveness| {
            [
                (below(liveness.score, limits.liveness_score), Code::Liveness),
                (below(liveness.quality_score, limits.liveness_quality_score), Code::LivenessQuality),
            ]
        }))
    }
}

/// What is wrong, if anything.
fn passed(findings: impl IntoIterator<Item = (bool, Code)>) -> Result<(), Vec<Code>> {
    let wrong: Vec<Code> = findings.into_iter().filter(|(wrong, _)| *wrong).map(|(_, code)| code).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// A score that is no number passes nothing.
fn below(score: f32, threshold: f32) -> bool {
    score.is_nan() || score < threshold
}

fn above(score: f32, threshold: f32) -> bool {
    score.is_nan() || score > threshold
}

impl Thresholds {
    fn quality(&self, status: &QualityStatus) -> [(bool, Code); 5] {
        [
            (status.is_blurred, Code::Blurred),
            (status.is_highlighted, Code::LessLight),
            (status.is_dark, Code::MoreLight),
            (status.is_illuminated, Code::UnevenLight),
            (status.is_specular, Code::Glare),
        ]
    }

    /// A face that is too near at two opposite borders cannot be helped by moving the camera.
    fn position(&self, position: &Position) -> Vec<(bool, Code)> {
        let [left, top, right, bottom] = position.margins.map(|margin| below(margin, self.frame_margin));
        let further = left && right || top && bottom;
        vec![
            (further, Code::Further),
            (bottom && !further, Code::CameraLower),
            (left && !further, Code::CameraLeft),
            (top && !further, Code::CameraHigher),
            (right && !further, Code::CameraRight),
            (below(position.face_rect.width, self.face_width), Code::CloserWidth),
            (below(position.face_rect.height, self.face_height), Code::CloserHeight),
        ]
    }

    fn pose(&self, pose: &HeadPose) -> [(bool, Code); 6] {
        [
            (above(pose.yaw, self.yaw), Code::TurnRight),
            (above(-pose.yaw, self.yaw), Code::TurnLeft),
            (above(pose.roll, self.roll), Code::TiltedRight),
            (above(-pose.roll, self.roll), Code::TiltedLeft),
            (above(-pose.pitch, self.pitch), Code::RaiseChin),
            (above(pose.pitch, self.pitch), Code::LowerChin),
        ]
    }
}

impl QualityStatus {
    /// The scores of a face, and which of them are not good enough.
    pub fn new(measures: &Measures, limits: &Thresholds) -> Self {
        let scores = measures.quality();
        Self {
            scores,
            is_blurred: below(scores.blur, limits.blur),
            is_highlighted: below(scores.light, limits.light),
            is_dark: below(scores.darkness, limits.dark),
            is_illuminated: above(scores.illumination, limits.illumination),
            is_specular: above(scores.specularity, limits.specularity),
        }
    }
}

impl Position {
    /// Where a face is in a picture of this many pixels.
    pub fn of(face: &Face, width: usize, height: usize) -> Self {
        let (width, height) = (width as f32, height as f32);
        let face = face.bounding_box();
        let face_rect = PixelRect {
            x: face.x * width,
            y: face.y * height,
            width: face.width * width,
            height: face.height * height,
        };
        let PixelRect { x, y, width: w, height: h } = face_rect;
        let frame_rect = PixelRect { x: 0.0, y: 0.0, width, height };
        Self { face_rect, frame_rect, margins: [x, y, width - x - w, height - y - h] }
    }
}

impl HeadPose {
    /// Which way a face looks.
    pub fn of(face: &Face) -> Self {
        let angles = face.angles();
        Self { yaw: angles.yaw.to_degrees(), pitch: angles.pitch.to_degrees(), roll: angles.roll.to_degrees() }
    }
}

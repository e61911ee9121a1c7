//! The result of the frame checks. Serialised it is the `FrameStatus` that LUNA PASS's clients read.

use serde::Serialize;

use super::Code;
use crate::liveness::quality::Quality;
use crate::liveness::quality::glasses::Glasses;
use crate::liveness::quality::mouth::Mouth;

/// What was seen in a frame. No picture, no landmarks: it may go to the client.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FrameStatus {
    /// Every check passed.
    pub is_ok: bool,
    /// What is wrong: all that the first failing check found; later ones were not made.
    pub errors: Vec<Code>,
    /// The scores of the checks that were made.
    pub details: Details,
}

/// Scores of a frame; `None` was not measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// Fitness for matching.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ags: Option<f32>,
    /// Quality of the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<QualityStatus>,
    /// Where the face is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub face_frame_position: Option<Position>,
    /// Which way it looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_pose: Option<HeadPose>,
    /// The mouth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mouth: Option<Mouth>,
    /// What it wears.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eyeglasses: Option<Glasses>,
    /// Whether it is alive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<Liveness>,
    /// Both eyes are closed; never told to clients, for [`super::BestShot`].
    #[serde(skip)]
    pub eyes_closed: Option<bool>,
}

/// The scores of [`Quality`], each with what comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QualityStatus {
    /// The scores.
    #[serde(flatten)]
    pub scores: Quality,
    /// `blur` is below its threshold.
    pub is_blurred: bool,
    /// `light` is below its threshold.
    pub is_highlighted: bool,
    /// `darkness` is below its threshold.
    pub is_dark: bool,
    /// `illumination` is above its threshold.
    pub is_illuminated: bool,
    /// `specularity` is above its threshold.
    pub is_specular: bool,
}

/// Where the face is in the picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// The face: the box around the mesh.
    pub face_rect: PixelRect,
    /// The picture.
    pub frame_rect: PixelRect,
    /// Distance of the face from the picture's left, upper, right and lower border.
    pub margins: [f32; 4],
}

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PixelRect {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

/// Head pose in degrees; signs as in [`crate::face::Angles`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HeadPose {
    /// Turn.
    pub yaw: f32,
    /// Nod.
    pub pitch: f32,
    /// Tilt.
    pub roll: f32,
}

/// What a liveness network or a fusion of cues says about a frame, 0..1 each.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Liveness {
    /// Alive.
    pub score: f32,
    /// How good what it was told from is.
    pub quality_score: f32,
}

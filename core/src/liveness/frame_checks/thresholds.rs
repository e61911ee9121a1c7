//! What a frame has to reach. The defaults are those of LUNA PASS (its configuration's `LIVENESS` section).

use super::MultifacePolicy;
use crate::liveness::quality::glasses::Glasses;

/// Limits of the frame checks; each of them is included in what passes.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    /// Which face is looked at where there are several.
    pub multiface_policy: MultifacePolicy,
    /// Least sharpness.
    pub blur: f32,
    /// Least freedom from over-exposure and light from behind.
    pub light: f32,
    /// Least brightness.
    pub dark: f32,
    /// Greatest unevenness of light.
    pub illumination: f32,
    /// Greatest glare.
    pub specularity: f32,
    /// Least distance of the face from each border of the picture, pixels.
    pub frame_margin: f32,
    /// Least width of the face, pixels.
    pub face_width: f32,
    /// Least height of the face, pixels.
    pub face_height: f32,
    /// Greatest turn to either side, degrees.
    pub yaw: f32,
    /// Greatest nod up or down, degrees.
    pub pitch: f32,
    /// Greatest tilt to either side, degrees.
    pub roll: f32,
    /// At least one eye must be open (both `eyeBlink` scores at or above this are closed eyes); `None`: not looked at, as in
    /// LUNA PASS up to 1.7. Not looked at either when the face wears sunglasses.
    pub eyes: Option<f32>,
    /// Least probability that the mouth is closed and not occluded.
    pub mouth: f32,
    /// What the subject may wear.
    pub glasses: Vec<Glasses>,
    /// Least fitness for matching.
    pub ags: f32,
    /// Least liveness.
    pub liveness_score: f32,
    /// Least quality of what liveness was told from.
    pub liveness_quality_score: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            multiface_policy: MultifacePolicy::OnlyOne,
            blur: 0.61,
            light: 0.57,
            dark: 0.5,
            illumination: 0.1,
            specularity: 0.1,
            frame_margin: 10.0,
            face_width: 200.0,
            face_height: 200.0,
            yaw: 20.0,
            pitch: 20.0,
            roll: 20.0,
            eyes: None,
            mouth: 0.4,
            glasses: vec![Glasses::NoGlasses, Glasses::EyeGlasses],
            ags: 0.8,
            liveness_score: 0.5,
            liveness_quality_score: 0.5,
        }
    }
}

impl Thresholds {
    /// Whether sunglasses are allowed, with which eyes cannot be seen to be open.
    pub fn allow_sunglasses(&self) -> bool {
        self.glasses.contains(&Glasses::SunGlasses)
    }
}

//! Frames for the tests of plug-ins.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use vision_core::face::{BLENDSHAPES, Face, LANDMARKS};
use vision_core::liveness::frame_checks::{Code, Details, FrameStatus, Liveness};
use vision_core::picture::{Picture, RgbPicture};

use super::Seen;

/// What frames are made of.
pub struct Frames {
    file: Bytes,
    picture: Arc<dyn Picture>,
}

impl Default for Frames {
    fn default() -> Self {
        let picture = RgbPicture { data: vec![128; 48], width: 4, height: 4 };
        Self { file: Bytes::from_static(b"\xff\xd8\xff a picture"), picture: Arc::new(picture) }
    }
}

impl Frames {
    /// The first frame of a session, without a face.
    pub fn seen<'a>(&'a self, status: &'a FrameStatus) -> Seen<'a> {
        Seen {
            number: 1,
            file: &self.file,
            picture: &self.picture,
            status,
            face: None,
            best_shot: None,
            arrived: Instant::now(),
            since_begin: Duration::ZERO,
        }
    }
}

/// Of a frame with nothing wrong.
pub fn passing() -> FrameStatus {
    FrameStatus { is_ok: true, errors: Vec::new(), details: Details::default() }
}

/// Of a frame that came as far as liveness, at the thresholds' defaults.
pub fn with_liveness(score: f32, quality_score: f32) -> FrameStatus {
    let wrong = [(score < 0.5, Code::Liveness), (quality_score < 0.5, Code::LivenessQuality)];
    let errors: Vec<_> = wrong.into_iter().filter(|(wrong, _)| *wrong).map(|(_, code)| code).collect();
    let details =
        Details { liveness: Some(Liveness { score, quality_score }), eyes_closed: Some(false), ..Details::default() };
    FrameStatus { is_ok: errors.is_empty(), errors, details }
}

/// A face whose head is turned to the subject's left by this many degrees.
pub fn face_turned(yaw: f32) -> Face {
    let (sin, cos) = yaw.to_radians().sin_cos();
    Face {
        landmarks: Box::new([[0.5, 0.5, 0.0]; LANDMARKS]),
        blendshapes: [0.0; BLENDSHAPES],
        matrix: [[cos, 0.0, sin, 0.0], [0.0, 1.0, 0.0, 0.0], [-sin, 0.0, cos, 0.0], [0.0, 0.0, 0.0, 1.0]],
        presence: 1.0,
    }
}

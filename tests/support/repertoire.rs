//! What one person can be asked to do, as pictures out of a clip.

use std::io::Cursor;
use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use vision_core::face::Face;
use vision_models::engine::{Engine, EngineOptions};
use vision_models::picture_file::{PictureLimits, decode_picture};
use vision_service::app::engine_options;

/// What the person of a clip can be asked for, each with a frame of it; the other side is a frame in the mirror.
pub struct Repertoire {
    pub straight: Bytes,
    closed: Bytes,
    left: Bytes,
    right: Bytes,
    up: Bytes,
    down: Bytes,
}

impl Repertoire {
    /// Looks for the frames that show it most.
    pub fn of(frames: &[Bytes]) -> Self {
        let engine = Engine::open(&EngineOptions {
            workers: NonZeroUsize::new(1),
            ..engine_options(&super::service::config(&[]))
        });
        let engine = engine.unwrap();
        let faces: Vec<(Face, &Bytes)> = frames
            .iter()
            .filter_map(|frame| {
                let picture = Arc::new(decode_picture(frame, &PictureLimits::default()).unwrap());
                engine.analyze_picture(picture).unwrap().pop().map(|face| (face, frame))
            })
            .collect();
        let most = |what: fn(&Face) -> f32| {
            faces
                .iter()
                .max_by(|(a, _), (b, _)| what(a).total_cmp(&what(b)))
                .map(|(_, frame)| (*frame).clone())
                .unwrap()
        };
        let turned = most(|face| face.angles().yaw.abs());
        let mirrored = mirror(&turned);
        let yaw = faces.iter().find(|(_, frame)| **frame == turned).unwrap().0.angles().yaw;
        let (left, right) = if yaw > 0.0 { (turned, mirrored) } else { (mirrored, turned) };
        Self {
            straight: most(|face| {
                -face.angles().yaw.abs() - face.angles().pitch.abs() - face.blendshapes[9] - face.blendshapes[10]
            }),
            closed: most(|face| face.blendshapes[9].min(face.blendshapes[10])),
            left,
            right,
            up: most(|face| face.angles().pitch),
            down: most(|face| -face.angles().pitch),
        }
    }

    /// What answers the errors of the last frame.
    pub fn answer(&self, errors: &Value) -> &Bytes {
        match errors[0].as_u64() {
            Some(62) => &self.closed,
            Some(64) => &self.right,
            Some(65) => &self.left,
            Some(67) => &self.up,
            Some(68) => &self.down,
            _ => &self.straight,
        }
    }
}

fn mirror(file: &Bytes) -> Bytes {
    let mut mirrored = Cursor::new(Vec::new());
    let picture = image::load_from_memory(file).unwrap().fliph();
    picture.write_to(&mut mirrored, image::ImageFormat::Jpeg).unwrap();
    mirrored.into_inner().into()
}

//! One frame: a picture file in, what is to be said of it out. On a thread that may wait for the networks.

use std::sync::Arc;

use vision_core::face::Face;
use vision_core::liveness::frame_checks::{FrameChecks, FrameStatus, Liveness, Models, Thresholds};
use vision_core::liveness::passive::{Passive, Report};
use vision_core::liveness::quality::AlignedFace;
use vision_core::liveness::quality::glasses::{Glasses, GlassesCues};
use vision_core::picture::Picture;
use vision_models::engine::{Engine, EngineError};
use vision_models::picture_file::{PictureError, PictureLimits, decode_picture};

/// Looks at the frames of one session.
pub struct Judge {
    engine: Arc<Engine>,
    checks: FrameChecks,
    limits: PictureLimits,
    passive: Passive,
}

/// Why a frame could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// No picture, or too large a one.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The networks did not answer.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A frame that was looked at.
pub struct Judged {
    /// What was seen.
    pub status: FrameStatus,
    /// The picture.
    pub picture: Arc<dyn Picture>,
    /// The face that was looked at, where there is exactly one to look at.
    pub face: Option<Face>,
}

impl Judge {
    /// Nothing seen yet.
    pub fn new(engine: Arc<Engine>, thresholds: Thresholds, limits: PictureLimits) -> Self {
        Self { engine, checks: FrameChecks::new(thresholds), limits, passive: Passive::new() }
    }

    /// What passive liveness has found so far.
    pub fn passive(&self) -> Report {
        self.passive.report()
    }

    /// Looks at a frame. Liveness is told of all frames of the session that came as far, together.
    ///
    /// # Errors
    /// [`JudgeError`]; the next frame may do.
    pub fn judge(&mut self, file: &[u8]) -> Result<Judged, JudgeError> {
        let picture: Arc<dyn Picture> = Arc::new(decode_picture(file, &self.limits)?);
        let faces = self.engine.analyze_picture(picture.clone())?;
        let view = picture.view();
        let mut networks = Networks { engine: &self.engine, picture: &picture, passive: &mut self.passive };
        let status = self.checks.evaluate(&view, &faces, &mut networks);
        let policy = self.checks.thresholds().multiface_policy;
        let face = policy.select(&faces, view.width(), view.height()).ok().cloned();
        Ok(Judged { status, picture: picture.clone(), face })
    }
}

struct Networks<'a> {
    engine: &'a Engine,
    picture: &'a Arc<dyn Picture>,
    passive: &'a mut Passive,
}

impl Models for Networks<'_> {
    fn glasses(&mut self, face: &Face, aligned: &AlignedFace<'_>) -> Option<Glasses> {
        let cues = GlassesCues::of(aligned);
        let network = known("answer of the glasses network", self.engine.glasses(self.picture.clone(), face, &cues));
        network.flatten().or_else(|| cues.glasses())
    }

    fn liveness(&mut self, face: &Face, _: &AlignedFace<'_>) -> Option<Liveness> {
        let logit = known("anti-spoof score", self.engine.antispoof(self.picture.clone(), face)).flatten();
        self.passive.observe(&self.picture.view(), face, logit);
        let report = self.passive.report();
        // nothing to tell from is not alive
        let score = report.finding.score.unwrap_or(0.0);
        Some(Liveness { score, quality_score: report.quality })
    }
}

fn known<T>(what: &str, result: Result<T, EngineError>) -> Option<T> {
    result.map_err(|error| tracing::warn!(%error, "a frame has no {what}")).ok()
}

#[cfg(test)]
mod tests {
    use vision_core::liveness::frame_checks::Code;

    use super::*;
    use crate::app::engine_options;
    use crate::config::{Config, Layers};

    fn judge(thresholds: Thresholds) -> Judge {
        let config = Config::from_layers(&Layers::default()).unwrap();
        let engine = Engine::open(&engine_options(&config)).unwrap();
        Judge::new(engine, thresholds, PictureLimits { max_bytes: 4 << 20, max_pixels: 2_000_000 })
    }

    const ASTRONAUT: &[u8] = include_bytes!("../../assets/demo/astronaut.png");

    #[test]
    fn a_picture_is_measured_as_far_as_it_passes() {
        // a portrait that is smaller than what is asked for
        let judged = judge(Thresholds::default()).judge(ASTRONAUT).unwrap();
        assert!(!judged.status.is_ok && judged.face.is_some());
        assert!(judged.status.details.liveness.is_none(), "a frame that fails costs no later network");

        let easy = Thresholds {
            face_width: 50.0,
            face_height: 50.0,
            blur: 0.0,
            light: 0.0,
            dark: 0.0,
            illumination: 1.0,
            specularity: 1.0,
            yaw: 90.0,
            pitch: 90.0,
            roll: 90.0,
            mouth: 0.0,
            ags: 0.0,
            liveness_score: 0.0,
            liveness_quality_score: 0.0,
            ..Thresholds::default()
        };
        let judged = judge(easy).judge(ASTRONAUT).unwrap();
        assert!(judged.status.is_ok, "{:?}", judged.status);
        let details = judged.status.details;
        assert!(details.liveness.is_some() && details.ags.is_some() && details.eyeglasses.is_some(), "{details:?}");
    }

    #[test]
    fn what_is_no_picture_or_shows_nobody_is_said() {
        let mut judge = judge(Thresholds::default());
        assert!(matches!(judge.judge(b"not a picture"), Err(JudgeError::Picture(PictureError::UnknownFormat))));
        let mut grey = std::io::Cursor::new(Vec::new());
        image::RgbImage::from_pixel(320, 240, image::Rgb([90; 3]))
            .write_to(&mut grey, image::ImageFormat::Png)
            .unwrap();
        let judged = judge.judge(grey.get_ref()).unwrap();
        assert!(judged.status.errors == [Code::NoFace] && judged.face.is_none());
        let mut large = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(2000, 1001).write_to(&mut large, image::ImageFormat::Png).unwrap();
        assert!(matches!(judge.judge(large.get_ref()), Err(JudgeError::Picture(PictureError::TooManyPixels { .. }))));
    }
}

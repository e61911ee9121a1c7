//! The best frame so far.

use super::{FrameStatus, Thresholds};

/// Keeps the best of the frames that it is offered: the one with the highest liveness among those whose liveness quality is
/// above its threshold. A frame with both eyes closed is never it, unless sunglasses are allowed.
///
/// `T` is whatever the caller wants to have of the frame later: its index, or the picture itself.
#[derive(Clone, Debug)]
pub struct BestShot<T> {
    quality: f32,
    closed_eyes: bool,
    best: Option<(f32, T)>,
}

impl<T> BestShot<T> {
    /// Nothing yet.
    pub fn new(thresholds: &Thresholds) -> Self {
        Self { quality: thresholds.liveness_quality_score, closed_eyes: thresholds.allow_sunglasses(), best: None }
    }

    /// Looks at a frame; `keep` is called when it is the best so far. Only a frame that got as far as liveness can be.
    pub fn offer(&mut self, status: &FrameStatus, keep: impl FnOnce() -> T) {
        let Some(liveness) = status.details.liveness else { return };
        let eyes = self.closed_eyes || status.details.eyes_closed == Some(false);
        let better = self.best.as_ref().is_none_or(|(score, _)| liveness.score > *score);
        if liveness.quality_score > self.quality && eyes && better {
            self.best = Some((liveness.score, keep()));
        }
    }

    /// What was kept of the best frame.
    pub fn best(&self) -> Option<&T> {
        self.best.as_ref().map(|(_, kept)| kept)
    }

    /// What was kept of the best frame, to have.
    pub fn into_best(self) -> Option<T> {
        self.best.map(|(_, kept)| kept)
    }
}

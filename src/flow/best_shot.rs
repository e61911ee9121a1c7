//! The frame that shows the subject best: of those that were looked at closely and have open eyes, the one that is fittest
//! for matching.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use vision_core::face::Face;
use vision_core::picture::Picture;

use super::watch::inspection::Inspected;
use super::watch::pictures::Scores;
use crate::json::told;

/// `eyeBlinkLeft` and `eyeBlinkRight` among the blendshapes, and from where on eyes are closed.
const BLINK: [usize; 2] = [9, 10];
const CLOSED: f32 = 0.5;

/// Keeps the best one.
pub(super) struct BestShot {
    /// Looked at before: frames of somebody who has left.
    since: Instant,
    best: Option<Best>,
    is_decided: bool,
}

/// The best one.
pub(super) struct Best {
    /// Shared, not copied.
    pub picture: Arc<dyn Picture>,
    /// When it came to the networks.
    pub submitted: Instant,
    /// How good it is.
    pub scores: Value,
    fitness: f32,
}

impl BestShot {
    /// None yet.
    pub fn new() -> Self {
        Self { since: Instant::now(), best: None, is_decided: false }
    }

    /// A subject begins, who may be another one than before.
    pub fn begin(&mut self) {
        *self = Self::new();
    }

    /// A frame was looked at closely.
    pub fn see(&mut self, inspected: &Inspected) {
        let counts = !self.is_decided && inspected.submitted >= self.since;
        let Some(appearance) = inspected.appearance.as_ref().filter(|_| counts) else { return };
        let better = self.best.as_ref().is_none_or(|best| appearance.ags > best.fitness);
        if better && !eyes_closed(&inspected.face) {
            let scores = told(Scores::of(appearance));
            let (picture, submitted) = (inspected.picture.clone(), inspected.submitted);
            self.best = Some(Best { picture, submitted, scores, fitness: appearance.ags });
        }
    }

    /// The flow is decided: the best one stays what it is.
    pub fn decide(&mut self) -> Option<Arc<dyn Picture>> {
        self.is_decided = true;
        self.best.as_ref().map(|best| best.picture.clone())
    }

    /// The best one, for good.
    pub fn take(&mut self) -> Option<Best> {
        self.best.take()
    }
}

fn eyes_closed(face: &Face) -> bool {
    BLINK.iter().all(|index| face.blendshapes[*index] >= CLOSED)
}

//! A closer look at one frame, beside the gestures: on a thread that may wait for the networks.

use std::sync::Arc;
use std::time::Instant;

use vision_core::face::Face;
use vision_core::liveness::continuity::identity::Embedding;
use vision_core::liveness::quality::glasses::Glasses;
use vision_core::liveness::quality::{self, AlignedFace, Quality};
use vision_core::picture::Picture;
use vision_models::engine::{Engine, EngineError};

/// What is to be found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// How good the picture is, and what the face wears.
    pub appearance: bool,
    /// Whose face it is.
    pub embedding: bool,
    /// What the anti-spoof network says.
    pub antispoof: bool,
}

/// A frame to be looked at.
pub struct Inspection {
    pub(super) engine: Arc<Engine>,
    pub(super) picture: Arc<dyn Picture>,
    pub(super) face: Face,
    /// When the frame was handed to the networks.
    pub(super) submitted: Instant,
    pub(super) wants: Wants,
    /// The picture's number, if it was taken for the comparison.
    pub(super) number: Option<usize>,
}

/// What was found out.
pub struct Inspected {
    pub(in crate::flow) picture: Arc<dyn Picture>,
    pub(in crate::flow) face: Face,
    pub(in crate::flow) submitted: Instant,
    pub(in crate::flow) appearance: Option<Appearance>,
    pub(super) embedding: Option<Embedding>,
    pub(super) antispoof: Option<f32>,
    pub(super) number: Option<usize>,
}

/// How good the picture of a face is, and what the face wears.
pub(in crate::flow) struct Appearance {
    pub quality: Quality,
    pub ags: f32,
    pub glasses: Option<Glasses>,
}

impl Inspection {
    /// Looks. Blocks until the networks have had their turn.
    pub fn run(self) -> Inspected {
        let Self { engine, picture, face, submitted, wants, number } = self;
        let appearance = wants.appearance.then(|| appearance(&engine, &picture, &face)).flatten();
        let embedding = wants.embedding.then(|| engine.embed(picture.clone(), &face, None));
        let embedding = embedding.and_then(|result| known("embedding", result));
        let embedding = embedding.and_then(|embedding| Embedding::new(embedding.values().to_vec()));
        let antispoof = wants.antispoof.then(|| engine.antispoof(picture.clone(), &face));
        let antispoof = antispoof.and_then(|result| known("anti-spoof score", result)).flatten();
        Inspected { picture, face, submitted, appearance, embedding, antispoof, number }
    }
}

fn appearance(engine: &Engine, picture: &Arc<dyn Picture>, face: &Face) -> Option<Appearance> {
    let aligned = AlignedFace::new(&picture.view(), face)?;
    let quality::Appearance { quality, cues, ags, .. } = quality::Appearance::of(&aligned, face);
    let network = known("answer of the glasses network", engine.glasses(picture.clone(), face, &cues)).flatten();
    Some(Appearance { quality, ags, glasses: network.or_else(|| cues.glasses()) })
}

/// A frame without a result is a frame less; the checks say when they saw too little.
fn known<T>(what: &str, result: Result<T, EngineError>) -> Option<T> {
    match result {
        Ok(result) => Some(result),
        Err(EngineError::Closed) => None,
        Err(error) => {
            tracing::warn!(%error, "a frame has no {what}");
            None
        }
    }
}

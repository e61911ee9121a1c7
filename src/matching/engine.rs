//! The inference engine as an [`Embedder`].

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use vision_core::liveness::continuity::identity::Identity;
use vision_core::picture::Picture;
use vision_models::engine::{EmbeddingInfo, Engine, EngineError};
use vision_models::manifest::Metric;

use super::embedded::{Embedder, Embedding, NoEmbedding};

/// The embedding network in use.
pub struct EngineEmbedder {
    engine: Arc<Engine>,
    model: &'static str,
    threshold: f32,
    metric: Metric,
}

impl EngineEmbedder {
    /// None when no embedding network is there.
    pub fn new(engine: Arc<Engine>) -> Option<Self> {
        let info = engine.info().embeddings.first()?;
        let (model, threshold, metric) = (info.id, info.threshold, info.metric);
        Some(Self { engine, model, threshold, metric })
    }
}

/// Watches who is seen, nobody yet; people are told apart as in the comparison.
pub fn identity(network: &EmbeddingInfo) -> Identity {
    let metric = network.metric;
    Identity::new(move |a: &[f32], b: &[f32]| metric.distance(a, b), network.threshold)
}

impl Embedder for EngineEmbedder {
    fn model(&self) -> &str {
        self.model
    }

    fn threshold(&self) -> f32 {
        self.threshold
    }

    fn embed(&self, picture: Arc<dyn Picture>) -> BoxFuture<'_, Result<Embedding, NoEmbedding>> {
        let engine = self.engine.clone();
        // The engine blocks until a worker is free.
        tokio::task::spawn_blocking(move || embed(&engine, picture))
            .map(|result| result.unwrap_or_else(|e| Err(NoEmbedding::Failed(e.to_string()))))
            .boxed()
    }

    fn distance(&self, a: &Embedding, b: &Embedding) -> f32 {
        self.metric.distance(&a.0, &b.0)
    }
}

fn embed(engine: &Engine, picture: Arc<dyn Picture>) -> Result<Embedding, NoEmbedding> {
    let failed = |e: EngineError| NoEmbedding::Failed(e.to_string());
    let faces = engine.analyze_picture(picture.clone()).map_err(failed)?;
    match &faces[..] {
        [] => Err(NoEmbedding::NoFace),
        [face] => Ok(Embedding(engine.embed(picture, face, None).map_err(failed)?.values().to_vec())),
        several => Err(NoEmbedding::SeveralFaces(several.len())),
    }
}

//! The embedding networks, shared by all threads: they are used rarely, and the largest takes 22 MB.

use std::sync::{Mutex, PoisonError};

use vision_core::face::Face;
use vision_core::picture::Picture;

use super::{EmbeddingInfo, EngineError};
use crate::embedding::{Embedder, Embedding};
use crate::manifest::{ModelFolder, ResolvedModel};
use crate::runtime::Runtime;

/// Those that are present, the one in use first.
pub(super) struct Embedders {
    runtime: Runtime,
    models: Vec<(ResolvedModel, Mutex<Option<Embedder>>)>,
}

impl Embedders {
    /// The one in use comes first and is loaded, so that a broken one is found at the start.
    pub(super) fn open(runtime: &Runtime, folder: &ModelFolder, chosen: Option<&str>) -> Result<Self, EngineError> {
        let models = folder.embeddings().into_iter().map(|model| (model, Mutex::default())).collect();
        let mut embedders = Self { runtime: runtime.clone(), models };
        if let Some(name) = chosen {
            let index = embedders.find(name).ok_or_else(|| embedders.unknown(name))?;
            embedders.models[..=index].rotate_right(1);
        }
        if let Some((model, slot)) = embedders.models.first_mut() {
            *slot = Mutex::new(Some(Embedder::load(runtime, model)?));
        }
        Ok(embedders)
    }

    pub(super) fn chosen(&self) -> Option<&'static str> {
        self.models.first().map(|(resolved, _)| resolved.model.id.as_str())
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.models.iter().position(|(resolved, _)| resolved.model.id == name)
    }

    pub(super) fn list(&self) -> Vec<EmbeddingInfo> {
        let info = |(resolved, _): &(ResolvedModel, _)| {
            let embedding = resolved.model.embedding.as_ref()?;
            Some(EmbeddingInfo { id: &resolved.model.id, metric: embedding.metric, threshold: embedding.threshold })
        };
        self.models.iter().filter_map(info).collect()
    }

    pub(super) fn unknown(&self, name: &str) -> EngineError {
        let ids: Vec<_> = self.models.iter().map(|(resolved, _)| resolved.model.id.as_str()).collect();
        EngineError::UnknownEmbedding { name: name.to_owned(), present: ids.join(", ") }
    }

    pub(super) fn embed(&self, index: usize, picture: &dyn Picture, face: &Face) -> Result<Embedding, EngineError> {
        let (resolved, slot) = self.models.get(index).ok_or_else(|| self.unknown("default"))?;
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let embedder = match &mut *slot {
            Some(embedder) => embedder,
            None => slot.insert(Embedder::load(&self.runtime, resolved)?),
        };
        Ok(embedder.embed(&picture.view(), face)?)
    }
}

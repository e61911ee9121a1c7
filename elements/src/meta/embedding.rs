//! What `faceembed` attaches.

use vision_models::embedding::Embedding;

use super::{Payload, memory};

/// The face of a picture as a vector.
///
/// The meta `VisionEmbeddingMeta` has these fields:
///
/// | field | type | |
/// |---|---|---|
/// | `model` | string | the network's id in the manifest; only vectors of one network can be compared |
/// | `dimensions` | guint | length of the vector |
/// | `embedding` | GstMemory | the vector, as 32-bit floats in the machine's byte order |
#[derive(Clone, Debug)]
pub struct FaceEmbedding {
    /// The vector, which knows its network and its distance from another one.
    pub embedding: Embedding,
}

impl Payload for FaceEmbedding {
    const NAME: &'static str = "VisionEmbeddingMeta";

    fn describe(&self, structure: &mut gst::StructureRef) {
        structure.set("model", self.embedding.model());
        structure.set("dimensions", self.embedding.values().len() as u32);
        structure.set("embedding", memory(self.embedding.values()));
    }
}

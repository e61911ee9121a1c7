//! What `facespoof` attaches.

use super::Payload;

/// Whether the picture shows skin, or a print or a screen that shows skin.
///
/// The meta `VisionSpoofMeta` has these fields:
///
/// | field | type | |
/// |---|---|---|
/// | `model` | string | the network's id in the manifest |
/// | `score` | gfloat | logit of real less logit of spoof: above 0 it looks real, a clear case is beyond 5 on either side |
#[derive(Clone, Debug)]
pub struct FaceSpoof {
    /// Id of the network.
    pub model: &'static str,
    /// Logit of real less logit of spoof.
    pub score: f32,
}

impl Payload for FaceSpoof {
    const NAME: &'static str = "VisionSpoofMeta";

    fn describe(&self, structure: &mut gst::StructureRef) {
        structure.set("model", self.model);
        structure.set("score", self.score);
    }
}

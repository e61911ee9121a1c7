//! What the elements say to each other about a picture: metadata on its buffer.
//!
//! | meta | attached by | payload |
//! |---|---|---|
//! | [`VisionFaceMeta`](FaceMeta) | `faceanalyze` | [`Faces`] |
//! | [`VisionGestureMeta`](crate::facegestures::GestureMeta) | `facegestures` | [`GestureState`](crate::facegestures::GestureState) |
//! | [`VisionEmbeddingMeta`](EmbeddingMeta) | `faceembed` | [`FaceEmbedding`] |
//! | [`VisionSpoofMeta`](SpoofMeta) | `facespoof` | [`FaceSpoof`] |
//!
//! They are GStreamer's custom metas: a [`gst::Structure`] with plain fields, which every language reads with
//! `gst_buffer_get_custom_meta()` and `gst_custom_meta_get_structure()`. The fields are documented at each payload.
//! Beside them lies the payload itself in the boxed field [`PAYLOAD`], so that elements written in Rust read it with
//! [`Meta::of`] without converting anything.
//!
//! A meta says that *this* picture was looked at: it is never repeated on later ones. Coordinates are normalised, and no
//! meta has a tag, so `videoconvert`, `videoscale`, `queue` and `tee` hand it on as it is. An element that turns, crops or
//! mirrors the picture (`videoflip`, `videocrop`) hands it on as well, and it is wrong from there on.
//!
//! ```python
//! meta = buffer.get_custom_meta("VisionFaceMeta")
//! if meta is not None:
//!     for face in meta.get_structure()["faces"]:
//!         print(face["yaw"], face["blendshapes"]["jawOpen"])
//! ```
//!
//! Names of metas are global to a process. A program that links this library, and whose elements come from the plug-in's
//! file all the same, shares the metas with their plain fields; the payloads are those of the other copy, and
//! [`Meta::of`] is `None`.

mod embedding;
mod face;
mod spoof;

use std::any::Any;
use std::marker::PhantomData;
use std::sync::{Arc, Once};

use gst::meta::CustomMeta;

pub use embedding::FaceEmbedding;
pub use face::{Faces, Outputs};
pub use spoof::FaceSpoof;

/// The field that holds the payload itself; opaque to other languages.
pub const PAYLOAD: &str = "payload";

/// Every meta of this library.
const NAMES: [&str; 4] = ["VisionFaceMeta", "VisionGestureMeta", "VisionEmbeddingMeta", "VisionSpoofMeta"];

/// Something that can be attached to a buffer.
pub trait Payload: Send + Sync + 'static {
    /// The name under which the meta is registered.
    const NAME: &'static str;

    /// Writes the plain fields, for readers in any language.
    fn describe(&self, structure: &mut gst::StructureRef);
}

/// [`Faces`] on a buffer.
pub type FaceMeta = Meta<Faces>;
/// A [`FaceEmbedding`] on a buffer.
pub type EmbeddingMeta = Meta<FaceEmbedding>;
/// A [`FaceSpoof`] on a buffer.
pub type SpoofMeta = Meta<FaceSpoof>;

/// A payload as a value in a structure.
#[derive(Clone, glib::Boxed)]
#[boxed_type(name = "GstVisionPayload", allow_name_conflict)]
struct Boxed(Arc<dyn Any + Send + Sync>);

/// The meta that carries a `P`: how to attach and how to read it.
pub struct Meta<P>(PhantomData<P>);

impl<P: Payload> Meta<P> {
    /// Attaches a payload, in the place of one that is already there.
    pub fn attach(buffer: &mut gst::BufferRef, payload: Arc<P>) {
        register();
        let fill = |structure: &mut gst::StructureRef| {
            structure.remove_all_fields();
            payload.describe(structure);
            structure.set(PAYLOAD, Boxed(payload.clone()));
        };
        if let Ok(mut meta) = CustomMeta::from_mut_buffer(buffer, P::NAME) {
            fill(meta.mut_structure());
        } else if let Ok(mut meta) = CustomMeta::add(buffer, P::NAME) {
            fill(meta.mut_structure());
        }
    }

    /// The payload of a buffer, if it has one.
    pub fn of(buffer: &gst::BufferRef) -> Option<Arc<P>> {
        register();
        let meta = CustomMeta::from_buffer(buffer, P::NAME).ok()?;
        let boxed = meta.structure().get::<&Boxed>(PAYLOAD).ok()?;
        boxed.0.clone().downcast().ok()
    }
}

/// Makes the names known to GStreamer, once per process. Done when the plug-in is loaded and, for a program that uses
/// this library without the plug-in, at the first use.
pub fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for name in NAMES {
            // Another copy of this library in the process may have been first.
            if !CustomMeta::is_registered(name) {
                CustomMeta::register_simple(name);
            }
        }
    });
}

/// Numbers as bytes in the machine's own order. A `GstMemory`, because every language can map one and, unlike `GBytes`, a
/// structure that is logged does not show what is in it.
fn memory(numbers: &[f32]) -> gst::Memory {
    gst::Memory::from_slice(numbers.iter().flat_map(|number| number.to_ne_bytes()).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests;

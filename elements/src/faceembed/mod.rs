//! `faceembed`: the face that `faceanalyze` found as a vector, in a
//! [`VisionEmbeddingMeta`](crate::meta::FaceEmbedding) on the picture.
//!
//! It looks at the first face of the picture's `VisionFaceMeta`, so it stands behind `faceanalyze`, and other elements may
//! scale or convert the picture between the two. Once per `interval` of running time it computes the vector on the streaming
//! thread (7 to 9 ms); when no face is there by then, at the first one that comes. Pictures pass untouched.
//!
//! ```text
//! gst-launch-1.0 -m filesrc location=call.mp4 ! decodebin ! videoconvert ! faceanalyze interval=100000000 ! faceembed ! fakesink
//! ```
//!
//! Vectors of one network have a distance, `vision_models::embedding` knows which and below what two faces are one person.
//! They are biometric data: the message `face-embedding` that is posted for each has the fields `model` (string),
//! `dimensions` (guint), `timestamp` and `running-time` (GstClockTime, left out where the frame has none) only; the vector
//! itself is in the meta and nowhere else.
//!
//! Since 0.1.0

use glib::prelude::*;

mod imp;

glib::wrapper! {
    /// See the [module](self).
    pub struct FaceEmbed(ObjectSubclass<imp::FaceEmbed>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "faceembed", gst::Rank::NONE, FaceEmbed::static_type())
}

//! `instructionoverlay`: what the subject of a verification sees, drawn as the service draws it
//! ([`vision_core::subject_view`]): their own mirrored picture, a guide for the face, what to do next, how far they are and
//! how it ended.
//!
//! By hand, from properties, all of which may change while it plays:
//!
//! ```text
//! gst-launch-1.0 videotestsrc num-buffers=150 ! instructionoverlay message="Blink slowly" guide=good \
//!     step=1 steps=2 countdown=5 countdown-total=5 ! videoconvert ! autovideosink
//! ```
//!
//! Or after `facegestures`: with `follow-gestures` the words, the step, the time left and the result are those of the
//! challenge, and guide and warning say whether the face is where it should be. Whatever a property says comes first.
//!
//! ```text
//! gst-launch-1.0 filesrc location=call.mp4 ! decodebin ! videoconvert \
//!     ! faceanalyze ! facegestures gestures=blink,smile \
//!     ! instructionoverlay follow-gestures=true language=es ! videoconvert ! autovideosink
//! ```
//!
//! `mirror`, `guide`, `step`, `steps`, `countdown`, `countdown-total`, `outcome`, `waiting` and `colour` can be driven by
//! GStreamer's controllers. Time is the buffers' running time.
//!
//! The composer draws I420. NV12 and RGB are converted to it and back by GStreamer's own converter, and RGB loses the
//! resolution of its colours, as it would in an encoder. A frame of 640x480 costs 0.3 ms of processor time in I420, 0.8 in
//! NV12, 2.2 to 2.8 in RGB: put the element where the video is I420 anyway.
//!
//! In a mirrored picture the places in a [`VisionFaceMeta`](crate::meta::Faces) would be wrong, so the element takes that
//! meta off when it mirrors: analyse first, and draw what was seen before.
//!
//! Since 0.1.0

use glib::prelude::*;

mod imp;
mod settings;
mod words;

pub use settings::{GuideState, OutcomeState};

glib::wrapper! {
    /// See the [module](self).
    pub struct InstructionOverlay(ObjectSubclass<imp::InstructionOverlay>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "instructionoverlay", gst::Rank::NONE, InstructionOverlay::static_type())
}

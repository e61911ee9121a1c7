//! `facedraw`: draws what `faceanalyze` and `facegestures` saw onto the picture, for people who look for a fault.
//!
//! ```text
//! gst-launch-1.0 filesrc location=call.mp4 ! decodebin ! videoconvert \
//!     ! faceanalyze ! facegestures ! facedraw bars-count=12 ! videoconvert ! autovideosink
//! ```
//!
//! | property | what is drawn |
//! |---|---|
//! | `mesh` | the lines of the mesh; outline white, brows amber, eyes and irises blue, lips red |
//! | `points` | the 478 landmarks as dots |
//! | `box` | the rectangle around the mesh, with the probability that it is a face |
//! | `axes` | the head's axes from the tip of the nose: x red, y green, z blue; pitch, yaw and roll in degrees |
//! | `bars` | blendshapes of the first face: the `bars-count` strongest of the last seconds, or those of `blendshapes` |
//! | `gesture` | the gesture that is asked for, its steps, and its signal (amber) beside where it has to go (green) |
//!
//! A buffer without such metadata passes untouched, as does one of which nothing is shown: it is not even mapped. Otherwise
//! only what is drawn is blended onto the planes as they are, in I420, NV12 and RGB; a frame that others hold too is
//! copied first. `cargo run --release -p vision-core --example face_view -- FOLDER` prints what each part costs.
//!
//! (`faceoverlay` is another element, of gst-plugins-bad; two of one name hide each other.)
//!
//! Since 0.1.0

use glib::prelude::*;

mod imp;

glib::wrapper! {
    /// See the [module](self).
    pub struct FaceDraw(ObjectSubclass<imp::FaceDraw>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "facedraw", gst::Rank::NONE, FaceDraw::static_type())
}

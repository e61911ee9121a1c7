//! `facespoof`: whether the face that `faceanalyze` found is skin, or a print or a screen that shows skin, in a
//! [`VisionSpoofMeta`](crate::meta::FaceSpoof) on the picture.
//!
//! It looks at the first face of the picture's `VisionFaceMeta`, so it stands behind `faceanalyze`, and other elements may
//! scale or convert the picture between the two. Once per `interval` of running time it computes the score on the streaming
//! thread (12 ms); when no face is there by then, at the first one that comes. Pictures pass untouched.
//!
//! ```text
//! gst-launch-1.0 -m filesrc location=call.mp4 ! decodebin ! videoconvert ! faceanalyze interval=100000000 ! facespoof ! fakesink
//! ```
//!
//! Each score is also posted as a message `face-spoof` with the fields `model` (string), `score` (gfloat), `timestamp` and
//! `running-time` (GstClockTime, left out where the frame has none). The score is the logit of real less the logit of spoof:
//! above 0 it looks real, a clear case is beyond 5 on either side. One frame says little: average over several.
//!
//! Its network is one of the recommended models, not of the required ones; without it the element does not start.
//!
//! Since 0.1.0

use glib::prelude::*;

mod imp;

glib::wrapper! {
    /// See the [module](self).
    pub struct FaceSpoof(ObjectSubclass<imp::FaceSpoof>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "facespoof", gst::Rank::NONE, FaceSpoof::static_type())
}

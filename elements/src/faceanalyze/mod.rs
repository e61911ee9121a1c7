//! `faceanalyze`: finds faces, and says what they do, in a [`VisionFaceMeta`](crate::meta::Faces) on every picture that it
//! has looked at.
//!
//! Pictures pass untouched and are never copied. They are I420, NV12 or RGB, of any size, and upright: put
//! `videoflip video-direction=auto` before it where the source's are not. YUV is taken as BT.601, limited range.
//!
//! ```text
//! gst-launch-1.0 -m filesrc location=call.mp4 ! decodebin ! videoconvert ! faceanalyze ! videoconvert ! autovideosink
//! ```
//!
//! In `mode=stream` one face is followed from frame to frame, which costs about 7 ms of processor time each (a fifth less
//! with `blendshapes=false`); further faces are counted twice a second. In `mode=picture` every frame is searched anew, up to
//! `max-faces` are analysed, and nothing is smoothed.
//!
//! A meta says what *this* picture shows. A frame that was passed over carries none, and no frame carries that of another:
//! because `interval` has not passed yet, because the frame is marked as a gap, or because a QoS event from downstream said
//! that frames arrive late, in which case the frame is handed on at once. The element never drops a frame, as long as the
//! base class's own `qos` stays off. `stats` counts the frames that were `analysed` and those `dropped` from analysis
//! because they were late.
//!
//! Whenever the number of faces changes, the element posts a message `face-count` with the fields `count` and `previous`
//! (guint), `timestamp` and `running-time` (GstClockTime, of the frame; left out where it has none). It starts at 0.
//!
//! A flush, a new segment and another picture size make it look for the face anew. A gap in the stream (`DISCONT`) does not:
//! the face is mostly still there, and where it is not the network notices. A frame without a time counts as 1/30 second
//! later than the one before.
//!
//! The networks are opened from READY to PAUSED, about a quarter of a second, and closed on the way back. Every element has
//! its own: 45 MB. Programs with many streams share workers instead, through `vision_models::engine`.
//!
//! Since 0.1.0

use glib::prelude::*;

mod imp;

/// How pictures follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstVisionFaceAnalyzeMode")]
pub enum Mode {
    /// One face is followed from frame to frame, smoothed.
    #[default]
    #[enum_value(name = "One face is followed from frame to frame, smoothed", nick = "stream")]
    Stream,
    /// Every picture is searched anew.
    #[enum_value(name = "Every picture is searched anew, for up to max-faces", nick = "picture")]
    Picture,
}

glib::wrapper! {
    /// See the [module](self).
    pub struct FaceAnalyze(ObjectSubclass<imp::FaceAnalyze>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "faceanalyze", gst::Rank::NONE, FaceAnalyze::static_type())
}

//! `facegestures`: asks for gestures and says when they are done.
//!
//! Reads what `faceanalyze` attached to the buffers, passes every buffer on untouched, posts element messages, and
//! attaches a [`VisionGestureMeta`](GestureState) with the state of the challenge, which `facedraw` and
//! `instructionoverlay` show.
//!
//! ```text
//! gst-launch-1.0 -m filesrc location=call.mp4 ! decodebin ! videoconvert \
//!     ! faceanalyze ! facegestures gestures=blink,smile ! facedraw ! videoconvert ! autovideosink
//! ```
//!
//! Gestures are named by id (`gst-inspect-1.0 facegestures` lists the built-in ones, the property `folder` adds more), or
//! by file: whatever has a `/` in it or ends with `.json`. `docs/gestures.md` describes the files. The first gesture is asked
//! for when a face is seen, the next one when the one before is done. Time is the buffers' running time: a file that is
//! played faster than real time gives the same result.
//!
//! Messages, all with `timestamp` and `running-time` of the buffer (guint64, nanoseconds):
//!
//! | message | when | fields |
//! |---|---|---|
//! | `gesture-started` | a gesture is asked for | `gesture` (string, its id), `index` (guint, from 0), `total` (guint) |
//! | `gesture-completed` | it was done | the same, and `duration` (guint64, nanoseconds since it was asked for) |
//! | `gesture-failed` | its time was over | the same, and `reason` (string, `timeout`) |
//! | `challenge-completed` | all gestures were done | `total`, `completed` (guint), `duration` since the first one was asked for |
//! | `challenge-failed` | it is over, and not all were done | the same |
//!
//! A flush and a stop begin anew: whoever is seen afterwards may be somebody else.
//!
//! Since 0.1.0

use glib::prelude::*;

mod imp;
mod state;

pub use imp::{Order, Timeout};
pub use state::{GestureMeta, GestureState};

glib::wrapper! {
    /// See the [module](self).
    pub struct FaceGestures(ObjectSubclass<imp::FaceGestures>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "facegestures", gst::Rank::NONE, FaceGestures::static_type())
}

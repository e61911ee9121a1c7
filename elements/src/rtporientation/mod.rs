//! `rtporientation`: the orientation of the sender's camera, out of the RTP header extension
//! `urn:3gpp:video-orientation` (3GPP TS 26.114, 7.4.5), as an `image-orientation` tag.
//!
//! A phone that is turned does not turn its pictures once this extension is negotiated: it sends them as the sensor
//! sees them and says in one byte, `0000CFRR`, how the receiver has to turn them. GStreamer has no element that reads
//! it. This one stands between `webrtcbin` (or a jitter buffer) and the depayloader, passes every packet on untouched,
//! and pushes a tag before the packet with which the orientation changes; depayloaders and decoders hand tags on, and
//! `videoflip video-direction=auto` behind them does the turning. A stream begins upright; when another begins that is not
//! known to be, the first packet says so.
//!
//! ```text
//! gst-launch-1.0 udpsrc port=5004 caps="application/x-rtp,media=video,clock-rate=90000,encoding-name=VP8,extmap-11=urn:3gpp:video-orientation" \
//!     ! rtpjitterbuffer ! rtporientation ! rtpvp8depay ! vp8dec ! videoflip video-direction=auto ! videoconvert ! autovideosink
//! ```
//!
//! The extension's id comes from the caps' `extmap-N`, or from the property `extension-id` where caps do not carry it.
//!
//! Since 0.1.0

use glib::prelude::*;

mod imp;
mod orientation;

pub use orientation::{Orientation, URI};

glib::wrapper! {
    /// See the [module](self).
    pub struct RtpOrientation(ObjectSubclass<imp::RtpOrientation>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "rtporientation", gst::Rank::NONE, RtpOrientation::static_type())
}

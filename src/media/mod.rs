//! Everything that moves pictures: GStreamer pipelines, frames in, the subject's screen out.
//!
//! | module | what |
//! |---|---|
//! | [`peer`] | one WebRTC peer: owns `webrtcbin`, promises become futures, signals become events |
//! | `identity` | who the other side of a peer has to be, and whether it is |
//! | [`sdp`], [`ice`], [`fingerprint`] | what strangers' descriptions, candidates and certificates say, checked; pure |
//! | [`description`] | the files of `pipelines/`: pipelines as text; pure |
//! | [`branch`] | the described bins of `pipelines/`: receive (RTP to pictures), send (pictures to RTP) |
//! | [`hardware`] | which elements decode and encode |
//! | `encoded` | what frames look like before they are decoded |
//! | `key_frames` | asks again for a key frame that does not come |
//! | [`tape`], [`remux`] | the subject's video as it came, for those who keep it, and as a file |
//! | [`frame`] | a decoded picture on its way to the networks, never copied |
//! | [`stats`], [`bitrate`] | what the network loses, and how much is sent then |
//! | [`inspect`], [`dot`] | a peer as whoever looks for a fault sees it: statistics, and its graph without secrets |
//! | [`turn_over_tls`] | `turns:` servers, which libnice does not speak to |
//! | [`screen`] | what the subject sees: composes at a steady rate and feeds the send branch |
//! | [`pool`] | buffers to draw into |
//! | [`pipeline`] | life and death of a pipeline |
//!
//! GStreamer's threads only ever send to channels or swap a slot; nothing in here waits on them or makes them wait.

pub mod bitrate;
pub mod branch;
pub mod codec;
pub mod description;
pub mod dot;
mod encoded;
pub mod fingerprint;
pub mod frame;
mod handshake;
pub mod hardware;
pub mod ice;
mod identity;
pub mod inspect;
mod key_frames;
pub mod peer;
pub mod pipeline;
pub mod pool;
pub mod remux;
pub mod screen;
pub mod sdp;
pub mod stats;
pub mod tape;
pub mod turn_over_tls;

use gst::prelude::PluginFeatureExtManual as _;

use crate::lock::lock;
pub use codec::Codec;
pub use frame::{EncodedSink, Frame, FrameOutlet, FrameSink, Observers};
pub use hardware::Hardware;
pub use ice::IceOptions;
pub use screen::Screen;

/// Why media cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// GStreamer does not start.
    #[error("GStreamer cannot start: {0}")]
    Init(#[from] glib::Error),
    /// Our own plug-in does not register.
    #[error("the plug-in with the service's own elements cannot be registered: {0}")]
    Plugin(glib::BoolError),
    /// Debian packages that are not there.
    #[error("GStreamer lacks the element(s) {elements}: install the Debian package(s) {packages}")]
    MissingElements {
        /// Comma separated.
        elements: String,
        /// Blank separated.
        packages: String,
    },
    /// A description does not parse.
    #[error("the pipeline description {name} cannot be used: {reason}")]
    Description {
        /// Its file.
        name: &'static str,
        /// What GStreamer says, or which named element is missing.
        reason: String,
    },
    /// An element refuses what it has to do.
    #[error("{what}: {reason}")]
    Element {
        /// What was being done.
        what: &'static str,
        /// What GStreamer says.
        reason: String,
    },
}

impl MediaError {
    pub(crate) fn element(what: &'static str, reason: impl ToString) -> Self {
        Self::Element { what, reason: reason.to_string() }
    }
}

/// Elements that the pipelines are made of, and the Debian packages that have them.
const ELEMENTS: &[(&str, &str)] = &[
    ("appsrc", "gstreamer1.0-plugins-base"),
    ("videoconvert", "gstreamer1.0-plugins-base"),
    ("vp8enc", "gstreamer1.0-plugins-good"),
    ("vp8dec", "gstreamer1.0-plugins-good"),
    ("rtpvp8pay", "gstreamer1.0-plugins-good"),
    ("rtpbin", "gstreamer1.0-plugins-good"),
    ("videoflip", "gstreamer1.0-plugins-good"),
    ("capssetter", "gstreamer1.0-plugins-good"),
    ("webrtcbin", "gstreamer1.0-plugins-bad"),
    ("dtlsdec", "gstreamer1.0-plugins-bad"),
    ("srtpdec", "gstreamer1.0-plugins-bad"),
    ("h264parse", "gstreamer1.0-plugins-bad"),
    ("nicesrc", "gstreamer1.0-nice"),
    ("x264enc", "gstreamer1.0-plugins-ugly"),
    ("avdec_h264", "gstreamer1.0-libav"),
];

/// Starts GStreamer, registers our elements, looks whether all others are installed and makes the process's DTLS
/// certificate, so that the first call does not wait for any of it. To be called once, at start; further calls do
/// nothing.
pub fn init() -> Result<(), MediaError> {
    static REGISTERED: std::sync::Mutex<bool> = std::sync::Mutex::new(false);
    gst::init()?;
    let mut registered = lock(&REGISTERED);
    if !*registered {
        gstvision::plugin_register_static().map_err(MediaError::Plugin)?;
        *registered = true;
    }
    // Loaded now: the first call would wait for the libraries otherwise. Those of H264, which few calls use, take 20 MB.
    let is_late = |name: &str| name.contains("264");
    let is_missing =
        |name| gst::ElementFactory::find(name).is_none_or(|factory| !is_late(name) && factory.load().is_err());
    let missing: Vec<_> = ELEMENTS.iter().filter(|(name, _)| is_missing(name)).collect();
    if missing.is_empty() {
        // GStreamer makes one RSA key for the whole process when the first of these is made: 0.1 to 1 s of computing.
        gst::ElementFactory::make("dtlsdec")
            .build()
            .map_err(|error| MediaError::element("no DTLS certificate", error))?;
        return Ok(());
    }
    let elements: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    let mut packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    Err(MediaError::MissingElements { elements: elements.join(", "), packages: packages.join(" ") })
}

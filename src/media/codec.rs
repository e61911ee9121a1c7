//! The video codecs that a call can use.

use std::fmt;

/// A video codec, in both directions of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 6386; what every browser speaks.
    Vp8,
    /// Constrained baseline, packetization mode 1 (RFC 6184).
    H264,
}

impl Codec {
    /// In the order in which the service prefers them.
    pub const ALL: [Self; 2] = [Self::Vp8, Self::H264];

    /// The name in `a=rtpmap` and in caps.
    pub fn encoding_name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::H264 => "H264",
        }
    }

    /// By its name in `a=rtpmap` or configuration, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.encoding_name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encoding_name())
    }
}

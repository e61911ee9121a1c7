//! What a stranger's SDP says, as typed data, and SDP that `webrtcbin` can be given safely.
//!
//! `webrtcbin` is not made for hostile input: GStreamer 1.22 aborts the process on a section without `mid`, numbers
//! payload types twice when several codecs come with RTX, and would open whatever else the offer asks for. So an offer
//! is read here, one codec is chosen, and `webrtcbin` only ever sees the text that [`Offer::for_webrtcbin`] writes.
//! Pure: text in, data or text out.

use std::fmt::Write as _;

use super::codec::Codec;
use super::fingerprint::Fingerprint;

/// Longer texts are refused unread. A browser's offer has about 8 KiB.
pub const MAX_SDP_BYTES: usize = 64 * 1024;
const MAX_SECTIONS: usize = 16;
const MAX_PAYLOADS: usize = 64;
const MAX_CANDIDATES: usize = 64;

/// `a=extmap` of transport-wide congestion control feedback.
pub const TRANSPORT_CC_URI: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// `a=extmap` of the turned phone.
pub const VIDEO_ORIENTATION_URI: &str = gstvision::rtporientation::URI;
/// `a=extmap` of the name of the section that a packet belongs to.
pub const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
/// The header extensions that we understand; the others of an offer are not negotiated.
const EXTENSIONS: [&str; 2] = [TRANSPORT_CC_URI, VIDEO_ORIENTATION_URI];
/// The feedback that we understand.
pub(crate) const FEEDBACK: [&str; 4] = ["nack", "nack pli", "ccm fir", "transport-cc"];

/// Why an offer cannot be answered. The messages are written for whoever made the page that offers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Longer than [`MAX_SDP_BYTES`].
    #[error("the SDP has {0} bytes, more than {MAX_SDP_BYTES}")]
    TooLong(usize),
    /// Not SDP.
    #[error("this is not SDP: it has to begin with v=0")]
    NotSdp,
    /// More of something than any peer needs.
    #[error("the SDP has too many {0}")]
    TooMany(&'static str),
    /// No video section at all.
    #[error("the offer has no video (it has: {0}); add the camera's track before the offer is made")]
    NoVideo(String),
    /// Bundling hangs on the first section, so that one has to be the video.
    #[error("the offer's first section has to be the video; add the camera's track first")]
    VideoNotFirst,
    /// The video section lacks something that WebRTC requires.
    #[error("the offer's video section has no {0}")]
    Missing(&'static str),
    /// An attribute whose value cannot be what it says it is.
    #[error("the offer's {0} cannot be read")]
    Malformed(&'static str),
    /// We have to see the subject, and they have to see us.
    #[error("the offer's video has to be sendrecv: the subject sends the camera and sees the instructions")]
    NotSendRecv,
    /// Neither VP8 nor H264 constrained baseline (as far as configured).
    #[error("the offer has none of the codecs that are accepted here ({0})")]
    NoCommonCodec(String),
}

/// An RTP header extension under the id that a description gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// 1 to 255; above 14 needs two-byte headers.
    pub id: u8,
    /// What it is.
    pub uri: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Payload {
    number: u8,
    name: String,
    clock_rate: u32,
    parameters: String,
    feedback: Vec<String>,
}

impl Payload {
    fn parameter(&self, key: &str) -> Option<&str> {
        self.parameters
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(name, value)| name.eq_ignore_ascii_case(key).then_some(value.trim()))
    }

    fn is(&self, codec: Codec) -> bool {
        self.clock_rate == 90_000
            && self.name.eq_ignore_ascii_case(codec.encoding_name())
            && match codec {
                Codec::Vp8 => true,
                Codec::H264 => {
                    self.parameter("packetization-mode") == Some("1")
                        && self.parameter("profile-level-id").is_some_and(is_constrained_baseline)
                }
            }
    }
}

/// Constrained baseline is baseline (0x42) with the second constraint bit set (RFC 6184, table 5).
pub(crate) fn is_constrained_baseline(profile_level_id: &str) -> bool {
    u32::from_str_radix(profile_level_id, 16)
        .is_ok_and(|id| profile_level_id.len() == 6 && id >> 16 == 0x42 && id & 0x4000 != 0)
}

/// One codec out of an offer, with everything that was offered for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The codec, used both ways.
    pub codec: Codec,
    /// Its payload type.
    pub payload: u8,
    /// The payload type of its retransmissions.
    pub rtx_payload: Option<u8>,
}

/// A section that is refused: it stays in the answer, with port 0.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refused {
    kind: String,
    protocol: String,
    format: String,
    mid: Option<String>,
}

/// A browser's offer of one camera, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    mid: String,
    ufrag: String,
    password: String,
    fingerprint: Fingerprint,
    setup: &'static str,
    payloads: Vec<Payload>,
    /// Those that we understand.
    pub extensions: Vec<Extension>,
    /// The camera's stream and its retransmissions.
    ssrc: Option<(u32, Option<u32>)>,
    /// `candidate:...`, unchecked: they go the way of trickled ones.
    pub candidates: Vec<String>,
    refused: Vec<Refused>,
}

/// A section's lines, and those of the session before all sections.
struct Lines<'a> {
    own: Vec<&'a str>,
    session: &'a [&'a str],
}

impl<'a> Lines<'a> {
    /// Values of `a=KEY:VALUE`, the section's own first.
    fn values<'b>(&'b self, key: &'b str) -> impl Iterator<Item = &'a str> + 'b {
        self.own
            .iter()
            .chain(self.session)
            .filter_map(move |line| line.strip_prefix("a=")?.strip_prefix(key)?.strip_prefix(':').map(str::trim))
    }

    fn has(&self, flag: &str) -> bool {
        self.own.iter().any(|line| line.strip_prefix("a=") == Some(flag))
    }

    fn token(&self, key: &'static str, length: std::ops::RangeInclusive<usize>) -> Result<&'a str, SdpError> {
        let value = self.values(key).next().ok_or(SdpError::Missing(key))?;
        if length.contains(&value.len()) && is_token(value) { Ok(value) } else { Err(SdpError::Malformed(key)) }
    }
}

/// What may stand in an attribute that is written into SDP again: no blanks, no control characters.
pub(crate) fn is_token(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_.:=".contains(&byte))
}

impl Offer {
    /// Reads a browser's offer.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > MAX_SDP_BYTES {
            return Err(SdpError::TooLong(text.len()));
        }
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        if lines.first() != Some(&"v=0") {
            return Err(SdpError::NotSdp);
        }
        let starts: Vec<usize> =
            lines.iter().enumerate().filter(|(_, line)| line.starts_with("m=")).map(|(n, _)| n).collect();
        if starts.len() > MAX_SECTIONS {
            return Err(SdpError::TooMany("sections"));
        }
        let session = &lines[..starts.first().copied().unwrap_or(lines.len())];
        let sections: Vec<&[&str]> = starts
            .iter()
            .enumerate()
            .map(|(n, start)| &lines[*start..starts.get(n + 1).copied().unwrap_or(lines.len())])
            .collect();
        let kind = |section: &[&str]| section[0][2..].split(' ').next().unwrap_or_default().to_string();
        match sections.iter().position(|section| kind(section) == "video") {
            None => {
                let mut kinds: Vec<String> =
                    sections.iter().map(|s| kind(s)).filter(|k| k.len() <= 16 && is_token(k)).collect();
                if kinds.is_empty() {
                    kinds.push("nothing".into());
                }
                Err(SdpError::NoVideo(kinds.join(", ")))
            }
            Some(0) => Self::from_video(sections[0], session, &sections[1..]),
            Some(_) => Err(SdpError::VideoNotFirst),
        }
    }

    fn from_video(section: &[&str], session: &[&str], others: &[&[&str]]) -> Result<Self, SdpError> {
        let lines = Lines { own: section[1..].to_vec(), session };
        let mut words = section[0][2..].split(' ').skip(1);
        let (port, protocol) = (words.next(), words.next());
        if port == Some("0") {
            return Err(SdpError::NoVideo("video with port 0".into()));
        }
        if protocol.is_none_or(|protocol| !protocol.ends_with("/TLS/RTP/SAVPF")) {
            return Err(SdpError::Missing("DTLS-SRTP (UDP/TLS/RTP/SAVPF)"));
        }
        if !lines.has("rtcp-mux") {
            return Err(SdpError::Missing("rtcp-mux"));
        }
        if ["sendonly", "recvonly", "inactive"].iter().any(|direction| lines.has(direction)) {
            return Err(SdpError::NotSendRecv);
        }
        let numbers: Vec<u8> = words.filter_map(|word| word.parse().ok()).filter(|pt| *pt < 128).collect();
        if numbers.len() > MAX_PAYLOADS {
            return Err(SdpError::TooMany("payload types"));
        }
        let candidates: Vec<String> = lines
            .own
            .iter()
            .filter_map(|line| line.strip_prefix("a=").filter(|rest| rest.starts_with("candidate:")))
            .map(str::to_string)
            .collect();
        if candidates.len() > MAX_CANDIDATES {
            return Err(SdpError::TooMany("candidates"));
        }
        let fingerprint = lines
            .values("fingerprint")
            .filter_map(Fingerprint::parse)
            .min_by_key(|fingerprint| fingerprint.algorithm)
            .ok_or(SdpError::Missing("fingerprint of SHA-256 or better"))?;
        let setup = match lines.values("setup").next() {
            Some("actpass") => "actpass",
            Some("active") => "active",
            Some("passive") => "passive",
            Some(_) => return Err(SdpError::Malformed("setup")),
            None => return Err(SdpError::Missing("setup")),
        };
        Ok(Self {
            mid: lines.token("mid", 1..=16)?.to_string(),
            // lengths: RFC 8839, 5.4
            ufrag: lines.token("ice-ufrag", 4..=256)?.to_string(),
            password: lines.token("ice-pwd", 22..=256)?.to_string(),
            fingerprint,
            setup,
            payloads: numbers.into_iter().filter_map(|number| payload(&lines, number)).collect(),
            extensions: extensions(&lines),
            ssrc: ssrc(&lines),
            candidates,
            refused: others.iter().map(|section| refused(section)).collect(),
        })
    }

    /// The name under which its candidates go.
    pub fn ufrag(&self) -> &str {
        &self.ufrag
    }

    /// The first of `preferred` that the offer has.
    pub fn choose(&self, preferred: &[Codec]) -> Result<Chosen, SdpError> {
        preferred
            .iter()
            .find_map(|&codec| {
                let payload = self.payloads.iter().find(|payload| payload.is(codec))?.number;
                let apt = payload.to_string();
                let rtx = self.payloads.iter().find(|other| {
                    other.name.eq_ignore_ascii_case("rtx") && other.parameter("apt") == Some(apt.as_str())
                });
                Some(Chosen { codec, payload, rtx_payload: rtx.map(|rtx| rtx.number) })
            })
            .ok_or_else(|| {
                let names: Vec<_> = preferred.iter().map(|codec| codec.encoding_name()).collect();
                SdpError::NoCommonCodec(names.join(", "))
            })
    }

    /// The offer again, reduced to one video section with one codec: what `webrtcbin` is given.
    pub fn for_webrtcbin(&self, chosen: &Chosen) -> String {
        let Chosen { codec, payload, rtx_payload } = chosen;
        let Self { mid, ufrag, password, fingerprint, setup, .. } = self;
        let offered = self.payloads.iter().find(|offered| offered.number == *payload);
        let mut media = String::new();
        let mut line = |text: std::fmt::Arguments<'_>| {
            media.write_fmt(text).expect("a String takes everything");
            media.push_str("\r\n");
        };
        let formats = rtx_payload.map_or_else(|| payload.to_string(), |rtx| format!("{payload} {rtx}"));
        line(format_args!("m=video 9 UDP/TLS/RTP/SAVPF {formats}"));
        line(format_args!("c=IN IP4 0.0.0.0"));
        line(format_args!("a=rtpmap:{payload} {}/90000", codec.encoding_name()));
        for feedback in offered.iter().flat_map(|offered| &offered.feedback) {
            line(format_args!("a=rtcp-fb:{payload} {feedback}"));
        }
        if let Some(parameters) = self.h264_parameters(chosen) {
            line(format_args!("{parameters}"));
        }
        if let Some(rtx) = rtx_payload {
            line(format_args!("a=rtpmap:{rtx} rtx/90000"));
            line(format_args!("a=fmtp:{rtx} apt={payload}"));
        }
        for Extension { id, uri } in &self.extensions {
            line(format_args!("a=extmap:{id} {uri}"));
        }
        line(format_args!("a=setup:{setup}"));
        line(format_args!("a=mid:{mid}"));
        line(format_args!("a=sendrecv"));
        line(format_args!("a=ice-ufrag:{ufrag}"));
        line(format_args!("a=ice-pwd:{password}"));
        line(format_args!("a=ice-options:trickle"));
        line(format_args!("a=fingerprint:{fingerprint}"));
        match self.ssrc {
            Some((ssrc, Some(rtx))) => {
                line(format_args!("a=ssrc-group:FID {ssrc} {rtx}"));
                line(format_args!("a=ssrc:{ssrc} cname:subject"));
                line(format_args!("a=ssrc:{rtx} cname:subject"));
            }
            Some((ssrc, None)) => line(format_args!("a=ssrc:{ssrc} cname:subject")),
            None => (),
        }
        line(format_args!("a=rtcp-mux"));
        line(format_args!("a=rtcp-rsize"));
        format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {mid}\r\n{media}")
    }

    /// `a=fmtp` of H264, as it was offered.
    fn h264_parameters(&self, chosen: &Chosen) -> Option<String> {
        let payload = chosen.payload;
        let offered = self.payloads.iter().find(|offered| offered.number == payload && offered.is(Codec::H264))?;
        let level = offered.parameter("profile-level-id")?;
        Some(format!("a=fmtp:{payload} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={level}"))
    }

    /// `webrtcbin`'s answer to [`Self::for_webrtcbin`] as the answer to the real offer: the other sections are refused,
    /// and H264 has its profile, which GStreamer 1.22 loses.
    pub fn complete_answer(&self, chosen: &Chosen, answer: &str) -> String {
        let mut text = String::with_capacity(answer.len() + 256);
        let (parameters, theirs) = (self.h264_parameters(chosen), format!("a=fmtp:{} ", chosen.payload));
        for line in answer.lines() {
            text += parameters.as_deref().filter(|_| line.starts_with(&theirs)).unwrap_or(line);
            text += "\r\n";
        }
        for Refused { kind, protocol, format, mid } in &self.refused {
            write!(text, "m={kind} 0 {protocol} {format}\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n")
                .expect("a String takes everything");
            if let Some(mid) = mid {
                write!(text, "a=mid:{mid}\r\n").expect("a String takes everything");
            }
        }
        text
    }
}

fn payload(lines: &Lines<'_>, number: u8) -> Option<Payload> {
    let of_number = |value: &str| -> Option<String> {
        let (pt, rest) = value.split_once(' ')?;
        (pt.parse() == Ok(number)).then(|| rest.trim().to_string())
    };
    let map = lines.values("rtpmap").find_map(of_number)?;
    let (name, rest) = map.split_once('/')?;
    let clock_rate = rest.split('/').next()?.parse().ok()?;
    if !is_token(name) {
        return None;
    }
    let mut feedback: Vec<String> = lines.values("rtcp-fb").filter_map(of_number).collect();
    feedback.retain(|feedback| FEEDBACK.contains(&feedback.as_str()));
    feedback.truncate(FEEDBACK.len());
    let parameters = lines.values("fmtp").find_map(of_number).unwrap_or_default();
    Some(Payload { number, name: name.to_string(), clock_rate, parameters, feedback })
}

fn extensions(lines: &Lines<'_>) -> Vec<Extension> {
    let mut found: Vec<Extension> = Vec::new();
    for value in lines.values("extmap") {
        let Some((id, uri)) = value.split_once(' ') else { continue };
        let uri = uri.split(' ').next().unwrap_or_default();
        // "5/sendonly" is one way only; nobody sends that for these two
        let Some(id) = id.parse::<u8>().ok().filter(|id| (1..=14).contains(id)) else { continue };
        if EXTENSIONS.contains(&uri) && !found.iter().any(|other| other.id == id || other.uri == uri) {
            found.push(Extension { id, uri: uri.to_string() });
        }
    }
    found
}

fn ssrc(lines: &Lines<'_>) -> Option<(u32, Option<u32>)> {
    let pair = lines.values("ssrc-group").find_map(|value| {
        let mut words = value.strip_prefix("FID ")?.split(' ').map(|word| word.parse::<u32>().ok());
        Some((words.next()??, words.next()??))
    });
    match pair {
        Some((ssrc, rtx)) if ssrc != rtx => Some((ssrc, Some(rtx))),
        _ => lines.values("ssrc").find_map(|value| value.split(' ').next()?.parse().ok()).map(|ssrc| (ssrc, None)),
    }
}

fn refused(section: &[&str]) -> Refused {
    let mut words = section[0][2..].split(' ');
    let mut word = |fallback: &str| {
        words.next().filter(|word| (1..=32).contains(&word.len()) && is_token(word)).unwrap_or(fallback).to_string()
    };
    let kind = word("application");
    word("9"); // the port
    let protocol = word("UDP/TLS/RTP/SAVPF");
    let format = word("0");
    let lines = Lines { own: section[1..].to_vec(), session: &[] };
    Refused { kind, protocol, format, mid: lines.token("mid", 1..=16).ok().map(str::to_string) }
}

#[cfg(test)]
mod tests;

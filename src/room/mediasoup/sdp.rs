//! The descriptions that the server would send if it spoke SDP: the answer to what we send, the offer of what we
//! receive. Pure: text in, data or text out.
//!
//! mediasoup is ICE-lite, which every description has to say: `webrtcbin` lets the other side choose the path
//! otherwise, and nobody would. GStreamer 1.22 finds no fingerprint when there is one in both places, so it is in the
//! session's part alone.

use std::fmt::Write as _;

use super::capabilities::{Stream, Usable};
use super::transport::Transport;
use crate::media::fingerprint::Fingerprint;
use crate::media::sdp::Extension;

/// What our own offer says, as far as the server has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnOffer {
    /// The section's name.
    pub mid: String,
    /// The packets' source.
    pub ssrc: u32,
    /// Payload type and source of packets sent again.
    pub rtx: Option<(u8, u32)>,
    /// Names our clock.
    pub cname: String,
    /// Of our certificate, without the algorithm, which is SHA-256.
    pub fingerprint: String,
}

/// A description by `webrtcbin` that lacks something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("our own description has no {0}")]
pub struct Incomplete(&'static str);

impl OwnOffer {
    /// Reads an offer of one section by `webrtcbin`.
    pub fn parse(text: &str) -> Result<Self, Incomplete> {
        let values = |key: &'static str| {
            text.lines()
                .filter_map(move |line| line.strip_prefix("a=")?.strip_prefix(key)?.strip_prefix(':').map(str::trim))
        };
        let first = |key: &'static str| values(key).next().ok_or(Incomplete(key));
        let source = first("ssrc")?;
        let (first_ssrc, _) = source.split_once(' ').ok_or(Incomplete("ssrc"))?;
        let pair = values("ssrc-group").find_map(|group| {
            let (ssrc, rtx) = group.strip_prefix("FID ")?.split_once(' ')?;
            Some((ssrc.parse().ok()?, rtx.trim().parse().ok()?))
        });
        let (ssrc, rtx_ssrc): (u32, Option<u32>) = match pair {
            Some((ssrc, rtx)) => (ssrc, Some(rtx)),
            None => (first_ssrc.parse().map_err(|_| Incomplete("ssrc"))?, None),
        };
        let rtx_payload = values("fmtp").find_map(|fmtp| {
            let (payload, parameters) = fmtp.split_once(' ')?;
            parameters.contains("apt=").then(|| payload.parse::<u8>().ok())?
        });
        let cname = values("ssrc").find_map(|value| Some(value.split_once(" cname:")?.1.to_owned()));
        Ok(Self {
            mid: first("mid")?.to_owned(),
            ssrc,
            rtx: rtx_payload.zip(rtx_ssrc),
            cname: cname.ok_or(Incomplete("cname"))?,
            fingerprint: own_fingerprint(text)?,
        })
    }
}

/// The SHA-256 fingerprint of our certificate, without the algorithm, out of a description by `webrtcbin`.
pub fn own_fingerprint(text: &str) -> Result<String, Incomplete> {
    let all = Fingerprint::all_in(text).into_iter().map(|fingerprint| fingerprint.to_string());
    let mut digests = all.filter_map(|text| text.strip_prefix("sha-256 ").map(str::to_owned));
    digests.next().ok_or(Incomplete("fingerprint"))
}

struct Text(String);

impl Text {
    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a String takes everything");
        self.0.push_str("\r\n");
    }

    fn session(transport: &Transport, version: u32, bundle: &[&str]) -> Self {
        let mut text = Self(String::with_capacity(2048));
        text.line(format_args!("v=0"));
        text.line(format_args!("o=mediasoup 10000 {version} IN IP4 0.0.0.0"));
        text.line(format_args!("s=-"));
        text.line(format_args!("t=0 0"));
        text.line(format_args!("a=ice-lite"));
        text.line(format_args!("a=fingerprint:{}", transport.fingerprint));
        text.line(format_args!("a=msid-semantic: WMS *"));
        text.line(format_args!("a=group:BUNDLE {}", bundle.join(" ")));
        text
    }

    fn codec(&mut self, usable: &Usable, rtx_payload: Option<u8>) {
        let payload = usable.payload;
        let formats = rtx_payload.map_or_else(|| payload.to_string(), |rtx| format!("{payload} {rtx}"));
        self.line(format_args!("m=video 7 UDP/TLS/RTP/SAVPF {formats}"));
        self.line(format_args!("c=IN IP4 127.0.0.1"));
        self.line(format_args!("a=rtpmap:{payload} {}/90000", usable.codec));
        if let Some(profile) = &usable.profile_level_id {
            self.line(format_args!(
                "a=fmtp:{payload} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}"
            ));
        }
        for feedback in &usable.feedback {
            self.line(format_args!("a=rtcp-fb:{payload} {feedback}"));
        }
        if let Some(rtx) = rtx_payload {
            self.line(format_args!("a=rtpmap:{rtx} rtx/90000"));
            self.line(format_args!("a=fmtp:{rtx} apt={payload}"));
        }
    }

    fn extensions(&mut self, extensions: &[Extension]) {
        for Extension { id, uri } in extensions {
            self.line(format_args!("a=extmap:{id} {uri}"));
        }
    }

    fn ice(&mut self, transport: &Transport) {
        self.line(format_args!("a=ice-ufrag:{}", transport.ufrag));
        self.line(format_args!("a=ice-pwd:{}", transport.password));
        for candidate in &transport.candidates {
            let (protocol, tcp_type) = if candidate.is_tcp { ("tcp", " tcptype passive") } else { ("udp", "") };
            self.line(format_args!(
                "a=candidate:{} 1 {protocol} {} {} {} typ host{tcp_type}",
                candidate.foundation, candidate.priority, candidate.address, candidate.port
            ));
        }
        self.line(format_args!("a=end-of-candidates"));
        self.line(format_args!("a=ice-options:renomination"));
        self.line(format_args!("a=rtcp-mux"));
        self.line(format_args!("a=rtcp-rsize"));
    }
}

/// The answer to our offer: the server receives what we send. We are the client of its DTLS.
pub fn answer(transport: &Transport, offer: &OwnOffer, sent: &Usable, extensions: &[Extension]) -> String {
    let mut text = Text::session(transport, 1, &[&offer.mid]);
    text.codec(sent, offer.rtx.map(|(payload, _)| payload));
    text.extensions(extensions);
    text.line(format_args!("a=setup:active"));
    text.line(format_args!("a=mid:{}", offer.mid));
    text.line(format_args!("a=recvonly"));
    text.ice(transport);
    text.0
}

/// The offer of everything that we receive on one transport. It grows: a section that is no longer wanted turns
/// inactive and stays.
#[derive(Debug, Clone)]
pub struct RemoteOffer {
    transport: Transport,
    sections: Vec<Section>,
    version: u32,
}

#[derive(Debug, Clone)]
struct Section {
    mid: String,
    stream: Stream,
    closed: bool,
}

impl RemoteOffer {
    /// Without a section; not of use yet.
    pub fn new(transport: Transport) -> Self {
        Self { transport, sections: Vec::new(), version: 0 }
    }

    /// Adds a track; its section's number comes back.
    pub fn add(&mut self, stream: Stream) -> u32 {
        let index = self.sections.len();
        let is_free = |mid: &String| !self.sections.iter().any(|section| section.mid == *mid);
        // two sections of one name would be one
        let mid = stream.mid.clone().filter(is_free).unwrap_or_else(|| format!("section-{index}"));
        self.sections.push(Section { mid, stream, closed: false });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// Nothing more comes in this section.
    pub fn close(&mut self, mline: u32) {
        if let Some(section) = self.sections.get_mut(mline as usize) {
            section.closed = true;
        }
    }

    /// How many sections there are.
    pub fn sections(&self) -> usize {
        self.sections.len()
    }

    /// As text; a new version each time.
    pub fn text(&mut self) -> String {
        self.version += 1;
        let mids: Vec<&str> = self.sections.iter().map(|section| section.mid.as_str()).collect();
        let mut text = Text::session(&self.transport, self.version, &mids);
        for Section { mid, stream, closed } in &self.sections {
            let Stream { ssrc, rtx_ssrc, cname, .. } = stream;
            text.codec(&stream.codec, stream.codec.rtx_payload);
            text.extensions(&stream.extensions);
            text.line(format_args!("a=setup:active"));
            text.line(format_args!("a=mid:{mid}"));
            text.line(format_args!("a=msid:{cname} {mid}"));
            text.line(format_args!("a={}", if *closed { "inactive" } else { "sendonly" }));
            text.ice(&self.transport);
            text.line(format_args!("a=ssrc:{ssrc} cname:{cname}"));
            if let Some(rtx) = rtx_ssrc {
                text.line(format_args!("a=ssrc:{rtx} cname:{cname}"));
                text.line(format_args!("a=ssrc-group:FID {ssrc} {rtx}"));
            }
        }
        text.0
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::capabilities::Capabilities;
    use super::super::capabilities::tests::{consumer, own_offer, router};
    use super::super::transport::tests::transport;
    use super::*;
    use crate::media::Codec;

    /// Writes the golden files anew when the environment says so; compares otherwise.
    fn assert_golden(name: &str, text: &str) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/room/mediasoup/golden").join(name);
        let plain = text.replace("\r\n", "\n");
        if std::env::var_os("WRITE_GOLDEN_FILES").is_some() {
            std::fs::write(&path, &plain).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap();
        assert_eq!(plain, golden, "{name} is different: run the test with WRITE_GOLDEN_FILES=1 and look at the change");
        gst::init().unwrap();
        gst_sdp::SDPMessage::parse_buffer(text.as_bytes()).unwrap();
    }

    pub fn section_of(stream: Stream) -> String {
        let mut offer = RemoteOffer::new(transport());
        offer.add(stream);
        offer.text()
    }

    fn capabilities(preferred: &[Codec]) -> Capabilities {
        Capabilities::of(&router(), preferred).unwrap()
    }

    #[test]
    fn answers_to_what_we_send() {
        for (name, codec) in [("answer-vp8.sdp", Codec::Vp8), ("answer-h264.sdp", Codec::H264)] {
            let capabilities = capabilities(&[codec]);
            let text = answer(&transport(), &own_offer(), capabilities.sent(), capabilities.extensions());
            assert_golden(name, &text);
        }
    }

    #[test]
    fn offers_of_what_we_receive() {
        let stream = capabilities(&Codec::ALL).stream(&consumer()).unwrap();
        let mut offer = RemoteOffer::new(transport());
        assert_eq!(offer.add(stream.clone()), 0);
        assert_golden("offer-one.sdp", &offer.text());

        // the first track ends, another of the same name comes
        offer.close(0);
        assert_eq!(offer.add(Stream { ssrc: 7, rtx_ssrc: None, ..stream }), 1);
        assert_golden("offer-first-closed.sdp", &offer.text());
        assert_eq!(offer.sections(), 2);
    }

    /// By `webrtcbin` of GStreamer 1.22.
    const OFFER: &str = "v=0\r\no=- 4611731400430051336 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-options:trickle\r\n\
        a=group:BUNDLE video0\r\nm=video 9 UDP/TLS/RTP/SAVPF 101 96\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\n\
        a=ice-ufrag:KJtRmUXRLhBEzbrL\r\na=ice-pwd:aHbSD8IsBRJqJbgKEBV\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=sendonly\r\n\
        a=rtpmap:101 VP8/90000\r\na=rtcp-fb:101 nack\r\na=rtcp-fb:101 nack pli\r\na=rtpmap:96 rtx/90000\r\n\
        a=fmtp:96 apt=101\r\na=ssrc-group:FID 1234 5678\r\na=ssrc:1234 msid:user1 webrtctransceiver0\r\n\
        a=ssrc:1234 cname:user1\r\na=ssrc:5678 msid:user1 webrtctransceiver0\r\na=ssrc:5678 cname:user1\r\n\
        a=mid:video0\r\na=fingerprint:sha-256 FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF:FF\r\n";

    #[test]
    fn our_own_offer_is_read() {
        let offer = OwnOffer::parse(OFFER).unwrap();
        let expected = OwnOffer {
            mid: "video0".into(),
            ssrc: 1234,
            rtx: Some((96, 5678)),
            cname: "user1".into(),
            fingerprint: ["FF"; 32].join(":"),
        };
        assert_eq!(offer, expected);
        for (line, missing) in [("a=mid:video0\r\n", "mid"), ("a=ssrc:", "ssrc"), ("a=fingerprint:", "fingerprint")] {
            assert_eq!(OwnOffer::parse(&OFFER.replace(line, "a=x:")), Err(Incomplete(missing)));
        }
    }
}

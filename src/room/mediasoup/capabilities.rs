//! What the router and we can both do, and the parameters that follow from it. Pure.
//!
//! A browser has capabilities of its own and has to be brought together with the router's. Ours are whatever we say, so
//! we say what the router says: its payload types and extension ids, without what we cannot do.

use serde_json::{Map, Value};

use super::messages::{
    RtcpFeedback, RtcpParameters, RtpCapabilities, RtpCodecCapability, RtpCodecParameters, RtpEncodingParameters,
    RtpHeaderExtension, RtpHeaderExtensionParameters, RtpParameters, RtxParameters,
};
use super::sdp::OwnOffer;
use super::subject::spatial_layers;
use crate::media::Codec;
use crate::media::sdp::{
    Extension, FEEDBACK, MID_URI, TRANSPORT_CC_URI, VIDEO_ORIENTATION_URI, is_constrained_baseline, is_token,
};

/// Header extensions that we understand. The service's own pictures are upright; simulated subjects turn theirs.
const EXTENSIONS: [&str; 3] = [MID_URI, TRANSPORT_CC_URI, VIDEO_ORIENTATION_URI];

/// A codec that both sides can do, under the router's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usable {
    /// Which.
    pub codec: Codec,
    /// Its payload type.
    pub payload: u8,
    /// The payload type of its retransmissions.
    pub rtx_payload: Option<u8>,
    /// Of H264.
    pub profile_level_id: Option<String>,
    /// In SDP's words.
    pub feedback: Vec<&'static str>,
}

impl Usable {
    fn parameters(&self) -> Map<String, Value> {
        let mut parameters = Map::new();
        if let Some(profile) = &self.profile_level_id {
            parameters.insert("packetization-mode".into(), 1.into());
            parameters.insert("profile-level-id".into(), profile.as_str().into());
            parameters.insert("level-asymmetry-allowed".into(), 1.into());
        }
        parameters
    }

    fn mime_type(&self) -> String {
        format!("video/{}", self.codec)
    }
}

/// The router cannot do anything that we can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the room's router has none of the codecs that are used here ({0})")]
pub struct NoCommonCodec(String);

/// Why a track cannot be received.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// None that was declared.
    #[error("the track has no codec that was declared")]
    Codec,
    /// Nothing to recognise its packets by.
    #[error("the track has no SSRC")]
    Ssrc,
}

/// What both sides can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The preferred one first.
    codecs: Vec<Usable>,
    extensions: Vec<Extension>,
}

/// A track that is offered to us, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// What it is encoded with.
    pub codec: Usable,
    /// The packets' source.
    pub ssrc: u32,
    /// The source of packets sent again.
    pub rtx_ssrc: Option<u32>,
    /// Names the sender's clock.
    pub cname: String,
    /// The server's name of the track on this transport.
    pub mid: Option<String>,
    /// Those of the packets that we understand.
    pub extensions: Vec<Extension>,
    /// Spatial layers to choose from; 1: no choice.
    pub layers: u8,
}

impl Capabilities {
    /// What is left of the router's capabilities; `preferred` are the codecs in use, the preferred one first.
    pub fn of(router: &RtpCapabilities, preferred: &[Codec]) -> Result<Self, NoCommonCodec> {
        let codecs: Vec<Usable> = preferred.iter().filter_map(|codec| usable(router, *codec)).collect();
        if codecs.is_empty() {
            let names: Vec<_> = preferred.iter().map(|codec| codec.encoding_name()).collect();
            return Err(NoCommonCodec(names.join(", ")));
        }
        let mut extensions: Vec<Extension> = Vec::new();
        for extension in router.header_extensions.iter().filter(|extension| extension.kind == "video") {
            let (id, uri) = (extension.preferred_id, extension.uri.as_str());
            add_extension(&mut extensions, id, uri, extension.direction == "sendrecv");
        }
        Ok(Self { codecs, extensions })
    }

    /// The codec that we send.
    pub fn sent(&self) -> &Usable {
        // `of` makes none without a codec
        &self.codecs[0]
    }

    /// The header extensions that both sides understand, under the router's numbers.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// One header extension less, in both directions. To be said before anything is declared.
    pub fn leave_out(&mut self, uri: &str) {
        self.extensions.retain(|extension| extension.uri != uri);
    }

    /// For `join`: what we can receive. No audio, so that the server offers none.
    pub fn declared(&self) -> RtpCapabilities {
        let mut codecs = Vec::new();
        for usable in &self.codecs {
            let codec = RtpCodecCapability {
                kind: "video".into(),
                mime_type: usable.mime_type(),
                preferred_payload_type: usable.payload,
                clock_rate: 90_000,
                parameters: usable.parameters(),
                rtcp_feedback: usable.feedback.iter().map(|words| feedback(words)).collect(),
            };
            codecs.push(codec.clone());
            codecs.extend(usable.rtx_payload.map(|rtx| RtpCodecCapability {
                mime_type: "video/rtx".into(),
                preferred_payload_type: rtx,
                parameters: apt(usable.payload),
                rtcp_feedback: Vec::new(),
                ..codec
            }));
        }
        let header_extensions = self.extensions.iter().map(|Extension { id, uri }| RtpHeaderExtension {
            kind: "video".into(),
            uri: uri.clone(),
            preferred_id: *id,
            preferred_encrypt: false,
            direction: "sendrecv".into(),
        });
        RtpCapabilities { codecs, header_extensions: header_extensions.collect() }
    }

    /// For `produce`: what we send, as our own offer has it.
    pub fn produced(&self, offer: &OwnOffer) -> RtpParameters {
        let usable = self.sent();
        let codec = RtpCodecParameters {
            mime_type: usable.mime_type(),
            payload_type: usable.payload,
            clock_rate: 90_000,
            parameters: usable.parameters(),
            rtcp_feedback: usable.feedback.iter().map(|words| feedback(words)).collect(),
        };
        let rtx = offer.rtx.map(|(payload_type, _)| RtpCodecParameters {
            mime_type: "video/rtx".into(),
            payload_type,
            parameters: apt(usable.payload),
            rtcp_feedback: Vec::new(),
            ..codec.clone()
        });
        let header_extensions = self.extensions.iter().map(|Extension { id, uri }| {
            let (uri, id) = (uri.clone(), *id);
            RtpHeaderExtensionParameters { uri, id, encrypt: false }
        });
        RtpParameters {
            mid: Some(offer.mid.clone()),
            codecs: std::iter::once(codec).chain(rtx).collect(),
            header_extensions: header_extensions.collect(),
            encodings: vec![RtpEncodingParameters {
                ssrc: Some(offer.ssrc),
                rtx: offer.rtx.map(|(_, ssrc)| RtxParameters { ssrc }),
                scalability_mode: None,
            }],
            rtcp: RtcpParameters { cname: Some(offer.cname.clone()), reduced_size: true },
        }
    }

    /// A track that the server offers, if we can receive it.
    pub fn stream(&self, parameters: &RtpParameters) -> Result<Stream, StreamError> {
        let codec = parameters
            .codecs
            .iter()
            .find_map(|offered| {
                let fits = |usable: &&Usable| {
                    usable.payload == offered.payload_type
                        && usable.mime_type().eq_ignore_ascii_case(&offered.mime_type)
                };
                self.codecs.iter().find(fits)
            })
            .ok_or(StreamError::Codec)?;
        let encoding = parameters.encodings.first().ok_or(StreamError::Ssrc)?;
        let ssrc = encoding.ssrc.filter(|ssrc| *ssrc != 0).ok_or(StreamError::Ssrc)?;
        let has_rtx = |payload: &u8| parameters.codecs.iter().any(|codec| codec.payload_type == *payload);
        let rtx_payload = codec.rtx_payload.filter(has_rtx);
        let rtx_ssrc = encoding.rtx.as_ref().map(|rtx| rtx.ssrc).filter(|rtx| *rtx != 0 && *rtx != ssrc);
        let (rtx_payload, rtx_ssrc) = rtx_payload.zip(rtx_ssrc).unzip();
        let mut extensions = Vec::new();
        for extension in &parameters.header_extensions {
            add_extension(&mut extensions, extension.id, &extension.uri, !extension.encrypt);
        }
        let token = |text: &Option<String>, longest: usize| {
            text.clone().filter(|text| (1..=longest).contains(&text.len()) && is_token(text))
        };
        Ok(Stream {
            codec: Usable { rtx_payload, ..codec.clone() },
            ssrc,
            rtx_ssrc,
            cname: token(&parameters.rtcp.cname, 256).unwrap_or_else(|| "subject".into()),
            mid: token(&parameters.mid, 16),
            extensions,
            layers: encoding.scalability_mode.as_deref().map_or(1, spatial_layers),
        })
    }
}

fn usable(router: &RtpCapabilities, codec: Codec) -> Option<Usable> {
    let video = || router.codecs.iter().filter(|offered| offered.kind == "video" && offered.clock_rate == 90_000);
    let is = |offered: &RtpCodecCapability, name: &str| {
        offered.mime_type.split_once('/').is_some_and(|(_, subtype)| subtype.eq_ignore_ascii_case(name))
    };
    let profile = |offered: &RtpCodecCapability| {
        let profile = offered.parameters.get("profile-level-id").and_then(Value::as_str)?;
        let mode = offered.parameters.get("packetization-mode").and_then(Value::as_u64);
        (mode == Some(1) && is_constrained_baseline(profile)).then(|| profile.to_owned())
    };
    let offered = video()
        .filter(|offered| offered.preferred_payload_type < 128 && is(offered, codec.encoding_name()))
        .find(|offered| codec != Codec::H264 || profile(offered).is_some())?;
    let payload = offered.preferred_payload_type;
    let rtx_payload = video()
        .filter(|other| is(other, "rtx") && other.preferred_payload_type < 128)
        .find(|other| other.parameters.get("apt").and_then(Value::as_u64) == Some(u64::from(payload)))
        .map(|rtx| rtx.preferred_payload_type);
    let says = |words: &str| offered.rtcp_feedback.iter().any(|offered| *offered == feedback(words));
    Some(Usable {
        codec,
        payload,
        rtx_payload: rtx_payload.filter(|rtx| *rtx != payload),
        profile_level_id: profile(offered).filter(|_| codec == Codec::H264),
        feedback: FEEDBACK.into_iter().filter(|words| says(words)).collect(),
    })
}

/// Of those that we understand, with one-byte headers.
fn add_extension(extensions: &mut Vec<Extension>, id: u8, uri: &str, usable: bool) {
    let is_new = !extensions.iter().any(|other| other.id == id || other.uri == uri);
    if usable && is_new && (1..=14).contains(&id) && EXTENSIONS.contains(&uri) {
        extensions.push(Extension { id, uri: uri.to_owned() });
    }
}

fn feedback(words: &str) -> RtcpFeedback {
    let (kind, parameter) = words.split_once(' ').unwrap_or((words, ""));
    RtcpFeedback { kind: kind.into(), parameter: parameter.into() }
}

fn apt(payload: u8) -> Map<String, Value> {
    Map::from_iter([("apt".to_owned(), payload.into())])
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// As a router of mediasoup 3 answers, with a second H264 profile before the one that we can do.
    pub fn router() -> RtpCapabilities {
        let feedback = json!([
            {"type": "nack", "parameter": ""}, {"type": "nack", "parameter": "pli"},
            {"type": "ccm", "parameter": "fir"}, {"type": "goog-remb", "parameter": ""},
            {"type": "transport-cc", "parameter": ""},
        ]);
        let video = |name: &str, payload: u8, parameters: Value| {
            json!({"kind": "video", "mimeType": format!("video/{name}"), "clockRate": 90000,
                "preferredPayloadType": payload, "parameters": parameters,
                "rtcpFeedback": if name == "rtx" { json!([]) } else { feedback.clone() }})
        };
        let h264 = |profile: &str| {
            json!({"level-asymmetry-allowed": 1, "packetization-mode": 1, "profile-level-id": profile,
                "x-google-start-bitrate": 1000})
        };
        let extension = |kind: &str, id: u8, uri: &str, direction: &str| json!({"kind": kind, "uri": uri, "preferredId": id, "preferredEncrypt": false, "direction": direction});
        serde_json::from_value(json!({
            "codecs": [
                {"kind": "audio", "mimeType": "audio/opus", "clockRate": 48000, "channels": 2,
                    "rtcpFeedback": [], "parameters": {}, "preferredPayloadType": 100},
                video("VP8", 101, json!({"x-google-start-bitrate": 1000})),
                video("rtx", 102, json!({"apt": 101})),
                video("VP9", 103, json!({"profile-id": 2})),
                video("rtx", 104, json!({"apt": 103})),
                video("H264", 105, h264("4d0032")),
                video("rtx", 106, json!({"apt": 105})),
                video("H264", 107, h264("42e01f")),
                video("rtx", 108, json!({"apt": 107})),
            ],
            "headerExtensions": [
                extension("audio", 1, MID_URI, "sendrecv"),
                extension("video", 1, MID_URI, "sendrecv"),
                extension("video", 2, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", "recvonly"),
                extension("video", 4, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", "sendrecv"),
                extension("audio", 5, TRANSPORT_CC_URI, "recvonly"),
                extension("video", 5, TRANSPORT_CC_URI, "sendrecv"),
                extension("video", 11, VIDEO_ORIENTATION_URI, "sendrecv"),
            ],
        }))
        .unwrap()
    }

    pub fn own_offer() -> OwnOffer {
        OwnOffer {
            mid: "video0".into(),
            ssrc: 1111,
            rtx: Some((96, 2222)),
            cname: "us".into(),
            fingerprint: String::new(),
        }
    }

    #[test]
    fn the_routers_numbers_are_kept_and_what_we_cannot_do_is_left_out() {
        let capabilities = Capabilities::of(&router(), &Codec::ALL).unwrap();
        let declared = serde_json::to_value(capabilities.declared()).unwrap();
        let names: Vec<_> = declared["codecs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|codec| (codec["mimeType"].as_str().unwrap(), codec["preferredPayloadType"].as_u64().unwrap()))
            .collect();
        assert_eq!(names, [("video/VP8", 101), ("video/rtx", 102), ("video/H264", 107), ("video/rtx", 108)]);
        assert_eq!(declared["codecs"][3]["parameters"], json!({"apt": 107}));
        let profile = json!({"packetization-mode": 1, "profile-level-id": "42e01f", "level-asymmetry-allowed": 1});
        assert_eq!(declared["codecs"][2]["parameters"], profile);
        let feedback: Vec<_> = declared["codecs"][0]["rtcpFeedback"]
            .as_array()
            .unwrap()
            .iter()
            .map(|feedback| {
                format!("{} {}", feedback["type"].as_str().unwrap(), feedback["parameter"].as_str().unwrap())
            })
            .collect();
        assert_eq!(feedback, ["nack ", "nack pli", "ccm fir", "transport-cc "]);
        let ids: Vec<_> = declared["headerExtensions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|extension| extension["preferredId"].as_u64().unwrap())
            .collect();
        assert_eq!(ids, [1, 5, 11]);
        assert!(!declared.to_string().contains("audio") && !declared.to_string().contains("sctp"));
    }

    #[test]
    fn the_preferred_codec_is_sent() {
        let h264 = Capabilities::of(&router(), &[Codec::H264, Codec::Vp8]).unwrap();
        let produced = serde_json::to_value(h264.produced(&own_offer())).unwrap();
        assert_eq!(produced["codecs"][0]["payloadType"], 107);
        assert_eq!(produced["codecs"][1]["payloadType"], 96);
        assert_eq!(produced["codecs"][1]["parameters"], json!({"apt": 107}));
        assert_eq!(produced["encodings"], json!([{"ssrc": 1111, "rtx": {"ssrc": 2222}}]));
        assert_eq!(produced["rtcp"], json!({"cname": "us", "reducedSize": true}));
        let mut only_vp9 = router();
        only_vp9.codecs.retain(|codec| codec.mime_type.ends_with("VP9"));
        let none = Capabilities::of(&only_vp9, &Codec::ALL).unwrap_err();
        assert!(none.to_string().contains("VP8, H264"), "{none}");
    }

    /// As mediasoup describes a consumer of a simulcast producer.
    pub fn consumer() -> RtpParameters {
        serde_json::from_value(json!({
            "mid": "0",
            "codecs": [
                {"mimeType": "video/VP8", "payloadType": 101, "clockRate": 90000, "parameters": {}, "rtcpFeedback": []},
                {"mimeType": "video/rtx", "payloadType": 102, "clockRate": 90000, "parameters": {"apt": 101}},
            ],
            "headerExtensions": [
                {"uri": MID_URI, "id": 1, "encrypt": false, "parameters": {}},
                {"uri": TRANSPORT_CC_URI, "id": 5, "encrypt": false, "parameters": {}},
                {"uri": VIDEO_ORIENTATION_URI, "id": 11, "encrypt": false, "parameters": {}},
                {"uri": "urn:ietf:params:rtp-hdrext:toffset", "id": 12},
            ],
            "encodings": [{"ssrc": 533128190, "rtx": {"ssrc": 533128191}, "scalabilityMode": "L3T3"}],
            "rtcp": {"cname": "c34a44c1", "reducedSize": true, "mux": true},
        }))
        .unwrap()
    }

    #[test]
    fn tracks_are_checked() {
        let capabilities = Capabilities::of(&router(), &Codec::ALL).unwrap();
        let stream = capabilities.stream(&consumer()).unwrap();
        assert_eq!((stream.codec.codec, stream.codec.rtx_payload, stream.layers), (Codec::Vp8, Some(102), 3));
        assert_eq!((stream.ssrc, stream.rtx_ssrc), (533128190, Some(533128191)));
        assert_eq!(stream.extensions.len(), 3);

        let mut other = consumer();
        other.codecs[0].payload_type = 103;
        assert_eq!(capabilities.stream(&other), Err(StreamError::Codec));
        let mut other = consumer();
        other.encodings.clear();
        assert_eq!(capabilities.stream(&other), Err(StreamError::Ssrc));
        let mut other = consumer();
        other.codecs.pop();
        let stream = capabilities.stream(&other).unwrap();
        assert_eq!((stream.codec.rtx_payload, stream.rtx_ssrc), (None, None));
        let mut other = consumer();
        other.rtcp.cname = Some("a\r\na=evil".into());
        other.mid = Some("0 1".into());
        let stream = capabilities.stream(&other).unwrap();
        assert_eq!((stream.cname.as_str(), stream.mid), ("subject", None));
    }

    proptest! {
        #[test]
        fn no_router_panics(
            kind in "video|audio|x", mime in "video/VP8|video/h264|video/rtx|VP8|/|.{0,12}", payload in any::<u8>(),
            clock in prop_oneof![Just(90_000u32), any::<u32>()], profile in "[0-9a-fA-F]{0,8}|.{0,8}",
            apt in any::<u8>(), id in any::<u8>(), uri in "urn:3gpp:video-orientation|.{0,20}", ssrc in any::<u32>(),
            mode in ".{0,6}", cname in ".{0,20}",
        ) {
            let parameters = json!({"packetization-mode": 1, "profile-level-id": profile, "apt": apt});
            let capabilities = json!({
                "codecs": [
                    {"kind": kind, "mimeType": mime, "preferredPayloadType": payload, "clockRate": clock, "parameters": parameters},
                    {"kind": "video", "mimeType": "video/rtx", "preferredPayloadType": apt, "clockRate": clock, "parameters": {"apt": payload}},
                ],
                "headerExtensions": [{"kind": kind, "uri": uri, "preferredId": id}],
            });
            let track = json!({
                "mid": cname, "codecs": [{"mimeType": mime, "payloadType": payload, "clockRate": clock}],
                "headerExtensions": [{"uri": uri, "id": id}], "rtcp": {"cname": cname},
                "encodings": [{"ssrc": ssrc, "rtx": {"ssrc": apt}, "scalabilityMode": mode}],
            });
            if let Ok(router) = serde_json::from_value::<RtpCapabilities>(capabilities)
                && let Ok(capabilities) = Capabilities::of(&router, &Codec::ALL)
            {
                capabilities.declared();
                if let Ok(parameters) = serde_json::from_value(track)
                    && let Ok(stream) = capabilities.stream(&parameters)
                {
                    let section = crate::room::mediasoup::sdp::tests::section_of(stream);
                    prop_assert!(!section.contains("\r\n\r\n"));
                }
            }
        }
    }
}

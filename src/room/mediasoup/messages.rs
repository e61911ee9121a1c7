//! The room's requests and notifications as the server speaks them: names as on the wire, unknown fields ignored, what
//! may be missing may be missing. Nothing in here is trusted yet; [`super::capabilities`] and [`super::transport`] look.
//!
//! SCTP is never mentioned, so that the server offers no data channels.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::protoo::Request;
use crate::config::IceServer;

/// A list without those of its items that cannot be read.
fn readable<'de, D: Deserializer<'de>, T: DeserializeOwned>(d: D) -> Result<Vec<T>, D::Error> {
    let items = Option::<Vec<Value>>::deserialize(d)?.unwrap_or_default();
    Ok(items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect())
}

/// Nothing, as the server's answer. Whatever it says is fine.
#[derive(Debug)]
pub struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(d).map(|_| Self)
    }
}

/// What the router, or a peer, can do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct RtpCapabilities {
    #[serde(default, deserialize_with = "readable")]
    pub codecs: Vec<RtpCodecCapability>,
    #[serde(default, deserialize_with = "readable")]
    pub header_extensions: Vec<RtpHeaderExtension>,
}

/// A codec that somebody can do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct RtpCodecCapability {
    pub kind: String,
    pub mime_type: String,
    pub preferred_payload_type: u8,
    pub clock_rate: u32,
    #[serde(default)]
    pub parameters: Map<String, Value>,
    #[serde(default, deserialize_with = "readable")]
    pub rtcp_feedback: Vec<RtcpFeedback>,
}

/// A kind of feedback, in two words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct RtcpFeedback {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub parameter: String,
}

/// A header extension that somebody can do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct RtpHeaderExtension {
    pub kind: String,
    pub uri: String,
    pub preferred_id: u8,
    #[serde(default)]
    pub preferred_encrypt: bool,
    #[serde(default = "sendrecv")]
    pub direction: String,
}

fn sendrecv() -> String {
    "sendrecv".into()
}

/// What a producer sends, or a consumer gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct RtpParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
    #[serde(default, deserialize_with = "readable")]
    pub codecs: Vec<RtpCodecParameters>,
    #[serde(default, deserialize_with = "readable")]
    pub header_extensions: Vec<RtpHeaderExtensionParameters>,
    #[serde(default, deserialize_with = "readable")]
    pub encodings: Vec<RtpEncodingParameters>,
    #[serde(default)]
    pub rtcp: RtcpParameters,
}

/// A codec in use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct RtpCodecParameters {
    pub mime_type: String,
    pub payload_type: u8,
    pub clock_rate: u32,
    #[serde(default)]
    pub parameters: Map<String, Value>,
    #[serde(default, deserialize_with = "readable")]
    pub rtcp_feedback: Vec<RtcpFeedback>,
}

/// A header extension in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct RtpHeaderExtensionParameters {
    pub uri: String,
    pub id: u8,
    #[serde(default)]
    pub encrypt: bool,
}

/// A stream of packets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct RtpEncodingParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssrc: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtx: Option<RtxParameters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scalability_mode: Option<String>,
}

/// A stream of packets sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct RtxParameters {
    pub ssrc: u32,
}

/// How RTCP is spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct RtcpParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cname: Option<String>,
    #[serde(default)]
    pub reduced_size: bool,
}

/// Our side of DTLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct DtlsParameters {
    #[serde(default)]
    pub role: String,
    #[serde(default, deserialize_with = "readable")]
    pub fingerprints: Vec<DtlsFingerprint>,
}

/// A certificate's digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct DtlsFingerprint {
    pub algorithm: String,
    pub value: String,
}

/// The server's side of ICE.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct IceParameters {
    pub username_fragment: String,
    pub password: String,
}

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct IceCandidate {
    pub foundation: String,
    pub priority: u32,
    /// Servers before 3.13 call it `ip`.
    pub address: Option<String>,
    pub ip: Option<String>,
    pub protocol: String,
    pub port: u16,
    #[serde(rename = "type")]
    pub kind: String,
    pub tcp_type: Option<String>,
}

/// A transport as the server describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct TransportDescription {
    pub id: String,
    pub ice_parameters: IceParameters,
    #[serde(default, deserialize_with = "readable")]
    pub ice_candidates: Vec<IceCandidate>,
    pub dtls_parameters: DtlsParameters,
    #[serde(default, deserialize_with = "readable")]
    pub ice_servers: Vec<IceServer>,
}

macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident = $method:literal -> $answer:ty { $($field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize)]
        #[serde(rename_all = "camelCase")]
        #[expect(missing_docs, reason = "names as on the wire")]
        pub struct $name { $(pub $field: $type),* }

        impl Request for $name {
            const METHOD: &'static str = $method;
            type Answer = $answer;
        }
    )*};
}

requests! {
    /// Makes a transport, for one direction.
    CreateWebRtcTransport = "createWebRtcTransport" -> TransportDescription {
        force_tcp: bool, producing: bool, consuming: bool,
    }
    /// Enters the room; consumers of what is produced there follow at once.
    Join = "join" -> Joined { display_name: String, device: Device, rtp_capabilities: RtpCapabilities }
    /// Starts a transport's DTLS.
    ConnectWebRtcTransport = "connectWebRtcTransport" -> Anything { transport_id: String, dtls_parameters: DtlsParameters }
    /// Sends a track.
    Produce = "produce" -> Produced {
        transport_id: String, kind: &'static str, rtp_parameters: RtpParameters, app_data: Map<String, Value>,
    }
    /// Packets of a consumer, please.
    ResumeConsumer = "resumeConsumer" -> Anything { consumer_id: String }
    /// None of them for now.
    PauseConsumer = "pauseConsumer" -> Anything { consumer_id: String }
    /// Which layer of a stream that has several.
    SetConsumerPreferredLayers = "setConsumerPreferredLayers" -> Anything { consumer_id: String, spatial_layer: u8 }
}

/// What the router can do. (The server does not like a missing `data`.)
#[derive(Debug, Clone, Serialize)]
pub struct GetRouterRtpCapabilities {}

impl Request for GetRouterRtpCapabilities {
    const METHOD: &'static str = "getRouterRtpCapabilities";
    type Answer = RtpCapabilities;
}

/// Goodbye. The server closes the connection instead of answering.
#[derive(Debug, Clone, Serialize)]
pub struct LeaveRoom {}

impl Request for LeaveRoom {
    const METHOD: &'static str = "leaveRoom";
    type Answer = Anything;
}

/// What a client is.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct Device {
    pub flag: &'static str,
    pub name: &'static str,
    pub version: &'static str,
}

/// Who is in the room.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct Joined {
    #[serde(default, deserialize_with = "readable")]
    pub peers: Vec<PeerName>,
}

/// Somebody in the room.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct PeerName {
    pub id: String,
}

/// A producer of ours.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct Produced {
    pub id: String,
}

/// The request `newConsumer`: a track that we may have.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names as on the wire")]
pub struct NewConsumer {
    pub peer_id: String,
    pub producer_id: String,
    pub id: String,
    pub kind: String,
    pub rtp_parameters: RtpParameters,
    /// `simple`, `simulcast` or `svc`.
    #[serde(default, rename = "type")]
    pub layering: String,
    #[serde(default)]
    pub app_data: Value,
    #[serde(default)]
    pub producer_paused: bool,
}

/// What the server tells us and we care about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// A track has ended.
    ConsumerClosed {
        /// Which.
        consumer: String,
    },
    /// Its producer makes a pause.
    ConsumerPaused {
        /// Which.
        consumer: String,
    },
    /// And goes on.
    ConsumerResumed {
        /// Which.
        consumer: String,
    },
    /// Another layer comes from now on; `None`: none does.
    ConsumerLayersChanged {
        /// Which.
        consumer: String,
        /// Counts from the smallest.
        spatial_layer: Option<u8>,
    },
    /// Somebody has left.
    PeerClosed {
        /// Who.
        peer: String,
    },
    /// Scores, estimates, names; and what later versions say.
    Other,
}

impl Notification {
    /// Reads one; what cannot be read is none of those that we care about.
    pub fn parse(method: &str, data: &Value) -> Self {
        let text = |key: &str| data.get(key).and_then(Value::as_str).map(str::to_owned);
        let consumer = text("consumerId");
        match (method, consumer, text("peerId")) {
            ("consumerClosed", Some(consumer), _) => Self::ConsumerClosed { consumer },
            ("consumerPaused", Some(consumer), _) => Self::ConsumerPaused { consumer },
            ("consumerResumed", Some(consumer), _) => Self::ConsumerResumed { consumer },
            ("consumerLayersChanged", Some(consumer), _) => {
                let spatial_layer = data.get("spatialLayer").and_then(Value::as_u64).and_then(|n| u8::try_from(n).ok());
                Self::ConsumerLayersChanged { consumer, spatial_layer }
            }
            ("peerClosed" | "peerLeft", _, Some(peer)) => Self::PeerClosed { peer },
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_look_as_the_server_expects_them() {
        let create = CreateWebRtcTransport { force_tcp: false, producing: true, consuming: false };
        let expected = json!({"forceTcp": false, "producing": true, "consuming": false});
        assert_eq!(serde_json::to_value(create).unwrap(), expected);
        assert_eq!(serde_json::to_value(GetRouterRtpCapabilities {}).unwrap(), json!({}));
        let layers = SetConsumerPreferredLayers { consumer_id: "c".into(), spatial_layer: 1 };
        assert_eq!(serde_json::to_value(layers).unwrap(), json!({"consumerId": "c", "spatialLayer": 1}));
    }

    #[test]
    fn unknown_fields_and_unreadable_items_do_not_spoil_the_rest() {
        let capabilities: RtpCapabilities = serde_json::from_value(json!({
            "codecs": [
                {"kind": "video", "mimeType": "video/VP8", "preferredPayloadType": 101, "clockRate": 90000, "new": true},
                {"kind": "video", "mimeType": "video/H264", "preferredPayloadType": 1000, "clockRate": 90000},
                "nonsense",
            ],
            "headerExtensions": null,
            "fecMechanisms": [],
        }))
        .unwrap();
        assert_eq!(capabilities.codecs.len(), 1);
        assert!(capabilities.header_extensions.is_empty());
    }

    #[test]
    fn notifications_that_matter_are_understood() {
        for (method, data, expected) in [
            ("consumerClosed", json!({"consumerId": "c"}), Notification::ConsumerClosed { consumer: "c".into() }),
            ("peerLeft", json!({"peerId": "p"}), Notification::PeerClosed { peer: "p".into() }),
            (
                "consumerLayersChanged",
                json!({"consumerId": "c", "spatialLayer": 2, "temporalLayer": 0}),
                Notification::ConsumerLayersChanged { consumer: "c".into(), spatial_layer: Some(2) },
            ),
            (
                "consumerLayersChanged",
                json!({"consumerId": "c", "spatialLayer": null}),
                Notification::ConsumerLayersChanged { consumer: "c".into(), spatial_layer: None },
            ),
            ("consumerClosed", json!({}), Notification::Other),
            ("consumerClosed", json!(["c"]), Notification::Other),
            ("downlinkBwe", json!({"desiredBitrate": 0}), Notification::Other),
            ("tomorrow", Value::Null, Notification::Other),
        ] {
            assert_eq!(Notification::parse(method, &data), expected, "{method} {data}");
        }
    }
}

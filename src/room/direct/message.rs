//! The messages between the page and the service: JSON text on a WebSocket.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::IceServer;
use crate::media::sdp::MAX_SDP_BYTES;
use crate::room::Announcement;

/// Larger messages end the connection: an SDP in JSON with room for its escapes.
pub const MAX_BYTES: usize = 2 * MAX_SDP_BYTES;

/// Close code: the room has a subject already.
pub const CLOSE_BUSY: u16 = 4001;
/// Close code: the call is over, do not come back.
pub const CLOSE_ENDED: u16 = 4000;
/// Close code: another connection took the seat, because this one did not answer.
pub const CLOSE_REPLACED: u16 = 4002;
/// Close code: more messages than any page sends.
pub const CLOSE_FLOOD: u16 = 4003;
/// Close code: nothing was heard for too long; coming back is welcome.
pub const CLOSE_SILENT: u16 = 4004;
/// Close code: more pages wait than the service can hold (IANA's WebSocket close code registry).
pub const CLOSE_TRY_LATER: u16 = 1013;
/// Close code: after the page's goodbye (RFC 6455, 7.4.1).
pub const CLOSE_NORMAL: u16 = 1000;

/// The name that a browser gives to a camera, as its page tells it: at most [`CameraLabel::LONGEST`] characters.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct CameraLabel(String);

impl CameraLabel {
    /// Characters. Names of cameras are a few words.
    pub const LONGEST: usize = 200;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CameraLabel {
    type Error = String;

    fn try_from(label: String) -> Result<Self, String> {
        if label.chars().count() > Self::LONGEST {
            return Err(format!("a camera's label has at most {} characters", Self::LONGEST));
        }
        Ok(Self(label))
    }
}

// People name their telephones after themselves.
impl fmt::Debug for CameraLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CameraLabel({} bytes)", self.0.len())
    }
}

/// What a page says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ClientMessage {
    /// Its offer, after `ready`.
    Offer {
        /// As `RTCPeerConnection` made it.
        sdp: String,
    },
    /// One of its candidates; null or empty after the last.
    Candidate {
        /// `candidate:...`.
        #[serde(default)]
        candidate: Option<String>,
        /// The section it belongs to.
        #[serde(default, rename = "sdpMLineIndex")]
        mline: Option<u32>,
        /// The same by name.
        #[serde(default, rename = "sdpMid")]
        mid: Option<String>,
    },
    /// The camera whose picture it sends, before its offer and whenever it is another one.
    Camera {
        /// The label of its track.
        label: CameraLabel,
    },
    /// The subject leaves.
    Bye,
}

impl ClientMessage {
    /// Reads a message; the error is for the page's author.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("not understood: {error}"))
    }
}

/// What the service says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ServerMessage {
    /// No flow is in the room yet.
    Waiting,
    /// Another subject is in the room; then the connection closes with [`CLOSE_BUSY`].
    Busy,
    /// Make a new `RTCPeerConnection` and send an offer, now. Comes again for a new flow and after a failure.
    Ready {
        /// For `RTCPeerConnection`.
        #[serde(rename = "iceServers")]
        ice_servers: Vec<IceServer>,
        /// `all` or `relay`.
        #[serde(rename = "iceTransportPolicy")]
        ice_transport_policy: String,
        /// The language of the flow.
        lang: String,
    },
    /// The answer to the offer.
    Answer {
        /// For `setRemoteDescription`.
        sdp: String,
    },
    /// One of the service's candidates; empty after the last.
    Candidate {
        /// `candidate:...`.
        candidate: String,
        /// The section it belongs to.
        #[serde(rename = "sdpMLineIndex")]
        mline: u32,
    },
    /// The result.
    Outcome(Announcement),
    /// The flow has left; then the connection closes with [`CLOSE_ENDED`].
    Ended,
    /// The last message could not be used, and was ignored.
    Error {
        /// Why, in English, for the page's author.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_look_as_the_page_expects_them() {
        for (message, expected) in [
            (ServerMessage::Waiting, r#"{"type":"waiting"}"#),
            (
                ServerMessage::Ready {
                    ice_servers: vec![IceServer { urls: vec!["stun:s:1".into()], username: None, credential: None }],
                    ice_transport_policy: "all".into(),
                    lang: "en".into(),
                },
                r#"{"type":"ready","iceServers":[{"urls":["stun:s:1"]}],"iceTransportPolicy":"all","lang":"en"}"#,
            ),
            (
                ServerMessage::Candidate { candidate: "c".into(), mline: 0 },
                r#"{"type":"candidate","candidate":"c","sdpMLineIndex":0}"#,
            ),
            (
                ServerMessage::Outcome(Announcement { success: true, reason: "verified".into(), text: "Ok".into() }),
                r#"{"type":"outcome","success":true,"reason":"verified","text":"Ok"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&message).unwrap(), expected);
        }
    }

    #[test]
    fn pages_messages_are_read_and_nonsense_is_answered() {
        let candidate = |candidate: Option<&str>, mline| ClientMessage::Candidate {
            candidate: candidate.map(Into::into),
            mline,
            mid: None,
        };
        for (text, expected) in [
            (r#"{"type":"offer","sdp":"v=0"}"#, ClientMessage::Offer { sdp: "v=0".into() }),
            (
                r#"{"type":"candidate","candidate":"c","sdpMLineIndex":0,"usernameFragment":"x"}"#,
                candidate(Some("c"), Some(0)),
            ),
            (r#"{"type":"candidate","candidate":null,"sdpMid":null}"#, candidate(None, None)),
            (r#"{"type":"candidate"}"#, candidate(None, None)),
            (r#"{"type":"bye","extra":1}"#, ClientMessage::Bye),
            (
                r#"{"type":"camera","label":"FaceTime HD"}"#,
                ClientMessage::Camera { label: CameraLabel("FaceTime HD".into()) },
            ),
        ] {
            assert_eq!(ClientMessage::parse(text).unwrap(), expected, "{text}");
        }
        for nonsense in
            ["", "hello", "[]", "{}", r#"{"type":"dance"}"#, r#"{"type":"offer"}"#, r#"{"type":"offer","sdp":5}"#]
        {
            assert!(ClientMessage::parse(nonsense).unwrap_err().starts_with("not understood"), "{nonsense}");
        }
    }

    #[test]
    fn labels_are_bounded_and_not_shown() {
        let message = |label: &str| ClientMessage::parse(&format!(r#"{{"type":"camera","label":"{label}"}}"#));
        let longest = "ü".repeat(CameraLabel::LONGEST);
        assert_eq!(message(&longest), Ok(ClientMessage::Camera { label: CameraLabel(longest.clone()) }));
        let refused = message(&(longest + "n")).unwrap_err();
        assert!(refused.contains("at most 200 characters"), "{refused}");
        let shown = format!("{:?}", message("Ana's telephone").unwrap());
        assert!(shown.contains("15 bytes") && !shown.contains("Ana"), "{shown}");
        assert!(ClientMessage::parse(r#"{"type":"camera"}"#).is_err());
        assert!(ClientMessage::parse(r#"{"type":"camera","label":7}"#).is_err());
    }
}

//! The messages of a session: JSON text on a WebSocket, and frames as binary messages.
//!
//! LUNA PASS's own framing is not public; what is known of it has its names here (`isOk`, `errors`, `details`, `jwt`, a session id that
//! is assigned and can be given again, a heartbeat), and the rest is this service's.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vision_core::liveness::frame_checks::Details;

use super::settings::Environment;

/// Close code: the session is over, with a result or without one; do not come back with its id.
pub const CLOSE_ENDED: u16 = 4000;
/// Close code: the first message was no `connect`, or did not come in time.
pub const CLOSE_NOT_CONNECTED: u16 = 4001;
/// Close code: the session goes on in another connection.
pub const CLOSE_REPLACED: u16 = 4002;
/// Close code: more messages than any client sends.
pub const CLOSE_FLOOD: u16 = 4003;
/// Close code: nothing was heard for too long; coming back with the session's id is welcome.
pub const CLOSE_SILENT: u16 = 4004;
/// Close code: no more sessions now, of this address or in all (IANA's registry of close codes).
pub const CLOSE_TRY_LATER: u16 = 1013;
/// Close code: the service stops; a new session may begin elsewhere (RFC 6455, 7.4.1).
pub const CLOSE_STOPPING: u16 = 1001;
/// Close code: after the client's goodbye (RFC 6455, 7.4.1).
pub const CLOSE_NORMAL: u16 = 1000;

/// Names a session; who knows it can go on with it. 128 bits from the operating system, as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(u128);

impl SessionId {
    /// One that nobody has.
    ///
    /// # Errors
    /// The operating system has no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

// In logs: who has it whole has the session.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", crate::redact::shorten(&self.to_string()))
    }
}

impl FromStr for SessionId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| digits);
        number.map(Self).ok_or_else(|| "a session id has 32 hexadecimal digits".into())
    }
}

impl Serialize for SessionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a client says in text. Frames come as binary messages as well: a JPEG, PNG or WebP file each.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum ClientMessage {
    /// First of all.
    Connect {
        /// Of a session that a broken connection left; without it a new one begins.
        #[serde(default)]
        session_id: Option<SessionId>,
    },
    /// A frame.
    Frame {
        /// A picture file, base64.
        image: String,
    },
    /// Still here.
    Heartbeat,
    /// The subject gives up.
    Bye,
}

/// What the service says.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum ServerMessage {
    /// After `connect`.
    Session {
        /// To come back with.
        session_id: SessionId,
        /// Whether it goes on with what was found before.
        resumed: bool,
        /// Say something at least so often, seconds.
        heartbeat_interval: u64,
        /// What frames may be.
        limits: Limits,
    },
    /// What was seen in a frame.
    Frame {
        /// Its number in the session, from 1; frames that were not looked at count, too.
        frame: u64,
        /// Frames since the last answer that were not looked at, because newer ones came.
        skipped: u64,
        /// `isOk`, `errors`, `details`.
        #[serde(flatten)]
        status: Value,
    },
    /// The end of the session.
    Result {
        /// The person is live.
        is_ok: bool,
        /// What is wrong, as codes.
        errors: Vec<u16>,
        /// The same and more signed, for the controller.
        jwt: String,
    },
    /// To a heartbeat.
    Heartbeat,
    /// Something cannot be used, and was ignored.
    Error {
        /// Which mistake.
        code: Mistake,
        /// What to do about it, in English, for the client's author.
        message: String,
    },
}

/// What frames may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Of a picture file.
    pub max_bytes: usize,
    /// Width times height.
    pub max_pixels: usize,
    /// Frames a second; faster ones are skipped.
    pub max_rate: u32,
}

/// Mistakes of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mistake {
    /// No message of this protocol.
    NotUnderstood,
    /// A frame that is no picture.
    NotAPicture,
    /// A frame of too many bytes or pixels.
    TooLarge,
    /// A message of its kind is not expected now.
    NotNow,
    /// The service could not look at the frame: not the client's mistake, try the next.
    Unavailable,
}

impl Limits {
    /// The least time between two frames.
    pub fn pause(&self) -> Duration {
        Duration::from_secs(1) / self.max_rate.max(1)
    }
}

impl ClientMessage {
    /// Reads a message; the error is for the client's author.
    ///
    /// # Errors
    /// Not a message.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }
}

/// What a client may know of a frame: in production what is wrong and where the face is, so that nobody learns from the
/// scores how to pass.
pub fn told(errors: &[u16], details: &Details, environment: Environment) -> Value {
    let details = match environment {
        Environment::Development => json!(details),
        Environment::Production => match details.face_frame_position {
            Some(position) => json!({ "faceFramePosition": position }),
            None => json!({}),
        },
    };
    crate::json::told(json!({ "isOk": errors.is_empty(), "errors": errors, "details": details }))
}

#[cfg(test)]
mod tests {
    use vision_core::liveness::frame_checks::{PixelRect, Position};

    use super::*;

    #[test]
    fn messages_are_as_on_the_wire() {
        let id: SessionId = "00112233445566778899aabbccddeeff".parse().unwrap();
        let connect = r#"{"type":"connect","sessionId":"00112233445566778899AABBCCDDEEFF"}"#;
        assert!(
            matches!(ClientMessage::parse(connect), Ok(ClientMessage::Connect { session_id: Some(got) }) if got == id)
        );
        assert!(matches!(
            ClientMessage::parse(r#"{"type":"connect"}"#),
            Ok(ClientMessage::Connect { session_id: None })
        ));
        for wrong in ["", "{}", r#"{"type":"hello"}"#, r#"{"type":"connect","sessionId":"1"}"#, r#"{"type":"frame"}"#] {
            assert!(ClientMessage::parse(wrong).is_err(), "{wrong}");
        }
        let limits = Limits { max_bytes: 1, max_pixels: 2, max_rate: 3 };
        let said = json!(ServerMessage::Session { session_id: id, resumed: false, heartbeat_interval: 10, limits });
        let expected = json!({
            "type": "session",
            "sessionId": "00112233445566778899aabbccddeeff",
            "resumed": false,
            "heartbeatInterval": 10,
            "limits": { "maxBytes": 1, "maxPixels": 2, "maxRate": 3 },
        });
        assert_eq!(said, expected);
        assert!(!format!("{id:?}").contains("8899"));
        let said = json!(ServerMessage::Error { code: Mistake::NotAPicture, message: "m".into() });
        assert_eq!(said, json!({ "type": "error", "code": "not_a_picture", "message": "m" }));
    }

    #[test]
    fn production_tells_what_is_wrong_and_where_the_face_is() {
        let rect = PixelRect { x: 1.0, y: 2.0, width: 3.0, height: 4.0 };
        let position = Position { face_rect: rect, frame_rect: rect, margins: [0.0; 4] };
        let details = Details { ags: Some(0.7), face_frame_position: Some(position), ..Details::default() };
        let secret = told(&[30], &details, Environment::Production);
        assert_eq!((&secret["isOk"], &secret["errors"]), (&json!(false), &json!([30])));
        assert_eq!(secret["details"].as_object().unwrap().keys().collect::<Vec<_>>(), ["faceFramePosition"]);
        let open = told(&[], &details, Environment::Development);
        assert!(open["details"]["ags"].is_number() && open["isOk"] == true);
        assert_eq!(told(&[8], &Details::default(), Environment::Production)["details"], json!({}));
    }
}

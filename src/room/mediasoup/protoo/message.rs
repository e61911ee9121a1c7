//! The messages of protoo, strictly typed: whatever a server sends is a [`Message`] or a [`MessageError`].

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Longer messages end the connection. Router capabilities, the longest of a call, have 10 to 20 KiB.
pub const MAX_BYTES: usize = 1 << 20;

/// How much of a server's error text is kept.
const MAX_REASON_CHARS: usize = 200;

/// The other side's "no" to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// As HTTP's status codes, by custom.
    pub code: i64,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.code, self.reason)
    }
}

/// One message. Both sides count their requests on their own.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Wants an answer.
    Request {
        /// Repeated in the answer.
        id: u64,
        /// What is asked for.
        method: String,
        /// Its arguments.
        data: Value,
    },
    /// An answer.
    Response {
        /// Of the request.
        id: u64,
        /// What it says.
        result: Result<Value, Refusal>,
    },
    /// Wants none.
    Notification {
        /// What happened.
        method: String,
        /// Its circumstances.
        data: Value,
    },
}

/// Why a text is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Longer than [`MAX_BYTES`].
    #[error("the message has {0} bytes, more than {MAX_BYTES}")]
    TooLong(usize),
    /// No JSON, or fields of other types.
    #[error("the message is not protoo's JSON: {0}")]
    Malformed(String),
    /// An object that is neither request nor response nor notification, or lacks its parts.
    #[error("the message has no {0}")]
    Missing(&'static str),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    request: bool,
    #[serde(default)]
    response: bool,
    #[serde(default)]
    notification: bool,
    id: Option<u64>,
    method: Option<String>,
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    error_code: Value,
    #[serde(default)]
    error_reason: Value,
}

impl Message {
    /// Reads a text.
    pub fn parse(text: &str) -> Result<Self, MessageError> {
        if text.len() > MAX_BYTES {
            return Err(MessageError::TooLong(text.len()));
        }
        let wire: Wire = serde_json::from_str(text).map_err(|error| MessageError::Malformed(error.to_string()))?;
        let id = wire.id.ok_or(MessageError::Missing("id"));
        let method = wire.method.ok_or(MessageError::Missing("method"));
        if wire.request {
            Ok(Self::Request { id: id?, method: method?, data: wire.data })
        } else if wire.response {
            let refusal = || Refusal {
                code: wire.error_code.as_i64().unwrap_or_default(),
                reason: wire.error_reason.as_str().unwrap_or_default().chars().take(MAX_REASON_CHARS).collect(),
            };
            let result = if wire.ok { Ok(wire.data) } else { Err(refusal()) };
            Ok(Self::Response { id: id?, result })
        } else if wire.notification {
            Ok(Self::Notification { method: method?, data: wire.data })
        } else {
            Err(MessageError::Missing("request, response or notification"))
        }
    }

    /// As text.
    pub fn to_text(&self) -> String {
        match self {
            Self::Request { id, method, data } => json!({"request": true, "id": id, "method": method, "data": data}),
            Self::Response { id, result: Ok(data) } => json!({"response": true, "id": id, "ok": true, "data": data}),
            Self::Response { id, result: Err(refusal) } => {
                json!({"response": true, "id": id, "errorCode": refusal.code, "errorReason": refusal.reason})
            }
            Self::Notification { method, data } => json!({"notification": true, "method": method, "data": data}),
        }
        .to_string()
    }
}

/// Any data as a message's; what cannot be JSON does not occur in our own types.
pub(super) fn data_of(data: &impl Serialize) -> Result<Value, MessageError> {
    serde_json::to_value(data).map_err(|error| MessageError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_are_read_as_they_are_written() {
        let refusal = Refusal { code: 403, reason: "no".into() };
        for (message, text) in [
            (
                Message::Request { id: 7, method: "join".into(), data: json!({"a": 1}) },
                r#"{"data":{"a":1},"id":7,"method":"join","request":true}"#,
            ),
            (Message::Response { id: 7, result: Ok(json!({})) }, r#"{"data":{},"id":7,"ok":true,"response":true}"#),
            (
                Message::Response { id: 7, result: Err(refusal) },
                r#"{"errorCode":403,"errorReason":"no","id":7,"response":true}"#,
            ),
            (
                Message::Notification { method: "peerClosed".into(), data: json!({"peerId": "x"}) },
                r#"{"data":{"peerId":"x"},"method":"peerClosed","notification":true}"#,
            ),
        ] {
            assert_eq!(
                serde_json::from_str::<Value>(&message.to_text()).unwrap(),
                serde_json::from_str::<Value>(text).unwrap()
            );
            assert_eq!(Message::parse(text), Ok(message));
        }
    }

    #[test]
    fn what_is_left_out_is_empty_and_what_is_more_is_ignored() {
        let parsed = Message::parse(r#"{"response":true,"id":1,"ok":true,"more":[]}"#);
        assert_eq!(parsed, Ok(Message::Response { id: 1, result: Ok(Value::Null) }));
        let parsed = Message::parse(r#"{"response":true,"id":1,"errorCode":"x","errorReason":5}"#);
        assert_eq!(parsed, Ok(Message::Response { id: 1, result: Err(Refusal { code: 0, reason: String::new() }) }));
    }

    #[test]
    fn nonsense_is_an_error() {
        for text in [
            "",
            "hello",
            "[]",
            "{}",
            r#"{"request":true,"method":"x"}"#,
            r#"{"request":true,"id":1}"#,
            r#"{"request":true,"id":-1,"method":"x"}"#,
            r#"{"request":true,"id":1.5,"method":"x"}"#,
            r#"{"request":"yes","id":1,"method":"x"}"#,
            r#"{"response":true,"ok":true}"#,
            r#"{"notification":true}"#,
            &"[".repeat(10_000),
        ] {
            assert!(Message::parse(text).is_err(), "{}", &text[..text.len().min(50)]);
        }
        assert_eq!(Message::parse(&" ".repeat(MAX_BYTES + 1)), Err(MessageError::TooLong(MAX_BYTES + 1)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = Message::parse(&text);
        }

        #[test]
        fn no_object_panics(
            kind in "request|response|notification|other", flag in any::<bool>(), id in any::<i64>(), ok in any::<bool>(),
            method in ".{0,20}", reason in ".{0,400}",
        ) {
            let object = json!({kind: flag, "id": id, "ok": ok, "method": method, "errorReason": reason, "data": {"x": id}});
            if let Ok(message) = Message::parse(&object.to_string()) {
                prop_assert_eq!(Message::parse(&message.to_text()), Ok(message));
            }
        }
    }
}

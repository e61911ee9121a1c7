//! protoo: requests, responses and notifications, both ways, as JSON text on a WebSocket.
//!
//! | module | what |
//! |---|---|
//! | [`message`] | the messages: text in, data or an error out; pure |
//! | [`connection`] | the task that owns the WebSocket |

pub mod connection;
pub mod message;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A request that the service makes.
pub trait Request: Serialize {
    /// Its name on the wire.
    const METHOD: &'static str;
    /// What the server answers.
    type Answer: DeserializeOwned;
}

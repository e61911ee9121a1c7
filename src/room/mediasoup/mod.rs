//! Rooms on a mediasoup server: the service joins as a peer, receives the subject's video and sends its own.
//!
//! ```text
//! call (joins, joins again) -> session (one stay) -> receiver: subject's video -> frames
//!                                |        |       -> sender: what the subject sees <- screen
//!                                |        +-- subject: whose video it is
//!                                +-- protoo::connection: the WebSocket
//! ```
//!
//! | module | what |
//! |---|---|
//! | `call` | the owner: joins, and joins again when the connection is lost |
//! | [`session`] | one stay in a room, from the join to the first thing that breaks |
//! | `sender`, `receiver` | the two transports, one `webrtcbin` each |
//! | [`subject`] | which of the room's videos is the subject's; pure |
//! | [`capabilities`] | what the router and we can both do; pure |
//! | [`transport`], [`sdp`] | the server's transports, checked, and the SDP that they stand for; pure |
//! | [`messages`] | requests and notifications by their names on the wire |
//! | [`protoo`] | how messages go over the WebSocket |
//! | [`tls`] | whose certificates are believed |

mod call;
pub mod capabilities;
pub mod messages;
pub mod protoo;
mod receiver;
pub mod sdp;
mod sender;
pub mod session;
pub mod subject;
pub mod tls;
pub mod transport;

use tokio::sync::oneshot;

use super::{Plugs, RoomError, RoomLink, RoomOptions, RoomUrl, link};

/// Joins the room at `url`; returns when the server has let us in. Whoever stops waiting leaves.
pub async fn join(url: &url::Url, plugs: Plugs, options: RoomOptions) -> Result<RoomLink, RoomError> {
    let (joined, outcome) = oneshot::channel();
    let address = url.clone();
    let link = link(move |end| call::Call::new(address, end, plugs, options, joined).run());
    match outcome.await {
        Ok(joined) => joined.map(|()| link),
        Err(_) => {
            let room = RoomUrl::Server(url.clone()).to_string();
            Err(RoomError::Unreachable { room, reason: "the room's task has ended".into() })
        }
    }
}

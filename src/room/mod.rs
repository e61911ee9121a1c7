//! How the service joins a call.
//!
//! A flow does not know which kind of room it is in: it gives [`Rooms::join`] a URL and the plugs of its media, gets a
//! [`RoomLink`], reads [`RoomEvent`]s from it and leaves.
//!
//! | module | what |
//! |---|---|
//! | [`direct`] | the built-in room, `direct:ROOM`: a browser at `/call/ROOM` talks WebRTC straight to the service |
//! | [`mediasoup`] | a room on a mediasoup server, `ws://...` or `wss://...` |

pub mod direct;
pub mod mediasoup;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::{Config, Mediasoup};
use crate::debug::graphs::DotFolder;
use crate::media::branch::Rotation;
use crate::media::inspect::PeerBoard;
use crate::media::screen::PictureSource;
use crate::media::{Codec, FrameSink, IceOptions, Observers};
use crate::redact::shorten;
use direct::DirectRooms;
pub use direct::message::CameraLabel;

/// Longer than any room needs to say goodbye and stop its pipelines.
const LEAVE_LIMIT: Duration = Duration::from_secs(8);
const EVENTS: usize = 32;
const COMMANDS: usize = 8;

/// Which room, out of a controller's `ws_url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomUrl {
    /// The built-in room of this name.
    Direct(String),
    /// A room on a media server, by its WebSocket.
    Server(url::Url),
}

/// Why a `ws_url` is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomUrlError {
    /// Another scheme, or no URL at all.
    #[error("ws_url has to be direct:ROOM, ws://... or wss://...")]
    Scheme,
    /// A name that does not fit into a path.
    #[error("a room's name has 1 to 64 letters, digits, dots, dashes and underscores")]
    Name,
}

/// Whether this can be the name of a built-in room.
pub fn is_room_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

impl RoomUrl {
    /// Reads `direct:ROOM`, `ws://...` or `wss://...`.
    pub fn parse(text: &str) -> Result<Self, RoomUrlError> {
        if let Some(name) = text.strip_prefix("direct:") {
            return if is_room_name(name) { Ok(Self::Direct(name.into())) } else { Err(RoomUrlError::Name) };
        }
        match url::Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "ws" | "wss") && url.has_host() => Ok(Self::Server(url)),
            _ => Err(RoomUrlError::Scheme),
        }
    }
}

// For logs: whoever knows a built-in room's whole name can sit down in it, and a server's query may hold a token.
impl fmt::Display for RoomUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(name) => write!(f, "direct:{}", shorten(name)),
            Self::Server(url) => {
                write!(f, "{}://{}", url.scheme(), url.host_str().unwrap_or_default())?;
                url.port().map_or(Ok(()), |port| write!(f, ":{port}"))
            }
        }
    }
}

/// Why a room cannot be joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    /// Another flow is in it.
    #[error("room {0} already has a running verification")]
    Occupied(String),
    /// Its server does not answer, or does not let us in.
    #[error("the room at {room} cannot be joined: {reason}")]
    Unreachable {
        /// Scheme, host and port of the server.
        room: String,
        /// Why.
        reason: String,
    },
}

/// What happens in a room, in the order in which it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomEvent {
    /// A subject is there; its media is still on the way.
    SubjectJoined,
    /// Frames come. Said once for each connection (or producer): when it is said again, the subject came back or its
    /// network changed, and what was seen before says nothing about who is in front of the camera now. Between two of
    /// them frames may stop without another event; that frames keep coming is for the flow to watch.
    MediaStarted,
    /// The subject's page names its camera. Only the built-in room's page does, and it can say what it likes.
    Camera(CameraLabel),
    /// The subject has gone. It may come back, as a page does that is reloaded.
    SubjectLeft,
    /// The way to the room broke; it is looked for. Nobody can be in front of a camera meanwhile.
    Interrupted,
    /// The room was found again; the subject may follow.
    Restored,
    /// The room is over; the last event.
    Closed,
}

/// What a flow plugs into a call.
#[derive(Clone)]
pub struct Plugs {
    /// Gets every frame of the subject, on a GStreamer thread: must not block. The flow's screen is among those who
    /// want them, see [`Screen::sink`](crate::media::Screen::sink).
    pub on_frame: FrameSink,
    /// Who looks at frames before they are decoded; on a GStreamer thread as well.
    pub observers: Observers,
    /// What the subject sees. The room connects it to the subject, the flow sets what is on it.
    pub screen: Arc<dyn PictureSource>,
    /// The language of the subject's page.
    pub lang: String,
    /// Where the room says which peers it has, for whoever looks for a fault.
    pub peers: PeerBoard,
    /// Where the graphs of connections that fail are written.
    pub dots: Option<DotFolder>,
}

/// How rooms are joined; configuration.
#[derive(Clone, Debug)]
pub struct RoomOptions {
    /// How peers find each other.
    pub ice: IceOptions,
    /// Which may be used, the preferred one first.
    pub codecs: Vec<Codec>,
    /// Bits per second sent.
    pub bitrate: u32,
    /// For rooms on a mediasoup server.
    pub mediasoup: Mediasoup,
    /// What is done with pictures that come in.
    pub input: InputOptions,
}

/// How pictures that come in are put upright.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputOptions {
    /// Turned besides.
    pub turned: Rotation,
    /// The header extension that says how pictures lie is not negotiated: senders turn them themselves then.
    pub without_orientation: bool,
}

/// The part of the configuration that rooms need.
pub fn options(config: &Config) -> RoomOptions {
    RoomOptions {
        ice: config.ice.clone(),
        codecs: config.media.codecs.clone(),
        bitrate: config.media.bitrate,
        mediasoup: config.mediasoup.clone(),
        input: InputOptions::default(),
    }
}

/// The result, for a page that shows it beside the picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Verified, or not.
    pub success: bool,
    /// The outcome's code.
    pub reason: String,
    /// The same for the subject, in their language.
    pub text: String,
}

pub(crate) enum RoomCommand {
    Announce(Announcement),
    Leave,
}

/// A flow's hold on a room. Dropping it leaves as well, without waiting.
pub struct RoomLink {
    events: mpsc::Receiver<RoomEvent>,
    commands: mpsc::Sender<RoomCommand>,
    task: JoinHandle<()>,
    closed: bool,
}

impl RoomLink {
    /// The next event. After [`RoomEvent::Closed`] nothing comes any more, and this waits for ever. Cancel safe.
    pub async fn next_event(&mut self) -> RoomEvent {
        match self.events.recv().await {
            Some(event) => event,
            None if self.closed => std::future::pending().await,
            None => {
                self.closed = true;
                RoomEvent::Closed
            }
        }
    }

    /// Tells the subject's page the result: its code and, in the subject's language, a sentence. Rooms that have no way
    /// to tell do without: the picture says it.
    pub fn announce(&self, success: bool, reason: &str, text: &str) {
        let announcement = Announcement { success, reason: reason.into(), text: text.into() };
        // full means that the room hangs; leaving will end it
        let _ = self.commands.try_send(RoomCommand::Announce(announcement));
    }

    /// Leaves: tells the other side that the call is over and waits until everything has stopped.
    pub async fn leave(self) {
        let Self { events, commands, mut task, .. } = self;
        drop(events);
        let _ = commands.try_send(RoomCommand::Leave);
        drop(commands);
        if tokio::time::timeout(LEAVE_LIMIT, &mut task).await.is_err() {
            tracing::error!("leaving the room took longer than {LEAVE_LIMIT:?}; it is left behind");
            task.abort();
        }
    }
}

/// Both ends of a link, for the task that runs a room.
pub(crate) struct RoomEnd {
    pub events: mpsc::Sender<RoomEvent>,
    pub commands: mpsc::Receiver<RoomCommand>,
}

/// Starts a room's task.
pub(crate) fn link<F>(run: impl FnOnce(RoomEnd) -> F) -> RoomLink
where
    F: Future<Output = ()> + Send + 'static,
{
    let (event_sender, events) = mpsc::channel(EVENTS);
    let (commands, command_receiver) = mpsc::channel(COMMANDS);
    let task = tokio::spawn(run(RoomEnd { events: event_sender, commands: command_receiver }));
    RoomLink { events, commands, task, closed: false }
}

/// All rooms that this service can join.
#[derive(Clone, Default)]
pub struct Rooms {
    /// The built-in ones.
    pub direct: DirectRooms,
}

impl Rooms {
    /// No room has anybody in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Joins a room; returns without waiting for its subject.
    pub async fn join(&self, url: &RoomUrl, plugs: Plugs, options: RoomOptions) -> Result<RoomLink, RoomError> {
        match url {
            RoomUrl::Direct(name) => self.direct.join(name, plugs, options),
            RoomUrl::Server(url) => mediasoup::join(url, plugs, options).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_named_by_url() {
        assert_eq!(RoomUrl::parse("direct:a.B-1_"), Ok(RoomUrl::Direct("a.B-1_".into())));
        for name in ["", "a/b", "a b", "ü", "..%2f", &"a".repeat(65)] {
            assert_eq!(RoomUrl::parse(&format!("direct:{name}")), Err(RoomUrlError::Name), "{name}");
        }
        let server = RoomUrl::parse("wss://sfu.example.org:4443/?roomId=r&peerId=secret").unwrap();
        assert!(matches!(server, RoomUrl::Server(_)));
        assert_eq!(server.to_string(), "wss://sfu.example.org:4443");
        assert_eq!(RoomUrl::Direct("kitchen-7".into()).to_string(), "direct:kitc…");
        for other in ["", "http://x", "ws:", "wss://", "direct", "file:///etc/passwd"] {
            assert_eq!(RoomUrl::parse(other), Err(RoomUrlError::Scheme), "{other}");
        }
    }
}

//! A simulated subject: a GStreamer WebRTC peer that sits in a room in place of a browser.
//!
//! It sends real WebRTC video of a clip, a picture, a test source or a painter, decodes what the service sends back, and
//! does what people do: leave, come back, turn the phone, cover the camera. The demo and the tests use it.
//!
//! | module | what |
//! |---|---|
//! | [`camera`] | where its pictures come from |
//! | `session`, `connection` | in a built-in room: the task between WebSocket, camera and peer; one offer and its peer |
//! | `guest` | in a room on a mediasoup server: the service's own room code, the other way round |

pub mod camera;
mod connection;
mod guest;
mod session;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use crate::room::direct::message::ServerMessage;

use crate::media::peer::PeerError;
use crate::media::{Codec, FrameSink, IceOptions, MediaError};
use crate::room::CameraLabel;
use camera::{Camera, Source};

/// Longer than a healthy subject needs to stop.
const STOP_LIMIT: Duration = Duration::from_secs(8);

/// A kind of room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomKind {
    /// Built into the service.
    Direct,
    /// On a mediasoup server.
    Mediasoup,
}

/// What a subject is like.
pub struct SubjectOptions {
    /// `ws://HOST:PORT/call/ROOM/ws`, or `wss://`.
    pub url: String,
    /// The kind of room at the URL.
    pub room: RoomKind,
    /// What its camera sees.
    pub source: Source,
    /// Width and height of what it sends; `None` for the source's own. Pictures keep their shape between black bars.
    pub size: Option<(u32, u32)>,
    /// Pictures per second.
    pub framerate: u32,
    /// Bits per second.
    pub bitrate: u32,
    /// What it says its camera is called, in a built-in room.
    pub camera_label: Option<String>,
    /// The only codec that it offers.
    pub codec: Codec,
    /// How it finds the service; the service's own servers are not used.
    pub ice: IceOptions,
    /// Gets what the service sends, on a GStreamer thread: must not block.
    pub on_frame: Option<FrameSink>,
    /// Whether what the service sends is decoded at all.
    pub watches: bool,
}

impl SubjectOptions {
    /// VP8, 30 pictures a second, 1.5 Mbit/s, on loopback.
    pub fn new(url: impl Into<String>, source: Source) -> Self {
        Self {
            url: url.into(),
            room: RoomKind::Direct,
            source,
            size: None,
            framerate: 30,
            bitrate: 1_500_000,
            camera_label: None,
            codec: Codec::Vp8,
            ice: IceOptions { loopback: true, ..IceOptions::default() },
            on_frame: None,
            watches: true,
        }
    }
}

/// Why a subject cannot be simulated.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// Its camera does not work.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// Its connection cannot be made.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The room's WebSocket cannot be reached.
    #[error("the room at {url} cannot be reached: {reason}")]
    Unreachable {
        /// Which.
        url: String,
        /// Why.
        reason: String,
    },
}

/// What happens to a subject.
#[derive(Debug, Clone, PartialEq)]
pub enum SubjectEvent {
    /// The service said something. SDP and candidates are handled already.
    Message(ServerMessage),
    /// Media flows out.
    Connected,
    /// The first picture of the service has come, for this connection.
    FirstFrame,
    /// The connection failed.
    Failed(String),
    /// The WebSocket is closed, with this code if the service gave one.
    Closed(Option<u16>),
}

enum Command {
    /// Closes the WebSocket and comes back with a new one, as a page does that is reloaded.
    Reload,
    /// Sends a text on the WebSocket as it is.
    Say(String),
    /// Says goodbye and ends.
    Leave,
    /// Ends without a word: no goodbye, no closing, packets just stop.
    Vanish,
}

/// A simulated subject in a room. Dropping it is like pulling the plug.
pub struct GstSubject {
    events: mpsc::UnboundedReceiver<SubjectEvent>,
    commands: mpsc::UnboundedSender<Command>,
    camera: Camera,
    task: JoinHandle<()>,
}

impl GstSubject {
    /// Switches the camera on and goes to the room.
    pub async fn join(options: SubjectOptions) -> Result<Self, SubjectError> {
        let SubjectOptions { url, room, source, size, framerate, bitrate, camera_label, codec, ice, on_frame, watches } =
            options;
        crate::media::init()?;
        let (event_sender, events) = mpsc::unbounded_channel();
        let (commands, command_receiver) = mpsc::unbounded_channel();
        if room == RoomKind::Mediasoup {
            let camera = Camera::start(source, size, framerate)?;
            let guest = guest::Guest::new(&url, camera.lens(), on_frame, guest::options(ice, codec, bitrate, watches))?;
            let link = guest.join().await?;
            let task = tokio::spawn(guest.run(link, event_sender, command_receiver));
            return Ok(Self { events, commands, camera, task });
        }
        let socket = session::connect(&url).await?;
        let camera = Camera::start(source, size, framerate)?;
        let session = session::Session {
            url,
            events: event_sender,
            commands: command_receiver,
            camera: camera.lens(),
            label: camera_label.and_then(|label| CameraLabel::try_from(label).ok()),
            offering: connection::Offering { codec, bitrate, ice, watches },
            on_frame,
        };
        let task = tokio::spawn(session.run(socket));
        Ok(Self { events, commands, camera, task })
    }

    /// The next thing that happens; `None` when it has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<SubjectEvent> {
        self.events.recv().await
    }

    /// Its camera: cover it, turn it, change its size.
    pub fn camera(&self) -> &Camera {
        &self.camera
    }

    /// Closes the WebSocket and the peer and comes back with new ones, as a page does that is reloaded.
    pub fn reload(&self) {
        let _ = self.commands.send(Command::Reload);
    }

    /// Loses the next packets that come in, for good: what follows cannot be decoded without a new key frame. Of the
    /// requests for one, as many are lost too.
    pub fn lose(&self, packets: usize, requests: usize) {
        self.camera.lens().lose(packets, requests);
    }

    /// Sends a text on the WebSocket as it is.
    pub fn say(&self, text: impl Into<String>) {
        let _ = self.commands.send(Command::Say(text.into()));
    }

    /// Says goodbye and waits until everything has stopped.
    pub async fn leave(self) {
        self.end(Command::Leave).await;
    }

    /// Stops without a word: the service has to notice by itself.
    pub async fn vanish(self) {
        self.end(Command::Vanish).await;
    }

    async fn end(self, command: Command) {
        let Self { events, commands, camera, mut task } = self;
        drop(events);
        let _ = commands.send(command);
        if tokio::time::timeout(STOP_LIMIT, &mut task).await.is_err() {
            task.abort();
        }
        camera.stop().await;
    }
}

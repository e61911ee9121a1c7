//! A simulated subject in a room on a mediasoup server: it joins as the service does, shows its camera and watches the
//! service.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::camera::Lens;
use super::{Command, SubjectError, SubjectEvent};
use crate::config::Mediasoup;
use crate::media::inspect::PeerBoard;
use crate::media::{Codec, FrameSink, IceOptions, Observers};
use crate::room::mediasoup::subject::SubjectRule;
use crate::room::{InputOptions, Plugs, RoomEvent, RoomLink, RoomOptions, RoomUrl, mediasoup};

pub(super) struct Guest {
    url: url::Url,
    plugs: Plugs,
    options: RoomOptions,
}

/// The codec is the one that it sends; it receives them all, or nothing when it does not watch.
pub(super) fn options(ice: IceOptions, codec: Codec, bitrate: u32, watches: bool) -> RoomOptions {
    let others = Codec::ALL.into_iter().filter(|other| *other != codec);
    let codecs = std::iter::once(codec).chain(others).collect();
    // whoever looks for nobody sees nobody
    let subject = if watches { SubjectRule::First } else { SubjectRule::Peer(String::new()) };
    let mediasoup = Mediasoup { subject, ..Mediasoup::default() };
    RoomOptions { ice, codecs, bitrate, mediasoup, input: InputOptions::default() }
}

impl Guest {
    pub fn new(
        url: &str,
        camera: Lens,
        on_frame: Option<FrameSink>,
        options: RoomOptions,
    ) -> Result<Self, SubjectError> {
        let unreachable =
            |error: url::ParseError| SubjectError::Unreachable { url: url.into(), reason: error.to_string() };
        let plugs = Plugs {
            on_frame: on_frame.unwrap_or_else(|| Arc::new(|_| ())),
            observers: Observers::default(),
            screen: Arc::new(camera),
            lang: String::new(),
            peers: PeerBoard::default(),
            dots: None,
        };
        Ok(Self { url: url::Url::parse(url).map_err(unreachable)?, plugs, options })
    }

    pub async fn join(&self) -> Result<RoomLink, SubjectError> {
        mediasoup::join(&self.url, self.plugs.clone(), self.options.clone()).await.map_err(|error| {
            SubjectError::Unreachable { url: RoomUrl::Server(self.url.clone()).to_string(), reason: error.to_string() }
        })
    }

    pub async fn run(
        self,
        mut link: RoomLink,
        events: mpsc::UnboundedSender<SubjectEvent>,
        mut commands: mpsc::UnboundedReceiver<Command>,
    ) {
        let emit = |event| {
            tracing::debug!(?event, "subject");
            let _ = events.send(event);
        };
        loop {
            tokio::select! {
                event = link.next_event() => match event {
                    RoomEvent::SubjectJoined => emit(SubjectEvent::Connected),
                    RoomEvent::MediaStarted => emit(SubjectEvent::FirstFrame),
                    RoomEvent::SubjectLeft | RoomEvent::Interrupted | RoomEvent::Restored | RoomEvent::Camera(_) => (),
                    RoomEvent::Closed => {
                        emit(SubjectEvent::Closed(None));
                        break;
                    }
                },
                command = commands.recv() => match command {
                    Some(Command::Reload) => {
                        link.leave().await;
                        link = match self.join().await {
                            Ok(link) => link,
                            Err(error) => return emit(SubjectEvent::Failed(error.to_string())),
                        };
                    }
                    // nothing that could be said in this room
                    Some(Command::Say(_)) => (),
                    Some(Command::Leave | Command::Vanish) | None => break,
                }
            }
        }
        link.leave().await;
    }
}

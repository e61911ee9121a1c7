//! The task of a simulated subject: what the page's script is in a browser.

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::camera::Lens;
use super::connection::{Connection, Offering};
use super::{Command, SubjectError, SubjectEvent};
use crate::media::ice::RemoteCandidate;
use crate::media::peer::PeerEvent;
use crate::media::screen::PictureSource as _;
use crate::media::{FrameOutlet, FrameSink};
use crate::room::CameraLabel;
use crate::room::direct::message::{ClientMessage, ServerMessage};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Reaches the room.
pub(super) async fn connect(url: &str) -> Result<Socket, SubjectError> {
    match tokio_tungstenite::connect_async(url).await {
        Ok((socket, _)) => Ok(socket),
        Err(error) => Err(SubjectError::Unreachable { url: url.into(), reason: error.to_string() }),
    }
}

pub(super) struct Session {
    pub url: String,
    pub events: mpsc::UnboundedSender<SubjectEvent>,
    pub commands: mpsc::UnboundedReceiver<Command>,
    pub camera: Lens,
    pub label: Option<CameraLabel>,
    pub offering: Offering,
    pub on_frame: Option<FrameSink>,
}

enum Next {
    Command(Option<Command>),
    Socket(Option<Message>),
    Peer(PeerEvent),
}

impl Session {
    pub async fn run(mut self, mut socket: Socket) {
        let outlet = FrameOutlet::new(self.on_frame.clone().unwrap_or_else(|| Arc::new(|_| ())));
        let mut connection: Option<Connection> = None;
        loop {
            match next(&mut self.commands, &mut socket, &mut connection).await {
                Next::Command(Some(Command::Reload)) => {
                    self.hang_up(&mut connection).await;
                    let _ = socket.close(None).await;
                    match connect(&self.url).await {
                        Ok(new) => socket = new,
                        Err(error) => return self.emit(SubjectEvent::Failed(error.to_string())),
                    }
                }
                Next::Command(Some(Command::Say(text))) => drop(socket.send(Message::text(text)).await),
                Next::Command(Some(Command::Leave)) => {
                    let _ = say(&mut socket, &ClientMessage::Bye).await;
                    let _ = socket.close(None).await;
                    break;
                }
                // the socket is not closed but forgotten, together with the process's end of it
                Next::Command(Some(Command::Vanish) | None) => break,
                Next::Socket(Some(Message::Text(text))) => {
                    let Ok(message) = serde_json::from_str::<ServerMessage>(&text) else { continue };
                    if let Err(error) = self.hear(message, &mut socket, &mut connection, &outlet).await {
                        self.emit(SubjectEvent::Failed(error.to_string()));
                    }
                }
                Next::Socket(Some(Message::Close(frame))) => {
                    self.emit(SubjectEvent::Closed(frame.map(|frame| frame.code.into())));
                    break;
                }
                Next::Socket(Some(_)) => (),
                Next::Socket(None) => {
                    self.emit(SubjectEvent::Closed(None));
                    break;
                }
                Next::Peer(event) => self.peer_event(event, &mut socket, &mut connection).await,
            }
        }
        self.hang_up(&mut connection).await;
    }

    async fn hear(
        &self,
        message: ServerMessage,
        socket: &mut Socket,
        connection: &mut Option<Connection>,
        outlet: &FrameOutlet,
    ) -> Result<(), SubjectError> {
        match (&message, connection.as_mut()) {
            (ServerMessage::Ready { .. }, _) => {
                self.hang_up(connection).await;
                let (new, sdp) = Connection::offer(self.offering.clone(), outlet, self.camera.clone()).await?;
                *connection = Some(new);
                if let Some(label) = self.label.clone() {
                    let _ = say(socket, &ClientMessage::Camera { label }).await;
                }
                let _ = say(socket, &ClientMessage::Offer { sdp }).await;
            }
            (ServerMessage::Answer { sdp }, Some(connection)) => connection.answer(sdp).await?,
            (ServerMessage::Candidate { candidate, .. }, Some(connection)) => {
                if let Some(candidate) = RemoteCandidate::parse(candidate) {
                    connection.candidate(candidate);
                }
            }
            _ => (),
        }
        if !matches!(message, ServerMessage::Answer { .. } | ServerMessage::Candidate { .. }) {
            self.emit(SubjectEvent::Message(message));
        }
        Ok(())
    }

    async fn peer_event(&self, event: PeerEvent, socket: &mut Socket, connection: &mut Option<Connection>) {
        match event {
            PeerEvent::Candidate { mline, candidate } => {
                let message = ClientMessage::Candidate { candidate: Some(candidate), mline: Some(mline), mid: None };
                let _ = say(socket, &message).await;
            }
            PeerEvent::Connected => {
                if let Some(connection) = connection {
                    self.camera.attach(connection.branch.pictures());
                }
                self.emit(SubjectEvent::Connected);
            }
            PeerEvent::FirstFrame { .. } => self.emit(SubjectEvent::FirstFrame),
            PeerEvent::Failed(failure) => {
                self.hang_up(connection).await;
                self.emit(SubjectEvent::Failed(failure.to_string()));
            }
        }
    }

    async fn hang_up(&self, connection: &mut Option<Connection>) {
        self.camera.detach();
        if let Some(connection) = connection.take() {
            connection.peer.close().await;
        }
    }

    fn emit(&self, event: SubjectEvent) {
        tracing::debug!(?event, "subject");
        let _ = self.events.send(event);
    }
}

async fn next(
    commands: &mut mpsc::UnboundedReceiver<Command>,
    socket: &mut Socket,
    connection: &mut Option<Connection>,
) -> Next {
    let peer = async {
        match connection {
            Some(connection) => connection.events.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        command = commands.recv() => Next::Command(command),
        message = socket.next() => Next::Socket(message.and_then(Result::ok)),
        Some(event) = peer => Next::Peer(event),
    }
}

async fn say(socket: &mut Socket, message: &ClientMessage) -> Result<(), ()> {
    let text = serde_json::to_string(message).map_err(|_| ())?;
    socket.send(Message::text(text)).await.map_err(|_| ())
}

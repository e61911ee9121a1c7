//! A client's WebSocket: one task that reads, answers, limits and listens for the heart. The newest frame wins: while one is
//! looked at the next ones wait in a place for one, and the client hears how many were passed over.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use warp::ws::{Message, WebSocket};

use super::FrameDoor;
use super::judge::JudgeError;
use super::protocol::{
    CLOSE_ENDED, CLOSE_FLOOD, CLOSE_NORMAL, CLOSE_NOT_CONNECTED, CLOSE_REPLACED, CLOSE_SILENT, CLOSE_STOPPING,
    CLOSE_TRY_LATER, ClientMessage, Mistake, ServerMessage, SessionId, told,
};
use super::session::{Answer, FrameError, Outcome, Session};
use super::sessions::Place;
use crate::lock::lock;
use vision_models::picture_file::PictureError;

/// The first message has to come within this time.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// A client that does not take its messages for so long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// A client may miss so many heartbeats.
const MISSED_HEARTBEATS: u32 = 3;
/// How long the other side may take to answer our close.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);
/// Messages per second beyond which a client is an attack, however small they are; cameras make 60 frames.
const FLOOD: u32 = 100;
/// How long a message may be besides its picture; base64 makes four bytes of three.
const ENVELOPE: usize = 1024;

/// The longest message that a client may send.
pub fn max_message(max_bytes: usize) -> usize {
    max_bytes.div_ceil(3) * 4 + ENVELOPE
}

/// Serves one client until either side closes.
pub async fn serve(door: Arc<FrameDoor>, address: IpAddr, mut socket: WebSocket) {
    let Some((session, place)) = connect(&door, address, &mut socket).await else { return };
    let mut connection = Connection::new(door, session);
    let stop = connection.door.stop.clone();
    let wanted = place.wanted.clone();
    let close = tokio::select! {
        close = connection.run(&mut socket) => close,
        () = wanted.cancelled() => Close::Code(CLOSE_REPLACED),
        () = stop.cancelled() => Close::Code(CLOSE_STOPPING),
    };
    tracing::debug!(?close, "the connection of a session ends");
    // a frame that is being looked at still has the session
    let session = connection.take_session().await;
    let has_heard = match close {
        Close::Code(code) => say_goodbye(socket, code).await,
        Close::Gone => false,
    };
    let Some(session) = session else { return };
    match close {
        // a result that may not have arrived is kept for who comes back
        Close::Code(CLOSE_ENDED) if !has_heard => place.park(session),
        Close::Code(CLOSE_NORMAL | CLOSE_ENDED | CLOSE_STOPPING) => {
            // plug-ins may wait
            let _ = tokio::task::spawn_blocking(|| session.left()).await;
        }
        Close::Code(_) | Close::Gone => place.park(session),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Close {
    /// We close.
    Code(u16),
    /// The other side has.
    Gone,
}

/// Waits for `connect`; the session that it begins or goes on with.
async fn connect(door: &Arc<FrameDoor>, address: IpAddr, socket: &mut WebSocket) -> Option<(Box<Session>, Place)> {
    let first = tokio::time::timeout(CONNECT_LIMIT, next(socket)).await;
    let wanted = match first {
        Ok(Some(message)) => match message.to_str().map(ClientMessage::parse) {
            Ok(Ok(ClientMessage::Connect { session_id })) => session_id,
            Ok(Err(reason)) => return refuse(socket, CLOSE_NOT_CONNECTED, &reason).await,
            _ => return refuse(socket, CLOSE_NOT_CONNECTED, "the first message has to be `connect`").await,
        },
        Ok(None) => return None,
        Err(_) => return refuse(socket, CLOSE_NOT_CONNECTED, "no `connect` came").await,
    };
    let resumed = match wanted {
        Some(id) => door.sessions.resume(id).await,
        None => None,
    };
    let is_resumed = resumed.is_some();
    let (session, place) = match resumed {
        Some(resumed) => resumed,
        None => match begin(door, address) {
            Ok(begun) => begun,
            Err(reason) => return refuse(socket, CLOSE_TRY_LATER, reason).await,
        },
    };
    tracing::info!(session = ?session.id(), is_resumed, "a session begins");
    let welcome = ServerMessage::Session {
        session_id: session.id(),
        resumed: is_resumed,
        heartbeat_interval: door.heartbeat.as_secs().max(1),
        limits: door.limits,
    };
    match send(socket, &welcome).await {
        Ok(()) => Some((session, place)),
        Err(Gone) => {
            place.park(session);
            None
        }
    }
}

fn begin(door: &Arc<FrameDoor>, address: IpAddr) -> Result<(Box<Session>, Place), &'static str> {
    let failed = "the session cannot begin";
    let id = SessionId::random().map_err(|error| {
        tracing::error!(%error, "the operating system has no randomness");
        failed
    })?;
    let place = door.sessions.take(id, address).map_err(|reason| {
        tracing::warn!(?reason, "a client was turned away: as many sessions as there may be");
        "as many sessions as there may be: try again later"
    })?;
    let session = Session::begin(door.clone(), id).map_err(|error| {
        tracing::error!(%error, "a session cannot begin");
        failed
    })?;
    Ok((Box::new(session), place))
}

/// Where the newest frame waits.
#[derive(Default)]
struct Waiting {
    newest: Option<(Bytes, Instant)>,
    skipped: u64,
}

type Looked = (Box<Session>, u64, Result<Answer, FrameError>);

/// One connection of a session.
struct Connection {
    door: Arc<FrameDoor>,
    began: Instant,
    /// None while a frame is looked at.
    session: Option<Box<Session>>,
    /// None of it comes back only if the analysis panicked.
    looking: Option<BoxFuture<'static, Option<Looked>>>,
    waiting: Arc<Mutex<Waiting>>,
    /// Not before this is the next frame looked at.
    next_look: Instant,
    heard: Instant,
    flood: (Instant, u32),
}

impl Connection {
    fn new(door: Arc<FrameDoor>, session: Box<Session>) -> Self {
        let now = Instant::now();
        Self {
            door,
            began: session.began(),
            session: Some(session),
            looking: None,
            waiting: Arc::default(),
            next_look: now,
            heard: now,
            flood: (now, 0),
        }
    }

    async fn run(&mut self, socket: &mut WebSocket) -> Close {
        let mut heartbeat = tokio::time::interval(self.door.heartbeat.max(Duration::from_secs(1)));
        let end = tokio::time::Instant::from_std(self.began + self.door.session_limit);
        if let Some(outcome) = self.session.as_ref().and_then(|session| session.outcome()).cloned() {
            return self.tell(socket, outcome).await.map_or(Close::Gone, Close::Code);
        }
        loop {
            let said = tokio::select! {
                looked = looked(&mut self.looking) => self.answer(socket, looked).await,
                message = socket.next() => match message {
                    Some(Ok(message)) => self.hear(socket, message).await,
                    _ => return Close::Gone,
                },
                _ = heartbeat.tick() => {
                    if self.heard.elapsed() > self.door.heartbeat * MISSED_HEARTBEATS {
                        return Close::Code(CLOSE_SILENT);
                    }
                    write(socket, Message::ping(Vec::new())).await.map(|()| None)
                }
                () = tokio::time::sleep_until(end) => return self.time_over(socket).await,
            };
            match said {
                Ok(None) => self.look(),
                Ok(Some(code)) => return Close::Code(code),
                Err(Gone) => return Close::Gone,
            }
        }
    }

    /// Starts to look at the newest frame, if there is one and nothing else is looked at.
    fn look(&mut self) {
        let has_frame = lock(&self.waiting).newest.is_some();
        if self.looking.is_some() || !has_frame {
            return;
        }
        let Some(mut session) = self.session.take() else { return };
        let (door, waiting, due) = (self.door.clone(), self.waiting.clone(), self.next_look);
        let looking = async move {
            tokio::time::sleep_until(due.into()).await;
            // the newest frame at the time of its turn
            let turn: Option<OwnedSemaphorePermit> = door.looks.clone().acquire_owned().await.ok();
            let (frame, skipped) = {
                let mut waiting = lock(&waiting);
                (waiting.newest.take(), std::mem::take(&mut waiting.skipped))
            };
            let (file, arrived) = frame?;
            let looked = tokio::task::spawn_blocking(move || {
                let answer = session.frame(file, arrived, turn);
                (session, skipped, answer)
            });
            looked.await.map_err(|error| tracing::error!(%error, "a session was lost to a fault of the service")).ok()
        };
        // not a future that is dropped with the connection: the session is in it
        self.looking = Some(tokio::spawn(looking).map(|joined| joined.ok().flatten()).boxed());
    }

    /// What came of a frame.
    async fn answer(&mut self, socket: &mut WebSocket, looked: Option<Looked>) -> Result<Option<u16>, Gone> {
        self.looking = None;
        self.next_look = Instant::now() + self.door.limits.pause();
        let Some((session, skipped, answer)) = looked else { return Ok(Some(CLOSE_ENDED)) };
        let frame = session.frames();
        self.session = Some(session);
        let Answer { errors, details, outcome } = match answer {
            Ok(answer) => answer,
            Err(error) => {
                // told with the next answer
                lock(&self.waiting).skipped += skipped;
                send(socket, &mistake_of(&error)).await?;
                return Ok(None);
            }
        };
        let status = told(&errors, &details, self.door.environment);
        send(socket, &ServerMessage::Frame { frame, skipped, status }).await?;
        match outcome {
            Some(outcome) => self.tell(socket, outcome).await.map(Some),
            None => Ok(None),
        }
    }

    async fn tell(&mut self, socket: &mut WebSocket, outcome: Outcome) -> Result<u16, Gone> {
        let Outcome { is_ok, errors, jwt } = outcome;
        send(socket, &ServerMessage::Result { is_ok, errors, jwt }).await?;
        Ok(CLOSE_ENDED)
    }

    async fn time_over(&mut self, socket: &mut WebSocket) -> Close {
        let Some(mut session) = self.take_session().await else { return Close::Code(CLOSE_ENDED) };
        let told = tokio::task::spawn_blocking(move || {
            let outcome = session.time_over();
            (session, outcome)
        });
        if let Ok((session, Ok(outcome))) = told.await {
            self.session = Some(session);
            if self.tell(socket, outcome).await.is_err() {
                return Close::Gone;
            }
        }
        Close::Code(CLOSE_ENDED)
    }

    /// The session, when the frame that is looked at is through.
    async fn take_session(&mut self) -> Option<Box<Session>> {
        if let Some(looking) = self.looking.take() {
            self.session = looking.await.map(|(session, ..)| session);
        }
        self.session.take()
    }

    /// A message of the client; a close code if it was the last one.
    async fn hear(&mut self, socket: &mut WebSocket, message: Message) -> Result<Option<u16>, Gone> {
        self.heard = Instant::now();
        if message.is_close() {
            return Err(Gone);
        }
        if self.is_flood() {
            return Ok(Some(CLOSE_FLOOD));
        }
        if message.is_ping() || message.is_pong() {
            return Ok(None);
        }
        if message.is_binary() {
            return self.take(socket, message.into_bytes()).await;
        }
        match message.to_str().map(ClientMessage::parse) {
            Ok(Ok(ClientMessage::Frame { image })) => {
                let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, picture_part(&image));
                match decoded {
                    Ok(file) => self.take(socket, file.into()).await,
                    Err(error) => {
                        let message = format!("`image` is no base64: {error}");
                        send(socket, &ServerMessage::Error { code: Mistake::NotAPicture, message }).await.map(|()| None)
                    }
                }
            }
            Ok(Ok(ClientMessage::Heartbeat)) => send(socket, &ServerMessage::Heartbeat).await.map(|()| None),
            Ok(Ok(ClientMessage::Bye)) => Ok(Some(CLOSE_NORMAL)),
            Ok(Ok(ClientMessage::Connect { .. })) => {
                let message = "the session has begun".into();
                send(socket, &ServerMessage::Error { code: Mistake::NotNow, message }).await.map(|()| None)
            }
            Ok(Err(message)) => {
                send(socket, &ServerMessage::Error { code: Mistake::NotUnderstood, message }).await.map(|()| None)
            }
            Err(()) => Ok(None),
        }
    }

    /// The newest frame from now on.
    async fn take(&mut self, socket: &mut WebSocket, file: Bytes) -> Result<Option<u16>, Gone> {
        let limit = self.door.limits.max_bytes;
        if file.len() > limit {
            let message = format!("the picture has {} bytes; {limit} are allowed: send smaller ones", file.len());
            return send(socket, &ServerMessage::Error { code: Mistake::TooLarge, message }).await.map(|()| None);
        }
        let mut waiting = lock(&self.waiting);
        if waiting.newest.replace((file, Instant::now())).is_some() {
            waiting.skipped += 1;
        }
        Ok(None)
    }

    fn is_flood(&mut self) -> bool {
        let (since, count) = &mut self.flood;
        if since.elapsed() > Duration::from_secs(1) {
            (*since, *count) = (Instant::now(), 0);
        }
        *count += 1;
        *count > FLOOD
    }
}

/// A data URL is taken as well, since that is what a canvas gives.
fn picture_part(image: &str) -> &str {
    match image.split_once(',') {
        Some((head, rest)) if head.starts_with("data:") => rest,
        _ => image,
    }
}

fn mistake_of(error: &FrameError) -> ServerMessage {
    let code = match error {
        FrameError::Judge(JudgeError::Picture(
            PictureError::TooManyBytes { .. } | PictureError::TooManyPixels { .. },
        )) => Mistake::TooLarge,
        FrameError::Judge(JudgeError::Picture(_)) => Mistake::NotAPicture,
        FrameError::Judge(JudgeError::Engine(_)) | FrameError::Sign(_) => {
            tracing::error!(%error, "a frame was not looked at");
            Mistake::Unavailable
        }
    };
    let message = match code {
        Mistake::Unavailable => "the service could not look at this frame: send the next".into(),
        _ => error.to_string(),
    };
    ServerMessage::Error { code, message }
}

/// Never, while nothing is looked at.
async fn looked(looking: &mut Option<BoxFuture<'static, Option<Looked>>>) -> Option<Looked> {
    match looking {
        Some(looking) => looking.await,
        None => std::future::pending().await,
    }
}

/// The other side does not listen any more.
struct Gone;

async fn send(socket: &mut WebSocket, message: &ServerMessage) -> Result<(), Gone> {
    write(socket, Message::text(json!(message).to_string())).await
}

async fn write(socket: &mut WebSocket, message: Message) -> Result<(), Gone> {
    match tokio::time::timeout(WRITE_LIMIT, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(Gone),
    }
}

/// The next message that is no ping or pong.
async fn next(socket: &mut WebSocket) -> Option<Message> {
    loop {
        let message = socket.next().await?.ok()?;
        if !message.is_ping() && !message.is_pong() {
            return (!message.is_close()).then_some(message);
        }
    }
}

/// Says why, and closes; nothing to go on with.
async fn refuse<T>(socket: &mut WebSocket, code: u16, reason: &str) -> Option<T> {
    let mistake = if code == CLOSE_TRY_LATER { Mistake::Unavailable } else { Mistake::NotUnderstood };
    let _ = send(socket, &ServerMessage::Error { code: mistake, message: reason.into() }).await;
    let _ = write(socket, Message::close_with(code, "")).await;
    finish(socket).await;
    None
}

/// Whether the other side has heard it.
async fn say_goodbye(mut socket: WebSocket, code: u16) -> bool {
    write(&mut socket, Message::close_with(code, "")).await.is_ok() && finish(&mut socket).await
}

/// Waits for the other side's close, so that ours arrives before the connection ends; whether it came.
async fn finish(socket: &mut WebSocket) -> bool {
    let close = async {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(GOODBYE_LIMIT, close).await.unwrap_or(false)
}

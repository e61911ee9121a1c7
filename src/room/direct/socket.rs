//! A page's WebSocket: one task that reads, writes, limits and listens for the heart.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::oneshot;
use tokio::time::Instant;
use warp::ws::{Message, WebSocket};

use super::message::{
    CLOSE_BUSY, CLOSE_FLOOD, CLOSE_NORMAL, CLOSE_REPLACED, CLOSE_SILENT, CLOSE_TRY_LATER, ClientMessage, ServerMessage,
};
use super::seats::{NoSeat, Seats, ToSubject};
use crate::redact::shorten;

/// How often the page is pinged.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// A page that has said nothing for so long, not even a pong, is gone.
const SILENCE_LIMIT: Duration = Duration::from_secs(12);
/// A page that does not take its messages for so long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// A page sends an offer and some twenty candidates. This many messages in [`WINDOW`] are an attack.
const MESSAGES_PER_WINDOW: u32 = 200;
const WINDOW: Duration = Duration::from_secs(10);

/// Serves one page until either side closes.
pub(super) async fn serve(seats: Seats, room: String, mut socket: WebSocket) {
    let (seat, mut mail) = loop {
        match seats.seat_subject(&room) {
            Ok(seated) => break seated,
            Err(NoSeat::Full) => {
                tracing::warn!("as many rooms are in use as may be: a page was turned away");
                let _ = write(&mut socket, Message::close_with(CLOSE_TRY_LATER, "try again later")).await;
                return finish(socket).await;
            }
            Err(NoSeat::Taken(other)) if other.is_alive().await => {
                tracing::info!(room = shorten(&room), "a second subject was told that the room is busy");
                let _ = send(&mut socket, &ServerMessage::Busy).await;
                let _ = write(&mut socket, Message::close_with(CLOSE_BUSY, "busy")).await;
                return finish(socket).await;
            }
            // it was reloaded, or lost its network without a word
            Err(NoSeat::Taken(other)) => {
                other.close(CLOSE_REPLACED);
                seats.unseat_subject(&room, other.id);
            }
        }
    };
    tracing::info!(room = shorten(&room), "a subject's page has come");
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    let mut heard = Instant::now();
    let mut probes: Vec<oneshot::Sender<()>> = Vec::new();
    let mut flood = Flood::new();
    let close = loop {
        tokio::select! {
            told = mail.recv() => match told {
                Some(ToSubject::Message(message)) => if send(&mut socket, &message).await.is_err() { break None },
                Some(ToSubject::Probe(life)) => {
                    probes.push(life);
                    if write(&mut socket, Message::ping(Vec::new())).await.is_err() { break None }
                }
                Some(ToSubject::Close(code)) => break Some(code),
                None => break Some(CLOSE_REPLACED),
            },
            _ = heartbeat.tick() => {
                if heard.elapsed() > SILENCE_LIMIT {
                    tracing::info!(room = shorten(&room), "the subject's page has gone quiet");
                    break Some(CLOSE_SILENT);
                }
                if write(&mut socket, Message::ping(Vec::new())).await.is_err() { break None }
            }
            received = socket.next() => {
                let Some(Ok(message)) = received else { break None };
                heard = Instant::now();
                for life in probes.drain(..) {
                    let _ = life.send(());
                }
                if message.is_ping() || message.is_pong() { continue }
                if message.is_close() { break None }
                if flood.is_too_much() { break Some(CLOSE_FLOOD) }
                let reply = match message.to_str().map(ClientMessage::parse) {
                    Ok(Ok(ClientMessage::Bye)) => break Some(CLOSE_NORMAL),
                    Ok(Ok(message)) => {
                        if seat.forward(message) { continue }
                        "no verification has started yet: wait for ready".into()
                    }
                    Ok(Err(reason)) => reason,
                    Err(()) => "messages are text".into(),
                };
                if send(&mut socket, &ServerMessage::Error { message: reply }).await.is_err() { break None }
            }
        }
    };
    tracing::info!(room = shorten(&room), ?close, "the subject's page has gone");
    drop(seat);
    if let Some(code) = close {
        let _ = write(&mut socket, Message::close_with(code, "")).await;
        finish(socket).await;
    }
}

async fn send(socket: &mut WebSocket, message: &ServerMessage) -> Result<(), ()> {
    let text = serde_json::to_string(message).map_err(|_| ())?;
    write(socket, Message::text(text)).await
}

async fn write(socket: &mut WebSocket, message: Message) -> Result<(), ()> {
    match tokio::time::timeout(WRITE_LIMIT, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(()),
    }
}

/// Waits for the other side's close, so that ours arrives before the connection ends.
async fn finish(mut socket: WebSocket) {
    let _ =
        tokio::time::timeout(Duration::from_secs(1), async { while let Some(Ok(_)) = socket.next().await {} }).await;
}

/// Counts messages.
struct Flood {
    since: Instant,
    messages: u32,
}

impl Flood {
    fn new() -> Self {
        Self { since: Instant::now(), messages: 0 }
    }

    fn is_too_much(&mut self) -> bool {
        if self.since.elapsed() > WINDOW {
            *self = Self::new();
        }
        self.messages += 1;
        self.messages > MESSAGES_PER_WINDOW
    }
}

//! A flow's side of a room on a mediasoup server: joins, and joins again when the connection is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::protoo::connection::Connection;
use super::session::{Session, SessionError, Setting};
use super::subject::SubjectChoice;
use super::tls;
use crate::debug::graphs::FAILED_CONNECTION;
use crate::media::FrameOutlet;
use crate::room::{Plugs, RoomCommand, RoomEnd, RoomError, RoomEvent, RoomOptions, RoomUrl};

/// How long the first join is tried for.
const JOIN_LIMIT: Duration = Duration::from_secs(15);
/// From a failure to the next try; doubled each time.
const FIRST_DELAY: Duration = Duration::from_millis(250);
const GREATEST_DELAY: Duration = Duration::from_secs(4);
/// Sessions that end sooner count as failures.
const STEADY: Duration = Duration::from_secs(10);
/// Connections that the server closes before they have joined: a full room says no in no other way.
const MAX_TURNED_AWAY: u32 = 4;

/// See the module.
pub(super) struct Call {
    url: url::Url,
    end: RoomEnd,
    plugs: Plugs,
    options: RoomOptions,
    /// Told once, when the room is joined or cannot be.
    joined: Option<oneshot::Sender<Result<(), RoomError>>>,
}

/// Why a stay in the room is over.
enum End {
    /// The flow does not want it any more.
    Left,
    /// Something broke.
    Broken(String),
    /// The server does not want us.
    TurnedAway(String),
    /// Trying again is of no use.
    Final(String),
}

impl Call {
    pub fn new(
        url: url::Url,
        end: RoomEnd,
        plugs: Plugs,
        options: RoomOptions,
        joined: oneshot::Sender<Result<(), RoomError>>,
    ) -> Self {
        Self { url, end, plugs, options, joined: Some(joined) }
    }

    /// Until the flow leaves, or nothing works any more.
    pub async fn run(mut self) {
        let reason = match self.setting().await {
            Ok(setting) => self.stay(&setting).await,
            Err(reason) => Some(reason),
        };
        self.plugs.screen.detach();
        let Some(reason) = reason else { return };
        let room = RoomUrl::Server(self.url.clone()).to_string();
        tracing::error!(room, reason, "the mediasoup room is given up");
        match self.joined.take() {
            Some(joined) => drop(joined.send(Err(RoomError::Unreachable { room, reason }))),
            None => drop(self.end.events.send(RoomEvent::Closed).await),
        }
    }

    async fn setting(&self) -> Result<Setting, String> {
        let server = self.options.mediasoup.clone();
        let tls = tokio::task::spawn_blocking(move || {
            tls::client_config(server.ca_file.as_deref(), server.accept_any_certificate)
        });
        let tls = tls.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        Ok(Setting {
            plugs: self.plugs.clone(),
            options: self.options.clone(),
            outlet: FrameOutlet::observed(self.plugs.on_frame.clone(), self.plugs.observers.clone()),
            events: self.end.events.clone(),
            tls: Arc::clone(&tls),
            interrupted: AtomicBool::new(false),
        })
    }

    /// `None` when the flow left, else why the room is given up.
    async fn stay(&mut self, setting: &Setting) -> Option<String> {
        let mut choice = SubjectChoice::new(self.options.mediasoup.subject.clone());
        let mut lost = Instant::now();
        let (mut delay, mut turned_away) = (FIRST_DELAY, 0);
        loop {
            let begun = Instant::now();
            let reason = match self.session(setting, &mut choice).await {
                End::Left => return None,
                End::Final(reason) => return Some(reason),
                End::Broken(reason) => reason,
                End::TurnedAway(reason) => {
                    turned_away += 1;
                    if turned_away >= MAX_TURNED_AWAY {
                        return Some(reason);
                    }
                    reason
                }
            };
            choice.rejoin();
            if begun.elapsed() > STEADY {
                (lost, delay, turned_away) = (Instant::now(), FIRST_DELAY, 0);
            }
            if self.joined.is_some() {
                if lost.elapsed() + delay > JOIN_LIMIT {
                    return Some(reason);
                }
            } else if !setting.interrupted.swap(true, Ordering::Relaxed) {
                // looked for until it is found, or the flow has no more time
                setting.emit(RoomEvent::Interrupted).await;
            }
            tracing::warn!(reason, "the connection with the mediasoup room is lost; trying again in {delay:?}");
            tokio::select! {
                () = tokio::time::sleep(delay) => (),
                () = Self::left(&mut self.end) => return None,
            }
            delay = (2 * delay).min(GREATEST_DELAY);
        }
    }

    /// One stay in the room.
    async fn session(&mut self, setting: &Setting, choice: &mut SubjectChoice) -> End {
        let opened = tokio::select! {
            opened = Connection::open(&self.url, setting.tls.clone()) => opened,
            () = Self::left(&mut self.end) => return End::Left,
        };
        let mut session = match opened {
            Ok((connection, inbox)) => Session::new(connection, inbox),
            Err(error) => return End::Broken(error.to_string()),
        };
        let mut has_joined = false;
        let (joined, end) = (&mut self.joined, &mut self.end);
        let stay = async {
            if let Err(error) = session.join(setting).await {
                return error;
            }
            has_joined = true;
            if let Some(joined) = joined.take() {
                let _ = joined.send(Ok(()));
            }
            session.run(setting, choice).await
        };
        let error = tokio::select! {
            error = stay => Some(error),
            () = Self::left(end) => None,
        };
        setting.plugs.screen.detach();
        let peers = setting.plugs.peers.probes();
        setting.plugs.peers.set(Vec::new());
        if let (Some(dots), Some(_)) = (&setting.plugs.dots, &error) {
            dots.write(peers, FAILED_CONNECTION).await;
        }
        session.close(error.is_none()).await;
        match error {
            None => End::Left,
            Some(error) => {
                let is_final = error.is_final();
                match error {
                    SessionError::Closed(closed) if !has_joined => {
                        let reason = format!("{} before the join (is the room full?)", closed.reason);
                        if is_final { End::Final(reason) } else { End::TurnedAway(reason) }
                    }
                    error if is_final => End::Final(error.to_string()),
                    error => End::Broken(error.to_string()),
                }
            }
        }
    }

    /// Until the flow leaves. There is no page here to be told of the outcome: the picture says it.
    async fn left(end: &mut RoomEnd) {
        while let Some(RoomCommand::Announce(_)) = end.commands.recv().await {}
    }
}

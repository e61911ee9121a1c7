//! A flow's side of a built-in room: one task that answers the page's offers, each with a new `webrtcbin`.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::message::{CLOSE_ENDED, ClientMessage, ServerMessage};
use super::seats::{FlowSeat, FromSubject, Subject};
use crate::debug::graphs::FAILED_CONNECTION;
use crate::media::FrameOutlet;
use crate::media::branch::{SendBranch, SendOptions};
use crate::media::ice::{self, RemoteCandidate};
use crate::media::peer::{Peer, PeerError, PeerEvent};
use crate::media::sdp::{Chosen, Offer, VIDEO_ORIENTATION_URI};
use crate::redact::shorten;
use crate::room::{Plugs, RoomCommand, RoomEnd, RoomEvent, RoomOptions};

/// How long the jitter buffer waits for a packet that is late or sent again.
const JITTER_LATENCY: Duration = Duration::from_millis(100);
/// From the answer to a connection. Browsers give up after about 15 s, too.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// Every offer costs a pipeline: at least so far apart, unless they were asked for.
const OFFER_GAP: Duration = Duration::from_millis(250);
/// From a failure to the next try, times the failures so far.
const RETRY_DELAY: Duration = Duration::from_millis(300);
/// Offers in one flow: reloads, network changes, failures.
const MAX_OFFERS: u32 = 30;
/// Connections that failed one after the other.
const MAX_FAILURES: u32 = 5;
/// Candidates of one page. Browsers have fewer than 30.
const MAX_CANDIDATES: u32 = 100;

/// See the module.
pub(super) struct Call {
    seat: FlowSeat,
    inbox: mpsc::UnboundedReceiver<FromSubject>,
    end: RoomEnd,
    plugs: Plugs,
    options: RoomOptions,
    outlet: FrameOutlet,
    subject: Option<Subject>,
    connection: Option<Connection>,
    offers: u32,
    failures: u32,
    /// The page was asked for an offer and has not made it yet.
    asked: bool,
    last_offer: Option<Instant>,
    /// When to ask again.
    retry: Option<Instant>,
}

/// One answered offer.
struct Connection {
    peer: Peer,
    events: mpsc::UnboundedReceiver<PeerEvent>,
    branch: SendBranch,
    /// Until it is connected.
    deadline: Option<Instant>,
    /// Of the offer, to tell its candidates from those of an earlier one.
    ufrag: String,
    candidates: u32,
}

/// What the task waits for.
enum Next {
    Command(Option<RoomCommand>),
    Subject(FromSubject),
    Peer(PeerEvent),
    TooLong,
    Retry,
}

impl Call {
    pub fn new(
        seat: FlowSeat,
        inbox: mpsc::UnboundedReceiver<FromSubject>,
        end: RoomEnd,
        plugs: Plugs,
        options: RoomOptions,
    ) -> Self {
        let outlet = FrameOutlet::observed(plugs.on_frame.clone(), plugs.observers.clone());
        Self {
            seat,
            inbox,
            end,
            plugs,
            options,
            outlet,
            subject: None,
            connection: None,
            offers: 0,
            failures: 0,
            asked: false,
            last_offer: None,
            retry: None,
        }
    }

    /// Until the flow leaves, or nothing works any more.
    pub async fn run(mut self) {
        loop {
            match self.next().await {
                Next::Command(Some(RoomCommand::Announce(announcement))) => {
                    self.tell(ServerMessage::Outcome(announcement));
                }
                Next::Command(Some(RoomCommand::Leave) | None) => break,
                Next::Subject(FromSubject::Joined(subject)) => {
                    self.disconnect();
                    self.subject = Some(subject);
                    self.emit(RoomEvent::SubjectJoined).await;
                    self.ready();
                }
                Next::Subject(FromSubject::Left(id)) => {
                    if self.subject.take_if(|subject| subject.id == id).is_some() {
                        self.disconnect();
                        self.emit(RoomEvent::SubjectLeft).await;
                    }
                }
                Next::Subject(FromSubject::Message(id, message)) => {
                    if self.subject.as_ref().is_some_and(|subject| subject.id == id) {
                        self.hear(message).await;
                    }
                }
                Next::Peer(event) => self.peer_event(event).await,
                Next::Retry => self.ready(),
                Next::TooLong => self.failed(&format!("not connected within {CONNECT_LIMIT:?}")),
            }
            if self.failures >= MAX_FAILURES {
                tracing::error!(room = shorten(&self.seat.room), "{MAX_FAILURES} connections with the subject failed");
                self.emit(RoomEvent::Closed).await;
                break;
            }
        }
        self.tell(ServerMessage::Ended);
        if let Some(subject) = self.subject.take() {
            subject.close(CLOSE_ENDED);
        }
        self.plugs.screen.detach();
        if let Some(connection) = self.connection.take() {
            connection.peer.close().await;
        }
    }

    async fn next(&mut self) -> Next {
        let deadline = self.connection.as_ref().and_then(|connection| connection.deadline);
        let peer = async {
            match &mut self.connection {
                Some(connection) => connection.events.recv().await,
                None => std::future::pending().await,
            }
        };
        let at = |time: Option<Instant>| async move {
            match time {
                Some(time) => tokio::time::sleep_until(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = self.end.commands.recv() => Next::Command(command),
            // the seat keeps the sender
            Some(from) = self.inbox.recv() => Next::Subject(from),
            Some(event) = peer => Next::Peer(event),
            () = at(deadline) => Next::TooLong,
            () = at(self.retry) => Next::Retry,
        }
    }

    async fn emit(&self, event: RoomEvent) {
        tracing::info!(room = shorten(&self.seat.room), ?event, "room");
        // closed when the flow is leaving
        let _ = self.end.events.send(event).await;
    }

    fn tell(&self, message: ServerMessage) {
        if let Some(subject) = &self.subject {
            subject.tell(message);
        }
    }

    fn complain(&self, message: String) {
        tracing::info!(room = shorten(&self.seat.room), message, "the subject's page was told of an error");
        self.tell(ServerMessage::Error { message });
    }

    /// Asks the page for an offer.
    fn ready(&mut self) {
        (self.asked, self.retry) = (true, None);
        let policy = if self.options.ice.relay_only { "relay" } else { "all" };
        self.tell(ServerMessage::Ready {
            ice_servers: self.options.ice.servers.clone(),
            ice_transport_policy: policy.into(),
            lang: self.plugs.lang.clone(),
        });
    }

    async fn hear(&mut self, message: ClientMessage) {
        match message {
            ClientMessage::Offer { sdp } => {
                let is_soon = self.last_offer.is_some_and(|last| last.elapsed() < OFFER_GAP);
                if self.offers >= MAX_OFFERS || (is_soon && !self.asked) {
                    return self.complain("too many offers".into());
                }
                self.offers += 1;
                (self.asked, self.last_offer) = (false, Some(Instant::now()));
                let offer = Offer::parse(&sdp).and_then(|offer| Ok((offer.choose(&self.options.codecs)?, offer)));
                match offer {
                    Ok((chosen, mut offer)) => {
                        if self.options.input.without_orientation {
                            offer.extensions.retain(|extension| extension.uri != VIDEO_ORIENTATION_URI);
                        }
                        self.connect(&offer, &chosen).await;
                    }
                    Err(error) => self.complain(error.to_string()),
                }
            }
            ClientMessage::Candidate { candidate, .. } => {
                let text = candidate.unwrap_or_default();
                let Some(connection) = &mut self.connection else {
                    // late ones of a connection that has failed are no mistake of the page
                    if self.offers == 0 {
                        self.complain("a candidate before an offer".into());
                    }
                    return;
                };
                if ice::is_of_other(&text, &connection.ufrag) {
                    return;
                }
                connection.candidates += 1;
                if connection.candidates > MAX_CANDIDATES {
                    return self.complain("too many candidates".into());
                }
                match RemoteCandidate::parse(&text) {
                    // the one section that is left of the offer
                    Some(candidate) => connection.peer.add_candidate(0, &candidate),
                    None => self.complain("the candidate cannot be read".into()),
                }
            }
            ClientMessage::Camera { label } => self.emit(RoomEvent::Camera(label)).await,
            // the socket closes, and says so
            ClientMessage::Bye => (),
        }
    }

    async fn connect(&mut self, offer: &Offer, chosen: &Chosen) {
        self.disconnect();
        match self.answer(offer, chosen).await {
            Ok((connection, sdp)) => {
                for candidate in &offer.candidates {
                    if let Some(candidate) = RemoteCandidate::parse(candidate) {
                        connection.peer.add_candidate(0, &candidate);
                    }
                }
                self.plugs.peers.set(vec![connection.peer.probe()]);
                self.connection = Some(connection);
                self.tell(ServerMessage::Answer { sdp });
            }
            Err(error) => {
                tracing::warn!(room = shorten(&self.seat.room), %error, "the offer could not be answered");
                self.complain("the offer could not be answered".into());
                self.failed(&error.to_string());
            }
        }
    }

    async fn answer(&self, offer: &Offer, chosen: &Chosen) -> Result<(Connection, String), PeerError> {
        // in logs and graphs, where the room's name has no place
        let name = format!("direct-{}", self.offers);
        let (ice, tap, codec) = (self.options.ice.clone(), self.outlet.tap(), chosen.codec);
        let turned = self.options.input.turned;
        let options = SendOptions {
            codec,
            payload: chosen.payload,
            bitrate: self.options.bitrate,
            extensions: offer.extensions.clone(),
            offers: false,
        };
        let build = tokio::task::spawn_blocking(move || {
            let (peer, events) = Peer::new(&name, &ice, JITTER_LATENCY)?;
            let branch = SendBranch::new(&options)?;
            peer.send(&branch, false)?;
            peer.receive(0, codec, turned, tap)?;
            peer.play()?;
            Ok::<_, PeerError>((peer, branch, events))
        });
        let (peer, branch, events) = build
            .await
            .map_err(|error| PeerError::Refused { step: "building the pipeline", reason: error.to_string() })??;
        let answer = peer.answer(&offer.for_webrtcbin(chosen)).await?;
        let deadline = Some(Instant::now() + CONNECT_LIMIT);
        let ufrag = offer.ufrag().to_string();
        let connection = Connection { peer, events, branch, deadline, ufrag, candidates: 0 };
        Ok((connection, offer.complete_answer(chosen, &answer)))
    }

    async fn peer_event(&mut self, event: PeerEvent) {
        let Some(connection) = &mut self.connection else { return };
        match event {
            PeerEvent::Candidate { candidate, mline } => self.tell(ServerMessage::Candidate { candidate, mline }),
            PeerEvent::Connected => {
                connection.deadline = None;
                self.plugs.screen.attach(connection.branch.pictures());
            }
            PeerEvent::FirstFrame { .. } => {
                self.failures = 0;
                self.emit(RoomEvent::MediaStarted).await;
            }
            PeerEvent::Failed(failure) => self.failed(&failure.to_string()),
        }
    }

    /// The connection does not work (any more): asks for another, unless that has been tried enough.
    fn failed(&mut self, reason: &str) {
        tracing::warn!(room = shorten(&self.seat.room), reason, "the connection with the subject failed");
        self.failures += 1;
        if let (Some(dots), Some(connection)) = (self.plugs.dots.clone(), self.connection.take()) {
            tokio::spawn(async move {
                dots.write(vec![connection.peer.probe()], FAILED_CONNECTION).await;
                connection.peer.close().await;
            });
        }
        self.disconnect();
        // a page that goes away closes this connection first
        self.retry = Some(Instant::now() + RETRY_DELAY * self.failures);
    }

    /// Ends the connection, if there is one, without waiting for its end.
    fn disconnect(&mut self) {
        self.retry = None;
        self.plugs.screen.detach();
        self.plugs.peers.set(Vec::new());
        if let Some(connection) = self.connection.take() {
            tokio::spawn(connection.peer.close());
        }
    }
}

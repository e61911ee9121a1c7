//! One stay in a room: from the join to the loss of the connection or of a transport. Pipelines are never repaired
//! (`webrtcbin` has no ICE restart): whatever breaks ends the session, and the next one makes everything anew.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::capabilities::{Capabilities, NoCommonCodec, Stream};
use super::messages::{
    CreateWebRtcTransport, Device, GetRouterRtpCapabilities, Join, LeaveRoom, NewConsumer, Notification, PauseConsumer,
    ResumeConsumer, SetConsumerPreferredLayers,
};
use super::protoo::connection::{Closed, Connection, Inbox, Incoming, RequestError};
use super::receiver::Receiver;
use super::sdp::Incomplete;
use super::sender::Sender;
use super::subject::{Change, SubjectChoice, wanted_layer};
use super::transport::{Transport, TransportError};
use crate::media::ice::sources;
use crate::media::peer::{PeerError, PeerEvent, PeerFailure};
use crate::media::sdp::VIDEO_ORIENTATION_URI;
use crate::media::stats::ReceivedStats;
use crate::media::turn_over_tls::{self, Tunnel};
use crate::media::{FrameOutlet, IceOptions};
use crate::room::{Plugs, RoomEvent, RoomOptions};

/// How long the jitter buffer waits for a packet that is late or sent again. Packets that are not missing do not wait;
/// one that is asked for again over a path of 200 ms there and back needs so much.
pub(super) const JITTER_LATENCY: Duration = Duration::from_millis(400);
/// From the start of a transport to its connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// How long a socket may take to close after the transports, to say why.
const LAST_WORD_LIMIT: Duration = Duration::from_millis(500);
/// How often the bit rate is looked at.
const ADAPT_EVERY: Duration = Duration::from_secs(1);
/// Tracks of the room that are kept in mind.
const MAX_TRACKS: usize = 64;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each wraps the error of the part that it names
pub enum SessionError {
    #[error("{}", .0.reason)]
    Closed(Closed),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Codec(#[from] NoCommonCodec),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error(transparent)]
    Description(#[from] Incomplete),
    #[error("the {direction} transport failed: {failure}")]
    Failed { direction: &'static str, failure: PeerFailure },
    #[error("the {0} transport was not connected within {CONNECT_LIMIT:?}")]
    NotConnected(&'static str),
    #[error("the server has reported nothing of our packets for {0:?}")]
    Silent(Duration),
    #[error("more tracks came and went than one session takes")]
    TooManyTracks,
    #[error("only relayed paths may be used, and neither the server nor the configuration names a TURN server")]
    NoRelay,
    #[error("the subject is a track again that was given up before")]
    Returned,
}

impl SessionError {
    /// Whether trying again is of no use.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Closed(closed) => closed.is_final(),
            Self::Codec(_) | Self::NoRelay => true,
            _ => false,
        }
    }
}

/// What a session is made with, the same for all of a call.
pub(super) struct Setting {
    pub plugs: Plugs,
    pub options: RoomOptions,
    pub outlet: FrameOutlet,
    pub events: mpsc::Sender<RoomEvent>,
    pub tls: std::sync::Arc<tokio_rustls::rustls::ClientConfig>,
    /// The room was joined, is lost, and is being looked for.
    pub interrupted: AtomicBool,
}

impl Setting {
    pub async fn emit(&self, event: RoomEvent) {
        tracing::info!(?event, "mediasoup room");
        // closed when the flow is leaving
        let _ = self.events.send(event).await;
    }

    fn ice(&self, transport: &Transport) -> IceOptions {
        let mut ice = self.options.ice.clone();
        ice.relay_only |= self.options.mediasoup.relay_only;
        // those of the server first: webrtcbin takes one STUN server
        ice.servers.splice(0..0, transport.ice_servers.iter().cloned());
        if !ice.relay_only {
            ice.only_from = sources(transport.addresses());
        }
        ice
    }
}

/// A track of the room.
struct Track {
    stream: Stream,
    /// Where it is received, once it is.
    mline: Option<u32>,
    /// The layer that comes, as the server says.
    layer: Option<u8>,
}

pub(super) struct Session {
    connection: Connection,
    inbox: Inbox,
    media: Option<Media>,
    tracks: HashMap<String, Track>,
}

/// Everything that there is once the room was joined.
struct Media {
    capabilities: Capabilities,
    sender: Sender,
    receiver: Receiver,
    /// Kept for as long as the peers use them.
    tunnels: Vec<Tunnel>,
    /// When the transports have to be connected; `None` when they are.
    send_deadline: Option<tokio::time::Instant>,
    receive_deadline: Option<tokio::time::Instant>,
}

enum Next {
    Server(Result<Incoming, Closed>),
    Sender(PeerEvent),
    Receiver(PeerEvent),
    Late(&'static str),
    Adapt,
}

impl Session {
    pub fn new(connection: Connection, inbox: Inbox) -> Self {
        Self { connection, inbox, media: None, tracks: HashMap::new() }
    }

    /// Enters the room and begins to send.
    pub async fn join(&mut self, setting: &Setting) -> Result<(), SessionError> {
        let joined = self.try_join(setting).await;
        match joined {
            // why it was closed says more
            Err(SessionError::Request(RequestError::Closed(_))) => loop {
                if let Err(closed) = self.inbox.next().await {
                    return Err(SessionError::Closed(closed));
                }
            },
            joined => joined,
        }
    }

    async fn try_join(&mut self, setting: &Setting) -> Result<(), SessionError> {
        let options = &setting.options;
        let connection = &self.connection;
        let create = |producing| CreateWebRtcTransport { force_tcp: false, producing, consuming: !producing };
        let (router, sending, receiving) = {
            let router = connection.request(&GetRouterRtpCapabilities {}).await?;
            let (send, receive) = (create(true), create(false));
            let (sending, receiving) = tokio::try_join!(connection.request(&send), connection.request(&receive))?;
            (router, Transport::of(sending)?.resolve().await?, Transport::of(receiving)?.resolve().await?)
        };
        let mut capabilities = Capabilities::of(&router, &options.codecs)?;
        if options.input.without_orientation {
            capabilities.leave_out(VIDEO_ORIENTATION_URI);
        }
        let mut tunnels = Vec::new();
        let (mut send_ice, mut receive_ice) = (setting.ice(&sending), setting.ice(&receiving));
        for ice in [&mut send_ice, &mut receive_ice] {
            let mut urls = ice.servers.iter().flat_map(|server| &server.urls);
            if ice.relay_only && !urls.any(|url| url.starts_with("turn")) {
                return Err(SessionError::NoRelay);
            }
            tunnels.extend(turn_over_tls::bridge(&mut ice.servers, &setting.tls).await);
        }
        let (sender, receiver) = tokio::try_join!(
            Sender::build(&capabilities, send_ice, options.bitrate),
            Receiver::build(receiving, receive_ice, options.input.turned)
        )?;
        setting.plugs.peers.set(vec![sender.peer.probe(), receiver.peer.probe()]);
        let media = self.media.insert(Media {
            capabilities,
            sender,
            receiver,
            tunnels,
            send_deadline: None,
            receive_deadline: None,
        });
        let join = Join {
            display_name: "Vision Service".into(),
            device: Device { flag: "vision", name: "vision-service", version: env!("CARGO_PKG_VERSION") },
            rtp_capabilities: media.capabilities.declared(),
        };
        let joined = connection.request(&join).await?;
        tracing::info!(others = joined.peers.len(), "joined the mediasoup room");
        media.sender.start(connection, &media.capabilities, &sending).await?;
        media.send_deadline = Some(tokio::time::Instant::now() + CONNECT_LIMIT);
        Ok(())
    }

    /// Runs until something breaks.
    pub async fn run(&mut self, setting: &Setting, choice: &mut SubjectChoice) -> SessionError {
        let mut adapt = tokio::time::interval(ADAPT_EVERY);
        loop {
            let done = match self.next(&mut adapt).await {
                Next::Server(Err(closed)) => Err(SessionError::Closed(closed)),
                Next::Server(Ok(Incoming::Request { id, method, data })) => {
                    self.requested(setting, choice, id, &method, data).await
                }
                Next::Server(Ok(Incoming::Notification { method, data })) => {
                    self.notified(setting, choice, Notification::parse(&method, &data)).await
                }
                Next::Sender(event) => self.sender_event(setting, event).await,
                Next::Receiver(event) => self.receiver_event(setting, choice, event).await,
                Next::Late(direction) => Err(SessionError::NotConnected(direction)),
                Next::Adapt => match &mut self.media {
                    Some(media) => media.sender.adapt().await,
                    None => Ok(()),
                },
            };
            if let Err(error) = done {
                return self.explained(error).await;
            }
        }
    }

    /// A server that puts us out closes the transports as well as the socket, in any order; the socket says why.
    async fn explained(&mut self, error: SessionError) -> SessionError {
        if !matches!(error, SessionError::Failed { .. }) {
            return error;
        }
        let closed = async {
            loop {
                if let Err(closed) = self.inbox.next().await {
                    return closed;
                }
            }
        };
        tokio::time::timeout(LAST_WORD_LIMIT, closed).await.map_or(error, SessionError::Closed)
    }

    /// Stops everything. `leaving`: the server is told, and does not answer.
    pub async fn close(self, leaving: bool) {
        let Self { connection, media, .. } = self;
        if let Some(media) = &media
            && let Ok(stats) = media.receiver.peer.stats().await
            && let Some(ReceivedStats { packets, lost, recovered }) = stats.received
        {
            tracing::info!(packets, lost, recovered, "received from the mediasoup room");
        }
        if leaving {
            connection.post(&LeaveRoom {});
        }
        let peers = async {
            if let Some(Media { sender, receiver, tunnels, .. }) = media {
                tokio::join!(sender.peer.close(), receiver.peer.close());
                drop(tunnels);
            }
        };
        tokio::join!(connection.close(), peers);
    }

    async fn next(&mut self, adapt: &mut tokio::time::Interval) -> Next {
        let Some(media) = &mut self.media else { return Next::Server(self.inbox.next().await) };
        let at = |time: Option<tokio::time::Instant>| async move {
            match time {
                Some(time) => tokio::time::sleep_until(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = self.inbox.next() => Next::Server(message),
            Some(event) = media.sender.events.recv() => Next::Sender(event),
            Some(event) = media.receiver.events.recv() => Next::Receiver(event),
            () = at(media.send_deadline) => Next::Late("sending"),
            () = at(media.receive_deadline) => Next::Late("receiving"),
            _ = adapt.tick() => Next::Adapt,
        }
    }

    async fn requested(
        &mut self,
        setting: &Setting,
        choice: &mut SubjectChoice,
        id: u64,
        method: &str,
        data: serde_json::Value,
    ) -> Result<(), SessionError> {
        if method != "newConsumer" {
            // newDataConsumer among them: no data is received here
            tracing::debug!(method, "a request of the room's server was refused");
            self.connection.reject(id, 404, "not done here").await;
            return Ok(());
        }
        let offer: NewConsumer = match serde_json::from_value(data) {
            Ok(offer) => offer,
            Err(error) => {
                tracing::warn!(%error, "the room's server offers a track that cannot be understood");
                self.connection.reject(id, 400, "not understood").await;
                return Ok(());
            }
        };
        let media = self.media.as_ref();
        let stream = media.and_then(|media| match media.capabilities.stream(&offer.rtp_parameters) {
            _ if offer.kind != "video" => None,
            Ok(stream) => Some(stream),
            Err(error) => {
                tracing::warn!(peer = offer.peer_id, %error, "a track of the room cannot be received");
                None
            }
        });
        let Some(stream) = stream.filter(|_| self.tracks.len() < MAX_TRACKS) else {
            self.connection.reject(id, 403, "only video, in a codec that was declared").await;
            return Ok(());
        };
        self.tracks.insert(offer.id.clone(), Track { stream, mline: None, layer: None });
        let change = choice.offered(&offer);
        if matches!(&change, Some(Change::Watch(consumer)) if *consumer == offer.id) {
            self.carry_out(setting, change, Some(id)).await
        } else {
            // The server keeps it, paused, and starts it when it is asked to: it costs nothing until then.
            self.connection.reject(id, 403, "not the video that is watched").await;
            self.carry_out(setting, change, None).await
        }
    }

    async fn notified(
        &mut self,
        setting: &Setting,
        choice: &mut SubjectChoice,
        notification: Notification,
    ) -> Result<(), SessionError> {
        let change = match notification {
            Notification::ConsumerClosed { consumer } => {
                let track = self.tracks.remove(&consumer);
                if let (Some(mline), Some(media)) = (track.and_then(|track| track.mline), &mut self.media) {
                    media.receiver.close(mline);
                }
                choice.closed(&consumer)
            }
            Notification::PeerClosed { peer } => choice.left(&peer),
            Notification::ConsumerPaused { consumer } => {
                choice.paused(&consumer, true);
                None
            }
            Notification::ConsumerResumed { consumer } => {
                choice.paused(&consumer, false);
                None
            }
            Notification::ConsumerLayersChanged { consumer, spatial_layer } => {
                if let Some(track) = self.tracks.get_mut(&consumer) {
                    track.layer = spatial_layer;
                }
                None
            }
            Notification::Other => None,
        };
        self.carry_out(setting, change, None).await
    }

    /// Watches another track, or none. `request` is the server's, to be accepted when all is ready.
    async fn carry_out(
        &mut self,
        setting: &Setting,
        change: Option<Change>,
        request: Option<u64>,
    ) -> Result<(), SessionError> {
        let Some(change) = change else { return Ok(()) };
        // what is still on its way is not the subject's any more
        let tap = setting.outlet.tap();
        let Change::Watch(consumer) = change else {
            setting.emit(RoomEvent::SubjectLeft).await;
            return Ok(());
        };
        for (other, track) in &self.tracks {
            if track.mline.is_some() && *other != consumer {
                self.connection.post(&PauseConsumer { consumer_id: other.clone() });
            }
        }
        let (Some(media), Some(track)) = (&mut self.media, self.tracks.get_mut(&consumer)) else { return Ok(()) };
        if track.mline.is_some() {
            return Err(SessionError::Returned);
        }
        let mline = media.receiver.add(&self.connection, track.stream.clone(), tap).await?;
        track.mline = Some(mline);
        if mline == 0 {
            media.receive_deadline = Some(tokio::time::Instant::now() + CONNECT_LIMIT);
        }
        if track.stream.layers > 1 {
            let spatial_layer = wanted_layer(track.stream.layers, None);
            self.connection.post(&SetConsumerPreferredLayers { consumer_id: consumer.clone(), spatial_layer });
        }
        match request {
            Some(id) => self.connection.accept(id).await,
            None => self.connection.post(&ResumeConsumer { consumer_id: consumer.clone() }),
        }
        setting.emit(RoomEvent::SubjectJoined).await;
        Ok(())
    }

    async fn sender_event(&mut self, setting: &Setting, event: PeerEvent) -> Result<(), SessionError> {
        match event {
            PeerEvent::Connected => {
                if let Some(media) = &mut self.media {
                    tracing::debug!("the sending transport is connected");
                    media.send_deadline = None;
                    media.sender.connected(&*setting.plugs.screen);
                }
                // a socket alone is no way for media
                if setting.interrupted.swap(false, Ordering::Relaxed) {
                    setting.emit(RoomEvent::Restored).await;
                }
                Ok(())
            }
            PeerEvent::Failed(failure) => Err(SessionError::Failed { direction: "sending", failure }),
            // the server learns our addresses from our packets
            PeerEvent::Candidate { .. } | PeerEvent::FirstFrame { .. } => Ok(()),
        }
    }

    async fn receiver_event(
        &mut self,
        setting: &Setting,
        choice: &SubjectChoice,
        event: PeerEvent,
    ) -> Result<(), SessionError> {
        match event {
            PeerEvent::Connected => {
                if let Some(media) = &mut self.media {
                    tracing::debug!("the receiving transport is connected");
                    media.receive_deadline = None;
                }
            }
            PeerEvent::FirstFrame { mline, size } => {
                let watched = choice.watched().and_then(|consumer| Some((consumer, self.tracks.get(consumer)?)));
                let Some((consumer, track)) = watched.filter(|(_, track)| track.mline == Some(mline)) else {
                    return Ok(());
                };
                if let Some(layer) = track.layer.filter(|_| track.stream.layers > 1) {
                    let spatial_layer = wanted_layer(track.stream.layers, Some((layer, size.0.min(size.1))));
                    let consumer_id = consumer.to_owned();
                    self.connection.post(&SetConsumerPreferredLayers { consumer_id, spatial_layer });
                }
                setting.emit(RoomEvent::MediaStarted).await;
            }
            PeerEvent::Failed(failure) => return Err(SessionError::Failed { direction: "receiving", failure }),
            PeerEvent::Candidate { .. } => (),
        }
        Ok(())
    }
}

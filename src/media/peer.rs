//! One WebRTC peer: the owner of a `webrtcbin` in a pipeline of its own.
//!
//! Signals of `webrtcbin` become [`PeerEvent`]s on a channel, its promises become futures. The service answers offers
//! (the built-in room) with one peer that sends and receives; a room on a media server has two of them.
//!
//! GStreamer 1.22 does not compare the certificate of the DTLS handshake with the fingerprint in the remote
//! description, so this module does: until they match no frame is handed on and [`PeerEvent::Connected`] is not sent.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gst::prelude::*;
use gst_webrtc::{WebRTCICEConnectionState, WebRTCPeerConnectionState, WebRTCSDPType, WebRTCSessionDescription};
use tokio::sync::{mpsc, oneshot};

use super::MediaError;
use super::branch::{ReceiveBranch, Rotation, SendBranch};
use super::codec::Codec;
use super::fingerprint::Fingerprint;
use super::frame::FrameTap;
use super::handshake;
use super::ice::{self, IceOptions, RemoteCandidate, ServerUrl};
use super::identity::{Identity, watch_handshake};
use super::inspect::PeerProbe;
use super::pipeline::RunningPipeline;
use super::stats::PeerStats;
use crate::lock::lock;

/// How long `webrtcbin` may take for one step of a negotiation (milliseconds, usually; more on a machine that is busy).
const STEP_LIMIT: Duration = Duration::from_secs(10);

/// What happens to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerEvent {
    /// One of our candidates, for the other side.
    Candidate {
        /// The section of the description that it belongs to.
        mline: u32,
        /// `candidate:...`; empty after the last one.
        candidate: String,
    },
    /// ICE and DTLS are through, and the other side is who its description says.
    Connected,
    /// The first picture of a section has been decoded.
    FirstFrame {
        /// The section of the description that it came in.
        mline: u32,
        /// Width and height.
        size: (usize, usize),
    },
    /// It cannot go on: close it.
    Failed(PeerFailure),
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerFailure {
    /// No pair of candidates works, or the working one has gone quiet.
    #[error("no network path between the peers (ICE failed)")]
    Ice,
    /// The handshake that makes the keys failed.
    #[error("the DTLS handshake failed")]
    Dtls,
    /// Closed by the other side.
    #[error("the other side closed the connection")]
    HungUp,
    /// Somebody else than the one who made the description answers.
    #[error("the certificate of the DTLS handshake is not the one that the description names")]
    Fingerprint,
    /// An element failed.
    #[error("the pipeline failed: {0}")]
    Pipeline(String),
}

/// Why a negotiation stopped.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The pipeline cannot be built.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// A server that cannot be used.
    #[error(transparent)]
    IceServer(#[from] ice::IceServerError),
    /// `webrtcbin` took too long.
    #[error("{0} took longer than {STEP_LIMIT:?}")]
    TimedOut(&'static str),
    /// `webrtcbin` refused.
    #[error("{step} failed: {reason}")]
    Refused {
        /// Which step.
        step: &'static str,
        /// What it said.
        reason: String,
    },
    /// A description without a certificate to hold on to.
    #[error("the remote description has no fingerprint of SHA-256 or better")]
    NoFingerprint,
}

/// How often a connectivity check is sent: after 0.5, 1.5, 3.5, 7.5 s again, and given up after 9.5 s. libnice's three times
/// fail for one transport in 25 at 15 % loss each way.
const CHECKS: u32 = 5;
/// For a check over TCP, its connection included; where TCP is blocked, UDP behind a NAT waits for this.
const TCP_CHECK_LIMIT: Duration = Duration::from_secs(2);
/// The mean time between two reports.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);
/// Of media, in bits per second: a twentieth is for reports. More than there is, so that the interval alone decides.
const REPORT_BANDWIDTH: f64 = 4_000_000.0;

/// Where a peer's events go; held by its callbacks.
pub(super) type Events = mpsc::UnboundedSender<PeerEvent>;

/// One peer. Dropping it stops it as well, somewhat later.
pub struct Peer {
    running: RunningPipeline,
    pipeline: gst::Pipeline,
    webrtc: gst::Element,
    events: Events,
    identity: Arc<Identity>,
    receive: Receivers,
}

/// Branches that wait for their streams, by section.
type Receivers = Arc<Mutex<HashMap<u32, ReceiveBranch>>>;

/// A description that `webrtcbin` has made and that is not in force yet.
pub struct Draft {
    description: WebRTCSessionDescription,
    /// As SDP.
    pub text: String,
}

impl Peer {
    /// Builds a peer that does nothing yet. `latency` is how long the jitter buffer waits for a packet that is late or
    /// sent again. Blocks for some milliseconds.
    pub fn new(
        name: &str,
        options: &IceOptions,
        latency: Duration,
    ) -> Result<(Self, mpsc::UnboundedReceiver<PeerEvent>), PeerError> {
        let pipeline = gst::Pipeline::builder().name(name).build();
        let webrtc = gst::ElementFactory::make("webrtcbin")
            .property_from_str("bundle-policy", "max-bundle")
            .property("latency", u32::try_from(latency.as_millis()).unwrap_or(u32::MAX))
            .build()
            .map_err(|error| MediaError::element("webrtcbin cannot be made", error))?;
        configure_ice(&webrtc, options)?;
        pipeline.add(&webrtc).map_err(|error| MediaError::element("webrtcbin cannot be added", error))?;

        let (events, receiver) = mpsc::unbounded_channel();
        let identity = Arc::new(Identity::default());
        let receive = Receivers::default();
        watch_connection(&webrtc, &events, &identity, options.announced_address);
        watch_handshake(&pipeline, &events, &identity);
        be_prompt(&pipeline);
        watch_pads(&webrtc, &events, &receive);
        let on_error = events.clone();
        let running = RunningPipeline::new(pipeline.clone(), move |error| {
            let _ = on_error.send(PeerEvent::Failed(PeerFailure::Pipeline(error)));
        });
        Ok((Self { running, pipeline, webrtc, events, identity, receive }, receiver))
    }

    /// Adds a track to send, both ways unless it is `send_only`. Before the negotiation.
    pub fn send(&self, branch: &SendBranch, send_only: bool) -> Result<(), PeerError> {
        let pad = self
            .webrtc
            .request_pad_simple("sink_%u")
            .ok_or_else(|| MediaError::element("webrtcbin gives no pad", "sink_%u"))?;
        let transceiver: gst_webrtc::WebRTCRTPTransceiver = pad.property("transceiver");
        if send_only {
            transceiver.set_direction(gst_webrtc::WebRTCRTPTransceiverDirection::Sendonly);
        }
        // asks for lost packets and sends them again, both depend on it
        transceiver.set_property("do-nack", true);
        branch.attach(self.pipeline.upcast_ref(), &pad)?;
        Ok(())
    }

    /// Prepares for the track that the other side sends in the section with this number. Its frames go to `tap`, turned,
    /// once the other side's certificate is the right one.
    pub fn receive(&self, mline: u32, codec: Codec, turned: Rotation, tap: FrameTap) -> Result<(), PeerError> {
        let events = self.events.clone();
        let branch = ReceiveBranch::new(codec, turned, tap, self.identity.clone().proven(), move |size| {
            let _ = events.send(PeerEvent::FirstFrame { mline, size });
        })?;
        lock(&self.receive).insert(mline, branch);
        Ok(())
    }

    /// Announces a section that will only be received, with RTP caps that name its codec and header extensions. To be
    /// called before the offer that has the section: the transceiver that GStreamer 1.22 makes by itself forgets the
    /// extensions, and with them transport-cc feedback and retransmissions.
    pub fn expect(&self, caps: &gst::Caps) {
        let direction = gst_webrtc::WebRTCRTPTransceiverDirection::Recvonly;
        let transceiver =
            self.webrtc.emit_by_name::<gst_webrtc::WebRTCRTPTransceiver>("add-transceiver", &[&direction, caps]);
        transceiver.set_property("do-nack", true);
    }

    /// Starts the pipeline; negotiation needs it running.
    pub fn play(&self) -> Result<(), PeerError> {
        self.running.play().map_err(|error| MediaError::element("the pipeline does not start", error).into())
    }

    /// Applies an offer and returns the answer, which is in force on our side then.
    pub async fn answer(&self, offer: &str) -> Result<String, PeerError> {
        let draft = self.draft_answer(offer).await?;
        self.settle(&draft).await?;
        Ok(draft.text)
    }

    /// Makes an offer, which is in force on our side then.
    pub async fn offer(&self) -> Result<String, PeerError> {
        let draft = self.draft_offer().await?;
        self.settle(&draft).await?;
        Ok(draft.text)
    }

    /// Applies an offer and returns the answer, for [`Self::settle`] when the other side knows it.
    pub async fn draft_answer(&self, offer: &str) -> Result<Draft, PeerError> {
        self.set_remote(WebRTCSDPType::Offer, offer).await?;
        self.create("create-answer", "answer").await
    }

    /// Makes an offer, for [`Self::settle`].
    pub async fn draft_offer(&self) -> Result<Draft, PeerError> {
        self.create("create-offer", "offer").await
    }

    /// Puts our own description in force; packets may go out from now on.
    pub async fn settle(&self, draft: &Draft) -> Result<(), PeerError> {
        let step = "set-local-description";
        ask(step, |promise| self.webrtc.emit_by_name::<()>(step, &[&draft.description, promise])).await.map(|_| ())
    }

    /// Applies the answer to our offer.
    pub async fn accept(&self, answer: &str) -> Result<(), PeerError> {
        self.set_remote(WebRTCSDPType::Answer, answer).await
    }

    /// A candidate of the other side; one of no use is passed over. After the remote description.
    pub fn add_candidate(&self, mline: u32, candidate: &RemoteCandidate) {
        if let RemoteCandidate::Usable(candidate) = candidate {
            self.webrtc.emit_by_name::<()>("add-ice-candidate", &[&mline, candidate]);
        }
    }

    /// What it has counted so far.
    pub async fn stats(&self) -> Result<PeerStats, PeerError> {
        let reply = statistics(&self.webrtc).await?;
        Ok(reply.map(|reply| PeerStats::of(&reply)).unwrap_or_default())
    }

    /// The element, for what only one kind of room needs.
    pub fn webrtcbin(&self) -> &gst::Element {
        &self.webrtc
    }

    /// A look at it from outside.
    pub fn probe(&self) -> PeerProbe {
        PeerProbe::new(&self.pipeline, &self.webrtc)
    }

    /// Stops it and waits for the end.
    pub async fn close(self) {
        let Self { running, .. } = self;
        running.stop().await;
    }

    async fn set_remote(&self, kind: WebRTCSDPType, text: &str) -> Result<(), PeerError> {
        let fingerprints = Fingerprint::all_in(text);
        if fingerprints.is_empty() {
            return Err(PeerError::NoFingerprint);
        }
        self.identity.expect(fingerprints);
        let step = "set-remote-description";
        let sdp = gst_sdp::SDPMessage::parse_buffer(text.as_bytes())
            .map_err(|error| PeerError::Refused { step, reason: error.to_string() })?;
        let description = WebRTCSessionDescription::new(kind, sdp);
        ask(step, |promise| self.webrtc.emit_by_name::<()>(step, &[&description, promise])).await.map(|_| ())
    }

    async fn create(&self, step: &'static str, field: &str) -> Result<Draft, PeerError> {
        let options = None::<gst::Structure>;
        let reply = ask(step, |promise| self.webrtc.emit_by_name::<()>(step, &[&options, promise])).await?;
        let description = reply
            .as_ref()
            .and_then(|reply| reply.get::<WebRTCSessionDescription>(field).ok())
            .ok_or_else(|| PeerError::Refused { step, reason: format!("no {field} in the reply") })?;
        let text = text_of(&description)?;
        Ok(Draft { description, text })
    }
}

/// One request to `webrtcbin`, which answers on a thread of its own.
async fn ask(step: &'static str, request: impl FnOnce(&gst::Promise)) -> Result<Option<gst::Structure>, PeerError> {
    let (sender, receiver) = oneshot::channel();
    request(&gst::Promise::with_change_func(move |reply| {
        let _ = sender.send(reply.map(|reply| reply.map(|reply| reply.to_owned())));
    }));
    let refused = |reason: String| PeerError::Refused { step, reason };
    let reply = tokio::time::timeout(STEP_LIMIT, receiver)
        .await
        .map_err(|_| PeerError::TimedOut(step))?
        .map_err(|_| refused("the peer was closed".into()))?
        .map_err(|error| refused(format!("{error:?}")))?;
    match reply.as_ref().and_then(|reply| reply.get::<glib::Error>("error").ok()) {
        Some(error) => Err(refused(error.to_string())),
        None => Ok(reply),
    }
}

/// The answer to `get-stats`.
pub(super) async fn statistics(webrtc: &gst::Element) -> Result<Option<gst::Structure>, PeerError> {
    let (step, pad) = ("get-stats", None::<gst::Pad>);
    ask(step, |promise| webrtc.emit_by_name::<()>(step, &[&pad, promise])).await
}

fn text_of(description: &WebRTCSessionDescription) -> Result<String, PeerError> {
    let step = "writing the description";
    description.sdp().as_text().map_err(|error| PeerError::Refused { step, reason: error.to_string() })
}

fn configure_ice(webrtc: &gst::Element, options: &IceOptions) -> Result<(), PeerError> {
    for server in &options.servers {
        for url in ice::for_webrtcbin(server)? {
            match url {
                // one is all that webrtcbin takes
                ServerUrl::Stun(url) if webrtc.property::<Option<String>>("stun-server").is_none() => {
                    webrtc.set_property("stun-server", url);
                }
                ServerUrl::Stun(_) => (),
                ServerUrl::Turn(url) => {
                    if !webrtc.emit_by_name::<bool>("add-turn-server", &[&url]) {
                        return Err(ice::IceServerError::Malformed(server.urls.join(" ")).into());
                    }
                }
                ServerUrl::OverTls(url) => {
                    tracing::debug!(url, "libnice speaks no TLS to ICE servers: only the other side uses this one");
                }
            }
        }
    }
    if options.relay_only {
        webrtc.set_property_from_str("ice-transport-policy", "relay");
    }
    let agent: glib::Object = webrtc.property("ice-agent");
    if let Some((least, greatest)) = options.port_range {
        agent.set_property("max-rtp-port", u32::from(greatest));
        agent.set_property("min-rtp-port", u32::from(least));
    }
    // it looks for routers that open ports: threads, sockets and time for nothing, since STUN and TURN do without
    let nice: glib::Object = agent.property("agent");
    nice.set_property("upnp", false);
    if !options.only_from.is_empty() {
        // where all addresses are offered, pairs that cannot work would hold the others up for longer
        nice.set_property("stun-max-retransmissions", CHECKS);
        nice.set_property("stun-reliable-timeout", TCP_CHECK_LIMIT.as_millis() as u32);
    }
    // libnice leaves loopback out by itself, and everything else once it is told one address
    let addresses = match options.only_from.as_slice() {
        [] if options.loopback => ice::local_addresses()
            .map_err(|error| MediaError::element("the machine's addresses cannot be listed", error))?,
        only => only.to_vec(),
    };
    for address in addresses {
        if !agent.emit_by_name::<bool>("add-local-ip-address", &[&address.to_string()]) {
            tracing::debug!(%address, "not taken as a local address");
        }
    }
    Ok(())
}

/// Nothing waits for longer than it must.
fn be_prompt(pipeline: &gst::Pipeline) {
    pipeline.connect_deep_element_added(|_, _, element| {
        match element.factory().as_ref().map(|factory| factory.name()).as_deref() {
            // It keeps the first packet for its whole latency, in case an earlier one comes late. The first picture is worth
            // more than that.
            //
            // From the pace so far it also guesses when the next packet is due, asks for it again before it was sent and then
            // drops it as late: whatever follows a camera's pause. Only a gap in the numbers shows that something is missing.
            Some("rtpjitterbuffer") => {
                element.set_property("faststart-min-packets", 1u32);
                element.set_property("rtx-next-seqnum", false);
            }
            // Between two regular reports a session may ask only once for what it lacks (RFC 4585, 3.5.2), and by itself it
            // reports every few hundred milliseconds to seconds: what is lost would be asked for too late.
            Some("rtpsession") => {
                let session: glib::Object = element.property("internal-session");
                session.set_property("rtcp-min-interval", REPORT_INTERVAL.as_nanos() as u64);
                session.set_property("bandwidth", REPORT_BANDWIDTH);
                // by itself one for every frame; a sender needs no more than browsers send
                session.set_property("twcc-feedback-interval", REPORT_INTERVAL.as_nanos() as u64);
            }
            Some("dtlsenc") => handshake::repeat(element),
            _ => (),
        }
    });
}

fn watch_connection(webrtc: &gst::Element, events: &Events, identity: &Arc<Identity>, announced: Option<IpAddr>) {
    let sender = events.clone();
    webrtc.connect("on-ice-candidate", false, move |values| {
        let mline = values.get(1)?.get::<u32>().ok()?;
        let candidate = values.get(2)?.get::<Option<String>>().ok()?.unwrap_or_default();
        let candidate = ice::announce(&candidate, announced);
        let _ = sender.send(PeerEvent::Candidate { mline, candidate });
        None
    });

    let sender = events.clone();
    webrtc.connect_notify(Some("ice-connection-state"), move |webrtc, _| {
        if webrtc.property::<WebRTCICEConnectionState>("ice-connection-state") == WebRTCICEConnectionState::Failed {
            let _ = sender.send(PeerEvent::Failed(PeerFailure::Ice));
        }
    });

    let (sender, identity) = (events.clone(), identity.clone());
    webrtc.connect_notify(Some("connection-state"), move |webrtc, _| {
        match webrtc.property::<WebRTCPeerConnectionState>("connection-state") {
            WebRTCPeerConnectionState::Connected if identity.is_proven() => {
                let _ = sender.send(PeerEvent::Connected);
            }
            WebRTCPeerConnectionState::Failed => {
                let _ = sender.send(PeerEvent::Failed(PeerFailure::Dtls));
            }
            WebRTCPeerConnectionState::Closed => {
                let _ = sender.send(PeerEvent::Failed(PeerFailure::HungUp));
            }
            _ => (),
        }
    });
}

fn watch_pads(webrtc: &gst::Element, events: &Events, receive: &Receivers) {
    let (events, receive) = (events.clone(), Arc::downgrade(receive));
    webrtc.connect_pad_added(move |webrtc, pad| {
        if pad.direction() != gst::PadDirection::Src {
            return;
        }
        let Some(pipeline) = webrtc.parent().and_downcast::<gst::Bin>() else { return };
        let transceiver: Option<gst_webrtc::WebRTCRTPTransceiver> = pad.property("transceiver");
        let mline = transceiver.map_or(0, |transceiver| transceiver.mlineindex());
        let branch = receive.upgrade().and_then(|receive| lock(&receive).remove(&mline));
        let attached = match branch {
            Some(branch) => branch.attach(&pipeline, pad),
            // a second stream of the same section; unlinked it would end the first with "not linked"
            None => discard(&pipeline, pad),
        };
        if let Err(error) = attached {
            let _ = events.send(PeerEvent::Failed(PeerFailure::Pipeline(error.to_string())));
        }
    });
}

fn discard(pipeline: &gst::Bin, pad: &gst::Pad) -> Result<(), MediaError> {
    let failed = |error: glib::BoolError| MediaError::element("a stream nobody wants cannot be discarded", error);
    let sink = gst::ElementFactory::make("fakesink").property("async", false).property("sync", false).build();
    let sink = sink.map_err(failed)?;
    pipeline.add(&sink).map_err(failed)?;
    sink.sync_state_with_parent().map_err(failed)?;
    let sink_pad = sink.static_pad("sink");
    sink_pad.map_or(Ok(()), |sink_pad| pad.link(&sink_pad).map(|_| ()).map_err(|e| MediaError::element("discard", e)))
}

//! The transport on which the service sends what the subject sees.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::capabilities::Capabilities;
use super::messages::{ConnectWebRtcTransport, DtlsFingerprint, DtlsParameters, Produce};
use super::protoo::connection::Connection;
use super::sdp::{self, OwnOffer};
use super::session::{JITTER_LATENCY, SessionError};
use super::transport::Transport;
use crate::media::IceOptions;
use crate::media::bitrate::BitrateController;
use crate::media::branch::{SendBranch, SendOptions};
use crate::media::peer::{Peer, PeerError, PeerEvent};
use crate::media::screen::PictureSource;

/// The least that is sent however bad the network is, in bits per second: less is unreadable.
const LEAST_BITRATE: u32 = 100_000;

/// The server reports every second. After so long without a report there is no path any more.
const SILENCE_LIMIT: Duration = Duration::from_secs(5);

/// A running one.
pub(super) struct Sender {
    pub peer: Peer,
    pub events: mpsc::UnboundedReceiver<PeerEvent>,
    branch: SendBranch,
    bitrate: BitrateController,
    /// The newest report.
    report: [u32; 3],
    /// When it came, or when the transport was connected; `None` before.
    reported: Option<Instant>,
}

impl Sender {
    /// Builds the pipeline. It sends nothing yet.
    pub async fn build(capabilities: &Capabilities, ice: IceOptions, bitrate: u32) -> Result<Self, PeerError> {
        let sent = capabilities.sent();
        let options = SendOptions {
            codec: sent.codec,
            payload: sent.payload,
            bitrate,
            extensions: capabilities.extensions().to_vec(),
            offers: true,
        };
        let build = tokio::task::spawn_blocking(move || {
            let (peer, events) = Peer::new("mediasoup-send", &ice, JITTER_LATENCY)?;
            let branch = SendBranch::new(&options)?;
            peer.send(&branch, true)?;
            peer.play()?;
            let bitrate = BitrateController::new(LEAST_BITRATE, bitrate);
            Ok::<_, PeerError>(Self { peer, events, branch, bitrate, report: [0; 3], reported: None })
        });
        build.await.map_err(|error| PeerError::Refused { step: "building the pipeline", reason: error.to_string() })?
    }

    /// Tells the server what comes, and starts.
    pub async fn start(
        &self,
        connection: &Connection,
        capabilities: &Capabilities,
        transport: &Transport,
    ) -> Result<(), SessionError> {
        let draft = self.peer.draft_offer().await?;
        let offer = OwnOffer::parse(&draft.text)?;
        let connect = connect(transport, &offer.fingerprint);
        let produce = Produce {
            transport_id: transport.id.clone(),
            kind: "video",
            rtp_parameters: capabilities.produced(&offer),
            app_data: serde_json::Map::new(),
        };
        // The server has to know our certificate before the first packet, which the answer lets out.
        tokio::try_join!(connection.request(&connect), connection.request(&produce))?;
        self.peer.settle(&draft).await?;
        let answer = sdp::answer(transport, &offer, capabilities.sent(), capabilities.extensions());
        self.peer.accept(&answer).await?;
        Ok(())
    }

    /// The transport is connected: pictures go out from now on.
    pub fn connected(&mut self, pictures: &dyn PictureSource) {
        self.reported = Some(Instant::now());
        pictures.attach(self.branch.pictures());
    }

    /// Looks at what the server reports of our packets, and sends as much as arrives. libnice does not notice that a
    /// path has gone quiet, so the lack of reports has to say so.
    pub async fn adapt(&mut self) -> Result<(), SessionError> {
        let Some(elapsed) = self.reported.map(|reported| reported.elapsed()) else { return Ok(()) };
        let sent = self.peer.stats().await?.sent.unwrap_or_default();
        if sent.report == self.report {
            return if elapsed > SILENCE_LIMIT { Err(SessionError::Silent(SILENCE_LIMIT)) } else { Ok(()) };
        }
        (self.report, self.reported) = (sent.report, Some(Instant::now()));
        let rate = sent.fraction_lost.and_then(|loss| self.bitrate.report(loss, elapsed));
        if let Some(rate) = rate {
            tracing::debug!(rate, loss = sent.fraction_lost, "the bit rate follows the network");
            self.branch.set_bitrate(rate);
        }
        Ok(())
    }
}

/// We are the server of DTLS on both transports: mediasoup's client sends a lost flight again after 100 ms, ours (OpenSSL's)
/// after a second.
pub(super) fn connect(transport: &Transport, fingerprint: &str) -> ConnectWebRtcTransport {
    let fingerprint = DtlsFingerprint { algorithm: "sha-256".into(), value: fingerprint.into() };
    ConnectWebRtcTransport {
        transport_id: transport.id.clone(),
        dtls_parameters: DtlsParameters { role: "server".into(), fingerprints: vec![fingerprint] },
    }
}

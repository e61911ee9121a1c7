//! The transport on which the subject's video comes in.

use tokio::sync::mpsc;

use super::capabilities::Stream;
use super::protoo::connection::Connection;
use super::sdp::{self, RemoteOffer};
use super::sender::connect;
use super::session::{JITTER_LATENCY, SessionError};
use super::transport::Transport;
use crate::media::IceOptions;
use crate::media::branch::{Rotation, rtp_caps};
use crate::media::frame::FrameTap;
use crate::media::peer::{Peer, PeerError, PeerEvent};

/// Sections of one transport. Each costs a decoder until the session ends.
const MAX_SECTIONS: usize = 16;

/// A running one.
pub(super) struct Receiver {
    pub peer: Peer,
    pub events: mpsc::UnboundedReceiver<PeerEvent>,
    transport: Transport,
    offer: RemoteOffer,
    connected: bool,
    turned: Rotation,
}

impl Receiver {
    /// Builds the pipeline. It receives nothing yet.
    pub async fn build(transport: Transport, ice: IceOptions, turned: Rotation) -> Result<Self, PeerError> {
        let build = tokio::task::spawn_blocking(move || {
            let (peer, events) = Peer::new("mediasoup-receive", &ice, JITTER_LATENCY)?;
            peer.play()?;
            let offer = RemoteOffer::new(transport.clone());
            Ok::<_, PeerError>(Self { peer, events, transport, offer, connected: false, turned })
        });
        build.await.map_err(|error| PeerError::Refused { step: "building the pipeline", reason: error.to_string() })?
    }

    /// Prepares for a track; its frames will go to `tap`. The number of its section comes back.
    pub async fn add(&mut self, connection: &Connection, stream: Stream, tap: FrameTap) -> Result<u32, SessionError> {
        if self.offer.sections() >= MAX_SECTIONS {
            return Err(SessionError::TooManyTracks);
        }
        self.peer.expect(&caps(&stream));
        let codec = stream.codec.codec;
        let mline = self.offer.add(stream);
        self.peer.receive(mline, codec, self.turned, tap)?;
        let draft = self.peer.draft_answer(&self.offer.text()).await?;
        if !self.connected {
            // before our first packet
            connection.request(&connect(&self.transport, &sdp::own_fingerprint(&draft.text)?)).await?;
            self.connected = true;
        }
        self.peer.settle(&draft).await?;
        Ok(mline)
    }

    /// A track has ended; the next offer says so.
    pub fn close(&mut self, mline: u32) {
        self.offer.close(mline);
    }
}

/// What `webrtcbin` has to know of a section before it sees the offer.
fn caps(Stream { codec, extensions, .. }: &Stream) -> gst::Caps {
    rtp_caps(codec.codec, codec.payload, extensions, codec.profile_level_id.as_deref())
}

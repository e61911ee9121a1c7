//! One offer of a simulated subject and the peer behind it.

use std::time::Duration;

use gst::prelude::*;
use tokio::sync::mpsc;

use super::SubjectError;
use super::camera::Lens;
use crate::media::branch::{Rotation, SendBranch, SendOptions};
use crate::media::ice::RemoteCandidate;
use crate::media::peer::{Peer, PeerError, PeerEvent};
use crate::media::sdp::{Extension, TRANSPORT_CC_URI, VIDEO_ORIENTATION_URI};
use crate::media::{Codec, FrameOutlet, IceOptions};

const LATENCY: Duration = Duration::from_millis(50);
const PAYLOAD: u8 = 96;
const ORIENTATION_ID: u8 = 4;
const TRANSPORT_CC_ID: u8 = 3;

/// What every connection of a subject is made with.
#[derive(Clone)]
pub(super) struct Offering {
    pub codec: Codec,
    pub bitrate: u32,
    pub ice: IceOptions,
    pub watches: bool,
}

/// One connection, from its offer on.
pub(super) struct Connection {
    pub peer: Peer,
    pub events: mpsc::UnboundedReceiver<PeerEvent>,
    pub branch: SendBranch,
    answered: bool,
    /// Candidates that came before the answer.
    early: Vec<RemoteCandidate>,
}

impl Connection {
    /// Makes a peer and its offer.
    pub async fn offer(offering: Offering, outlet: &FrameOutlet, lens: Lens) -> Result<(Self, String), SubjectError> {
        let tap = outlet.tap();
        let build = tokio::task::spawn_blocking(move || {
            let Offering { codec, bitrate, ice, watches } = offering;
            let extension = |id, uri: &str| Extension { id, uri: uri.into() };
            let extensions =
                vec![extension(TRANSPORT_CC_ID, TRANSPORT_CC_URI), extension(ORIENTATION_ID, VIDEO_ORIENTATION_URI)];
            let (peer, events) = Peer::new("subject", &ice, LATENCY)?;
            let branch = SendBranch::new(&SendOptions { codec, payload: PAYLOAD, bitrate, extensions, offers: true })?;
            lose_packets(&peer, lens);
            peer.send(&branch, false)?;
            if watches {
                peer.receive(0, codec, Rotation::None, tap)?;
            }
            peer.play()?;
            Ok::<_, PeerError>(Self { peer, events, branch, answered: false, early: Vec::new() })
        });
        let connection = build
            .await
            .map_err(|error| PeerError::Refused { step: "building the pipeline", reason: error.to_string() })??;
        let sdp = connection.peer.offer().await?;
        Ok((connection, sdp))
    }

    pub async fn answer(&mut self, sdp: &str) -> Result<(), SubjectError> {
        self.peer.accept(sdp).await?;
        self.answered = true;
        for candidate in self.early.drain(..) {
            self.peer.add_candidate(0, &candidate);
        }
        Ok(())
    }

    pub fn candidate(&mut self, candidate: RemoteCandidate) {
        if self.answered {
            self.peer.add_candidate(0, &candidate);
        } else {
            self.early.push(candidate);
        }
    }
}

/// Loses packets behind the jitter buffer, where nothing brings them back but a new key frame, and requests for one.
fn lose_packets(peer: &Peer, lens: Lens) {
    peer.webrtcbin().connect_pad_added(move |_, pad| {
        if pad.direction() == gst::PadDirection::Src {
            let packets = lens.clone();
            pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, _| {
                if packets.loses_packet() { gst::PadProbeReturn::Drop } else { gst::PadProbeReturn::Ok }
            });
            let requests = lens.clone();
            pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
                let is_request =
                    info.event().and_then(|event| event.structure()).is_some_and(|it| it.name() == "GstForceKeyUnit");
                // gstreamer-rs 0.25 drops events twice
                if is_request && requests.loses_request() {
                    gst::PadProbeReturn::Handled
                } else {
                    gst::PadProbeReturn::Ok
                }
            });
        }
    });
}

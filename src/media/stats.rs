//! What `webrtcbin` counts, as far as somebody looks at it.

use gst_webrtc::WebRTCStatsType;

/// Of one peer. What is not known yet is missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PeerStats {
    /// What we send, as the other side reports it.
    pub sent: Option<SentStats>,
    /// What we receive, all tracks together.
    pub received: Option<ReceivedStats>,
}

/// The other side's receiver report.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SentStats {
    /// The part of packets that was lost since the report before, 0 to 1.
    pub fraction_lost: Option<f64>,
    /// Sequence number and times in it: no two reports are alike.
    pub report: [u32; 3],
    /// Seconds.
    pub round_trip: Option<f64>,
}

/// Our own counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReceivedStats {
    /// Packets that came.
    pub packets: u64,
    /// Packets that did not come in time, or at all.
    pub lost: u64,
    /// Lost packets that came when they were sent again.
    pub recovered: u64,
}

impl PeerStats {
    /// Out of the answer to `get-stats`.
    pub(super) fn of(reply: &gst::StructureRef) -> Self {
        let mut stats = Self::default();
        for (_, value) in reply.iter() {
            let Ok(item) = value.get::<gst::Structure>() else { continue };
            match item.get::<WebRTCStatsType>("type") {
                Ok(WebRTCStatsType::RemoteInboundRtp) => {
                    let source = item.get::<gst::Structure>("gst-rtpsource-stats").ok();
                    let number = |field| source.as_ref().and_then(|source| source.get::<u32>(field).ok());
                    let report =
                        ["rb-exthighestseq", "rb-lsr", "rb-dlsr"].map(|field| number(field).unwrap_or_default());
                    stats.sent = Some(SentStats {
                        fraction_lost: item.get("fraction-lost").ok(),
                        report,
                        round_trip: item.get("round-trip-time").ok(),
                    });
                }
                Ok(WebRTCStatsType::InboundRtp) => {
                    let received = stats.received.get_or_insert_default();
                    received.packets += item.get::<u64>("packets-received").unwrap_or_default();
                    if let Ok(buffer) = item.get::<gst::Structure>("gst-rtpjitterbuffer-stats") {
                        received.lost += buffer.get::<u64>("num-lost").unwrap_or_default();
                        received.recovered += buffer.get::<u64>("rtx-success-count").unwrap_or_default();
                    }
                }
                _ => (),
            }
        }
        stats
    }
}

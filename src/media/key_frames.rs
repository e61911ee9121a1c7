//! Asks again for a key frame that was asked for in vain.
//!
//! After a loss a depayloader drops everything up to the next key frame and asks for one, once. That request is a packet
//! that can be lost as any other, and GStreamer's senders pass over one that comes within a round trip of the request
//! before it: the picture would stand still until the next loss.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::lock::lock;
use gst::prelude::*;

/// How long packets may come of which no frame comes out: a key frame takes nearly as long on a slow network (30 kB at
/// 300 kbit/s).
const PATIENCE: Duration = Duration::from_secs(1);
/// Requests are sent after one, two, four seconds more, and then in this distance.
const MOST_PATIENCE: Duration = Duration::from_secs(8);

/// Looks at what goes into a depayloader and what comes out of it, and asks its sender.
pub(super) fn insist(depayloader: &gst::Element) {
    let (Some(packets), Some(frames)) = (depayloader.static_pad("sink"), depayloader.static_pad("src")) else { return };
    let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    let shared = Arc::new(Mutex::new(Wait::None));
    let wait = shared.clone();
    packets.add_probe(kinds, move |pad, _| {
        if lock(&wait).packet(Instant::now()) {
            tracing::debug!("packets come and no picture: a key frame is asked for again");
            pad.push_event(gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build());
        }
        gst::PadProbeReturn::Ok
    });
    frames.add_probe(kinds, move |_, _| {
        *lock(&shared) = Wait::None;
        gst::PadProbeReturn::Ok
    });
}

/// For the frame that the packets make.
enum Wait {
    /// The last packet completed one.
    None,
    /// Since then, with patience for so long.
    Since(Instant, Duration),
}

impl Wait {
    /// A packet has come; whether patience is at its end.
    fn packet(&mut self, now: Instant) -> bool {
        match *self {
            Self::None => *self = Self::Since(now, PATIENCE),
            Self::Since(since, patience) if now.duration_since(since) >= patience => {
                *self = Self::Since(now, (patience * 2).min(MOST_PATIENCE));
                return true;
            }
            Self::Since(..) => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds at which a request was sent, with a packet every 100 ms.
    fn requests(wait: &mut Wait, begin: Instant, seconds: u32) -> Vec<f32> {
        let ticks = (0..seconds * 10).map(|tick| Duration::from_millis(100) * tick);
        ticks.filter(|after| wait.packet(begin + *after)).map(|after| after.as_secs_f32()).collect()
    }

    #[test]
    fn requests_become_rarer() {
        assert_eq!(requests(&mut Wait::None, Instant::now(), 25), [1.0, 3.0, 7.0, 15.0, 23.0]);
    }

    #[test]
    fn silence_is_no_reason() {
        let (mut wait, begin) = (Wait::None, Instant::now());
        for second in 0..10 {
            assert!(!wait.packet(begin + Duration::from_secs(5) * second), "one packet a frame, five seconds apart");
            wait = Wait::None;
        }
    }
}

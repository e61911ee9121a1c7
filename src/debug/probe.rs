//! What can be asked of a running flow. Counting costs the flow an atomic addition a frame.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use vision_models::engine::{FaceStream, StreamResult};

use crate::media::inspect::{PeerBoard, PeerProbe};

/// Counters of one flow.
#[derive(Debug, Default)]
pub struct Counters {
    received: AtomicU64,
    submitted: AtomicU64,
    analysed: AtomicU64,
    /// Microseconds, of all analyses together.
    queued: AtomicU64,
    cost: AtomicU64,
}

impl Counters {
    /// A frame came from the decoder; whether it went on to the networks.
    pub fn frame(&self, submitted: bool) {
        self.received.fetch_add(1, Ordering::Relaxed);
        self.submitted.fetch_add(u64::from(submitted), Ordering::Relaxed);
    }

    /// The networks have looked at a frame.
    pub fn analysed(&self, result: &StreamResult) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.analysed.fetch_add(1, Ordering::Relaxed);
        self.queued.fetch_add(micros(result.queued), Ordering::Relaxed);
        self.cost.fetch_add(micros(result.cost), Ordering::Relaxed);
    }

    fn to_json(&self, dropped: Option<u64>) -> Value {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let analysed = load(&self.analysed);
        let mean = |micros: &AtomicU64| (analysed > 0).then(|| load(micros) as f64 / analysed as f64 / 1000.0);
        json!({
            "received": load(&self.received),
            "submitted": load(&self.submitted),
            "analysed": analysed,
            "dropped": dropped,
            "mean_queued_ms": mean(&self.queued),
            "mean_analysis_ms": mean(&self.cost),
        })
    }
}

/// A look at one flow, which keeps nothing of it alive but the counters.
#[derive(Clone, Default)]
pub struct FlowProbe {
    /// Of its frames.
    pub counters: Arc<Counters>,
    /// Of its call.
    pub peers: PeerBoard,
    /// Its frames on the way to the networks.
    pub faces: Weak<FaceStream>,
}

impl FlowProbe {
    /// The body of `GET /flows/{id}/stats`.
    pub async fn stats(&self) -> Value {
        let dropped = self.faces.upgrade().map(|faces| faces.dropped());
        let probes = self.peers.probes();
        let peers = futures_util::future::join_all(probes.iter().map(PeerProbe::stats)).await;
        let peers: Vec<Value> = peers.into_iter().filter(|peer| !peer.is_null()).collect();
        json!({"frames": self.counters.to_json(dropped), "peers": peers})
    }

    /// The graph of its pipelines, without secrets; `None` when it has none now.
    pub async fn graph(&self) -> Option<String> {
        super::graphs::of(&self.peers.probes()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted() {
        let counters = Counters::default();
        for number in 0..10 {
            counters.frame(number % 2 == 0);
        }
        let json = counters.to_json(Some(1));
        assert_eq!((&json["received"], &json["submitted"], &json["dropped"]), (&10.into(), &5.into(), &1.into()));
        assert!(json["mean_analysis_ms"].is_null());
    }
}

//! What happened when in a flow, for `GET /flows/{id}` and the figures.

use std::time::Instant;

use serde::Serialize;

/// Moments of a flow, in milliseconds since it was accepted.
#[derive(Clone, Debug)]
pub struct Timeline {
    accepted: Instant,
    moments: Moments,
}

/// As on the wire.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Moments {
    /// The service was in the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joined_ms: Option<u64>,
    /// The subject's first frame; after a rejoin the latest first frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_started_ms: Option<u64>,
    /// Gestures in the order in which they were asked for, those of an interrupted challenge too.
    pub gestures: Vec<GestureMoments>,
    /// The outcome was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_ms: Option<u64>,
    /// The controller was told, or the service gave up telling it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported_ms: Option<u64>,
    /// All was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
}

/// One gesture.
#[derive(Clone, Debug, Serialize)]
pub struct GestureMoments {
    /// Which.
    pub gesture: String,
    /// It was shown.
    pub asked_ms: u64,
    /// It was seen to be completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_ms: Option<u64>,
}

impl Timeline {
    /// Starts at `accepted`.
    pub fn new(accepted: Instant) -> Self {
        Self { accepted, moments: Moments::default() }
    }

    /// What is known so far.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    fn ms(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.accepted).as_millis() as u64
    }

    pub(super) fn joined(&mut self, now: Instant) {
        self.moments.joined_ms = Some(self.ms(now));
    }

    pub(super) fn media_started(&mut self, now: Instant) {
        self.moments.media_started_ms = Some(self.ms(now));
    }

    pub(super) fn asked(&mut self, gesture: &str, now: Instant) {
        let asked_ms = self.ms(now);
        self.moments.gestures.push(GestureMoments { gesture: gesture.into(), asked_ms, completed_ms: None });
    }

    pub(super) fn completed(&mut self, now: Instant) {
        let at = self.ms(now);
        if let Some(last) = self.moments.gestures.last_mut() {
            last.completed_ms = Some(at);
        }
    }

    pub(super) fn decided(&mut self, now: Instant) {
        self.moments.decided_ms = Some(self.ms(now));
    }

    pub(super) fn reported(&mut self, now: Instant) {
        self.moments.reported_ms = Some(self.ms(now));
    }

    pub(super) fn ended(&mut self, now: Instant) {
        self.moments.ended_ms = Some(self.ms(now));
    }
}

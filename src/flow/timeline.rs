//! What happened when in a flow, for `GET /flows/{id}` and the figures.

use std::time::{Duration, Instant};

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
    /// From the frame that completed it, as it came out of the decoder, to the first picture with what was shown next going
    /// into the encoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reaction_ms: Option<u64>,
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
        let gesture = gesture.into();
        self.moments.gestures.push(GestureMoments { gesture, asked_ms, completed_ms: None, reaction_ms: None });
    }

    pub(super) fn completed(&mut self, now: Instant) {
        let at = self.ms(now);
        if let Some(last) = self.moments.gestures.last_mut() {
            last.completed_ms = Some(at);
        }
    }

    /// What the subject was shown after the last completed gesture took this long to appear.
    pub(super) fn reacted(&mut self, reaction: Duration) {
        let completed = self.moments.gestures.iter_mut().rfind(|gesture| gesture.completed_ms.is_some());
        if let Some(gesture) = completed {
            gesture.reaction_ms.get_or_insert(reaction.as_millis() as u64);
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

//! Which flows there are: admission, look-up by id, one flow per token.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard};

use serde::Serialize;
use vision_core::liveness::Check;

use super::outcome::Reason;
use super::timeline::Moments;
use super::watch::pictures::PictureStatus;
use super::watch::status::CheckStatus;
use crate::debug::probe::FlowProbe;
use crate::evidence::EvidenceId;
use crate::lock::lock;

/// Ended flows that `GET /flows/{id}` still knows.
const ENDED_KEPT: usize = 1000;

/// 128 random bits, 32 hexadecimal digits on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowId([u8; 16]);

impl FlowId {
    /// Draws an id.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system has randomness");
        Self(bytes)
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<FlowId> for EvidenceId {
    fn from(id: FlowId) -> Self {
        id.to_string().parse().expect("hexadecimal digits make an id")
    }
}

impl FromStr for FlowId {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl Serialize for FlowId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// What `GET /flows/{id}` tells: nothing biometric, no token, no address.
#[derive(Clone, Debug, Serialize)]
pub struct FlowStatus {
    /// The flow.
    pub flow_id: FlowId,
    /// See [`super::state::State`].
    pub state: &'static str,
    /// The gesture now asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gesture: Option<String>,
    /// Its number, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// How many gestures there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// `verified`, `rejected` or `failed`, once decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
    /// Why not verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Whether the controller has been told; absent while that is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<bool>,
    /// What the liveness checks have seen, those that are not off.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<Check, CheckStatus>,
    /// The pictures that were taken of the subject for the comparison: how fit they are for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<PictureStatus>,
    /// Milliseconds since the flow was accepted.
    pub timings: Moments,
    /// From the subject's first frame to the first composed frame with text on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_text_after_ms: Option<u64>,
}

impl FlowStatus {
    fn accepted(flow_id: FlowId) -> Self {
        Self {
            flow_id,
            state: "accepted",
            gesture: None,
            step: None,
            steps: None,
            outcome: None,
            reason: None,
            reported: None,
            checks: BTreeMap::new(),
            pictures: Vec::new(),
            timings: Moments::default(),
            first_text_after_ms: None,
        }
    }
}

/// Why a flow was not admitted.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// A flow with this token is running.
    #[error("a flow with this token is already running")]
    TokenRunning(FlowId),
    /// As many flows as the configuration allows are running.
    #[error("the service runs as many flows as it is configured for ({0}, MAX_FLOWS); try again later")]
    Full(usize),
    /// The service is stopping.
    #[error("the service is stopping; try another instance")]
    Stopping,
}

/// All flows of the service.
pub struct Flows {
    limit: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    stopping: bool,
    /// Flows that hold media.
    active: usize,
    tokens: HashMap<String, FlowId>,
    statuses: HashMap<FlowId, FlowStatus>,
    /// Of flows that hold media.
    probes: HashMap<FlowId, FlowProbe>,
    ended: VecDeque<FlowId>,
}

impl Flows {
    /// At most `limit` flows at once.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, inner: Mutex::default() })
    }

    // Nothing under this lock can panic half-way; a poisoned lock would still hold consistent data.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Admits a flow, or says why not. The flow counts until the admission is dropped.
    pub fn admit(self: &Arc<Self>, token: &str) -> Result<Admission, Refusal> {
        let mut inner = self.lock();
        if inner.stopping {
            return Err(Refusal::Stopping);
        }
        if let Some(&id) = inner.tokens.get(token) {
            return Err(Refusal::TokenRunning(id));
        }
        if inner.active >= self.limit {
            return Err(Refusal::Full(self.limit));
        }
        let id = FlowId::random();
        inner.active += 1;
        inner.tokens.insert(token.to_owned(), id);
        inner.statuses.insert(id, FlowStatus::accepted(id));
        Ok(Admission { flows: self.clone(), id, token: token.to_owned(), holds_media: true })
    }

    /// No new flows from now on.
    pub fn stop(&self) {
        self.lock().stopping = true;
    }

    /// Whether [`Self::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Flows that hold media now, and how many there may be.
    pub fn load(&self) -> (usize, usize) {
        (self.lock().active, self.limit)
    }

    /// What is known of a flow, also for some time after it ended.
    pub fn status(&self, id: FlowId) -> Option<FlowStatus> {
        self.lock().statuses.get(&id).cloned()
    }

    /// A look at a flow that holds media.
    pub fn probe(&self, id: FlowId) -> Option<FlowProbe> {
        self.lock().probes.get(&id).cloned()
    }
}

/// A flow's place among the running ones.
pub struct Admission {
    flows: Arc<Flows>,
    id: FlowId,
    token: String,
    holds_media: bool,
}

impl Admission {
    /// The flow's id.
    pub fn id(&self) -> FlowId {
        self.id
    }

    /// What is told about the flow.
    pub fn status(&self) -> Option<FlowStatus> {
        self.flows.status(self.id)
    }

    /// Changes what is told about the flow.
    pub fn update(&self, change: impl FnOnce(&mut FlowStatus)) {
        if let Some(status) = self.flows.lock().statuses.get_mut(&self.id) {
            change(status);
        }
    }

    /// Lets the flow be looked at, until it releases its media.
    pub fn expose(&self, probe: FlowProbe) {
        self.flows.lock().probes.insert(self.id, probe);
    }

    /// The call is over and only the report is open: another flow may have the place. The token stays taken.
    pub fn release_media(&mut self) {
        if std::mem::take(&mut self.holds_media) {
            let mut inner = self.flows.lock();
            inner.active -= 1;
            inner.probes.remove(&self.id);
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.release_media();
        let mut inner = self.flows.lock();
        inner.tokens.remove(&self.token);
        inner.ended.push_back(self.id);
        if inner.ended.len() > ENDED_KEPT
            && let Some(oldest) = inner.ended.pop_front()
        {
            inner.statuses.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flow_per_token_and_no_more_than_the_limit() {
        let flows = Flows::new(2);
        let a = flows.admit("a").unwrap();
        assert_eq!(flows.admit("a").err(), Some(Refusal::TokenRunning(a.id())));
        let mut b = flows.admit("b").unwrap();
        assert_eq!(flows.admit("c").err(), Some(Refusal::Full(2)));
        b.release_media();
        assert_eq!(flows.admit("b").err(), Some(Refusal::TokenRunning(b.id())), "the report is still open");
        let c = flows.admit("c").unwrap();
        c.expose(FlowProbe::default());
        assert!(flows.probe(c.id()).is_some() && flows.probe(b.id()).is_none());
        assert_eq!(flows.load(), (2, 2));
        drop(b);
        assert_eq!(flows.load(), (2, 2), "a place is given back once");
        let id = c.id();
        drop((a, c));
        assert!(flows.probe(id).is_none());
        assert_eq!(flows.load(), (0, 2));
        assert!(flows.admit("a").is_ok());
    }

    #[test]
    fn ended_flows_are_known_for_a_while() {
        let flows = Flows::new(1);
        let first = flows.admit("x").unwrap().id();
        assert!(flows.status(first).is_some());
        for _ in 0..ENDED_KEPT {
            drop(flows.admit("x").unwrap());
        }
        assert!(flows.status(first).is_none());
        assert_eq!(flows.lock().statuses.len(), ENDED_KEPT);
    }

    #[test]
    fn stopping_refuses_new_flows() {
        let flows = Flows::new(1);
        flows.stop();
        assert_eq!(flows.admit("a").err(), Some(Refusal::Stopping));
    }

    #[test]
    fn an_id_is_read_back_from_its_text() {
        let id = FlowId::random();
        assert_eq!(id.to_string().parse::<FlowId>().unwrap(), id);
        assert!("zz".parse::<FlowId>().is_err());
        assert!("".parse::<FlowId>().is_err());
    }
}

//! The liveness checks of one flow: they are fed here, and asked here.
//!
//! | file | what |
//! |---|---|
//! | here | which check gets what, and what they found |
//! | [`frame_log`] | what received frames look like, until it is known what the networks saw in them |
//! | [`inspection`] | a closer look at some frames |
//!
//! Belongs to the flow's task; nothing in here waits. Whether a finding ends the flow is the state machine's to say.

pub mod frame_log;
pub mod inspection;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use vision_core::liveness::colour::Judgement;
use vision_core::liveness::continuity::identity::{Distance, Identity};
use vision_core::liveness::continuity::stream::{Stream, StreamLimits};
use vision_core::liveness::modes::Modes;
use vision_core::liveness::{CHECKS, Check, Finding, Mode, Verdict};
use vision_models::engine::{Engine, StreamResult};
use vision_models::manifest::Metric;

use self::frame_log::FrameLog;
use self::inspection::{Inspected, Inspection, Wants};
use super::pace::Pace;

/// How often the networks for identity and passive liveness look. They take as long as two frames of a gesture.
const NETWORKS_RATE: f32 = 1.0;

/// What a check saw, for `GET /flows/{id}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CheckStatus {
    /// What the finding leads to.
    pub mode: Mode,
    /// What it saw.
    #[serde(flatten)]
    pub finding: Finding,
}

/// The checks of one flow.
pub struct Watch {
    modes: Modes,
    engine: Arc<Engine>,
    log: Arc<FrameLog>,
    stream: Stream,
    /// How the network in use tells people apart; none where there is none, or nobody wants to know.
    network: Option<(Distance, f32)>,
    identity: Option<Identity>,
    pace: Pace,
    networks: Pace,
    /// One frame at a time is looked at.
    inspecting: bool,
    /// A picture taken for the comparison, which is to be looked at next.
    waiting: Option<Inspection>,
    colours: Option<Judgement>,
    /// The machine has been told of these.
    told: Vec<Check>,
}

impl Watch {
    /// Nothing seen yet. `rate`: how many frames a second are looked at closely.
    pub fn new(modes: Modes, rate: f32, engine: Arc<Engine>) -> Self {
        let network = engine.info().embeddings.first().filter(|_| modes.looks_at(Check::IdentityContinuity));
        let network = network.map(|network| (distance(network.metric), network.threshold));
        Self {
            modes,
            engine,
            log: Arc::default(),
            stream: Stream::new(StreamLimits::default()),
            network,
            identity: network.map(|(distance, threshold)| Identity::new(distance, threshold)),
            pace: Pace::new(rate),
            networks: Pace::new(NETWORKS_RATE),
            inspecting: false,
            waiting: None,
            colours: None,
            told: Vec::new(),
        }
    }

    /// Where received frames are to be noted, if anybody wants to know.
    pub fn log(&self) -> Option<Arc<FrameLog>> {
        let wanted = [Check::FrozenStream, Check::CutsAndLoops].iter().any(|check| self.modes.looks_at(*check));
        wanted.then(|| self.log.clone())
    }

    /// The networks have looked at a frame. What comes back is to be run where it may wait, and answered by
    /// [`Watch::inspected`].
    pub fn analysed(&mut self, result: &StreamResult) -> Option<Inspection> {
        let face = result.analysis.face.as_ref();
        for note in self.log.take_until(result.tag) {
            let seen = (note.sequence == result.tag).then_some(face);
            self.stream.see(&note.signature, seen, note.at);
        }
        let at = result.timestamp;
        let urgent = self.identity.as_ref().is_some_and(Identity::is_urgent);
        let due = self.pace.take(at) || urgent;
        if self.inspecting || !due {
            return None;
        }
        let networks = self.networks.take(at);
        let wants = Wants {
            embedding: self.identity.is_some() && (networks || urgent),
            antispoof: self.engine.info().antispoof && networks,
        };
        let inspection = self.inspection(result, wants)?;
        self.inspecting = true;
        Some(inspection)
    }

    /// A picture was taken for the comparison: its face has to be that of the other frames. As [`Watch::analysed`].
    pub fn picture_taken(&mut self, result: &StreamResult) -> Option<Inspection> {
        let wants = Wants { embedding: self.identity.is_some(), antispoof: false };
        let inspection = self.inspection(result, wants)?;
        if self.inspecting {
            self.waiting = Some(inspection);
            return None;
        }
        self.inspecting = true;
        Some(inspection)
    }

    fn inspection(&self, result: &StreamResult, wants: Wants) -> Option<Inspection> {
        let face = result.analysis.face.clone().filter(|_| wants != Wants::default())?;
        let (engine, picture) = (self.engine.clone(), result.picture.clone());
        Some(Inspection { engine, picture, face, at: result.timestamp, wants })
    }

    /// An inspection is done. What comes back is to be run next.
    pub fn inspected(&mut self, inspected: Inspected) -> Option<Inspection> {
        if let (Some(identity), Some(embedding)) = (&mut self.identity, inspected.embedding) {
            identity.see(embedding);
        }
        let next = self.waiting.take();
        self.inspecting = next.is_some();
        next
    }

    /// The colour challenge is over; none when it was broken off.
    pub fn colours_judged(&mut self, judgement: Option<Judgement>) {
        self.colours = judgement;
    }

    /// All has been seen that will be.
    pub fn conclude(&mut self) {}

    /// The video broke off.
    pub fn interrupt(&mut self) {
        self.log.clear();
        self.stream.interrupt();
        if let Some(identity) = &mut self.identity {
            identity.interrupt();
        }
    }

    /// A subject begins: they may be another one than before. What was found out about the video stays.
    pub fn begin(&mut self) {
        if self.identity.as_ref().is_some_and(|identity| identity.finding().verdict != Verdict::Failed) {
            self.identity = self.network.map(|(distance, threshold)| Identity::new(distance, threshold));
        }
    }

    /// Whether the subject is the one of before the last interruption; none as long as nobody can tell.
    pub fn is_same(&self) -> Option<bool> {
        match &self.identity {
            Some(identity) => identity.same_as_before(Duration::ZERO),
            None => Some(false),
        }
    }

    /// What a check found; none if it is somebody else's.
    fn finding(&self, check: Check) -> Option<Finding> {
        let nothing = Finding { verdict: Verdict::Inconclusive, score: None };
        match check {
            Check::FrozenStream => Some(self.stream.frozen()),
            Check::CutsAndLoops => Some(self.stream.cuts_and_loops()),
            Check::IdentityContinuity => Some(self.identity.as_ref().map_or(nothing, Identity::finding)),
            Check::ColourChallenge => Some(self.colours.as_ref().map_or(nothing, Judgement::finding)),
            _ => None,
        }
    }

    /// What every check that is not off has found; `others` knows what is not found out here.
    pub fn statuses(&self, others: impl Fn(Check) -> Option<Finding>) -> BTreeMap<Check, CheckStatus> {
        let looking = CHECKS.into_iter().filter(|check| self.modes.looks_at(*check));
        let status = |check| {
            let finding = self.finding(check).or_else(|| others(check))?;
            Some((check, CheckStatus { mode: self.modes.of(check), finding }))
        };
        looking.filter_map(status).collect()
    }

    /// A check that has failed, each once.
    pub fn suspicion(&mut self) -> Option<Check> {
        let failed = |check: &Check| {
            self.modes.looks_at(*check)
                && !self.told.contains(check)
                && self.finding(*check).is_some_and(|finding| finding.verdict == Verdict::Failed)
        };
        let check = CHECKS.into_iter().find(failed)?;
        self.told.push(check);
        Some(check)
    }
}

fn distance(metric: Metric) -> Distance {
    match metric {
        Metric::L2 => |a, b| Metric::L2.distance(a, b),
        Metric::Cosine => |a, b| Metric::Cosine.distance(a, b),
    }
}

//! The liveness checks of one flow: they are fed here, and asked here.
//!
//! | file | what |
//! |---|---|
//! | here | which check gets what, and what they found |
//! | [`frame_log`] | what received frames look like, until it is known what the networks saw in them |
//! | [`inspection`] | a closer look at some frames |
//! | [`pictures`] | how good those are that will be compared |
//! | [`status`] | what is told of it |
//!
//! Belongs to the flow's task; nothing in here waits. Whether a finding ends the flow is the state machine's to say.

pub mod frame_log;
pub mod inspection;
pub mod pictures;
pub mod status;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use vision_core::face::Face;
use vision_core::gestures::{Gesture, Signal};
use vision_core::liveness::colour::Judgement;
use vision_core::liveness::continuity::head_turn::HeadTurn;
use vision_core::liveness::continuity::identity::Identity;
use vision_core::liveness::continuity::injection::InjectionHints;
use vision_core::liveness::continuity::stream::signature::Signature;
use vision_core::liveness::continuity::stream::{Stream, StreamLimits};
use vision_core::liveness::modes::Modes;
use vision_core::liveness::passive::{Network, Passive};
use vision_core::liveness::quality::glasses::{Glasses, GlassesVote};
use vision_core::liveness::{CHECKS, Check, Finding, Verdict};
use vision_core::picture::Picture;
use vision_core::position::Warning;
use vision_models::engine::{EmbeddingInfo, Engine, StreamResult};

use self::frame_log::FrameLog;
use self::inspection::{Inspected, Inspection, Wants};
use self::pictures::{PictureStatus, Pictures};
use self::status::{CheckStatus, Details};
use super::pace::Pace;
use crate::lock::lock;
use crate::matching::engine::identity;
use crate::media::EncodedSink;

/// How often the networks for identity and passive liveness look. They take as long as two frames of a gesture.
const NETWORKS_RATE: f32 = 1.0;
/// Frames in a row that are too dark before the subject hears of it.
const DARK_FRAMES: u32 = 2;
/// Below it a face is too dark: LUNA PASS's threshold of `dark`.
const DARKNESS: f32 = 0.5;

/// Passive liveness looks at every analysed frame, on the thread that has analysed it.
pub type SharedPassive = Arc<Mutex<Passive>>;

/// The checks of one flow.
pub struct Watch {
    modes: Modes,
    engine: Arc<Engine>,
    log: Arc<FrameLog>,
    stream: Stream,
    hints: InjectionHints,
    /// The frame before.
    last: Option<Signature>,
    passive: SharedPassive,
    /// Passive liveness is judged when all frames are seen, and not before.
    concluded: bool,
    /// How the network in use tells people apart; none where there is none, or nobody wants to know.
    network: Option<EmbeddingInfo>,
    identity: Option<Identity>,
    /// Frames handed to the networks before are those of a subject who has left.
    since: Instant,
    /// The turn that is asked for, if one is.
    turn: Option<HeadTurn>,
    turned: Vec<Finding>,
    glasses: GlassesVote,
    dark: u32,
    notice: Option<Warning>,
    colours: Option<Judgement>,
    pace: Pace,
    networks: Pace,
    /// One frame at a time is looked at.
    inspecting: bool,
    /// Pictures taken for the comparison, which are to be looked at next.
    waiting: VecDeque<Inspection>,
    pictures: Pictures,
    /// The machine has been told of these.
    told: Vec<Check>,
}

impl Watch {
    /// Nothing seen yet. `rate`: how many frames a second are looked at closely.
    pub fn new(modes: Modes, rate: f32, engine: Arc<Engine>) -> Self {
        let glasses = GlassesVote::in_call(engine.info().glasses);
        let network = engine.info().embeddings.first().filter(|_| modes.looks_at(Check::IdentityContinuity)).cloned();
        Self {
            modes,
            engine,
            log: Arc::default(),
            stream: Stream::new(StreamLimits::default()),
            hints: InjectionHints::new(),
            last: None,
            passive: Arc::default(),
            concluded: false,
            identity: network.as_ref().map(identity),
            network,
            since: Instant::now(),
            turn: None,
            turned: Vec::new(),
            glasses,
            dark: 0,
            notice: None,
            colours: None,
            pace: Pace::new(rate),
            networks: Pace::new(NETWORKS_RATE),
            inspecting: false,
            waiting: VecDeque::new(),
            pictures: Pictures::default(),
            told: Vec::new(),
        }
    }

    /// Where received frames are to be noted, if anybody wants to know.
    pub fn log(&self) -> Option<Arc<FrameLog>> {
        let wanted = [Check::FrozenStream, Check::CutsAndLoops, Check::InjectionHints];
        wanted.iter().any(|check| self.modes.looks_at(*check)).then(|| self.log.clone())
    }

    /// Where frames are to be noted before they are decoded, if anybody wants to know.
    pub fn encoded(&self) -> Option<EncodedSink> {
        let log = self.log.clone();
        let note: EncodedSink = Arc::new(move |frame| log.note_encoded(frame));
        self.modes.looks_at(Check::InjectionHints).then_some(note)
    }

    /// What analysed frames are to be shown to ([`look`]), if anybody wants to know.
    pub fn passive(&self) -> Option<SharedPassive> {
        self.modes.looks_at(Check::PassiveLiveness).then(|| self.passive.clone())
    }

    /// A gesture is asked for, or none.
    pub fn gesture(&mut self, gesture: Option<&Gesture>) {
        let is_turn = gesture.is_some_and(|gesture| Some(gesture.signal) == Signal::from_key("Yaw"));
        let finding = self.turn.take().map(|turn| turn.finding());
        self.turned.extend(finding.filter(|finding| finding.verdict != Verdict::Inconclusive));
        self.turn = is_turn.then(HeadTurn::new);
    }

    /// The subject's page names its camera.
    pub fn camera(&mut self, label: &str) {
        self.hints.camera(label);
    }

    /// How regular the subject's reactions are.
    pub fn reactions(&mut self, scatter: Option<f32>) {
        self.hints.reactions(scatter);
    }

    /// The networks have looked at a frame. What comes back is to be run where it may wait, and answered by
    /// [`Watch::inspected`].
    pub fn analysed(&mut self, result: &StreamResult) -> Option<Inspection> {
        let face = result.analysis.face.as_ref();
        for note in self.log.take_until(result.tag) {
            let seen = (note.sequence == result.tag).then_some(face);
            self.stream.see(&note.signature, seen, note.at);
            self.hints.taken(note.at);
            if let Some(last) = self.last.replace(note.signature)
                && let Some(now) = &self.last
            {
                self.hints.unchanged(now.unchanged_since(&last));
            }
        }
        for frame in self.log.take_encoded() {
            self.hints.encoded(frame);
        }
        if let (Some(turn), Some(face)) = (&mut self.turn, face) {
            turn.see(face, result.analysis.width, result.analysis.height);
        }
        let at = result.timestamp;
        let urgent = self.identity.as_ref().is_some_and(Identity::is_urgent);
        let due = self.pace.take(at);
        if self.inspecting || !(due || urgent) || result.submitted < self.since {
            return None;
        }
        let networks = self.networks.take(at);
        let wants = Wants {
            appearance: due,
            embedding: self.identity.is_some() && (networks || urgent),
            antispoof: self.engine.info().antispoof && networks,
        };
        let inspection = self.inspection(result, wants, None)?;
        self.inspecting = true;
        Some(inspection)
    }

    /// A picture was taken for the comparison: how good is it, and is its face that of the other frames? As
    /// [`Watch::analysed`].
    pub fn picture_taken(&mut self, result: &StreamResult) -> Option<Inspection> {
        let number = self.pictures.add(&result.analysis);
        let wants = Wants { appearance: true, embedding: self.identity.is_some(), antispoof: false };
        let inspection = self.inspection(result, wants, Some(number))?;
        if self.inspecting {
            self.waiting.push_back(inspection);
            return None;
        }
        self.inspecting = true;
        Some(inspection)
    }

    fn inspection(&self, result: &StreamResult, wants: Wants, number: Option<usize>) -> Option<Inspection> {
        let face = result.analysis.face.clone().filter(|_| wants != Wants::default())?;
        let (engine, picture, submitted) = (self.engine.clone(), result.picture.clone(), result.submitted);
        Some(Inspection { engine, picture, face, submitted, wants, number })
    }

    /// An inspection is done. What comes back is to be run next.
    pub fn inspected(&mut self, inspected: Inspected) -> Option<Inspection> {
        let is_late = inspected.submitted < self.since;
        let embedding = inspected.embedding.filter(|_| !is_late);
        let seen = self.identity.as_mut().zip(embedding).map(|(identity, embedding)| identity.see(embedding));
        if let Some(number) = inspected.number {
            self.pictures.inspected(number, inspected.appearance.as_ref(), seen);
        }
        if let Some(logit) = inspected.antispoof {
            lock(&self.passive).network(logit);
        }
        if let Some(appearance) = inspected.appearance.filter(|_| !is_late) {
            self.glasses.add(appearance.glasses);
            self.dark = if appearance.quality.darkness < DARKNESS { self.dark + 1 } else { 0 };
        }
        let next = self.waiting.pop_front();
        self.inspecting = next.is_some();
        next
    }

    /// What the subject should be told of the picture, if that has changed.
    pub fn notice(&mut self) -> Option<Option<Warning>> {
        let glasses = self.modes.looks_at(Check::Glasses) && self.glasses().verdict == Verdict::Failed;
        let notice = match () {
            () if self.dark >= DARK_FRAMES => Some(Warning::TooDark),
            () if glasses => Some(Warning::Glasses),
            () => None,
        };
        (std::mem::replace(&mut self.notice, notice) != notice).then_some(notice)
    }

    /// As the original has it: nothing may be worn.
    fn glasses(&self) -> Finding {
        self.glasses.finding(&[Glasses::NoGlasses])
    }

    /// The pictures that were taken of the subject for the comparison.
    pub fn pictures(&self) -> &[PictureStatus] {
        self.pictures.list()
    }

    /// The colour challenge is over; none when it was broken off.
    pub fn colours_judged(&mut self, judgement: Option<Judgement>) {
        self.colours = judgement;
    }

    /// All has been seen that will be: what could have changed before is now judged.
    pub fn conclude(&mut self) {
        self.gesture(None);
        self.concluded = true;
    }

    /// The video goes on; who sends it has to be found out.
    pub fn resume(&mut self) {
        self.since = Instant::now();
    }

    /// The video broke off.
    pub fn interrupt(&mut self) {
        self.since = Instant::now();
        self.log.clear();
        self.last = None;
        self.stream.interrupt();
        self.gesture(None);
        if let Some(identity) = &mut self.identity {
            identity.interrupt();
        }
    }

    /// A subject begins: they may be another one than before. What was found out about the video stays.
    pub fn begin(&mut self) {
        self.since = Instant::now();
        if self.identity.as_ref().is_some_and(|identity| identity.finding().verdict != Verdict::Failed) {
            self.identity = self.network.as_ref().map(identity);
        }
        self.glasses = GlassesVote::in_call(self.engine.info().glasses);
        self.pictures.clear();
        self.colours = None;
    }

    /// Whether the subject is the one of before the last interruption; none as long as nobody can tell.
    pub fn is_same(&self) -> Option<bool> {
        match &self.identity {
            Some(identity) => identity.same_as_before(Duration::ZERO),
            None => Some(false),
        }
    }

    /// How live the subject looks so far, 0 to 1, if anybody wants to know.
    pub fn passive_score(&self) -> Option<f32> {
        let wanted = self.modes.looks_at(Check::PassiveLiveness);
        self.finding(Check::PassiveLiveness).filter(|_| wanted)?.score
    }

    /// What a check found so far; none if it is somebody else's.
    fn finding(&self, check: Check) -> Option<Finding> {
        let nothing = Finding { verdict: Verdict::Inconclusive, score: None };
        match check {
            Check::FrozenStream => Some(self.stream.frozen()),
            Check::CutsAndLoops => Some(self.stream.cuts_and_loops()),
            Check::IdentityContinuity => Some(self.identity.as_ref().map_or(nothing, Identity::finding)),
            Check::PassiveLiveness => Some(lock(&self.passive).report().finding),
            Check::HeadTurnRigidity => Some(worst(&self.turned).unwrap_or(nothing)),
            Check::ColourChallenge => Some(self.colours.as_ref().map_or(nothing, Judgement::finding)),
            Check::Glasses => Some(self.glasses()),
            Check::InjectionHints => Some(self.hints.risk().finding()),
            Check::SeveralFaces | Check::ReactionTime => None,
        }
    }

    /// Whether a finding may still turn to the better, so that it decides nothing yet.
    fn is_open(&self, check: Check) -> bool {
        check == Check::PassiveLiveness && !self.concluded
    }

    /// What every check that is not off has found; `others` knows what is not found out here.
    pub fn statuses(&self, others: impl Fn(Check) -> Option<Finding>) -> BTreeMap<Check, CheckStatus> {
        let looking = CHECKS.into_iter().filter(|check| self.modes.looks_at(*check));
        let status = |check| {
            let finding = self.finding(check).or_else(|| others(check))?;
            let details = match check {
                Check::PassiveLiveness => {
                    let passive = lock(&self.passive);
                    Some(Details::Passive(passive.report().into()))
                }
                Check::InjectionHints => Some(Details::Injection(self.hints.risk())),
                Check::Glasses => Some(Details::Glasses { network: Network::is(self.engine.info().glasses) }),
                Check::ColourChallenge => self.colours.map(|colours| Details::Colours { outcome: colours.outcome }),
                _ => None,
            };
            Some((check, CheckStatus { mode: self.modes.of(check), finding, details }))
        };
        looking.filter_map(status).collect()
    }

    /// A check that has failed, each once.
    pub fn suspicion(&mut self) -> Option<Check> {
        let failed = |check: &Check| {
            self.modes.looks_at(*check)
                && !self.told.contains(check)
                && !self.is_open(*check)
                && self.finding(*check).is_some_and(|finding| finding.verdict == Verdict::Failed)
        };
        let check = CHECKS.into_iter().find(failed)?;
        self.told.push(check);
        Some(check)
    }
}

/// Passive liveness looks at a frame: some tenths of a millisecond.
pub fn look(passive: &SharedPassive, picture: &dyn Picture, face: &Face) {
    lock(passive).observe(&picture.view(), face, None);
}

/// The one that speaks most against the subject.
fn worst(findings: &[Finding]) -> Option<Finding> {
    let score = |finding: &Finding| finding.score.unwrap_or(1.0);
    findings.iter().copied().min_by(|a, b| score(a).total_cmp(&score(b)))
}

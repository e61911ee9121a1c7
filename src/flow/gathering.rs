//! What a flow gathers for its evidence, and the best shot for its signed result. A flow that has neither has none of this.
//!
//! Pictures are those that the flow has anyway, shared and not copied; they become JPEG when the call is over, on a thread
//! that may take its time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde_json::Value;
use tokio::task::{JoinHandle, spawn_blocking};
use vision_core::gestures::definition::Condition;
use vision_core::gestures::{Gesture, Signals};
use vision_core::picture::Picture;
use vision_models::engine::StreamResult;

use super::best_shot::{Best, BestShot};
use super::registry::{Admission, FlowStatus};
use super::watch::Watch;
use super::watch::inspection::Inspected;
use crate::app::Services;
use crate::evidence::{Door, EvidenceId, Footage, Record, RecordPicture, Role, Series, Step, Threshold};
use crate::json::told;
use crate::matching::encode::jpeg;
use crate::media::tape::Tape;

/// Gestures whose signals are kept; nobody is asked for more within a flow's time.
const MOST_GESTURES: usize = 32;

/// Gathers, or does nothing at all.
pub(super) struct Gathering {
    /// None where evidence is not kept, and when the call is over.
    gatherer: Option<Box<Gatherer>>,
    gathered: Option<JoinHandle<Gathered>>,
    /// None where nobody wants one.
    best_shot: Option<BestShot>,
}

/// What is wanted of a flow.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// Evidence.
    pub evidence: bool,
    /// The best shot, in any case.
    pub best_shot: bool,
    /// Bytes that a video may have; none: no video.
    pub video: Option<usize>,
    /// As the gestures see it.
    pub mirror_input: bool,
}

/// Something that a flow has seen.
pub(super) enum Seen<'a> {
    /// A subject begins, who may be another one than before.
    Begin,
    /// A gesture is asked for, or none.
    Asked(Option<Arc<Gesture>>),
    /// Colours are shown.
    Colours,
    /// The networks have looked at a frame.
    Analysed(&'a StreamResult),
    /// A picture was taken for the comparison.
    Picture(&'a StreamResult),
    /// A frame was looked at closely.
    Inspected(&'a Inspected, &'a Watch),
}

impl Gathering {
    /// Nothing yet.
    pub fn new(wanted: Wanted) -> Self {
        Self {
            gatherer: wanted.evidence.then(|| Box::new(Gatherer::new(wanted))),
            gathered: None,
            best_shot: (wanted.evidence || wanted.best_shot).then(BestShot::new),
        }
    }

    /// What records the subject's stream, where a video is wanted.
    pub fn tape(&self) -> Option<Tape> {
        self.gatherer.as_ref()?.tape.clone()
    }

    /// The flow is decided: its best shot, which is that of the evidence as well.
    pub fn decide(&mut self) -> Option<Arc<dyn Picture>> {
        self.best_shot.as_mut()?.decide()
    }

    /// Notes what was seen.
    pub fn note(&mut self, seen: Seen<'_>) {
        match (&seen, &mut self.best_shot) {
            (Seen::Begin, Some(best_shot)) => best_shot.begin(),
            (Seen::Inspected(inspected, _), Some(best_shot)) => best_shot.see(inspected),
            _ => {}
        }
        let Some(gatherer) = &mut self.gatherer else { return };
        match seen {
            Seen::Begin => gatherer.begin(),
            Seen::Asked(gesture) => gatherer.asked(gesture),
            Seen::Colours => gatherer.colours(Instant::now()),
            Seen::Analysed(result) => gatherer.analysed(result),
            Seen::Picture(result) => gatherer.picture(result),
            Seen::Inspected(inspected, watch) => gatherer.inspected(inspected, watch.passive_score()),
        }
    }

    /// The call is over: pictures are encoded, elsewhere.
    pub fn finish(&mut self) {
        let best = self.best_shot.take().and_then(|mut best_shot| best_shot.take());
        self.gathered = self.gatherer.take().map(|gatherer| spawn_blocking(move || gatherer.finish(best)));
    }

    /// The flow has ended: hands over what was gathered, if anything was.
    pub async fn keep(self, services: &Services, admission: &Admission) {
        let (Some(keeper), Some(gathered)) = (&services.keeper, self.gathered) else { return };
        let id = admission.id();
        match (gathered.await, admission.status()) {
            (Ok(gathered), Some(status)) => {
                keeper.keep(gathered.record(id.into(), &status, services.engine.info().versions()));
            }
            _ => tracing::error!(flow = %id, "its evidence is lost: a part of the flow failed"),
        }
    }
}

struct Gatherer {
    began: SystemTime,
    accepted: Instant,
    mirror_input: bool,
    /// Looked at before: frames of somebody who has left.
    since: Instant,
    asked: Option<Arc<Gesture>>,
    /// In the order in which they were taken, as those of `GET /flows/{id}`.
    taken: Vec<Taken>,
    tape: Option<Tape>,
    colours: Vec<u64>,
    gestures: Vec<Series>,
    yaw: Series,
    fitness: Series,
    liveness: Series,
}

/// A picture that is kept.
struct Taken {
    picture: Arc<dyn Picture>,
    gesture: Option<String>,
    at_ms: u64,
    scores: Value,
}

/// What was gathered, with pictures as files; waits for the flow's end.
struct Gathered {
    began: SystemTime,
    colours: Vec<u64>,
    pictures: Vec<RecordPicture>,
    signals: Vec<Series>,
    footage: Option<Footage>,
}

impl Gatherer {
    fn new(Wanted { mirror_input, video, .. }: Wanted) -> Self {
        let now = Instant::now();
        Self {
            began: SystemTime::now(),
            accepted: now,
            mirror_input,
            since: now,
            asked: None,
            taken: Vec::new(),
            tape: video.map(Tape::new),
            colours: Vec::new(),
            gestures: Vec::new(),
            yaw: Series::new("head turned", "°", Vec::new()),
            fitness: Series::new("fitness of the picture for matching", "", Vec::new()),
            liveness: Series::new("passive liveness so far", "", Vec::new()),
        }
    }

    fn ms(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.accepted).as_millis() as u64
    }

    fn begin(&mut self) {
        self.since = Instant::now();
        self.taken.clear();
        self.tape.iter().for_each(Tape::forget_earlier);
    }

    fn asked(&mut self, gesture: Option<Arc<Gesture>>) {
        if let Some(gesture) = gesture.as_ref().filter(|_| self.gestures.len() < MOST_GESTURES) {
            let number = self.gestures.len() + 1;
            let name = format!("{number}. {} ({})", gesture.id, gesture.signal.key());
            self.gestures.push(Series::new(name, "", thresholds(gesture)));
        }
        self.asked = gesture.filter(|_| self.gestures.len() <= MOST_GESTURES);
    }

    fn colours(&mut self, at: Instant) {
        self.colours.push(self.ms(at));
    }

    fn analysed(&mut self, result: &StreamResult) {
        let Some(face) = &result.analysis.face else { return };
        let at = self.ms(result.submitted);
        self.yaw.push(at, face.angles().yaw.to_degrees());
        if let (Some(gesture), Some(series)) = (&self.asked, self.gestures.last_mut()) {
            let mirrored = gesture.mirrored_input.unwrap_or(self.mirror_input);
            series.push(at, Signals::of(face, self.mirror_input).get_as(gesture.signal, mirrored));
        }
    }

    fn picture(&mut self, result: &StreamResult) {
        let gesture = self.asked.as_ref().map(|gesture| gesture.id.clone());
        let at_ms = self.ms(result.submitted);
        self.taken.push(Taken { picture: result.picture.clone(), gesture, at_ms, scores: Value::Null });
    }

    fn inspected(&mut self, inspected: &Inspected, liveness: Option<f32>) {
        if inspected.submitted < self.since {
            return;
        }
        let at_ms = self.ms(inspected.submitted);
        if let Some(liveness) = liveness {
            self.liveness.push(at_ms, liveness);
        }
        let Some(appearance) = &inspected.appearance else { return };
        self.fitness.push(at_ms, appearance.ags);
    }

    /// Encodes pictures: not on a thread that serves sockets.
    fn finish(self, best: Option<Best>) -> Gathered {
        let accepted = self.accepted;
        let best = best.map(|best| Taken {
            at_ms: self.ms(best.submitted),
            picture: best.picture,
            gesture: None,
            scores: best.scores,
        });
        let footage = self.tape.and_then(|tape| tape.take()).map(|recording| Footage::Stream { accepted, recording });
        let taken = best.into_iter().map(|best| (Role::BestShot, best));
        let taken = taken.chain(self.taken.into_iter().map(|taken| (Role::Gesture, taken)));
        let pictures = taken.filter_map(|(role, Taken { picture, gesture, at_ms, scores })| {
            let encoded = jpeg(picture.view()).inspect_err(|e| tracing::warn!("a picture cannot be kept: {e}"));
            Some(RecordPicture { role, gesture, at_ms, scores, file: encoded.ok()? })
        });
        let pictures = pictures.collect();
        let all = [self.yaw, self.fitness, self.liveness];
        let signals = self.gestures.into_iter().chain(all).filter(|series| !series.points.is_empty()).collect();
        Gathered { began: self.began, colours: self.colours, pictures, signals, footage }
    }
}

impl Gathered {
    /// The record of a flow that has ended as `status` says.
    fn record(self, id: EvidenceId, status: &FlowStatus, models: BTreeMap<String, String>) -> Record {
        let gestures = status.timings.gestures.iter().map(|gesture| Step {
            name: gesture.gesture.clone(),
            asked_ms: gesture.asked_ms,
            completed_ms: gesture.completed_ms,
        });
        let colours =
            self.colours.into_iter().map(|asked_ms| Step { name: "colours".to_owned(), asked_ms, completed_ms: None });
        let mut challenge: Vec<_> = gestures.chain(colours).collect();
        challenge.sort_by_key(|step| step.asked_ms);
        let mut pictures = self.pictures;
        let compared = pictures.iter_mut().filter(|picture| picture.role == Role::Gesture);
        for (picture, status) in compared.zip(&status.pictures) {
            picture.scores = told(status);
        }
        Record {
            id,
            door: Door::Call,
            is_ok: status.outcome == Some("verified"),
            outcome: status.outcome.unwrap_or_default().to_owned(),
            reason: status.reason.map(|reason| reason.as_str().to_owned()),
            errors: Vec::new(),
            began: self.began,
            ended: SystemTime::now(),
            challenge,
            timings: told(&status.timings),
            checks: told(&status.checks),
            models,
            pictures,
            signals: self.signals,
            footage: self.footage,
        }
    }
}

/// What the signal has to reach, step by step; steps that want the same share a line.
fn thresholds(gesture: &Gesture) -> Vec<Threshold> {
    let mut thresholds: Vec<Threshold> = Vec::new();
    for (index, step) in gesture.steps.iter().enumerate() {
        let values = match step.condition {
            Condition::Higher(value) => vec![("above", value)],
            Condition::Lower(value) => vec![("below", value)],
            Condition::Range { min, max, .. } => vec![("at least", min), ("at most", max)],
        };
        for (how, value) in values {
            let (name, value) = (format!("step {}: {how} {value}", index + 1), value as f32);
            match thresholds.iter_mut().find(|threshold| threshold.value == value) {
                Some(same) => same.name = format!("{}; {name}", same.name),
                None => thresholds.push(Threshold { name, value }),
            }
        }
    }
    thresholds
}

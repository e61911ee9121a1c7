//! What reviewers may see of a session ([`crate::evidence`]), where the configuration says that it is kept. No plug-in of LUNA
//! PASS.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Ended, Ending, Plugin, Seen, Shared, Word};
use crate::evidence::{Door, Flipbook, Footage, Keeper, Record, RecordPicture, Role, Series, Step, Threshold};
use crate::frame_door::protocol::SessionId;
use crate::frame_door::settings::reader::Reader;
use crate::json::told;

/// What is asked for under a code, in the names of the interactions.
const ACTIONS: [(u16, &str); 6] =
    [(62, "blink"), (64, "yaw_right"), (65, "yaw_left"), (67, "pitch_up"), (68, "pitch_down"), (102, "mouth")];

/// It has no section of its own: it takes part where the service keeps evidence.
#[derive(Debug)]
pub struct Settings;

impl super::Configured for Settings {
    fn read(_: &mut Reader) -> Option<Self> {
        Some(Self)
    }

    fn open(&self, shared: &Shared) -> super::Opening {
        let Some(keeper) = shared.keeper.clone() else { return Ok(None) };
        let shared = shared.clone();
        Ok(Some(Box::new(move |session: SessionId| Evidence::new(keeper.clone(), session, &shared))))
    }
}

/// The plug-in.
pub struct Evidence {
    keeper: Keeper,
    session: SessionId,
    models: BTreeMap<String, String>,
    began: SystemTime,
    /// Frames, and those that came as far as liveness.
    frames: (u64, u64),
    best_shot: Option<Kept>,
    actions: Vec<(&'static str, Kept)>,
    challenge: Vec<Step>,
    /// The code of the action that is asked for.
    asked: Option<u16>,
    liveness: Series,
    ags: Series,
    yaw: Series,
    pitch: Series,
    /// None where no video is kept.
    flipbook: Option<Flipbook>,
}

/// A frame as it came, and what was measured of it.
struct Kept {
    file: Bytes,
    at: Duration,
    scores: Value,
}

impl Kept {
    fn new(seen: &Seen<'_>) -> Self {
        Self { file: seen.file.clone(), at: seen.since_begin, scores: told(&seen.status.details) }
    }

    fn into_picture(self, role: Role, gesture: Option<&str>) -> RecordPicture {
        let Self { file, at, scores } = self;
        RecordPicture {
            role,
            gesture: gesture.map(ToOwned::to_owned),
            at_ms: milliseconds(at),
            scores,
            file: file.into(),
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Evidence {
    /// Nothing seen yet.
    pub fn new(keeper: Keeper, session: SessionId, shared: &Shared) -> Self {
        let limits = &shared.thresholds;
        let at = |name: &str, value: f32| vec![Threshold { name: name.to_owned(), value }];
        Self {
            flipbook: keeper.video().map(Flipbook::new),
            keeper,
            session,
            models: shared.engine.info().versions(),
            began: SystemTime::now(),
            frames: (0, 0),
            best_shot: None,
            actions: Vec::new(),
            challenge: Vec::new(),
            asked: None,
            liveness: Series::new("liveness", "", at("livenessScore", limits.liveness_score)),
            ags: Series::new("ags", "", at("ags", limits.ags)),
            yaw: Series::new("yaw", "°", at("yaw", limits.yaw)),
            pitch: Series::new("pitch", "°", at("pitch", limits.pitch)),
        }
    }

    /// Notes what is asked for, and keeps the frame in which it was done.
    fn follow(&mut self, seen: &Seen<'_>, word: &Word) {
        let now = match word {
            Word::Wait(errors) => errors.first().copied(),
            Word::Content | Word::Refuse(_) => None,
        };
        let name = |code: u16| ACTIONS.iter().find(|(action, _)| *action == code).map(|(_, name)| *name);
        let at_ms = milliseconds(seen.since_begin);
        // prompts that are interrupted by what is in the way are still asked for
        let goes_on = self.asked == now || now.is_some_and(|code| code < 37 && code != 32 && code != 33);
        if let Some(done) = self.asked.filter(|_| !goes_on).and_then(name) {
            if let Some(step) = self.challenge.last_mut() {
                step.completed_ms = Some(at_ms);
            }
            self.actions.push((done, Kept::new(seen)));
            self.asked = None;
        }
        if let Some((code, name)) =
            now.and_then(|code| Some((code, name(code)?))).filter(|(code, _)| self.asked != Some(*code))
        {
            self.challenge.push(Step { name: name.to_owned(), asked_ms: at_ms, completed_ms: None });
            self.asked = Some(code);
        }
    }
}

impl Plugin for Evidence {
    fn frame(&mut self, seen: &Seen<'_>, so_far: Word) -> Word {
        let (details, at_ms) = (&seen.status.details, milliseconds(seen.since_begin));
        self.frames.0 += 1;
        self.flipbook.iter_mut().for_each(|flipbook| flipbook.push(seen.since_begin, seen.file.clone()));
        self.frames.1 += u64::from(details.liveness.is_some());
        details.liveness.iter().for_each(|liveness| self.liveness.push(at_ms, liveness.score));
        details.ags.iter().for_each(|ags| self.ags.push(at_ms, *ags));
        if let Some(face) = seen.face {
            let angles = face.angles();
            self.yaw.push(at_ms, angles.yaw.to_degrees());
            self.pitch.push(at_ms, angles.pitch.to_degrees());
        }
        let is_best = seen.best_shot.is_some_and(|best| best.as_ptr() == seen.file.as_ptr());
        // where nobody keeps the best one, the one that decides is it
        if is_best || so_far == Word::Content && seen.best_shot.is_none() {
            self.best_shot = Some(Kept::new(seen));
        }
        self.follow(seen, &so_far);
        so_far
    }

    fn ended(&mut self, ended: &Ended<'_>) {
        let Ok(id) = self.session.to_string().parse() else { return };
        let is_ok = ended.ending == Ending::Result(true);
        let best = self.best_shot.take().map(|kept| kept.into_picture(Role::BestShot, None));
        let actions = self.actions.drain(..).map(|(name, kept)| kept.into_picture(Role::Gesture, Some(name)));
        let take = |series: &mut Series| std::mem::replace(series, Series::new("", "", Vec::new()));
        self.keeper.keep(Record {
            id,
            door: Door::Frame,
            is_ok,
            outcome: match ended.ending {
                Ending::Result(true) => "verified".into(),
                Ending::Result(false) => "rejected".into(),
                Ending::Left => "failed".into(),
            },
            reason: None,
            errors: ended.errors.to_vec(),
            began: self.began,
            ended: SystemTime::now(),
            challenge: std::mem::take(&mut self.challenge),
            timings: json!({ "frames": self.frames.0, "frames_to_liveness": self.frames.1 }),
            checks: ended.checks.clone(),
            models: std::mem::take(&mut self.models),
            pictures: best.into_iter().chain(actions).collect(),
            signals: [&mut self.liveness, &mut self.ags, &mut self.yaw, &mut self.pitch].map(take).into(),
            footage: self.flipbook.take().map(Footage::Pictures),
        });
    }
}

//! One session: frames in, answers out, and at last a result. Knows nothing of sockets; called from threads that may wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use base64::Engine as _;
use bytes::Bytes;
use serde_json::{Value, json};
use vision_core::liveness::frame_checks::{Details, FrameStatus};

use super::FrameDoor;
use super::judge::{Judge, JudgeError, Judged};
use super::plugins::{Ended, Ending, Failure, Plugin, Seen, Word};
use super::protocol::SessionId;
use crate::json::told;
use crate::signing::SignError;
use crate::token::Claims;

/// 104: the time of a session is over. LUNA PASS has no such code that is known.
pub const TIME_OVER: u16 = 104;

/// A session between two frames.
pub struct Session {
    id: SessionId,
    door: Arc<FrameDoor>,
    judge: Judge,
    plugins: Vec<Box<dyn Plugin>>,
    began: Instant,
    frames: u64,
    /// Frames that came as far as liveness.
    liveness_frames: u64,
    best_shot: Option<Bytes>,
    /// Scores of the newest frame.
    details: Details,
    /// It is over.
    outcome: Option<Outcome>,
    has_ended: bool,
}

/// What there is to say after a frame.
pub struct Answer {
    /// `isOk`, `errors`, `details` of the frame, as the plug-ins left them.
    pub errors: Vec<u16>,
    /// Scores.
    pub details: Details,
    /// The session is over.
    pub outcome: Option<Outcome>,
}

/// The result of a session.
#[derive(Clone)]
pub struct Outcome {
    /// The person is live.
    pub is_ok: bool,
    /// What is wrong.
    pub errors: Vec<u16>,
    /// Signed, for the controller.
    pub jwt: String,
}

/// Why a frame has no answer.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It could not be looked at.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// The result could not be signed.
    #[error("the result cannot be signed: {0}")]
    Sign(#[from] SignError),
}

impl Session {
    /// A new one.
    ///
    /// # Errors
    /// [`Failure`] of a plug-in.
    pub fn begin(door: Arc<FrameDoor>, id: SessionId) -> Result<Self, Failure> {
        let plugins = door.plugins.iter().map(|plugin| plugin.begin(id)).collect::<Result<_, _>>()?;
        let judge = Judge::new(door.shared.engine.clone(), door.shared.thresholds.clone(), door.limits.pictures());
        Ok(Self {
            id,
            door,
            judge,
            plugins,
            began: Instant::now(),
            frames: 0,
            liveness_frames: 0,
            best_shot: None,
            details: Details::default(),
            outcome: None,
            has_ended: false,
        })
    }

    /// Its name.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Its result, if it is over: for a client who did not hear of it.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// The number of frames that were looked at.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Looks at a frame. Blocks until the networks, and what plug-ins ask elsewhere, have answered. `turn` is dropped in
    /// between, so that nobody waits for what is elsewhere but this session.
    ///
    /// # Errors
    /// [`FrameError`]; the session goes on.
    pub fn frame<T>(&mut self, file: Bytes, arrived: Instant, turn: T) -> Result<Answer, FrameError> {
        let Judged { status, picture, face } = self.judge.judge(&file)?;
        drop(turn);
        self.frames += 1;
        self.liveness_frames += u64::from(status.details.liveness.is_some());
        let seen = Seen {
            number: self.frames,
            file: &file,
            picture: &picture,
            status: &status,
            face: face.as_ref(),
            best_shot: self.best_shot.as_ref(),
            arrived,
            since_begin: arrived.saturating_duration_since(self.began),
        };
        let (word, best_shot) = ask(&mut self.plugins, seen);
        self.best_shot = best_shot.or(self.best_shot.take());
        self.details = status.details.clone();
        let is_last = match word {
            Word::Content | Word::Refuse(_) => true,
            Word::Wait(_) => self.is_at_a_limit(),
        };
        let outcome = is_last.then(|| self.finish(&word, &status, Some(&file))).transpose()?;
        Ok(Answer { errors: word.errors(), details: status.details, outcome })
    }

    fn is_at_a_limit(&self) -> bool {
        let exceeds = |count: u64, limit: Option<u32>| limit.is_some_and(|limit| count > u64::from(limit));
        exceeds(self.frames, self.door.max_attempts) || exceeds(self.liveness_frames, self.door.max_liveness_attempts)
    }

    /// Ends it without waiting for more frames, because its time is over.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn time_over(&mut self) -> Result<Outcome, SignError> {
        let status = FrameStatus { is_ok: false, errors: Vec::new(), details: self.details.clone() };
        self.finish(&Word::Refuse(TIME_OVER), &status, None)
    }

    /// The client has gone for good.
    pub fn left(mut self) {
        let checks = self.checks();
        self.tell_all(Ending::Left, &[], None, &checks);
    }

    fn tell_all(&mut self, ending: Ending, errors: &[u16], decisive: Option<&Bytes>, checks: &Value) {
        if !std::mem::replace(&mut self.has_ended, true) {
            let best_shot = self.best_shot.as_ref().or(decisive);
            for plugin in &mut self.plugins {
                plugin.ended(&Ended { ending, errors, best_shot, checks });
            }
        }
    }

    fn checks(&self) -> Value {
        let findings = self.plugins.iter().filter_map(|plugin| plugin.finding());
        let all = findings.chain([("passiveLiveness", json!(self.judge.passive()))]);
        told(all.collect::<BTreeMap<_, _>>())
    }

    /// `file`: the deciding frame; it is the best shot of a success where no plug-in kept a better one.
    fn finish(&mut self, word: &Word, status: &FrameStatus, file: Option<&Bytes>) -> Result<Outcome, SignError> {
        let is_ok = *word == Word::Content;
        let decisive = file.filter(|_| is_ok);
        let best_shot = self.best_shot.as_ref().or(decisive);
        let (errors, checks) = (word.errors(), self.checks());
        let claims = Claims {
            is_ok,
            errors: errors.clone(),
            details: told(&status.details),
            bestshot: best_shot.map(|file| base64::engine::general_purpose::STANDARD.encode(file)),
            // filled in by whoever signs
            iat: 0,
            exp: 0,
            jti: String::new(),
            aud: None,
            sid: self.id.to_string(),
            models: self.door.shared.engine.info().versions(),
            checks: checks.clone(),
        };
        let jwt = self.door.signing.token(claims, SystemTime::now())?;
        tracing::info!(session = ?self.id, is_ok, ?errors, frames = self.frames, "a session is decided");
        self.tell_all(Ending::Result(is_ok), &errors, decisive, &checks);
        Ok(self.outcome.insert(Outcome { is_ok, errors, jwt }).clone())
    }
}

/// All plug-ins in order; the last word, and the best shot if one of them keeps it.
fn ask(plugins: &mut [Box<dyn Plugin>], seen: Seen<'_>) -> (Word, Option<Bytes>) {
    let mut word = Word::of(seen.status);
    let mut best = seen.best_shot.cloned();
    for plugin in plugins {
        word = plugin.frame(&Seen { best_shot: best.as_ref(), ..seen }, word);
        if let Some(shot) = plugin.best_shot() {
            best = Some(shot.clone());
        }
    }
    (word, best)
}

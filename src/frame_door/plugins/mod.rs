//! What a session is made of besides the frame checks: one file per plug-in of LUNA PASS, behind one trait.
//!
//! Every frame that was looked at goes through all of them, in this order. Each hears what the ones before it said, and
//! says what the next one hears.
//!
//! | file | plug-in | what |
//! |---|---|---|
//! | [`basic_auth`] | `BasicAuth` | who may begin a session; asked before the session begins |
//! | [`file_logger`] | `FileLogger` | pictures and scores as files |
//! | [`bestshot`] | `Bestshot` | keeps the best frame |
//! | [`descriptor_quality`] | `Luna3DescriptorQualityCheck` | asks another system how good it is |
//! | [`aggregate_liveness`] | `AggregateLiveness` | liveness over several frames |
//! | [`active_liveness`] | `ActiveLiveness` | the subject has something to do |
//! | [`face_matcher`] | `FaceMatcher` | the same person in all frames (of LUNA PASS 1.9; on by default) |
//! | [`result`] | `Result` | ends the session when nobody has anything against it |
//! | [`video_redis`] | `VideoRedis` | hands frames to those who make videos |
//! | [`evidence`] | | what reviewers may see, where evidence is kept |
//!
//! A new plug-in is a file with a [`Plugin`] in it, a row in [`begin`], and its settings.

pub mod active_liveness;
pub mod aggregate_liveness;
pub mod basic_auth;
pub mod bestshot;
pub mod descriptor_quality;
pub mod evidence;
pub mod face_matcher;
pub mod file_logger;
pub mod result;
#[cfg(test)]
mod testing;
pub mod video_redis;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use vision_core::face::Face;
use vision_core::liveness::frame_checks::{Code, FrameStatus, Thresholds};
use vision_core::liveness::interactions;
use vision_core::picture::Picture;
use vision_models::engine::Engine;

use super::protocol::SessionId;
use super::settings::Plugins;
use crate::evidence::Keeper;
use crate::session_video::recorder::Recorder;

/// 37: all is well, go on.
pub const CONTINUE: u16 = 37;

/// A frame that was looked at.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// Its number in the session, from 1.
    pub number: u64,
    /// As it came: JPEG, PNG or WebP.
    pub file: &'a Bytes,
    /// The same as pixels.
    pub picture: &'a Arc<dyn Picture>,
    /// What the frame checks found.
    pub status: &'a FrameStatus,
    /// The face that they looked at; none where there is none, or not one alone.
    pub face: Option<&'a Face>,
    /// The best frame of the session so far, from the plug-in before that keeps it.
    pub best_shot: Option<&'a Bytes>,
    /// When it came.
    pub arrived: Instant,
    /// The same, since the session's first message.
    pub since_begin: Duration,
}

/// What there is to say of the session after a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Nothing stands against its success.
    Content,
    /// Not yet; what the subject is told, as codes.
    Wait(Vec<u16>),
    /// It has failed, for the reason of this code.
    Refuse(u16),
}

impl Word {
    /// What the frame checks say.
    pub fn of(status: &FrameStatus) -> Self {
        match status.is_ok {
            true => Self::Content,
            false => Self::Wait(status.errors.iter().map(|code| code.number()).collect()),
        }
    }

    /// Whether all that is wrong is among these.
    pub fn is_only(&self, codes: &[Code]) -> bool {
        match self {
            Self::Content => true,
            Self::Wait(errors) => errors.iter().all(|error| codes.iter().any(|code| code.number() == *error)),
            Self::Refuse(_) => false,
        }
    }

    /// As in an answer's `errors`.
    pub fn errors(&self) -> Vec<u16> {
        match self {
            Self::Content => Vec::new(),
            Self::Wait(errors) => errors.clone(),
            Self::Refuse(code) => vec![*code],
        }
    }
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a result; whether it is a success.
    Result(bool),
    /// The client went away and did not come back, or said goodbye.
    Left,
}

/// The end of a session.
pub struct Ended<'a> {
    /// How it ended.
    pub ending: Ending,
    /// What was wrong at last, as codes.
    pub errors: &'a [u16],
    /// The best frame, if there is one to show for it.
    pub best_shot: Option<&'a Bytes>,
    /// What the plug-ins and passive liveness found.
    pub checks: &'a Value,
}

/// Takes part in one session. Called from a thread that may wait.
pub trait Plugin: Send {
    /// A frame, and what those before say of the session after it.
    fn frame(&mut self, seen: &Seen<'_>, so_far: Word) -> Word;

    /// The best frame so far, from the one who keeps it.
    fn best_shot(&self) -> Option<&Bytes> {
        None
    }

    /// Name and content of an entry in the result's `checks`.
    fn finding(&self) -> Option<(&'static str, Value)> {
        None
    }

    /// The session is over.
    fn ended(&mut self, _ended: &Ended<'_>) {}
}

/// What plug-ins of all sessions share.
pub struct Shared {
    /// As configured.
    pub settings: Plugins,
    /// As configured.
    pub thresholds: Thresholds,
    /// The networks.
    pub engine: Arc<Engine>,
    /// The client of `Luna3DescriptorQualityCheck`, where it is enabled.
    pub descriptor_quality: Option<descriptor_quality::Client>,
    /// What `VideoRedis` writes to, where it is enabled.
    pub recorder: Option<Recorder>,
    /// Who keeps evidence, where it is kept.
    pub keeper: Option<Keeper>,
}

/// Why a session cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The operating system has no randomness.
    #[error("the operating system has no randomness: {0}")]
    Random(#[from] getrandom::Error),
    /// Interactions that cannot be drawn.
    #[error("ActiveLiveness: {0}")]
    Interactions(#[from] interactions::SettingsError),
}

/// The enabled plug-ins for a new session, in order.
///
/// # Errors
/// [`BeginError`].
pub fn begin(shared: &Shared, session: SessionId) -> Result<Vec<Box<dyn Plugin>>, BeginError> {
    let settings = &shared.settings;
    let mut plugins: Vec<Box<dyn Plugin>> = Vec::new();
    let mut add = |plugin: Option<Box<dyn Plugin>>| plugins.extend(plugin);
    add(settings.file_logger.as_ref().map(|path| Box::new(file_logger::FileLogger::new(path, session)) as _));
    add(settings.bestshot.then(|| Box::new(bestshot::Bestshot::new(&shared.thresholds)) as _));
    let quality = shared.descriptor_quality.clone().map(descriptor_quality::DescriptorQualityCheck::new);
    add(quality.map(|plugin| Box::new(plugin) as _));
    let aggregate =
        settings.aggregate_liveness.map(|count| aggregate_liveness::AggregateLiveness::new(count, &shared.thresholds));
    add(aggregate.map(|plugin| Box::new(plugin) as _));
    if let Some(interactions) = &settings.active_liveness {
        add(Some(Box::new(active_liveness::ActiveLiveness::draw(interactions.clone())?)));
    }
    let face_matcher = settings.face_matcher.then(|| face_matcher::FaceMatcher::new(shared.engine.clone())).flatten();
    add(face_matcher.map(|plugin| Box::new(plugin) as _));
    add(Some(Box::new(result::Result { is_enabled: settings.result })));
    let video = shared.recorder.clone().map(|recorder| video_redis::VideoRedis::new(recorder, session));
    add(video.map(|plugin| Box::new(plugin) as _));
    let evidence = shared.keeper.clone().map(|keeper| evidence::Evidence::new(keeper, session, shared));
    add(evidence.map(|plugin| Box::new(plugin) as _));
    Ok(plugins)
}

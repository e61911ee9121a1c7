//! What a session is made of besides the frame checks: one file per plug-in of LUNA PASS, behind one trait.
//!
//! Every frame that was looked at goes through those that are enabled, in the order of [`ALL`]. Each hears what the ones
//! before it said, and says what the next one hears. Here is what plug-ins see and say; `setup` has their way from the
//! settings into a session.
//!
//! A new plug-in is a file, its `mod` line and its row in [`ALL`]; nothing else knows it. The file has three things:
//!
//! * `Settings`, its section of the settings, as [`Configured`]: how it is read, and what opens with the door;
//! * what opens, as [`Opened`]: for most a closure that makes the plug-in of a session;
//! * the [`Plugin`], which sees the frames of one session.
//!
//! [`basic_auth`] is asked before there is a session and is none of them.

// Not `pub` without need: the compiler then warns of a file that has no row.

pub(crate) mod active_liveness;
pub(crate) mod aggregate_liveness;
pub mod basic_auth;
pub(crate) mod bestshot;
pub(crate) mod descriptor_quality;
pub(crate) mod evidence;
pub(crate) mod face_matcher;
pub(crate) mod file_logger;
pub(crate) mod result;
mod setup;
#[cfg(test)]
mod testing;
pub mod video_redis;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use vision_core::face::Face;
use vision_core::liveness::frame_checks::{Code, FrameStatus};
use vision_core::picture::Picture;

pub use self::setup::{Configured, Failure, Opened, Opening, Read, Shared, read};

/// All plug-ins, in the order in which frames go through them.
pub const ALL: &[Read] = &[
    read::<file_logger::Settings>,
    read::<bestshot::Settings>,
    read::<descriptor_quality::Settings>,
    read::<aggregate_liveness::Settings>,
    read::<active_liveness::Settings>,
    read::<face_matcher::Settings>,
    read::<result::Settings>,
    read::<video_redis::Settings>,
    read::<evidence::Settings>,
];

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

//! What the state machine takes in and what it asks for: states, events, actions, scenes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vision_core::face::FrameAnalysis;
use vision_core::gestures::Gesture;
use vision_core::liveness::{Check, Verdict};
use vision_core::position::Warning;

use crate::flow::outcome::{Outcome, Reason};

/// Where a flow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The room is being joined.
    Joining,
    /// In the room; nobody sends video yet.
    WaitingForSubject,
    /// The subject's video arrives; "starting" is shown.
    Starting,
    /// A gesture is asked for; counts from 0.
    Challenge(usize),
    /// The subject left; they may come back.
    Rejoining,
    /// The subject is back; if they are the same person, the challenge goes on with this gesture.
    Resuming(usize),
    /// The screen shows colours, and their reflection on the face is looked for.
    Colours,
    /// The challenge is done; references are fetched and compared.
    Matching,
    /// Decided: the result is shown, the controller is told.
    Reporting,
    /// The room is being left; the controller may still have to be told.
    Leaving,
    /// Over.
    Ended,
}

impl State {
    /// The name in `GET /flows/{id}`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::WaitingForSubject => "waiting_for_subject",
            Self::Starting => "starting",
            Self::Challenge(_) => "challenge",
            Self::Rejoining => "rejoining",
            Self::Resuming(_) => "resuming",
            Self::Colours => "colours",
            Self::Matching => "matching",
            Self::Reporting => "reporting",
            Self::Leaving => "leaving",
            Self::Ended => "ended",
        }
    }

    pub(super) fn is_decided(self) -> bool {
        matches!(self, Self::Reporting | Self::Leaving | Self::Ended)
    }

    /// Whether the subject's video is looked at.
    pub(super) fn is_with_subject(self) -> bool {
        matches!(self, Self::Starting | Self::Resuming(_) | Self::Challenge(_) | Self::Colours)
    }
}

/// What happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The service is in the room.
    RoomJoined,
    /// The room could not be joined.
    RoomUnreachable,
    /// The way to the room broke; it is looked for.
    RoomLost,
    /// The service is in the room again.
    RoomBack,
    /// The room ended the call.
    RoomClosed,
    /// The subject's first video arrived, for the first time or again.
    MediaStarted,
    /// The subject left, or their connection broke; they may come back.
    SubjectLeft,
    /// The networks looked at a frame.
    Analysed(&'a FrameAnalysis),
    /// What the subject should know about the picture beside where their face is; stays until the next.
    Noticed(Option<Warning>),
    /// A liveness check has failed.
    Suspected(Check),
    /// Whether the subject who is back is the same person.
    Confirmed(bool),
    /// The colours have been shown, and this was seen of them.
    ColoursSeen(Verdict),
    /// References were fetched and compared: the same person, another one, or no answer.
    Matched(Result<bool, Reason>),
    /// The report is settled: delivered, or given up.
    Reported,
    /// The room is left.
    Left,
    /// The service is asked to stop.
    Shutdown,
    /// A part of the service failed.
    Fault,
    /// Time passed: [`Machine::next_deadline`](super::Machine::next_deadline).
    Tick,
}

/// What is to be done. The machine never waits: every action is answered by an event, or by none.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Show this to the subject.
    Show(Scene),
    /// Keep the picture of the frame just analysed, for the comparison.
    TakePicture,
    /// A subject begins, who may be another one than before: forget the pictures taken and whose face it was.
    Begin,
    /// Find out whether the subject is the same as before; answered by [`Event::Confirmed`].
    Confirm,
    /// Show colours that were not shown before; answered by [`Event::ColoursSeen`].
    FlashColours,
    /// Fetch the references and compare; answered by [`Event::Matched`].
    Match,
    /// Tell the controller; answered by [`Event::Reported`].
    Report(Outcome),
    /// Leave the room; answered by [`Event::Left`].
    Leave,
    /// The flow is over.
    End,
}

/// What the subject is shown, without words.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// The main message.
    pub stage: Stage,
    /// A hint besides.
    pub warning: Option<Warning>,
}

/// The main message.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Nothing to see yet.
    Waiting,
    /// It is about to begin.
    Starting,
    /// A gesture is asked for.
    Gesture {
        /// Which.
        gesture: Arc<Gesture>,
        /// Counts from 0.
        index: usize,
        /// Gestures in all.
        total: usize,
        /// When its time is over.
        ends: Instant,
        /// Its whole time.
        limit: Duration,
    },
    /// The screen flashes colours.
    Colours,
    /// The comparison runs.
    Checking,
    /// Decided.
    Decided(Outcome),
}

/// A gesture of a challenge.
#[derive(Clone)]
pub struct Drawn {
    /// Which.
    pub gesture: Arc<Gesture>,
    /// Decides which step takes its picture, where the gesture leaves that to chance.
    pub random: u64,
}

/// Draws a challenge: one to many gestures, in order.
pub type Draw = Box<dyn FnMut() -> Vec<Drawn> + Send>;

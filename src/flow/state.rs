//! The flow as a pure state machine: `(Event, Instant) -> Vec<Action>`.
//!
//! ```text
//! Joining -> WaitingForSubject -> Starting -> Challenge(1..n) -> Matching -> Reporting -> Leaving -> Ended
//!                 ^                   |            |
//!                 +---- Rejoining <---+------------+      every state before Reporting can decide "not verified"
//! ```
//!
//! The state moves forward only, with one exception: a subject who leaves and comes back starts again with a new
//! challenge. Exactly one outcome is decided, exactly one [`Action::Report`] is asked for, and [`Action::End`] comes when
//! the report is settled and the room is left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vision_core::face::FrameAnalysis;
use vision_core::gestures::{Gesture, GestureRun, Signals};
use vision_core::position::{PositionLimits, Warning};

use super::attention::Need;
use super::outcome::{Outcome, Reason};
use super::timeline::Timeline;
use crate::config::CheckMode;

/// Limits and thresholds; see the settings of the same names.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Settings {
    pub time_limit: Duration,
    pub starting: Duration,
    pub result_shown: Duration,
    pub rejoin_limit: Duration,
    pub media_stall_limit: Duration,
    pub face_lost_after: Duration,
    pub several_faces: CheckMode,
    pub several_faces_limit: Duration,
    pub position: PositionLimits,
    pub mirror_input: bool,
}

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
            Self::Matching => "matching",
            Self::Reporting => "reporting",
            Self::Leaving => "leaving",
            Self::Ended => "ended",
        }
    }

    fn is_decided(self) -> bool {
        matches!(self, Self::Reporting | Self::Leaving | Self::Ended)
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
    /// Time passed: [`Machine::next_deadline`].
    Tick,
}

/// What is to be done. The machine never waits: every action is answered by an event, or by none.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Show this to the subject.
    Show(Scene),
    /// Keep the picture of the frame just analysed, for the comparison.
    TakePicture,
    /// Forget the pictures taken.
    DropPictures,
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

/// One verification.
pub struct Machine {
    settings: Settings,
    state: State,
    draw: Draw,
    challenge: Vec<Drawn>,
    run: Option<GestureRun>,
    /// When the present state has to be left: the end of "starting", of a gesture, of the wait for a rejoin...
    until: Option<Instant>,
    deadline: Instant,
    /// Last sign of life of the subject's video; none while nobody sends.
    media_seen: Option<Instant>,
    face_seen: Option<Instant>,
    several_since: Option<Instant>,
    /// The room is being looked for.
    room_lost: bool,
    warning: Option<Warning>,
    pictures: usize,
    outcome: Option<Outcome>,
    reported: bool,
    left: bool,
    timeline: Timeline,
}

impl Machine {
    /// A flow accepted at `now`; the room is being joined.
    pub fn new(settings: Settings, draw: Draw, now: Instant) -> Self {
        let deadline = now + settings.time_limit;
        Self {
            settings,
            state: State::Joining,
            draw,
            challenge: Vec::new(),
            run: None,
            until: None,
            deadline,
            media_seen: None,
            face_seen: None,
            several_since: None,
            room_lost: false,
            warning: None,
            pictures: 0,
            outcome: None,
            reported: false,
            left: false,
            timeline: Timeline::new(now),
        }
    }

    /// Where the flow stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// The outcome, once decided; it never changes.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// What happened when.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// What followed the last completed gesture was on the subject's screen this long after it.
    pub fn reacted(&mut self, after: Duration) {
        self.timeline.reacted(after);
    }

    /// The time by which the outcome is decided at the latest.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The gesture now asked for, with its index and how many there are.
    pub fn gesture(&self) -> Option<(&str, usize, usize)> {
        let State::Challenge(index) = self.state else { return None };
        Some((&self.challenge.get(index)?.gesture.id, index, self.challenge.len()))
    }

    /// What has to be known of the subject's frames now.
    pub fn need(&self) -> Need {
        match self.state {
            _ if self.media_seen.is_none() => Need::Nothing,
            State::Starting => Need::Presence,
            State::Challenge(_) => Need::Gesture,
            _ => Need::Nothing,
        }
    }

    /// When to send [`Event::Tick`], if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Instant> {
        let overall = (!self.state.is_decided()).then_some(self.deadline);
        [overall, self.until, self.media_stalls_at(), self.several_faces_at()].into_iter().flatten().min()
    }

    /// Takes an event in; what comes back is to be done, in order.
    pub fn handle(&mut self, event: Event<'_>, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        self.pass_time(now, &mut actions);
        if self.state.is_decided() {
            self.handle_decided(event, now, &mut actions);
        } else {
            self.handle_undecided(event, now, &mut actions);
        }
        actions
    }

    fn handle_undecided(&mut self, event: Event<'_>, now: Instant, actions: &mut Vec<Action>) {
        match event {
            Event::RoomJoined => {
                if self.state == State::Joining {
                    self.timeline.joined(now);
                    self.state = State::WaitingForSubject;
                    self.show(actions);
                }
            }
            Event::RoomLost => self.room_lost(actions),
            Event::RoomBack => self.room_back(now),
            Event::RoomUnreachable => self.decide(Outcome::NotVerified(Reason::RoomUnreachable), now, actions),
            Event::RoomClosed => self.decide(Outcome::NotVerified(Reason::RoomClosed), now, actions),
            Event::Shutdown => self.decide(Outcome::NotVerified(Reason::Shutdown), now, actions),
            Event::Fault => self.decide(Outcome::NotVerified(Reason::Internal), now, actions),
            Event::MediaStarted => self.media_started(now, actions),
            Event::SubjectLeft => self.subject_left(now, actions),
            Event::Analysed(analysis) => self.analysed(analysis, now, actions),
            Event::Matched(result) => {
                if self.state == State::Matching {
                    let outcome = match result {
                        Ok(true) => Outcome::Verified,
                        Ok(false) => Outcome::NotVerified(Reason::NoMatch),
                        Err(reason) => Outcome::NotVerified(reason),
                    };
                    self.decide(outcome, now, actions);
                }
            }
            Event::Reported | Event::Left | Event::Tick => {}
        }
    }

    fn handle_decided(&mut self, event: Event<'_>, now: Instant, actions: &mut Vec<Action>) {
        match event {
            Event::Reported if !self.reported => {
                self.reported = true;
                self.timeline.reported(now);
            }
            Event::Left => {
                self.left = true;
                self.leave(actions);
            }
            // Nobody is there to read the result any more.
            Event::RoomLost | Event::RoomClosed | Event::SubjectLeft | Event::Shutdown | Event::Fault => {
                self.leave(actions);
            }
            _ => {}
        }
        if self.reported && self.left && self.state != State::Ended {
            self.state = State::Ended;
            self.until = None;
            self.timeline.ended(now);
            actions.push(Action::End);
        }
    }

    /// Whatever is due because time has passed.
    fn pass_time(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if !self.state.is_decided() && now >= self.deadline {
            let reason = match self.state {
                State::Joining => Reason::RoomUnreachable,
                State::WaitingForSubject | State::Rejoining if self.room_lost => Reason::RoomClosed,
                State::WaitingForSubject => Reason::SubjectAbsent,
                State::Rejoining => Reason::SubjectLeft,
                _ => Reason::Deadline,
            };
            return self.decide(Outcome::NotVerified(reason), now, actions);
        }
        if self.media_stalls_at().is_some_and(|at| now >= at) {
            return self.decide(Outcome::NotVerified(Reason::MediaLost), now, actions);
        }
        if self.several_faces_at().is_some_and(|at| now >= at) {
            return self.decide(Outcome::NotVerified(Reason::SeveralFaces), now, actions);
        }
        if self.until.is_some_and(|until| now >= until) {
            self.until = None;
            match self.state {
                State::Starting => self.ask(0, now, actions),
                State::Challenge(_) => {
                    let is_gone = |seen: Option<Instant>| {
                        seen.is_none_or(|at| now.duration_since(at) >= self.settings.face_lost_after)
                    };
                    // without video nobody knows whether there is a face
                    let reason = if is_gone(self.media_seen) {
                        Reason::MediaLost
                    } else if is_gone(self.face_seen) {
                        Reason::FaceLost
                    } else {
                        Reason::GestureTimeout
                    };
                    self.decide(Outcome::NotVerified(reason), now, actions);
                }
                State::Rejoining => self.decide(Outcome::NotVerified(Reason::SubjectLeft), now, actions),
                State::Reporting => self.leave(actions),
                _ => {}
            }
        }
    }

    fn media_started(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.media_seen = Some(now);
        self.several_since = None;
        self.room_lost = false;
        self.warning = None;
        match self.state {
            State::Joining | State::WaitingForSubject | State::Rejoining | State::Starting | State::Challenge(_) => {
                // Whoever sends now may be somebody else: nothing of before counts.
                if self.pictures > 0 {
                    self.pictures = 0;
                    actions.push(Action::DropPictures);
                }
                self.timeline.media_started(now);
                self.challenge = (self.draw)();
                self.run = None;
                self.face_seen = None;
                self.state = State::Starting;
                self.until = Some(now + self.settings.starting);
                self.show(actions);
            }
            // The pictures are taken; what the camera does now does not matter.
            State::Matching | State::Reporting | State::Leaving | State::Ended => {}
        }
    }

    fn subject_left(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.media_seen = None;
        self.several_since = None;
        self.warning = None;
        if matches!(self.state, State::Starting | State::Challenge(_)) {
            self.run = None;
            self.state = State::Rejoining;
            self.until = Some(now + self.settings.rejoin_limit);
            self.show(actions);
        }
    }

    /// Without the room the subject cannot come back: only the flow's own limit counts.
    fn room_lost(&mut self, actions: &mut Vec<Action>) {
        self.room_lost = true;
        self.media_seen = None;
        self.several_since = None;
        self.warning = None;
        if matches!(self.state, State::Starting | State::Challenge(_) | State::Rejoining) {
            self.run = None;
            self.state = State::Rejoining;
            self.until = None;
            self.show(actions);
        }
    }

    fn room_back(&mut self, now: Instant) {
        self.room_lost = false;
        if self.state == State::Rejoining {
            self.until = Some(now + self.settings.rejoin_limit);
        }
    }

    fn analysed(&mut self, analysis: &FrameAnalysis, now: Instant, actions: &mut Vec<Action>) {
        if matches!(self.state, State::Joining | State::Rejoining | State::Matching) || self.media_seen.is_none() {
            return; // a frame that was under way when its sender left
        }
        self.media_seen = Some(now);
        if analysis.face.is_some() {
            self.face_seen = Some(now);
        }
        let several = self.settings.several_faces != CheckMode::Off && analysis.face_count > 1;
        self.several_since = several.then(|| self.several_since.unwrap_or(now));

        let before = self.warning;
        self.warning = match &analysis.face {
            _ if several => Some(Warning::SeveralFaces),
            None => Some(Warning::NoFace),
            Some(face) => self.settings.position.check(face),
        };

        let mut asked_next = false;
        if let (State::Challenge(index), Some(run)) = (self.state, &mut self.run) {
            let ignored = several && self.settings.several_faces == CheckMode::Enforce;
            if let (Some(face), false) = (&analysis.face, ignored) {
                let seen = run.update(&Signals::of(face, self.settings.mirror_input), now);
                if seen.wants_picture() {
                    self.pictures += 1;
                    actions.push(Action::TakePicture);
                }
                if seen.completed {
                    self.timeline.completed(now);
                    if index + 1 < self.challenge.len() {
                        self.ask(index + 1, now, actions);
                    } else {
                        self.compare(actions);
                    }
                    asked_next = true;
                }
            }
        }
        if self.warning != before && !asked_next {
            self.show(actions);
        }
    }

    fn ask(&mut self, index: usize, now: Instant, actions: &mut Vec<Action>) {
        let Some(Drawn { gesture, random }) = self.challenge.get(index).cloned() else {
            // The configuration does not allow a challenge without gestures; if there were one, nobody may pass it.
            return self.decide(Outcome::NotVerified(Reason::Internal), now, actions);
        };
        self.timeline.asked(&gesture.id, now);
        let run = GestureRun::start(gesture, now, random);
        self.until = Some(run.deadline());
        self.run = Some(run);
        self.state = State::Challenge(index);
        self.show(actions);
    }

    fn compare(&mut self, actions: &mut Vec<Action>) {
        if self.pictures == 0 {
            self.pictures = 1;
            actions.push(Action::TakePicture);
        }
        self.run = None;
        self.until = None;
        self.media_seen = None;
        self.several_since = None;
        self.warning = None;
        self.state = State::Matching;
        self.show(actions);
        actions.push(Action::Match);
    }

    fn decide(&mut self, outcome: Outcome, now: Instant, actions: &mut Vec<Action>) {
        debug_assert!(self.outcome.is_none(), "an outcome is decided once");
        let in_room = self.state != State::Joining;
        self.outcome = Some(outcome);
        self.timeline.decided(now);
        self.run = None;
        self.media_seen = None;
        self.several_since = None;
        self.warning = None;
        self.state = State::Reporting;
        self.until = Some(now + self.settings.result_shown);
        self.show(actions);
        actions.push(Action::Report(outcome));
        let nobody_watches = matches!(
            outcome,
            Outcome::NotVerified(
                Reason::SubjectAbsent | Reason::RoomUnreachable | Reason::RoomClosed | Reason::SubjectLeft
            )
        );
        let hurry = outcome == Outcome::NotVerified(Reason::Shutdown);
        if !in_room || nobody_watches || hurry {
            self.leave(actions);
        }
    }

    fn leave(&mut self, actions: &mut Vec<Action>) {
        if self.state == State::Reporting {
            self.state = State::Leaving;
            self.until = None;
            if !self.left {
                actions.push(Action::Leave);
            }
        }
    }

    fn show(&self, actions: &mut Vec<Action>) {
        let stage = match (self.state, self.outcome) {
            (_, Some(outcome)) => Stage::Decided(outcome),
            (State::Starting, None) => Stage::Starting,
            (State::Challenge(index), None) => match (self.challenge.get(index), self.until) {
                (Some(Drawn { gesture, .. }), Some(ends)) => Stage::Gesture {
                    gesture: gesture.clone(),
                    index,
                    total: self.challenge.len(),
                    ends,
                    limit: gesture.time_limit,
                },
                _ => Stage::Waiting,
            },
            (State::Matching, None) => Stage::Checking,
            _ => Stage::Waiting,
        };
        actions.push(Action::Show(Scene { stage, warning: self.warning }));
    }

    fn media_stalls_at(&self) -> Option<Instant> {
        let watched = matches!(self.state, State::Starting | State::Challenge(_));
        self.media_seen.filter(|_| watched).map(|at| at + self.settings.media_stall_limit)
    }

    fn several_faces_at(&self) -> Option<Instant> {
        let watched = self.settings.several_faces == CheckMode::Enforce && !self.state.is_decided();
        self.several_since.filter(|_| watched).map(|at| at + self.settings.several_faces_limit)
    }
}

#[cfg(test)]
mod tests;

//! The flow as a pure state machine: `(Event, Instant) -> Vec<Action>`.
//!
//! ```text
//! Joining -> WaitingForSubject -> Starting -> Challenge(1..n) [-> Colours] -> Matching -> Reporting -> Leaving -> Ended
//!                 ^                   |            |    ^
//!                 +---- Rejoining <---+------------+    |
//!                           +------> Resuming ----------+     every state before Reporting can decide "not verified"
//! ```
//!
//! The state moves forward only, with one exception: a subject who leaves and comes back starts again with a new
//! challenge, or goes on with theirs when they were away for less than [`RECONNECT_LIMIT`] and are found to be the same.
//! Exactly one outcome is decided, exactly one [`Action::Report`] is asked for, and [`Action::End`] comes when the report is
//! settled and the room is left.

mod challenge;
mod vocabulary;

use std::time::{Duration, Instant};

use vision_core::gestures::GestureRun;
use vision_core::liveness::continuity::identity::RECONNECT_LIMIT;
use vision_core::liveness::continuity::reaction::Reactions;
use vision_core::liveness::modes::Modes;
use vision_core::liveness::{Check, Finding, Mode, Verdict};
use vision_core::position::{PositionLimits, Warning};

use super::attention::Need;
use super::outcome::{Outcome, Reason};
use super::timeline::Timeline;
pub use vocabulary::{Action, Draw, Drawn, Event, Scene, Stage, State};

/// How long it may take to find out whether somebody who is back is the same person.
const RESUME_LIMIT: Duration = Duration::from_secs(4);

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
    pub modes: Modes,
    pub several_faces_limit: Duration,
    /// The colour challenge; none: there is none.
    pub colours: Option<ColourChallenge>,
    pub position: PositionLimits,
    pub mirror_input: bool,
}

/// How the colour challenge goes.
#[derive(Clone, Copy, Debug)]
pub struct ColourChallenge {
    /// How long it takes, with the time for its last reflection to arrive.
    pub limit: Duration,
    /// Those that it cannot tell anything of are refused, instead of going on without it.
    pub required: bool,
}

/// One verification.
pub struct Machine {
    settings: Settings,
    state: State,
    draw: Draw,
    challenge: Vec<Drawn>,
    run: Option<GestureRun>,
    /// When the present gesture was shown.
    asked: Instant,
    /// When the subject began with it: the neutral state is left.
    began: Option<Instant>,
    reactions: Reactions,
    /// The gesture at which the subject left, and when.
    interrupted: Option<(usize, Instant)>,
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
    notice: Option<Warning>,
    pictures: usize,
    /// How often colours were shown to this subject.
    colours_shown: u32,
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
            asked: now,
            began: None,
            reactions: Reactions::new(),
            interrupted: None,
            until: None,
            deadline,
            media_seen: None,
            face_seen: None,
            several_since: None,
            room_lost: false,
            warning: None,
            notice: None,
            pictures: 0,
            colours_shown: 0,
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

    /// What the machine itself found out about a check.
    pub fn finding(&self, check: Check) -> Option<Finding> {
        (check == Check::ReactionTime).then(|| self.reactions.finding())
    }

    /// How regular the subject's reactions are, as a hint ([`Reactions::scatter`]).
    pub fn reaction_scatter(&self) -> Option<f32> {
        self.reactions.scatter()
    }

    /// What has to be known of the subject's frames now.
    pub fn need(&self) -> Need {
        match self.state {
            _ if self.media_seen.is_none() => Need::Nothing,
            State::Starting | State::Resuming(_) => Need::Presence,
            State::Challenge(_) | State::Colours => Need::Gesture,
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
            Event::RoomLost => self.room_lost(now, actions),
            Event::RoomBack => self.room_back(now),
            Event::RoomUnreachable => self.decide(Outcome::NotVerified(Reason::RoomUnreachable), now, actions),
            Event::RoomClosed => self.decide(Outcome::NotVerified(Reason::RoomClosed), now, actions),
            Event::Shutdown => self.decide(Outcome::NotVerified(Reason::Shutdown), now, actions),
            Event::Fault => self.decide(Outcome::NotVerified(Reason::Internal), now, actions),
            Event::MediaStarted => self.media_started(now, actions),
            Event::SubjectLeft => self.subject_left(now, actions),
            Event::Analysed(analysis) => self.analysed(analysis, now, actions),
            Event::Noticed(notice) => self.notice = notice,
            Event::Suspected(check) => {
                if self.settings.modes.of(check) == Mode::Enforce {
                    self.decide(Outcome::NotVerified(suspicion(check)), now, actions);
                }
            }
            Event::Confirmed(same) => {
                if let State::Resuming(index) = self.state {
                    match same {
                        true => self.ask(index, now, actions),
                        false => self.begin(now, actions),
                    }
                }
            }
            Event::ColoursSeen(verdict) => {
                if self.state == State::Colours {
                    self.colours_seen(verdict, now, actions);
                }
            }
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
                State::Resuming(_) => self.begin(now, actions),
                State::Colours => self.colours_seen(Verdict::Inconclusive, now, actions),
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
            State::Joining
            | State::WaitingForSubject
            | State::Rejoining
            | State::Resuming(_)
            | State::Starting
            | State::Challenge(_)
            | State::Colours => {
                self.timeline.media_started(now);
                let interrupted = self.interrupted.take().filter(|(_, at)| now.duration_since(*at) < RECONNECT_LIMIT);
                match interrupted {
                    Some((index, _)) if self.settings.modes.looks_at(Check::IdentityContinuity) => {
                        self.state = State::Resuming(index);
                        self.until = Some(now + RESUME_LIMIT);
                        actions.push(Action::Confirm);
                        self.show(actions);
                    }
                    _ => self.begin(now, actions),
                }
            }
            // The pictures are taken; what the camera does now does not matter.
            State::Matching | State::Reporting | State::Leaving | State::Ended => {}
        }
    }

    /// Whoever sends now may be somebody else: nothing of before counts.
    fn begin(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.pictures = 0;
        actions.push(Action::Begin);
        self.challenge = (self.draw)();
        self.run = None;
        self.face_seen = None;
        self.state = State::Starting;
        self.until = Some(now + self.settings.starting);
        self.show(actions);
    }

    fn subject_left(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.media_seen = None;
        self.several_since = None;
        self.warning = None;
        if self.state.is_with_subject() {
            self.interrupt(now);
            self.until = Some(now + self.settings.rejoin_limit);
            self.show(actions);
        }
    }

    /// What has been done so far may still count.
    fn interrupt(&mut self, now: Instant) {
        self.interrupted = match self.state {
            State::Challenge(index) | State::Resuming(index) => (index > 0).then_some((index, now)),
            State::Rejoining => self.interrupted,
            _ => None,
        };
        self.run = None;
        self.state = State::Rejoining;
    }

    /// Without the room the subject cannot come back: only the flow's own limit counts.
    fn room_lost(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.room_lost = true;
        self.media_seen = None;
        self.several_since = None;
        self.warning = None;
        if self.state.is_with_subject() || self.state == State::Rejoining {
            self.interrupt(now);
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

    fn compare(&mut self, actions: &mut Vec<Action>) {
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
            (State::Starting | State::Resuming(_), None) => Stage::Starting,
            (State::Colours, None) => Stage::Colours,
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
        let watched = self.state.is_with_subject();
        self.media_seen.filter(|_| watched).map(|at| at + self.settings.media_stall_limit)
    }

    fn several_faces_at(&self) -> Option<Instant> {
        let enforced = self.settings.modes.of(Check::SeveralFaces) == Mode::Enforce;
        let watched = enforced && !self.state.is_decided();
        self.several_since.filter(|_| watched).map(|at| at + self.settings.several_faces_limit)
    }
}

/// What a failed check that decides is told as.
fn suspicion(check: Check) -> Reason {
    match check {
        Check::SeveralFaces => Reason::SeveralFaces,
        Check::IdentityContinuity => Reason::FaceChanged,
        Check::Glasses => Reason::Glasses,
        _ => Reason::SpoofSuspected,
    }
}

#[cfg(test)]
mod tests;

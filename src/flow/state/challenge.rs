//! What the subject is asked for, and what counts of it: gestures, and colours.

use std::time::{Duration, Instant};

use vision_core::face::FrameAnalysis;
use vision_core::gestures::{GestureRun, Progress, Signals};
use vision_core::liveness::continuity::reaction::{Reaction, ReactionVerdict};
use vision_core::liveness::{Check, Mode, Verdict};
use vision_core::position::Warning;

use super::{Action, ColourChallenge, Drawn, Machine, State};
use crate::flow::outcome::{Outcome, Reason};

/// How often colours are shown to somebody of whom they cannot tell anything.
const COLOUR_ATTEMPTS: u32 = 2;

impl Machine {
    pub(super) fn analysed(&mut self, analysis: &FrameAnalysis, now: Instant, actions: &mut Vec<Action>) {
        if matches!(self.state, State::Joining | State::Rejoining | State::Matching) || self.media_seen.is_none() {
            return; // a frame that was under way when its sender left
        }
        self.media_seen = Some(now);
        if analysis.face.is_some() {
            self.face_seen = Some(now);
        }
        let mode = self.settings.modes.of(Check::SeveralFaces);
        let several = mode != Mode::Off && analysis.face_count > 1;
        self.several_since = several.then(|| self.several_since.unwrap_or(now));

        let before = self.warning;
        self.warning = match &analysis.face {
            _ if several => Some(Warning::SeveralFaces),
            None => Some(Warning::NoFace),
            Some(face) => self.settings.position.check(face).or(self.notice),
        };

        let mut asked_next = false;
        if let (State::Challenge(index), Some(run)) = (self.state, &mut self.run) {
            let ignored = several && mode == Mode::Enforce;
            if let (Some(face), false) = (&analysis.face, ignored) {
                let seen = run.update(&Signals::of(face, self.settings.mirror_input), now);
                if self.counts(seen, now) {
                    if seen.wants_picture() {
                        self.pictures += 1;
                        actions.push(Action::TakePicture);
                    }
                    if seen.completed {
                        self.timeline.completed(now);
                        match index + 1 < self.challenge.len() {
                            true => self.ask(index + 1, now, actions),
                            false => self.gestures_done(now, actions),
                        }
                        asked_next = true;
                    }
                } else if let Some(Drawn { gesture, random }) = self.challenge.get(index).cloned() {
                    // It has to be done again, in what is left of its time.
                    self.run = Some(GestureRun::start(gesture, now, random));
                    self.began = None;
                }
            }
        }
        if self.warning != before && !asked_next {
            self.show(actions);
        }
    }

    /// Whether what was seen of a gesture counts: one that is completed sooner than a person can react does not.
    fn counts(&mut self, seen: Progress, now: Instant) -> bool {
        if seen.reset {
            self.began = None;
        }
        // Step 0 is the neutral state.
        if seen.passed == Some(1) {
            self.began = Some(now);
        }
        let mode = self.settings.modes.of(Check::ReactionTime);
        if !seen.completed || mode == Mode::Off {
            return true;
        }
        let steps = self.run.as_ref().map_or(0, |run| run.gesture().steps.len());
        // Of a gesture of one or two steps only the end is seen.
        let (began, reaction) = match steps {
            0..=2 => (Some(now), Reaction { shortest: Duration::ZERO, ..Reaction::default() }),
            _ => (self.began, Reaction::default()),
        };
        let verdict = reaction.judge(Some(self.asked), began, now);
        self.reactions.add(verdict, Some(self.asked), began);
        verdict == ReactionVerdict::Counts || mode != Mode::Enforce
    }

    /// All gestures are completed.
    pub(super) fn gestures_done(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if self.pictures == 0 {
            self.pictures = 1;
            actions.push(Action::TakePicture);
        }
        self.run = None;
        self.colours_shown = 0;
        match self.settings.colours {
            None => self.compare(actions),
            Some(colours) => self.flash(colours, now, actions),
        }
    }

    fn flash(&mut self, colours: ColourChallenge, now: Instant, actions: &mut Vec<Action>) {
        self.colours_shown += 1;
        self.state = State::Colours;
        self.until = Some(now + colours.limit);
        self.show(actions);
        actions.push(Action::FlashColours);
    }

    /// Whoever moved, or sat in a beam of sunlight, is shown other colours. A failure that decides has been told before.
    pub(super) fn colours_seen(&mut self, verdict: Verdict, now: Instant, actions: &mut Vec<Action>) {
        let enforced = self.settings.modes.of(Check::ColourChallenge) == Mode::Enforce;
        let unclear = verdict == Verdict::Inconclusive && enforced;
        match self.settings.colours.filter(|_| unclear) {
            Some(colours) if self.colours_shown < COLOUR_ATTEMPTS => self.flash(colours, now, actions),
            Some(ColourChallenge { required: true, .. }) => {
                self.decide(Outcome::NotVerified(Reason::LivenessUnclear), now, actions);
            }
            _ => self.compare(actions),
        }
    }

    pub(super) fn ask(&mut self, index: usize, now: Instant, actions: &mut Vec<Action>) {
        let Some(Drawn { gesture, random }) = self.challenge.get(index).cloned() else {
            // The configuration does not allow a challenge without gestures; if there were one, nobody may pass it.
            return self.decide(Outcome::NotVerified(Reason::Internal), now, actions);
        };
        self.timeline.asked(&gesture.id, now);
        (self.asked, self.began) = (now, None);
        let run = GestureRun::start(gesture, now, random);
        self.until = Some(run.deadline());
        self.run = Some(run);
        self.state = State::Challenge(index);
        self.show(actions);
    }
}

//! A flow whose subject, clock and surroundings are made up.

use std::sync::{Arc, Mutex};

use vision_core::face::{BLENDSHAPE_NAMES, BLENDSHAPES, Face, FrameAnalysis, LANDMARKS};
use vision_core::gestures::GestureLibrary;
use vision_core::liveness::modes::Profile;

use super::super::*;

pub fn settings() -> Settings {
    Settings {
        time_limit: Duration::from_secs(60),
        starting: Duration::from_secs(5),
        result_shown: Duration::from_secs(3),
        rejoin_limit: Duration::from_secs(10),
        media_stall_limit: Duration::from_secs(8),
        face_lost_after: Duration::from_secs(2),
        modes: Modes::default(),
        colours: None,
        several_faces_limit: Duration::from_secs(2),
        position: PositionLimits::default(),
        mirror_input: true,
    }
}

/// The default modes, but for one check.
pub fn only(check: Check, mode: Mode) -> Modes {
    Modes::new(Profile::Default, |c| (c == check).then_some(mode))
}

/// Settings with which a flow gets to this state: the colour challenge is asked for where it is the aim.
pub fn reaching(state: State) -> Settings {
    let colours = ColourChallenge { limit: Duration::from_secs(6), required: false };
    Settings { colours: (state == State::Colours).then_some(colours), ..settings() }
}

/// A frontal face in the middle of the picture, all blendshapes 0 but those named.
pub fn face(scores: &[(&str, f32)]) -> Face {
    let mut landmarks = Box::new([[0.5, 0.5, 0.0]; LANDMARKS]);
    landmarks[10] = [0.5, 0.25, 0.0];
    landmarks[152] = [0.5, 0.75, 0.0];
    landmarks[227] = [0.35, 0.5, 0.0];
    landmarks[345] = [0.65, 0.5, 0.0];
    let mut blendshapes = [0.0; BLENDSHAPES];
    for (name, score) in scores {
        blendshapes[BLENDSHAPE_NAMES.iter().position(|n| n == name).unwrap()] = *score;
    }
    let matrix = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
    Face { landmarks, blendshapes, matrix, presence: 0.99 }
}

pub fn frame(face: Option<Face>, face_count: usize) -> FrameAnalysis {
    FrameAnalysis { face, face_count, width: 640, height: 480 }
}

/// A machine with its clock, and everything that it ever asked for.
pub struct Drive {
    pub machine: Machine,
    pub now: Instant,
    pub done: Vec<Action>,
    pub draws: Arc<Mutex<usize>>,
}

impl Drive {
    pub fn new(settings: Settings) -> Self {
        Self::with_challenge(settings, &["blink", "openCloseMouth"])
    }

    pub fn with_challenge(settings: Settings, ids: &[&str]) -> Self {
        let library = GestureLibrary::load(&[]).unwrap();
        let gestures: Vec<Drawn> =
            ids.iter().map(|id| Drawn { gesture: library.get(id).unwrap().clone(), random: 7 }).collect();
        let draws = Arc::new(Mutex::new(0));
        let counter = draws.clone();
        let draw = Box::new(move || {
            *counter.lock().unwrap() += 1;
            gestures.clone()
        });
        let now = Instant::now();
        Self { machine: Machine::new(settings, draw, now), now, done: Vec::new(), draws }
    }

    pub fn event(&mut self, event: Event<'_>) -> Vec<Action> {
        let actions = self.machine.handle(event, self.now);
        self.done.extend(actions.iter().cloned());
        actions
    }

    /// Lets time pass, ticking whenever the machine wants it.
    pub fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.machine.next_deadline().filter(|at| *at <= end) {
            assert!(at >= self.now || self.machine.outcome().is_none(), "a deadline that stays in the past");
            self.now = self.now.max(at);
            self.event(Event::Tick);
        }
        self.now = end;
    }

    /// Frames with this face for a while, ten a second.
    pub fn show(&mut self, scores: &[(&str, f32)], time: Duration) {
        for _ in 0..(time.as_millis() / 100).max(1) {
            self.event(Event::Analysed(&frame(Some(face(scores)), 1)));
            self.wait(Duration::from_millis(100));
        }
    }

    pub fn blink(&mut self) {
        self.show(&[], Duration::from_millis(300));
        self.show(&[("eyeBlinkLeft", 0.9), ("eyeBlinkRight", 0.9)], Duration::from_millis(200));
        self.show(&[], Duration::from_millis(300));
    }

    pub fn open_mouth(&mut self) {
        self.show(&[], Duration::from_millis(300));
        self.show(&[("jawOpen", 0.9)], Duration::from_millis(300));
        self.show(&[], Duration::from_millis(300));
    }

    /// Answers what was asked for, until nothing is left to happen.
    pub fn settle(&mut self) {
        for _ in 0..3 {
            if self.done.iter().any(|a| matches!(a, Action::Report(_))) {
                self.event(Event::Reported);
            }
            if self.done.contains(&Action::Leave) {
                self.event(Event::Left);
            }
            self.wait(Duration::from_secs(120));
        }
    }

    pub fn reports(&self) -> Vec<Outcome> {
        self.done.iter().filter_map(|a| if let Action::Report(o) = a { Some(*o) } else { None }).collect()
    }

    pub fn count(&self, action: &Action) -> usize {
        self.done.iter().filter(|a| *a == action).count()
    }

    /// The end that every flow has to have.
    pub fn assert_ended(&mut self, outcome: Outcome, context: &str) {
        self.settle();
        assert_eq!(self.reports(), [outcome], "{context}");
        assert_eq!(self.machine.outcome(), Some(outcome), "{context}");
        assert_eq!(self.machine.state(), State::Ended, "{context}");
        assert_eq!(self.count(&Action::Leave), 1, "{context}");
        assert_eq!(self.count(&Action::End), 1, "{context}");
        assert_eq!(self.machine.next_deadline(), None, "{context}");
    }

    /// Goes to a state that is not yet decided.
    pub fn to(mut self, state: State) -> Self {
        if state != State::Joining {
            self.event(Event::RoomJoined);
        }
        if !matches!(state, State::Joining | State::WaitingForSubject) {
            self.event(Event::MediaStarted);
        }
        let later = matches!(state, State::Challenge(1) | State::Resuming(1) | State::Colours | State::Matching);
        if later || matches!(state, State::Challenge(_)) {
            self.show(&[], Duration::from_secs(5));
        }
        if later {
            self.blink();
        }
        match state {
            State::Colours | State::Matching => self.open_mouth(),
            State::Rejoining => drop(self.event(Event::SubjectLeft)),
            State::Resuming(_) => {
                self.event(Event::SubjectLeft);
                self.wait(Duration::from_secs(1));
                self.event(Event::MediaStarted);
            }
            _ => {}
        }
        if state == State::Matching {
            self.event(Event::ColoursSeen(Verdict::Passed));
        }
        assert_eq!(self.machine.state(), state);
        self
    }
}

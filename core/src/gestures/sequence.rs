//! Gestures asked for one after the other: a challenge without the call around it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{definition::Gesture, engine::GestureRun, signal::Signals};

/// What follows when the time for a gesture is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnTimeout {
    /// The challenge has failed.
    #[default]
    Fail,
    /// The next gesture is asked for; the challenge will have failed.
    Next,
    /// Nothing: there is as much time as it takes.
    Wait,
}

/// What a frame brought about, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// A gesture is asked for.
    Started {
        /// Which.
        gesture: Arc<Gesture>,
        /// Its place, from 0.
        index: usize,
    },
    /// It was done.
    Completed {
        /// Which.
        gesture: Arc<Gesture>,
        /// Its place, from 0.
        index: usize,
        /// How long after it was asked for.
        after: Duration,
    },
    /// Its time was over before it was done.
    Expired {
        /// Which.
        gesture: Arc<Gesture>,
        /// Its place, from 0.
        index: usize,
        /// How long after it was asked for.
        after: Duration,
    },
    /// There is nothing more to do.
    Over {
        /// All of them were done.
        success: bool,
        /// How many were done.
        completed: usize,
        /// How long after the first one was asked for.
        after: Duration,
    },
}

/// How far a sequence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nobody was seen yet.
    Waiting,
    /// A gesture is asked for.
    Running,
    /// All gestures were done.
    Completed,
    /// It is over, and not all of them were done.
    Failed,
}

/// A sequence as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceState {
    /// How far it is.
    pub phase: Phase,
    /// The gesture that is asked for; the last one when all is over, the first one before.
    pub gesture: Arc<Gesture>,
    /// Its place, from 0.
    pub index: usize,
    /// How many gestures there are.
    pub total: usize,
    /// The step of the gesture that has to be passed next, from 0; the number of its steps when it is done.
    pub step: usize,
    /// Its signal in the last frame with a face, in the signal's unit.
    pub value: Option<f32>,
    /// When its time is over, and how long that is from the moment in which it was asked for; `None` without a limit.
    pub limit: Option<(Instant, Duration)>,
}

/// Asks for gestures in order. The first one is asked for when a face is seen.
#[derive(Clone, Debug)]
pub struct GestureSequence {
    gestures: Vec<Arc<Gesture>>,
    on_timeout: OnTimeout,
    index: usize,
    run: Option<GestureRun>,
    /// When the first gesture, and when the present one was asked for.
    began: Option<[Instant; 2]>,
    completed: usize,
    value: Option<f32>,
}

impl GestureSequence {
    /// For these gestures; `None` when there are none.
    pub fn new(gestures: Vec<Arc<Gesture>>, on_timeout: OnTimeout) -> Option<Self> {
        let sequence = Self { gestures, on_timeout, index: 0, run: None, began: None, completed: 0, value: None };
        (!sequence.gestures.is_empty()).then_some(sequence)
    }

    /// Asks for the first gesture now, whether or not a face is seen. Nothing happens when that was done before.
    pub fn begin(&mut self, now: Instant) -> Vec<Happening> {
        let mut happened = Vec::new();
        if self.began.is_none() {
            self.ask(now, &mut happened);
        }
        happened
    }

    /// A frame, with the signals of its face where there is one.
    pub fn update(&mut self, signals: Option<&Signals>, now: Instant) -> Vec<Happening> {
        let mut happened = if signals.is_some() { self.begin(now) } else { Vec::new() };
        let expired = self.on_timeout != OnTimeout::Wait && self.run.as_ref().is_some_and(|run| run.expired(now));
        if expired && let Some(run) = self.run.take() {
            let (gesture, index) = (run.gesture().clone(), self.index);
            happened.push(Happening::Expired { gesture, index, after: self.since(1, now) });
            match self.on_timeout {
                OnTimeout::Next => self.go_on(now, &mut happened),
                _ => self.end(now, &mut happened),
            }
        }
        if let (Some(run), Some(signals)) = (&mut self.run, signals) {
            let gesture = run.gesture().clone();
            let mirrored = gesture.mirrored_input.unwrap_or(signals.mirrored());
            self.value = Some(signals.get_as(gesture.signal, mirrored));
            if run.update(signals, now).completed {
                self.completed += 1;
                happened.push(Happening::Completed { gesture, index: self.index, after: self.since(1, now) });
                self.go_on(now, &mut happened);
            }
        }
        happened
    }

    /// How far it is.
    pub fn state(&self) -> SequenceState {
        let phase = match (&self.run, self.began) {
            (_, None) => Phase::Waiting,
            (Some(_), _) => Phase::Running,
            (None, _) if self.completed == self.gestures.len() => Phase::Completed,
            (None, _) => Phase::Failed,
        };
        let gesture = self.gestures[self.index].clone();
        let limit = self.run.as_ref().filter(|_| self.on_timeout != OnTimeout::Wait);
        SequenceState {
            phase,
            index: self.index,
            total: self.gestures.len(),
            step: match &self.run {
                Some(run) => run.step(),
                None if phase == Phase::Completed => gesture.steps.len(),
                None => 0,
            },
            value: self.value,
            limit: limit.map(|run| (run.deadline(), gesture.time_limit)),
            gesture,
        }
    }

    /// How long ago the first (0) or the present gesture (1) was asked for.
    fn since(&self, which: usize, now: Instant) -> Duration {
        self.began.map_or(Duration::ZERO, |began| now.saturating_duration_since(began[which]))
    }

    /// Asks for the gesture at `self.index`.
    fn ask(&mut self, now: Instant, happened: &mut Vec<Happening>) {
        let gesture = self.gestures[self.index].clone();
        self.began = Some([self.began.map_or(now, |began| began[0]), now]);
        self.run = Some(GestureRun::start(gesture.clone(), now, 0));
        self.value = None;
        happened.push(Happening::Started { gesture, index: self.index });
    }

    fn go_on(&mut self, now: Instant, happened: &mut Vec<Happening>) {
        if self.index + 1 < self.gestures.len() {
            self.index += 1;
            self.ask(now, happened);
        } else {
            self.end(now, happened);
        }
    }

    fn end(&mut self, now: Instant, happened: &mut Vec<Happening>) {
        self.run = None;
        let (completed, success) = (self.completed, self.completed == self.gestures.len());
        happened.push(Happening::Over { success, completed, after: self.since(0, now) });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::gestures::signal::{SIGNALS, Signal};

    /// jawOpen has to rise above 0.5 and fall below 0.3, within a second.
    fn gesture(id: &str) -> Arc<Gesture> {
        let file = json!({
            "gestureId": id, "label": id, "signal_key": "jawOpen", "total_recommended_max_time": 1000,
            "take_picture_at_the_end": true, "instructions": [
                {"move_to_next_type": "higher", "value": 0.5}, {"move_to_next_type": "lower", "value": 0.3}]
        });
        Gesture::parse("test.json", &file.to_string()).unwrap()
    }

    /// Plays (milliseconds, value of jawOpen, or no face) and writes what each frame brought about.
    fn play(on_timeout: OnTimeout, frames: &[(u64, Option<f32>)]) -> (Vec<String>, SequenceState) {
        let start = Instant::now();
        let mut sequence = GestureSequence::new(vec![gesture("a"), gesture("b")], on_timeout).unwrap();
        let story = frames.iter().map(|(ms, value)| {
            let signals = value.map(|value| {
                let mut values = [0.0; SIGNALS];
                let key = Signal::from_key("jawOpen");
                values[(0..SIGNALS).find(|i| Signal::from_index(*i) == key).unwrap()] = value;
                Signals::from_values(values, false)
            });
            let happened = sequence.update(signals.as_ref(), start + Duration::from_millis(*ms));
            let word = |happening: &Happening| match happening {
                Happening::Started { gesture, index } => format!("{}{index}?", gesture.id),
                Happening::Completed { gesture, index, after } => {
                    format!("{}{index}!{}", gesture.id, after.as_millis())
                }
                Happening::Expired { gesture, index, after } => format!("{}{index}x{}", gesture.id, after.as_millis()),
                Happening::Over { success, completed, after } => {
                    format!("{}{completed}@{}", if *success { "+" } else { "-" }, after.as_millis())
                }
            };
            happened.iter().map(word).collect::<Vec<_>>().join(" ")
        });
        let story = story.collect();
        (story, sequence.state())
    }

    #[test]
    fn one_after_the_other() {
        let frames = [(0, None), (40, Some(0.9)), (80, Some(0.1)), (120, Some(0.9)), (160, None), (200, Some(0.1))];
        let (story, state) = play(OnTimeout::Fail, &frames);
        assert_eq!(story, ["", "a0?", "a0!40 b1?", "", "", "b1!120 +2@160"]);
        assert_eq!((state.phase, state.step, state.index, state.total), (Phase::Completed, 2, 1, 2));
        let (_, state) = play(OnTimeout::Fail, &frames[..1]);
        assert_eq!((state.phase, state.step, state.value), (Phase::Waiting, 0, None));
        let (_, state) = play(OnTimeout::Fail, &frames[..2]);
        assert_eq!((state.phase, state.step, state.value), (Phase::Running, 1, Some(0.9)));
        assert_eq!(state.limit.map(|(_, limit)| limit), Some(Duration::from_secs(1)));
    }

    #[test]
    fn time_runs_out() {
        let frames = [(0, Some(0.9)), (1000, None), (1040, Some(0.9)), (1080, Some(0.1)), (9000, Some(0.1))];
        let (story, state) = play(OnTimeout::Fail, &frames);
        assert_eq!(story, ["a0?", "a0x1000 -0@1000", "", "", ""]);
        assert_eq!((state.phase, state.limit), (Phase::Failed, None));
        let (story, state) = play(OnTimeout::Next, &frames);
        assert_eq!(story, ["a0?", "a0x1000 b1?", "", "b1!80 -1@1080", ""]);
        assert_eq!(state.phase, Phase::Failed);
        let (story, state) = play(OnTimeout::Wait, &frames);
        assert_eq!(story, ["a0?", "", "", "a0!1080 b1?", ""]);
        assert_eq!((state.phase, state.limit), (Phase::Running, None));
    }

    #[test]
    fn of_nothing_there_is_no_sequence() {
        assert!(GestureSequence::new(Vec::new(), OnTimeout::Fail).is_none());
    }
}

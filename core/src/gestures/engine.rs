//! A gesture being performed.
//!
//! The rules are the original's. One step at most is passed per frame. Thresholds compare strictly, ranges include both
//! ends and have to hold without a break. A step that is not passed may reset the gesture to its first step. A timeout
//! counts from the moment when the first step was passed, or from the last reset, not from each step. A frame without
//! a face is not shown to the engine at all, and so leaves it as it is.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    definition::{Condition, Gesture, Reset},
    signal::Signals,
};

/// What a frame changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The step that was passed on this frame.
    pub passed: Option<usize>,
    /// The whole gesture was completed on this frame.
    pub completed: bool,
    /// The gesture went back to its first step on this frame.
    pub reset: bool,
    /// The frame is to be kept as the picture of this step.
    pub step_picture: Option<usize>,
    /// The frame is to be kept as the picture of the completed gesture.
    pub end_picture: bool,
}

impl Progress {
    /// Is the frame to be kept, for whatever reason?
    pub fn wants_picture(&self) -> bool {
        self.end_picture || self.step_picture.is_some()
    }
}

/// One gesture, performed once.
#[derive(Clone, Debug)]
pub struct GestureRun {
    gesture: Arc<Gesture>,
    /// When it was shown to the subject.
    shown: Instant,
    /// The step that has to be passed next; the number of steps when completed.
    step: usize,
    /// What timeouts count from: step 0 passed, or the last reset.
    since: Instant,
    /// When the signal entered the range of the current step.
    in_range_since: Option<Instant>,
    /// Which step takes its picture, where the gesture leaves that to chance.
    random_step: Option<usize>,
    random: SplitMix,
}

impl GestureRun {
    /// The gesture is shown `now`. `random` decides which step takes its picture where the gesture says
    /// `randomize_step_picture`; take it from the operating system.
    pub fn start(gesture: Arc<Gesture>, now: Instant, random: u64) -> Self {
        let mut run = Self {
            gesture,
            shown: now,
            step: 0,
            since: now,
            in_range_since: None,
            random_step: None,
            random: SplitMix(random),
        };
        run.go_back(now);
        run
    }

    /// The gesture.
    pub fn gesture(&self) -> &Arc<Gesture> {
        &self.gesture
    }

    /// The step that has to be passed next, counted from 0; the number of steps when the gesture is completed.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Was the gesture completed?
    pub fn completed(&self) -> bool {
        self.step >= self.gesture.steps.len()
    }

    /// When the subject's time is up: the gesture's own limit after it was shown, whatever was reset since.
    pub fn deadline(&self) -> Instant {
        self.shown + self.gesture.time_limit
    }

    /// Is the time up without the gesture being completed?
    pub fn expired(&self, now: Instant) -> bool {
        !self.completed() && now >= self.deadline()
    }

    /// A frame with a face. (A frame without one is not passed in.) Nothing changes any more once the gesture is completed.
    pub fn update(&mut self, signals: &Signals, now: Instant) -> Progress {
        let gesture = self.gesture.clone();
        let Some(step) = gesture.steps.get(self.step) else {
            return Progress::default();
        };
        let mirrored = gesture.mirrored_input.unwrap_or(signals.mirrored());
        let value = f64::from(signals.get_as(gesture.signal, mirrored));
        if !self.meets(step.condition, value, now) {
            let reset = self.resets(step.reset, value, now);
            if reset {
                self.go_back(now);
            }
            return Progress { reset, ..Progress::default() };
        }
        let passed = self.step;
        let takes_picture =
            if gesture.randomize_step_picture { self.random_step == Some(passed) } else { step.picture };
        if passed == 0 {
            self.since = now;
        }
        self.in_range_since = None;
        self.step += 1;
        let completed = self.completed();
        Progress {
            passed: Some(passed),
            completed,
            reset: false,
            step_picture: takes_picture.then_some(passed),
            end_picture: completed && gesture.picture_at_end,
        }
    }

    fn meets(&mut self, condition: Condition, value: f64, now: Instant) -> bool {
        match condition {
            Condition::Higher(threshold) => value > threshold,
            Condition::Lower(threshold) => value < threshold,
            Condition::Range { min, max, hold } => {
                if !(min..=max).contains(&value) {
                    self.in_range_since = None;
                    return false;
                }
                // The frame that enters the range only starts the clock, even when nothing has to be held.
                match self.in_range_since {
                    None => {
                        self.in_range_since = Some(now);
                        false
                    }
                    Some(entered) => whole_milliseconds(now, entered) >= hold,
                }
            }
        }
    }

    fn resets(&self, reset: Option<Reset>, value: f64, now: Instant) -> bool {
        match reset {
            None => false,
            Some(Reset::Lower(threshold)) => value < threshold,
            Some(Reset::Higher(threshold)) => value > threshold,
            Some(Reset::After(limit)) => now.saturating_duration_since(self.since) > limit,
        }
    }

    fn go_back(&mut self, now: Instant) {
        self.step = 0;
        self.since = now;
        self.in_range_since = None;
        if self.gesture.randomize_step_picture {
            let marked: Vec<usize> = (0..self.gesture.steps.len()).filter(|i| self.gesture.steps[*i].picture).collect();
            self.random_step = self.random.pick(&marked);
        }
    }
}

/// The original measures how long a range was held in whole milliseconds.
fn whole_milliseconds(now: Instant, then: Instant) -> Duration {
    let elapsed = now.saturating_duration_since(then);
    Duration::new(elapsed.as_secs(), elapsed.subsec_millis() * 1_000_000)
}

/// SplitMix64 (Steele, Lea, Flood 2014): stretches the one random number of a run over its resets.
#[derive(Clone, Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn pick(&mut self, from: &[usize]) -> Option<usize> {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        let place = (u128::from(z) * from.len() as u128) >> 64;
        from.get(place as usize).copied()
    }
}

/// Several gestures watched at once, each started again as soon as it is completed: for tools that look at a recording.
#[derive(Clone, Debug)]
pub struct GestureWatch {
    runs: Vec<GestureRun>,
}

impl GestureWatch {
    /// Starts all of them.
    pub fn new(gestures: impl IntoIterator<Item = Arc<Gesture>>, now: Instant) -> Self {
        Self { runs: gestures.into_iter().map(|gesture| GestureRun::start(gesture, now, 0)).collect() }
    }

    /// A frame with a face; the gestures that it completes.
    pub fn update(&mut self, signals: &Signals, now: Instant) -> Vec<Arc<Gesture>> {
        let mut completed = Vec::new();
        for run in &mut self.runs {
            if run.update(signals, now).completed {
                completed.push(run.gesture.clone());
                *run = GestureRun::start(run.gesture.clone(), now, 0);
            }
        }
        completed
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::gestures::signal::{SIGNALS, Signal};

    fn gesture(instructions: Value) -> Arc<Gesture> {
        gesture_with(instructions, json!({}))
    }

    fn gesture_with(instructions: Value, more: Value) -> Arc<Gesture> {
        let mut file = json!({
            "gestureId": "test", "label": "Test", "signal_key": "jawOpen", "total_recommended_max_time": 10000,
            "take_picture_at_the_end": true, "instructions": instructions
        });
        for (key, value) in more.as_object().unwrap() {
            file[key] = value.clone();
        }
        Gesture::parse("test.json", &file.to_string()).unwrap()
    }

    fn signals_of(key: &str, value: f32) -> Signals {
        let mut values = [0.0; SIGNALS];
        let place = (0..SIGNALS).find(|i| Signal::from_index(*i) == Signal::from_key(key)).unwrap();
        values[place] = value;
        Signals::from_values(values, false)
    }

    /// Plays (milliseconds, value of jawOpen) and writes what each frame did: a digit for the step passed, `!` for completed,
    /// `<` for reset, `p` for a step's picture, `P` for the last one, `.` for nothing.
    fn play(gesture: &Arc<Gesture>, frames: &[(u64, f32)]) -> String {
        let start = Instant::now();
        let mut run = GestureRun::start(gesture.clone(), start, 1);
        let mut story = Vec::new();
        for (ms, value) in frames {
            let progress = run.update(&signals_of("jawOpen", *value), start + Duration::from_millis(*ms));
            let mut word = progress.passed.map(|step| step.to_string()).unwrap_or_default();
            for (flag, sign) in [
                (progress.completed, "!"),
                (progress.reset, "<"),
                (progress.step_picture.is_some(), "p"),
                (progress.end_picture, "P"),
            ] {
                word.push_str(if flag { sign } else { "" });
            }
            assert_eq!(progress.wants_picture(), word.to_lowercase().contains('p'));
            assert!(progress.step_picture.is_none_or(|step| Some(step) == progress.passed));
            story.push(if word.is_empty() { ".".to_owned() } else { word });
        }
        story.join(" ")
    }

    fn open_close() -> Arc<Gesture> {
        let after = json!({"type": "timeout_after_ms", "value": 10000});
        gesture(json!([
            {"move_to_next_type": "lower", "value": 0.25, "reset": after},
            {"move_to_next_type": "higher", "value": 0.5, "reset": after},
            {"move_to_next_type": "lower", "value": 0.25, "reset": after}
        ]))
    }

    #[test]
    fn steps_are_passed_in_order_and_one_per_frame() {
        assert_eq!(play(&open_close(), &[(0, 0.1), (33, 0.9), (66, 0.1), (99, 0.1)]), "0 1 2!P .");
        assert_eq!(play(&open_close(), &[(0, 0.9), (33, 0.9), (66, 0.1), (99, 0.1), (132, 0.9)]), ". . 0 . 1");
    }

    #[test]
    fn thresholds_are_strict() {
        assert_eq!(
            play(&open_close(), &[(0, 0.25), (1, 0.24), (2, 0.5), (3, 0.51), (4, 0.25), (5, 0.0)]),
            ". 0 . 1 . 2!P"
        );
        // As in the original the score is single, the threshold double precision: 0.35f32 is just below 0.35.
        let lower = gesture(json!([{"move_to_next_type": "lower", "value": 0.35}]));
        assert!(f64::from(0.35_f32) < 0.35);
        assert_eq!(play(&lower, &[(0, 0.35)]), "0!P");
    }

    #[test]
    fn a_signal_that_is_no_number_passes_and_resets_nothing() {
        let reset = json!({"type": "lower", "value": 5});
        let steps = json!([{"move_to_next_type": "higher", "value": 0.0, "reset": reset},
            {"instruction_type": "range", "min_value": 0, "max_value": 1, "min_duration_ms": 0}]);
        assert_eq!(
            play(&gesture(steps), &[(0, f32::NAN), (1, 1.0), (2, 0.5), (3, f32::NAN), (4, 0.5), (5, 0.5)]),
            ". 0 . . . 1!P"
        );
    }

    #[test]
    fn timeouts_count_from_the_first_step_or_the_last_reset() {
        // Step 0 passed at 4000: the 10 s of steps 1 and 2 count from there, not from step 1.
        let frames = [(3900, 0.9), (4000, 0.1), (9000, 0.9), (14000, 0.9), (14001, 0.9), (14002, 0.1)];
        assert_eq!(play(&open_close(), &frames), ". 0 1 . < 0");
        // Before step 0 it counts from the start, then from the reset.
        let frames = [(10000, 0.9), (10001, 0.9), (20001, 0.9), (20002, 0.9), (20003, 0.1)];
        assert_eq!(play(&open_close(), &frames), ". < . < 0");
        // A step that is met is passed, however late.
        assert_eq!(play(&open_close(), &[(0, 0.1), (50_000, 0.9), (90_000, 0.1)]), "0 1 2!P");
    }

    #[test]
    fn resets_by_value() {
        let steps = json!([
            {"move_to_next_type": "higher", "value": 0.2},
            {"move_to_next_type": "higher", "value": 0.6, "reset": {"type": "lower", "value": 0.1}},
            {"move_to_next_type": "lower", "value": 0.3, "reset": {"type": "higher", "value": 0.9}}
        ]);
        let frames = [(0, 0.3), (1, 0.1), (2, 0.09), (3, 0.3), (4, 0.7), (5, 0.9), (6, 0.91), (7, 0.15)];
        assert_eq!(play(&gesture(steps), &frames), "0 . < 0 1 . < .");
    }

    #[test]
    fn ranges_include_their_ends_and_hold_without_a_break() {
        let range = json!({"instruction_type": "range", "min_value": 0.25, "max_value": 0.5, "min_duration_ms": 300});
        let steps = gesture(json!([range]));
        assert_eq!(play(&steps, &[(0, 0.25), (299, 0.5), (300, 0.5)]), ". . 0!P");
        assert_eq!(play(&steps, &[(0, 0.3), (200, 0.51), (201, 0.3), (500, 0.3), (501, 0.3)]), ". . . . 0!P");
        // The clock starts anew for each range, and after a reset.
        let twice = gesture(json!([range, range]));
        assert_eq!(play(&twice, &[(0, 0.3), (300, 0.3), (301, 0.3), (600, 0.3), (601, 0.3)]), ". 0 . . 1!P");
        let with_reset = gesture(json!([{"instruction_type": "range", "min_value": 0.25, "max_value": 0.5,
            "min_duration_ms": 300, "reset": {"type": "timeout_after_ms", "value": 250}}]));
        assert_eq!(play(&with_reset, &[(0, 0.3), (260, 0.3), (300, 0.3), (510, 0.3), (600, 0.3)]), ". < . . 0!P");
        // Nothing to hold: still one frame to enter, one to pass.
        let at_once =
            gesture(json!([{"instruction_type": "range", "min_value": 0, "max_value": 1, "min_duration_ms": 0}]));
        assert_eq!(play(&at_once, &[(0, 0.3), (0, 0.3)]), ". 0!P");
    }

    #[test]
    fn pictures_of_steps_and_of_the_end() {
        let steps = json!([
            {"move_to_next_type": "higher", "value": 0.2, "take_picture_at_the_end": true},
            {"move_to_next_type": "higher", "value": 0.4},
            {"move_to_next_type": "higher", "value": 0.6, "take_picture_at_the_end": true}
        ]);
        let frames = [(0, 0.9), (1, 0.9), (2, 0.9)];
        assert_eq!(play(&gesture(steps.clone()), &frames), "0p 1 2!pP");
        let quiet = gesture_with(steps, json!({"take_picture_at_the_end": false}));
        assert_eq!(play(&quiet, &frames), "0p 1 2!p");
    }

    #[test]
    fn a_random_step_takes_the_picture() {
        let step = |picture: bool| {
            json!({"move_to_next_type": "higher", "value": 0.2, "take_picture_at_the_end": picture,
            "reset": {"type": "lower", "value": 0.1}})
        };
        let more = json!({"randomize_step_picture": true, "take_picture_at_the_end": false});
        let gesture = gesture_with(json!([step(true), step(false), step(true), step(true)]), more);
        let (start, high, low) = (Instant::now(), signals_of("jawOpen", 0.9), signals_of("jawOpen", 0.0));
        let mut counts = [0; 4];
        let mut changed_by_reset = 0;
        for seed in 0..3000 {
            let mut run = GestureRun::start(gesture.clone(), start, seed);
            let before = run.random_step;
            assert!(run.update(&high, start).passed.is_some());
            assert!(run.update(&low, start).reset);
            changed_by_reset += i32::from(run.random_step != before);
            let taken: Vec<_> = (0..4).filter_map(|_| run.update(&high, start).step_picture).collect();
            assert_eq!(taken.len(), 1);
            counts[taken[0]] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!(counts.iter().enumerate().all(|(i, n)| i == 1 || (900..1100).contains(n)), "{counts:?}");
        assert!((1800..2200).contains(&changed_by_reset), "{changed_by_reset}");
    }

    #[test]
    fn the_limit_counts_from_being_shown() {
        let start = Instant::now();
        let mut run = GestureRun::start(open_close(), start, 0);
        let at = |ms| start + Duration::from_millis(ms);
        assert!(!run.expired(at(9_999)) && run.expired(at(10_000)));
        run.update(&signals_of("jawOpen", 0.1), at(9_000));
        assert!(run.expired(at(10_000)), "a passed step does not prolong it");
        run.update(&signals_of("jawOpen", 0.9), at(9_100));
        run.update(&signals_of("jawOpen", 0.1), at(9_200));
        assert!(run.completed() && !run.expired(at(20_000)));
    }

    #[test]
    fn a_gesture_chooses_its_picture() {
        let steps = json!([{"move_to_next_type": "higher", "value": 0.5}]);
        let left = signals_of("eyeLookOutLeft", 0.9);
        let left_in_mirror = signals_as_mirrored(&left);
        for (input, plain, mirrored) in
            [(Value::Null, true, false), (json!(false), true, true), (json!(true), false, false)]
        {
            let more = json!({"signal_key": "eyeLookOutLeft", "mirrored_input": input});
            let gesture = gesture_with(steps.clone(), more);
            let completes = |signals| {
                GestureRun::start(gesture.clone(), Instant::now(), 0).update(signals, Instant::now()).completed
            };
            assert_eq!((completes(&left), completes(&left_in_mirror)), (plain, mirrored), "{input}");
        }
    }

    fn signals_as_mirrored(signals: &Signals) -> Signals {
        let values = std::array::from_fn(|i| signals.get_as(Signal::from_index(i).unwrap(), false));
        Signals::from_values(values, true)
    }

    #[test]
    fn a_watch_starts_again() {
        let start = Instant::now();
        let mut watch = GestureWatch::new([open_close()], start);
        let values = [0.1, 0.9, 0.1, 0.1, 0.9, 0.1];
        let completed: Vec<usize> = values
            .iter()
            .enumerate()
            .map(|(i, value)| {
                watch.update(&signals_of("jawOpen", *value), start + Duration::from_millis(i as u64 * 40)).len()
            })
            .collect();
        assert_eq!(completed, [0, 0, 1, 0, 0, 1]);
    }
}

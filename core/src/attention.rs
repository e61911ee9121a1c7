//! Which frames of a subject go to the networks.
//!
//! None while nothing depends on them, a few per second while no gesture is asked for, all of the greatest rate while the
//! signal of a gesture moves towards what the gesture waits for. While it does not, every second frame is left out, but
//! kept: when the one after it shows that the signal has moved, the one that was left out is looked at first. So nothing
//! that the gesture waits for is missed, and what happens on a frame that was left out is known one frame later.

use std::time::Duration;

use crate::pace::Pace;

/// A signal rests when at least this much of its distance to what changes the gesture is left. With the signals that were
/// recorded of the test clips all 92 gestures complete on the same frames with any value from 0.67 to 0.9.
const RESTS: f64 = 0.8;

/// What has to be known of a subject's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: no frame has to be looked at.
    Nothing,
    /// Whether somebody is there, and where.
    Presence,
    /// How a gesture goes on.
    Gesture,
}

/// What is known of a subject's frames, and what of them has to be.
pub struct Attention<F> {
    full: Pace,
    idle: Pace,
    every_frame: bool,
    need: Need,
    /// After the last frame that was looked at: how far the signal is from changing the gesture.
    distance: Option<f64>,
    rests: bool,
    /// The frame that was left out, with its number.
    kept: Option<(u64, F)>,
}

impl<F: Clone> Attention<F> {
    /// `max_rate` and `idle_rate` in frames per second; `every_frame`: leave none out in a gesture.
    pub fn new(max_rate: f32, idle_rate: f32, every_frame: bool) -> Self {
        Self {
            full: Pace::new(max_rate),
            idle: Pace::new(idle_rate.min(max_rate)),
            every_frame,
            need: Need::Nothing,
            distance: None,
            rests: false,
            kept: None,
        }
    }

    /// What the flow has to know from now on.
    pub fn set_need(&mut self, need: Need) {
        if need != self.need {
            (self.need, self.distance, self.rests, self.kept) = (need, None, false, None);
        }
    }

    /// Whether a new frame is to be looked at now. Numbers and timestamps grow from frame to frame.
    pub fn take(&mut self, timestamp: Duration, number: u64, frame: &F) -> bool {
        match self.need {
            Need::Nothing => false,
            Need::Presence => self.idle.take(timestamp),
            Need::Gesture if !self.full.take(timestamp) => false,
            Need::Gesture if self.rests && self.kept.is_none() && !self.every_frame => {
                self.kept = Some((number, frame.clone()));
                false
            }
            Need::Gesture => true,
        }
    }

    /// A frame was looked at, and is now so far from changing the gesture (none: no face). If the signal has moved, the
    /// frame that was left out before it: it is to be looked at and used first.
    pub fn left_out(&mut self, number: u64, distance: Option<f64>) -> Option<F> {
        let (_, frame) = self.kept.take_if(|(kept, _)| *kept < number)?;
        if self.at_rest(distance) {
            return None;
        }
        self.rests = false;
        Some(frame)
    }

    /// A frame was used: its distance before and after that.
    pub fn used(&mut self, before: Option<f64>, after: Option<f64>) {
        // another distance: the gesture is at another step
        self.rests = self.at_rest(before) && before == after;
        self.distance = after;
    }

    /// The next frame is to be looked at, whatever the last one was like.
    pub fn wake(&mut self) {
        self.rests = false;
    }

    fn at_rest(&self, distance: Option<f64>) -> bool {
        matches!((self.distance, distance), (Some(last), Some(now)) if now > 0.0 && now >= RESTS * last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Frames at 15 per second with these distances: what was looked at, in order, by number.
    fn looked_at(attention: &mut Attention<u64>, distances: &[f64]) -> Vec<u64> {
        let mut seen = Vec::new();
        for (number, distance) in distances.iter().enumerate() {
            let number = number as u64;
            if !attention.take(ms(1000 + number * 1000 / 15), number, &number) {
                continue;
            }
            if let Some(earlier) = attention.left_out(number, Some(*distance)) {
                seen.push(earlier);
                let before = Some(distances[earlier as usize]);
                attention.used(before, before);
                seen.push(number);
                attention.used(Some(*distance), Some(*distance));
                attention.wake();
            } else {
                seen.push(number);
                attention.used(Some(*distance), Some(*distance));
            }
        }
        seen
    }

    fn in_gesture(every_frame: bool) -> Attention<u64> {
        let mut attention = Attention::new(15.0, 5.0, every_frame);
        attention.set_need(Need::Gesture);
        attention
    }

    #[test]
    fn every_second_frame_is_left_out_while_the_signal_rests() {
        let still = [0.4; 9];
        assert_eq!(looked_at(&mut in_gesture(false), &still), [0, 1, 3, 5, 7]);
        assert_eq!(looked_at(&mut in_gesture(true), &still).len(), 9);
    }

    #[test]
    fn what_was_left_out_is_looked_at_when_the_signal_has_moved() {
        // frame 4 is left out and is the peak
        let blink = [0.4, 0.4, 0.4, 0.4, -0.1, 0.2, 0.4, 0.4, 0.4, 0.4];
        assert_eq!(looked_at(&mut in_gesture(false), &blink), [0, 1, 3, 4, 5, 6, 7, 9]);
        // away from it is no movement
        let away = [0.4, 0.4, 0.5, 0.6, 0.7, 0.8];
        assert_eq!(looked_at(&mut in_gesture(false), &away), [0, 1, 3, 5]);
    }

    #[test]
    fn a_step_that_is_passed_or_a_face_that_is_lost_wakes() {
        let mut attention = in_gesture(false);
        attention.used(Some(0.4), Some(0.4));
        attention.used(Some(0.4), Some(0.3));
        assert!(attention.take(ms(0), 0, &0));
        attention.used(Some(0.3), Some(0.3));
        assert!(!attention.take(ms(67), 1, &1));
        assert!(attention.take(ms(133), 2, &2));
        assert_eq!(attention.left_out(2, None), Some(1));
        attention.used(None, None);
        assert!(attention.take(ms(200), 3, &3));
        attention.used(None, None);
        assert!(attention.take(ms(267), 4, &4), "without a face all frames are looked at");
    }

    #[test]
    fn late_results_let_no_frame_wait() {
        let mut attention = in_gesture(false);
        attention.used(Some(0.4), Some(0.4));
        attention.used(Some(0.4), Some(0.4));
        let taken: Vec<bool> = (0..4).map(|n| attention.take(ms(n * 67), n, &n)).collect();
        assert_eq!(taken, [false, true, true, true], "no result has come meanwhile");
        assert_eq!(attention.left_out(3, Some(0.1)), Some(0));
    }

    #[test]
    fn without_a_gesture_few_frames_are_looked_at_and_none_without_a_need() {
        let mut attention = Attention::new(15.0, 5.0, false);
        let count = |attention: &mut Attention<u64>, from: u64| {
            (0..30).filter(|n| attention.take(ms(from + n * 33), *n, n)).count()
        };
        assert_eq!(count(&mut attention, 0), 0);
        attention.set_need(Need::Presence);
        assert!((5..=6).contains(&count(&mut attention, 1000)));
        attention.set_need(Need::Gesture);
        assert!((14..=16).contains(&count(&mut attention, 2000)), "not at rest before it is known");
    }
}

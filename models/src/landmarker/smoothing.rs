//! The One Euro filter over every coordinate of every point: calm when the face rests, fast when it moves.
//!
//! MediaPipe's `landmarks_smoothing_calculator_utils.cc`, `one_euro_filter.cc` and `low_pass_filter.cc`, single
//! precision state included. After G. Casiez, N. Roussel, D. Vogel: "1 Euro Filter", CHI 2012.

use std::f64::consts::PI;
use std::time::Duration;

use vision_core::face::LANDMARKS;

const MIN_CUTOFF: f64 = 0.05;
const BETA: f64 = 80.0;
const DERIVATIVE_CUTOFF: f64 = 1.0;
/// Frames per second until two timestamps say better.
const FREQUENCY: f64 = 30.0;
/// Below this size in pixels a face is not smoothed.
const MIN_SIZE: f32 = 1e-6;
const VALUES: usize = 3 * LANDMARKS;

/// The filters of one face.
///
/// A frame may come late, after the next one: it is smoothed as if it had come in time, and the next one is taken in again
/// after it.
#[derive(Default)]
pub struct Smoothing {
    filters: Filters,
    /// As they were before the last frame.
    before: Filters,
}

#[derive(Clone)]
struct Filters {
    /// Of the last frame, nanoseconds.
    last: i64,
    frequency: f64,
    /// Empty before the first frame.
    state: Vec<State>,
}

#[derive(Clone, Copy)]
struct State {
    raw: f32,
    smooth: f32,
    derivative: f32,
}

impl Default for Filters {
    fn default() -> Self {
        Self { last: -1, frequency: FREQUENCY, state: Vec::new() }
    }
}

impl Smoothing {
    /// Whether a frame of this time lies between the last two.
    pub fn is_late(&self, timestamp: Duration) -> bool {
        (self.before.last.saturating_add(1)..self.filters.last).contains(&nanoseconds(timestamp))
            && !self.before.state.is_empty()
    }

    /// Replaces normalised points by smoothed ones. A timestamp that does not grow leaves them as they are, unless the frame
    /// is late.
    pub fn apply(&mut self, points: &mut [[f32; 3]; LANDMARKS], width: usize, height: usize, timestamp: Duration) {
        let now = nanoseconds(timestamp);
        // Filters work in pixels; z has the scale of x.
        let unit = [width as f32, height as f32, width as f32];
        let late = self.is_late(timestamp);
        if self.filters.last >= now && !late {
            return;
        }
        let mut pixels: Box<[[f32; 3]; LANDMARKS]> = Box::new(*points);
        for point in pixels.iter_mut() {
            *point = std::array::from_fn(|axis| point[axis] * unit[axis]);
        }
        let next = late.then(|| (self.filters.last, self.filters.raw()));
        if !late {
            self.before.clone_from(&self.filters);
        }
        let filters = if late { &mut self.before } else { &mut self.filters };
        if !filters.apply(&mut pixels, now) {
            return;
        }
        if let Some((time, mut raw)) = next {
            self.filters.clone_from(&self.before);
            self.filters.apply(&mut raw, time);
        }
        for (point, pixels) in points.iter_mut().zip(pixels.iter()) {
            *point = std::array::from_fn(|axis| pixels[axis] / unit[axis]);
        }
    }
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

impl Filters {
    /// The points of the last frame as they came in, in pixels.
    fn raw(&self) -> Box<[[f32; 3]; LANDMARKS]> {
        let mut points = Box::new([[0.0; 3]; LANDMARKS]);
        for (value, state) in points.iter_mut().flatten().zip(&self.state) {
            *value = state.raw;
        }
        points
    }

    /// Replaces points in pixels by smoothed ones; false when they are too close together for that.
    fn apply(&mut self, points: &mut [[f32; 3]; LANDMARKS], now: i64) -> bool {
        let size = face_size(points);
        if size < MIN_SIZE {
            return false;
        }
        let value_scale = f64::from(1.0 / size);
        if self.last != 0 && now != 0 {
            self.frequency = 1.0 / ((now - self.last) as f64 * 1e-9);
        }
        self.last = now;

        let first = self.state.is_empty();
        if first {
            self.state = vec![State { raw: 0.0, smooth: 0.0, derivative: 0.0 }; VALUES];
        }
        let derivative_alpha = self.alpha(DERIVATIVE_CUTOFF) as f32;
        let frequency = self.frequency;
        for (value, state) in points.iter_mut().flatten().zip(&mut self.state) {
            let raw = *value;
            if first {
                *state = State { raw, smooth: raw, derivative: 0.0 };
            } else {
                let speed = ((f64::from(raw) - f64::from(state.raw)) * value_scale * frequency) as f32;
                let derivative = low_pass(derivative_alpha, speed, state.derivative);
                let cutoff = MIN_CUTOFF + BETA * f64::from(derivative.abs());
                let smooth = low_pass(alpha(cutoff, frequency) as f32, raw, state.smooth);
                *state = State { raw, smooth, derivative };
            }
            *value = state.smooth;
        }
        true
    }

    fn alpha(&self, cutoff: f64) -> f64 {
        alpha(cutoff, self.frequency)
    }
}

/// The weight of a new value in a low-pass filter with this cut-off.
fn alpha(cutoff: f64, frequency: f64) -> f64 {
    1.0 / (1.0 + frequency / (2.0 * PI * cutoff))
}

fn low_pass(alpha: f32, value: f32, previous: f32) -> f32 {
    (f64::from(alpha * value) + (1.0 - f64::from(alpha)) * f64::from(previous)) as f32
}

/// Mean of width and height of the box around points in pixels.
fn face_size(points: &[[f32; 3]; LANDMARKS]) -> f32 {
    let extent = |axis: usize| {
        let (low, high) = points
            .iter()
            .map(|point| point[axis])
            .fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(value), high.max(value)));
        high - low
    };
    (extent(0) + extent(1)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(shift: f32) -> Box<[[f32; 3]; LANDMARKS]> {
        let mut points = Box::new([[0.5 + shift, 0.5, 0.0]; LANDMARKS]);
        points[0] = [0.25 + shift, 0.25, 0.0];
        points[1] = [0.75 + shift, 0.75, 0.0];
        points
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_first_frame_passes_and_a_still_face_stays() {
        let mut smoothing = Smoothing::default();
        for ms in [0, 33, 66] {
            let mut points = face(0.0);
            smoothing.apply(&mut points, 100, 100, at(ms));
            assert!(points.iter().flatten().zip(face(0.0).iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }

    #[test]
    fn trembling_is_damped_and_a_jump_is_followed() {
        let mut smoothing = Smoothing::default();
        smoothing.apply(&mut face(0.0), 1000, 1000, at(0));
        let mut little = face(0.0002);
        smoothing.apply(&mut little, 1000, 1000, at(33));
        let moved = little[5][0] - 0.5;
        assert!(moved > 0.0 && moved < 0.0001, "a fifth of a pixel: {moved}");
        let mut far = face(0.1);
        smoothing.apply(&mut far, 1000, 1000, at(66));
        assert!((far[5][0] - 0.6).abs() < 0.01, "a hundred pixels: {}", far[5][0]);
    }

    #[test]
    fn time_that_stands_still_changes_nothing() {
        let mut smoothing = Smoothing::default();
        smoothing.apply(&mut face(0.0), 100, 100, at(50));
        let mut points = face(0.1);
        smoothing.apply(&mut points, 100, 100, at(50));
        assert_eq!(points[5], face(0.1)[5]);
    }

    #[test]
    fn a_late_frame_is_smoothed_as_if_it_had_come_in_time() {
        let shifts = [(0, 0.0), (66, 0.001), (133, 0.02), (200, 0.03), (266, 0.03)];
        let play = |order: &[usize]| {
            let mut smoothing = Smoothing::default();
            let smooth = order.iter().map(|index| {
                let (ms, shift) = shifts[*index];
                let mut points = face(shift);
                assert_eq!(smoothing.is_late(at(ms)), order == [0, 1, 3, 2, 4] && *index == 2);
                smoothing.apply(&mut points, 1000, 1000, at(ms));
                (*index, points[5])
            });
            let mut smooth: Vec<_> = smooth.collect();
            smooth.sort_by_key(|(index, _)| *index);
            smooth
        };
        let (in_time, late) = (play(&[0, 1, 2, 3, 4]), play(&[0, 1, 3, 2, 4]));
        assert_eq!(in_time[2], late[2], "the late one");
        assert_eq!(in_time[4], late[4], "the one after both");
        assert_ne!(in_time[3], late[3], "the one before which it was missing");
    }

    #[test]
    fn a_point_without_size_is_left_alone() {
        let mut points = Box::new([[0.5, 0.5, 0.1]; LANDMARKS]);
        Smoothing::default().apply(&mut points, 100, 100, at(1));
        assert_eq!(points[0], [0.5, 0.5, 0.1]);
    }
}

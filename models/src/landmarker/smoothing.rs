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
pub struct Smoothing {
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

impl Default for Smoothing {
    fn default() -> Self {
        Self { last: -1, frequency: FREQUENCY, state: Vec::new() }
    }
}

impl Smoothing {
    /// Replaces normalised points by smoothed ones. A timestamp that does not grow leaves them as they are.
    pub fn apply(&mut self, points: &mut [[f32; 3]; LANDMARKS], width: usize, height: usize, timestamp: Duration) {
        let now = i64::try_from(timestamp.as_nanos()).unwrap_or(i64::MAX);
        if self.last >= now {
            return;
        }
        // Filters work in pixels; z has the scale of x.
        let unit = [width as f32, height as f32, width as f32];
        let size = face_size(points, unit);
        if size < MIN_SIZE {
            return;
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
        for (point, states) in points.iter_mut().zip(self.state.chunks_exact_mut(3)) {
            for ((value, unit), state) in point.iter_mut().zip(unit).zip(states) {
                let raw = *value * unit;
                if first {
                    *state = State { raw, smooth: raw, derivative: 0.0 };
                } else {
                    let speed = ((f64::from(raw) - f64::from(state.raw)) * value_scale * frequency) as f32;
                    let derivative = low_pass(derivative_alpha, speed, state.derivative);
                    let cutoff = MIN_CUTOFF + BETA * f64::from(derivative.abs());
                    let smooth = low_pass(alpha(cutoff, frequency) as f32, raw, state.smooth);
                    *state = State { raw, smooth, derivative };
                }
                *value = state.smooth / unit;
            }
        }
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

/// Mean of width and height of the box around the points, in pixels.
fn face_size(points: &[[f32; 3]; LANDMARKS], unit: [f32; 3]) -> f32 {
    let extent = |axis: usize| {
        let (low, high) = points
            .iter()
            .map(|point| point[axis] * unit[axis])
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
    fn a_point_without_size_is_left_alone() {
        let mut points = Box::new([[0.5, 0.5, 0.1]; LANDMARKS]);
        Smoothing::default().apply(&mut points, 100, 100, at(1));
        assert_eq!(points[0], [0.5, 0.5, 0.1]);
    }
}

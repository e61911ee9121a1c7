//! Where a flat thing is that a hand holds in front of a camera.

use std::f32::consts::TAU;

use fastrand::Rng;
use nalgebra::{Matrix3, Vector3};

/// A hand's motion: slow sway and a little tremor, as sums of sines.
pub struct Hand {
    waves: [[(f32, f32, f32); 3]; 6],
}

impl Hand {
    /// `much`: 1 is a hand, 0 a stand.
    pub fn new(random: &mut Rng, much: f32) -> Self {
        // Right, down (parts of the frame's height), turn, two tilts (radians), nearer (a part).
        let reach = [0.022, 0.015, 0.02, 0.04, 0.04, 0.015];
        let waves = reach.map(|reach| {
            [(0.25, 0.6, 1.0), (0.7, 1.4, 0.5), (7.0, 11.0, 0.03)].map(|(low, high, share)| {
                let frequency = low + (high - low) * random.f32();
                (much * reach * share * (0.6 + 0.8 * random.f32()), frequency, TAU * random.f32())
            })
        });
        Self { waves }
    }

    /// At a time in seconds.
    pub fn at(&self, seconds: f32) -> [f32; 6] {
        let wave = |&(reach, frequency, phase): &(f32, f32, f32)| reach * (TAU * frequency * seconds + phase).sin();
        self.waves.each_ref().map(|waves| waves.iter().map(wave).sum())
    }
}

/// A flat thing before the camera: from pixels of the camera to points of the thing.
pub struct Pose {
    to_thing: Matrix3<f32>,
}

impl Pose {
    /// A thing of `thing` units, whose point `focus` is seen at `seen` pixels, `scale` pixels per unit, in a frame of
    /// `frame` pixels, moved by a hand. None when it is seen from the side.
    pub fn new(
        focus: [f32; 2],
        seen: [f32; 2],
        scale: f32,
        frame: [usize; 2],
        hand: [f32; 6],
        tilt: [f32; 2],
    ) -> Option<Self> {
        let [right, down, turn, yaw, pitch, nearer] = hand;
        let height = frame[1] as f32;
        // A webcam of about 55 degrees across has this distance between lens and picture, in pixels.
        let focal = 0.96 * frame[0] as f32;
        let (sin, cos) = turn.sin_cos();
        let scale = scale * (1.0 + nearer);
        let (yaw, pitch) = (tilt[0] + yaw, tilt[1] + pitch);
        let to_origin = Matrix3::new(1.0, 0.0, -focus[0], 0.0, 1.0, -focus[1], 0.0, 0.0, 1.0);
        let spin = Matrix3::new(scale * cos, -scale * sin, 0.0, scale * sin, scale * cos, 0.0, 0.0, 0.0, 1.0);
        let lean = Matrix3::new(
            yaw.cos(),
            0.0,
            0.0, //
            0.0,
            pitch.cos(),
            0.0, //
            yaw.sin() / focal,
            pitch.sin() / focal,
            1.0,
        );
        let place = Matrix3::new(1.0, 0.0, seen[0] + right * height, 0.0, 1.0, seen[1] + down * height, 0.0, 0.0, 1.0);
        (place * lean * spin * to_origin).try_inverse().map(|to_thing| Self { to_thing })
    }

    /// The thing's point that is seen at a pixel.
    pub fn point(&self, x: f32, y: f32) -> [f32; 2] {
        let p = self.to_thing * Vector3::new(x, y, 1.0);
        [p.x / p.z, p.y / p.z]
    }

    /// How the thing's point changes from one pixel to the next: across, and down.
    pub fn steps(&self, x: f32, y: f32) -> [[f32; 2]; 2] {
        let [px, py] = self.point(x, y);
        let ([ax, ay], [bx, by]) = (self.point(x + 1.0, y), self.point(x, y + 1.0));
        [[ax - px, ay - py], [bx - px, by - py]]
    }
}

/// How much of a pixel a rectangle covers, `per_pixel` units wide; from 0 to 1.
pub fn coverage(point: [f32; 2], low: [f32; 2], high: [f32; 2], per_pixel: f32) -> f32 {
    let inside = |i: usize| (point[i] - low[i]).min(high[i] - point[i]);
    (inside(0).min(inside(1)) / per_pixel + 0.5).clamp(0.0, 1.0)
}

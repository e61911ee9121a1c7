//! A mask: a print with holes for the eyes, and real eyes that blink behind it.
//!
//! The eyes are those of the clip, seen through the holes a little smaller, darker and with a shadow at the rim.

use fastrand::Rng;
use vision_core::face::Face;

use super::camera::Camera;
use super::light::LightPicture;
use super::print::{Held, Sheet};
use super::{Victim, frames};
use crate::AnyError;
use crate::footage::{Footage, Frame};

/// Corners of the eyes: outer and inner, or inner and outer; from left to right in the picture.
const EYES: [[usize; 2]; 2] = [[33, 133], [362, 263]];

/// The mask in front of a face.
pub fn mask(victim: &Victim<'_>, random: &mut Rng) -> Result<Footage, AnyError> {
    let (frame, face) = victim.photograph()?;
    let sheet = Sheet::new(victim, random)?;
    let fit = 0.86 * 480.0 / frame.height as f32;
    let scale = fit * (0.9 + 0.2 * random.f32());
    let held = Held::new(random, [640, 480], scale);
    let mut camera = Camera::new(random);
    let rate = victim.footage.rate;
    let holes = EYES.map(|eye| Eye::of(face, eye, frame));
    let (behind, shade) = (1.04 + 0.04 * random.f32(), 0.35 + 0.3 * random.f32());
    frames(victim.footage.frames.len(), rate, |index| {
        let live = &victim.footage.frames[index];
        let light = LightPicture::of(live);
        let eyes = victim.analyses[index].face.as_ref().map(|face| EYES.map(|eye| Eye::of(face, eye, live)));
        held.picture(&sheet, &mut camera, index as f32 / rate as f32, |point, printed| {
            let Some(eyes) = &eyes else { return printed };
            for (hole, eye) in holes.iter().zip(eyes) {
                let [x, y] = hole.local(point);
                // An almond, twice as wide as it is high.
                let depth = 1.0 - (x / 0.62).powi(2) - (y / 0.3).powi(2);
                if depth > 0.0 {
                    let [px, py] = eye.point([x * behind, y * behind]);
                    let seen = light.at(px, py).map(|v| v * shade * (0.4 + depth.min(0.6)));
                    let edge = (depth * 8.0).min(1.0);
                    return [0, 1, 2].map(|c| edge * seen[c] + (1.0 - edge) * printed[c]);
                }
            }
            printed
        })
    })
}

/// An eye's own coordinates: from the middle between its corners, in distances between them.
struct Eye {
    middle: [f32; 2],
    along: [f32; 2],
}

impl Eye {
    fn of(face: &Face, corners: [usize; 2], frame: &Frame) -> Self {
        let [a, b] = corners.map(|i| {
            let [x, y, _] = face.landmarks[i];
            [x * frame.width as f32, y * frame.height as f32]
        });
        Self { middle: [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0], along: [b[0] - a[0], b[1] - a[1]] }
    }

    fn local(&self, point: [f32; 2]) -> [f32; 2] {
        let [x, y] = [point[0] - self.middle[0], point[1] - self.middle[1]];
        let [ax, ay] = self.along;
        let length = (ax * ax + ay * ay).max(1.0);
        [(x * ax + y * ay) / length, (y * ax - x * ay) / length]
    }

    fn point(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let [ax, ay] = self.along;
        [self.middle[0] + x * ax - y * ay, self.middle[1] + x * ay + y * ax]
    }
}

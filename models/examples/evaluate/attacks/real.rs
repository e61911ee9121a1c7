//! Real people, as different cameras would send them: no attack, and no reason to refuse anybody.

use std::sync::Arc;

use fastrand::Rng;

use super::camera::Camera;
use super::light::LightPicture;
use crate::footage::{Footage, Frame};

/// What a camera does to a clip.
pub type Condition = fn(&Footage, &mut Rng) -> Footage;

/// As recorded, and with what attacks get from their second camera: noise, blur, little light.
pub const CONDITIONS: [(&str, Condition); 4] =
    [("as recorded", as_recorded), ("noisy", noisy), ("soft", soft), ("dim", dim)];

fn as_recorded(footage: &Footage, _: &mut Rng) -> Footage {
    footage.clone()
}

/// Another sensor's noise.
fn noisy(footage: &Footage, random: &mut Rng) -> Footage {
    let mut camera = Camera::new(random);
    each(footage, |picture| camera.retake(picture, 1.0))
}

/// A lens out of focus, or a cheap camera that scales up.
fn soft(footage: &Footage, random: &mut Rng) -> Footage {
    let mut camera = Camera::new(random);
    let sigma = 0.6 + 0.6 * random.f32();
    each(footage, |picture| camera.retake(picture.blurred(sigma), 1.0))
}

/// Little light: darker, with more noise.
fn dim(footage: &Footage, random: &mut Rng) -> Footage {
    let mut camera = Camera::new(random).dim();
    let exposure = 0.3 + 0.3 * random.f32();
    each(footage, |picture| camera.retake(picture, exposure))
}

fn each(footage: &Footage, mut take: impl FnMut(LightPicture) -> Frame) -> Footage {
    let frames = footage.frames.iter().map(|frame| Arc::new(take(LightPicture::of(frame)))).collect();
    Footage { rate: footage.rate, frames }
}

//! The project's own animated portrait, put in place of the camera: no lens, no screen, no paper.

use std::time::Duration;

use fastrand::Rng;
use vision_core::picture::{I420Mut, Picture as _, RgbView};
use vision_core::portrait::{Performer, Portrait, alive};

use super::camera::Camera;
use super::light::LightPicture;
use super::{Victim, frames};
use crate::AnyError;
use crate::footage::{Footage, Frame};

/// A picture that blinks, smiles, opens its mouth and nods.
pub fn injected(victim: &Victim<'_>, random: &mut Rng) -> Result<Footage, AnyError> {
    let (frame, face) = victim.photograph()?;
    let rgb = frame.view().to_rgb();
    let view = RgbView { data: &rgb.data, width: rgb.width, height: rgb.height, stride: 3 * rgb.width };
    let (width, height) = (frame.width, frame.height);
    let mut portrait = Portrait::with_size(view, face, [width, height])?;
    let mut performer = Performer::in_turn(["blink", "smile", "turnLeft", "openCloseMouth"]);
    let mut camera = Camera::new(random);
    let rate = victim.footage.rate;
    frames(victim.footage.frames.len(), rate, |index| {
        let now = Duration::from_secs_f64(index as f64 / rate);
        let mut data = vec![0; width * height * 3 / 2];
        let (y, chroma) = data.split_at_mut(width * height);
        let (u, v) = chroma.split_at_mut(width * height / 4);
        let mut out = I420Mut { y, u, v, y_stride: width, uv_stride: width / 2, width, height };
        portrait.render(&alive(performer.expression(now), now), &mut out)?;
        Ok(camera.retake(LightPicture::of(&Frame { data, width, height }), 1.0))
    })
}

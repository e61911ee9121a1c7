//! Replay on a screen: the clip runs on a telephone, a tablet or a monitor.
//!
//! The screen's colours are emitted by stripes of red, green and blue, a third of a pixel wide, with dark gaps. What a
//! camera makes of that grid follows from its frequency ([`Camera::wave`]). On top: the screen's own gamma and gamut,
//! light that leaks, reflected light of the room, a lamp's reflection, backlight that falls off, and bands of a pulsed
//! backlight.

use std::f32::consts::TAU;

use fastrand::Rng;

use super::camera::Camera;
use super::light::{Light, LightPicture, luminance};
use super::pose::{Hand, Pose, coverage};
use super::room::room;
use super::{Victim, frames};
use crate::AnyError;
use crate::footage::Footage;

/// Pitch of the screen's pixels and width of a face on it, in millimetres: telephone, tablet, laptop, monitor.
const SCREENS: [(f32, f32); 4] = [(0.06, 45.0), (0.096, 90.0), (0.18, 110.0), (0.265, 130.0)];

/// The whole screen is seen, with its bezel, in front of a room.
pub fn with_bezel(victim: &Victim<'_>, random: &mut Rng) -> Result<Footage, AnyError> {
    replay(victim, random, false)
}

/// The screen is larger than what the camera sees.
pub fn filling(victim: &Victim<'_>, random: &mut Rng) -> Result<Footage, AnyError> {
    replay(victim, random, true)
}

fn replay(victim: &Victim<'_>, random: &mut Rng, filling: bool) -> Result<Footage, AnyError> {
    let (_, face) = victim.photograph()?;
    let first = victim.footage.frames.first().ok_or("no frames")?;
    let source = [first.width as f32, first.height as f32];
    let size = if filling { [first.width, first.height] } else { [640, 480] };
    let scale = if filling {
        1.08 + 0.2 * random.f32()
    } else {
        0.86 * size[1] as f32 / source[1] * (0.85 + 0.15 * random.f32())
    };
    let (pitch, face_width) = SCREENS[random.usize(..SCREENS.len())];
    // Pixels of the screen per pixel of the clip.
    let density = face_width / (face.bounding_box().width * source[0]) / pitch;
    let screen = Screen::new(random);
    let bezel = source[0] * (0.03 + 0.05 * random.f32());
    let hand_held = if random.bool() { 0.5 } else { 0.12 };
    let hand = Hand::new(random, hand_held);
    let tilt = [0.16 * (random.f32() - 0.5), 0.16 * (random.f32() - 0.5)];
    let seen = [size[0] as f32 * (0.5 + if filling { 0.0 } else { 0.06 * (random.f32() - 0.5) }), size[1] as f32 / 2.0];
    let behind = room(random, size[0], size[1]);
    let mut camera = Camera::new(random);
    let rate = victim.footage.rate;
    frames(victim.footage.frames.len(), rate, |index| {
        let shown = screen.shows(LightPicture::of(&victim.footage.frames[index]));
        let seconds = index as f32 / rate as f32;
        let focus = source.map(|v| v / 2.0);
        let pose = Pose::new(focus, seen, scale, size, hand.at(seconds), tilt).ok_or("seen from the side")?;
        let mut data = Vec::with_capacity(size[0] * size[1]);
        for y in 0..size[1] {
            for x in 0..size[0] {
                let at = [x as f32, y as f32];
                let point = pose.point(at[0], at[1]);
                let [across, down] = pose.steps(at[0], at[1]);
                let glass = coverage(point, [0.0; 2], source, 1.0 / scale);
                let body = coverage(point, [-bezel; 2], source.map(|v| v + bezel), 1.0 / scale);
                let room = behind.data[y * size[0] + x];
                let mut light = shown.at(point[0] - 0.5, point[1] - 0.5);
                if glass > 0.0 {
                    let grid = [across[0], down[0]].map(|v| v * density);
                    let rows = [across[1], down[1]].map(|v| v * density);
                    for (c, v) in light.iter_mut().enumerate() {
                        // Stripes across, rows with gaps of 15 % down: first harmonics.
                        let (a, p) = camera.wave(grid, c, at[0], at[1]);
                        let stripes = 1.0 + 1.65 * a * (TAU * (point[0] * density + p - c as f32 / 3.0)).cos();
                        let (a, p) = camera.wave(rows, c, at[0], at[1]);
                        *v *= stripes * (1.0 + 0.34 * a * (TAU * (point[1] * density + p)).cos());
                    }
                    light = screen.reflects(light, point, source, seconds);
                }
                let rim = screen.bezel;
                data.push([0, 1, 2].map(|c| glass * light[c] + (body - glass) * rim + (1.0 - body) * room[c]));
            }
        }
        Ok(camera.take(LightPicture { width: size[0], height: size[1], data }))
    })
}

/// A screen and the light around it.
struct Screen {
    gamma: f32,
    saturation: f32,
    white: Light,
    leak: f32,
    mirrored: f32,
    glare: ([f32; 2], f32, f32),
    fall_off: f32,
    band: (f32, f32, f32),
    bezel: f32,
}

impl Screen {
    fn new(random: &mut Rng) -> Self {
        let cold = 0.2 * random.f32();
        Self {
            gamma: 0.9 + 0.3 * random.f32(),
            saturation: 0.85 + 0.2 * random.f32(),
            white: [1.0 - cold, 1.0, 1.0 + cold],
            leak: 0.001 + 0.004 * random.f32(),
            mirrored: 0.003 + 0.02 * random.f32(),
            glare: ([random.f32(), random.f32()], 0.05 + 0.12 * random.f32(), 0.35 * random.f32() * random.f32()),
            fall_off: 0.3 * random.f32(),
            band: (0.03 * random.f32() * random.f32(), 1.0 + 3.0 * random.f32(), random.f32()),
            bezel: 0.01 + 0.03 * random.f32(),
        }
    }

    /// Gamma and gamut.
    fn shows(&self, mut picture: LightPicture) -> LightPicture {
        for value in &mut picture.data {
            let grey = luminance(*value);
            *value = [0, 1, 2].map(|c| {
                let light = (grey + self.saturation * (value[c] - grey)).max(0.0);
                self.leak + self.white[c] * light.powf(self.gamma)
            });
        }
        picture
    }

    /// What the glass adds, and how the backlight is.
    fn reflects(&self, light: Light, point: [f32; 2], size: [f32; 2], seconds: f32) -> Light {
        let [x, y] = [point[0] / size[0], point[1] / size[1]];
        let (centre, width, strength) = self.glare;
        let far = ((x - centre[0]).powi(2) + (y - centre[1]).powi(2)) / (width * width);
        let add = self.mirrored + strength * (-far).exp();
        let (depth, bands, speed) = self.band;
        let even = 1.0 - self.fall_off * ((x - 0.5).powi(2) + (y - 0.5).powi(2));
        let even = even * (1.0 + depth * (TAU * (bands * y + speed * 7.0 * seconds)).sin());
        light.map(|v| v * even + add)
    }
}

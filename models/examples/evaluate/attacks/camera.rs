//! The camera that looks at an attack, or stands in for another one in front of a person.

use std::f32::consts::TAU;

use fastrand::Rng;

use super::light::{Light, LightPicture, luminance};
use crate::footage::Frame;

/// Sensor pixels across one pixel of the video: a full HD sensor, shrunk to 640x480.
pub const SENSOR: f32 = 3.0;

/// One camera.
pub struct Camera {
    /// Blur of the lens in sensor pixels: Gaussian, standard deviation.
    lens: f32,
    /// Photon noise: variance per unit of light, in the video's pixels.
    photons: f32,
    /// Read noise: standard deviation.
    read: f32,
    /// Brightness that exposure aims at.
    target: f32,
    /// Share of a colour cast that white balance takes away.
    balance: f32,
    gain: Option<(f32, Light)>,
    random: Rng,
}

impl Camera {
    /// A camera, drawn by chance.
    pub fn new(random: &mut Rng) -> Self {
        Self {
            lens: 0.25 + 0.2 * random.f32(),
            photons: 2e-5 + 8e-5 * random.f32(),
            read: 0.001 + 0.002 * random.f32(),
            target: 0.16 + 0.12 * random.f32(),
            balance: 0.5 + 0.4 * random.f32(),
            gain: None,
            random: random.fork(),
        }
    }

    /// The same with noise as in a dim room, and less light.
    pub fn dim(mut self) -> Self {
        (self.photons, self.read, self.target) = (4.0 * self.photons, 2.0 * self.read, 0.5 * self.target);
        self
    }

    /// What is left of a fine pattern (a wave of `cycles` per video pixel across and down) after lens, pixel aperture,
    /// the sensor's sampling, and averaging to a video pixel: its amplitude. What is finer than the sensor's pixels
    /// comes back as moire.
    ///
    /// Red and blue are sampled at every second pixel (Bayer), so that they fold at half the frequency: the colours of
    /// moire. The folded wave runs through the same values at the sensor's pixels, so that evaluating the pattern there
    /// is enough: `phase` is what has to be added to its phase (in cycles) at video pixel `(x, y)`.
    pub fn wave(&self, cycles: [f32; 2], colour: usize, x: f32, y: f32) -> (f32, f32) {
        let every = if colour == 1 { 1.0 } else { 2.0 };
        let (mut amplitude, mut phase) = (1.0, 0.0);
        for (cycles, place) in cycles.into_iter().zip([x, y]) {
            let f = cycles / SENSOR;
            let folded = f - (f * every).round() / every;
            // Where the sensor has a pixel of this colour, near the video pixel's middle.
            let middle = SENSOR * place;
            let pixel = (middle / every).floor() * every;
            phase += (f - folded) * (pixel - middle);
            amplitude *= (-0.5 * (TAU * self.lens * f).powi(2)).exp() * sinc(0.9 * f) * sinc(SENSOR * folded);
        }
        (amplitude, phase)
    }

    /// Takes a picture: exposure and white balance, noise, sRGB.
    pub fn take(&mut self, mut picture: LightPicture) -> Frame {
        let count = picture.data.len().max(1) as f32;
        let mean = picture.data.iter().fold([0.0; 3], |sum, v| [0, 1, 2].map(|c| sum[c] + v[c] / count));
        // Exposure looks at all of the picture and goes there slowly; white balance is settled.
        let wanted = self.target / luminance(mean).max(1e-3);
        let (gain, balance) = self.gain.unwrap_or_else(|| {
            let grey = luminance(mean).max(1e-3);
            (wanted, mean.map(|v| (grey / v.max(1e-3)).clamp(0.5, 2.0).powf(0.5 * self.balance)))
        });
        let gain = gain + 0.1 * (wanted - gain);
        self.gain = Some((gain, balance));
        for value in &mut picture.data {
            for (c, v) in value.iter_mut().enumerate() {
                let light = *v * gain * balance[c];
                let sigma = (self.photons * light.max(0.0) + self.read * self.read).sqrt();
                *v = shoulder(light + sigma * noise(&mut self.random));
            }
        }
        picture.to_frame()
    }

    /// As [`Camera::take`], of a picture that a camera took already: noise and exposure alone, around what it has.
    pub fn retake(&mut self, picture: LightPicture, exposure: f32) -> Frame {
        let mut picture = picture;
        for v in picture.data.iter_mut().flatten() {
            let light = *v * exposure;
            let sigma = (self.photons * light.max(0.0) + self.read * self.read).sqrt();
            *v = light + sigma * noise(&mut self.random);
        }
        picture.to_frame()
    }
}

/// Highlights are compressed, not cut.
fn shoulder(light: f32) -> f32 {
    if light <= 0.7 { light } else { 0.7 + 0.3 * (1.0 - (-(light - 0.7) / 0.3).exp()) }
}

/// Nearly Gaussian, of variance 1: the sum of four uniform numbers.
fn noise(random: &mut Rng) -> f32 {
    let bits = random.u64(..);
    let sum: u64 = (0..4).map(|i| (bits >> (16 * i)) & 0xffff).sum();
    (sum as f32 / 65_536.0 - 2.0) * 3.0_f32.sqrt()
}

fn sinc(x: f32) -> f32 {
    let x = std::f32::consts::PI * x;
    if x.abs() < 1e-4 { 1.0 } else { x.sin() / x }
}

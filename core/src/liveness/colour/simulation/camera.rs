//! A camera that takes a recorded picture anew, in other light.

use std::sync::LazyLock;

use super::scene::Falloff;
use crate::{liveness::colour::sequence::linear, picture::I420Mut};

/// A light beside that of the surroundings.
#[derive(Clone, Copy)]
pub struct Lamp<'a> {
    /// Where it shines.
    pub falloff: &'a Falloff,
    /// Light on a face that looks at it for each part of light of the surroundings: red, green, blue.
    pub light: [f32; 3],
    /// Its colour, 0..1: what is mirrored in the eyes.
    pub colour: [f32; 3],
}

/// Adapts exposure and white balance to what it sees, and has noise.
pub struct Camera {
    exposure: f32,
    balance: [f32; 3],
    electrons: f32,
    random: u64,
}

/// It adapts its exposure in about so many seconds.
const EXPOSURE_TIME: f32 = 0.7;
/// And its white balance.
const BALANCE_TIME: f32 = 1.0;
/// White balance follows the mean colour of the picture by this part.
const BALANCE: f32 = 0.5;
/// Electrons of a white pixel where there is light enough, and of reading one out: a small sensor.
const ELECTRONS: [f32; 2] = [5000.0, 3.0];
/// There is light enough from so many lux on.
const ENOUGH_LUX: f32 = 300.0;
/// Entries of the table that makes light a sample.
const CODES: usize = 4096;

/// Samples 0..1 of linear light.
static CODE: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let code = |light: f32| if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (0..=CODES).map(|i| 255.0 * code(i as f32 / CODES as f32)).collect()
});
/// Numbers of a normal distribution: sums of twelve even ones.
static NORMALS: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let mut state = 1_u32;
    let mut even = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    (0..1 << 14).map(|_| (0..12).map(|_| even()).sum::<f32>() - 6.0).collect()
});
/// Linear light of samples 0..255.
static LIGHT: LazyLock<[f32; 256]> = LazyLock::new(|| std::array::from_fn(|i| linear(i as f32 / 255.0)));

impl Camera {
    /// In surroundings of so many lux; `seed` makes the noise.
    pub fn new(ambient: f32, seed: u32) -> Self {
        let electrons = ELECTRONS[0] * (ambient / ENOUGH_LUX).min(1.0);
        Self { exposure: 1.0, balance: [1.0; 3], electrons, random: u64::from(seed) << 20 | 0x9E37_79B9 }
    }

    /// Takes a picture anew. `surroundings` is their light for each part of what it was when the picture was taken, `seconds` the time
    /// since the last one. Odd last rows and columns stay as they are.
    pub fn shoot(&mut self, picture: &mut I420Mut, surroundings: [f32; 3], lamps: &[Lamp], seconds: f32) {
        let (columns, rows) = (picture.width / 2, picture.height / 2);
        let (mut before, mut after) = ([0.0; 3], [0.0; 3]);
        let deviations = self.deviations();
        let index = |light: f32| (light.clamp(0.0, 1.0) * CODES as f32) as usize;
        let mut glints =
            vec![[0.0; 3]; if lamps.iter().any(|lamp| !lamp.falloff.glints.is_empty()) { columns * rows } else { 0 }];
        for lamp in lamps {
            for (block, strength) in &lamp.falloff.glints {
                if let Some(glint) = glints.get_mut(*block) {
                    glint.iter_mut().zip(lamp.colour).for_each(|(sum, colour)| *sum += strength * colour);
                }
            }
        }
        for row in 0..rows {
            for column in 0..columns {
                let block = row * columns + column;
                let mut light = surroundings;
                for lamp in lamps {
                    let falloff = lamp.falloff.blocks.get(block).copied().unwrap_or(0.0);
                    light.iter_mut().zip(lamp.light).for_each(|(sum, lamp)| *sum += falloff * lamp);
                }
                let glint = glints.get(block).copied().unwrap_or_default();
                let chroma = row * picture.uv_stride + column;
                let (u, v) = (f32::from(picture.u[chroma]) - 128.0, f32::from(picture.v[chroma]) - 128.0);
                let offset = [1.596_027 * v, -0.391_762 * u - 0.812_968 * v, 2.017_232 * u];
                let mut colour = [0.0; 3];
                for pixel in 0..4 {
                    let at = (2 * row + pixel / 2) * picture.y_stride + 2 * column + pixel % 2;
                    let luma = 1.164_383 * (f32::from(picture.y[at]) - 16.0);
                    let (mut code, normals) = ([0.0; 3], self.normals());
                    for i in 0..3 {
                        let recorded = LIGHT[(luma + offset[i] + 0.5).clamp(0.0, 255.0) as usize];
                        let seen = recorded * light[i] + glint[i];
                        before[i] += recorded;
                        after[i] += seen;
                        let exposed = seen * self.exposure * self.balance[i];
                        let noisy = exposed + normals[i] * deviations[index(exposed)];
                        code[i] = CODE[index(noisy)];
                        colour[i] += code[i] / 4.0;
                    }
                    let [r, g, b] = code;
                    picture.y[at] = (16.5 + (65.481 * r + 128.553 * g + 24.966 * b) / 255.0) as u8;
                }
                let [r, g, b] = colour;
                picture.u[chroma] = (128.5 + (-37.797 * r - 74.203 * g + 112.0 * b) / 255.0) as u8;
                picture.v[chroma] = (128.5 + (112.0 * r - 93.786 * g - 18.214 * b) / 255.0) as u8;
            }
        }
        self.adapt(before, after, seconds);
    }

    /// Goes on towards the exposure and the white balance with which the picture would be as it was recorded.
    fn adapt(&mut self, before: [f32; 3], after: [f32; 3], seconds: f32) {
        let luma = |[r, g, b]: [f32; 3]| (0.2126 * r + 0.7152 * g + 0.0722 * b).max(1e-3);
        let part = |time: f32| 1.0 - (-seconds / time).exp();
        self.exposure += part(EXPOSURE_TIME) * (luma(before) / luma(after) - self.exposure);
        let [_, green, _] = [0, 1, 2].map(|i| before[i].max(1e-3) / after[i].max(1e-3));
        for i in [0, 2] {
            let wanted = (before[i].max(1e-3) / after[i].max(1e-3) / green).powf(BALANCE);
            self.balance[i] += part(BALANCE_TIME) * (wanted - self.balance[i]);
        }
    }

    /// Three numbers of a normal distribution.
    fn normals(&mut self) -> [f32; 3] {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        [4, 24, 44].map(|shift| NORMALS[(self.random >> shift) as usize % NORMALS.len()])
    }

    /// The standard deviation of the noise of each light 0..1, in [`CODES`] steps: of the electrons, and of reading them.
    fn deviations(&self) -> Vec<f32> {
        let read = ELECTRONS[1] / self.electrons;
        (0..=CODES).map(|i| (i as f32 / CODES as f32 / self.electrons + read * read).sqrt()).collect()
    }
}

//! Colour and tones: the gamut of what shows the face.
//!
//! Ink on paper reflects 4 to 10 % of the light where it is black, a screen leaks and mirrors the room, and both show
//! skin paler than it is. Exposure and white balance of the camera cannot bring that back. Over points of the face's
//! box, in every frame:
//!
//! * *depth of black*: the darkest hundredth (pupils, nostrils, lashes, hair) over the median, in linear light;
//! * *saturation*: mean of `hypot(Cb, Cr) / Y`.
//!
//! The value is the mean over frames of `ln(saturation / depth of black)`. Both parts depend on the person and on the
//! light as well: dark skin has a low median, so a smaller depth; a foggy lens looks like paper. Never use it alone.

use super::sight::FaceArea;
use crate::liveness::pixels::Pixels;

/// Points across and down.
const GRID: usize = 32;
/// Share of the box that is looked at: its corners are not face.
const SHARE: f32 = 0.9;
/// Least width of a face in pixels: in smaller ones nothing is black any more.
const SMALLEST: f32 = 80.0;

/// The cue's state.
#[derive(Default)]
pub(super) struct Colour {
    sum: f32,
    frames: u32,
    lumas: Vec<f32>,
}

impl Colour {
    pub fn observe(&mut self, pixels: &Pixels<'_>, area: &FaceArea) {
        let inside = |v: f32, size: usize| v >= 0.0 && v < size as f32;
        self.lumas.clear();
        let mut saturation = 0.0;
        for i in 0..GRID * GRID {
            let part = [i % GRID, i / GRID].map(|v| (v as f32 + 0.5) / GRID as f32 - 0.5);
            let [x, y] = [0, 1].map(|axis| area.centre[axis] + SHARE * part[axis] * area.size[axis]);
            if inside(x, pixels.width()) && inside(y, pixels.height()) {
                let [r, g, b] = pixels.rgb(x.floor(), y.floor());
                let luma = pixels.luma(x.floor(), y.floor());
                // BT.601's colour differences.
                let grey = 0.299 * r + 0.587 * g + 0.114 * b;
                saturation += (0.564 * (b - grey)).hypot(0.713 * (r - grey)) / luma.max(8.0);
                self.lumas.push(luma);
            }
        }
        let count = self.lumas.len();
        if area.size[0] < SMALLEST || count < GRID * GRID / 2 {
            return;
        }
        let dark = *self.lumas.select_nth_unstable_by(count / 100, f32::total_cmp).1;
        let median = *self.lumas.select_nth_unstable_by(count / 2, f32::total_cmp).1;
        let depth = (linear(dark) + 1e-4) / (linear(median) + 1e-3);
        self.sum += ((saturation / count as f32 + 1e-3) / depth).ln();
        self.frames += 1;
    }

    pub fn value(&self) -> Option<f32> {
        (self.frames > 0).then(|| self.sum / self.frames as f32)
    }
}

/// Linear light 0..1 of a luma 0..255.
fn linear(luma: f32) -> f32 {
    (luma / 255.0).max(0.0).powf(2.2)
}

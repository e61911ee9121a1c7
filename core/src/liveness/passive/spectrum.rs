//! Moire, sub-pixel grids and halftone: lines in the spectrum of the face.
//!
//! The power spectrum of a natural picture falls smoothly, about as 1/f^2 (Field, 1987; van der Schaaf and van Hateren,
//! 1996); an edge in it is a ridge through the origin. A screen's pixels or a print's raster, sampled by a camera, add
//! waves of one direction and frequency: isolated peaks, which stay where they are when the picture moves (the phase
//! changes, the power does not). So powers are averaged over frames (Welch, 1967): peaks stay, noise levels out.
//!
//! In the windowed square (Hann) in the middle of the face, each bin's mean power is compared with the greatest in a
//! ring of 3.2 to 5 bins around it. The value is by how much the natural logarithm of the greatest such ratio exceeds
//! 0.5: faces of the real clips reach 0.35, so 0 says no more than that nothing was seen. Left out are frequencies
//! below 8/64 (the face itself), and what is near multiples of 1/8 in both directions, where video codecs leave their
//! block grid.

use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use super::sight::SQUARE as SIDE;

/// Columns of the spectrum that are kept: the other half mirrors them.
const HALF: usize = SIDE / 2 + 1;
/// Lowest frequency, in 64ths of the sampling rate.
const LOWEST: isize = 8;
/// The ring around a bin, as squared distances: outside of the window's own width.
const RING: std::ops::RangeInclusive<isize> = 10..=25;
/// What natural faces may reach, in nepers.
const NATURAL: f32 = 0.5;
/// So many frames make an average.
const FRAMES: u32 = 6;

/// The cue's state.
pub(super) struct Spectrum {
    fft: Arc<dyn Fft<f32>>,
    window: [f32; SIDE],
    /// `x * SIDE + y`: sum over frames, of squares of equal contrast.
    power: Vec<f32>,
    frames: u32,
    rows: Vec<Complex<f32>>,
    columns: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
}

impl Spectrum {
    pub fn new() -> Self {
        let fft = FftPlanner::new().plan_fft_forward(SIDE);
        let hann = |i: usize| 0.5 - 0.5 * (std::f32::consts::TAU * (i as f32 + 0.5) / SIDE as f32).cos();
        Self {
            scratch: vec![Complex::default(); fft.get_inplace_scratch_len()],
            fft,
            window: std::array::from_fn(hann),
            power: vec![0.0; HALF * SIDE],
            frames: 0,
            rows: vec![Complex::default(); SIDE * SIDE],
            columns: vec![Complex::default(); HALF * SIDE],
        }
    }

    /// Adds a square of luma.
    pub fn observe(&mut self, square: &[f32]) {
        let mean = square.iter().sum::<f32>() / square.len() as f32;
        for (y, row) in square.chunks_exact(SIDE).enumerate() {
            for (x, value) in row.iter().enumerate() {
                let value = (value - mean) * self.window[x] * self.window[y];
                self.rows[y * SIDE + x] = Complex::new(value, 0.0);
            }
        }
        self.fft.process_with_scratch(&mut self.rows, &mut self.scratch);
        for (x, column) in self.columns.chunks_exact_mut(SIDE).enumerate() {
            for (bin, row) in column.iter_mut().zip(self.rows.chunks_exact(SIDE)) {
                *bin = row[x];
            }
        }
        self.fft.process_with_scratch(&mut self.columns, &mut self.scratch);
        let scale = 1.0 / self.columns.iter().map(Complex::norm_sqr).sum::<f32>().max(1.0);
        for (sum, bin) in self.power.iter_mut().zip(&self.columns) {
            *sum += bin.norm_sqr() * scale;
        }
        self.frames += 1;
    }

    /// None before [`FRAMES`] frames.
    pub fn value(&self) -> Option<f32> {
        if self.frames < FRAMES {
            return None;
        }
        let side = SIDE as isize;
        let mut greatest = 1.0_f32;
        for x in 0..HALF as isize {
            for y in -side / 2..side / 2 {
                // Most bins are on a slope: their next neighbours say so at once.
                let power = self.at(x, y);
                let slope = [(-1, 0), (1, 0), (0, -1), (0, 1)].iter().any(|(i, j)| self.at(x + i, y + j) > power);
                if slope || !judged(x, y) {
                    continue;
                }
                let mut around = 1e-12_f32;
                for (i, j) in (-5..=5).flat_map(|i| (-5..=5).map(move |j| (i, j))) {
                    if RING.contains(&(i * i + j * j)) {
                        around = around.max(self.at(x + i, y + j));
                    }
                }
                greatest = greatest.max(power / around);
            }
        }
        Some((greatest.ln() - NATURAL).max(0.0))
    }

    /// Mirrored and wrapped around, as a spectrum is.
    fn at(&self, x: isize, y: isize) -> f32 {
        let side = SIDE as isize;
        let x = x.rem_euclid(side);
        let (x, y) = if x > side / 2 { (side - x, -y) } else { (x, y) };
        self.power[x as usize * SIDE + y.rem_euclid(side) as usize]
    }
}

/// Not the face itself, nor where a codec's block grid is.
fn judged(x: isize, y: isize) -> bool {
    let grid = |k: isize| (k.abs() + 1) % 8 <= 2;
    x * x + y * y >= LOWEST * LOWEST && !(grid(x) && grid(y))
}

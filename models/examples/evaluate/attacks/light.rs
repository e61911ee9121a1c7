//! Pictures in linear light, which is where lenses, screens and paper add up.

use vision_core::picture::{Picture as _, RgbPicture};

use crate::footage::Frame;

/// Red, green and blue in linear light; 1 is white.
pub type Light = [f32; 3];

/// A picture in linear light.
pub struct LightPicture {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// `width * height`, row after row.
    pub data: Vec<Light>,
}

impl LightPicture {
    /// What a frame shows.
    pub fn of(frame: &Frame) -> Self {
        let RgbPicture { data, width, height } = frame.view().to_rgb();
        let table: Vec<f32> = (0..=255).map(|v| decode(v as f32 / 255.0)).collect();
        let data = data.chunks_exact(3).map(|p| [0, 1, 2].map(|c| table[usize::from(p[c])])).collect();
        Self { width, height, data }
    }

    /// Bilinear; beyond the border its nearest pixel.
    pub fn at(&self, x: f32, y: f32) -> Light {
        let x = x.clamp(0.0, self.width as f32 - 1.001);
        let y = y.clamp(0.0, self.height as f32 - 1.001);
        let (fx, fy) = (x.fract(), y.fract());
        let i = y as usize * self.width + x as usize;
        let (a, b) = (self.data[i], self.data[i + 1]);
        let (c, d) = (self.data[i + self.width], self.data[i + self.width + 1]);
        [0, 1, 2].map(|k| {
            let (above, below) = (a[k] + fx * (b[k] - a[k]), c[k] + fx * (d[k] - c[k]));
            above + fy * (below - above)
        })
    }

    /// As an I420 frame: sRGB's curve, BT.601 limited range, chroma the mean of four pixels.
    pub fn to_frame(&self) -> Frame {
        // Fine enough for the steep part of the curve near black.
        let table: Vec<f32> = (0..=4096).map(|v| encode(v as f32 / 4096.0)).collect();
        let look_up = |v: f32| table[(v.clamp(0.0, 1.0) * 4096.0 + 0.5) as usize];
        let (width, height) = (self.width & !1, self.height & !1);
        let mut data = vec![0; width * height * 3 / 2];
        let (luma, chroma) = data.split_at_mut(width * height);
        let (u, v) = chroma.split_at_mut(width * height / 4);
        for y in (0..height).step_by(2) {
            for x in (0..width).step_by(2) {
                let mut sum = [0.0; 3];
                for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    let rgb = self.data[(y + dy) * self.width + x + dx].map(look_up);
                    let [r, g, b] = rgb;
                    luma[(y + dy) * width + x + dx] = (16.5 + 65.481 * r + 128.553 * g + 24.966 * b) as u8;
                    sum = [sum[0] + r / 4.0, sum[1] + g / 4.0, sum[2] + b / 4.0];
                }
                let [r, g, b] = sum;
                let at = y / 2 * (width / 2) + x / 2;
                u[at] = (128.5 - 37.797 * r - 74.203 * g + 112.0 * b) as u8;
                v[at] = (128.5 + 112.0 * r - 93.786 * g - 18.214 * b) as u8;
            }
        }
        Frame { data, width, height }
    }

    /// Blurred with a Gaussian of `sigma` pixels, in both directions.
    pub fn blurred(&self, sigma: f32) -> Self {
        let reach = (3.0 * sigma).ceil() as isize;
        let weights: Vec<f32> = (-reach..=reach).map(|i| (-0.5 * (i as f32 / sigma).powi(2)).exp()).collect();
        let total: f32 = weights.iter().sum();
        let pass = |from: &[Light], next: usize, length: usize, place: &dyn Fn(usize) -> usize| -> Vec<Light> {
            (0..from.len())
                .map(|i| {
                    let (at, base) = (place(i), i - place(i) * next);
                    let mut sum = [0.0; 3];
                    for (weight, offset) in weights.iter().zip(-reach..) {
                        let j = (at as isize + offset).clamp(0, length as isize - 1) as usize;
                        let value = from[base + j * next];
                        sum = [0, 1, 2].map(|c| sum[c] + weight / total * value[c]);
                    }
                    sum
                })
                .collect()
        };
        let rows = pass(&self.data, 1, self.width, &|i| i % self.width);
        let data = pass(&rows, self.width, self.height, &|i| i / self.width);
        Self { width: self.width, height: self.height, data }
    }
}

/// sRGB's curve, to linear light.
pub fn decode(v: f32) -> f32 {
    if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

/// sRGB's curve, from linear light.
pub fn encode(v: f32) -> f32 {
    if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
}

/// How bright it looks (BT.709 primaries).
pub fn luminance([r, g, b]: Light) -> f32 {
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

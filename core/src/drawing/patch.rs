//! A drawn part, ready to be blended onto I420 many times.
//!
//! Rows are coded as runs: nothing is kept of what is transparent, and an even surface costs no memory per pixel.
//! Colours are BT.601 limited range and already multiplied by their alpha, so that blending is
//! `out = colour + in * (255 - alpha) / 255`, in integers.

use super::Area;
use crate::picture::I420Mut;

/// A stretch of equal pixels is kept as one pixel from this length on.
const EVEN: usize = 32;
/// A run goes on over fewer transparent pixels than this.
const GAP: usize = 8;

/// A part of the picture with transparency.
#[derive(Default)]
pub(crate) struct Patch {
    area: Area,
    luma: Plane<1>,
    chroma: Plane<2>,
}

/// Run-length coded samples of N components that share their alpha.
struct Plane<const N: usize> {
    runs: Vec<Run>,
    alpha: Vec<u8>,
    components: [Vec<u8>; N],
}

/// A stretch of one row.
#[derive(Clone, Copy)]
struct Run {
    row: u32,
    start: u32,
    length: u32,
    /// The place of its first sample.
    at: u32,
    /// All of it looks like the first sample.
    even: bool,
}

/// Alpha and components of one sample.
pub(super) type Sample<const N: usize> = (u8, [u8; N]);

impl Patch {
    /// From premultiplied ARGB in native byte order as cairo draws it, `stride` bytes from row to row, for `area` of
    /// the picture.
    pub(crate) fn from_argb(area: Area, argb: &[u8], stride: usize) -> Self {
        let row_of = |y: usize| {
            let row = argb.get(y * stride..).unwrap_or_default().chunks_exact(4).take(area.width);
            row.map(|bytes| u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        };
        let (mut luma, mut chroma) = (Plane::default(), Plane::default());
        let (mut upper, mut lower, mut half) = (Vec::new(), Vec::new(), Vec::new());
        for y in (0..area.height).step_by(2) {
            for (row, y) in [(&mut upper, y), (&mut lower, y + 1)] {
                row.clear();
                row.extend(row_of(y));
                luma.push_row(y, row, luma_of);
            }
            half.clear();
            let blocks = upper.chunks_exact(2).zip(lower.chunks_exact(2));
            half.extend(blocks.map(|(upper, lower)| average([upper[0], upper[1], lower[0], lower[1]])));
            chroma.push_row(y / 2, &half, chroma_of);
        }
        Self { area, luma, chroma }
    }

    /// One colour: alpha, red, green and blue, not premultiplied.
    pub(crate) fn even(area: Area, [alpha, colour @ ..]: [u8; 4]) -> Self {
        let part = |part: u8| (u32::from(part) * u32::from(alpha) + 127) / 255;
        let [r, g, b] = colour.map(part);
        let pixel = [u32::from(alpha) << 24 | r << 16 | g << 8 | b];
        let mut patch = Self { area, ..Self::default() };
        if alpha > 0 {
            (0..area.height).for_each(|y| patch.luma.push_run(y, 0, area.width, &pixel, luma_of));
            (0..area.height / 2).for_each(|y| patch.chroma.push_run(y, 0, area.width / 2, &pixel, chroma_of));
        }
        patch
    }

    /// Blends the patch onto a picture. What reaches beyond the picture is left out.
    pub(crate) fn blend(&self, out: &mut I420Mut) {
        self.blend_columns(self.area.width, out);
    }

    /// Blends the first columns of the patch only.
    pub(crate) fn blend_columns(&self, columns: usize, out: &mut I420Mut) {
        let Area { x, y, .. } = self.area;
        let (width, height) = (out.width, out.height);
        self.luma.blend(0, (x, y), columns, Target { data: out.y, stride: out.y_stride, width, height });
        let (origin, columns) = ((x / 2, y / 2), columns / 2);
        let (width, height, stride) = (width.div_ceil(2), height.div_ceil(2), out.uv_stride);
        self.chroma.blend(0, origin, columns, Target { data: out.u, stride, width, height });
        self.chroma.blend(1, origin, columns, Target { data: out.v, stride, width, height });
    }

    /// Bytes of memory that the patch keeps.
    pub(crate) fn memory(&self) -> usize {
        self.luma.memory() + self.chroma.memory()
    }
}

/// A plane of the picture.
struct Target<'a> {
    data: &'a mut [u8],
    stride: usize,
    width: usize,
    height: usize,
}

impl<const N: usize> Default for Plane<N> {
    fn default() -> Self {
        Self { runs: Vec::new(), alpha: Vec::new(), components: std::array::from_fn(|_| Vec::new()) }
    }
}

impl<const N: usize> Plane<N> {
    /// Codes a row of premultiplied ARGB pixels, each of which becomes one sample.
    fn push_row(&mut self, row: usize, pixels: &[u32], sample_of: fn([i32; 4]) -> Sample<N>) {
        let equal_from = |at: usize| pixels[at..].iter().take_while(|pixel| **pixel == pixels[at]).count();
        let mut at = 0;
        while at < pixels.len() {
            let equal = equal_from(at);
            if pixels[at] == 0 && (equal >= GAP || at + equal == pixels.len()) {
                at += equal;
            } else if equal >= EVEN {
                self.push_run(row, at, equal, &pixels[at..=at], sample_of);
                at += equal;
            } else {
                // Up to the next gap, even stretch or end of the row.
                let mut end = at + equal;
                while end < pixels.len() {
                    let equal = equal_from(end);
                    if equal >= EVEN || (pixels[end] == 0 && equal >= GAP) {
                        break;
                    }
                    end += equal;
                }
                self.push_run(row, at, end - at, &pixels[at..end], sample_of);
                at = end;
            }
        }
    }

    /// One pixel for a whole run makes it even.
    fn push_run(&mut self, row: usize, start: usize, length: usize, pixels: &[u32], of: fn([i32; 4]) -> Sample<N>) {
        let at = self.alpha.len() as u32;
        let even = pixels.len() < length;
        self.runs.push(Run { row: row as u32, start: start as u32, length: length as u32, at, even });
        for pixel in pixels {
            let (alpha, components) = of([24, 16, 8, 0].map(|shift| (pixel >> shift & 255) as i32));
            self.alpha.push(alpha);
            self.components.iter_mut().zip(components).for_each(|(all, one)| all.push(one));
        }
    }

    fn blend(&self, component: usize, origin: (usize, usize), columns: usize, target: Target) {
        let colour = &self.components[component];
        let columns = columns.min(target.width.saturating_sub(origin.0));
        for run in &self.runs {
            let (start, at) = (run.start as usize, run.at as usize);
            let row = origin.1 + run.row as usize;
            let end = columns.min(start + run.length as usize);
            if row >= target.height || end <= start {
                continue;
            }
            let first = row * target.stride + origin.0 + start;
            let Some(line) = target.data.get_mut(first..first + end - start) else { continue };
            if run.even {
                let (alpha, colour) = (self.alpha[at], colour[at]);
                line.iter_mut().for_each(|sample| *sample = mix(*sample, alpha, colour));
            } else {
                let pixels = self.alpha[at..].iter().zip(&colour[at..]);
                line.iter_mut()
                    .zip(pixels)
                    .for_each(|(sample, (alpha, colour))| *sample = mix(*sample, *alpha, *colour));
            }
        }
    }

    fn memory(&self) -> usize {
        let samples = self.alpha.capacity() + self.components.iter().map(Vec::capacity).sum::<usize>();
        samples + self.runs.capacity() * size_of::<Run>()
    }
}

/// The mean of four pixels, part by part, rounded: two parts at a time in the halves of a number.
pub(super) fn average(pixels: [u32; 4]) -> u32 {
    let half = |shift: u32| {
        let sum: u32 = pixels.iter().map(|pixel| pixel >> shift & 0x00FF_00FF).sum();
        (sum + 0x0002_0002) >> 2 & 0x00FF_00FF
    };
    half(8) << 8 | half(0)
}

/// `colour + sample * (255 - alpha) / 255`, rounded; the division is exact for all bytes.
pub(super) fn mix(sample: u8, alpha: u8, colour: u8) -> u8 {
    let rest = u16::from(sample) * u16::from(255 - alpha) + 128;
    colour.saturating_add(((rest + (rest >> 8)) >> 8) as u8)
}

/// BT.601 limited range, of premultiplied parts 0..255 (`a, r, g, b`), in 16 bits after the point.
pub(super) fn luma_of([a, r, g, b]: [i32; 4]) -> Sample<1> {
    // 65.481, 128.553, 24.966 / 255; the offset 16 / 255 per alpha.
    let y = (16 * 65536 / 255 * a + 16829 * r + 33039 * g + 6416 * b + 32768) >> 16;
    (a as u8, [y.clamp(0, 255) as u8])
}

pub(super) fn chroma_of([a, r, g, b]: [i32; 4]) -> Sample<2> {
    // 112 / 255 times the colour difference; the offset 128 / 255 per alpha.
    let offset = 128 * 65536 / 255 * a + 32768;
    let u = (offset - 9714 * r - 19070 * g + 28784 * b) >> 16;
    let v = (offset + 28784 * r - 24103 * g - 4681 * b) >> 16;
    (a as u8, [u, v].map(|value| value.clamp(0, 255) as u8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject_view::OwnedI420;

    fn argb(area: Area, pixel: impl Fn(usize, usize) -> [u8; 4]) -> Vec<u8> {
        let mut data = Vec::new();
        for y in 0..area.height {
            for x in 0..area.width {
                let [a, r, g, b] = pixel(x, y).map(u32::from);
                data.extend((a << 24 | r << 16 | g << 8 | b).to_ne_bytes());
            }
        }
        data
    }

    fn patch(area: Area, pixel: impl Fn(usize, usize) -> [u8; 4]) -> Patch {
        Patch::from_argb(area, &argb(area, pixel), 4 * area.width)
    }

    #[test]
    fn mixing_is_exact() {
        for sample in 0..=255_u8 {
            for alpha in 0..=255_u8 {
                let expected = (f64::from(sample) * f64::from(255 - alpha) / 255.0).round() as u8;
                assert_eq!(mix(sample, alpha, 0), expected, "{sample} {alpha}");
            }
        }
    }

    #[test]
    fn colours_are_bt601_limited() {
        let cases = [
            ([0, 0, 0], [16, 128, 128]),
            ([255, 255, 255], [235, 128, 128]),
            ([255, 0, 0], [81, 90, 240]),
            ([0, 255, 0], [145, 54, 34]),
            ([0, 0, 255], [41, 240, 110]),
        ];
        for ([r, g, b], expected) in cases {
            let (alpha, [y]) = luma_of([255, r, g, b]);
            let (_, [u, v]) = chroma_of([255, r, g, b]);
            assert_eq!((alpha, [y, u, v]), (255, expected));
        }
    }

    /// Any picture blended through runs equals the same picture blended pixel by pixel.
    #[test]
    fn runs_change_nothing() {
        let area = Area { x: 4, y: 2, width: 150, height: 12 };
        // Gaps, even stretches and noise of all lengths.
        let pixel = |x: usize, y: usize| match (x / (3 + 7 * (y / 2)) + y / 2) % 4 {
            0 => [0, 0, 0, 0],
            1 => [128, 100, 20, 60],
            2 => [255, 200, (x * 7 % 200) as u8, 10],
            _ => [(60 + x * 5 % 100) as u8, 30, 20, 60],
        };
        let patch = patch(area, pixel);
        let before = OwnedI420::noise(170, 20);
        let mut blended = before.clone();
        patch.blend(&mut blended.as_mut());
        let mut expected = before;
        for y in 0..area.height {
            for x in 0..area.width {
                let (alpha, [luma]) = luma_of(pixel(x, y).map(i32::from));
                let at = (y + 2) * 170 + x + 4;
                expected.y[at] = mix(expected.y[at], alpha, luma);
            }
        }
        assert_eq!(blended.y, expected.y);
        let (column, row) = (30, 4);
        let sum = |part: usize| {
            let corner = |dx, dy| i32::from(pixel(2 * column + dx, 2 * row + dy)[part]);
            (corner(0, 0) + corner(1, 0) + corner(0, 1) + corner(1, 1) + 2) / 4
        };
        let (alpha, [u, v]) = chroma_of([0, 1, 2, 3].map(sum));
        let at = (row + 1) * 85 + column + 2;
        assert_eq!([blended.u[at], blended.v[at]], [mix(expected.u[at], alpha, u), mix(expected.v[at], alpha, v)]);
    }

    #[test]
    fn one_colour_is_what_cairo_would_draw() {
        let area = Area { x: 2, y: 2, width: 40, height: 12 };
        let (mut even, mut drawn) = (OwnedI420::noise(37, 13), OwnedI420::noise(37, 13));
        Patch::even(area, [0x80, 0xFF, 0x40, 0x00]).blend(&mut even.as_mut());
        patch(area, |_, _| [0x80, 0x80, 0x20, 0x00]).blend(&mut drawn.as_mut());
        assert!(even == drawn && even != OwnedI420::noise(37, 13));
        assert_eq!(Patch::even(area, [0, 255, 255, 255]).memory(), 0);
    }

    #[test]
    fn an_even_surface_costs_no_memory_per_pixel() {
        let area = Area { x: 0, y: 0, width: 600, height: 100 };
        let even = patch(area, |_, _| [150, 0, 0, 0]);
        assert!(even.memory() < 16 * 1024, "{}", even.memory());
        assert_eq!(patch(area, |_, _| [0; 4]).memory(), 0);
    }

    #[test]
    fn columns_are_cut_and_what_is_outside_is_left_out() {
        let area = Area { x: 10, y: 10, width: 64, height: 8 };
        let white = patch(area, |_, _| [255; 4]);
        let mut picture = OwnedI420::filled(40, 16, [16, 128, 128]);
        white.blend_columns(20, &mut picture.as_mut());
        let lit = |picture: &OwnedI420| picture.y.iter().filter(|luma| **luma == 235).count();
        assert_eq!(lit(&picture), 20 * 6);
        white.blend(&mut picture.as_mut());
        assert_eq!(lit(&picture), 30 * 6);
        let mut odd = OwnedI420::filled(13, 11, [16, 128, 128]);
        white.blend(&mut odd.as_mut());
        assert_eq!(lit(&odd), 3);
    }
}

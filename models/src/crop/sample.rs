//! The inner loops of a crop: fixed-point bilinear samples of RGB and YUV pictures.

use vision_core::picture::{I420View, Nv12View, RgbView};

use super::{Border, Warp};

/// Fraction bits of a source coordinate.
const BITS: u32 = 5;
const ONE: i32 = 1 << BITS;
const MASK: i32 = ONE - 1;

/// Adding this to a double leaves its integer part, rounded half to even, in the low bits of the mantissa: one
/// instruction, where `f64::round_ties_even` is a function call on plain x86-64.
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52

/// Pixels whose coordinates are computed together.
const BLOCK: usize = 32;

/// Samples `width` pixels in each row of `out`, as many rows as there are.
pub(super) fn warp_rows<S: Source>(source: &S, warp: &Warp, width: usize, border: Border, out: &mut [u8]) {
    let scaled = |v: [f64; 2]| [v[0] * f64::from(ONE), v[1] * f64::from(ONE)];
    let (origin, across, down) = (scaled(warp.origin), scaled(warp.across), scaled(warp.down));
    let offsets: [f64; BLOCK] = std::array::from_fn(|x| x as f64);
    let [right, bottom] = source.limit();
    for (y, row) in out.chunks_exact_mut(3 * width).enumerate() {
        let y = y as f64;
        let start = [origin[0] + y * down[0], origin[1] + y * down[1]];
        for (block, pixels) in row.chunks_mut(3 * BLOCK).enumerate() {
            let first = (block * BLOCK) as f64;
            let coordinates: [[i32; 2]; BLOCK] =
                offsets.map(|x| [0, 1].map(|axis| (start[axis] + (first + x) * across[axis] + ROUND).to_bits() as i32));
            let pixels = pixels.as_chunks_mut().0;
            // Coordinates lie on a line: with both ends inside, all are.
            if source.is_inner(coordinates[0]) && source.is_inner(coordinates[pixels.len() - 1]) {
                for (pixel, at) in pixels.iter_mut().zip(coordinates) {
                    *pixel = source.sample::<true>(at);
                }
                continue;
            }
            for (pixel, at) in pixels.iter_mut().zip(coordinates) {
                let [x, y] = at;
                *pixel = if border == Border::Replicate {
                    source.sample::<false>([x.clamp(0, right), y.clamp(0, bottom)])
                } else if (0..=right).contains(&x) && (0..=bottom).contains(&y) {
                    source.sample::<false>(at)
                } else {
                    at_border(source, at, border)
                };
            }
        }
    }
}

/// A picture that can be sampled at 1/32 pixel.
pub(super) trait Source {
    /// Bilinear sample. `INNER` says that [`Source::is_inner`] holds; else the coordinates are in 0..=[`Source::limit`].
    fn sample<const INNER: bool>(&self, at: [i32; 2]) -> [u8; 3];
    /// Whether everything at these coordinates has a neighbour to the right and below.
    fn is_inner(&self, at: [i32; 2]) -> bool;
    /// The coordinates of the last pixel.
    fn limit(&self) -> [i32; 2];
    /// A single pixel; the coordinates are inside.
    fn pixel(&self, x: usize, y: usize) -> [u8; 3];
}

/// One direction of a plane of samples.
#[derive(Clone, Copy)]
struct Axis {
    /// Index of the last sample.
    last: i32,
    /// Bytes from one sample to the next.
    step: usize,
    /// Fraction bits of its coordinates.
    bits: u32,
}

impl Axis {
    fn new(size: usize, step: usize, bits: u32) -> Self {
        Self { last: size as i32 - 1, step, bits }
    }

    /// Where the two samples are that a coordinate lies between, and its distance from the first, 0..=`1 << bits`. At the
    /// last sample it is the one before that comes first; where there is only one, it is its own neighbour.
    #[inline(always)]
    fn between<const INNER: bool>(&self, at: i32) -> (usize, usize, i32) {
        let Self { last, step, bits } = *self;
        let index = if INNER { at >> bits } else { (at >> bits).min(last - 1).max(0) };
        let step_on = if INNER || last > 0 { step } else { 0 };
        (index as usize * step, step_on, at - (index << bits))
    }
}

/// A sample with a neighbour outside the picture.
#[cold]
#[inline(never)]
fn at_border<S: Source>(source: &S, [sx, sy]: [i32; 2], border: Border) -> [u8; 3] {
    let [width, height] = source.limit().map(|last| (last >> BITS) + 1);
    let (x, y) = (sx >> BITS, sy >> BITS);
    let (fx, fy) = (sx & MASK, sy & MASK);
    let mut sum = [ONE * ONE / 2; 3];
    for (dx, dy, weight) in
        [(0, 0, (ONE - fx) * (ONE - fy)), (1, 0, fx * (ONE - fy)), (0, 1, (ONE - fx) * fy), (1, 1, fx * fy)]
    {
        if let (Some(x), Some(y)) = (border.map(x + dx, width), border.map(y + dy, height)) {
            for (sum, value) in sum.iter_mut().zip(source.pixel(x, y)) {
                *sum += weight * i32::from(value);
            }
        }
    }
    sum.map(|value| (value >> (2 * BITS)) as u8)
}

impl Border {
    /// The index inside 0..size that stands for `index`, if any.
    pub(super) fn map(self, index: i32, size: i32) -> Option<usize> {
        let inside = match self {
            _ if (0..size).contains(&index) => index,
            Self::Zero => return None,
            Self::Replicate => index.clamp(0, size - 1),
            Self::Reflect => {
                let period = (2 * (size - 1)).max(1);
                let phase = index.rem_euclid(period);
                phase.min(period - phase)
            }
        };
        Some(inside as usize)
    }
}

/// Interleaved RGB.
pub(super) struct Rgb<'a> {
    view: &'a RgbView<'a>,
    axes: [Axis; 2],
}

impl<'a> Rgb<'a> {
    pub(super) fn new(view: &'a RgbView<'a>) -> Self {
        Self { view, axes: [Axis::new(view.width, 3, BITS), Axis::new(view.height, view.stride, BITS)] }
    }
}

/// Red, green and blue in lanes of 20 bits, so that one multiplication weighs all three.
#[inline(always)]
fn lanes(rgb: &[u8]) -> u64 {
    let [r, g, b] = *rgb else { unreachable!("a pixel has three bytes") };
    u64::from(r) | u64::from(g) << 20 | u64::from(b) << 40
}

impl Source for Rgb<'_> {
    #[inline(always)]
    fn sample<const INNER: bool>(&self, [sx, sy]: [i32; 2]) -> [u8; 3] {
        const HALF: u64 = 512 | 512 << 20 | 512 << 40;
        let (x, right, fx) = self.axes[0].between::<INNER>(sx);
        let (y, below, fy) = self.axes[1].between::<INNER>(sy);
        let blend = |start: usize| {
            let pixel = |start: usize| lanes(&self.view.data[start..start + 3]);
            pixel(start) * (ONE - fx) as u64 + pixel(start + right) * fx as u64
        };
        let sum = blend(x + y) * (ONE - fy) as u64 + blend(x + y + below) * fy as u64 + HALF;
        [(sum >> 10) as u8, (sum >> 30) as u8, (sum >> 50) as u8]
    }

    #[inline(always)]
    fn is_inner(&self, at: [i32; 2]) -> bool {
        let [right, bottom] = self.limit();
        (0..right).contains(&at[0]) && (0..bottom).contains(&at[1])
    }

    fn limit(&self) -> [i32; 2] {
        self.axes.map(|axis| axis.last << BITS)
    }

    fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let start = y * self.view.stride + 3 * x;
        [self.view.data[start], self.view.data[start + 1], self.view.data[start + 2]]
    }
}

/// A sample and its right neighbour, `STEP` bytes on, in lanes of 16 bits, so that one multiplication by up to 64 weighs both. A plane that
/// ends with the sample has no neighbour, and no weight for it.
#[inline(always)]
fn pair<const STEP: usize>(plane: &[u8], start: usize) -> u32 {
    match plane.get(start..=start + STEP) {
        Some(two) => u32::from(two[0]) | u32::from(two[STEP]) << 16,
        None => u32::from(plane[start]),
    }
}

/// YUV 4:2:0: planar, or with interleaved chroma, where the samples of each plane are `STEP` = 2 bytes apart.
pub(super) struct Yuv<'a, const STEP: usize> {
    y: &'a [u8],
    u: &'a [u8],
    v: &'a [u8],
    luma: [Axis; 2],
    chroma: [Axis; 2],
}

impl<'a> Yuv<'a, 1> {
    pub(super) fn i420(view: &I420View<'a>) -> Self {
        Self::new([view.y, view.u, view.v], [view.width, view.height], [view.y_stride, view.uv_stride])
    }
}

impl<'a> Yuv<'a, 2> {
    pub(super) fn nv12(view: &Nv12View<'a>) -> Self {
        let planes = [view.y, view.uv, view.uv.get(1..).unwrap_or_default()];
        Self::new(planes, [view.width, view.height], [view.y_stride, view.uv_stride])
    }
}

impl<'a, const STEP: usize> Yuv<'a, STEP> {
    fn new([y, u, v]: [&'a [u8]; 3], size: [usize; 2], [stride, chroma_stride]: [usize; 2]) -> Self {
        let axes = |size: [usize; 2], steps: [usize; 2], bits: u32| {
            [Axis::new(size[0], steps[0], bits), Axis::new(size[1], steps[1], bits)]
        };
        Self {
            y,
            u,
            v,
            luma: axes(size, [1, stride], BITS),
            chroma: axes(size.map(|pixels| pixels.div_ceil(2)), [STEP, chroma_stride], BITS + 1),
        }
    }
}

impl<const STEP: usize> Source for Yuv<'_, STEP> {
    #[inline(always)]
    fn sample<const INNER: bool>(&self, [sx, sy]: [i32; 2]) -> [u8; 3] {
        let (x, _, fx) = self.luma[0].between::<INNER>(sx);
        let (y, below, fy) = self.luma[1].between::<INNER>(sy);
        // Both columns at once, then one row of two.
        let column = pair::<1>(self.y, x + y) * (ONE - fy) as u32 + pair::<1>(self.y, x + y + below) * fy as u32;
        let luma = (column & 0xFFFF) as i32 * (ONE - fx) + (column >> 16) as i32 * fx; // 1/1024

        // Chroma sample (i, j) lies at luma (2i + 0.5, 2j + 0.5): half the coordinate less a quarter, in 64ths. Both
        // planes are weighed at once.
        let sited = |s: i32, axis: &Axis| {
            let at = s - ONE / 2;
            if INNER { at } else { at.clamp(0, axis.last << (BITS + 1)) }
        };
        let (x, _, fx) = self.chroma[0].between::<INNER>(sited(sx, &self.chroma[0]));
        let (y, below, fy) = self.chroma[1].between::<INNER>(sited(sy, &self.chroma[1]));
        let row = |start: usize| u64::from(pair::<STEP>(self.u, start)) | u64::from(pair::<STEP>(self.v, start)) << 32;
        let columns = row(x + y) * (2 * ONE - fy) as u64 + row(x + y + below) * fy as u64;
        const LEFT: u64 = 0xFFFF_0000_FFFF;
        let chroma = (columns & LEFT) * (2 * ONE - fx) as u64 + (columns >> 16 & LEFT) * fx as u64; // 1/4096
        yuv_to_rgb(luma, chroma as u32 as i32 >> 2, (chroma >> 34) as i32)
    }

    #[inline(always)]
    fn is_inner(&self, at: [i32; 2]) -> bool {
        [0, 1].into_iter().all(|axis| {
            let chroma_end = (self.chroma[axis].last << (BITS + 1)) + ONE / 2;
            (ONE / 2..chroma_end.min(self.luma[axis].last << BITS)).contains(&at[axis])
        })
    }

    fn limit(&self) -> [i32; 2] {
        self.luma.map(|axis| axis.last << BITS)
    }

    fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let chroma = y / 2 * self.chroma[1].step + x / 2 * self.chroma[0].step;
        let fixed = |value: u8| i32::from(value) << (2 * BITS);
        let luma = self.y[y * self.luma[1].step + x];
        yuv_to_rgb(fixed(luma), fixed(self.u[chroma]), fixed(self.v[chroma]))
    }
}

/// BT.601 limited range; inputs in 1/1024, coefficients in 1/2048. The largest sum is 1.1e9, inside 32 bits.
#[inline(always)]
fn yuv_to_rgb(y: i32, u: i32, v: i32) -> [u8; 3] {
    const SHIFT: u32 = 21;
    let y = (y - (16 << 10)) * 2385 + (1 << (SHIFT - 1));
    let (u, v) = (u - (128 << 10), v - (128 << 10));
    // `clamp` without branches: saturated colours come and go, and mispredictions would double the cost.
    let byte = |value: i32| {
        let value = value >> SHIFT;
        let positive = value & !(value >> 31);
        (positive | ((255 - positive) >> 31)) as u8
    };
    [byte(y + 3269 * v), byte(y - 802 * u - 1665 * v), byte(y + 4131 * u)]
}

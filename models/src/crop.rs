//! Cutting an upright, fixed-size RGB square out of a picture: the input of every network here.
//!
//! OpenCV's 8-bit `warpPerspective` in integers, because MediaPipe uses it and a float version differs from it by up to
//! 0.9 pixels in landmarks: source coordinates are rounded to 1/32 pixel (half to even), the bilinear weights are
//! products of those 32nds, the sum is rounded half up. There is no half-pixel offset: output pixel (0, 0) samples the
//! upper left corner of the region.
//!
//! I420 and NV12 video is sampled where it lies, a frame is never converted as a whole: luma as above, chroma (sited in the
//! middle of its four luma pixels) bilinear at half resolution, BT.601 limited range to RGB at the end.

mod sample;

use std::f64::consts::PI;

use vision_core::face::Face;
use vision_core::picture::PictureView;

use sample::{Rgb, Yuv, warp_rows};

/// What lies outside the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// Black.
    Zero,
    /// The nearest pixel.
    Replicate,
    /// The picture mirrored at its edge, the edge itself not repeated (OpenCV's `BORDER_REFLECT_101`).
    Reflect,
}

/// A rotated rectangle in pixels of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Centre.
    pub cx: f64,
    /// Centre.
    pub cy: f64,
    /// Size along its own x axis.
    pub width: f64,
    /// Size along its own y axis.
    pub height: f64,
    /// Clockwise in the picture (y down), radians.
    pub rotation: f64,
}

impl Region {
    /// The upright square around a face's mesh in a picture of this many pixels: its side is that of the mesh's longer one
    /// times `scale`.
    pub fn square_around(face: &Face, (width, height): (usize, usize), scale: f32) -> Self {
        let face = face.bounding_box();
        let (width, height) = (width as f64, height as f64);
        let (w, h) = (f64::from(face.width) * width, f64::from(face.height) * height);
        let side = w.max(h) * f64::from(scale);
        Self {
            cx: f64::from(face.x) * width + w / 2.0,
            cy: f64::from(face.y) * height + h / 2.0,
            width: side,
            height: side,
            rotation: 0.0,
        }
    }
}

/// An affine map from output pixels to source pixels: `origin + x * across + y * down`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warp {
    /// Where output pixel (0, 0) samples.
    pub origin: [f64; 2],
    /// From one output column to the next.
    pub across: [f64; 2],
    /// From one output row to the next.
    pub down: [f64; 2],
}

impl Warp {
    /// The region stretched to `size` x `size` pixels.
    pub fn from_region(region: &Region, size: usize) -> Self {
        let (sin, cos) = region.rotation.sin_cos();
        let (w, h) = (region.width, region.height);
        let size = size as f64;
        Self {
            origin: [region.cx - 0.5 * (w * cos - h * sin), region.cy - 0.5 * (w * sin + h * cos)],
            across: [w * cos / size, w * sin / size],
            down: [-h * sin / size, h * cos / size],
        }
    }

    /// Source pixels per output pixel, the larger of both directions.
    pub fn step(&self) -> f64 {
        let length = |[x, y]: [f64; 2]| x.hypot(y);
        length(self.across).max(length(self.down))
    }

    /// Samples `factor` x `factor` points inside every output pixel instead of its one.
    fn subdivided(&self, factor: usize) -> Self {
        let f = factor as f64;
        let shift = 0.5 / f - 0.5;
        let at = |axis: usize| self.origin[axis] + shift * (self.across[axis] + self.down[axis]);
        let by = |v: [f64; 2]| [v[0] / f, v[1] / f];
        Self { origin: [at(0), at(1)], across: by(self.across), down: by(self.down) }
    }
}

/// Wraps an angle into -pi..pi.
pub fn wrap_angle(angle: f64) -> f64 {
    angle - 2.0 * PI * ((angle + PI) / (2.0 * PI)).floor()
}

/// A picture whose planes are shorter than its size says.
#[derive(Debug, thiserror::Error)]
#[error("a {width}x{height} picture does not have the pixels that its size promises")]
pub struct PictureLayoutError {
    width: usize,
    height: usize,
}

/// Checks that a picture is not empty and that its planes are as large as they have to be; [`crop`] relies on it.
pub fn check_layout(picture: &PictureView<'_>) -> Result<(), PictureLayoutError> {
    let plane = |data: &[u8], stride: usize, width: usize, height: usize| {
        width > 0 && height > 0 && stride >= width && data.len() >= stride * (height - 1) + width
    };
    let good = match picture {
        PictureView::Rgb(p) => plane(p.data, p.stride, 3 * p.width, p.height),
        PictureView::I420(p) => {
            let (cw, ch) = (p.width.div_ceil(2), p.height.div_ceil(2));
            plane(p.y, p.y_stride, p.width, p.height)
                && plane(p.u, p.uv_stride, cw, ch)
                && plane(p.v, p.uv_stride, cw, ch)
        }
        PictureView::Nv12(p) => {
            let (cw, ch) = (p.width.div_ceil(2), p.height.div_ceil(2));
            plane(p.y, p.y_stride, p.width, p.height) && plane(p.uv, p.uv_stride, 2 * cw, ch)
        }
    };
    // Coordinates are 32nds of a pixel in 32 bits.
    let sane = picture.width() <= 1 << 20 && picture.height() <= 1 << 20;
    if good && sane { Ok(()) } else { Err(PictureLayoutError { width: picture.width(), height: picture.height() }) }
}

/// Cuts `size` x `size` pixels out of a picture into `out` (`3 * size * size` bytes, interleaved RGB).
///
/// # Panics
/// When `out` has another length, or on a picture that [`check_layout`] refuses.
pub fn crop(picture: &PictureView<'_>, warp: &Warp, size: usize, border: Border, out: &mut [u8]) {
    assert_eq!(out.len(), 3 * size * size, "a crop of {size} pixels needs a buffer of its size");
    match picture {
        PictureView::Rgb(view) => warp_rows(&Rgb::new(view), warp, size, border, out),
        PictureView::I420(view) => warp_rows(&Yuv::i420(view), warp, size, border, out),
        PictureView::Nv12(view) => warp_rows(&Yuv::nv12(view), warp, size, border, out),
    }
}

/// As [`crop`], without aliasing when the region is much larger than `size`: every output pixel is the mean of up to
/// 8 x 8 samples. For networks trained on well-resized faces; the landmarker wants the plain [`crop`].
pub fn crop_smooth(picture: &PictureView<'_>, warp: &Warp, size: usize, border: Border, out: &mut [u8]) {
    let factor = (warp.step().round() as usize).clamp(1, 8);
    if factor == 1 {
        return crop(picture, warp, size, border, out);
    }
    assert_eq!(out.len(), 3 * size * size, "a crop of {size} pixels needs a buffer of its size");
    let fine = warp.subdivided(factor);
    let width = size * factor;
    let mut strip = vec![0; 3 * width * factor];
    let samples = (factor * factor) as u32;
    for (y, row) in out.chunks_exact_mut(3 * size).enumerate() {
        let start = (y * factor) as f64;
        let origin = [fine.origin[0] + start * fine.down[0], fine.origin[1] + start * fine.down[1]];
        let at = Warp { origin, ..fine };
        match picture {
            PictureView::Rgb(view) => warp_rows(&Rgb::new(view), &at, width, border, &mut strip),
            PictureView::I420(view) => warp_rows(&Yuv::i420(view), &at, width, border, &mut strip),
            PictureView::Nv12(view) => warp_rows(&Yuv::nv12(view), &at, width, border, &mut strip),
        }
        for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
            for (channel, value) in pixel.iter_mut().enumerate() {
                let block = strip
                    .chunks_exact(3 * width)
                    .flat_map(|line| line[3 * x * factor + channel..].iter().step_by(3).take(factor));
                *value = ((block.map(|v| u32::from(*v)).sum::<u32>() + samples / 2) / samples) as u8;
            }
        }
    }
}

/// `value * scale + offset` of interleaved RGB bytes, in the same order.
pub fn to_interleaved(rgb: &[u8], scale: f32, offset: f32, out: &mut [f32]) {
    for (value, byte) in out.iter_mut().zip(rgb) {
        *value = f32::from(*byte) * scale + offset;
    }
}

/// The order of colour planes that a network wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// `value * scale` of interleaved RGB bytes as three planes.
pub fn to_planes(rgb: &[u8], channels: Channels, scale: f32, out: &mut [f32]) {
    let plane = rgb.len() / 3;
    for (index, values) in out.chunks_exact_mut(plane.max(1)).take(3).enumerate() {
        let channel = if channels == Channels::Rgb { index } else { 2 - index };
        for (value, pixel) in values.iter_mut().zip(rgb.chunks_exact(3)) {
            *value = f32::from(pixel[channel]) * scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use vision_core::picture::{I420View, Nv12View, RgbView};

    use super::*;

    /// A colour picture with gradients and edges, so that a wrong weight or neighbour shows.
    fn rgb(width: usize, height: usize) -> Vec<u8> {
        let value = |x: usize, y: usize, c: usize| ((x * 7 + y * 13 + c * 31 + (x * y) % 17 * 5) % 256) as u8;
        (0..height).flat_map(|y| (0..width).flat_map(move |x| (0..3).map(move |c| value(x, y, c)))).collect()
    }

    fn view(data: &[u8], width: usize, height: usize) -> PictureView<'_> {
        PictureView::Rgb(RgbView { data, width, height, stride: 3 * width })
    }

    /// The definition, in doubles: coordinates to 1/32 pixel, exact weights, rounded half up.
    fn reference(data: &[u8], width: usize, height: usize, warp: &Warp, size: usize, border: Border) -> Vec<u8> {
        let mut out = Vec::new();
        for y in 0..size {
            for x in 0..size {
                let at = |axis: usize| {
                    let s = warp.origin[axis] + y as f64 * warp.down[axis] + x as f64 * warp.across[axis];
                    (s * 32.0).round_ties_even() / 32.0
                };
                let (sx, sy) = (at(0), at(1));
                let (x0, y0) = (sx.floor(), sy.floor());
                let (fx, fy) = (sx - x0, sy - y0);
                for channel in 0..3 {
                    let tap = |x: f64, y: f64| match (
                        border.map(x as i32, width as i32),
                        border.map(y as i32, height as i32),
                    ) {
                        (Some(x), Some(y)) => f64::from(data[3 * (y * width + x) + channel]),
                        _ => 0.0,
                    };
                    let upper = tap(x0, y0) * (1.0 - fx) + tap(x0 + 1.0, y0) * fx;
                    let lower = tap(x0, y0 + 1.0) * (1.0 - fx) + tap(x0 + 1.0, y0 + 1.0) * fx;
                    out.push((upper * (1.0 - fy) + lower * fy + 0.5).floor() as u8);
                }
            }
        }
        out
    }

    #[test]
    fn integers_give_exactly_what_the_definition_says() {
        let (width, height) = (53, 41);
        let data = rgb(width, height);
        for (cx, cy, w, h, rotation) in [
            (26.5, 20.5, 53.0, 53.0, 0.0),
            (20.3, 18.7, 30.1, 25.9, 0.3),
            (0.0, 0.0, 60.0, 60.0, -2.0),
            (50.0, 40.0, 12.0, 12.0, 1.0),
            (-500.0, 900.0, 40.0, 40.0, 0.1),
        ] {
            for border in [Border::Zero, Border::Replicate, Border::Reflect] {
                let warp = Warp::from_region(&Region { cx, cy, width: w, height: h, rotation }, 32);
                let mut out = vec![7; 3 * 32 * 32];
                crop(&view(&data, width, height), &warp, 32, border, &mut out);
                assert_eq!(out, reference(&data, width, height, &warp, 32, border), "{cx} {cy} {border:?}");
            }
        }
    }

    #[test]
    fn a_region_of_its_own_size_is_the_picture() {
        let data = rgb(16, 16);
        let warp = Warp::from_region(&Region { cx: 8.0, cy: 8.0, width: 16.0, height: 16.0, rotation: 0.0 }, 16);
        let mut out = vec![0; data.len()];
        crop(&view(&data, 16, 16), &warp, 16, Border::Zero, &mut out);
        assert_eq!(out, data);
        crop_smooth(&view(&data, 16, 16), &warp, 16, Border::Zero, &mut out);
        assert_eq!(out, data);
    }

    #[test]
    fn borders_map_as_named() {
        let map = |border: Border| (-3..7).map(|i| border.map(i, 4)).collect::<Vec<_>>();
        let some = |list: [usize; 10]| list.map(Some).to_vec();
        assert_eq!(map(Border::Replicate), some([0, 0, 0, 0, 1, 2, 3, 3, 3, 3]));
        assert_eq!(map(Border::Reflect), some([3, 2, 1, 0, 1, 2, 3, 2, 1, 0]));
        assert_eq!(map(Border::Zero)[..4], [None, None, None, Some(0)]);
        assert_eq!(Border::Reflect.map(-9, 1), Some(0));
    }

    #[test]
    fn smooth_reduction_is_the_mean() {
        // Columns of 0 and 200: one sample per pixel would give one of the two, the mean is 100.
        let data: Vec<u8> = (0..64 * 64).flat_map(|i| [if i % 2 == 0 { 0 } else { 200 }; 3]).collect();
        let warp = Warp::from_region(&Region { cx: 32.0, cy: 32.0, width: 32.0, height: 32.0, rotation: 0.0 }, 8);
        let mut out = vec![0; 3 * 64];
        crop_smooth(&view(&data, 64, 64), &warp, 8, Border::Replicate, &mut out);
        assert!(out.iter().all(|v| *v == 100), "{out:?}");
    }

    #[test]
    fn i420_equals_rgb_of_the_same_colours() {
        // Flat colours: what is left is the colour matrix. Values by the formulas of BT.601 limited range.
        for (yuv, expected) in [
            ([16, 128, 128], [0, 0, 0]),
            ([235, 128, 128], [255, 255, 255]),
            ([126, 128, 128], [128, 128, 128]),
            ([81, 90, 240], [254, 0, 0]),
            ([145, 54, 34], [0, 255, 1]),
            ([41, 240, 110], [0, 0, 255]),
            ([255, 255, 255], [255, 125, 255]),
            ([0, 0, 0], [0, 136, 0]),
        ] {
            let (y, u, v) = (vec![yuv[0]; 40 * 30], vec![yuv[1]; 20 * 15], vec![yuv[2]; 20 * 15]);
            let view = I420View { y: &y, u: &u, v: &v, y_stride: 40, uv_stride: 20, width: 40, height: 30 };
            let region = Region { cx: 20.0, cy: 15.0, width: 50.0, height: 50.0, rotation: 0.4 };
            let mut out = vec![0; 3 * 24 * 24];
            let warp = Warp::from_region(&region, 24);
            crop(&PictureView::I420(view), &warp, 24, Border::Replicate, &mut out);
            assert!(out.chunks(3).all(|pixel| pixel == expected), "{yuv:?}: {:?}", &out[..3]);
        }
    }

    #[test]
    fn i420_luma_and_chroma_lie_in_the_same_place() {
        // A horizontal ramp in luma and, at half resolution, in chroma: at every output pixel U follows Y.
        let (width, height) = (64, 8);
        let y: Vec<u8> = (0..height).flat_map(|_| (0..width).map(|x| 40 + 2 * x as u8)).collect();
        let u: Vec<u8> = (0..height / 2).flat_map(|_| (0..width / 2).map(|x| 41 + 4 * x as u8)).collect();
        let v = vec![128; u.len()];
        let view = I420View { y: &y, u: &u, v: &v, y_stride: width, uv_stride: width / 2, width, height };
        let region = Region { cx: 30.3, cy: 4.0, width: 4.0, height: 4.0, rotation: 0.0 };
        let mut out = vec![0; 3 * 16];
        crop(&PictureView::I420(view), &Warp::from_region(&region, 4), 4, Border::Replicate, &mut out);
        for (x, pixel) in out.chunks(3).take(4).enumerate() {
            let value = 40.0 + 2.0 * (28.3 + x as f64); // Y and U there
            let blue = 1.164383 * (value - 16.0) + 2.017232 * (value - 128.0);
            assert!((f64::from(pixel[2]) - blue.clamp(0.0, 255.0)).abs() <= 1.0, "{x}: {pixel:?} {blue}");
        }
    }

    #[test]
    fn nv12_gives_exactly_what_i420_gives() {
        for (width, height) in [(54usize, 40usize), (53, 41), (1, 1)] {
            let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
            let noise = |count: usize, seed: usize| (0..count).map(|i| (i * seed % 251) as u8).collect::<Vec<_>>();
            let chroma = chroma_width * chroma_height;
            let (y, u, v) = (noise(width * height, 97), noise(chroma, 61), noise(chroma, 89));
            let (y_stride, uv_stride) = (width, chroma_width);
            let i420 = PictureView::I420(I420View { y: &y, u: &u, v: &v, y_stride, uv_stride, width, height });
            // Rows of chroma are padded.
            let rows = u.chunks(chroma_width).zip(v.chunks(chroma_width));
            let pairs = |(u, v): (&[u8], &[u8])| u.iter().zip(v).flat_map(|(u, v)| [*u, *v]).chain([7; 3]).collect();
            let uv = rows.flat_map::<Vec<u8>, _>(pairs).collect::<Vec<u8>>();
            let uv_stride = 2 * chroma_width + 3;
            let nv12 = PictureView::Nv12(Nv12View { y: &y, uv: &uv, y_stride, uv_stride, width, height });
            check_layout(&nv12).unwrap();
            for border in [Border::Zero, Border::Replicate, Border::Reflect] {
                for side in [30.0, 70.0] {
                    let region = Region { cx: 20.3, cy: 18.7, width: side, height: side, rotation: 0.3 };
                    let warp = Warp::from_region(&region, 16);
                    for cut in [crop, crop_smooth] {
                        let [mut one, mut other] = [vec![1; 3 * 256], vec![2; 3 * 256]];
                        cut(&i420, &warp, 16, border, &mut one);
                        cut(&nv12, &warp, 16, border, &mut other);
                        assert_eq!(one, other, "{width}x{height} {border:?} {side}");
                    }
                }
            }
        }
    }

    #[test]
    fn odd_sizes_and_small_pictures_do_not_panic() {
        for (width, height) in [(1, 1), (2, 1), (1, 5), (3, 3), (17, 9)] {
            let (y, uv) = (vec![90; width * height], vec![100; width.div_ceil(2) * height.div_ceil(2)]);
            let i420 = PictureView::I420(I420View {
                y: &y,
                u: &uv,
                v: &uv,
                y_stride: width,
                uv_stride: width.div_ceil(2),
                width,
                height,
            });
            let data = rgb(width, height);
            for picture in [i420, view(&data, width, height)] {
                check_layout(&picture).unwrap();
                for border in [Border::Zero, Border::Replicate, Border::Reflect] {
                    for cx in [0.0, 1e9, -1e9, f64::NAN, f64::INFINITY] {
                        let region = Region { cx, cy: 0.5, width: 9.0, height: 9.0, rotation: 0.7 };
                        let mut out = vec![0; 3 * 64];
                        crop(&picture, &Warp::from_region(&region, 8), 8, border, &mut out);
                        crop_smooth(&picture, &Warp::from_region(&region, 8), 8, border, &mut out);
                    }
                }
            }
        }
    }

    #[test]
    fn short_planes_are_refused() {
        let data = rgb(10, 10);
        assert!(check_layout(&view(&data, 10, 10)).is_ok());
        assert!(check_layout(&view(&data[1..], 10, 10)).is_err());
        assert!(check_layout(&view(&[], 0, 0)).is_err());
        let (y, uv) = (vec![0; 100], vec![0; 24]);
        let i420 = I420View { y: &y, u: &uv, v: &uv, y_stride: 10, uv_stride: 5, width: 10, height: 10 };
        assert!(check_layout(&PictureView::I420(i420)).is_err());
    }

    #[test]
    fn planes_and_channel_order() {
        let rgb = [1, 2, 3, 4, 5, 6];
        let mut out = [0.0; 6];
        to_planes(&rgb, Channels::Rgb, 1.0, &mut out);
        assert_eq!(out, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        to_planes(&rgb, Channels::Bgr, 2.0, &mut out);
        assert_eq!(out, [6.0, 12.0, 4.0, 10.0, 2.0, 8.0]);
        to_interleaved(&rgb, 0.5, -1.0, &mut out);
        assert_eq!(out, [-0.5, 0.0, 0.5, 1.0, 1.5, 2.0]);
    }

    #[test]
    fn angles_wrap() {
        for (angle, wrapped) in [(0.0, 0.0), (4.0, 4.0 - 2.0 * PI), (-4.0, 2.0 * PI - 4.0), (7.0, 7.0 - 2.0 * PI)] {
            assert!((wrap_angle(angle) - wrapped).abs() < 1e-12);
        }
    }
}

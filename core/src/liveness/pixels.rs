//! Luma and colour of points, rectangles and aligned patches, read where a picture lies: no frame is ever converted.
//!
//! Values are 0..255 whatever the format: limited-range video is stretched (BT.601), luma of RGB is BT.601's weighted sum.
//! Pixel coordinates have their integers in the middle of pixels; beyond the edge the nearest pixel is repeated.

mod grid;

use grid::Grid;

use crate::face::{Face, Rect};
use crate::picture::PictureView;

/// Weights of red, green and blue in luma (BT.601).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];
/// Limited range to 0..255.
const STRETCH: f32 = 255.0 / 219.0;
/// The most samples per side that one value of a patch or a mean is made of.
const MOST_SAMPLES: usize = 8;

/// Mesh points at the outer and inner corners of the eye that the viewer sees at the left, then at the right.
const EYES: [[usize; 2]; 2] = [[33, 133], [362, 263]];
/// Mesh points at the corners of the mouth.
const MOUTH: [usize; 2] = [61, 291];
/// Where the middle between the eyes comes to lie in an aligned patch, in parts of its side.
const EYE_LINE: [f32; 2] = [0.5, 0.37];
/// How far the eyes are apart there: forehead to chin just fit in.
const EYE_DISTANCE: f32 = 0.37;

/// A picture to read points of.
#[derive(Clone, Copy)]
pub struct Pixels<'a> {
    planes: Planes<'a>,
    width: usize,
    height: usize,
}

#[derive(Clone, Copy)]
enum Planes<'a> {
    Rgb {
        data: &'a [u8],
        stride: usize,
    },
    /// `step`: bytes from one chroma sample of a row to the next.
    Yuv {
        y: &'a [u8],
        stride: usize,
        u: &'a [u8],
        v: &'a [u8],
        uv_stride: usize,
        step: usize,
    },
}

/// An affine map from points of a patch to pixels of a picture: `origin + x * across + y * down`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Where point (0, 0), the middle of the first value, lies.
    pub origin: [f32; 2],
    /// From one column to the next.
    pub across: [f32; 2],
    /// From one row to the next.
    pub down: [f32; 2],
}

/// A piece of a picture in luma. Biometric data: `Debug` shows its size only.
#[derive(Clone)]
pub struct Patch {
    /// `width * height` values 0..255, row by row.
    pub values: Vec<f32>,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// A piece of a picture in colour. Biometric data: `Debug` shows its size only.
#[derive(Clone)]
pub struct ColourPatch {
    /// `width * height` values of red, green and blue, 0..255, row by row.
    pub values: Vec<[f32; 3]>,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl<'a> Pixels<'a> {
    /// `None` for a picture whose planes are shorter than its size promises, or that has no pixels.
    pub fn new(picture: &PictureView<'a>) -> Option<Self> {
        let plane = |data: &[u8], stride: usize, width: usize, height: usize| {
            let bytes = stride.checked_mul(height - 1).and_then(|rows| rows.checked_add(width));
            stride >= width && bytes.is_some_and(|bytes| data.len() >= bytes)
        };
        let (width, height) = (picture.width(), picture.height());
        if width == 0 || height == 0 {
            return None;
        }
        let (cw, ch) = (width.div_ceil(2), height.div_ceil(2));
        let (planes, good) = match *picture {
            PictureView::Rgb(p) => {
                (Planes::Rgb { data: p.data, stride: p.stride }, plane(p.data, p.stride, 3 * width, height))
            }
            PictureView::I420(p) => (
                Planes::Yuv { y: p.y, stride: p.y_stride, u: p.u, v: p.v, uv_stride: p.uv_stride, step: 1 },
                plane(p.y, p.y_stride, width, height)
                    && plane(p.u, p.uv_stride, cw, ch)
                    && plane(p.v, p.uv_stride, cw, ch),
            ),
            PictureView::Nv12(p) => {
                let v = p.uv.get(1..).unwrap_or_default();
                (
                    Planes::Yuv { y: p.y, stride: p.y_stride, u: p.uv, v, uv_stride: p.uv_stride, step: 2 },
                    plane(p.y, p.y_stride, width, height) && plane(p.uv, p.uv_stride, 2 * cw, ch),
                )
            }
        };
        good.then_some(Self { planes, width, height })
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Luma 0..255 between pixels (bilinear).
    pub fn luma(&self, x: f32, y: f32) -> f32 {
        match self.planes {
            Planes::Rgb { data, stride } => {
                self.between(x, y, |column, row| dot(pixel(data, 3 * column + row * stride), LUMA))
            }
            Planes::Yuv { y: luma, stride, .. } => {
                stretched(self.between(x, y, |column, row| f32::from(luma[column + row * stride])))
            }
        }
    }

    /// Red, green and blue 0..255 between pixels: luma bilinear, the chroma of video of the nearest sample.
    pub fn rgb(&self, x: f32, y: f32) -> [f32; 3] {
        match self.planes {
            Planes::Rgb { data, stride } => {
                [0, 1, 2].map(|c| self.between(x, y, |column, row| f32::from(data[3 * column + row * stride + c])))
            }
            Planes::Yuv { u, v, uv_stride, step, .. } => {
                let near = |value: f32, size: usize| (value.max(0.0).round() as usize).min(size - 1) / 2;
                let at = near(y, self.height) * uv_stride + near(x, self.width) * step;
                let (u, v) = (f32::from(u[at]) - 128.0, f32::from(v[at]) - 128.0);
                let luma = self.luma(x, y);
                [luma + 1.596 * v, luma - 0.392 * u - 0.813 * v, luma + 2.017 * u].map(|value| value.clamp(0.0, 255.0))
            }
        }
    }

    /// Mean luma of a normalised rectangle, of at most 8 x 8 points in it.
    pub fn mean_luma(&self, rect: &Rect) -> f32 {
        let (mut sum, mut count) = (0.0, 0);
        self.each_point(rect, |x, y| {
            sum += self.luma(x, y);
            count += 1;
        });
        sum / count as f32
    }

    /// Mean red, green and blue of a normalised rectangle, of at most 8 x 8 points in it.
    pub fn mean_rgb(&self, rect: &Rect) -> [f32; 3] {
        let (mut sum, mut count) = ([0.0; 3], 0);
        self.each_point(rect, |x, y| {
            let rgb = self.rgb(x, y);
            sum = [0, 1, 2].map(|c| sum[c] + rgb[c]);
            count += 1;
        });
        sum.map(|value| value / count as f32)
    }

    /// A patch of luma. Where a step of the map is longer than a pixel, every value is the mean of a grid of points, so
    /// that fine patterns do not alias.
    pub fn patch(&self, map: &Affine, width: usize, height: usize) -> Patch {
        let grid = Grid { map, side: (map.step().round() as usize).clamp(1, MOST_SAMPLES), width, height };
        let values = match self.planes {
            Planes::Rgb { data, stride } => {
                // LUMA in 256ths.
                let read = |at: usize| {
                    let [r, g, b] = [0, 1, 2].map(|channel| u32::from(data[at + channel]));
                    77 * r + 150 * g + 29 * b
                };
                match grid.sampled(self.width, self.height, |row, column| row * stride + 3 * column, [3, stride], read)
                {
                    Some(mut values) => {
                        values.iter_mut().for_each(|value| *value /= 256.0);
                        values
                    }
                    None => grid.sampled_at_edges(|x, y| self.luma(x, y)),
                }
            }
            Planes::Yuv { y: luma, stride, .. } => {
                let read = |at: usize| u32::from(luma[at]);
                match grid.sampled(self.width, self.height, |row, column| row * stride + column, [1, stride], read) {
                    Some(mut values) => {
                        values.iter_mut().for_each(|value| *value = stretched(*value));
                        values
                    }
                    None => grid.sampled_at_edges(|x, y| self.luma(x, y)),
                }
            }
        };
        Patch { values, width, height }
    }

    /// A patch in colour: one point per value.
    pub fn colour_patch(&self, map: &Affine, width: usize, height: usize) -> ColourPatch {
        let points = (0..height).flat_map(|y| (0..width).map(move |x| [x as f32, y as f32]));
        let values = points.map(|point| map.apply(point)).map(|[x, y]| self.rgb(x, y)).collect();
        ColourPatch { values, width, height }
    }

    fn each_point(&self, rect: &Rect, mut visit: impl FnMut(f32, f32)) {
        let (width, height) = (self.width as f32, self.height as f32);
        let count = |pixels: f32| (pixels as usize).clamp(1, MOST_SAMPLES);
        let (columns, rows) = (count(rect.width * width), count(rect.height * height));
        let at = |from: f32, size: f32, index: usize, count: usize| from + size * (index as f32 + 0.5) / count as f32;
        for row in 0..rows {
            for column in 0..columns {
                let x = at(rect.x, rect.width, column, columns) * width - 0.5;
                let y = at(rect.y, rect.height, row, rows) * height - 0.5;
                visit(x, y);
            }
        }
    }

    /// Bilinear, from four pixels.
    #[inline]
    fn between(&self, x: f32, y: f32, read: impl Fn(usize, usize) -> f32) -> f32 {
        // `max` first: it turns what is no number into 0.
        let x = x.max(0.0).min((self.width - 1) as f32);
        let y = y.max(0.0).min((self.height - 1) as f32);
        let (left, top) = (x as usize, y as usize);
        let (right, bottom) = ((left + 1).min(self.width - 1), (top + 1).min(self.height - 1));
        let (fx, fy) = (x - left as f32, y - top as f32);
        let upper = read(left, top) + fx * (read(right, top) - read(left, top));
        let lower = read(left, bottom) + fx * (read(right, bottom) - read(left, bottom));
        upper + fy * (lower - upper)
    }
}

impl Affine {
    /// The map that puts a face upright into a square patch of `side` values: eyes on a level line at 0.37 of its
    /// height, 0.37 of its width apart, so that forehead and chin are just inside. The scale is that of the distance
    /// between the eyes or from eyes to mouth (about as long), whichever is longer, so that a turned or nodding head
    /// keeps its size. `None` for a face without extent.
    pub fn of_face(face: &Face, width: usize, height: usize, side: usize) -> Option<Self> {
        let at = |index: usize| {
            let [x, y, _] = face.landmarks[index];
            [x * width as f32 - 0.5, y * height as f32 - 0.5]
        };
        let middle = |[a, b]: [[f32; 2]; 2]| [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
        let eyes = EYES.map(|corners| middle(corners.map(at)));
        let (between, mouth) = (middle(eyes), middle(MOUTH.map(at)));
        let level = [eyes[1][0] - eyes[0][0], eyes[1][1] - eyes[0][1]];
        let distance = level[0].hypot(level[1]);
        let size = distance.max((mouth[0] - between[0]).hypot(mouth[1] - between[1]));
        let step = size / (EYE_DISTANCE * side as f32);
        let across = level.map(|v| v / distance * step);
        let down = [-across[1], across[0]];
        let [x, y] = EYE_LINE.map(|part| part * side as f32 - 0.5);
        let origin = [0, 1].map(|axis| between[axis] - x * across[axis] - y * down[axis]);
        let map = Self { origin, across, down };
        (step.is_finite() && step > 0.0 && origin.iter().chain(&across).all(|v| v.is_finite())).then_some(map)
    }

    /// Where a point of the patch lies in the picture.
    #[inline]
    pub fn apply(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [0, 1].map(|axis| self.origin[axis] + x * self.across[axis] + y * self.down[axis])
    }

    /// Where a point of the picture lies in the patch.
    pub fn invert(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let [a, c] = self.across;
        let [b, d] = self.down;
        let determinant = a * d - b * c;
        let (x, y) = (x - self.origin[0], y - self.origin[1]);
        [(d * x - b * y) / determinant, (a * y - c * x) / determinant]
    }

    /// Pixels of the picture per value of the patch, the larger of both directions.
    pub fn step(&self) -> f32 {
        self.across[0].hypot(self.across[1]).max(self.down[0].hypot(self.down[1]))
    }
}

impl std::fmt::Debug for Patch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Patch({}x{})", self.width, self.height)
    }
}

impl std::fmt::Debug for ColourPatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ColourPatch({}x{})", self.width, self.height)
    }
}

fn stretched(luma: f32) -> f32 {
    ((luma - 16.0) * STRETCH).clamp(0.0, 255.0)
}

fn pixel(data: &[u8], at: usize) -> [f32; 3] {
    [0, 1, 2].map(|channel| f32::from(data[at + channel]))
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::LANDMARKS;
    use crate::picture::{I420View, Nv12View, RgbView};

    /// A ramp from left to right, one level a column, padded, as I420.
    fn ramp<R>(width: usize, height: usize, look: impl FnOnce(Pixels<'_>) -> R) -> R {
        let stride = width + 3;
        let y: Vec<u8> = (0..stride * height).map(|i| 16 + (i % stride) as u8).collect();
        let chroma = vec![128; width.div_ceil(2) * height.div_ceil(2)];
        let uv_stride = width.div_ceil(2);
        let view = I420View { y: &y, u: &chroma, v: &chroma, y_stride: stride, uv_stride, width, height };
        look(Pixels::new(&PictureView::I420(view)).unwrap())
    }

    #[test]
    fn points_lie_between_pixels_and_edges_are_repeated() {
        ramp(40, 20, |pixels| {
            for (x, y, level) in [(0.0, 0.0, 0.0), (10.0, 5.0, 10.0), (10.25, 5.5, 10.25), (-7.0, -1.0, 0.0)] {
                assert!((pixels.luma(x, y) - level * STRETCH).abs() < 1e-3, "{x} {y}");
            }
            assert_eq!(pixels.luma(99.0, 99.0), 39.0 * STRETCH);
            assert_eq!(pixels.luma(f32::NAN, f32::INFINITY), 0.0);
        });
    }

    #[test]
    fn every_format_shows_the_same() {
        // Grey 100 and BT.601's red, in a 5x3 picture.
        for (yuv, rgb) in [([102, 128, 128], [100, 100, 100]), ([81, 90, 240], [254, 0, 0])] {
            let (y, u, v) = ([yuv[0]; 15], [yuv[1]; 6], [yuv[2]; 6]);
            let uv: Vec<u8> = u.iter().zip(&v).flat_map(|(u, v)| [*u, *v]).collect();
            let data: Vec<u8> = rgb.into_iter().cycle().take(45).collect();
            let (width, height) = (5, 3);
            let views = [
                PictureView::I420(I420View { y: &y, u: &u, v: &v, y_stride: 5, uv_stride: 3, width, height }),
                PictureView::Nv12(Nv12View { y: &y, uv: &uv, y_stride: 5, uv_stride: 6, width, height }),
                PictureView::Rgb(RgbView { data: &data, width, height, stride: 15 }),
            ];
            for view in views {
                let pixels = Pixels::new(&view).unwrap();
                let whole = Rect { x: 0.0, y: 0.0, width: 1.0, height: 1.0 };
                for found in [pixels.rgb(2.5, 1.5), pixels.mean_rgb(&whole)] {
                    assert!(found.iter().zip(rgb).all(|(a, b)| (a - f32::from(b)).abs() < 2.0), "{found:?} {rgb:?}");
                }
                let luma = dot(rgb.map(f32::from), LUMA);
                assert!((pixels.luma(4.0, 2.0) - luma).abs() < 2.0 && (pixels.mean_luma(&whole) - luma).abs() < 2.0);
            }
        }
    }

    #[test]
    fn a_picture_that_is_too_short_is_not_read() {
        let view = |data| PictureView::Rgb(RgbView { data, width: 4, height: 2, stride: 12 });
        assert!(Pixels::new(&view(&[0; 24])).is_some());
        assert!(Pixels::new(&view(&[0; 23])).is_none());
        assert!(Pixels::new(&PictureView::Rgb(RgbView { data: &[], width: 0, height: 0, stride: 0 })).is_none());
        let view = |uv| PictureView::Nv12(Nv12View { y: &[0; 15], uv, y_stride: 5, uv_stride: 6, width: 5, height: 3 });
        assert!(Pixels::new(&view(&[0; 12])).is_some() && Pixels::new(&view(&[0; 11])).is_none());
    }

    #[test]
    fn a_patch_of_half_the_size_is_the_mean() {
        ramp(40, 20, |pixels| {
            let map = Affine { origin: [4.5, 4.5], across: [2.0, 0.0], down: [0.0, 2.0] };
            let patch = pixels.patch(&map, 8, 4);
            for (index, value) in patch.values.iter().enumerate() {
                let mean = (4.5 + 2.0 * (index % 8) as f32) * STRETCH;
                assert!((value - mean).abs() < 1e-3, "{index}: {value} {mean}");
            }
            assert_eq!(format!("{patch:?}"), "Patch(8x4)");
            assert_eq!(pixels.colour_patch(&map, 8, 4).values.len(), 32);
        });
    }

    #[test]
    fn integers_give_what_the_definition_says() {
        let (width, height) = (64, 48);
        let data: Vec<u8> = (0..3 * width * height).map(|i| (i * 37 % 251) as u8).collect();
        let chroma = vec![128; width * height / 4];
        let (y, uv_stride) = (&data[..width * height], width / 2);
        let views = [
            PictureView::Rgb(RgbView { data: &data, width, height, stride: 3 * width }),
            PictureView::I420(I420View { y, u: &chroma, v: &chroma, y_stride: width, uv_stride, width, height }),
        ];
        for (view, scale) in views.iter().flat_map(|view| [(view, 0.4), (view, 1.0), (view, 2.2)]) {
            let pixels = Pixels::new(view).unwrap();
            let map = Affine { origin: [22.3, 9.7], across: [scale, 0.3 * scale], down: [-0.3 * scale, scale] };
            let grid = Grid { map: &map, side: (map.step().round() as usize).max(1), width: 12, height: 11 };
            let expected = grid.sampled_at_edges(|x, y| pixels.luma(x, y));
            let found = pixels.patch(&map, 12, 11).values;
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1.5, "{scale}: {found} {expected}");
            }
        }
    }

    #[test]
    fn a_patch_across_the_edge_repeats_it() {
        ramp(40, 20, |pixels| {
            let map = Affine { origin: [-10.0, -3.0], across: [2.0, 0.0], down: [0.0, 2.0] };
            let patch = pixels.patch(&map, 30, 12);
            assert!(
                patch.values[0].abs() < 1e-3 && (patch.values[29] - 39.0 * STRETCH).abs() < 1e-3,
                "{:?}",
                patch.values
            );
        });
    }

    #[test]
    fn an_aligned_face_is_upright_and_of_one_size() {
        // Eyes 60 pixels apart, turned by 0.3; the mouth as far below them.
        let (sin, cos) = 0.3_f32.sin_cos();
        let put = |x: f32, y: f32| [(300.5 + cos * x - sin * y) / 640.0, (200.5 + sin * x + cos * y) / 480.0, 0.0];
        let mut face = Face {
            landmarks: Box::new([[0.0; 3]; LANDMARKS]),
            blendshapes: [0.0; 52],
            matrix: [[0.0; 4]; 4],
            presence: 1.0,
        };
        assert_eq!(Affine::of_face(&face, 640, 480, 100), None);
        for (index, x, y) in [
            (33, -40.0, 0.0),
            (133, -20.0, 0.0),
            (362, 20.0, 0.0),
            (263, 40.0, 0.0),
            (61, -20.0, 60.0),
            (291, 20.0, 60.0),
        ] {
            face.landmarks[index] = put(x, y);
        }
        let map = Affine::of_face(&face, 640, 480, 100).unwrap();
        for (patch, x, y) in [([49.5, 36.5], 0.0, 0.0), ([68.0, 36.5], 30.0, 0.0), ([49.5, 73.5], 0.0, 60.0)] {
            let [px, py, _] = put(x, y);
            let expected = [640.0 * px - 0.5, 480.0 * py - 0.5];
            let (found, back) = (map.apply(patch), map.invert(expected));
            assert!((found[0] - expected[0]).abs() < 0.01 && (found[1] - expected[1]).abs() < 0.01, "{found:?}");
            assert!((back[0] - patch[0]).abs() < 0.01 && (back[1] - patch[1]).abs() < 0.01, "{back:?}");
        }
    }
}

//! The picture at the size of the video: cut out around the face, and what is hidden in it made up: the inside of the
//! mouth around the visible teeth, and the lips' edges that touch them.

use super::PortraitError;
use super::mesh::smooth;
use super::warp::{Plane, distance_from_line};
use crate::picture::{I420Mut, RgbView};
use crate::topology::{EyeLines, LEFT_EYE, LOWER_LIP, RIGHT_EYE, UPPER_LIP};

/// Height of the face, forehead to chin, as a fraction of the video's height.
const FACE_HEIGHT: f32 = 0.46;
/// Where the face's centre lies in the video.
const FACE_CENTRE: [f32; 2] = [0.5, 0.53];

/// The dark of the mouth behind the teeth, RGB.
const CAVITY: [f32; 3] = [52.0, 24.0, 22.0];
/// The tongue, in the shadow, RGB.
const TONGUE: [f32; 3] = [122.0, 62.0, 60.0];
/// The line between closed lips, RGB.
const LIP_LINE: [f32; 3] = [92.0, 46.0, 42.0];
/// Lashes of closed lids, RGB.
const LASHES: [f32; 3] = [70.0, 46.0, 38.0];

/// A picture in I420 that is sampled from.
pub(super) struct Texture {
    pub y: Plane,
    pub u: Plane,
    pub v: Plane,
}

/// What part of the picture is shown.
#[derive(Clone, Copy)]
pub(super) struct Crop {
    left: f32,
    top: f32,
    /// Canvas pixels per picture pixel.
    scale: f32,
}

impl Crop {
    /// `face` are the top of the forehead and the tip of the chin in picture pixels.
    pub fn around(face: [[f32; 2]; 2], picture: [usize; 2], canvas: [usize; 2]) -> Self {
        let [top, chin] = face;
        let [pw, ph, cw, ch] = [picture[0], picture[1], canvas[0], canvas[1]].map(|v| v as f32);
        let length = (chin[0] - top[0]).hypot(chin[1] - top[1]).max(1.0);
        // Never more than the picture holds.
        let scale = (FACE_HEIGHT * ch / length).max(cw / pw).max(ch / ph);
        let (width, height) = (cw / scale, ch / scale);
        let left = ((top[0] + chin[0]) / 2.0 - FACE_CENTRE[0] * width).clamp(0.0, (pw - width).max(0.0));
        let top = ((top[1] + chin[1]) / 2.0 - FACE_CENTRE[1] * height).clamp(0.0, (ph - height).max(0.0));
        Self { left, top, scale }
    }

    /// A point of the picture (pixels; z likewise) in the canvas.
    pub fn point(&self, p: [f32; 3]) -> [f32; 3] {
        [(p[0] - self.left) * self.scale, (p[1] - self.top) * self.scale, p[2] * self.scale]
    }
}

/// An RGB picture of the canvas' size.
pub(super) struct Canvas {
    data: Vec<u8>,
    width: usize,
    height: usize,
}

impl Canvas {
    /// Cuts `crop` out of `picture` and scales it.
    pub fn new(picture: &RgbView<'_>, crop: Crop, [width, height]: [usize; 2]) -> Result<Self, PortraitError> {
        let rows = (0..picture.height)
            .map(|y| picture.data.get(y * picture.stride..)?.get(..3 * picture.width))
            .collect::<Option<Vec<_>>>()
            .ok_or(PortraitError::PictureTooShort {
                width: picture.width,
                height: picture.height,
                stride: picture.stride,
                bytes: picture.data.len(),
            })?;
        let columns: Vec<_> =
            (0..width).map(|x| taps(crop.left + (x as f32 + 0.5) / crop.scale, picture.width)).collect();
        let lines: Vec<_> =
            (0..height).map(|y| taps(crop.top + (y as f32 + 0.5) / crop.scale, picture.height)).collect();
        // Across first, every row of the picture once.
        let wide: Vec<Vec<[f32; 3]>> = rows
            .iter()
            .map(|row| {
                let at = |&(i, weight): &(usize, f32)| [0, 1, 2].map(|k| weight * f32::from(row[3 * i + k]));
                columns.iter().map(|taps| taps.iter().map(at).fold([0.0; 3], add)).collect()
            })
            .collect();
        let down = |taps: &[(usize, f32); 4], x: usize| {
            taps.iter().map(|&(y, weight)| wide[y][x].map(|v| weight * v)).fold([0.0; 3], add)
        };
        let data = lines
            .iter()
            .flat_map(|taps| (0..width).flat_map(move |x| down(taps, x).map(|v| v.round() as u8)))
            .collect();
        Ok(Self { data, width, height })
    }

    /// The picture for the skin: at the edges of the openings and inside them dark, so that closed lips meet in a line
    /// and closed lids in their lashes.
    pub fn closed(&self, points: &[[f32; 3]], unit: f32) -> Self {
        let mut painted = Self { data: self.data.clone(), ..*self };
        let line = |width: f32| move |_: [f32; 2], distance: f32| smooth(distance / (width * unit) + 0.5);
        painted.paint(&mouth_opening(points), [0.05 * unit; 3], LIP_LINE, line(0.022));
        for eye in [&RIGHT_EYE, &LEFT_EYE] {
            painted.paint(&eye_opening(points, eye), [0.05 * unit; 3], LASHES, line(0.014));
        }
        painted
    }

    /// The picture for the openings: the teeth where they are seen, behind them the dark of the mouth, and the tongue.
    pub fn open(&self, points: &[[f32; 3]], unit: f32) -> Self {
        let mut painted = Self { data: self.data.clone(), ..*self };
        let mouth = mouth_opening(points);
        // Lower lip and jaw travel down: what they uncover lies below.
        let uncovered = [0.2 * unit, 0.12 * unit, 0.8 * unit];
        painted.paint(&mouth, uncovered, CAVITY, |_, distance| 1.0 - smooth(distance / (0.03 * unit) + 0.6));
        let floor = mouth.iter().map(|p| p[1]).fold(f32::MIN, f32::max);
        let middle = (points[UPPER_LIP[3][5]][0] + points[LOWER_LIP[3][5]][0]) / 2.0;
        painted.paint(&mouth, uncovered, TONGUE, |[x, y], _| {
            let (x, y) = ((x - middle) / (0.26 * unit), (y - floor - 0.36 * unit) / (0.3 * unit));
            0.9 * smooth(1.4 - 1.4 * x.hypot(y))
        });
        painted
    }

    /// Mixes `colour` in around an opening, as much as `amount` says for a pixel (its centre; its distance from the
    /// opening's edge, positive inside). `margins` are pixels beside, above and below the opening.
    fn paint(
        &mut self,
        opening: &[[f32; 2]],
        margins: [f32; 3],
        colour: [f32; 3],
        amount: impl Fn([f32; 2], f32) -> f32,
    ) {
        let [beside, above, below] = margins;
        let range = |k: usize, before: f32, after: f32, size: usize| {
            let low = opening.iter().map(|p| p[k]).fold(f32::MAX, f32::min) - before;
            let high = opening.iter().map(|p| p[k]).fold(f32::MIN, f32::max) + after;
            (low.max(0.0) as usize).min(size)..(high.max(0.0).ceil() as usize).min(size)
        };
        for y in range(1, above, below, self.height) {
            for x in range(0, beside, beside, self.width) {
                let centre = [x as f32 + 0.5, y as f32 + 0.5];
                let amount = amount(centre, inside_distance(opening, centre));
                for (value, colour) in self.data[3 * (y * self.width + x)..][..3].iter_mut().zip(colour) {
                    *value = (f32::from(*value) * (1.0 - amount) + colour * amount).round() as u8;
                }
            }
        }
    }

    /// Converts to I420, BT.601 limited range.
    pub fn texture(&self) -> Texture {
        let (cw, ch) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let pixel = |x: usize, y: usize| {
            let i = 3 * (y.min(self.height - 1) * self.width + x.min(self.width - 1));
            [self.data[i], self.data[i + 1], self.data[i + 2]].map(f32::from)
        };
        let luma: Vec<u8> = (0..self.width * self.height)
            .map(|i| {
                let [r, g, b] = pixel(i % self.width, i / self.width);
                (16.5 + (65.481 * r + 128.553 * g + 24.966 * b) / 255.0) as u8
            })
            .collect();
        let (mut us, mut vs) = (Vec::with_capacity(cw * ch), Vec::with_capacity(cw * ch));
        for i in 0..cw * ch {
            let (x, y) = (2 * (i % cw), 2 * (i / cw));
            let four = [pixel(x, y), pixel(x + 1, y), pixel(x, y + 1), pixel(x + 1, y + 1)];
            let [r, g, b] = [0, 1, 2].map(|k| four.iter().map(|p| p[k]).sum::<f32>() / 4.0);
            us.push((128.5 + (-37.797 * r - 74.203 * g + 112.0 * b) / 255.0) as u8);
            vs.push((128.5 + (112.0 * r - 93.786 * g - 18.214 * b) / 255.0) as u8);
        }
        Texture { y: Plane::new(&luma, self.width), u: Plane::new(&us, cw), v: Plane::new(&vs, cw) }
    }
}

impl Texture {
    /// Copies the whole picture.
    pub fn copy_to(&self, out: &mut I420Mut<'_>) {
        let planes = [
            (&self.y, &mut *out.y, out.y_stride),
            (&self.u, &mut *out.u, out.uv_stride),
            (&self.v, &mut *out.v, out.uv_stride),
        ];
        for (plane, data, stride) in planes {
            for (y, row) in plane.rows().enumerate() {
                data[y * stride..][..row.len()].copy_from_slice(row);
            }
        }
    }
}

fn add(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// The four samples of a row that a Catmull-Rom spline takes at `at`, and their weights.
fn taps(at: f32, size: usize) -> [(usize, f32); 4] {
    let at = at - 0.5;
    let t = at - at.floor();
    let weights = [
        ((2.0 - t) * t - 1.0) * t / 2.0,
        ((3.0 * t - 5.0) * t * t + 2.0) / 2.0,
        ((4.0 - 3.0 * t) * t + 1.0) * t / 2.0,
        (t - 1.0) * t * t / 2.0,
    ];
    std::array::from_fn(|k| {
        let i = at.floor() + k as f32 - 1.0;
        (i.clamp(0.0, size as f32 - 1.0) as usize, weights[k])
    })
}

fn outline(points: &[[f32; 3]], line: impl Iterator<Item = usize>) -> Vec<[f32; 2]> {
    line.map(|i| [points[i][0], points[i][1]]).collect()
}

fn mouth_opening(points: &[[f32; 3]]) -> Vec<[f32; 2]> {
    outline(points, UPPER_LIP[3].into_iter().chain(LOWER_LIP[3][1..10].iter().rev().copied()))
}

fn eye_opening(points: &[[f32; 3]], eye: &EyeLines) -> Vec<[f32; 2]> {
    let [outer, inner] = eye.corners;
    let lower = eye.lower.into_iter().rev();
    outline(points, [outer].into_iter().chain(eye.upper).chain([inner]).chain(lower))
}

/// Distance of `p` from the outline of a polygon, positive inside.
pub(super) fn inside_distance(polygon: &[[f32; 2]], p: [f32; 2]) -> f32 {
    let (mut nearest, mut inside) = (f32::MAX, false);
    for (i, &b) in polygon.iter().enumerate() {
        let a = polygon[(i + polygon.len() - 1) % polygon.len()];
        nearest = nearest.min(distance_from_line(p, a, b));
        if (a[1] > p[1]) != (b[1] > p[1]) && p[0] < a[0] + (p[1] - a[1]) * (b[0] - a[0]) / (b[1] - a[1]) {
            inside = !inside;
        }
    }
    if inside { nearest } else { -nearest }
}

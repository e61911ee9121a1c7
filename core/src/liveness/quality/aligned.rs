//! A face as the measures look at it: upright, of one size, its skin told from eyes, lips and what is around.

use crate::face::Face;
use crate::liveness::pixels::{Affine, Patch, Pixels};
use crate::picture::PictureView;
use crate::topology::{LEFT_EYE, LOWER_LIP, OVAL, RIGHT_EYE, UPPER_LIP};

/// Side of the patch.
pub(super) const SIDE: usize = 128;
/// Distance of the eyes in the patch, where neither yaw nor pitch shortens it: [`Affine::of_face`].
pub(super) const EYE_DISTANCE: f32 = 0.37 * SIDE as f32;
/// Side of the coarse patch that shows what is around the face as well.
const AROUND: usize = 24;

/// What a value of the patch shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Not the face.
    Outside,
    /// Eyes and lips.
    Feature,
    /// What is left of the face.
    Skin,
}

/// A face cut out of a picture, once for all measures. Biometric data: it has no `Debug`.
pub struct AlignedFace<'a> {
    pub(super) pixels: Pixels<'a>,
    /// Luma.
    pub(super) patch: Patch,
    /// What is where in the patch.
    pub(super) parts: Vec<Part>,
    /// From the patch to the picture.
    pub(super) map: Affine,
    /// Luma of a square twice as large, without its inner half: what is around the face.
    pub(super) around: Levels,
    /// The landmarks in pixels of the picture.
    pub(super) points: Vec<[f32; 2]>,
}

impl<'a> AlignedFace<'a> {
    /// Cuts a face out; `None` for a picture without the pixels that its size promises and for a face without extent.
    pub fn new(picture: &PictureView<'a>, face: &Face) -> Option<Self> {
        let pixels = Pixels::new(picture)?;
        let (width, height) = (pixels.width(), pixels.height());
        let map = Affine::of_face(face, width, height, SIDE)?;
        let place = |[x, y, _]: &[f32; 3]| [x * width as f32 - 0.5, y * height as f32 - 0.5];
        let points: Vec<[f32; 2]> = face.landmarks.iter().map(place).collect();
        if points.iter().flatten().any(|value| !value.is_finite()) {
            return None;
        }
        let parts = parts(&points, &map);
        let wide = wider(&map, AROUND);
        let patch = pixels.patch(&map, SIDE, SIDE);
        Some(Self { pixels, patch, parts, map, around: around(&pixels, &wide), points })
    }

    /// Distance of the eyes in pixels of the picture, as if the face were frontal.
    pub fn eye_distance(&self) -> f32 {
        self.map.step() * EYE_DISTANCE
    }

    /// Luma of the skin.
    pub(super) fn skin(&self) -> Levels {
        let pairs = self.patch.values.iter().zip(&self.parts);
        pairs.filter(|(_, part)| **part == Part::Skin).map(|(value, _)| *value).collect()
    }

    /// Middle of some landmarks, in pixels of the picture.
    pub(super) fn middle(&self, landmarks: &[usize]) -> [f32; 2] {
        [0, 1].map(|axis| landmarks.iter().map(|i| self.points[*i][axis]).sum::<f32>() / landmarks.len() as f32)
    }
}

/// How often each level 0..255 occurs among some values.
pub(super) struct Levels {
    counts: [u32; 256],
    total: u32,
}

impl FromIterator<f32> for Levels {
    fn from_iter<I: IntoIterator<Item = f32>>(values: I) -> Self {
        let mut levels = Self { counts: [0; 256], total: 0 };
        for value in values {
            levels.counts[usize::from(value.round() as u8)] += 1;
            levels.total += 1;
        }
        levels
    }
}

impl Levels {
    /// Whether there are no values at all.
    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The level below which this part (0..1) of the values is, to a fraction of a level; 0 where there are no values.
    pub(super) fn quantile(&self, part: f32) -> f32 {
        let wanted = part * self.total as f32;
        let mut below = 0.0;
        for (level, count) in self.counts.iter().enumerate() {
            let count = *count as f32;
            if count > 0.0 && below + count >= wanted {
                return level as f32 - 0.5 + (wanted - below) / count;
            }
            below += count;
        }
        0.0
    }

    /// Share of the values, 0..1, at this level and above; 0 where there are no values.
    pub(super) fn from(&self, level: f32) -> f32 {
        let first = level.clamp(0.0, 256.0).ceil() as usize;
        self.counts[first..].iter().sum::<u32>() as f32 / self.total.max(1) as f32
    }
}

fn parts(points: &[[f32; 2]], map: &Affine) -> Vec<Part> {
    let mut parts = vec![Part::Outside; SIDE * SIDE];
    let inside = |landmarks: &mut dyn Iterator<Item = usize>| -> Vec<[f32; 2]> {
        landmarks.map(|index| map.invert(points[index])).collect()
    };
    fill(&inside(&mut OVAL.into_iter()), Part::Skin, &mut parts);
    for eye in [&RIGHT_EYE, &LEFT_EYE] {
        let [outer, inner] = eye.corners;
        let ring = [outer].into_iter().chain(eye.upper).chain([inner]).chain(eye.lower.into_iter().rev());
        let ring = &mut ring.collect::<Vec<_>>().into_iter();
        fill(&grown(&inside(ring), 1.25, 2.0), Part::Feature, &mut parts);
    }
    let lips = UPPER_LIP[0].into_iter().chain(LOWER_LIP[0].into_iter().rev().skip(1).take(9));
    fill(&grown(&inside(&mut lips.collect::<Vec<_>>().into_iter()), 1.1, 1.3), Part::Feature, &mut parts);
    parts
}

/// A polygon made wider and higher about its middle.
fn grown(polygon: &[[f32; 2]], wider: f32, higher: f32) -> Vec<[f32; 2]> {
    let middle = [0, 1].map(|axis| polygon.iter().map(|p| p[axis]).sum::<f32>() / polygon.len() as f32);
    let grow = |[x, y]: &[f32; 2]| [middle[0] + wider * (x - middle[0]), middle[1] + higher * (y - middle[1])];
    polygon.iter().map(grow).collect()
}

/// Marks what is inside a polygon (even-odd rule).
fn fill(polygon: &[[f32; 2]], part: Part, parts: &mut [Part]) {
    let mut crossings = Vec::new();
    for (row, values) in parts.chunks_exact_mut(SIDE).enumerate() {
        let y = row as f32;
        crossings.clear();
        for (a, b) in polygon.iter().zip(polygon.iter().cycle().skip(1)) {
            if (a[1] <= y) != (b[1] <= y) {
                crossings.push(a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]));
            }
        }
        crossings.sort_unstable_by(f32::total_cmp);
        for pair in crossings.chunks_exact(2) {
            let column = |x: f32| x.ceil().clamp(0.0, SIDE as f32) as usize;
            let (from, to) = (column(pair[0]), column(pair[1]));
            values[from..to.max(from)].fill(part);
        }
    }
}

/// The map of a patch of `side` values that shows twice as much about the same middle.
fn wider(map: &Affine, side: usize) -> Affine {
    let factor = 2.0 * SIDE as f32 / side as f32;
    let corner = (factor - 1.0) / 2.0 - SIDE as f32 / 2.0;
    Affine {
        origin: map.apply([corner, corner]),
        across: map.across.map(|v| v * factor),
        down: map.down.map(|v| v * factor),
    }
}

/// Luma around the inner half of a patch and not below it, where the body is; only what is in the picture.
fn around(pixels: &Pixels<'_>, map: &Affine) -> Levels {
    let inner = AROUND / 4..AROUND - AROUND / 4;
    let mut values = Vec::new();
    for row in 0..AROUND * 2 / 3 {
        for column in 0..AROUND {
            let [x, y] = map.apply([column as f32, row as f32]);
            let seen = x >= 0.0 && y >= 0.0 && x < pixels.width() as f32 && y < pixels.height() as f32;
            if seen && !(inner.contains(&row) && inner.contains(&column)) {
                values.push(pixels.luma(x, y));
            }
        }
    }
    values.into_iter().collect()
}

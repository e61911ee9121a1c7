//! Blur, light, darkness, illumination and specularity of an aligned face.
//!
//! The notions are those of ISO/IEC 29794-5 and of its reference implementation OFIQ, the formulas our own where OFIQ
//! uses networks or where its scale is not fine enough for video. Raw values become scores by a sigmoid; its middle and
//! width were chosen on real clips so that LUNA PASS's default thresholds let frontal frames pass and degraded ones not.

use super::aligned::{AlignedFace, Levels, Part, SIDE};
use super::sigmoid;

/// Luma from which skin is burnt out, and up to which it is black (OFIQ's over- and under-exposure prevention).
const BURNT: f32 = 247.0;
const BLACK: f32 = 25.0;
/// The middles of both eyes, then the corners of the mouth.
const EYES: [[usize; 2]; 2] = [[33, 133], [362, 263]];
const MOUTH: [usize; 2] = [61, 291];

/// How much fine structure a face has compared with coarser structure: the mean of |p - box3(p)| over the mean of
/// |p - box9(p)|, on a patch in which the eyes are 47 values apart. About 0.15 to 0.35 for video; contrast leaves it as it
/// is, a face of few pixels is as blurred as one out of focus. Noise counts as structure.
pub(super) fn detail(face: &AlignedFace<'_>) -> f32 {
    let sums = Sums::new(&face.patch.values);
    let (mut fine, mut coarse, mut count) = (0.0, 0.0, 0.0_f32);
    // Four values away from every edge of the face, so that its outline is not taken for sharpness.
    let at = |row: usize, column: usize| face.parts[row * SIDE + column] != Part::Outside;
    for row in 4..SIDE - 4 {
        for column in 4..SIDE - 4 {
            if at(row, column)
                && at(row - 4, column)
                && at(row + 4, column)
                && at(row, column - 4)
                && at(row, column + 4)
            {
                let value = face.patch.values[row * SIDE + column];
                fine += (value - sums.mean(row, column, 1)).abs();
                coarse += (value - sums.mean(row, column, 4)).abs();
                count += 1.0;
            }
        }
    }
    // One grey level is added per value: a face without any structure is blurred.
    fine / (coarse + count).max(1.0)
}

/// Sums over rectangles that begin in the corner.
struct Sums(Vec<f32>);

impl Sums {
    fn new(values: &[f32]) -> Self {
        let stride = SIDE + 1;
        let mut sums = vec![0.0_f32; stride * stride];
        for row in 0..SIDE {
            // Exact up to 2^24: 255 * 128 * 128 is less; fractions of luma lose nothing that matters.
            let mut line = 0.0;
            for column in 0..SIDE {
                line += values[row * SIDE + column];
                sums[(row + 1) * stride + column + 1] = sums[row * stride + column + 1] + line;
            }
        }
        Self(sums)
    }

    fn mean(&self, row: usize, column: usize, radius: usize) -> f32 {
        let at = |row: usize, column: usize| self.0[row * (SIDE + 1) + column];
        let (top, bottom, left, right) = (row - radius, row + radius + 1, column - radius, column + radius + 1);
        let sum = at(bottom, right) - at(top, right) - at(bottom, left) + at(top, left);
        sum / ((bottom - top) * (right - left)) as f32
    }
}

/// Raw exposure of the skin.
pub(super) struct Exposure {
    /// Median luma 0..255.
    pub median: f32,
    /// Share of it that is burnt out.
    pub burnt: f32,
    /// Share of it that is black.
    pub black: f32,
    /// How much brighter what is around the face is (its upper quarter's least) than the brightest tenth of the skin.
    pub behind: f32,
}

pub(super) fn exposure(face: &AlignedFace<'_>) -> Exposure {
    let skin = face.skin();
    Exposure {
        median: skin.quantile(0.5),
        burnt: skin.from(BURNT),
        black: 1.0 - skin.from(BLACK + 1.0),
        behind: face.around.quantile(0.75) - skin.quantile(0.9),
    }
}

impl Exposure {
    /// 1 is good: `0.01 / (burnt + 0.01)`, as OFIQ's over-exposure prevention, times `1 - sigmoid((behind - 120) / 12)`
    /// against a light behind the head.
    pub(super) fn light(&self) -> f32 {
        0.01 / (self.burnt + 0.01) * sigmoid(120.0 - self.behind, 12.0)
    }

    /// 1 is good: `sigmoid((median - 45) / 8) * (1 - black)`.
    pub(super) fn darkness(&self) -> f32 {
        sigmoid(self.median - 45.0, 8.0) * (1.0 - self.black)
    }
}

/// How differently both cheeks are lit. Two squares, 0.3 of the eyes' distance wide, half way between eyes and mouth, one
/// below each eye (the zones of ISO/IEC 29794-5's illumination uniformity); the earth mover's distance of their luma over
/// the mean luma. The standard compares histograms bin by bin, which a shift by a few levels already makes 0.
pub(super) fn unevenness(face: &AlignedFace<'_>) -> f32 {
    let eyes = EYES.map(|corners| face.map.invert(face.middle(&corners)));
    let mouth = face.map.invert(face.middle(&MOUTH));
    let between = [0, 1].map(|axis| (eyes[0][axis] + eyes[1][axis]) / 2.0);
    let side = 0.3 * (eyes[1][0] - eyes[0][0]).hypot(eyes[1][1] - eyes[0][1]);
    let down = (mouth[0] - between[0]).hypot(mouth[1] - between[1]) / 2.0;
    let [a, b] = eyes.map(|[x, y]| -> Levels {
        let range = |middle: f32| {
            let edge = |value: f32| value.round().clamp(0.0, SIDE as f32) as usize;
            edge(middle - side / 2.0)..edge(middle + side / 2.0)
        };
        range(y + down).flat_map(|row| &face.patch.values[row * SIDE..][range(x)]).copied().collect()
    });
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    const QUANTILES: usize = 33;
    let (mut apart, mut sum) = (0.0, 0.0);
    for index in 0..QUANTILES {
        let part = index as f32 / (QUANTILES - 1) as f32;
        let (a, b) = (a.quantile(part), b.quantile(part));
        apart += (a - b).abs();
        sum += (a + b) / 2.0;
    }
    apart / sum.max(QUANTILES as f32)
}

/// 0 is good: `sigmoid((unevenness - 0.3) / 0.05)`.
pub(super) fn illumination(unevenness: f32) -> f32 {
    sigmoid(unevenness - 0.3, 0.05)
}

/// Share of the skin that shines: where the least of red, green and blue (a highlight has the lamp's colour, skin has
/// little blue: the dichromatic reflection model) is at least 210 and 50 above the skin's median. Looked at on every second
/// column and row.
pub(super) fn shine(face: &AlignedFace<'_>) -> f32 {
    let looked_at = (0..SIDE).step_by(2).flat_map(|row| (0..SIDE).step_by(2).map(move |column| (row, column)));
    let skin = looked_at.filter(|(row, column)| face.parts[row * SIDE + column] == Part::Skin);
    let least: Levels = skin
        .map(|(row, column)| {
            let [x, y] = face.map.apply([column as f32, row as f32]);
            face.pixels.rgb(x, y).into_iter().fold(f32::MAX, f32::min)
        })
        .collect();
    least.from((least.quantile(0.5) + 50.0).max(210.0))
}

/// 0 is good: `sigmoid((shine - 0.05) / 0.01)`.
pub(super) fn specularity(shine: f32) -> f32 {
    sigmoid(shine - 0.05, 0.01)
}

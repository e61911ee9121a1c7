//! Is the mouth closed, and is it to be seen?

use serde::Serialize;

use super::aligned::AlignedFace;
use super::sigmoid;
use crate::face::Face;
use crate::topology::{LOWER_LIP, UPPER_LIP};

/// Indices of `mouthSmileLeft` and `mouthSmileRight` in [`crate::face::BLENDSHAPE_NAMES`].
const SMILE: [usize; 2] = [44, 45];
/// Middle of the upper and of the lower lip's inner edge.
const OPENING: [usize; 2] = [13, 14];
/// Corners of both eyes, and the chin.
const EYES: [usize; 4] = [33, 133, 362, 263];
const CHIN: usize = 152;
/// Skin below the lips and beside them: chin, then both sides of the jaw.
const BELOW: [usize; 12] = [83, 18, 313, 406, 418, 262, 369, 175, 140, 32, 194, 182];
const BESIDE: [usize; 12] = [214, 212, 57, 43, 202, 210, 434, 432, 287, 273, 422, 430];

/// State of the mouth. Every value is a probability, 0..1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mouth {
    /// The lips are apart: `sigmoid((gap - 0.2) / 0.06)`, *gap* being the distance of the inner lips over that from eyes to
    /// chin (mouth closed of ISO/IEC 29794-5, with OFIQ's constants).
    pub opened: f32,
    /// The corners are drawn up: the mean of both blendshapes.
    pub smile: f32,
    /// Something hides the lips: see [`Mouth::of`].
    pub occluded: f32,
}

impl Mouth {
    /// Looks at the mouth of a face.
    ///
    /// Lips are told from what hides them by colour: blood absorbs green, and there is more of it below the thin skin of
    /// lips than in the skin around them. `redness = ln(R B / G^2)` of the lips less that of chin and jaw is 0.1 to 0.5
    /// with people; a mask, a hand or a thing has one colour in both places, or one that is not redder at the lips. A
    /// print of a mouth on a mask, and a transparent visor, are not noticed; without colour (a black and white camera)
    /// every mouth looks hidden.
    pub fn of(aligned: &AlignedFace<'_>, face: &Face) -> Self {
        let length = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        let points = &aligned.points;
        let gap = length(points[OPENING[0]], points[OPENING[1]]);
        let height = length(aligned.middle(&EYES), points[CHIN]);
        Self {
            opened: sigmoid(gap / height.max(1.0) - 0.2, 0.06),
            smile: SMILE.iter().map(|index| face.blendshapes[*index]).sum::<f32>() / 2.0,
            occluded: sigmoid(0.085 - lip_contrast(aligned), 0.015),
        }
    }

    /// Probability that the mouth is closed and not occluded, 0..1: what the threshold of the frame checks is about.
    pub fn closed_and_visible(&self) -> f32 {
        (1.0 - self.opened) * (1.0 - self.occluded)
    }
}

/// How much redder the lips are than chin and jaw: the difference of `ln(R B / G^2)`.
pub fn lip_contrast(aligned: &AlignedFace<'_>) -> f32 {
    // Across each lip, from its outer to its inner edge, corners left out.
    let across = |lines: &[[usize; 11]; 4]| -> Vec<[f32; 2]> {
        let places =
            (2..9).flat_map(|column| [[lines[0][column], lines[2][column]], [lines[1][column], lines[3][column]]]);
        places.map(|pair| aligned.middle(&pair)).collect()
    };
    let lips = redness(aligned, across(&UPPER_LIP).into_iter().chain(across(&LOWER_LIP)));
    let beside = BESIDE.split_at(BESIDE.len() / 2);
    let skin = [&BELOW[..], beside.0, beside.1].into_iter().flat_map(|region| {
        let middle = aligned.middle(region);
        region.iter().map(move |index| {
            let [x, y] = aligned.points[*index];
            [(x + middle[0]) / 2.0, (y + middle[1]) / 2.0]
        })
    });
    lips - redness(aligned, skin)
}

fn redness(aligned: &AlignedFace<'_>, points: impl Iterator<Item = [f32; 2]>) -> f32 {
    let mut sum = [0.0; 3];
    let mut count = 0.0;
    for [x, y] in points {
        let rgb = aligned.pixels.rgb(x, y);
        sum = [0, 1, 2].map(|channel| sum[channel] + rgb[channel]);
        count += 1.0;
    }
    // A few levels are added, so that noise in the dark is no colour.
    let [r, g, b] = sum.map(|value| value / count + 4.0);
    (r * b / (g * g)).ln()
}

//! How a face is turned, scaled and cut out for an embedding network: a similarity that carries the points on which the
//! network was trained onto the same points of the mesh.

use vision_core::face::Face;

use crate::crop::Warp;
use crate::manifest::Alignment;

/// Eye centres (viewer's left, right), nose tip, mouth corners as means of mesh points.
const FIVE_POINTS: [&[usize]; 5] = [&[33, 133], &[362, 263], &[1], &[61], &[291]];

/// Where face-reidentification-retail-0095 wants them, in units of its input (Open Model Zoo, the model's page).
const OMZ: [[f64; 2]; 5] = [
    [0.315_568_75, 0.461_574_107_142_857_1],
    [0.682_622_916_666_666_7, 0.461_574_107_142_857_1],
    [0.500_262_5, 0.640_505_357_142_857_1],
    [0.349_471_875, 0.824_691_964_285_714_2],
    [0.653_436_458_333_333_3, 0.824_691_964_285_714_2],
];

/// Where networks trained on ArcFace's crops want them, in 112ths (insightface, `face_align.py`).
const ARCFACE: [[f64; 2]; 5] =
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]];
const ARCFACE_SIZE: f64 = 112.0;

/// Mesh points that stand for dlib's five: outer and inner corner of the viewer's right eye, of the left eye, and the
/// base of the nose (of the three mesh points there, the one that separates people best).
const DLIB_POINTS: [&[usize]; 5] = [&[263], &[362], &[33], &[133], &[94]];
/// Where dlib's `get_face_chip_details` wants them, before padding (dlib/image_transforms/interpolation.h).
const DLIB: [[f64; 2]; 5] = [
    [0.859_567_459_599_2, 0.213_498_153_801_4],
    [0.646_060_476_410_4, 0.228_967_438_767_7],
    [0.120_575_062_078_9, 0.213_727_452_684_8],
    [0.334_085_061_371_2, 0.229_064_240_324_2],
    [0.490_112_313_567_9, 0.627_797_531_647_5],
];
/// Border around the chip, in chips: what `compute_face_descriptor` uses.
const DLIB_PADDING: f64 = 0.25;

/// The map from an aligned crop of `size` pixels to the picture; `None` when the points are all in one place.
pub fn warp(alignment: Alignment, face: &Face, width: usize, height: usize, size: usize) -> Option<Warp> {
    let scaled = |template: [[f64; 2]; 5], factor: f64| template.map(|point| point.map(|v| v * factor));
    let size = size as f64;
    let (points, template, fit) = match alignment {
        Alignment::FivePoints => (FIVE_POINTS, scaled(OMZ, size), Fit::Spread),
        Alignment::ArcFace => (FIVE_POINTS, scaled(ARCFACE, size / ARCFACE_SIZE), Fit::ToTemplate),
        Alignment::DlibChip => {
            let padded = DLIB.map(|point| point.map(|v| (DLIB_PADDING + v) / (2.0 * DLIB_PADDING + 1.0)));
            (DLIB_POINTS, scaled(padded, size), Fit::FromTemplate)
        }
    };
    let (w, h) = (width as f64, height as f64);
    let target = points.map(|indices| {
        let mean = |axis: usize, unit: f64| {
            let sum: f64 = indices.iter().map(|index| f64::from(face.landmarks[*index][axis])).sum();
            sum / indices.len() as f64 * unit
        };
        [mean(0, w), mean(1, h)]
    });
    similarity(&template, &target, fit)
}

/// Which of the three usual scales a network's own tools use. They differ by how well the points fit, some per cent.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fit {
    /// Least squares in the picture (dlib's `find_similarity_transform(chip, picture)`).
    FromTemplate,
    /// Least squares in the crop (ArcFace's `SimilarityTransform.estimate(picture, template)`).
    ToTemplate,
    /// The ratio of the spreads of both point sets (Open Model Zoo's `get_transform`).
    Spread,
}

/// Rotation, scale and shift from `template` to `target`. Points are complex numbers here, so that rotation and scale
/// are one factor.
fn similarity(template: &[[f64; 2]; 5], target: &[[f64; 2]; 5], fit: Fit) -> Option<Warp> {
    let mean = |points: &[[f64; 2]; 5]| [0, 1].map(|axis| points.iter().map(|p| p[axis]).sum::<f64>() / 5.0);
    let (from, to) = (mean(template), mean(target));
    let (mut real, mut imaginary, mut template_spread, mut target_spread) = (0.0, 0.0, 0.0, 0.0);
    for (p, q) in template.iter().zip(target) {
        let (p, q) = ([p[0] - from[0], p[1] - from[1]], [q[0] - to[0], q[1] - to[1]]);
        real += p[0] * q[0] + p[1] * q[1];
        imaginary += p[0] * q[1] - p[1] * q[0];
        template_spread += p[0] * p[0] + p[1] * p[1];
        target_spread += q[0] * q[0] + q[1] * q[1];
    }
    let product = f64::hypot(real, imaginary);
    let scale = match fit {
        Fit::FromTemplate => product / template_spread,
        Fit::ToTemplate => target_spread / product,
        Fit::Spread => (target_spread / template_spread).sqrt(),
    };
    let (a, b) = (real / product * scale, imaginary / product * scale);
    let origin = [to[0] - a * from[0] + b * from[1], to[1] - b * from[0] - a * from[1]];
    let warp = Warp { origin, across: [a, b], down: [-b, a] };
    (scale.is_finite() && scale > 0.0 && warp.origin.iter().all(|v| v.is_finite())).then_some(warp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(warp: &Warp, [x, y]: [f64; 2]) -> [f64; 2] {
        [0, 1].map(|axis| warp.origin[axis] + x * warp.across[axis] + y * warp.down[axis])
    }

    #[test]
    fn a_turned_and_scaled_face_is_found_exactly() {
        let (sin, cos) = 0.4_f64.sin_cos();
        let target = ARCFACE.map(|[x, y]| [3.0 * (cos * x - sin * y) + 100.0, 3.0 * (sin * x + cos * y) - 20.0]);
        for fit in [Fit::FromTemplate, Fit::ToTemplate, Fit::Spread] {
            let warp = similarity(&ARCFACE, &target, fit).unwrap();
            for (template, expected) in ARCFACE.iter().zip(target) {
                let found = at(&warp, *template);
                assert!((found[0] - expected[0]).abs() < 1e-9 && (found[1] - expected[1]).abs() < 1e-9);
            }
            assert!((warp.step() - 3.0).abs() < 1e-9);
        }
    }

    #[test]
    fn the_three_scales_are_ordered_when_points_do_not_fit() {
        let mut target = ARCFACE;
        target[2][0] += 9.0;
        let scale = |fit| similarity(&ARCFACE, &target, fit).unwrap().step();
        assert!(scale(Fit::FromTemplate) < scale(Fit::Spread) && scale(Fit::Spread) < scale(Fit::ToTemplate));
    }

    #[test]
    fn points_in_one_place_have_no_alignment() {
        for fit in [Fit::FromTemplate, Fit::ToTemplate, Fit::Spread] {
            assert_eq!(similarity(&ARCFACE, &[[5.0, 5.0]; 5], fit), None, "{fit:?}");
            assert_eq!(similarity(&ARCFACE, &[[f64::NAN, 5.0]; 5], fit), None, "{fit:?}");
        }
    }
}

//! Every measure on the demonstration's picture, made worse step by step.

use image::imageops;
use image::{Rgb, RgbImage};

use super::ags::Factors;
use super::glasses::{Glasses, GlassesCues};
use super::mouth::Mouth;
use super::*;
use crate::face::{BLENDSHAPES, Face, LANDMARKS};
use crate::picture::{PictureView, RgbView};

/// A woman who smiles with her teeth showing, lit from her left.
pub(crate) fn picture() -> RgbImage {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/astronaut.png");
    image::open(file).unwrap().to_rgb8()
}

pub(crate) fn view(picture: &RgbImage) -> PictureView<'_> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    PictureView::Rgb(RgbView { data: picture, width, height, stride: 3 * width })
}

pub(crate) fn face() -> Face {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/astronaut-landmarks.json");
    let data: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let list: Vec<[f32; 3]> = serde_json::from_value(data["landmarks"].clone()).unwrap();
    let mut landmarks = Box::new([[0.0; 3]; LANDMARKS]);
    landmarks.copy_from_slice(&list);
    let mut matrix = [[0.0; 4]; 4];
    (0..4).for_each(|i| matrix[i][i] = 1.0);
    Face { landmarks, blendshapes: [0.0; BLENDSHAPES], matrix, presence: 1.0 }
}

fn measured(picture: &RgbImage) -> Measures {
    Measures::of(&AlignedFace::new(&view(picture), &face()).unwrap())
}

fn score(picture: &RgbImage, which: impl Fn(&Quality) -> f32) -> f32 {
    which(&measured(picture).quality())
}

/// A copy in which every pixel is changed by where it is, in distances of the eyes from the middle between them.
fn changed(change: impl Fn([f32; 3], f32, f32) -> [f32; 3]) -> RgbImage {
    let (mut picture, face) = (picture(), face());
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let at = |index: usize| [face.landmarks[index][0] * width, face.landmarks[index][1] * height];
    let (a, b) = (at(33), at(263));
    let (middle, distance) = ([(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0], 0.69 * (b[0] - a[0]));
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let (x, y) = ((x as f32 - middle[0]) / distance, (y as f32 - middle[1]) / distance);
        *pixel = Rgb(change(pixel.0.map(f32::from), x, y).map(|v| v.round().clamp(0.0, 255.0) as u8));
    }
    picture
}

/// Scores of pictures that become worse, from the untouched one on.
fn falls(scores: &[f32], what: &str) {
    eprintln!("{what}: {scores:.3?}");
    assert!(scores.windows(2).all(|pair| pair[1] <= pair[0]), "{what} is not monotone: {scores:?}");
    assert!(scores[0] > 0.5 && scores[scores.len() - 1] < 0.2, "{what} does not fall: {scores:?}");
}

fn rises(scores: &[f32], what: &str) {
    eprintln!("{what}: {scores:.3?}");
    assert!(scores.windows(2).all(|pair| pair[1] >= pair[0]), "{what} is not monotone: {scores:?}");
    assert!(scores[0] < 0.1 && scores[scores.len() - 1] > 0.8, "{what} does not rise: {scores:?}");
}

#[test]
fn a_wider_blur_is_a_lower_score() {
    let blurred = |radius: f32| match radius {
        0.0 => picture(),
        _ => imageops::blur(&picture(), radius),
    };
    falls(&[0.0, 0.5, 0.8, 1.2, 1.8, 2.5, 4.0].map(|radius| score(&blurred(radius), |q| q.blur)), "blur");
}

#[test]
fn a_face_of_few_pixels_is_a_blurred_one() {
    let reduced = |side: u32| imageops::resize(&picture(), side, side, imageops::FilterType::Triangle);
    falls(&[512, 300, 200, 120, 80].map(|side| score(&reduced(side), |q| q.blur)), "blur by size");
}

#[test]
fn contrast_and_brightness_do_not_change_sharpness() {
    let detail = |gain: f32| measured(&changed(|rgb, _, _| rgb.map(|v| gain * v))).detail;
    let (whole, half) = (detail(1.0), detail(0.5));
    assert!((half / whole - 1.0).abs() < 0.12, "{whole} {half}");
}

#[test]
fn more_light_is_a_lower_score_for_light() {
    let gains = [1.0, 1.2, 1.4, 1.7, 2.2];
    falls(&gains.map(|gain| score(&changed(|rgb, _, _| rgb.map(|v| gain * v)), |q| q.light)), "light");
}

#[test]
fn a_light_behind_the_head_is_a_lower_score_for_light() {
    // The face becomes darker and what is around it brighter.
    let behind = |share: f32| {
        changed(move |rgb, x, y| match x.abs() < 1.15 && (-1.2..2.0).contains(&y) {
            true => rgb.map(|v| v * (1.0 - 0.75 * share)),
            false => rgb.map(|v| v + (255.0 - v) * share),
        })
    };
    falls(&[0.0, 0.4, 0.7, 0.85, 1.0].map(|share| score(&behind(share), |q| q.light)), "light behind");
}

#[test]
fn less_light_is_a_lower_score_for_darkness() {
    let gains = [1.0, 0.6, 0.4, 0.25, 0.15, 0.05];
    falls(&gains.map(|gain| score(&changed(|rgb, _, _| rgb.map(|v| gain * v)), |q| q.darkness)), "darkness by gain");
    let gamma = |gamma: f32| changed(move |rgb, _, _| rgb.map(|v| 255.0 * (v / 255.0).powf(gamma)));
    falls(&[1.0, 2.0, 4.0, 6.0, 9.0].map(|g| score(&gamma(g), |q| q.darkness)), "darkness by gamma");
}

#[test]
fn light_from_one_side_is_a_higher_score_for_illumination() {
    // Towards the side that is the brighter one already, and towards the other.
    let side = |share: f32| changed(move |rgb, x, _| rgb.map(|v| v * (1.0 + share * x.clamp(-1.0, 1.0)).max(0.0)));
    let unevenness = |share: f32| measured(&side(share)).unevenness;
    let towards = if unevenness(0.2) > unevenness(-0.2) { 1.0 } else { -1.0 };
    let shares = [0.0, 0.1, 0.2, 0.35, 0.5, 0.8];
    rises(&shares.map(|share| score(&side(towards * share), |q| q.illumination)), "illumination");
    let other = score(&side(-towards * 0.8), |q| q.illumination);
    assert!(other > 0.8, "{other}");
}

#[test]
fn more_highlights_are_a_higher_score_for_specularity() {
    // White spots on forehead, cheeks and chin, growing.
    let spots = [[-0.5, -0.5], [0.4, -0.55], [-0.45, 0.6], [0.5, 0.65], [0.0, 1.5]];
    let shining = |radius: f32| {
        changed(move |rgb, x, y| {
            let near = spots.iter().map(|[a, b]| (x - a).hypot(y - b)).fold(f32::MAX, f32::min);
            let part = (1.5 - near / radius.max(1e-6)).clamp(0.0, 1.0);
            rgb.map(|v| v + (255.0 - v) * part)
        })
    };
    rises(&[0.0, 0.04, 0.08, 0.12, 0.18, 0.25].map(|radius| score(&shining(radius), |q| q.specularity)), "specularity");
}

#[test]
fn what_hides_the_mouth_is_noticed() {
    let seen = |picture: &RgbImage| Mouth::of(&AlignedFace::new(&view(picture), &face()).unwrap(), &face());
    let free = seen(&picture());
    let hidden = |colour: [f32; 3]| {
        changed(
            move |rgb, x, y| if x.abs() < 0.9 && y > 0.55 { colour.map(|v| v + 8.0 * (9.0 * y).sin()) } else { rgb },
        )
    };
    assert!(free.occluded < 0.3 && free.opened < 0.5, "{free:?}");
    assert!(free.closed_and_visible() > 0.4, "{free:?}");
    for colour in [[150.0, 190.0, 215.0], [230.0, 228.0, 225.0], [38.0, 38.0, 40.0], [196.0, 150.0, 120.0]] {
        let mouth = seen(&hidden(colour));
        assert!(mouth.occluded > 0.8 && mouth.closed_and_visible() < 0.4, "{colour:?}: {mouth:?}");
    }
}

#[test]
fn an_open_mouth_is_not_closed() {
    let mut face = face();
    let picture = picture();
    let opened = |face: &Face| Mouth::of(&AlignedFace::new(&view(&picture), face).unwrap(), face).opened;
    let before = opened(&face);
    // The lower lip goes down by a third of the distance from the eyes to the chin.
    face.landmarks[14][1] += (face.landmarks[152][1] - face.landmarks[33][1]) / 3.0;
    let after = opened(&face);
    assert!(before < 0.5 && after > 0.8, "{before} {after}");
}

#[test]
fn dark_lenses_are_sunglasses_and_thick_frames_eyeglasses() {
    let seen = |picture: &RgbImage| GlassesCues::of(&AlignedFace::new(&view(picture), &face()).unwrap());
    let lens = |x: f32, y: f32| ((x.abs() - 0.5) / 0.38).hypot((y - 0.06) / 0.33);
    let bridge = |x: f32, y: f32| x.abs() < 0.15 && (y - 0.02).abs() < 0.035;
    let sun = changed(|rgb, x, y| if lens(x, y) < 1.0 || bridge(x, y) { rgb.map(|v| 8.0 + 0.12 * v) } else { rgb });
    let frame = |x: f32, y: f32| (0.94..1.08).contains(&lens(x, y)) || bridge(x, y);
    let eye = changed(|rgb, x, y| if frame(x, y) { [30.0; 3] } else { rgb });
    for (picture, expected) in [(picture(), Glasses::NoGlasses), (sun, Glasses::SunGlasses), (eye, Glasses::EyeGlasses)]
    {
        let cues = seen(&picture);
        assert_eq!(cues.glasses(), Some(expected), "{cues:?}");
    }
}

#[test]
fn ags_falls_with_whatever_hurts_matching() {
    let ags = |picture: &RgbImage, face: &Face| {
        let aligned = AlignedFace::new(&view(picture), face).unwrap();
        Factors::of(&aligned, face, &Measures::of(&aligned), &Mouth::of(&aligned, face)).ags()
    };
    let (picture, straight) = (picture(), face());
    assert!(ags(&picture, &straight) > 0.8, "{}", ags(&picture, &straight));
    let blurred = [1.0, 1.8, 3.0, 5.0].map(|radius| ags(&imageops::blur(&picture, radius), &straight));
    falls(&[[ags(&picture, &straight)].as_slice(), &blurred].concat(), "ags by blur");
    let turned = |degrees: f32| {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let mut face = face();
        (face.matrix[0][0], face.matrix[0][2], face.matrix[2][0], face.matrix[2][2]) = (cos, sin, -sin, cos);
        ags(&picture, &face)
    };
    falls(&[0.0, 20.0, 40.0, 65.0].map(turned), "ags by turning");
    let few = |side: u32| ags(&imageops::resize(&picture, side, side, imageops::FilterType::Triangle), &straight);
    falls(&[512, 256, 128, 80].map(few), "ags by size");
}

#[test]
fn a_face_without_extent_or_picture_is_not_measured() {
    let picture = picture();
    let mut broken = face();
    broken.landmarks.iter_mut().for_each(|landmark| *landmark = [0.5; 3]);
    assert!(AlignedFace::new(&view(&picture), &broken).is_none());
    broken = face();
    broken.landmarks[200] = [f32::NAN; 3];
    assert!(AlignedFace::new(&view(&picture), &broken).is_none());
    let short = PictureView::Rgb(RgbView { data: &[0; 30], width: 64, height: 64, stride: 192 });
    assert!(AlignedFace::new(&short, &face()).is_none());
}

#[test]
fn a_face_that_leaves_the_picture_has_scores_all_the_same() {
    let picture = picture();
    for shift in [-0.4, 0.6, 3.0] {
        let mut face = face();
        face.landmarks.iter_mut().for_each(|landmark| landmark[0] += shift);
        let aligned = AlignedFace::new(&view(&picture), &face).unwrap();
        let (measures, mouth) = (Measures::of(&aligned), Mouth::of(&aligned, &face));
        let quality = measures.quality();
        let ags = Factors::of(&aligned, &face, &measures, &mouth).ags();
        let scores = [quality.blur, quality.light, quality.darkness, quality.illumination, quality.specularity, ags];
        assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)), "{shift}: {scores:?}");
        assert!((0.0..=1.0).contains(&mouth.closed_and_visible()));
        GlassesCues::of(&aligned);
    }
}

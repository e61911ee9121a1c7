//! The order of the checks, their directions, their boundaries, and what a failing frame costs.

use super::*;
use crate::face::{BLENDSHAPES, LANDMARKS};
use crate::liveness::quality::tests::{face as portrait_face, picture as portrait, view};
use crate::picture::RgbView;

/// Answers, and counts how often it is asked.
struct Counting {
    glasses: Option<Glasses>,
    liveness: Option<Liveness>,
    asked: [usize; 2],
}

impl Counting {
    fn new() -> Self {
        let liveness = Some(Liveness { score: 0.9, quality_score: 0.9 });
        Self { glasses: Some(Glasses::NoGlasses), liveness, asked: [0, 0] }
    }
}

impl Models for Counting {
    fn glasses(&mut self, _face: &Face, _aligned: &AlignedFace<'_>) -> Option<Glasses> {
        self.asked[0] += 1;
        self.glasses
    }

    fn liveness(&mut self, _face: &Face, _aligned: &AlignedFace<'_>) -> Option<Liveness> {
        self.asked[1] += 1;
        self.liveness
    }
}

/// Thresholds that the demonstration's picture passes: its face has 90 pixels.
fn small() -> Thresholds {
    Thresholds { face_width: 60.0, face_height: 60.0, ..Thresholds::default() }
}

fn check(thresholds: Thresholds, face: Face, models: &mut Counting) -> FrameStatus {
    FrameChecks::new(thresholds).evaluate(&view(&portrait()), &[face], models)
}

fn numbers(status: &FrameStatus) -> Vec<u16> {
    status.errors.iter().map(|code| code.number()).collect()
}

#[test]
fn the_defaults_are_those_of_luna_pass() {
    let t = Thresholds::default();
    assert_eq!([t.blur, t.light, t.dark, t.illumination, t.specularity], [0.61, 0.57, 0.5, 0.1, 0.1]);
    assert_eq!([t.ags, t.mouth, t.liveness_score, t.liveness_quality_score], [0.8, 0.4, 0.5, 0.5]);
    assert_eq!(
        [t.frame_margin, t.face_width, t.face_height, t.yaw, t.pitch, t.roll],
        [10.0, 200.0, 200.0, 20.0, 20.0, 20.0]
    );
    assert_eq!(t.glasses, [Glasses::NoGlasses, Glasses::EyeGlasses]);
    assert_eq!(t.multiface_policy, MultifacePolicy::OnlyOne);
}

#[test]
fn a_good_frame_passes_and_has_every_score() {
    let mut models = Counting::new();
    let status = check(small(), portrait_face(), &mut models);
    assert!(status.is_ok, "{status:?}");
    assert_eq!(models.asked, [1, 1]);
    let Details { ags, quality, face_frame_position, head_pose, mouth, eyeglasses, liveness, eyes_closed } =
        status.details;
    assert!(ags.is_some() && quality.is_some() && face_frame_position.is_some() && head_pose.is_some());
    assert!(mouth.is_some() && eyeglasses.is_some() && liveness.is_some());
    assert_eq!(eyes_closed, Some(false));
}

#[test]
fn the_first_failure_ends_the_evaluation_and_no_later_model_is_asked() {
    // From the first check to the last: with each case the ones before it pass, and every later one would fail as well.
    let nothing = Thresholds {
        blur: 1.1,
        face_width: 9e9,
        yaw: -1.0,
        eyes: Some(0.0),
        mouth: 1.1,
        glasses: vec![],
        ags: 1.1,
        liveness_score: 1.1,
        ..small()
    };
    let good = small();
    let mut limits = nothing.clone();
    let expect = |limits: &Thresholds, codes: &[u16], asked: [usize; 2]| {
        let mut models = Counting::new();
        let status = check(limits.clone(), portrait_face(), &mut models);
        assert_eq!((numbers(&status), models.asked), (codes.to_vec(), asked));
        assert_eq!(status.is_ok, codes.is_empty());
        status.details
    };
    let details = expect(&limits, &[3], [0, 0]);
    assert!(details.quality.is_some() && details.face_frame_position.is_none() && details.ags.is_none());
    limits.blur = good.blur;
    assert!(expect(&limits, &[12], [0, 0]).head_pose.is_none());
    limits.face_width = good.face_width;
    assert!(expect(&limits, &[19, 20], [0, 0]).mouth.is_none());
    limits.yaw = good.yaw;
    assert!(expect(&limits, &[51], [0, 0]).mouth.is_none());
    limits.eyes = None;
    assert!(expect(&limits, &[26], [0, 0]).eyeglasses.is_none());
    limits.mouth = good.mouth;
    assert!(expect(&limits, &[28], [1, 0]).ags.is_none());
    limits.glasses = good.glasses;
    assert!(expect(&limits, &[30], [1, 0]).liveness.is_none());
    limits.ags = good.ags;
    assert!(expect(&limits, &[32], [1, 1]).liveness.is_some());
    limits.liveness_score = good.liveness_score;
    expect(&limits, &[], [1, 1]);
}

#[test]
fn faces_come_before_everything() {
    let mut models = Counting::new();
    let picture = portrait();
    let checks = FrameChecks::new(small());
    let none = checks.evaluate(&view(&picture), &[], &mut models);
    assert_eq!(numbers(&none), [8]);
    assert_eq!(none.details, Details::default());
    let two = checks.evaluate(&view(&picture), &[portrait_face(), portrait_face()], &mut models);
    assert_eq!(numbers(&two), [9]);
    let short = PictureView::Rgb(RgbView { data: &[0; 30], width: 64, height: 64, stride: 192 });
    assert_eq!(numbers(&checks.evaluate(&short, &[portrait_face()], &mut models)), [8]);
    assert_eq!(models.asked, [0, 0]);
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut models = Counting { glasses: None, liveness: None, ..Counting::new() };
    let status = check(small(), portrait_face(), &mut models);
    assert!(status.is_ok && status.details.liveness.is_none() && status.details.eyeglasses.is_none());
}

#[test]
fn a_score_at_its_threshold_passes() {
    let status = check(small(), portrait_face(), &mut Counting::new());
    let quality = status.details.quality.unwrap().scores;
    let (mouth, ags) = (status.details.mouth.unwrap().closed_and_visible(), status.details.ags.unwrap());
    let position = status.details.face_frame_position.unwrap();
    let margin = position.margins.into_iter().fold(f32::MAX, f32::min);
    let exact = Thresholds {
        blur: quality.blur,
        light: quality.light,
        dark: quality.darkness,
        illumination: quality.illumination,
        specularity: quality.specularity,
        frame_margin: margin,
        face_width: position.face_rect.width,
        face_height: position.face_rect.height,
        yaw: 0.0,
        pitch: 0.0,
        roll: 0.0,
        mouth,
        ags,
        liveness_score: 0.9,
        liveness_quality_score: 0.9,
        ..small()
    };
    let codes = |limits: Thresholds| numbers(&check(limits, portrait_face(), &mut Counting::new()));
    assert_eq!(codes(exact.clone()), [0_u16; 0]);
    // A little more than is there, one after the other.
    let (up, down) = (|value: f32| value.next_up(), |value: f32| value.next_down());
    for (limits, code) in [
        (Thresholds { blur: up(exact.blur), ..exact.clone() }, 3),
        (Thresholds { light: up(exact.light), ..exact.clone() }, 4),
        (Thresholds { dark: up(exact.dark), ..exact.clone() }, 5),
        (Thresholds { illumination: down(exact.illumination), ..exact.clone() }, 6),
        (Thresholds { specularity: down(exact.specularity), ..exact.clone() }, 7),
        (Thresholds { face_width: up(exact.face_width), ..exact.clone() }, 12),
        (Thresholds { face_height: up(exact.face_height), ..exact.clone() }, 13),
        (Thresholds { mouth: up(exact.mouth), ..exact.clone() }, 26),
        (Thresholds { ags: up(exact.ags), ..exact.clone() }, 30),
        (Thresholds { liveness_score: up(0.9), ..exact.clone() }, 32),
        (Thresholds { liveness_quality_score: up(0.9), ..exact.clone() }, 33),
    ] {
        assert_eq!(codes(limits), [code]);
    }
    let near = codes(Thresholds { frame_margin: up(margin), ..exact });
    assert!(near.len() == 1 && (14..=17).contains(&near[0]), "{near:?}");
}

/// A face in a box of the picture, in parts of it.
fn boxed(x: f32, y: f32, width: f32, height: f32) -> Face {
    let mut landmarks = Box::new([[x + width / 2.0, y + height / 2.0, 0.0]; LANDMARKS]);
    (landmarks[0], landmarks[1]) = ([x, y, 0.0], [x + width, y + height, 0.0]);
    Face { landmarks, blendshapes: [0.0; BLENDSHAPES], matrix: [[0.0; 4]; 4], presence: 1.0 }
}

fn wrong(findings: impl IntoIterator<Item = (bool, Code)>) -> Vec<u16> {
    passed(findings).err().unwrap_or_default().iter().map(|code| code.number()).collect()
}

#[test]
fn every_border_has_its_own_advice() {
    let limits = Thresholds::default();
    let codes = |x, y, w, h| wrong(limits.position(&Position::of(&boxed(x, y, w, h), 1000, 1000)));
    assert_eq!(codes(0.3, 0.3, 0.4, 0.4), [0_u16; 0]);
    assert_eq!(codes(0.3, 0.58, 0.4, 0.415), [14]);
    assert_eq!(codes(0.005, 0.3, 0.4, 0.4), [15]);
    assert_eq!(codes(0.3, -0.1, 0.4, 0.4), [16]);
    assert_eq!(codes(0.58, 0.3, 0.415, 0.4), [17]);
    assert_eq!(codes(0.005, 0.005, 0.4, 0.4), [15, 16]);
    // Both sides: further away, whatever else.
    assert_eq!(codes(0.005, 0.3, 0.99, 0.4), [38]);
    assert_eq!(codes(0.3, 0.0, 0.4, 1.0), [38]);
    assert_eq!(codes(0.4, 0.4, 0.15, 0.4), [12]);
    assert_eq!(codes(0.4, 0.4, 0.4, 0.15), [13]);
    assert_eq!(codes(0.4, 0.4, 0.15, 0.15), [12, 13]);
}

#[test]
fn every_direction_has_its_own_advice() {
    let limits = Thresholds::default();
    let codes = |yaw, pitch, roll| wrong(limits.pose(&HeadPose { yaw, pitch, roll }));
    assert_eq!(codes(20.0, -20.0, 20.0), [0_u16; 0]);
    assert_eq!(codes(-20.0, 20.0, -20.0), [0_u16; 0]);
    assert_eq!(codes(20.1, 0.0, 0.0), [19]);
    assert_eq!(codes(-20.1, 0.0, 0.0), [20]);
    assert_eq!(codes(0.0, 0.0, 20.1), [21]);
    assert_eq!(codes(0.0, 0.0, -20.1), [22]);
    assert_eq!(codes(0.0, -20.1, 0.0), [23]);
    assert_eq!(codes(0.0, 20.1, 0.0), [24]);
    assert_eq!(codes(30.0, 30.0, 30.0), [19, 21, 24]);
}

#[test]
fn degrees_are_degrees() {
    let mut face = portrait_face();
    let (sin, cos) = 30.0_f32.to_radians().sin_cos();
    (face.matrix[0][0], face.matrix[0][2], face.matrix[2][0], face.matrix[2][2]) = (cos, sin, -sin, cos);
    let pose = HeadPose::of(&face);
    assert!((pose.yaw - 30.0).abs() < 1e-3 && pose.pitch.abs() < 1e-3 && pose.roll.abs() < 1e-3, "{pose:?}");
    assert_eq!(numbers(&check(small(), face, &mut Counting::new())), [19]);
}

#[test]
fn a_policy_says_which_face_is_looked_at() {
    let faces = [boxed(0.0, 0.0, 0.4, 0.4), boxed(0.45, 0.45, 0.1, 0.1), boxed(0.9, 0.5, 0.05, 0.05)];
    let chosen = |policy: MultifacePolicy| policy.select(&faces, 640, 480).map(|face| face.bounding_box().width);
    let near = |found: Result<f32, Code>, expected: f32| assert!((found.unwrap() - expected).abs() < 1e-5);
    assert_eq!(chosen(MultifacePolicy::OnlyOne), Err(Code::SeveralFaces));
    near(chosen(MultifacePolicy::Largest), 0.4);
    near(chosen(MultifacePolicy::Nearest), 0.1);
    for policy in [MultifacePolicy::OnlyOne, MultifacePolicy::Largest, MultifacePolicy::Nearest] {
        assert!(matches!(policy.select(&[], 640, 480), Err(Code::NoFace)));
        assert!(policy.select(&faces[..1], 640, 480).is_ok());
        assert_eq!(MultifacePolicy::try_from(u8::from(policy)), Ok(policy));
    }
    assert!(MultifacePolicy::try_from(3).unwrap_err().to_string().contains("not 3"));
}

#[test]
fn distance_to_the_centre_is_in_pixels() {
    // In a picture four times as wide as high, the face that is off to the side is the farther one.
    let faces = [boxed(0.65, 0.45, 0.1, 0.1), boxed(0.45, 0.75, 0.1, 0.1)];
    let chosen = MultifacePolicy::Nearest.select(&faces, 1600, 400).unwrap();
    assert!(chosen.bounding_box().y > 0.7);
}

#[test]
fn closed_eyes_count_only_when_both_are_closed_and_may_not_be_hidden() {
    let eyes = |left: f32, right: f32, thresholds: Thresholds| {
        let mut face = portrait_face();
        (face.blendshapes[9], face.blendshapes[10]) = (left, right);
        numbers(&check(thresholds, face, &mut Counting::new()))
    };
    let looking = Thresholds { eyes: Some(0.5), ..small() };
    assert_eq!(eyes(0.9, 0.9, looking.clone()), [51]);
    assert_eq!(eyes(0.9, 0.4, looking.clone()), [0_u16; 0]);
    assert_eq!(eyes(0.9, 0.9, small()), [0_u16; 0]);
    let sun = Thresholds { glasses: vec![Glasses::SunGlasses, Glasses::NoGlasses], ..looking };
    assert_eq!(eyes(0.9, 0.9, sun), [0_u16; 0]);
}

#[test]
fn the_best_shot_is_the_liveliest_of_good_quality_with_open_eyes() {
    let status = |score: f32, quality_score: f32, closed: bool| FrameStatus {
        is_ok: true,
        errors: vec![],
        details: Details {
            liveness: Some(Liveness { score, quality_score }),
            eyes_closed: Some(closed),
            ..Details::default()
        },
    };
    let frames = [
        status(0.6, 0.9, false),
        status(0.99, 0.5, false), // at the threshold of quality, not above
        status(0.95, 0.9, true),
        status(0.8, 0.6, false),
        status(0.7, 0.9, false),
        FrameStatus { details: Details::default(), ..status(1.0, 1.0, false) },
    ];
    let best = |thresholds: &Thresholds| {
        let mut best = BestShot::new(thresholds);
        assert!(best.best().is_none());
        frames.iter().enumerate().for_each(|(index, frame)| best.offer(frame, || index));
        best.into_best()
    };
    assert_eq!(best(&Thresholds::default()), Some(3));
    assert_eq!(best(&Thresholds { glasses: vec![Glasses::SunGlasses], ..Thresholds::default() }), Some(2));
    assert_eq!(best(&Thresholds { liveness_quality_score: 0.95, ..Thresholds::default() }), None);
}

#[test]
fn a_frame_is_told_in_the_clients_words() {
    let mut models = Counting { glasses: Some(Glasses::SunGlasses), ..Counting::new() };
    let value = serde_json::to_value(check(small(), portrait_face(), &mut models)).unwrap();
    assert_eq!(value["isOk"], false);
    assert_eq!(value["errors"], serde_json::json!([28]));
    let details = &value["details"];
    assert_eq!(details["eyeglasses"], "SunGlasses");
    let quality = ["blur", "light", "darkness", "illumination", "specularity"];
    assert!(quality.iter().all(|name| details["quality"][name].is_f64()), "{details}");
    let flags = ["isBlurred", "isHighlighted", "isDark", "isIlluminated", "isSpecular"];
    assert!(flags.iter().all(|name| details["quality"][name] == false), "{details}");
    assert!(details["faceFramePosition"]["margins"].as_array().is_some_and(|margins| margins.len() == 4));
    assert!(details["faceFramePosition"]["faceRect"]["width"].is_f64() && details["headPose"]["yaw"].is_f64());
    assert!(["opened", "smile", "occluded"].iter().all(|name| details["mouth"][name].is_f64()));
    assert!(details.get("ags").is_none() && details.get("liveness").is_none());
}

//! The detector on synthetic signals, and all of it on a simulated recording of a drawn face.

use std::time::Duration;

use super::{
    detect,
    sequence::{Colour, STEP, STEPS, Sequence},
    signal::{CELLS, Sample, ZONES, Zone},
    simulation::{Camera, Falloff, Lamp, Scene},
    *,
};
use crate::{
    face::{BLENDSHAPES, Face, LANDMARKS},
    liveness::Verdict,
    picture::{I420Mut, I420View, PictureView},
    random::repeatable,
};

/// A face in the middle of the picture.
pub(super) fn astronaut() -> Face {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/astronaut-landmarks.json");
    let data: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let list: Vec<[f32; 3]> = serde_json::from_value(data["landmarks"].clone()).unwrap();
    let mut face = Face {
        landmarks: Box::new([[0.0; 3]; LANDMARKS]),
        blendshapes: [0.0; BLENDSHAPES],
        matrix: [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -40.0], [0.0, 0.0, 0.0, 1.0]],
        presence: 1.0,
    };
    face.landmarks.iter_mut().zip(list).for_each(|(to, from)| *to = from);
    let bounds = face.bounding_box();
    let scale = 0.45 / bounds.height;
    for [x, y, z] in face.landmarks.iter_mut() {
        *x = 0.5 + (*x - bounds.x - bounds.width / 2.0) * scale;
        *y = 0.5 + (*y - bounds.y - bounds.height / 2.0) * scale;
        *z *= scale;
    }
    face
}

/// What is measured in a challenge.
#[derive(Clone, Copy)]
struct Made {
    contrast: f32,
    /// Of forehead, cheeks, nose and eyes, and of the background, as parts of the contrast.
    parts: [f32; ZONES + 1],
    delay: f64,
    /// From frame to frame.
    noise: f32,
    /// Of all the picture's white balance, slow.
    drift: f32,
    rate: f64,
    seed: u64,
}

impl Default for Made {
    fn default() -> Self {
        let parts = [1.0, 0.8, 0.8, 1.1, 1.0, 0.05];
        Self { contrast: 0.1, parts, delay: 0.3, noise: 0.02, drift: 0.0, rate: 15.0, seed: 1 }
    }
}

/// Even numbers 0..1.
fn numbers(seed: u64) -> impl FnMut() -> f32 {
    let mut random = repeatable(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    move || {
        let mut bytes = [0; 8];
        let Ok(()) = random(&mut bytes);
        (u64::from_le_bytes(bytes) >> 40) as f32 / (1 << 24) as f32
    }
}

fn sequence(seed: u64) -> Sequence {
    let Ok(sequence) = Sequence::draw(repeatable(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) | 1));
    sequence
}

impl Made {
    fn samples(&self, sequence: &Sequence) -> Vec<Sample> {
        let mut number = numbers(self.seed);
        let mut samples = Vec::new();
        let mut time = 0.0;
        while time < Sequence::LENGTH.as_secs_f64() + 1.2 {
            let shown = Duration::try_from_secs_f64(time - self.delay).ok().and_then(|at| sequence.colour_at(at));
            let chroma = shown.unwrap_or(Colour::Grey).chroma();
            let balance = self.drift * (time as f32 * 1.1).sin();
            let mut value = |part: f32, albedo: f32| {
                chroma.map(|chroma| {
                    let noise = (0..4).map(|_| number() - 0.5).sum::<f32>() * 3_f32.sqrt();
                    albedo + balance + (1.0 + self.contrast * part * chroma).ln() + self.noise * noise
                })
            };
            let zones = std::array::from_fn(|zone| Some(value(self.parts[zone], 0.4 - 0.1 * zone as f32)));
            let background: [_; CELLS] =
                std::array::from_fn(|cell| (cell % 8 < 2).then(|| value(self.parts[ZONES], 0.01 * cell as f32)));
            samples.push(Sample { time, zones, background, motion: [0.1, 0.0, 3.0, 2.0, 4.0], clipped: 0.0 });
            time += (0.6 + 0.8 * f64::from(number())) / self.rate;
        }
        samples
    }

    fn judged(&self, shown: &Sequence, judged: &Sequence) -> Judgement {
        judge(&self.samples(shown), judged, &edges())
    }

    fn outcome(&self) -> Outcome {
        let sequence = sequence(self.seed);
        self.judged(&sequence, &sequence).outcome
    }
}

fn judge(samples: &[Sample], sequence: &Sequence, edges: &[f64; STEPS + 1]) -> Judgement {
    detect::judge(samples, sequence, edges, LEAST_CONTRAST)
}

fn edges() -> [f64; STEPS + 1] {
    Sequence::times(Duration::ZERO).map(|time| time.as_secs_f64())
}

#[test]
fn a_reflection_is_found_whatever_its_delay_and_the_rate_of_frames() {
    for (i, delay) in [0.0, 0.1, 0.25, 0.4, 0.6, 0.8, 1.0].into_iter().enumerate() {
        for rate in [15.0, 24.0, 30.0] {
            let made = Made { delay, rate, seed: i as u64 + 1, ..Made::default() };
            let sequence = sequence(made.seed);
            let judged = made.judged(&sequence, &sequence);
            let evidence = judged.evidence.unwrap();
            assert_eq!(judged.outcome, Outcome::Found, "{delay} s, {rate}/s: {evidence:?}");
            assert!(judged.score.unwrap() > 0.9 && evidence.correlation > 0.9);
            assert!((evidence.delay.as_secs_f64() - delay).abs() < 0.05, "{delay} s: {evidence:?}");
            assert!((0.07..0.11).contains(&evidence.contrast) && evidence.background.abs() < 0.02, "{evidence:?}");
        }
    }
}

#[test]
fn without_a_reflection_it_is_absent_where_it_would_have_been_seen() {
    for seed in 1..40 {
        let quiet = Made { contrast: 0.0, noise: 0.01, seed, ..Made::default() };
        assert_eq!(quiet.outcome(), Outcome::Absent, "{seed}");
        let noisy = Made { noise: 0.2, ..quiet };
        assert_eq!(noisy.outcome(), Outcome::Unclear, "{seed}");
    }
}

#[test]
fn bright_surroundings_cannot_be_told() {
    let weak = |seed| Made { contrast: 0.015, noise: 0.02, seed, ..Made::default() }.outcome();
    assert!((1..30).all(|seed| weak(seed) != Outcome::Absent), "a weak reflection is not taken for none");
    let sequence = sequence(3);
    let mut clipped = Made { contrast: 0.0, noise: 0.01, ..Made::default() }.samples(&sequence);
    clipped.iter_mut().for_each(|sample| sample.clipped = 0.6);
    assert_eq!(judge(&clipped, &sequence, &edges()).outcome, Outcome::Unclear);
    let dark = Made { contrast: 0.0, noise: 0.01, ..Made::default() }.samples(&sequence);
    assert_eq!(judge(&dark, &sequence, &edges()).outcome, Outcome::Absent);
    assert_eq!(detect::judge(&dark, &sequence, &edges(), 0.0).outcome, Outcome::Unclear, "nothing is expected");
}

#[test]
fn other_sequences_are_not_found() {
    let mut outcomes = std::collections::BTreeMap::new();
    for seed in 1..150 {
        let judged = Made { seed, ..Made::default() }.judged(&sequence(seed), &sequence(seed + 1000));
        assert_ne!(judged.outcome, Outcome::Found, "{seed}: {judged:?}");
        *outcomes.entry(format!("{:?}", judged.outcome)).or_insert(0) += 1;
    }
    assert!(outcomes["Absent"] > 130, "{outcomes:?}");
}

#[test]
fn what_the_background_has_as_well_is_no_face() {
    for seed in 1..30 {
        // A print or a screen that fills the picture reflects everywhere alike.
        let flat = Made { parts: [1.0; ZONES + 1], seed, ..Made::default() };
        assert_eq!(flat.outcome(), Outcome::Absent, "{seed}");
        // A wall close behind has less of it.
        let wall = Made { parts: [1.0, 0.9, 0.9, 1.1, 1.0, 0.4], seed, ..Made::default() };
        assert_eq!(wall.outcome(), Outcome::Found, "{seed}");
    }
}

#[test]
fn one_part_of_the_face_is_not_enough() {
    for seed in 1..30 {
        let mut parts = [0.0; ZONES + 1];
        parts[Zone::LeftCheek as usize] = 4.0;
        assert_ne!(Made { parts, seed, ..Made::default() }.outcome(), Outcome::Found, "{seed}");
    }
}

#[test]
fn white_balance_cancels() {
    for seed in 1..20 {
        assert_eq!(Made { drift: 0.5, seed, ..Made::default() }.outcome(), Outcome::Found, "{seed}");
        assert_eq!(Made { drift: 0.5, contrast: 0.0, noise: 0.01, seed, ..Made::default() }.outcome(), Outcome::Absent);
    }
}

#[test]
fn too_little_to_judge() {
    let made = Made::default();
    let sequence = sequence(made.seed);
    let outcome = |samples: &[Sample]| judge(samples, &sequence, &edges()).outcome;
    let all = made.samples(&sequence);
    assert_eq!(outcome(&all), Outcome::Found);
    assert_eq!(outcome(&[]), Outcome::FaceLost);
    assert_eq!(outcome(&all[..1]), Outcome::FaceLost);
    assert_eq!(outcome(&all[..all.len() / 2]), Outcome::FaceLost, "looked away half way");
    let gap: Vec<_> = all.iter().filter(|sample| !(2.0..3.0).contains(&sample.time)).cloned().collect();
    assert_eq!(outcome(&gap), Outcome::FaceLost);
    let seldom: Vec<_> = all.iter().step_by(3).cloned().collect();
    assert_eq!(outcome(&seldom), Outcome::FaceLost, "five frames a second");
    let with = |change: fn(&mut Sample)| {
        let mut samples = all.clone();
        samples.iter_mut().for_each(change);
        outcome(&samples)
    };
    assert_eq!(with(|sample| sample.background = [None; CELLS]), Outcome::NothingToCompare);
    assert_eq!(with(|sample| sample.zones = [None; ZONES]), Outcome::NothingToCompare);
    assert_eq!(with(|sample| sample.zones[Zone::Forehead as usize] = None), Outcome::Found, "hair on the forehead");
    assert_eq!(with(|sample| sample.zones[Zone::Eyes as usize] = None), Outcome::Found, "eyes closed");
}

#[test]
fn findings_are_those_of_checks() {
    let finding = |outcome| Judgement { outcome, score: Some(0.2), evidence: None }.finding();
    assert_eq!(finding(Outcome::Found).verdict, Verdict::Passed);
    assert_eq!(finding(Outcome::Absent).verdict, Verdict::Failed);
    for outcome in [Outcome::FaceLost, Outcome::NothingToCompare, Outcome::Unclear] {
        assert_eq!(finding(outcome).verdict, Verdict::Inconclusive);
    }
    assert_eq!(finding(Outcome::Unclear).score, Some(0.2));
    let json = serde_json::to_value(Made::default().judged(&sequence(1), &sequence(1))).unwrap();
    assert_eq!(json["outcome"], "found");
    assert!(wanted(Mode::Observe, false) && wanted(Mode::Enforce, false));
    assert!(!wanted(Mode::Off, false) && !wanted(Mode::Enforce, true));
}

/// Pixels from end to end: a screen's light on a face and a wall, taken by a camera that adapts.
#[test]
fn simulated_light_is_found_and_its_absence_too() {
    const SIZE: usize = 240;
    let (face, sequence) = (astronaut(), sequence(5));
    let scene = Scene::laptop(300.0);
    let falloff = Falloff::of(SIZE, SIZE, &face, &scene);
    let even = Falloff::even(SIZE, SIZE);
    let record = |falloff: Option<&Falloff>| {
        let mut camera = Camera::new(scene.ambient, 7);
        let mut observer = Observer::default();
        for frame in 0..90 {
            let time = Duration::from_millis(frame * 67);
            let shown = time.checked_sub(Duration::from_millis(250)).and_then(|at| sequence.colour_at(at));
            let colour = shown.unwrap_or(Colour::Grey).light();
            let light = [0, 1, 2].map(|part| scene.contrast()[part] * colour[part]);
            let lamps: Vec<Lamp> = falloff.iter().map(|falloff| Lamp { falloff, light, colour }).collect();
            let (mut y, mut u, mut v) =
                (vec![120; SIZE * SIZE], vec![115; SIZE * SIZE / 4], vec![145; SIZE * SIZE / 4]);
            let (y_stride, uv_stride, width, height) = (SIZE, SIZE / 2, SIZE, SIZE);
            let mut picture = I420Mut { y: &mut y, u: &mut u, v: &mut v, y_stride, uv_stride, width, height };
            camera.shoot(&mut picture, [1.0; 3], &lamps, 0.067);
            let view = I420View { y: &y, u: &u, v: &v, y_stride, uv_stride, width, height };
            observer.frame(&PictureView::I420(view), &face, time);
        }
        observer.judge(&sequence, &Sequence::times(Duration::ZERO), LEAST_CONTRAST)
    };
    let lit = record(Some(&falloff));
    assert_eq!(lit.outcome, Outcome::Found, "{lit:?}");
    let evidence = lit.evidence.unwrap();
    assert!((0.05..0.15).contains(&evidence.contrast), "{evidence:?}");
    assert!(evidence.background < 0.2 * evidence.contrast, "{evidence:?}");
    assert!(
        evidence.zones[Zone::Eyes as usize] > evidence.zones[Zone::LeftCheek as usize],
        "the screen is in the eyes"
    );
    assert_eq!(record(None).outcome, Outcome::Absent);
    assert_eq!(record(Some(&even)).outcome, Outcome::Absent);
}

#[test]
fn light_falls_off_as_it_should() {
    let (face, scene) = (astronaut(), Scene::laptop(200.0));
    // A 14 inch laptop at half a metre gives about 50 lux.
    assert!((40.0..60.0).contains(&scene.illuminance()), "{}", scene.illuminance());
    assert!((Scene::laptop(400.0).contrast()[0] / scene.contrast()[0] - 0.5).abs() < 1e-6);
    let size = 200;
    let falloff = Falloff::of(size, size, &face, &scene);
    let at = |landmark: usize| {
        let [x, y, _] = face.landmarks[landmark];
        falloff.at((x * size as f32) as usize, (y * size as f32) as usize)
    };
    let (nose, ear) = (at(4), at(234));
    assert!((0.8..1.3).contains(&nose) && ear < 0.8 * nose, "{nose} {ear}");
    let wall = falloff.at(2, 2);
    assert!((wall - 0.0625).abs() < 1e-3, "a quarter of the distance, squared: {wall}");
    assert!(STEP * 3 > Duration::from_secs(1));
}

//! Cues on synthetic pictures, where the answer is known; the rule of the fusion on all sorts of evidence.

use super::fusion::{Evidence, FAIL, PASS, calibration, judge, limits};
use super::{CUES, Cue, LEAST_QUALITY, Network, Passive};
use crate::face::{BLENDSHAPES, Face, LANDMARKS};
use crate::liveness::Verdict;
use crate::picture::{I420View, PictureView};

const WIDTH: usize = 640;
const HEIGHT: usize = 480;
/// The face's box: middle and size, in pixels.
const MIDDLE: [f32; 2] = [320.0, 230.0];
const SIZE: [f32; 2] = [150.0, 190.0];

/// A frame that is painted by a function of the pixel: luma, and colour differences from grey.
struct Painted {
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl Painted {
    fn new(luma: impl Fn(f32, f32) -> f32, chroma: impl Fn(f32, f32) -> [f32; 2]) -> Self {
        let pixels = (0..WIDTH * HEIGHT).map(|i| ((i % WIDTH) as f32, (i / WIDTH) as f32));
        let y = pixels.map(|(x, y)| luma(x, y).clamp(16.0, 235.0) as u8).collect();
        let halves = (0..WIDTH * HEIGHT / 4).map(|i| ((i % (WIDTH / 2) * 2) as f32, (i / (WIDTH / 2) * 2) as f32));
        let (u, v) = halves.map(|(x, y)| chroma(x, y).map(|c| (128.0 + c) as u8)).map(|[u, v]| (u, v)).unzip();
        Self { y, u, v }
    }

    fn grey(luma: impl Fn(f32, f32) -> f32) -> Self {
        Self::new(luma, |_, _| [0.0; 2])
    }

    fn view(&self) -> PictureView<'_> {
        let (y_stride, uv_stride) = (WIDTH, WIDTH / 2);
        PictureView::I420(I420View {
            y: &self.y,
            u: &self.u,
            v: &self.v,
            y_stride,
            uv_stride,
            width: WIDTH,
            height: HEIGHT,
        })
    }
}

/// A mesh whose box is that of the face, moved.
fn face(shift: [f32; 2]) -> Face {
    let mut landmarks = Box::new([[0.0; 3]; LANDMARKS]);
    for (i, point) in landmarks.iter_mut().enumerate() {
        let (sin, cos) = (i as f32).sin_cos();
        let x = MIDDLE[0] + shift[0] + 0.5 * SIZE[0] * cos;
        let y = MIDDLE[1] + shift[1] + 0.5 * SIZE[1] * sin;
        *point = [x / WIDTH as f32, y / HEIGHT as f32, 0.0];
    }
    Face { landmarks, blendshapes: [0.0; BLENDSHAPES], matrix: [[0.0; 4]; 4], presence: 1.0 }
}

/// -1..1, not the same anywhere, smooth over `scale` pixels.
fn clouds(x: f32, y: f32, scale: f32) -> f32 {
    let wave = |a: f32, b: f32, c: f32| ((a * x + b * y) / scale + c).sin();
    (wave(1.0, 0.3, 0.0) + wave(-0.4, 0.9, 1.0) + wave(0.7, -0.8, 2.0) + wave(0.2, 1.1, 4.0)) / 4.0
}

/// White noise -1..1 of a pixel.
fn grain(x: f32, y: f32, frame: usize) -> f32 {
    let mut h = (x as u64) << 40 ^ (y as u64) << 20 ^ frame as u64;
    for _ in 0..2 {
        h = (h ^ h >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    (h >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
}

/// Whether a pixel is of the face, when that is shifted.
fn in_face(x: f32, y: f32, shift: [f32; 2]) -> bool {
    ((x - MIDDLE[0] - shift[0]) / SIZE[0]).hypot((y - MIDDLE[1] - shift[1]) / SIZE[1]) < 0.6
}

/// Where a hand, or a neck, is at a frame.
fn sway(frame: usize) -> [f32; 2] {
    let phase = frame as f32 / 3.0;
    [8.0 * phase.sin(), 5.0 * (0.7 * phase).cos()]
}

fn watch(cue: Cue, frames: usize, paint: impl Fn(usize) -> (Painted, Face)) -> Option<f32> {
    let mut passive = Passive::of(&[cue]);
    for frame in 0..frames {
        let (picture, face) = paint(frame);
        passive.observe(&picture.view(), &face, None);
    }
    passive.value(cue)
}

#[test]
fn a_grid_is_a_line_in_the_spectrum_and_skin_is_none() {
    let shown = |grid: f32| {
        watch(Cue::Spectrum, 12, |frame| {
            let shift = sway(frame);
            let luma = |x: f32, y: f32| {
                let skin = 140.0 + 40.0 * clouds(x, y, 9.0) + 3.0 * grain(x, y, frame);
                // 0.29 cycles a pixel, aslant, moving with the hand.
                skin + grid * (1.7 * (x + shift[0]) + 0.6 * (y + shift[1])).cos()
            };
            (Painted::grey(luma), face([0.0; 2]))
        })
        .unwrap()
    };
    let (skin, faint, clear) = (shown(0.0), shown(2.0), shown(6.0));
    assert_eq!(skin, 0.0);
    assert!(faint > 1.0 && clear > faint, "{skin} {faint} {clear}");
}

#[test]
fn a_codecs_blocks_and_an_edge_are_no_grid() {
    let value = watch(Cue::Spectrum, 12, |frame| {
        let luma = |x: f32, y: f32| {
            let blocks = if x as usize % 8 < 1 || y as usize % 8 < 1 { 6.0 } else { 0.0 };
            let edge = if 0.9 * x + 0.5 * y > 400.0 { 60.0 } else { 0.0 };
            100.0 + blocks + edge + 3.0 * grain(x, y, frame)
        };
        (Painted::grey(luma), face([0.0; 2]))
    })
    .unwrap();
    assert_eq!(value, 0.0);
}

#[test]
fn what_is_printed_faintly_is_flat() {
    let shown = |contrast: f32| {
        let luma = |x: f32, y: f32| 120.0 + contrast * (20.0 * clouds(x, y, 9.0) + 4.0 * grain(x, y, 0));
        watch(Cue::Texture, 3, |_| (Painted::grey(luma), face([0.0; 2]))).unwrap()
    };
    let (skin, pale, blank) = (shown(1.0), shown(0.3), shown(0.0));
    assert!(skin < 0.15 && pale > skin && blank == 1.0, "{skin} {pale} {blank}");
}

#[test]
fn black_that_is_grey_and_pale_skin_lower_colour() {
    let shown = |black: f32, saturation: f32| {
        let luma = |x: f32, y: f32| {
            let pupil = (x - MIDDLE[0]).hypot(y - MIDDLE[1]) < 14.0;
            if pupil { black } else { 130.0 + 10.0 * clouds(x, y, 9.0) }
        };
        let chroma = |_: f32, _: f32| [-16.0 * saturation, 24.0 * saturation];
        watch(Cue::Colour, 4, |_| (Painted::new(luma, chroma), face([0.0; 2]))).unwrap()
    };
    let real = shown(22.0, 1.0);
    assert!(shown(50.0, 1.0) < real - 1.0, "grey is not black");
    assert!(shown(22.0, 0.5) < real - 0.5, "pale");
    assert!(shown(50.0, 0.6) < shown(50.0, 1.0));
}

/// A face before a wall, and a dark frame around it. `frame_moves`: with the face.
fn framed(bezel: bool, frame_moves: bool) -> Option<f32> {
    watch(Cue::Borders, 26, |index| {
        let shift = sway(index);
        let held = if frame_moves { shift } else { [0.0; 2] };
        let luma = |x: f32, y: f32| {
            let [dx, dy] = [(x - MIDDLE[0] - held[0]).abs(), (y - MIDDLE[1] - held[1]).abs()];
            match () {
                () if in_face(x, y, shift) => 150.0,
                () if bezel && dx < 165.0 && dy < 205.0 && (dx > 150.0 || dy > 190.0) => 30.0,
                () => 110.0 + 15.0 * clouds(x, y, 30.0),
            }
        };
        (Painted::grey(luma), face(shift))
    })
}

#[test]
fn a_frame_around_the_face_is_seen_most_of_all_when_it_moves_with_it() {
    let [none, stays, moves] = [(false, false), (true, false), (true, true)].map(|(b, m)| framed(b, m).unwrap());
    assert!(none < 0.15, "{none}");
    assert!((0.3..0.65).contains(&stays), "{stays}");
    assert!(moves > 0.8, "{moves}");
}

/// A textured face before a textured wall. How much of the face's motion the wall shares.
fn moving(wall_shares: f32, amount: f32) -> Option<f32> {
    watch(Cue::Motion, 16, |frame| {
        let shift = sway(frame).map(|v| amount * v);
        let luma = |x: f32, y: f32| {
            let share = if in_face(x, y, shift) { 1.0 } else { wall_shares };
            130.0 + 70.0 * clouds(x - share * shift[0], y - share * shift[1], 14.0)
        };
        (Painted::grey(luma), face(shift))
    })
}

#[test]
fn one_piece_is_told_from_a_head_in_a_room() {
    let [rigid, parallax, head] = [1.0, 0.4, 0.0].map(|share| moving(share, 1.0).unwrap());
    assert!(rigid < 0.1, "{rigid}");
    assert!(head > 0.8, "{head}");
    assert!(rigid < parallax && parallax < head, "{rigid} {parallax} {head}");
    assert_eq!(moving(1.0, 0.0), None, "what stands still says nothing");
}

fn evidence(values: [f32; CUES.len()]) -> Vec<Evidence> {
    CUES.iter().zip(values).map(|(cue, evidence)| Evidence { cue: *cue, value: Some(0.0), evidence }).collect()
}

#[test]
fn no_cue_alone_fails_or_passes_anybody() {
    // Every combination of full, some and no evidence of all cues but one, and then whatever that one says.
    // Exact in binary, so that sums are.
    let levels = [-2.0, -0.5, 0.0, 0.5, 2.0];
    let (mut failed, mut passed) = (0, 0);
    for combination in 0..levels.len().pow(5) {
        for alone in 0..CUES.len() {
            let mut digits = combination;
            let mut values = [0.0; CUES.len()];
            for value in values.iter_mut().enumerate().filter(|(i, _)| *i != alone).map(|(_, v)| v) {
                *value = levels[digits % levels.len()];
                digits /= levels.len();
            }
            let others: f32 = values.iter().sum();
            for says in [-1000.0, -2.0, 2.0, 1000.0] {
                values[alone] = says;
                match judge(&evidence(values)).verdict {
                    Verdict::Failed => {
                        assert!(others < 0.0, "{values:?}");
                        failed += 1;
                    }
                    Verdict::Passed => {
                        assert!(others >= 0.0, "{values:?}");
                        passed += 1;
                    }
                    Verdict::Inconclusive => {}
                }
            }
        }
    }
    assert!(failed > 1000 && passed > 1000, "{failed} {passed}");
}

#[test]
fn a_single_source_is_inconclusive_and_nothing_has_no_score() {
    for cue in CUES {
        let [for_live, against] = limits(cue);
        for says in [-against, for_live, -1000.0, 1000.0] {
            let alone = Evidence { cue, value: Some(0.0), evidence: says };
            assert_eq!(judge(&[alone]).verdict, Verdict::Inconclusive, "{cue:?} {says}");
        }
    }
    let finding = judge(&CUES.map(|cue| calibration(cue).evidence(cue, None)));
    assert_eq!((finding.verdict, finding.score), (Verdict::Inconclusive, None));
    let broken = calibration(Cue::Network).evidence(Cue::Network, Some(f32::NAN));
    assert_eq!((broken.value, broken.evidence), (None, 0.0));
}

#[test]
fn totals_decide_where_they_say() {
    let verdict = |total: f32| judge(&evidence([total / 6.0; CUES.len()])).verdict;
    assert_eq!(verdict(FAIL - 0.01), Verdict::Failed);
    assert_eq!(verdict(FAIL + 0.01), Verdict::Inconclusive);
    assert_eq!(verdict(PASS - 0.01), Verdict::Inconclusive);
    assert_eq!(verdict(PASS + 0.01), Verdict::Passed);
}

#[test]
fn the_report_says_whether_the_network_took_part() {
    let picture = Painted::grey(|x, y| 130.0 + 40.0 * clouds(x, y, 9.0));
    let mut passive = Passive::new();
    assert_eq!((passive.report().quality, passive.report().finding.score), (0.0, None));
    passive.observe(&picture.view(), &face([0.0; 2]), None);
    let absent = passive.report();
    assert_eq!((absent.network, absent.frames), (Network::Absent, 1));
    passive.observe(&picture.view(), &face([0.0; 2]), Some(4.0));
    passive.observe(&picture.view(), &face([0.0; 2]), Some(8.0));
    let present = passive.report();
    assert_eq!((present.network, present.cues[5].value), (Network::Present, Some(6.0)));
    assert!(present.quality > absent.quality && present.quality < 1.0);
    let json = serde_json::to_value(&present).unwrap();
    assert_eq!(json["network"], "present");
    assert_eq!(json["verdict"], "inconclusive");
    assert_eq!(json["cues"].as_array().unwrap().iter().filter(|c| c["cue"] == "motion").count(), 1);
    for cue in CUES {
        assert_eq!(serde_json::to_value(cue).unwrap(), cue.as_str());
    }
}

#[test]
fn a_single_picture_has_a_score_and_no_verdict() {
    let picture = Painted::new(|x, y| 130.0 + 40.0 * clouds(x, y, 9.0), |_, _| [-2.0, 2.0]);
    let mut passive = Passive::new();
    passive.observe(&picture.view(), &face([0.0; 2]), Some(-10.0));
    let report = passive.report();
    assert_eq!(judge(&report.cues).verdict, Verdict::Failed, "{report:?}");
    assert_eq!(report.finding.verdict, Verdict::Inconclusive);
    assert!(report.finding.score < Some(0.2) && report.quality < LEAST_QUALITY);
}

#[test]
fn nonsense_is_not_looked_at() {
    let short = [0_u8; 10];
    let view = I420View { y: &short, u: &short, v: &short, y_stride: 640, uv_stride: 320, width: 640, height: 480 };
    let picture = Painted::grey(|_, _| 100.0);
    let mut passive = Passive::new();
    passive.observe(&PictureView::I420(view), &face([0.0; 2]), Some(f32::NAN));
    assert_eq!((passive.report().frames, passive.report().network), (0, Network::Absent));
    let mut nowhere = face([0.0; 2]);
    nowhere.landmarks[0] = [f32::NAN; 3];
    nowhere.landmarks[1] = [f32::INFINITY; 3];
    for face in [nowhere, face([-5000.0, 0.0]), face([0.0, 1e9])] {
        for _ in 0..20 {
            passive.observe(&picture.view(), &face, None);
        }
    }
    assert_eq!(passive.report().finding.verdict, Verdict::Inconclusive);
}

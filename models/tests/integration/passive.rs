//! Passive liveness on a real clip, and on a frame of the same clip held before the camera as a print.

use std::time::Duration;

use vision_core::liveness::Verdict;
use vision_core::liveness::passive::{Cue, Network, Passive, Report};
use vision_core::picture::{Picture, RgbPicture};
use vision_models::antispoof::Antispoof;
use vision_models::landmarker::{Tracker, TrackerOptions};

use crate::support::{Clip, landmarker, models, runtime, shared};

/// Two seconds at 12.5 frames a second.
const FRAMES: usize = 25;

/// A frame as a sheet of paper that a hand moves: smaller, black grey and skin pale, with a white border, before a
/// wall.
fn held(photograph: &RgbPicture, index: usize) -> RgbPicture {
    let (width, height, side) = (640_usize, 480_usize, 360.0);
    let scale = photograph.width as f32 / side;
    let phase = index as f32 / 3.0;
    let corner = [140.0 + 12.0 * phase.sin(), 60.0 + 7.0 * (0.7 * phase).cos()];
    let mut data = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for x in 0..width {
            let [u, v] = [x as f32 - corner[0], y as f32 - corner[1]];
            let on = |border: f32| [u, v].iter().all(|p| (-border..side + border).contains(p));
            let pixel = if on(0.0) {
                let at = (v * scale) as usize * photograph.width + (u * scale) as usize;
                let rgb: [f32; 3] = std::array::from_fn(|c| f32::from(photograph.data[3 * at + c]));
                let grey = rgb.iter().sum::<f32>() / 3.0;
                rgb.map(|c| (70.0 + 0.55 * (grey + 0.6 * (c - grey))) as u8)
            } else if on(14.0) {
                [225; 3]
            } else {
                let wall = 110.0 + 25.0 * (x as f32 / 23.0).sin() * (y as f32 / 17.0).sin();
                [wall as u8; 3]
            };
            data.extend(pixel);
        }
    }
    RgbPicture { data, width, height }
}

/// What comes of a video, with the network and without.
fn judged(frames: &[RgbPicture]) -> [Report; 2] {
    let models = models();
    let mut network = Antispoof::load(&runtime(&models), &models).unwrap();
    let mut landmarker = landmarker();
    let mut tracker = Tracker::new(TrackerOptions { face_count_interval: None });
    let (mut with, mut without) = (Passive::new(), Passive::new());
    for (index, frame) in frames.iter().enumerate() {
        let now = Duration::from_millis(80 * index as u64);
        let face = landmarker.frame(&mut tracker, &frame.view(), now).unwrap().face.expect("a face on every frame");
        let logit = (index % 5 == 0).then(|| network.score(&frame.view(), &face).unwrap());
        with.observe(&frame.view(), &face, logit);
        without.observe(&frame.view(), &face, None);
    }
    [with.report(), without.report()]
}

#[test]
fn a_person_is_not_refused_and_a_print_of_them_is() {
    let Some(shared) = shared("a_person_is_not_refused_and_a_print_of_them_is") else { return };
    let clip: Vec<_> = Clip::open(&shared.join("assets/lp_d12.mp4")).step_by(2).take(FRAMES).collect();
    let print: Vec<_> = (0..FRAMES).map(|index| held(&clip[0], index)).collect();
    let (live, attack) = (judged(&clip), judged(&print));
    let value = |report: &Report, cue: Cue| report.cues.iter().find(|e| e.cue == cue).unwrap().value;
    for reports in [&live, &attack] {
        assert_eq!(reports.each_ref().map(|report| report.network), [Network::Present, Network::Absent]);
        assert!(reports.iter().all(|report| report.quality > 0.7), "{reports:?}");
    }
    for (live, attack) in live.iter().zip(&attack) {
        assert_ne!(live.finding.verdict, Verdict::Failed, "{live:?}");
        assert_eq!(attack.finding.verdict, Verdict::Failed, "{attack:?}");
        assert!(attack.finding.score < live.finding.score);
        assert!(value(live, Cue::Motion) > Some(0.5) && value(attack, Cue::Motion) < Some(0.3), "{live:?} {attack:?}");
        assert!(
            value(live, Cue::Borders) < Some(0.4) && value(attack, Cue::Borders) > Some(0.7),
            "{live:?} {attack:?}"
        );
    }
}

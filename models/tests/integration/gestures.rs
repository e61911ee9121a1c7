//! Every gesture of the clips completes at the frame where it completes with MediaPipe, and no other does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Deserialize;
use vision_core::gestures::{GestureLibrary, GestureWatch, Signals};
use vision_core::picture::Picture;
use vision_models::landmarker::{Tracker, TrackerOptions};

use crate::support::{Clip, landmarker, shared};

#[derive(Deserialize)]
struct Recording {
    fps: f64,
    frames: usize,
    faces: usize,
    completed_at_frame: BTreeMap<String, Vec<usize>>,
}

/// Where MediaPipe answers both ways: clip, gesture, and the other answer.
///
/// With the lowest bit of one pixel changed in each frame MediaPipe 1.2.2 itself gives, from run to run, eyeLookOutLeft
/// between 0.20 and 0.66 at frame 51 of lp_d12 (the gesture needs 0.5), eyeLookInRight between 0.091 and 0.100 at frame
/// 52 (0.1) and eyeLookDownLeft between 0.395 and 0.403 at frame 379 of lp_d10 (0.4; five of six runs are below).
const UNDECIDED: [(&str, &str, &[usize]); 3] = [
    ("lp_d10.mp4", "eyesDownwards", &[36, 105, 227, 358, 379]),
    ("lp_d12.mp4", "eyesShiftLeft", &[48, 74, 164]),
    ("lp_d12.mp4", "faceFrontRight", &[48, 172]),
];

#[test]
fn gestures_complete_where_mediapipe_completes_them() {
    let Some(shared) = shared("gestures_complete_where_mediapipe_completes_them") else { return };
    let text = std::fs::read(shared.join("reference/gestures.json")).unwrap();
    let recordings: BTreeMap<String, Recording> = serde_json::from_slice(&text).unwrap();
    assert_eq!(recordings.len(), 8);
    let library = GestureLibrary::load(&[]).unwrap();
    let original = library.iter().take(11).cloned().collect::<Vec<_>>();
    let mut landmarker = landmarker();
    let mut wrong = Vec::new();
    let mut compared = 0;

    for (name, recording) in &recordings {
        let mut tracker = Tracker::new(TrackerOptions { face_count_interval: None });
        let start = Instant::now();
        let mut watch = GestureWatch::new(original.iter().cloned(), start);
        let mut completed: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let (mut frames, mut faces) = (0, 0);
        let clip = Clip::open(&shared.join("assets").join(name));
        assert_eq!(clip.frames, recording.frames, "{name}");
        for (index, frame) in clip.enumerate() {
            let timestamp = Duration::from_millis((index as f64 * 1000.0 / recording.fps) as u64);
            let analysis = landmarker.frame(&mut tracker, &frame.view(), timestamp).unwrap();
            frames += 1;
            if let Some(face) = &analysis.face {
                faces += 1;
                for gesture in watch.update(&Signals::of(face, false), start + timestamp) {
                    completed.entry(gesture.id.clone()).or_default().push(index);
                }
            }
        }
        assert_eq!((frames, faces), (recording.frames, recording.faces), "{name}");
        for gesture in &original {
            let none = Vec::new();
            let expected = recording.completed_at_frame.get(&gesture.id).unwrap_or(&none);
            let found = completed.get(&gesture.id).unwrap_or(&none);
            compared += expected.len();
            let near = |expected: &[usize]| {
                expected.len() == found.len() && expected.iter().zip(found).all(|(a, b)| a.abs_diff(*b) <= 1)
            };
            let mut undecided = UNDECIDED.iter().filter(|(clip, id, _)| clip == name && *id == gesture.id);
            if near(expected) {
                continue;
            }
            if undecided.any(|(_, _, other)| near(other)) {
                eprintln!("{name} {}: {found:?}, as MediaPipe at times; recorded is {expected:?}", gesture.id);
            } else {
                wrong.push(format!("{name} {}: {found:?} instead of {expected:?}", gesture.id));
            }
        }
    }
    assert!(compared > 100, "{compared} gestures are recorded");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

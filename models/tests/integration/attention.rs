//! Frames that are left out change nothing: gestures complete on the same frames as when every frame is looked at.
//!
//! Networks that follow a face remember, so it matters which frames of the camera are those that come at the rate at which
//! they look: of some recordings at 30 frames per second the even ones give a gesture that the odd ones do not. Only what
//! both say has to be found, and only what neither says is wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use vision_core::attention::{Attention, Need};
use vision_core::face::FrameAnalysis;
use vision_core::gestures::{Gesture, GestureLibrary, GestureRun, Signals};
use vision_core::pace::Pace;
use vision_core::picture::Picture;
use vision_models::landmarker::{Landmarker, Tracker, TrackerOptions};

use crate::support::{I420Clip, I420Picture, landmarker, shared};

/// Frames per second that are looked at at most, as `analysis.max_rate`.
const RATE: f32 = 15.0;

#[derive(Deserialize)]
struct Recording {
    fps: f64,
}

struct Frame {
    picture: I420Picture,
    index: u64,
    timestamp: Duration,
}

/// One gesture, asked for again as soon as it is completed, as a flow watches it.
struct Watch<'a> {
    landmarker: &'a mut Landmarker,
    tracker: Tracker,
    attention: Attention<usize>,
    start: Instant,
    run: GestureRun,
    looked_at: usize,
    /// The frame that completed the gesture, and the one that had come in when that was known.
    completed: Vec<(u64, u64)>,
}

impl<'a> Watch<'a> {
    fn new(landmarker: &'a mut Landmarker, gesture: &Arc<Gesture>) -> Self {
        let start = Instant::now();
        let mut attention = Attention::new(RATE, 5.0, false);
        attention.set_need(Need::Gesture);
        Self {
            landmarker,
            tracker: Tracker::new(TrackerOptions { face_count_interval: None }),
            attention,
            start,
            run: GestureRun::start(gesture.clone(), start, 0),
            looked_at: 0,
            completed: Vec::new(),
        }
    }

    fn play(mut self, frames: &[Frame]) -> Self {
        for (number, frame) in frames.iter().enumerate() {
            if !self.attention.take(frame.timestamp, frame.index, &number) {
                continue;
            }
            let analysis = self.look(frame);
            let distance = self.distance(&analysis);
            if let Some(earlier) = self.attention.left_out(frame.index, distance) {
                let earlier = &frames[earlier];
                let first = self.look(earlier);
                self.used(earlier, &first, frame.index);
                self.used(frame, &analysis, frame.index);
                self.attention.wake();
            } else {
                self.used(frame, &analysis, frame.index);
            }
        }
        self
    }

    fn look(&mut self, frame: &Frame) -> FrameAnalysis {
        self.looked_at += 1;
        self.landmarker.frame(&mut self.tracker, &frame.picture.view(), frame.timestamp).unwrap()
    }

    fn distance(&self, analysis: &FrameAnalysis) -> Option<f64> {
        analysis.face.as_ref().map(|face| self.run.distance(&Signals::of(face, true)))
    }

    fn used(&mut self, frame: &Frame, analysis: &FrameAnalysis, known: u64) {
        let before = self.distance(analysis);
        let now = self.start + frame.timestamp;
        if let Some(face) = &analysis.face
            && self.run.update(&Signals::of(face, true), now).completed
        {
            self.completed.push((frame.index, known));
            self.run = GestureRun::start(self.run.gesture().clone(), now, 0);
        }
        let after = self.distance(analysis);
        self.attention.used(before, after);
    }
}

/// The signals of every frame that [`RATE`] lets through, from frame `first` on.
fn look_at_all(landmarker: &mut Landmarker, frames: &[Frame], first: usize) -> Vec<(u64, Duration, Option<Signals>)> {
    let mut tracker = Tracker::new(TrackerOptions { face_count_interval: None });
    let mut pace = Pace::new(RATE);
    let due = frames.iter().skip(first).filter(|frame| pace.take(frame.timestamp));
    due.map(|frame| {
        let analysis = landmarker.frame(&mut tracker, &frame.picture.view(), frame.timestamp).unwrap();
        (frame.index, frame.timestamp, analysis.face.map(|face| Signals::of(&face, true)))
    })
    .collect()
}

/// On which frames a gesture completes, asked for again and again.
fn completions(gesture: &Arc<Gesture>, signals: &[(u64, Duration, Option<Signals>)]) -> Vec<u64> {
    let start = Instant::now();
    let mut run = GestureRun::start(gesture.clone(), start, 0);
    let mut completed = Vec::new();
    for (index, timestamp, signals) in signals {
        if let Some(signals) = signals
            && run.update(signals, start + *timestamp).completed
        {
            completed.push(*index);
            run = GestureRun::start(gesture.clone(), start + *timestamp, 0);
        }
    }
    completed
}

#[test]
fn gestures_complete_on_the_same_frames_when_frames_are_left_out() {
    let Some(shared) = shared("gestures_complete_on_the_same_frames_when_frames_are_left_out") else { return };
    let text = std::fs::read(shared.join("reference/gestures.json")).unwrap();
    let recordings: BTreeMap<String, Recording> = serde_json::from_slice(&text).unwrap();
    let library = GestureLibrary::load(&[]).unwrap();
    let mut landmarker = landmarker();
    let (mut all, mut looked_at, mut compared) = (0, 0, 0);
    let mut wrong = Vec::new();

    for (name, recording) in &recordings {
        let frames: Vec<Frame> = I420Clip::open(&shared.join("assets").join(name))
            .enumerate()
            .map(|(index, picture)| {
                let timestamp = Duration::from_secs_f64(index as f64 / recording.fps);
                Frame { picture, index: index as u64, timestamp }
            })
            .collect();
        // Frames between two that are looked at.
        let one = (recording.fps / f64::from(RATE)).ceil() as u64;
        let phases = [0, 1].map(|first| look_at_all(&mut landmarker, &frames, first));
        for gesture in library.iter() {
            let expected = phases.each_ref().map(|signals| completions(gesture, signals));
            if expected.iter().any(Vec::is_empty) {
                continue;
            }
            let sparse = Watch::new(&mut landmarker, gesture).play(&frames);
            all += phases[0].len();
            looked_at += sparse.looked_at;
            let is_in = |list: &[u64], frame: u64| list.iter().any(|other| other.abs_diff(frame) <= one);
            let found: Vec<u64> = sparse.completed.iter().map(|(frame, _)| *frame).collect();
            let sure: Vec<u64> = expected[0].iter().copied().filter(|frame| is_in(&expected[1], *frame)).collect();
            compared += sure.len();
            let are_found = sure.iter().all(|frame| is_in(&found, *frame));
            let are_right = found.iter().all(|frame| expected.iter().any(|list| is_in(list, *frame)));
            let in_time = sparse.completed.iter().all(|(frame, known)| known - frame <= one);
            let line = format!(
                "{name} {}: {} % of the frames, {expected:?}, {:?}",
                gesture.id,
                100 * sparse.looked_at / phases[0].len(),
                sparse.completed
            );
            println!("{line}");
            if !(are_found && are_right && in_time) {
                wrong.push(line);
            }
        }
    }
    println!("{compared} gestures, {looked_at} of {all} frames looked at");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 60, "{compared} gestures are recorded");
    assert!(looked_at < all * 2 / 3, "{looked_at} of {all} frames are looked at");
}

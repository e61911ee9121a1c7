//! Cameras and what is no camera, painted in cells.

use std::time::Duration;

use super::signature::{CELLS, COLUMNS, Signature};
use super::*;

const FPS: f32 = 30.0;

/// Noise -0.5..0.5 that a test can repeat.
fn noise(frame: usize, cell: usize) -> f32 {
    let mut z = ((frame * CELLS + cell) as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((z ^ (z >> 27)) >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
}

/// A value -0.5..0.5 that wanders from one random number to the next in about a third of a second, another one for every
/// `what`.
fn wander(t: f32, what: usize) -> f32 {
    let period = [0.37, 0.31, 0.43, 0.29][what];
    let knot = (t / period).floor();
    let share = t / period - knot;
    let smooth = share * share * (3.0 - 2.0 * share);
    let at = |knot: f32| noise(1_000_000 + knot as usize, what);
    at(knot) + (at(knot + 1.0) - at(knot)) * smooth
}

/// A bright head before a wall: it moves, two parts of it change their brightness as eyes and mouth do, and it is never the
/// same again. `room` says which wall, `t` is in seconds.
fn scene(t: f32, room: usize) -> Signature {
    let x = 8.0 + 1.5 * wander(t, 0);
    let y = 6.0 + wander(t, 1);
    let cells = std::array::from_fn(|i| {
        let (dx, dy) = ((i % COLUMNS) as f32 - x, (i / COLUMNS) as f32 - y);
        let wall = ((i + room) * 7919 % 97) as f32;
        let head = (-(dx * dx + 0.5 * dy * dy) / 6.0).exp();
        let part = |at: f32, what| 60.0 * wander(t, what) * (-(dx * dx + (dy - at) * (dy - at))).exp();
        wall * (1.0 - head) + 170.0 * head + part(-1.5, 2) + part(1.5, 3)
    });
    Signature { cells, size: (640, 480) }
}

fn noisy(mut frame: Signature, index: usize, levels: f32) -> Signature {
    frame.cells.iter_mut().enumerate().for_each(|(i, cell)| *cell += levels * noise(index, i));
    frame
}

/// Shows `seconds` of what `paint` draws at a time, with a sensor's noise, from `from` on.
fn show(stream: &mut Stream, from: f32, seconds: f32, mut paint: impl FnMut(f32) -> Signature) {
    for index in 0..(seconds * FPS) as usize {
        let t = from + index as f32 / FPS;
        let frame = noisy(paint(t), (t * FPS) as usize, 0.4);
        stream.see(&frame, None, Duration::from_secs_f32(t));
    }
}

fn camera(seconds: f32) -> Stream {
    let mut stream = Stream::new(StreamLimits::default());
    show(&mut stream, 0.0, seconds, |t| scene(t, 0));
    stream
}

fn verdicts(stream: &Stream) -> (Verdict, Verdict) {
    (stream.frozen().verdict, stream.cuts_and_loops().verdict)
}

const GOOD: (Verdict, Verdict) = (Verdict::Passed, Verdict::Passed);

#[test]
fn a_camera_passes_once_enough_is_seen() {
    assert_eq!(Stream::default().frozen(), Finding { verdict: Verdict::Inconclusive, score: None });
    assert_eq!(verdicts(&camera(2.0)), (Verdict::Inconclusive, Verdict::Inconclusive));
    let stream = camera(40.0);
    assert_eq!(verdicts(&stream), GOOD, "{stream:?}");
    assert!(stream.frozen().score > Some(0.8) && stream.cuts_and_loops().score > Some(0.5), "{stream:?}");
}

#[test]
fn one_picture_for_two_seconds_is_frozen() {
    let mut stream = camera(4.0);
    show(&mut stream, 4.0, 1.8, |_| scene(4.0, 0));
    assert_eq!(stream.frozen().verdict, Verdict::Passed);
    show(&mut stream, 5.8, 0.4, |_| scene(4.0, 0));
    assert_eq!(verdicts(&stream), (Verdict::Failed, Verdict::Passed), "{stream:?}");
}

#[test]
fn noise_on_one_picture_is_no_life() {
    let mut stream = camera(4.0);
    for index in 120..330 {
        let at = Duration::from_secs_f32(index as f32 / FPS);
        stream.see(&noisy(scene(4.0, 0), index, 2.5), None, at);
    }
    let measures = stream.measures();
    assert!(measures.frozen < Duration::from_secs(1), "{measures:?}");
    assert_eq!(stream.frozen().verdict, Verdict::Failed, "{measures:?} {:?}", stream.liveliest());
}

#[test]
fn a_camera_that_is_switched_off_is_not_frozen() {
    let mut stream = camera(4.0);
    let black = Signature { cells: [16.0; CELLS], size: (640, 480) };
    for index in 120..300 {
        stream.see(&black, Some(None), Duration::from_secs_f32(index as f32 / FPS));
    }
    assert_eq!(stream.frozen().verdict, Verdict::Passed, "{stream:?}");
}

#[test]
fn a_scene_that_comes_again_is_a_loop() {
    let mut stream = camera(7.0);
    show(&mut stream, 7.0, 1.5, |t| scene(t - 4.53, 0));
    let limit = StreamLimits::default().loops;
    assert!(stream.measures().closest.forwards < limit, "{stream:?}");
    show(&mut stream, 8.5, 2.0, |t| scene(t - 4.53, 0));
    assert!(stream.measures().closest.forwards > limit, "{stream:?}");
    assert_eq!(stream.cuts_and_loops().verdict, Verdict::Failed);
    let lag = stream.measures().closest.lag;
    assert!(lag.abs_diff(Duration::from_millis(4530)) <= Duration::from_millis(100), "{lag:?}");
}

#[test]
fn a_scene_that_runs_backwards_is_noticed() {
    let mut stream = camera(6.0);
    show(&mut stream, 6.0, 4.0, |t| scene(12.0 - t, 0));
    assert_eq!(stream.cuts_and_loops().verdict, Verdict::Failed, "{stream:?}");
    assert!(stream.measures().closest.backwards > 0.9);
}

#[test]
fn another_room_is_a_cut() {
    let mut stream = camera(4.0);
    show(&mut stream, 4.0, 1.0, |t| scene(t, 5));
    assert_eq!(verdicts(&stream), (Verdict::Passed, Verdict::Failed), "{stream:?}");
}

#[test]
fn what_is_no_cut() {
    // a second of another room between two of the same: an artefact goes away within three frames
    let mut artefact = camera(4.0);
    show(&mut artefact, 4.0, 2.0, |t| scene(t, if t < 4.06 { 5 } else { 0 }));
    assert_eq!(artefact.cuts_and_loops().verdict, Verdict::Passed, "{artefact:?}");
    let mut exposure = camera(4.0);
    show(&mut exposure, 4.0, 2.0, |t| {
        let mut frame = scene(t, 0);
        frame.cells.iter_mut().for_each(|cell| *cell = *cell * 1.15 + 9.0);
        frame
    });
    assert_eq!(exposure.cuts_and_loops().verdict, Verdict::Passed, "{exposure:?}");
    let mut other_camera = camera(4.0);
    show(&mut other_camera, 4.0, 3.5, |t| Signature { size: (480, 640), ..scene(t, 5) });
    assert_eq!(verdicts(&other_camera), GOOD, "{other_camera:?}");
    assert_eq!(other_camera.measures().size_changes, 1);
    let mut stalled = camera(4.0);
    show(&mut stalled, 4.8, 4.0, |t| scene(t, 0));
    assert_eq!(verdicts(&stalled), GOOD, "{stalled:?}");
}

#[test]
fn memory_is_bounded() {
    let stream = camera(60.0);
    assert!(stream.repeats.memory() < 350_000, "{} bytes", stream.repeats.memory());
}

#[test]
fn nonsense_does_no_harm() {
    let mut stream = camera(1.0);
    let nothing = Signature { cells: [f32::NAN; CELLS], size: (0, 0) };
    for at in [1.0, 1.0, 0.5, 900.0] {
        stream.see(&nothing, None, Duration::from_secs_f32(at));
        stream.see(&scene(at, 0), Some(None), Duration::from_secs_f32(at));
    }
    stream.interrupt();
    assert_ne!(stream.frozen().verdict, Verdict::Failed);
}

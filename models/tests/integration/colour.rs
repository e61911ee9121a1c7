//! A recorded person in front of a simulated screen, coded with the settings of the service's own VP8 encoder, and followed by
//! the networks in the light of that screen.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use vision_core::face::Face;
use vision_core::liveness::colour::simulation::{Camera, Falloff, Lamp, Scene};
use vision_core::liveness::colour::{Colour, Judgement, LEAST_CONTRAST, Observer, Outcome, Sequence};
use vision_core::picture::{I420Mut, Picture as _};
use vision_models::landmarker::{Landmarker, Tracker, TrackerOptions};

use crate::support::{I420Clip, I420Picture, landmarker, shared};

/// Frames a second: half of the clip's.
const RATE: u64 = 15;
/// From the picture shown to its light in a frame.
const DELAY: Duration = Duration::from_millis(350);

fn time(frame: usize) -> Duration {
    Duration::from_millis(frame as u64 * 1000 / RATE)
}

fn drawn(mut state: u8) -> Sequence {
    let random = |bytes: &mut [u8]| {
        bytes.fill_with(|| {
            state = state.wrapping_mul(141).wrapping_add(91);
            state ^ state >> 3
        });
        Ok::<_, std::convert::Infallible>(())
    };
    Sequence::draw(random).unwrap()
}

fn faces(landmarker: &mut Landmarker, frames: &[I420Picture]) -> Vec<Option<Face>> {
    let mut tracker = Tracker::new(TrackerOptions { face_count_interval: None });
    let mut face =
        |(i, frame): (usize, &I420Picture)| landmarker.frame(&mut tracker, &frame.view(), time(i)).unwrap().face;
    frames.iter().enumerate().map(&mut face).collect()
}

/// The clip in the light of a laptop, in a room of 300 lux.
fn lit(clip: &[I420Picture], faces: &[Option<Face>], sequence: &Sequence) -> Vec<I420Picture> {
    let scene = Scene::laptop(300.0);
    let mut camera = Camera::new(scene.ambient, 3);
    let mut frames = clip.to_vec();
    for (i, (frame, face)) in frames.iter_mut().zip(faces).enumerate() {
        let (width, height) = (frame.width, frame.height);
        let shown = time(i).checked_sub(DELAY).and_then(|shown| sequence.colour_at(shown));
        let colour = shown.unwrap_or(Colour::Grey).light();
        let light = [0, 1, 2].map(|part| scene.contrast()[part] * colour[part]);
        let falloff = Falloff::of(width, height, face.as_ref().unwrap(), &scene);
        let (y, chroma) = frame.data.split_at_mut(width * height);
        let (u, v) = chroma.split_at_mut(width * height / 4);
        let mut picture = I420Mut { y, u, v, y_stride: width, uv_stride: width / 2, width, height };
        camera.shoot(&mut picture, [1.0; 3], &[Lamp { falloff: &falloff, light, colour }], 1.0 / RATE as f32);
    }
    frames
}

/// Coded and decoded, with what `pipelines/send-vp8.launch` says.
fn sent(frames: &[I420Picture]) -> Vec<I420Picture> {
    let (width, height) = (frames[0].width, frames[0].height);
    let mut encoder = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", &format!("{width}x{height}")])
        .args(["-r", &RATE.to_string(), "-i", "-", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "16"])
        .args(["-b:v", "500k", "-minrate", "500k", "-maxrate", "500k", "-bufsize", "500k", "-undershoot-pct", "100"])
        .args(["-qmin", "4", "-qmax", "56", "-lag-in-frames", "0", "-auto-alt-ref", "0", "-static-thresh", "1000"])
        .args(["-g", "3000", "-threads", "1", "-f", "ivf", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg is installed");
    let mut decoder = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "ivf", "-i", "-", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
        .stdin(encoder.stdout.take().unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg is installed");
    let (mut input, mut output) = (encoder.stdin.take().unwrap(), decoder.stdout.take().unwrap());
    let mut decoded = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(move || frames.iter().for_each(|frame| input.write_all(&frame.data).unwrap()));
        output.read_to_end(&mut decoded).unwrap();
    });
    assert!(encoder.wait().unwrap().success() && decoder.wait().unwrap().success());
    let picture = |data: &[u8]| I420Picture { data: data.to_vec(), width, height };
    decoded.chunks_exact(frames[0].data.len()).map(picture).collect()
}

fn judged(landmarker: &mut Landmarker, frames: &[I420Picture], sequences: [&Sequence; 2]) -> [Judgement; 2] {
    let mut observer = Observer::default();
    for (i, (frame, face)) in frames.iter().zip(faces(landmarker, frames)).enumerate() {
        observer.frame(&frame.view(), &face.unwrap(), time(i));
    }
    sequences.map(|sequence| observer.judge(sequence, &Sequence::times(Duration::ZERO), LEAST_CONTRAST))
}

#[test]
fn colours_are_found_on_a_face_and_not_on_a_recording() {
    let Some(shared) = shared("colour::colours_are_found_on_a_face_and_not_on_a_recording") else { return };
    let clip: Vec<_> = I420Clip::open(&shared.join("assets/lp_d18.mp4")).step_by(2).take(93).collect();
    let mut landmarker = landmarker();
    let faces = faces(&mut landmarker, &clip);
    let (shown, other) = (drawn(7), drawn(8));
    assert!(shown != other);

    let coded = sent(&lit(&clip, &faces, &shown));
    assert_eq!(coded.len(), clip.len());
    let [own, foreign] = judged(&mut landmarker, &coded, [&shown, &other]);
    let evidence = own.evidence.unwrap();
    assert_eq!(own.outcome, Outcome::Found, "{evidence:?}");
    assert!(own.score.unwrap() > 0.5 && evidence.correlation > 0.7, "{evidence:?}");
    assert!(evidence.delay.abs_diff(DELAY) < Duration::from_millis(70), "{evidence:?}");
    assert_eq!(foreign.outcome, Outcome::Absent, "{foreign:?}");

    let recording = sent(&clip);
    for judged in judged(&mut landmarker, &recording, [&shown, &other]) {
        assert_eq!(judged.outcome, Outcome::Absent, "{judged:?}");
    }
}

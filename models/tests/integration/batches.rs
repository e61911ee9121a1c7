//! Several inputs at once give what each gives alone, within 1e-4: for each network, through the landmarker, and through
//! the engine.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vision_core::face::{Face, FrameAnalysis};
use vision_core::picture::{Picture, PictureView, RgbPicture};
use vision_models::engine::{Engine, EngineError, EngineOptions, StreamOptions};
use vision_models::landmarker::{Landmarker, StreamFrame, Tracker};
use vision_models::runtime::{Provider, Runtime, RuntimeOptions};

use crate::support::{empty_room, models, picture};

const SOON: Duration = Duration::from_secs(60);
const TOLERANCE: f32 = 1e-4;

fn options(max_batch: usize) -> RuntimeOptions {
    RuntimeOptions { max_batch: NonZeroUsize::new(max_batch), ..Provider::Cpu.into() }
}

/// Pictures of several sizes, faces at several places, and one without a face.
fn pictures() -> Vec<RgbPicture> {
    let whole = picture(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/astronaut.png")));
    let cut = |x: usize, y: usize| {
        let (width, height) = (whole.width - x, whole.height - y);
        let row = |row: usize| whole.data[3 * (row * whole.width + x)..3 * (row + 1) * whole.width].to_vec();
        RgbPicture { data: (y..whole.height).flat_map(row).collect(), width, height }
    };
    vec![cut(0, 0), cut(40, 0), empty_room(320, 240), cut(33, 7), cut(100, 10)]
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn same(name: &str, together: Option<&Face>, alone: Option<&Face>) {
    let (Some(together), Some(alone)) = (together, alone) else {
        assert_eq!(together.is_some(), alone.is_some(), "{name}");
        return;
    };
    let points = largest_difference(together.landmarks.as_flattened(), alone.landmarks.as_flattened());
    let scores = largest_difference(&together.blendshapes, &alone.blendshapes);
    eprintln!("{name}: largest difference {points:.1e} of the picture, {scores:.1e} score");
    assert!(points <= TOLERANCE && scores <= TOLERANCE, "{name}");
    assert!((together.presence - alone.presence).abs() <= TOLERANCE, "{name}");
}

#[test]
fn each_network_gives_the_same_for_many_as_for_one() {
    const MANY: usize = 8;
    let folder = models();
    let one = Runtime::open(&folder, &options(1)).unwrap();
    let many = Runtime::open(&folder, &options(MANY)).unwrap();
    for id in ["face_detector", "face_landmarks", "face_blendshapes"] {
        let found = folder.resolve(id).unwrap();
        let input = found.model.input.as_ref().unwrap();
        let values: usize = input.shape.iter().product();
        let sizes: Vec<usize> = found.model.outputs.iter().map(|output| output.shape.iter().product()).collect();
        let mut one = one.batched(&found.path, &input.name, &input.shape, &sizes).unwrap();
        let mut many = many.batched(&found.path, &input.name, &input.shape, &sizes).unwrap();
        // Smooth in each input, different from one to the next: within the range that the networks know.
        let wave = |i: usize| 0.5 + 0.5 * ((i % values) as f32 * 1e-3 * (1 + i / values) as f32).sin();
        let inputs: Vec<f32> = (0..MANY * values).map(wave).collect();

        // One after the other, a full batch and one that is not full.
        for count in [MANY, 3] {
            let mut together: Vec<Vec<f32>> = sizes.iter().map(|size| vec![0.0; count * size]).collect();
            let mut views: Vec<&mut [f32]> = together.iter_mut().map(Vec::as_mut_slice).collect();
            many.run(&inputs[..count * values], &mut views).unwrap();
            for (index, input) in inputs.chunks_exact(values).take(count).enumerate() {
                let mut alone: Vec<Vec<f32>> = sizes.iter().map(|size| vec![0.0; *size]).collect();
                let mut views: Vec<&mut [f32]> = alone.iter_mut().map(Vec::as_mut_slice).collect();
                one.run(input, &mut views).unwrap();
                for ((together, alone), size) in together.iter().zip(&alone).zip(&sizes) {
                    let range = alone.iter().fold(1.0_f32, |range, value| range.max(value.abs()));
                    let difference = largest_difference(&together[index * size..(index + 1) * size], alone) / range;
                    assert!(difference <= TOLERANCE, "{id}, input {index} of {count}: {difference}");
                }
            }
        }
        let mut views: Vec<&mut [f32]> = Vec::new();
        let error = many.run(&vec![0.0; (MANY + 1) * values], &mut views).unwrap_err().to_string();
        assert!(error.contains("9 inputs"), "{error}");
    }
}

#[test]
fn streams_are_followed_together_as_they_are_alone() {
    let folder = models();
    let load = |most| Landmarker::load(&Runtime::open(&folder, &options(most)).unwrap(), &folder).unwrap();
    let pictures = pictures();
    // With batches of three, five streams need two runs.
    let (mut alone, mut together) = (load(1), load(3));
    let mut trackers: Vec<_> = pictures.iter().map(|_| [Tracker::default(), Tracker::default()]).collect();
    let mut seen = 0;
    for round in 0..4_u64 {
        let timestamp = Duration::from_millis(200 * round);
        // The second stream loses its face in the third round, the third one finds one; a frame is missing now and then.
        let shown = |index: usize| match (round, index) {
            (2, 1) => &pictures[2],
            (2.., 2) => &pictures[0],
            _ => &pictures[index],
        };
        let here: Vec<_> = (0..pictures.len()).filter(|index| (round, *index) != (1, 3)).collect();
        let expected: Vec<FrameAnalysis> = here
            .iter()
            .map(|&index| alone.frame(&mut trackers[index][0], &shown(index).view(), timestamp).unwrap())
            .collect();
        let mut frames: Vec<_> = trackers
            .iter_mut()
            .enumerate()
            .filter(|(index, _)| here.contains(index))
            .map(|(index, [_, tracker])| StreamFrame { tracker, picture: shown(index).view(), timestamp })
            .collect();
        let results = together.frames(&mut frames).unwrap();
        for ((index, expected), result) in here.iter().zip(&expected).zip(&results) {
            let name = format!("round {round}, stream {index}");
            assert_eq!((result.width, result.height), (expected.width, expected.height), "{name}");
            assert_eq!(result.face_count, expected.face_count, "{name}");
            same(&name, result.face.as_ref(), expected.face.as_ref());
            seen += usize::from(result.face.is_some());
        }
    }
    assert_eq!(seen, 16, "faces in all but the empty rooms");
    assert!(together.frames(&mut []).unwrap().is_empty());
}

/// A picture that cannot be looked at.
struct Cursed;

impl Picture for Cursed {
    fn view(&self) -> PictureView<'_> {
        panic!("as the test wants it")
    }
}

#[test]
fn frames_of_several_streams_go_through_the_engine_together() {
    let open = |max_batch, batch_wait| {
        let workers = NonZeroUsize::new(1);
        Engine::open(&EngineOptions { runtime: options(max_batch), workers, batch_wait, ..EngineOptions::default() })
            .unwrap()
    };
    let pictures = pictures();
    let (alone, together) = (open(1, Duration::ZERO), open(8, SOON));
    let broken = RgbPicture { data: vec![], width: 9, height: 9 };
    // A batch that is full, for the wait is longer than the test's patience: one frame panics, one is broken.
    let mut frames: Vec<Arc<dyn Picture>> = pictures.into_iter().map(|p| Arc::new(p) as Arc<dyn Picture>).collect();
    frames.extend([Arc::new(Cursed) as Arc<dyn Picture>, Arc::new(broken)]);
    frames.push(frames[0].clone());
    let [expected, results] = [alone, together].map(|engine| {
        let streams: Vec<_> = frames
            .iter()
            .map(|_| {
                let (sender, results) = channel();
                let sender = Mutex::new(sender);
                let on_result = Box::new(move |result| {
                    sender.lock().unwrap().send(result).ok();
                });
                (engine.stream(StreamOptions::default(), on_result), results)
            })
            .collect();
        for ((stream, _), frame) in streams.iter().zip(&frames) {
            stream.submit(Arc::clone(frame), Duration::ZERO, 7);
        }
        streams.iter().map(|(_, results)| results.recv_timeout(SOON / 2).unwrap()).collect::<Vec<_>>()
    });
    for (index, (result, expected)) in results.iter().zip(&expected).enumerate() {
        match (result, expected) {
            (Ok(result), Ok(expected)) => {
                assert_eq!((result.tag, result.analysis.face_count), (7, expected.analysis.face_count));
                same(&format!("frame {index}"), result.analysis.face.as_ref(), expected.analysis.face.as_ref());
            }
            (Err(EngineError::Panicked), Err(EngineError::Panicked)) => assert_eq!(index, 5),
            (Err(EngineError::Landmarker(_)), Err(EngineError::Landmarker(_))) => assert_eq!(index, 6),
            _ => panic!("frame {index} fares differently"),
        }
    }
}

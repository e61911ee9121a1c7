//! The engine with its real networks.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vision_core::liveness::quality::AlignedFace;
use vision_core::liveness::quality::glasses::{Glasses, GlassesCues};
use vision_core::picture::{Picture, RgbPicture};
use vision_models::engine::{Engine, EngineError, EngineOptions, FaceStream, StreamOptions, StreamResult};
use vision_models::glasses::MODEL;
use vision_models::manifest::State;
use vision_models::runtime::{Provider, RuntimeOptions};

use crate::support::{I420Clip, empty_room, picture, shared, skipped};

const SOON: Duration = Duration::from_secs(60);

fn engine(workers: usize) -> Arc<Engine> {
    batching(workers, 1)
}

fn batching(workers: usize, max_batch: usize) -> Arc<Engine> {
    let runtime = RuntimeOptions { max_batch: NonZeroUsize::new(max_batch), ..Provider::Cpu.into() };
    let (workers, batch_wait) = (NonZeroUsize::new(workers), Duration::from_millis(100));
    Engine::open(&EngineOptions { runtime, workers, batch_wait, ..EngineOptions::default() }).unwrap()
}

type Results = Receiver<Result<StreamResult, EngineError>>;

fn stream(engine: &Engine) -> (FaceStream, Results) {
    let (sender, results) = channel();
    let sender = Mutex::new(sender);
    let on_result = Box::new(move |result| {
        sender.lock().unwrap().send(result).ok();
    });
    (engine.stream(StreamOptions::default(), on_result), results)
}

#[test]
fn what_is_in_use_is_told() {
    let engine = engine(1);
    let info = engine.info();
    assert_eq!((info.runtime.provider, info.workers), (Provider::Cpu, 1));
    assert_eq!((info.runtime.device_id, info.runtime.max_batch), (None, 1));
    assert!(info.runtime.version.starts_with("1."), "{}", info.runtime.version);
    let in_use: Vec<_> = info.models.iter().filter(|listing| listing.in_use).map(|listing| listing.id).collect();
    for id in ["face_detector", "face_landmarks", "face_blendshapes", "face_geometry", "onnxruntime"] {
        assert!(in_use.contains(&id), "{in_use:?}");
    }
    assert!(in_use.contains(&info.embeddings[0].id));
    assert!(info.models.iter().all(|listing| !listing.licence.is_empty()));
}

#[test]
fn a_chosen_embedding_is_the_one_in_use() {
    let chosen = EngineOptions { embedding: Some("dlib_resnet".to_owned()), ..EngineOptions::default() };
    assert_eq!(Engine::open(&chosen).unwrap().info().embeddings[0].id, "dlib_resnet");
    let unknown = EngineOptions { embedding: Some("nothing".to_owned()), ..EngineOptions::default() };
    let error = Engine::open(&unknown).err().unwrap().to_string();
    assert!(error.contains("nothing") && error.contains("dlib_resnet"), "{error}");
}

#[test]
fn glasses_are_looked_at_by_the_network_when_they_are_asked_for_and_it_is_there() {
    let name = "glasses_are_looked_at_by_the_network_when_they_are_asked_for_and_it_is_there";
    let Some(shared) = shared(name) else { return };
    let picture = Arc::new(I420Clip::open(&shared.join("assets/lp_d19.mp4")).next().unwrap());
    for glasses in [false, true] {
        let engine = Engine::open(&EngineOptions { glasses, ..EngineOptions::default() }).unwrap();
        let info = engine.info();
        let listing = info.models.iter().find(|listing| listing.id == MODEL).unwrap();
        let there = listing.state == State::Present;
        assert_eq!((info.glasses, listing.in_use), (glasses && there, glasses && there));
        let face = engine.analyze_picture(picture.clone()).unwrap().remove(0);
        // A frame too thin for the cues of the picture.
        let cues = GlassesCues::of(&AlignedFace::new(&picture.view(), &face).unwrap());
        let seen = engine.glasses(picture.clone(), &face, &cues).unwrap();
        assert_eq!((cues.glasses(), seen), (None, info.glasses.then_some(Glasses::EyeGlasses)));
        if glasses && !there {
            skipped(name, "the glasses network is not there (make models WITH=glasses)");
        }
    }
}

#[test]
fn a_provider_that_is_not_there_is_an_error_and_auto_is_not() {
    let open =
        |provider: Provider| Engine::open(&EngineOptions { runtime: provider.into(), ..EngineOptions::default() });
    assert_ne!(open(Provider::Auto).unwrap().info().runtime.provider, Provider::Auto);
    // The library of the set-up is the processor's.
    for provider in [Provider::Cuda, Provider::TensorRt] {
        let error = open(provider).err().unwrap().to_string();
        for remedy in [provider.name(), "ONNXRUNTIME_LIBRARY", "choose auto or cpu"] {
            assert!(error.contains(remedy), "{error}");
        }
    }
}

#[test]
fn streams_are_analysed_in_order_and_come_back_whole() {
    let engine = engine(2);
    let streams: Vec<_> = (0..3).map(|_| stream(&engine)).collect();
    for round in 0..4_u64 {
        for (index, (stream, results)) in streams.iter().enumerate() {
            let tag = round * 10 + index as u64;
            stream.submit(Arc::new(empty_room(64 + index, 48)), Duration::from_millis(round * 33), tag);
            let result = results.recv_timeout(SOON).unwrap().unwrap();
            assert_eq!((result.tag, result.timestamp), (tag, Duration::from_millis(round * 33)));
            assert_eq!((result.analysis.width, result.picture.view().width()), (64 + index, 64 + index));
            assert!(result.analysis.face.is_none() && result.cost > Duration::ZERO);
        }
    }
    assert!(streams.iter().all(|(stream, _)| stream.dropped() == 0));
}

#[test]
fn frames_that_come_too_fast_are_dropped_and_counted() {
    let engine = engine(1);
    let (stream, results) = stream(&engine);
    let picture: Arc<dyn Picture> = Arc::new(empty_room(640, 480));
    for tag in 0..50 {
        stream.submit(Arc::clone(&picture), Duration::from_millis(tag), tag);
    }
    let mut tags = Vec::new();
    while tags.last() != Some(&49) {
        tags.push(results.recv_timeout(SOON).unwrap().unwrap().tag);
    }
    assert!(tags.is_sorted(), "{tags:?}");
    assert_eq!(tags.len() as u64 + stream.dropped(), 50);
    assert!(stream.dropped() > 0);
}

#[test]
fn a_broken_frame_is_an_error_of_its_own() {
    let engine = engine(1);
    let (stream, results) = stream(&engine);
    stream.submit(Arc::new(RgbPicture { data: vec![], width: 9, height: 9 }), Duration::ZERO, 1);
    assert!(matches!(results.recv_timeout(SOON).unwrap(), Err(EngineError::Landmarker(_))));
    stream.submit(Arc::new(empty_room(64, 64)), Duration::from_millis(33), 2);
    assert!(results.recv_timeout(SOON).unwrap().is_ok());
}

/// A picture that cannot be looked at.
struct Cursed;

impl Picture for Cursed {
    fn view(&self) -> vision_core::picture::PictureView<'_> {
        panic!("as the test wants it")
    }
}

#[test]
fn a_panic_is_an_error_and_the_engine_goes_on() {
    let engine = engine(1);
    let (first, results) = stream(&engine);
    first.submit(Arc::new(Cursed), Duration::ZERO, 1);
    assert!(matches!(results.recv_timeout(SOON).unwrap(), Err(EngineError::Panicked)));
    assert!(matches!(engine.analyze_picture(Arc::new(Cursed)), Err(EngineError::Panicked)));
    let on_result = Box::new(|_| panic!("as the test wants it"));
    let careless = engine.stream(StreamOptions::default(), on_result);
    careless.submit(Arc::new(empty_room(64, 64)), Duration::ZERO, 1);
    assert!(engine.analyze_picture(Arc::new(empty_room(64, 64))).unwrap().is_empty());
}

#[test]
fn the_end_is_clean() {
    let engine = engine(2);
    let (stream, results) = stream(&engine);
    stream.submit(Arc::new(empty_room(64, 64)), Duration::ZERO, 1);
    results.recv_timeout(SOON).unwrap().unwrap();
    engine.close();
    stream.submit(Arc::new(empty_room(64, 64)), Duration::ZERO, 2);
    assert_eq!(stream.dropped(), 1);
    assert!(matches!(engine.analyze_picture(Arc::new(empty_room(64, 64))), Err(EngineError::Closed)));
    drop(engine);
    drop(stream);
}

#[test]
fn pictures_and_embeddings_take_their_turn_beside_busy_streams() {
    let Some(shared) = shared("pictures_and_embeddings_take_their_turn_beside_busy_streams") else { return };
    let engine = engine(1);
    let (busy, results): (Vec<_>, Vec<_>) = (0..2).map(|_| stream(&engine)).unzip();
    let room: Arc<dyn Picture> = Arc::new(empty_room(640, 480));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut tag = 0;
            while !stop.load(Ordering::Relaxed) {
                tag += 1;
                for stream in &busy {
                    stream.submit(Arc::clone(&room), Duration::from_millis(tag), tag);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let load = |name: &str| -> Arc<dyn Picture> { Arc::new(picture(&shared.join("assets").join(name))) };
        let (a, b, c) = (load("fr_obama.jpg"), load("fr_obama2.jpg"), load("salma.jpeg"));
        for info in &engine.info().embeddings {
            let embed = |picture: &Arc<dyn Picture>| {
                let faces = engine.analyze_picture(Arc::clone(picture)).unwrap();
                assert_eq!(faces.len(), 1);
                engine.embed(Arc::clone(picture), &faces[0], Some(info.id)).unwrap()
            };
            let (a, b, c) = (embed(&a), embed(&b), embed(&c));
            assert!(a.distance(&b).unwrap() < info.threshold, "{}", info.id);
            assert!(a.distance(&c).unwrap() > info.threshold, "{}", info.id);
        }
        stop.store(true, Ordering::Relaxed);
    });
    for results in results {
        assert!(results.try_iter().count() > 3, "streams went on meanwhile");
    }
}

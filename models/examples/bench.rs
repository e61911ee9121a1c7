//! Median processor time per network and per analysed frame, one thread.
//!
//!     cargo run --release -p vision-models --example bench [PICTURE]
//!     cargo run --release -p vision-models --example bench memory [PICTURE]
//!     cargo run --release -p vision-models --example bench --batch 1,8,32 [PICTURE]
//!
//! The second prints what a process with an engine of two workers holds in memory, the third what a frame takes when so
//! many go through the networks together. The picture is the demo's unless another one is named; without a face in it
//! only the detector runs. `EXECUTION_PROVIDER` (cpu unless set), `EXECUTION_DEVICE_ID`, `ONNXRUNTIME_LIBRARY` and
//! `ENGINE_CACHE` are those of the service.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vision_core::picture::{I420View, Picture, PictureView, RgbPicture};
use vision_models::crop::{self, Border, Region, Warp};
use vision_models::engine::{Engine, EngineOptions, StreamOptions};
use vision_models::landmarker::{Landmarker, StreamFrame, Tracker, TrackerOptions};
use vision_models::manifest::{Kind, ModelFolder};
use vision_models::runtime::{Provider, Runtime, RuntimeOptions};

const ROUNDS: usize = 200;
const WIDTH: usize = 640;
const HEIGHT: usize = 480;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if_eq("memory").is_some() {
        return memory(frame(arguments.next().as_deref())?);
    }
    if arguments.next_if_eq("--batch").is_some() {
        let sizes = arguments.next().ok_or("--batch wants sizes, for example 1,8,32")?;
        let sizes = sizes.split(',').map(str::parse).collect::<Result<Vec<NonZeroUsize>, _>>()?;
        return batches(&sizes, frame(arguments.next().as_deref())?);
    }
    times(frame(arguments.next().as_deref())?)
}

/// What the environment says, as the service reads it.
fn options() -> Result<RuntimeOptions, Box<dyn std::error::Error>> {
    let named = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Ok(RuntimeOptions {
        provider: named("EXECUTION_PROVIDER").map_or(Ok(Provider::Cpu), |name| name.parse())?,
        device_id: named("EXECUTION_DEVICE_ID").map_or(Ok(0), |id| id.parse())?,
        library: named("ONNXRUNTIME_LIBRARY").map(Into::into),
        engine_cache: named("ENGINE_CACHE").map(Into::into),
        max_batch: None,
    })
}

/// What a frame takes when several go through the networks together, one thread, each of a stream with a face.
fn batches(sizes: &[NonZeroUsize], frame: RgbPicture) -> Result<(), Box<dyn std::error::Error>> {
    let folder = ModelFolder::find(None)?;
    for (index, size) in sizes.iter().enumerate() {
        let runtime = Runtime::open(&folder, &RuntimeOptions { max_batch: Some(*size), ..options()? })?;
        if index == 0 {
            let info = runtime.info();
            println!("provider {}, ONNX Runtime {}, milliseconds (processor / clock)", info.provider, info.version);
        }
        let mut landmarker = Landmarker::load(&runtime, &folder)?;
        landmarker.warm_up()?;
        let every = TrackerOptions { face_count_interval: None };
        let mut trackers: Vec<_> = (0..size.get()).map(|_| Tracker::new(every.clone())).collect();
        let mut timestamp = Duration::ZERO;
        let rounds = ROUNDS.div_ceil(size.get()).max(20);
        let (processor, clock) = medians(rounds, || {
            timestamp += Duration::from_millis(33);
            let picture = frame.view();
            let mut frames: Vec<_> =
                trackers.iter_mut().map(|tracker| StreamFrame { tracker, picture, timestamp }).collect();
            landmarker.frames(&mut frames).map(|_| ())
        })?;
        let n = size.get() as f64;
        println!(
            "batch of {size:<4} {:>8.3} / {:.3} a frame, {:>8.1} frames a second",
            processor / n,
            clock / n,
            1000.0 * n / clock
        );
    }
    Ok(())
}

/// Resident memory at each step of an engine's life.
fn memory(frame: RgbPicture) -> Result<(), Box<dyn std::error::Error>> {
    let frame: Arc<dyn Picture> = Arc::new(frame);
    print_memory("at the start");
    let workers = NonZeroUsize::new(2);
    let engine = Engine::open(&EngineOptions { workers, ..EngineOptions::default() })?;
    print_memory("engine open, two workers");
    let streams: Vec<_> = (0..4)
        .map(|_| {
            let (sender, results) = std::sync::mpsc::sync_channel(1);
            let on_result = Box::new(move |result| {
                sender.send(result).ok();
            });
            (engine.stream(StreamOptions::default(), on_result), results)
        })
        .collect();
    for round in 0..100_u64 {
        for (stream, _) in &streams {
            stream.submit(Arc::clone(&frame), Duration::from_millis(33 * round), round);
        }
        for (_, results) in &streams {
            results.recv()??;
        }
    }
    print_memory("after a hundred frames of each of four streams");
    let faces = engine.analyze_picture(Arc::clone(&frame))?;
    if let Some(face) = faces.first() {
        for embedding in &engine.info().embeddings {
            engine.embed(Arc::clone(&frame), face, Some(embedding.id))?;
            print_memory(&format!("after an embedding by {}", embedding.id));
        }
    }
    drop(streams);
    drop(engine);
    print_memory("engine closed");
    Ok(())
}

fn print_memory(when: &str) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
    };
    let (resident, own) = (kilobytes("VmRSS:"), kilobytes("RssAnon:"));
    println!("{when:<50} {:>7.1} MB resident, {:>6.1} of it not from files", resident / 1024.0, own / 1024.0);
}

fn times(frame: RgbPicture) -> Result<(), Box<dyn std::error::Error>> {
    let folder = ModelFolder::find(None)?;
    let runtime = Runtime::in_folder(&folder, Provider::Cpu, None)?;
    println!("median of {ROUNDS} rounds, one thread, milliseconds (processor / clock)\n");

    for listing in folder.list() {
        let Ok(found) = folder.resolve(listing.id) else {
            println!("{:<44} not present", listing.title);
            continue;
        };
        let (Some(input), false) = (&found.model.input, listing.kind == Kind::Runtime) else {
            continue;
        };
        let sizes: Vec<usize> = found.model.outputs.iter().map(|output| output.shape.iter().product()).collect();
        let mut network = runtime.network(&found.path, &input.shape, &sizes)?;
        let values: Vec<f32> = noise().take(input.shape.iter().product()).map(|byte| f32::from(byte) / 255.0).collect();
        let mut outputs: Vec<Vec<f32>> = sizes.iter().map(|size| vec![0.0; *size]).collect();
        measure(&found.model.id, || {
            let mut views: Vec<&mut [f32]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
            network.run(&values, &mut views)
        })?;
    }

    let (y, uv) = to_i420(&frame);
    let chroma = uv.len() / 2;
    let i420 = PictureView::I420(I420View {
        y: &y,
        u: &uv[..chroma],
        v: &uv[chroma..],
        y_stride: WIDTH,
        uv_stride: WIDTH / 2,
        width: WIDTH,
        height: HEIGHT,
    });
    println!();
    let region = Region { cx: 320.0, cy: 240.0, width: 330.0, height: 330.0, rotation: 0.1 };
    let warp = Warp::from_region(&region, 256);
    let mut out = vec![0; 3 * 256 * 256];
    for (name, picture) in [("rgb", frame.view()), ("i420", i420)] {
        measure(&format!("crop 256x256, {name}"), || -> Result<(), std::convert::Infallible> {
            crop::crop(black_box(&picture), &warp, 256, Border::Replicate, &mut out);
            Ok(())
        })?;
    }

    let mut landmarker = Landmarker::load(&runtime, &folder)?;
    for (name, picture) in [("rgb", frame.view()), ("i420", i420)] {
        let mut tracker = Tracker::new(TrackerOptions { face_count_interval: None });
        let mut time = Duration::ZERO;
        let mut faces = 0;
        measure(&format!("frame {WIDTH}x{HEIGHT}, {name}"), || {
            time += Duration::from_millis(33);
            let analysis = landmarker.frame(&mut tracker, &picture, time)?;
            faces += usize::from(analysis.face.is_some());
            Ok::<(), Box<dyn std::error::Error>>(())
        })?;
        println!("    a face was followed in {faces} of {} frames", ROUNDS + WARM_UP);
    }
    Ok(())
}

const WARM_UP: usize = 10;

fn measure<E: Into<Box<dyn std::error::Error>>>(
    name: &str,
    work: impl FnMut() -> Result<(), E>,
) -> Result<(), Box<dyn std::error::Error>> {
    let (processor, clock) = medians(ROUNDS, work)?;
    println!("{name:<44} {processor:>8.3} / {clock:.3}");
    Ok(())
}

/// Median time on the processor and by the clock, in milliseconds.
fn medians<E: Into<Box<dyn std::error::Error>>>(
    count: usize,
    mut work: impl FnMut() -> Result<(), E>,
) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    for _ in 0..WARM_UP {
        work().map_err(Into::into)?;
    }
    let mut rounds = Vec::with_capacity(count);
    for _ in 0..count {
        let (processor, clock) = (processor_time(), Instant::now());
        work().map_err(Into::into)?;
        rounds.push((processor_time().saturating_sub(processor), clock.elapsed()));
    }
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1000.0
    };
    let processor = median(rounds.iter().map(|(processor, _)| *processor).collect());
    let clock = median(rounds.iter().map(|(_, clock)| *clock).collect());
    Ok((processor, clock))
}

/// Time on the processor of this thread.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Bytes that are different at every run of the loop and the same at every run of the program.
fn noise() -> impl Iterator<Item = u8> {
    let mut state = 1_u32;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((state >> 24) as u8)
    })
}

/// The picture cut to 640x480.
fn frame(path: Option<&str>) -> Result<RgbPicture, Box<dyn std::error::Error>> {
    let path = path.unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/astronaut.png"));
    let picture = image::open(Path::new(path)).map_err(|error| format!("{path}: {error}"))?;
    let picture = picture.resize_to_fill(WIDTH as u32, HEIGHT as u32, image::imageops::Triangle);
    Ok(RgbPicture { data: picture.to_rgb8().into_raw(), width: WIDTH, height: HEIGHT })
}

/// BT.601 limited range, chroma as the mean of four pixels.
fn to_i420(picture: &RgbPicture) -> (Vec<u8>, Vec<u8>) {
    let at = |x: usize, y: usize, c: usize| f32::from(picture.data[3 * (y * WIDTH + x) + c]);
    let weighted = |x: usize, y: usize, weights: [f32; 3]| (0..3).map(|c| weights[c] * at(x, y, c)).sum::<f32>();
    let luma = (0..WIDTH * HEIGHT).map(|i| 16.0 + weighted(i % WIDTH, i / WIDTH, [0.257, 0.504, 0.098]));
    let chroma = |weights: [f32; 3]| {
        (0..WIDTH / 2 * (HEIGHT / 2)).map(move |i| {
            let (x, y) = (i % (WIDTH / 2) * 2, i / (WIDTH / 2) * 2);
            let block = [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)];
            128.0 + block.iter().map(|(x, y)| weighted(*x, *y, weights)).sum::<f32>() / 4.0
        })
    };
    let byte = |value: f32| value.round() as u8;
    let planes = chroma([-0.148, -0.291, 0.439]).chain(chroma([0.439, -0.368, -0.071]));
    (luma.map(byte).collect(), planes.map(byte).collect())
}

//! Videos of sessions per minute, and processor time per video, of one worker.
//!
//!     cargo run --release --example session_videos -- [CLIP]
//!
//! Sessions of 10 s with five JPEG frames a second, of 320x240 and of 640x480, go through a Redis of their own (Debian's
//! redis-server) to `vision-service worker --once`, beside this program. Frames are those of the clip, or of a picture that
//! moves. Processor time is that of the worker, its start included; Redis and this program have their own.

use std::io::Cursor;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use gst::prelude::*;
use image::imageops::FilterType;
use image::{ImageFormat, RgbImage};
use vision_service::frame_door::plugins::video_redis::Settings;
use vision_service::frame_door::protocol::SessionId;
use vision_service::session_video::recorder::Recorder;

const FRAMES: u64 = 50;
const GAP: Duration = Duration::from_millis(200);
const SESSIONS: usize = 12;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let clip = std::env::args().nth(1);
    let folder = std::env::temp_dir().join(format!("vision-videos-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut redis = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--dir"])
        .arg(&folder)
        .stdout(Stdio::null())
        .spawn()
        .context("redis-server (Debian package redis-server)")?;
    let done = measure(clip.as_deref(), &folder, port).await;
    end(&mut redis);
    std::fs::remove_dir_all(&folder)?;
    done
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

async fn measure(clip: Option<&str>, folder: &Path, port: u16) -> anyhow::Result<()> {
    println!("| frames | codec | videos per minute | processor time per video | file |\n|---|---|---|---|---|");
    for (width, height) in [(320, 240), (640, 480)] {
        let frames = frames(clip, width, height)?;
        for codec in ["H264", "H265", "VP9"] {
            let queue = format!("{codec}-{width}");
            record(&frames, port, &queue).await?;
            let videos = folder.join(&queue);
            let config = folder.join(format!("{queue}.toml"));
            let text = format!(
                "[VIDEO]\ncodec = {codec:?}\npath = {videos:?}\nlogLevel = 0\n\
                 [REDIS]\nconnectionString = \"redis://127.0.0.1:{port}\"\nqueueName = {queue:?}\n"
            );
            std::fs::write(&config, text)?;
            // examples are built into a folder below the program's
            let program = std::env::current_exe()?.with_file_name("../vision-service");
            let (begun, before) = (Instant::now(), children_time()?);
            let status = Command::new(&program).args(["worker", "--once", "--config"]).arg(&config).status();
            let status = status.with_context(|| format!("{}: cargo build --release", program.display()))?;
            let (wall, processor) = (begun.elapsed(), children_time()? - before);
            let sizes: Vec<u64> =
                std::fs::read_dir(&videos)?.filter_map(|file| Some(file.ok()?.metadata().ok()?.len())).collect();
            anyhow::ensure!(status.success() && sizes.len() == SESSIONS, "{} of {SESSIONS} videos", sizes.len());
            let per_minute = SESSIONS as f64 * 60.0 / wall.as_secs_f64();
            let each = processor / SESSIONS as f64;
            let size = sizes.iter().sum::<u64>() / 1024 / SESSIONS as u64;
            println!("| {width}x{height} | {codec} | {per_minute:.0} | {each:.2} s | {size} KiB |");
        }
    }
    Ok(())
}

async fn record(frames: &[Bytes], port: u16, queue: &str) -> anyhow::Result<()> {
    let recorder = Recorder::start(&Settings {
        address: format!("redis://127.0.0.1:{port}").into(),
        queue: queue.into(),
        result_ttl: Duration::ZERO,
        failure_ttl: Duration::from_secs(60),
        session_timeout: Duration::from_secs(60),
        task: "task.run".into(),
        frames_limit: None,
    })?;
    for _ in 0..SESSIONS {
        let session = SessionId::random()?;
        for (number, file) in frames.iter().enumerate() {
            recorder.frame(session, GAP * number as u32, file.clone());
        }
        recorder.ended(session, true);
    }
    recorder.close(Duration::from_secs(30)).await;
    Ok(())
}

/// JPEG files as a browser makes them, five a second.
fn frames(clip: Option<&str>, width: u32, height: u32) -> anyhow::Result<Vec<Bytes>> {
    let jpeg = |picture: &RgbImage| {
        let mut file = Cursor::new(Vec::new());
        picture.write_to(&mut file, ImageFormat::Jpeg)?;
        anyhow::Ok(Bytes::from(file.into_inner()))
    };
    let Some(clip) = clip else {
        let portrait = image::load_from_memory(include_bytes!("../assets/demo/astronaut.png"))?;
        let large = portrait.resize_exact(width + 50, height + 50, FilterType::Triangle).into_rgb8();
        let moved = |number: u32| image::imageops::crop_imm(&large, number, number / 2, width, height).to_image();
        return (0..FRAMES as u32).map(|number| jpeg(&moved(number))).collect();
    };
    gst::init()?;
    let line = format!(
        "filesrc name=file ! decodebin ! videoconvertscale ! videorate ! \
         video/x-raw,format=RGB,width={width},height={height},framerate=5/1 ! appsink name=sink sync=false"
    );
    let pipeline =
        gst::parse::launch(&line)?.downcast::<gst::Pipeline>().map_err(|_| anyhow::anyhow!("no pipeline"))?;
    pipeline.by_name("file").context("no file")?.set_property("location", clip);
    let sink = pipeline.by_name("sink").context("no sink")?.downcast::<gst_app::AppSink>();
    let sink = sink.map_err(|_| anyhow::anyhow!("no appsink"))?;
    pipeline.set_state(gst::State::Playing)?;
    let mut files = Vec::new();
    while let Some(sample) =
        sink.try_pull_sample(gst::ClockTime::from_seconds(20)).filter(|_| files.len() < FRAMES as usize)
    {
        let data = sample.buffer().context("no buffer")?.map_readable()?.to_vec();
        files.push(jpeg(&RgbImage::from_raw(width, height, data).context("rows that are padded")?)?);
    }
    pipeline.set_state(gst::State::Null)?;
    anyhow::ensure!(!files.is_empty(), "{clip} has no video");
    // a short clip is shown again
    let shown = files.len();
    Ok((0..FRAMES as usize).map(|number| files[number % shown].clone()).collect())
}

/// Processor seconds of children that have ended.
fn children_time() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().context("no name")?.split_whitespace().collect();
    // of all fields the 16th and 17th, cutime and cstime in hundredths of a second (proc(5)); the name was the second
    Ok((fields[13].parse::<f64>()? + fields[14].parse::<f64>()?) / 100.0)
}

//! Session videos from end to end: Redis, the service's recorder, workers, and a look at what they made.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gst::prelude::*;
use image::{ImageFormat, Rgb, RgbImage};
use vision_service::frame_door::protocol::SessionId;
use vision_service::frame_door::settings::VideoRedis;
use vision_service::session_video::recorder::Recorder;

use super::assets::Scratch;
use super::child::{Running, program};
use super::redis_server::RedisServer;

/// Longer than anything here takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(120);
pub const QUEUE: &str = "videos of tests";

pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub struct Studio {
    pub redis: RedisServer,
    pub folder: Scratch,
}

impl Studio {
    pub async fn open(name: &str) -> Self {
        Self::open_at(RedisServer::start().await, name)
    }

    pub fn open_at(redis: RedisServer, name: &str) -> Self {
        Self { redis, folder: Scratch::new(&format!("studio-{name}")) }
    }

    /// As the plug-in has it, with the manual's defaults.
    pub fn settings(&self) -> VideoRedis {
        VideoRedis {
            address: self.redis.url().into(),
            queue: QUEUE.into(),
            result_ttl: Duration::from_secs(500),
            failure_ttl: Duration::from_secs(365 * 24 * 3600),
            session_timeout: Duration::from_secs(300),
            task: "task.run".into(),
            frames_limit: None,
        }
    }

    pub fn recorder(&self) -> Recorder {
        Recorder::start(&self.settings()).unwrap()
    }

    /// A worker with these lines besides Redis and the folder.
    pub fn worker(&self, arguments: &[&str], settings: &str) -> Command {
        self.worker_at(&self.redis.url(), arguments, settings)
    }

    /// One that finds Redis under another address.
    pub fn worker_at(&self, url: &str, arguments: &[&str], settings: &str) -> Command {
        let text = self.settings_of_worker(url, settings);
        let count = std::fs::read_dir(&self.folder.0).unwrap().count();
        let file = self.folder.0.join(format!("lunapassvideo.config.{count}.toml"));
        std::fs::write(&file, text).unwrap();
        let mut command = program();
        command.args(["worker", "--config"]).arg(file).args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// A worker's file.
    pub fn settings_of_worker(&self, url: &str, settings: &str) -> String {
        let folder = self.videos();
        format!("[REDIS]\nconnectionString = {url:?}\nqueueName = {QUEUE:?}\n{settings}\n[VIDEO]\npath = {folder:?}\n")
    }

    /// A worker that does what is due; what it logs.
    pub async fn work_once(&self, settings: &str) -> String {
        let command = self.worker(&["--once"], settings);
        let output = output(command).await;
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{log}");
        log
    }

    /// A worker that goes on.
    pub fn work(&self, settings: &str) -> Running {
        Running::start(self.worker(&[], settings))
    }

    pub fn videos(&self) -> PathBuf {
        self.folder.0.join("VIDEO")
    }

    pub fn video(&self, session: SessionId, extension: &str) -> PathBuf {
        self.videos().join(format!("{session}.{extension}"))
    }

    /// Names of all files in the folder.
    pub fn files(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.videos()) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Waits until a file is there that is being built.
    pub async fn being_built(&self) {
        until("a video is being built", async || self.files().iter().any(|name| name.ends_with(".part"))).await;
    }

    pub async fn record(&self, session: SessionId) -> HashMap<String, String> {
        self.redis.ask(&["HGETALL", &key("job", session)]).await.unwrap()
    }

    pub async fn until_state(&self, session: SessionId, state: &str) -> HashMap<String, String> {
        until(state, async || self.record(session).await.get("state").is_some_and(|now| now == state)).await;
        self.record(session).await
    }

    /// Seconds that the record and the frames of a session still have.
    pub async fn times_to_live(&self, session: SessionId) -> [i64; 2] {
        let [job, frames] = [key("job", session), key("frames", session)];
        [self.redis.ask(&["TTL", &job]).await.unwrap(), self.redis.ask(&["TTL", &frames]).await.unwrap()]
    }
}

pub fn key(kind: &str, session: SessionId) -> String {
    format!("session-video:{QUEUE}:{kind}:{session}")
}

pub async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !condition().await {
        assert!(Instant::now() < end, "it does not come to this: {what}");
        tokio::time::sleep(ms(10)).await;
    }
}

/// A picture of one colour with a white bar that says how far the session is.
pub fn picture((width, height): (u32, u32), colour: [u8; 3], bar: u32, format: ImageFormat) -> Bytes {
    let picture = RgbImage::from_fn(width, height, |x, _| if x / 8 == bar { Rgb([255; 3]) } else { Rgb(colour) });
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format).unwrap();
    file.into_inner().into()
}

/// What is in a video file.
pub struct Film {
    pub codec: String,
    pub size: (u32, u32),
    /// When each picture is shown, and when the last one ends.
    pub times: Vec<u64>,
    pub pictures: Vec<RgbImage>,
}

impl Film {
    pub fn read(path: &Path) -> Self {
        gst::init().unwrap();
        let line =
            "filesrc name=file ! decodebin ! videoconvert ! video/x-raw,format=RGBA ! appsink name=sink sync=false";
        let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
        pipeline.by_name("file").unwrap().set_property("location", path);
        let sink = pipeline.by_name("sink").unwrap().downcast::<gst_app::AppSink>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let mut film = Self { codec: String::new(), size: (0, 0), times: Vec::new(), pictures: Vec::new() };
        let (played, ..) = pipeline.state(gst::ClockTime::from_seconds(20));
        played.unwrap();
        let duration = pipeline.query_duration::<gst::ClockTime>().unwrap();
        while let Some(sample) = sink.try_pull_sample(gst::ClockTime::from_seconds(20)) {
            let info = gst_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
            film.size = (info.width(), info.height());
            let buffer = sample.buffer().unwrap();
            film.times.push(buffer.pts().unwrap().mseconds());
            let data = buffer.map_readable().unwrap();
            let pixel = |x: u32, y: u32| &data[((y * info.width() + x) * 4) as usize..][..3];
            let picture = |x, y| Rgb(pixel(x, y).try_into().unwrap());
            film.pictures.push(RgbImage::from_fn(info.width(), info.height(), picture));
        }
        assert!(sink.is_eos(), "{} does not come to its end", path.display());
        film.times.push(duration.mseconds());
        let elements = pipeline.iterate_recurse().into_iter().flatten();
        let is_decoder = |name: &str| name == "vp9dec" || name.starts_with("avdec_");
        let decoder =
            elements.into_iter().find(|element| element.factory().is_some_and(|factory| is_decoder(&factory.name())));
        let caps = decoder.unwrap().static_pad("sink").unwrap().current_caps().unwrap();
        film.codec = caps.structure(0).unwrap().name().to_string();
        pipeline.set_state(gst::State::Null).unwrap();
        film
    }

    /// Whether a pixel is of about this colour.
    pub fn is(&self, number: usize, (x, y): (u32, u32), colour: [u8; 3]) -> bool {
        let pixel = self.pictures[number][(x, y)].0;
        pixel.iter().zip(colour).all(|(is, should)| is.abs_diff(should) < 40)
    }
}

//! The frame door under load: frames answered per second, the time that a frame takes, memory and processor time.
//!
//!     cargo run --release --example frames -- CLIP [--rate FRAMES_PER_SECOND] [SESSIONS ...]
//!
//! The service runs as a process of its own (`vision-service` beside this program), with every check on and thresholds that
//! let all frames come as far as liveness, which costs most. Each session sends the clip's frames as JPEG of 640x480 pixels. Without
//! `--rate` a session sends its next frame when it has heard of the last one, so that the service is as busy as it can be;
//! with it, whether it has heard or not: that shows what happens beyond what the service can carry.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

const PORT: u16 = 5918;
const WARM_UP: Duration = Duration::from_secs(4);
const MEASURED: Duration = Duration::from_secs(15);
/// All checks are made of every frame, and no session ends, since nobody is as live as that.
const SETTINGS: &str = r#"
[LUNA_PASS.JWT]
key = "only for measuring"
[LIVENESS.THRESHOLDS]
blur = 0
light = 0
dark = 0
illumination = 1
specularity = 1
ags = 0
mouth = 0
frameMargin = 0
faceWidth = 1
faceHeight = 1
yaw = 180
pitch = 180
roll = 180
glasses = ["NoGlasses", "EyeGlasses", "SunGlasses"]
livenessScore = 1
livenessQualityScore = 0
[MIDDLEWARES.WS.Bestshot]
isEnabled = 1
"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let rate = match arguments.iter().position(|argument| argument == "--rate") {
        Some(at) if at + 1 < arguments.len() => {
            arguments.drain(at..at + 2).next_back().map(|n| n.parse()).transpose()?
        }
        _ => None,
    };
    anyhow::ensure!(!arguments.is_empty(), "usage: frames CLIP [--rate FRAMES_PER_SECOND] [SESSIONS ...]");
    let clip = PathBuf::from(arguments.remove(0));
    let counts: Vec<usize> = arguments.into_iter().map(|n| n.parse()).collect::<Result<_, _>>()?;
    let counts = if counts.is_empty() { vec![1, 8, 32] } else { counts };
    let frames = unpack(&clip)?;
    println!(
        "| sessions | sent/s | answered/s | p50 ms | p99 ms | cores | ms of processor time a frame | MB a session |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for count in counts {
        measure(&frames, count, rate).await?;
    }
    Ok(())
}

/// The clip's frames as JPEG files, 15 a second.
fn unpack(clip: &Path) -> anyhow::Result<Vec<Bytes>> {
    let folder = std::env::temp_dir().join(format!("vision-frames-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let filter = "fps=15,scale=640:480:force_original_aspect_ratio=decrease,pad=640:480:-1:-1";
    let status = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-i"])
        .arg(clip)
        .args(["-vf", filter, "-q:v", "4"])
        .arg(folder.join("%04d.jpg"))
        .status();
    let files = std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    let frames = files?.iter().map(|file| Ok(std::fs::read(file)?.into())).collect::<std::io::Result<Vec<Bytes>>>();
    std::fs::remove_dir_all(&folder)?;
    anyhow::ensure!(status?.success(), "ffmpeg (Debian package ffmpeg) cannot read {}", clip.display());
    Ok(frames?)
}

/// The service; killed at the end, its own child alone.
struct Service {
    process: Child,
    folder: PathBuf,
}

impl Service {
    async fn start() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("vision-frames-settings-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let file = folder.join("settings.toml");
        std::fs::write(&file, SETTINGS)?;
        let program = std::env::current_exe()?.with_file_name("../vision-service");
        let process = Command::new(program)
            .args(["serve", "--set", "http.host=127.0.0.1", "--set", &format!("http.port={PORT}")])
            .args(["--set", &format!("frame_door.settings={}", file.display())])
            .args(["--set", "frame_door.max_rate=60", "--set", "frame_door.max_sessions_per_address=0"])
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .spawn()?;
        let service = Self { process, folder };
        let begin = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", PORT)).await.is_err() {
            anyhow::ensure!(begin.elapsed() < Duration::from_secs(30), "the service does not start");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(service)
    }

    /// Seconds of processor time so far.
    fn processor_time(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
        // user and system, in the hundredths of a second of every Linux that this runs on
        Ok((ticks(11) + ticks(12)) / 100.0)
    }

    /// Resident, MB.
    fn memory(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()).and_then(|n| n.parse::<f64>().ok());
        Ok(kilobytes.unwrap_or_default() / 1024.0)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What a session saw: when its frames were sent, and when they were answered.
struct Seen {
    sent: u64,
    /// From being sent to being answered, of answered ones.
    delays: Vec<Duration>,
}

async fn measure(frames: &[Bytes], count: usize, rate: Option<f64>) -> anyhow::Result<()> {
    let service = Service::start().await?;
    let idle = service.memory()?;
    let begin = Instant::now() + WARM_UP;
    let sessions: Vec<_> = (0..count)
        .map(|number| {
            let frames = frames.to_vec();
            tokio::spawn(async move { session(&frames, number, rate, begin).await })
        })
        .collect();
    tokio::time::sleep_until(begin.into()).await;
    let before = service.processor_time()?;
    tokio::time::sleep(MEASURED).await;
    let (after, memory) = (service.processor_time()?, service.memory()?);
    let (mut sent, mut delays) = (0, Vec::new());
    for session in sessions {
        let seen = session.await??;
        sent += seen.sent;
        delays.extend(seen.delays);
    }
    delays.sort();
    let at =
        |share: f64| delays.get(((delays.len() as f64 - 1.0) * share) as usize).map_or(0.0, |d| d.as_secs_f64() * 1e3);
    let seconds = MEASURED.as_secs_f64();
    println!(
        "| {count} | {:.1} | {:.1} | {:.0} | {:.0} | {:.2} | {:.1} | {:.1} |",
        sent as f64 / seconds,
        delays.len() as f64 / seconds,
        at(0.5),
        at(0.99),
        (after - before) / seconds,
        (after - before) * 1e3 / delays.len().max(1) as f64,
        (memory - idle) / count as f64,
    );
    Ok(())
}

/// Sends frames until it has been measured for long enough.
async fn session(frames: &[Bytes], number: usize, rate: Option<f64>, begin: Instant) -> anyhow::Result<Seen> {
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://127.0.0.1:{PORT}/ws")).await?;
    socket.send(Message::text(json!({"type": "connect"}).to_string())).await?;
    let end = begin + MEASURED;
    let mut seen = Seen { sent: 0, delays: Vec::new() };
    // frames under way, oldest first
    let mut under_way = std::collections::VecDeque::new();
    let mut next = frames.iter().cycle().skip(number * 7);
    let pause = rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
    let mut ticks = pause.map(tokio::time::interval);
    let mut is_welcome = false;
    loop {
        let is_due = async {
            match &mut ticks {
                Some(ticks) => _ = ticks.tick().await,
                None => std::future::pending().await,
            }
        };
        let send = tokio::select! {
            () = is_due => is_welcome,
            message = socket.next() => {
                let Some(Ok(message)) = message else { anyhow::bail!("the service has closed the connection") };
                let Message::Text(text) = message else { continue };
                let message: Value = serde_json::from_str(&text)?;
                match message["type"].as_str() {
                    Some("frame") => {
                        // frames that were passed over are never answered
                        under_way.drain(..message["skipped"].as_u64().unwrap_or(0).min(under_way.len() as u64) as usize);
                        let sent: Option<Instant> = under_way.pop_front();
                        seen.delays.extend(sent.filter(|sent| *sent >= begin).map(|sent| sent.elapsed()));
                    }
                    Some("session") => is_welcome = true,
                    other => anyhow::bail!("the service said {other:?}"),
                }
                pause.is_none()
            }
            () = tokio::time::sleep_until(end.into()) => return Ok(seen),
        };
        if send {
            let Some(frame) = next.next() else { anyhow::bail!("the clip has no frames") };
            under_way.push_back(Instant::now());
            seen.sent += u64::from(Instant::now() >= begin);
            socket.send(Message::Binary(frame.clone())).await?;
        }
    }
}

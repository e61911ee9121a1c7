//! Processor time, memory and delays of the service under 1, 2, 4 and 8 flows, as totals of its process.
//!
//!     cargo run --release --example flows -- CLIP [--room mediasoup] [--checks] [FLOWS ...]
//!
//! With `--checks`: what the liveness checks add to one flow, off, by default and all of them but the colours, in turns.
//!
//! The service runs as a process of its own (`vision-service` beside this program). Each flow gets a subject that sends the
//! clip in a loop, VP8, 640x480, 30 frames a second; the service sends 15 and analyses at most 15. The flows stay in
//! the challenge for as long as it is measured: they are asked to blink, more often than the clip can. Processor time is
//! that of the service alone; the subjects, which only encode, need about as much again, so that two cores are more
//! than busy with eight of them. On a mediasoup server the beginnings of calls are timed as well.

mod room;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gst::prelude::*;
use room::{Rooms, join_call, print_beginnings};
use serde_json::{Value, json};
use vision_core::liveness::{CHECKS, Check};
use vision_service::outbound::install_crypto_provider;
use vision_service::subject::camera::Source;
use vision_service::subject::{GstSubject, SubjectOptions};

const PORT: u16 = 5917;
const WARM_UP: Duration = Duration::from_secs(6);
const MEASURED: Duration = Duration::from_secs(20);
/// Gestures that a flow asks for; no clip has as many in [`WARM_UP`] and [`MEASURED`].
const BLINKS: usize = 60;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    install_crypto_provider();
    let mut arguments = std::env::args().skip(1);
    let clip = PathBuf::from(arguments.next().ok_or_else(|| anyhow::anyhow!("usage: flows CLIP [FLOWS ...]"))?);
    let mut arguments: Vec<String> = arguments.collect();
    let room = match arguments.iter().position(|argument| argument == "--room") {
        Some(at) if at + 1 < arguments.len() => arguments.drain(at..at + 2).next_back(),
        _ => None,
    };
    let checks = arguments.iter().position(|argument| argument == "--checks").map(|at| arguments.remove(at)).is_some();
    let rooms = Rooms::open(room.as_deref().unwrap_or("direct"), PORT).await?;
    let counts: Vec<usize> = arguments.into_iter().map(|n| n.parse()).collect::<Result<_, _>>()?;
    let counts = if counts.is_empty() { vec![1, 2, 4, 8] } else { counts };
    let folder = std::env::temp_dir().join(format!("vision-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let done =
        if checks { compare_checks(&rooms, &clip, &folder).await } else { run(&rooms, &clip, &counts, &folder).await };
    std::fs::remove_dir_all(folder)?;
    done
}

async fn run(rooms: &Rooms, clip: &Path, counts: &[usize], folder: &Path) -> anyhow::Result<()> {
    let gestures = folder.join("gestures");
    let ids = write_gestures(&gestures)?;
    let raw = unpack(clip, &folder.join("clip.yuv"))?;

    println!("| flows | cores | per flow | memory | per flow | first words | next instruction, median and worst |");
    println!("|---|---|---|---|---|---|---|");
    let mut threads = Vec::new();
    for count in counts {
        let measured = measure(rooms, &raw, *count, &gestures, &ids, &[]).await?;
        println!("{}", measured.row);
        threads.push(measured.threads);
    }
    println!("\nWhere the time goes, in cores per flow:\n");
    println!("| flows | {} |", counts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "---|".repeat(counts.len()));
    let names: std::collections::BTreeSet<_> = threads.iter().flat_map(BTreeMap::keys).collect();
    for name in names {
        let cells: Vec<_> = threads.iter().map(|t| format!("{:.3}", t.get(name).unwrap_or(&0.0))).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    if let Rooms::Mediasoup(server) = rooms {
        let service = Service::start(&gestures, &ids, &[])?;
        service.ready().await?;
        print_beginnings(server, &service.url("")).await?;
    }
    Ok(())
}

/// Every variant is measured so often, by turns: neighbours on the machine come and go.
const ROUNDS: usize = 3;

/// What the liveness checks add to one flow.
async fn compare_checks(rooms: &Rooms, clip: &Path, folder: &Path) -> anyhow::Result<()> {
    let gestures = folder.join("gestures");
    let ids = write_gestures(&gestures)?;
    let raw = unpack(clip, &folder.join("clip.yuv"))?;
    let all = |mode: &str, left_out: &[Check]| -> Vec<String> {
        let checks = CHECKS.into_iter().filter(|check| !left_out.contains(check));
        checks.map(|check| format!("liveness.{}={mode}", check.as_str())).collect()
    };
    let variants = [
        ("off", all("off", &[])),
        ("default", Vec::new()),
        ("all but the colours", all("observe", &[Check::ColourChallenge])),
    ];
    println!("| checks | cores, median | each time | over off |");
    println!("|---|---|---|---|");
    let mut cores = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (cores, (_, settings)) in cores.iter_mut().zip(&variants) {
            cores.push(measure(rooms, &raw, 1, &gestures, &ids, settings).await?.cores);
        }
    }
    let median = |cores: &[f64]| {
        let mut sorted = cores.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    };
    let off = median(&cores[0]);
    for ((name, _), cores) in variants.iter().zip(&cores) {
        let each: Vec<_> = cores.iter().map(|cores| format!("{cores:.3}")).collect();
        println!("| {name} | {:.3} | {} | {:+.3} |", median(cores), each.join(", "), median(cores) - off);
    }
    Ok(())
}

/// As many copies of the blink as nobody gets through.
fn write_gestures(folder: &Path) -> anyhow::Result<Vec<String>> {
    std::fs::create_dir_all(folder)?;
    let mut gesture: Value = serde_json::from_str(include_str!("../assets/gestures/blink.json"))?;
    gesture["total_recommended_max_time"] = json!(3_600_000);
    (0..BLINKS)
        .map(|n| {
            let id = format!("blink{n}");
            gesture["gestureId"] = json!(id);
            std::fs::write(folder.join(format!("{id}.json")), gesture.to_string())?;
            Ok(id)
        })
        .collect()
}

/// Decodes and scales the clip once, so that the subjects need not; a picture becomes a second of itself.
fn unpack(clip: &Path, raw: &Path) -> anyhow::Result<Source> {
    vision_service::media::init()?;
    let is_still = clip.extension().is_some_and(|e| e == "png" || e == "jpg");
    let freeze = if is_still { "! videoconvert ! imagefreeze num-buffers=30" } else { "" };
    let pipeline = gst::parse::launch(&format!(
        "filesrc name=in ! decodebin {freeze} ! videorate ! videoscale add-borders=true ! videoconvert
         ! video/x-raw,format=I420,width=640,height=480,framerate=30/1,pixel-aspect-ratio=1/1 ! filesink name=out"
    ))?
    .downcast::<gst::Pipeline>()
    .map_err(|_| anyhow::anyhow!("not a pipeline"))?;
    for (name, path) in [("in", clip), ("out", raw)] {
        pipeline.by_name(name).ok_or_else(|| anyhow::anyhow!("no {name}"))?.set_property("location", path);
    }
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().ok_or_else(|| anyhow::anyhow!("no bus"))?;
    let end = bus.timed_pop_filtered(None, &[gst::MessageType::Eos, gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null)?;
    if let Some(gst::MessageView::Error(error)) = end.as_ref().map(|message| message.view()) {
        anyhow::bail!("{}: {}", clip.display(), error.error());
    }
    Ok(Source::Launch(format!(
        "filesrc location={} blocksize=460800 ! rawvideoparse format=i420 width=640 height=480 framerate=30/1",
        raw.display()
    )))
}

/// What some flows cost.
struct Measured {
    /// Cores, all flows together.
    cores: f64,
    /// Cores per flow by name of thread.
    threads: BTreeMap<String, f64>,
    /// Of the table.
    row: String,
}

async fn measure(
    rooms: &Rooms,
    source: &Source,
    count: usize,
    gestures: &Path,
    ids: &[String],
    settings: &[String],
) -> anyhow::Result<Measured> {
    let Source::Launch(source) = source else { anyhow::bail!("an unpacked clip") };
    let service = Service::start(gestures, ids, settings)?;
    service.ready().await?;
    let idle = service.memory()?;
    let mut subjects = Vec::new();
    let mut flows = Vec::new();
    for n in 0..count {
        let name = format!("bench-{count}-{n}");
        flows.push(join_call(&service.url(""), &rooms.ws_url(&name), &name).await?);
        let options = SubjectOptions { watches: false, ..rooms.subject(&name, Source::Launch(source.clone())) };
        subjects.push(GstSubject::join(options).await?);
    }
    tokio::time::sleep(WARM_UP).await;
    let (begun, before) = (Instant::now(), service.processor_time()?);
    tokio::time::sleep(MEASURED).await;
    let (after, seconds) = (service.processor_time()?, begun.elapsed().as_secs_f64());
    let memory = service.memory()?;

    let mut first_words = Vec::new();
    let mut reactions = Vec::new();
    for flow in &flows {
        let status: Value = reqwest::get(service.url(&format!("/flows/{flow}"))).await?.json().await?;
        anyhow::ensure!(status["state"] == "challenge", "a flow left the challenge: {status}");
        first_words.extend(status["first_text_after_ms"].as_u64());
        let gestures = status["timings"]["gestures"].as_array().into_iter().flatten();
        reactions.extend(gestures.filter_map(|gesture| gesture["reaction_ms"].as_u64()));
    }
    for subject in subjects {
        subject.leave().await;
    }

    let n = count as f64;
    let mut threads = BTreeMap::new();
    for (thread, (name, time)) in &after.threads {
        let spent = time - before.threads.get(thread).map_or(0.0, |(_, time)| *time);
        *threads.entry(name.clone()).or_insert(0.0) += spent / seconds / n;
    }
    threads.retain(|_, cores| *cores >= 0.0005);
    let cores = (after.total - before.total) / seconds;
    let slowest = first_words.iter().max().map_or("-".into(), |ms| format!("{ms} ms"));
    reactions.sort_unstable();
    let reaction = match reactions.as_slice() {
        [] => "-".into(),
        all => format!("{} ms, {} ms ({} times)", all[all.len() / 2], all[all.len() - 1], all.len()),
    };
    let row = format!(
        "| {count} | {cores:.2} | {:.3} | {:.0} MB (idle {:.0}) | {:.1} MB | {slowest} | {reaction} |",
        cores / n,
        memory / 1e3,
        idle / 1e3,
        (memory - idle) / n / 1e3,
    );
    Ok(Measured { cores, threads, row })
}

/// The service, ended when dropped.
struct Service(Child);

/// User and system time so far, in seconds.
struct ProcessorTime {
    total: f64,
    /// By number of the thread: its name, without numbers, and its time.
    threads: BTreeMap<String, (String, f64)>,
}

impl Service {
    fn start(gestures: &Path, ids: &[String], more: &[String]) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?.with_file_name("../vision-service");
        let settings = [
            "http.host=127.0.0.1".into(),
            format!("http.port={PORT}"),
            format!("challenge.folders={}", gestures.display()),
            format!("challenge.gestures={}", ids.join(",")),
            format!("challenge.count={}", ids.len()),
            "flow.time_limit=1h".into(),
            "flow.starting=1s".into(),
            "flow.max_flows=64".into(),
        ];
        let mut command = Command::new(program);
        command.arg("serve").args(settings.iter().chain(more).flat_map(|s| ["--set", s]));
        command.env("RUST_LOG", "error").stdout(Stdio::null());
        Ok(Self(command.spawn()?))
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{PORT}{path}")
    }

    async fn ready(&self) -> anyhow::Result<()> {
        for _ in 0..200 {
            if reqwest::get(self.url("/health")).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("the service does not start")
    }

    fn processor_time(&self) -> anyhow::Result<ProcessorTime> {
        let process = PathBuf::from(format!("/proc/{}", self.0.id()));
        let (_, total) = read_stat(&process.join("stat"))?;
        let mut threads = BTreeMap::new();
        for thread in std::fs::read_dir(process.join("task"))? {
            let thread = thread?;
            // one that ends meanwhile is not counted
            if let Ok(stat) = read_stat(&thread.path().join("stat")) {
                threads.insert(thread.file_name().to_string_lossy().into_owned(), stat);
            }
        }
        Ok(ProcessorTime { total, threads })
    }

    /// Resident kilobytes.
    fn memory(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
        Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
    }
}

/// Name and seconds, out of a `stat` of /proc.
fn read_stat(file: &Path) -> anyhow::Result<(String, f64)> {
    let stat = std::fs::read_to_string(file)?;
    // The name in parentheses may hold spaces; user and system time are the 14th and 15th field.
    let (head, tail) = stat.rsplit_once(')').unwrap_or_default();
    let name: String = head.split_once('(').unwrap_or_default().1.chars().filter(|c| !c.is_ascii_digit()).collect();
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok((name, ticks / 100.0))
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

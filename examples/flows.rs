//! Processor time and memory of the service under 1, 2, 4 and 8 flows, as totals of its process.
//!
//!     cargo run --release --example flows -- CLIP [FLOWS ...]
//!
//! The service runs as a process of its own (`vision-service` beside this program). Each flow gets a subject that sends the
//! clip in a loop, VP8, 640x480, 30 frames a second; the service sends 15 and analyses at most 15. The flows stay in
//! the challenge for as long as it is measured: the only gesture asked for cannot be completed. Processor time is
//! that of the service alone; the subjects' is not in it, but takes its share of the machine.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vision_service::outbound::install_crypto_provider;
use vision_service::subject::camera::Source;
use vision_service::subject::{GstSubject, SubjectOptions};

const PORT: u16 = 5917;
const WARM_UP: Duration = Duration::from_secs(6);
const MEASURED: Duration = Duration::from_secs(15);
const GESTURE: &str = r#"{"gestureId": "never", "label": "Hold still", "signal_key": "jawOpen",
    "total_recommended_max_time": 3600000, "take_picture_at_the_end": true,
    "instructions": [{"move_to_next_type": "higher", "value": 2.0}]}"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    install_crypto_provider();
    let mut arguments = std::env::args().skip(1);
    let clip = PathBuf::from(arguments.next().ok_or_else(|| anyhow::anyhow!("usage: flows CLIP [FLOWS ...]"))?);
    let counts: Vec<usize> = arguments.map(|n| n.parse()).collect::<Result<_, _>>()?;
    let counts = if counts.is_empty() { vec![1, 2, 4, 8] } else { counts };

    println!("| flows | cores | cores per flow | memory | memory per flow | first words after the first frame |");
    println!("|---|---|---|---|---|---|");
    for count in counts {
        measure(&clip, count).await?;
    }
    Ok(())
}

async fn measure(clip: &std::path::Path, count: usize) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("vision-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("never.json"), GESTURE)?;
    let service = Service::start(&folder)?;
    service.ready().await?;
    let idle = service.memory()?;
    let mut subjects = Vec::new();
    let mut flows = Vec::new();
    for n in 0..count {
        let body = json!({"ws_url": format!("direct:bench-{n}"), "callback_base_url": "http://127.0.0.1:9", "token": format!("t{n}")});
        let answer: Value =
            reqwest::Client::new().post(service.url("/join-call")).json(&body).send().await?.json().await?;
        flows.push(answer["flow_id"].as_str().unwrap_or_default().to_owned());
        let mut options = SubjectOptions::new(format!("ws://127.0.0.1:{PORT}/call/bench-{n}/ws"), source(clip));
        options.size = Some((640, 480));
        subjects.push(GstSubject::join(options).await?);
    }
    tokio::time::sleep(WARM_UP).await;
    let (begun, before) = (Instant::now(), service.processor_time()?);
    tokio::time::sleep(MEASURED).await;
    let cores = (service.processor_time()? - before) / begun.elapsed().as_secs_f64();
    let memory = service.memory()?;
    let mut first_words = Vec::new();
    for flow in &flows {
        let status: Value = reqwest::get(service.url(&format!("/flows/{flow}"))).await?.json().await?;
        anyhow::ensure!(status["state"] == "challenge", "a flow left the challenge: {status}");
        first_words.extend(status["first_text_after_ms"].as_u64());
    }
    let slowest = first_words.iter().max().map_or("-".into(), |ms| format!("{ms} ms"));
    let n = count as f64;
    println!(
        "| {count} | {cores:.2} | {:.3} | {:.0} MB (idle {:.0}) | {:.1} MB | {slowest} |",
        cores / n,
        memory / 1e3,
        idle / 1e3,
        (memory - idle) / n / 1e3
    );
    for subject in subjects {
        subject.leave().await;
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

fn source(file: &std::path::Path) -> Source {
    let still = file.extension().is_some_and(|e| e == "png" || e == "jpg");
    if still { Source::Picture(file.to_owned()) } else { Source::Clip(file.to_owned()) }
}

/// The service, ended when dropped.
struct Service(Child);

impl Service {
    fn start(gestures: &std::path::Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?.with_file_name("../vision-service");
        let port = format!("http.port={PORT}");
        let folders = format!("challenge.folders={}", gestures.display());
        let settings = ["http.host=127.0.0.1", &port, &folders, "challenge.gestures=never", "challenge.count=1"];
        let more = ["flow.time_limit=1h", "flow.starting=1s", "flow.max_flows=64"];
        let mut command = Command::new(program);
        command.arg("serve").args(settings.iter().chain(&more).flat_map(|s| ["--set", s]));
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

    /// User and system time so far, in seconds.
    fn processor_time(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // The name in parentheses may hold spaces; user and system time are the 14th and 15th field.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        Ok(ticks / 100.0)
    }

    /// Resident kilobytes.
    fn memory(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
        Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

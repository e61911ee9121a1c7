//! A real mediasoup server with a room server around it (`room-server/`), and what a test can do to it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

/// A busy machine starts Node.js and the worker in less.
const START_LIMIT: Duration = Duration::from_secs(20);
const END_LIMIT: Duration = Duration::from_secs(3);

/// How the server starts. The rest is said in `room-server/src/options.js`.
#[derive(Clone, Debug)]
pub struct RoomServerOptions {
    /// Port of the rooms; 0 is any free one.
    pub port: u16,
    /// What the UDP candidates say instead of the worker's port; see also `RoomServer::announce`.
    pub announced_port: Option<u16>,
    /// Of `udp` and `tcp`.
    pub transports: Vec<&'static str>,
    /// The router's, of `VP8` and `H264`, the first preferred.
    pub codecs: Vec<&'static str>,
    /// How many peers a room takes; 0 is no limit.
    pub room_limit: u32,
    /// Handed out with every transport, as it is.
    pub ice_servers: Value,
    /// Certificate and key, PEM files: the rooms are `wss:` then.
    pub tls: Option<(PathBuf, PathBuf)>,
}

impl Default for RoomServerOptions {
    fn default() -> Self {
        Self {
            port: 0,
            announced_port: None,
            transports: vec!["udp", "tcp"],
            codecs: vec!["VP8", "H264"],
            room_limit: 0,
            ice_servers: json!([]),
            tls: None,
        }
    }
}

/// What the 2060-io server hands out when nobody has configured a TURN server.
pub fn undefined_ice_servers() -> Value {
    json!([{"urls": "turn:undefined:undefined?transport=undefined", "username": "undefined", "credential": "undefined"}])
}

/// A running server on loopback; it ends when this is dropped.
pub struct RoomServer {
    options: RoomServerOptions,
    running: Option<Running>,
}

struct Running {
    child: Child,
    ready: Ready,
    /// What it says on standard error.
    log: Arc<Mutex<String>>,
}

/// The line that the server prints.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    port: u16,
    control: u16,
    udp_port: Option<u16>,
}

impl RoomServer {
    /// Returns when it can be joined.
    pub async fn start(options: RoomServerOptions) -> Self {
        let running = spawn(&options).await;
        Self { options, running: Some(running) }
    }

    /// `ws_url` of a peer.
    pub fn url(&self, room: &str, peer: &str) -> String {
        let scheme = if self.options.tls.is_some() { "wss" } else { "ws" };
        format!("{scheme}://127.0.0.1:{}/?roomId={room}&peerId={peer}", self.port())
    }

    /// The page of a subject; `query` is said in `room-server/page/subject.js`, as `&codec=H264`.
    pub fn page(&self, room: &str, peer: &str, query: &str) -> String {
        let scheme = if self.options.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/?room={room}&peer={peer}{query}", self.port())
    }

    pub fn port(&self) -> u16 {
        self.ready().port
    }

    /// The worker's port for media over UDP.
    pub fn udp_port(&self) -> u16 {
        self.ready().udp_port.expect("the server does UDP")
    }

    fn ready(&self) -> Ready {
        self.running.as_ref().expect("the server runs").ready
    }

    /// Does one of the commands of `room-server/src/control.js`; the reason when it cannot.
    pub async fn try_control(&self, command: &str, data: Value) -> Result<Value, String> {
        vision_service::outbound::install_crypto_provider();
        let url = format!("http://127.0.0.1:{}/{command}", self.ready().control);
        let request = reqwest::Client::new().post(url).json(&data);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer),
        }
    }

    /// Does one of the commands of `room-server/src/control.js`.
    pub async fn control(&self, command: &str, data: Value) -> Value {
        self.try_control(command, data).await.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// What the server knows of a peer, with the statistics of all its media; null when there is no such peer.
    pub async fn peer(&self, room: &str, peer: &str) -> Value {
        self.control("rooms", json!({})).await[room][peer].take()
    }

    /// Waits until what the server knows of a peer is as wanted.
    pub async fn wait_for(&self, room: &str, peer: &str, limit: Duration, done: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + limit;
        loop {
            let state = self.peer(room, peer).await;
            if done(&state) {
                return state;
            }
            assert!(Instant::now() < end, "waited in vain for {peer} in {room}: {state}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// From now on the UDP candidates name this port: that of something which forwards to `udp_port`.
    pub async fn announce(&self, port: u16) {
        self.control("announce", json!({"port": port})).await;
    }

    /// Whether it was not killed.
    pub fn runs(&self) -> bool {
        self.running.is_some()
    }

    /// The server is gone at once, as when its machine fails.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            // The rooms will be looked for at the same place.
            self.options.port = running.ready.port;
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }

    /// A new server, with empty rooms, on the same port; the old one is killed first if it still runs.
    pub async fn restart(&mut self) {
        self.kill();
        self.running = Some(spawn(&self.options).await);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprint!("{}", self.log.lock().unwrap());
        }
        // It ends with its standard input.
        drop(self.child.stdin.take());
        let end = Instant::now() + END_LIMIT;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > end {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

async fn spawn(options: &RoomServerOptions) -> Running {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/room-server/start.sh");
    let mut command = Command::new(program);
    command.args(arguments(options)).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("room-server/start.sh starts");
    let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let log = Arc::new(Mutex::new(String::new()));
    // From here on dropping it ends it.
    let mut running = Running { child, ready: Ready { port: 0, control: 0, udp_port: None }, log: log.clone() };

    // Both pipes are read to their end: a full one would stop the server.
    let errors = std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            log.lock().unwrap().push_str(&format!("{line}\n"));
        }
    });
    let (sender, first_line) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let _ = sender.send(lines.next());
        lines.for_each(drop);
    });
    let line = tokio::task::spawn_blocking(move || first_line.recv_timeout(START_LIMIT)).await.unwrap();
    let Some(line) = line.unwrap_or_else(|_| panic!("the room server did not start within {START_LIMIT:?}")) else {
        errors.join().unwrap();
        panic!("the room server ended instead of starting");
    };
    running.ready = serde_json::from_str(&line).unwrap();
    running
}

fn arguments(options: &RoomServerOptions) -> Vec<String> {
    let mut all = vec![
        format!("--port={}", options.port),
        format!("--transports={}", options.transports.join(",")),
        format!("--codecs={}", options.codecs.join(",")),
        format!("--room-limit={}", options.room_limit),
        format!("--ice-servers={}", options.ice_servers),
    ];
    all.extend(options.announced_port.map(|port| format!("--announced-port={port}")));
    if let Some((certificate, key)) = &options.tls {
        all.push(format!("--tls-certificate={}", certificate.display()));
        all.push(format!("--tls-key={}", key.display()));
    }
    all
}

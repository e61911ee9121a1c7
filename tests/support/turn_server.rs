//! A real TURN server on loopback: Debian's coturn.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::assets::Scratch;
use super::certificates::Certificates;

/// The address that a peer sees of whoever is relayed: another one of loopback than anybody else's here.
pub const RELAY_ADDRESS: &str = "127.0.0.2";
pub const USERNAME: &str = "subject";
/// With characters that a URL cannot carry as they are.
pub const PASSWORD: &str = "p@ss/word";

/// Starts what its arguments say and ends it with its own standard input: with this process, however that ends.
const WATCHER: &str = r#""$@" & server=$!; read -r _; kill -KILL "$server"; wait "$server""#;

const START_LIMIT: Duration = Duration::from_secs(10);

/// By which ways clients reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    UdpAndTcp,
    /// As behind a firewall that lets no UDP through.
    TcpOnly,
    /// `turns:` alone.
    TlsOnly,
}

/// A running server; it ends when this is dropped.
pub struct TurnServer {
    child: Child,
    port: u16,
    tls_port: u16,
    log: Arc<Mutex<String>>,
    certificates: Certificates,
    _folder: Scratch,
}

impl TurnServer {
    /// Returns when it listens. It relays to loopback, from `RELAY_ADDRESS`.
    pub async fn start(access: Access) -> Self {
        let (port, tls_port) = (free_port(), free_port());
        let folder = Scratch::new(&format!("turn-{port}"));
        let certificates = Certificates::write(&folder.0);
        let mut command = Command::new("sh");
        command.args(["-c", WATCHER, "sh", "turnserver"]);
        // no configuration file, no database but an empty one here, no command line over TCP
        command.args(["-n", "--no-cli", "--log-file=stdout", "--simple-log", "--verbose", "--no-dtls"]);
        command.arg(format!("--userdb={}", folder.0.join("users.db").display()));
        command.arg(format!("--pidfile={}", folder.0.join("turnserver.pid").display()));
        command.args(["--listening-ip=127.0.0.1", "--allow-loopback-peers", "--lt-cred-mech", "--realm=test"]);
        command.arg(format!("--relay-ip={RELAY_ADDRESS}"));
        command.arg(format!("--user={USERNAME}:{PASSWORD}"));
        command.args([format!("--listening-port={port}"), format!("--tls-listening-port={tls_port}")]);
        command.arg(format!("--cert={}", certificates.certificate.display()));
        command.arg(format!("--pkey={}", certificates.key.display()));
        let ready = match access {
            Access::UdpAndTcp => "UDP listener opened",
            Access::TcpOnly => {
                command.arg("--no-udp");
                "TLS/TCP listener opened"
            }
            Access::TlsOnly => {
                command.args(["--no-udp", "--no-tcp"]);
                "TLS listener opened"
            }
        };
        command.current_dir(&folder.0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let collected = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                collected.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        let server = Self { child, port, tls_port, log, certificates, _folder: folder };
        let end = Instant::now() + START_LIMIT;
        while !server.log().contains(ready) {
            assert!(Instant::now() < end, "turnserver (Debian package coturn) did not start:\n{}", server.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    /// `host:port` for `turn:`, over UDP or TCP.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `host:port` for `turns:`.
    pub fn tls_address(&self) -> String {
        format!("127.0.0.1:{}", self.tls_port)
    }

    /// As a mediasoup server hands it out; `transport` is `udp`, `tcp` or `tls`.
    pub fn ice_servers(&self, transport: &str) -> Value {
        let url = match transport {
            "tls" => format!("turns:{}?transport=tcp", self.tls_address()),
            _ => format!("turn:{}?transport={transport}", self.address()),
        };
        json!([{"urls": url, "username": USERNAME, "credential": PASSWORD}])
    }

    /// What vouches for `turns:`.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Everything that it has said.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for TurnServer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A port that neither UDP nor TCP uses at the moment.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

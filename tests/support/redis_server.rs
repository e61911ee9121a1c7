//! A real Redis on loopback: Debian's redis-server.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::FromRedisValue;

use super::assets::Scratch;
use super::certificates::Certificates;

/// With characters that a URL cannot carry as they are.
pub const PASSWORD: &str = "p@ss/word";
const PASSWORD_IN_URL: &str = "p%40ss%2Fword";

/// Starts what its arguments say and ends it with its own standard input: with this process, however that ends.
const WATCHER: &str = r#""$@" & server=$!; read -r _; kill -KILL "$server"; wait "$server""#;

const LIMIT: Duration = Duration::from_secs(10);

/// A server that keeps what it is told in a folder of its own; it ends when this is dropped.
pub struct RedisServer {
    child: Option<Child>,
    port: u16,
    tls: Option<Tls>,
    folder: Scratch,
}

/// A second port, with TLS.
struct Tls {
    port: u16,
    certificates: Certificates,
    asks_clients: bool,
}

/// One that nobody has at the moment.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

impl RedisServer {
    /// Returns when it answers.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// With a port for TLS as well, which may want a certificate of clients, as Redis does by default.
    pub async fn start_with_tls(certificates: Certificates, asks_clients: bool) -> Self {
        Self::start_with(Some(Tls { port: free_port(), certificates, asks_clients })).await
    }

    async fn start_with(tls: Option<Tls>) -> Self {
        let port = free_port();
        let mut server = Self { child: None, port, tls, folder: Scratch::new(&format!("redis-{port}")) };
        server.start_again().await;
        server
    }

    /// Ends it as a power failure would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }

    /// With what it had when it was killed. Returns when it answers.
    pub async fn start_again(&mut self) {
        let mut command = Command::new("sh");
        command.args(["-c", WATCHER, "sh", "redis-server", "--bind", "127.0.0.1", "127.0.0.2"]);
        command.args(["--port", &self.port.to_string()]);
        // every second, a busy disk would lose what was confirmed before a kill
        command.args(["--appendfsync", "always"]);
        command.args(["--appendonly", "yes", "--save", "", "--requirepass", PASSWORD, "--dir"]).arg(&self.folder.0);
        if let Some(Tls { port, certificates, asks_clients }) = &self.tls {
            let Certificates { authority, certificate, key } = certificates;
            command.args(["--tls-port", &port.to_string()]);
            command.args(["--tls-auth-clients", if *asks_clients { "yes" } else { "no" }]);
            command.arg("--tls-ca-cert-file").arg(authority).arg("--tls-cert-file").arg(certificate);
            command.arg("--tls-key-file").arg(key);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        let end = Instant::now() + LIMIT;
        while self.ask::<String>(&["PING"]).await.is_err() {
            assert!(Instant::now() < end, "redis-server (Debian package redis-server) does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A connection string, with the password.
    pub fn url(&self) -> String {
        format!("redis://:{PASSWORD_IN_URL}@127.0.0.1:{}", self.port)
    }

    /// The same for the port with TLS, under one of the server's names.
    pub fn tls_url(&self, host: &str) -> String {
        format!("rediss://:{PASSWORD_IN_URL}@{host}:{}", self.tls.as_ref().unwrap().port)
    }

    /// What it says to a command.
    pub async fn ask<T: FromRedisValue>(&self, command: &[&str]) -> redis::RedisResult<T> {
        let mut connection = redis::Client::open(self.url())?.get_multiplexed_async_connection().await?;
        redis::cmd(command[0]).arg(&command[1..]).query_async(&mut connection).await
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

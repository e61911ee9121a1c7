//! The service as a process of its own, so that what it holds and what it logs is its own.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a test passes on of its own environment: what the developer's shell says must not decide a test.
const PASSED_ON: [&str; 9] = [
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "VISION_MODELS_DIR",
    "XDG_CACHE_HOME",
    // For looking into a failure.
    "GST_DEBUG",
    "GST_TRACERS",
    "MALLOC_ARENA_MAX",
];

/// The program under test.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vision-service"));
    command.env_clear().envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
    command
}

/// A running `vision-service serve`.
pub struct ServiceProcess {
    child: Child,
    pub port: u16,
    log: Arc<Mutex<String>>,
}

impl ServiceProcess {
    /// Starts it on a free port of loopback.
    pub fn start(settings: &[(&str, &str)], env: &[(&str, &str)]) -> Self {
        let mut command = program();
        command.args(["serve", "--set", "http.host=127.0.0.1", "--set", "http.port=0"]);
        for (key, value) in settings {
            command.args(["--set", &format!("{key}={value}")]);
        }
        command.envs(env.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        // From here on dropping it ends it.
        let mut service = Self { child, port: 0, log };
        collect(service.child.stderr.take().unwrap(), service.log.clone());
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let port = service
                .log()
                .lines()
                .find_map(|l| l.split_once("listening on http://127.0.0.1:")?.1.trim().parse().ok());
            if let Some(port) = port {
                service.port = port;
                return service;
            }
            assert!(Instant::now() < end, "the service did not start: {}", service.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Threads, open files and resident kilobytes.
    pub fn holdings(&self) -> (usize, usize, usize) {
        let proc = format!("/proc/{}", self.child.id());
        let count = |folder: &str| std::fs::read_dir(format!("{proc}/{folder}")).unwrap().count();
        let status = std::fs::read_to_string(format!("{proc}/status")).unwrap();
        let rss =
            status.lines().find_map(|l| l.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok()).unwrap();
        (count("task"), count("fd"), rss)
    }

    /// SIGTERM; waits for the end and answers whether it was a clean one, and how long it took.
    pub fn terminate(&mut self) -> (bool, Duration) {
        let begun = Instant::now();
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        while begun.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.success(), begun.elapsed());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the service does not stop")
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Another command of the program, at work.
pub struct Running {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Running {
    /// Starts a command whose standard error is piped.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        collect(child.stderr.take().unwrap(), log.clone());
        Self { child, log }
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// SIGKILL: it cannot do anything about it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; does not wait.
    pub fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Whether it has ended, and if so, whether well.
    pub fn ended(&mut self) -> Option<bool> {
        self.child.try_wait().unwrap().map(|status| status.success())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stream: ChildStderr, log: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            log.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
        let _ = reader.read_to_end(&mut line);
    });
}

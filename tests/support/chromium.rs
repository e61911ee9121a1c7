//! A real browser: Debian's Chromium, headless, with a clip as its camera, driven over its DevTools protocol.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// A browser with one page.
pub struct Chromium {
    child: Child,
    profile: PathBuf,
    socket: Socket,
    next_id: u64,
}

/// How the browser starts.
pub struct Launch<'a> {
    /// MJPEG file that plays as the camera.
    pub camera: Option<&'a Path>,
    /// Window in CSS pixels.
    pub window: (u32, u32),
    /// Deny the camera.
    pub deny_camera: bool,
}

impl Chromium {
    /// Starts the browser on an empty page.
    pub async fn launch(options: Launch<'_>) -> Self {
        let profile = std::env::temp_dir().join(format!("vision-chromium-{}-{}", std::process::id(), unique()));
        std::fs::create_dir_all(&profile).unwrap();
        let mut command = Command::new("chromium");
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--autoplay-policy=no-user-gesture-required",
            "--allow-loopback-in-peer-connection",
            "--ignore-certificate-errors",
            "--use-fake-device-for-media-stream=fps=30",
            "--remote-debugging-port=0",
        ]);
        command.arg(format!("--window-size={},{}", options.window.0, options.window.1));
        command.arg(format!("--user-data-dir={}", profile.display()));
        if options.deny_camera {
            command.arg("--deny-permission-prompts");
        } else {
            command.arg("--use-fake-ui-for-media-stream");
        }
        if let Some(camera) = options.camera {
            command.arg(format!("--use-file-for-fake-video-capture={}", camera.display()));
        }
        command.arg("about:blank").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("chromium starts (Debian package chromium)");
        let socket = connect(&profile).await;
        Self { child, profile, socket, next_id: 0 }
    }

    /// Sends a DevTools command and waits for its result; events in between are dropped.
    pub async fn command(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        let text = json!({"id": id, "method": method, "params": params}).to_string();
        self.socket.send(Message::text(text)).await.unwrap();
        let answer = async {
            while let Some(message) = self.socket.next().await {
                let Message::Text(text) = message.unwrap() else { continue };
                let value: Value = serde_json::from_str(&text).unwrap();
                if value["id"] == id {
                    assert!(value.get("error").is_none(), "{method}: {}", value["error"]);
                    return value["result"].clone();
                }
            }
            panic!("the browser closed the connection during {method}")
        };
        tokio::time::timeout(Duration::from_secs(30), answer).await.unwrap_or_else(|_| panic!("{method} took too long"))
    }

    /// Opens a page and waits until it is loaded.
    pub async fn open(&mut self, url: &str) {
        self.command("Page.enable", json!({})).await;
        self.command("Page.navigate", json!({"url": url})).await;
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'", Duration::from_secs(20))
            .await;
    }

    /// The value of a JavaScript expression; promises are awaited.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let result = self.command("Runtime.evaluate", params).await;
        assert!(result.get("exceptionDetails").is_none(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub async fn wait_for(&mut self, expression: &str, limit: Duration) {
        let end = Instant::now() + limit;
        while self.evaluate(&format!("!!({expression})")).await != true {
            if Instant::now() > end {
                let text = self.evaluate("document.body ? document.body.innerText : ''").await;
                panic!("waited in vain for {expression}; the page says: {text}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The page as PNG.
    pub async fn screenshot(&mut self) -> Vec<u8> {
        let result = self.command("Page.captureScreenshot", json!({"format": "png"})).await;
        base64::engine::general_purpose::STANDARD.decode(result["data"].as_str().unwrap()).unwrap()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// The page's socket: the browser writes its port into a file of the profile, and lists its pages over HTTP.
async fn connect(profile: &Path) -> Socket {
    vision_service::outbound::install_crypto_provider();
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        assert!(Instant::now() < end, "chromium did not open its DevTools port");
        tokio::time::sleep(Duration::from_millis(100)).await;
        let Ok(text) = std::fs::read_to_string(profile.join("DevToolsActivePort")) else { continue };
        let Some(port) = text.lines().next().and_then(|l| l.parse::<u16>().ok()) else { continue };
        let Ok(response) = reqwest::get(format!("http://127.0.0.1:{port}/json/list")).await else { continue };
        let Ok(pages) = response.json::<Value>().await else { continue };
        let page = pages.as_array().and_then(|l| l.iter().find(|p| p["type"] == "page"));
        let Some(url) = page.and_then(|p| p["webSocketDebuggerUrl"].as_str()) else { continue };
        return tokio_tungstenite::connect_async(url).await.unwrap().0;
    }
}

fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A clip as the MJPEG file that Chromium takes as a camera.
pub fn camera_file(clip: &Path, folder: &Path) -> PathBuf {
    let file = folder.join(format!("{}.mjpeg", clip.file_stem().unwrap().to_string_lossy()));
    let made = Command::new("ffmpeg")
        .args(["-y", "-loglevel", "error", "-i"])
        .arg(clip)
        .args(["-vf", "scale=640:480:force_original_aspect_ratio=decrease,pad=640:480:(ow-iw)/2:(oh-ih)/2,fps=30"])
        .args(["-q:v", "4", "-an", "-f", "mjpeg"])
        .arg(&file)
        .status();
    assert!(made.expect("ffmpeg runs (Debian package ffmpeg)").success());
    file
}

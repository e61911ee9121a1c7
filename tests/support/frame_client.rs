//! A client of the frame door that holds every message, of either side, against the schema.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message, client::IntoClientRequest as _};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::assets::Scratch;

/// Every wait of a client.
const LIMIT: Duration = Duration::from_secs(30);

pub struct FrameClient {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    schema: Schema,
}

/// What the service said last.
#[derive(Debug)]
pub enum Said {
    Message(Value),
    Closed(Option<u16>),
}

struct Schema {
    schemas: boon::Schemas,
    client: boon::SchemaIndex,
    server: boon::SchemaIndex,
}

impl Schema {
    fn new() -> Self {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/schemas/frame-protocol.json"));
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.add_resource("file:///p.json", serde_json::from_str(text).unwrap()).unwrap();
        let mut of = |name: &str| compiler.compile(&format!("file:///p.json#/$defs/{name}"), &mut schemas).unwrap();
        let (client, server) = (of("client"), of("server"));
        Self { schemas, client, server }
    }

    fn check(&self, index: boon::SchemaIndex, message: &Value) {
        if let Err(error) = self.schemas.validate(message, index) {
            panic!("not as in the schema: {message}\n{error:#}");
        }
    }
}

impl FrameClient {
    /// Opens the WebSocket, with these headers.
    pub async fn open(port: u16, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let mut request = format!("ws://127.0.0.1:{port}/ws").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Self { socket, schema: Schema::new() })
    }

    /// Begins a session, or goes on with one; its id, and the whole welcome.
    pub async fn connect(port: u16, session: Option<&str>) -> (Self, String, Value) {
        let mut client = Self::open(port, &[]).await.unwrap();
        let mut connect = json!({ "type": "connect" });
        if let Some(session) = session {
            connect["sessionId"] = json!(session);
        }
        client.say(&connect).await;
        let welcome = client.message().await;
        assert_eq!(welcome["type"], "session", "{welcome}");
        let id = welcome["sessionId"].as_str().unwrap().to_owned();
        (client, id, welcome)
    }

    pub async fn say(&mut self, message: &Value) {
        self.schema.check(self.schema.client, message);
        self.say_raw(message.to_string()).await;
    }

    pub async fn say_raw(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    pub async fn show(&mut self, picture: &Bytes) {
        self.socket.send(Message::Binary(picture.clone())).await.unwrap();
    }

    /// What comes next besides pings.
    pub async fn hear(&mut self) -> Said {
        let next = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let message: Value = serde_json::from_str(&text).unwrap();
                        self.schema.check(self.schema.server, &message);
                        return Said::Message(message);
                    }
                    Some(Ok(Message::Close(frame))) => {
                        // the answer goes out with what is read next
                        while let Some(Ok(_)) = self.socket.next().await {}
                        return Said::Closed(frame.map(|frame| frame.code.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Said::Closed(None),
                }
            }
        };
        tokio::time::timeout(LIMIT, next).await.expect("the service says something")
    }

    pub async fn message(&mut self) -> Value {
        match self.hear().await {
            Said::Message(message) => message,
            closed => panic!("a message was expected, not {closed:?}"),
        }
    }

    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            if let Said::Closed(code) = self.hear().await {
                return code;
            }
        }
    }

    /// Shows pictures one after the other, each when the one before was answered; the answers and the result, if there was
    /// one.
    pub async fn show_all(&mut self, pictures: &[Bytes]) -> (Vec<Value>, Option<Value>) {
        let mut answers = Vec::new();
        for picture in pictures {
            self.show(picture).await;
            let answer = self.message().await;
            assert_eq!(answer["type"], "frame", "{answer}");
            let is_ok = answer["isOk"] == true;
            answers.push(answer);
            // the result comes with the answer that decides; only a content one is sure to
            if is_ok {
                return (answers, Some(self.message().await));
            }
        }
        (answers, None)
    }

    /// Drops the connection without a word.
    pub async fn vanish(self) {
        drop(self.socket);
    }
}

/// Frames of a clip as JPEG files: `rate` a second from `from` on, at most `count`.
pub fn frames_of(clip: &Path, from: f32, rate: u32, count: usize) -> Vec<Bytes> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let scratch = Scratch::new(&format!("frames-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
    let status = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-y", "-ss", &from.to_string(), "-i"])
        .arg(clip)
        .args(["-r", &rate.to_string(), "-frames:v", &count.to_string(), "-q:v", "3"])
        .arg(scratch.0.join("%04d.jpg"))
        .status()
        .expect("ffmpeg runs (Debian package ffmpeg)");
    assert!(status.success());
    let mut files: Vec<_> = std::fs::read_dir(&scratch.0).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().map(|file| std::fs::read(file).unwrap().into()).collect()
}

//! A stand-in for the frame door: a WebSocket that does as it is told, and keeps what it hears.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use vision_service::http::pages;
use vision_service::http::serve::{Server, serve_plain};
use warp::Filter;
use warp::ws::{Message, WebSocket};

/// How long things may take.
pub const LIMIT: Duration = Duration::from_secs(20);
/// The id of a session.
pub const SESSION: &str = "00112233445566778899aabbccddeeff";
/// The token of every result.
pub const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.e30.secret-of-the-subject";

/// What the stand-in does with a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Nothing.
    Nothing,
    /// Says so.
    Answer(Value),
    /// Says so and closes with this code.
    End(Value, u16),
    /// Closes with this code; 1006 is a connection that breaks.
    Close(u16),
}

#[derive(Default)]
pub struct Heard {
    pub texts: Vec<Value>,
    /// Width, height and bytes of pictures.
    pub frames: Vec<(u32, u32, usize)>,
    /// Of the last one: pixels with an edge in the left and the right half of its upper border, without the corners.
    pub edges: (usize, usize),
}

/// The stand-in: every frame of every connection meets with the deed of the moment; a close happens once.
#[derive(Clone)]
pub struct Door {
    deed: Arc<Mutex<Deed>>,
    pub heard: Arc<Mutex<Heard>>,
    limits: Value,
    /// The id of the session that it knows.
    pub session: Arc<Mutex<&'static str>>,
}

impl Door {
    pub fn new(limits: Value) -> Self {
        Self {
            deed: Arc::new(Mutex::new(Deed::Nothing)),
            heard: Arc::default(),
            limits,
            session: Arc::new(Mutex::new(SESSION)),
        }
    }

    pub fn errors(&self, errors: &[u16]) {
        self.does(Deed::Answer(json!({"type": "frame", "isOk": errors.is_empty(), "errors": errors, "details": {}})));
    }

    pub fn does(&self, deed: Deed) {
        *self.deed.lock().unwrap() = deed;
    }

    pub fn connects(&self) -> Vec<Value> {
        self.heard.lock().unwrap().texts.iter().filter(|text| text["type"] == "connect").cloned().collect()
    }

    pub fn last_frame(&self) -> (u32, u32, usize) {
        *self.heard.lock().unwrap().frames.last().unwrap()
    }

    pub async fn until(&self, what: &str, done: impl Fn(&Heard) -> bool) {
        let end = tokio::time::Instant::now() + LIMIT;
        while !done(&self.heard.lock().unwrap()) {
            if tokio::time::Instant::now() >= end {
                let Heard { texts, frames, .. } = &*self.heard.lock().unwrap();
                let last = &texts[texts.len().saturating_sub(5)..];
                panic!("waited in vain for {what}; after {} frames the last that was said is {last:?}", frames.len());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn serve(&self) -> Server {
        let door = self.clone();
        let socket = warp::path!("ws").and(warp::ws()).map(move |ws: warp::ws::Ws| {
            let door = door.clone();
            ws.on_upgrade(move |socket| async move { drop(door.play(socket).await) })
        });
        // A page of nobody's, to put the built-in one into.
        let opener = warp::path!("opener").map(|| warp::reply::html("<!doctype html><p>opener</p>"));
        serve_plain(pages::filter(None, false, true).or(socket).or(opener), ([127, 0, 0, 1], 0).into()).await.unwrap()
    }

    fn note(&self, file: &[u8]) {
        let picture = image::load_from_memory_with_format(file, image::ImageFormat::Jpeg).unwrap();
        let mut heard = self.heard.lock().unwrap();
        heard.frames.push((picture.width(), picture.height(), file.len()));
        heard.edges = edges(&picture.to_luma8());
    }

    /// Hears all that was said, though who said it is gone and gets no answer any more.
    async fn play(&self, mut socket: WebSocket) -> Result<(), warp::Error> {
        let mut number = 0;
        while let Some(message) = socket.next().await {
            let message = message?;
            if let Ok(text) = message.to_str() {
                let text: Value = serde_json::from_str(text).unwrap();
                let session = *self.session.lock().unwrap();
                let answer = match text["type"].as_str().unwrap() {
                    "connect" => Some(json!({
                        "type": "session",
                        "sessionId": session,
                        "resumed": text["sessionId"] == session,
                        "heartbeatInterval": 1,
                        "limits": self.limits,
                    })),
                    "heartbeat" => Some(json!({"type": "heartbeat"})),
                    _ => None,
                };
                self.heard.lock().unwrap().texts.push(text);
                if let Some(answer) = answer {
                    let _ = socket.send(Message::text(answer.to_string())).await;
                }
            } else if message.is_binary() {
                self.note(message.as_bytes());
                number += 1;
                let deed = self.deed.lock().unwrap().clone();
                if !matches!(deed, Deed::Answer(_)) {
                    self.does(Deed::Nothing);
                }
                match deed {
                    Deed::Nothing => {}
                    Deed::Answer(mut answer) => {
                        answer["frame"] = json!(number);
                        answer["skipped"] = json!(0);
                        let _ = socket.send(Message::text(answer.to_string())).await;
                    }
                    Deed::End(answer, code) => {
                        socket.send(Message::text(answer.to_string())).await?;
                        return close(socket, code).await;
                    }
                    Deed::Close(1006) => return Ok(()),
                    Deed::Close(code) => return close(socket, code).await,
                }
            }
        }
        Ok(())
    }
}

/// Closes as a service does: a connection that ended with frames in it unread would take the code with it.
async fn close(mut socket: WebSocket, code: u16) -> Result<(), warp::Error> {
    socket.send(Message::close_with(code, "")).await?;
    while socket.next().await.is_some_and(|message| message.is_ok()) {}
    Ok(())
}

fn edges(picture: &image::GrayImage) -> (usize, usize) {
    let (width, height) = picture.dimensions();
    let count = |from: u32, to: u32| {
        let pixels = (height / 100..height / 12).flat_map(|y| (from..to).map(move |x| (x, y)));
        pixels.filter(|&(x, y)| picture.get_pixel(x, y)[0].abs_diff(picture.get_pixel(x + 1, y)[0]) > 12).count()
    };
    (count(width * 8 / 100, width * 45 / 100), count(width * 55 / 100, width * 92 / 100))
}

pub fn limits() -> Value {
    json!({"maxBytes": 1 << 20, "maxPixels": 2_000_000, "maxRate": 20})
}

pub fn result(is_ok: bool, errors: &[u16]) -> Deed {
    Deed::End(json!({"type": "result", "isOk": is_ok, "errors": errors, "jwt": TOKEN}), 4000)
}

//! Where flows meet their subjects: in built-in rooms, or in rooms of a mediasoup server of the tests
//! (`make setup-test`).

#[allow(dead_code, missing_docs, clippy::unwrap_used)]
#[path = "../../tests/support/room_server.rs"]
mod room_server;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use room_server::{RoomServer, RoomServerOptions};
use serde_json::{Value, json};
use vision_core::picture::PictureView;
use vision_service::media::Frame;
use vision_service::subject::camera::Source;
use vision_service::subject::{GstSubject, RoomKind, SubjectOptions};

/// Calls whose beginnings are timed.
const CALLS: usize = 5;
const LIMIT: Duration = Duration::from_secs(20);

/// A kind of room.
pub enum Rooms {
    /// Built into the service at this port.
    Direct(u16),
    /// On a server.
    Mediasoup(RoomServer),
}

impl Rooms {
    pub async fn open(name: &str, port: u16) -> anyhow::Result<Self> {
        match name {
            "direct" => Ok(Self::Direct(port)),
            "mediasoup" => Ok(Self::Mediasoup(RoomServer::start(RoomServerOptions::default()).await)),
            _ => anyhow::bail!("--room is direct or mediasoup"),
        }
    }

    /// `ws_url` of a room.
    pub fn ws_url(&self, room: &str) -> String {
        match self {
            Self::Direct(_) => format!("direct:{room}"),
            Self::Mediasoup(server) => server.url(room, "vision"),
        }
    }

    /// Somebody in it.
    pub fn subject(&self, room: &str, source: Source) -> SubjectOptions {
        match self {
            Self::Direct(port) => SubjectOptions::new(format!("ws://127.0.0.1:{port}/call/{room}/ws"), source),
            Self::Mediasoup(server) => {
                SubjectOptions { room: RoomKind::Mediasoup, ..SubjectOptions::new(server.url(room, "subject"), source) }
            }
        }
    }
}

/// `POST /join-call` at `service`; answers the flow's id.
pub async fn join_call(service: &str, ws_url: &str, token: &str) -> anyhow::Result<String> {
    let body = json!({"ws_url": ws_url, "callback_base_url": "http://127.0.0.1:9", "token": token});
    let request = reqwest::Client::new().post(format!("{service}/join-call")).json(&body);
    let answer: Value = request.send().await?.json().await?;
    Ok(answer["flow_id"].as_str().unwrap_or_default().to_owned())
}

/// Prints how long it takes from `/join-call` until the service has a frame of a subject who waits in the room, until
/// the server has a packet of the service, and until that subject sees words.
pub async fn print_beginnings(server: &RoomServer, service: &str) -> anyhow::Result<()> {
    let mut all: [Vec<u128>; 3] = Default::default();
    for n in 0..CALLS {
        for (times, time) in all.iter_mut().zip(beginning(server, service, &format!("begin-{n}")).await?) {
            times.push(time.as_millis());
        }
    }
    println!("\n| from /join-call to | median of {CALLS} | worst |\n|---|---|---|");
    for (what, mut times) in ["first frame in", "first packet out", "first words seen"].into_iter().zip(all) {
        times.sort_unstable();
        println!("| {what} | {} ms | {} ms |", times[CALLS / 2], times[CALLS - 1]);
    }
    Ok(())
}

async fn beginning(server: &RoomServer, service: &str, room: &str) -> anyhow::Result<[Duration; 3]> {
    let words = Arc::new(OnceLock::new());
    let seen = words.clone();
    // letters are the only bright thing in a picture of darkness
    let dark = Source::Launch("videotestsrc is-live=true pattern=black".into());
    let mut options = SubjectOptions::new(server.url(room, "subject"), dark);
    options.room = RoomKind::Mediasoup;
    options.size = Some((640, 480));
    options.on_frame = Some(Arc::new(move |frame: Frame| {
        if seen.get().is_none() && has_letters(&frame) {
            let _ = seen.set(Instant::now());
        }
    }));
    let subject = GstSubject::join(options).await?;
    server.wait_for(room, "subject", LIMIT, |peer| packets(peer) > 0).await;
    tokio::time::sleep(Duration::from_secs(1)).await;

    let begun = Instant::now();
    let flow = join_call(service, &server.url(room, "vision"), room).await?;
    let mut first_packet = None;
    let first_words = loop {
        if first_packet.is_none() && packets(&server.peer(room, "vision").await) > 0 {
            first_packet = Some(begun.elapsed());
        }
        if let (Some(words), true) = (words.get(), first_packet.is_some()) {
            break words.duration_since(begun);
        }
        anyhow::ensure!(begun.elapsed() < LIMIT, "no words are seen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    // words may be there before the subject's video is
    let first_frame = loop {
        let status: Value = reqwest::get(format!("{service}/flows/{flow}")).await?.json().await?;
        if let Some(ms) = status["timings"]["media_started_ms"].as_u64() {
            break ms;
        }
        anyhow::ensure!(begun.elapsed() < LIMIT, "no frame comes: {status}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    subject.leave().await;
    Ok([Duration::from_millis(first_frame), first_packet.unwrap_or_default(), first_words])
}

/// How many the peer has sent.
fn packets(peer: &Value) -> u64 {
    peer["producers"][0]["stats"][0]["packetCount"].as_u64().unwrap_or_default()
}

fn has_letters(frame: &Frame) -> bool {
    let PictureView::I420(view) = frame.picture.view() else { return false };
    let rows = view.y.chunks(view.y_stride).take(view.height);
    rows.flat_map(|row| &row[..view.width]).filter(|luma| **luma > 180).count() > 100
}

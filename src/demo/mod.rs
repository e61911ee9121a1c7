//! `vision-service demo`: one complete verification with nothing but this program.
//!
//! The service, the controller of the walk-through, and a simulated subject that sends real WebRTC video: an animated
//! portrait of the picture that the controller lends as the reference. Such a subject is a presentation attack by
//! construction; it passes because the checks that see through it are not enforced by default, and `frozen_stream`, which is, only
//! observes here. `LIVENESS_PROFILE=strict` refuses it.
//!
//! | file | what |
//! |---|---|
//! | `actor` | the subject: a portrait that does what it is asked to |
//! | `album` | what the subject saw, step by step, on one sheet |

mod actor;
mod album;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::oneshot;
use vision_core::liveness::{Check, Mode};

use crate::app::{AppError, Application};
use crate::config::{Config, Http};
use crate::controller::server::{ControllerServer, ControllerServerError};
use crate::subject::RoomKind;
use actor::{Actor, ActorError};
use album::{Album, AlbumError};

/// The subject's picture and the reference; public domain, see `assets/demo/README.md`.
const PICTURE: &[u8] = include_bytes!("../../assets/demo/astronaut.png");
/// Its name in the controller's folder, and so the flow's token.
const TOKEN: &str = "astronaut.png";
/// The built-in room.
const ROOM: &str = "demo";
/// How often the flow is asked where it stands.
const POLL: Duration = Duration::from_millis(100);

/// Why the demo cannot run.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each wraps the error of the part that it names
pub enum DemoError {
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Actor(#[from] ActorError),
    #[error(transparent)]
    Controller(#[from] ControllerServerError),
    #[error(transparent)]
    Album(#[from] AlbumError),
    #[error("cannot write into {0}: {1}")]
    Folder(PathBuf, std::io::Error),
    #[error("the service does not answer: {0}")]
    Service(#[from] reqwest::Error),
    #[error("the service did not accept the call: {0}")]
    Refused(Value),
}

/// Where service and subject meet.
struct Meeting {
    /// For `/join-call`.
    ws_url: String,
    /// For the subject.
    subject: String,
    kind: RoomKind,
}

impl Meeting {
    /// In the built-in room of the service at `base`, or in a room on a mediasoup server.
    fn at(base: &str, room: Option<url::Url>) -> Self {
        match room {
            None => Self {
                ws_url: format!("direct:{ROOM}"),
                subject: format!("{}/call/{ROOM}/ws", base.replace("http", "ws")),
                kind: RoomKind::Direct,
            },
            Some(room) => {
                let peer = |id: &str| {
                    let mut url = room.clone();
                    url.query_pairs_mut().append_pair("peerId", id);
                    url.to_string()
                };
                Self { ws_url: peer("vision-service"), subject: peer("subject"), kind: RoomKind::Mediasoup }
            }
        }
    }
}

/// Runs it; exit code 0 when the subject was verified. `out` is where the contact sheet goes, `room` a room on a mediasoup
/// server in place of the built-in one.
pub async fn run(config: Config, out: &Path, room: Option<url::Url>) -> Result<ExitCode, DemoError> {
    let begun = Instant::now();
    let references = out.join("reference");
    let folder = |e| DemoError::Folder(out.to_owned(), e);
    std::fs::create_dir_all(&references).map_err(folder)?;
    std::fs::write(references.join(TOKEN), PICTURE).map_err(folder)?;

    say("loading the networks");
    let app = Application::build(demo_config(config)).await?;
    let base = format!("http://127.0.0.1:{}", app.port());
    let engine = app.services().engine.clone();
    let playable = app.services().challenges.gestures().iter().map(|g| g.id.clone()).collect::<Vec<_>>();
    let (stop, stopped) = oneshot::channel::<()>();
    let service = tokio::spawn(app.run_until_stopped(async move { drop(stopped.await) }));
    say(&format!("service at {base}, gestures {}", playable.join(", ")));

    let loopback = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let controller = ControllerServer::bind(loopback, &references, None, |verdict, token, _| {
        say(&format!("the controller hears {verdict:?} for {token}"));
    })
    .await?;

    say("the controller posts /join-call");
    let meeting = Meeting::at(&base, room);
    let flow = join_call(&base, &meeting.ws_url, controller.port()).await?;
    say("the subject, an animated portrait, opens the call");
    let album = Album::default();
    let actor = Actor::join(&meeting.subject, meeting.kind, PICTURE, engine, album.sink()).await?;

    let status = follow(&base, &flow, &actor, &album).await?;
    actor.leave().await;
    controller.stop().await;
    let _ = stop.send(());
    let _ = service.await;

    let sheet = out.join("contact-sheet.png");
    let verified = status["outcome"] == "verified";
    let title = format!("vision-service demo: {}", outcome_text(&status));
    album.write(&sheet, &title)?;
    print_times(&status);
    println!("\noutcome: {}", outcome_text(&status));
    println!("what the subject saw: {}", sheet.display());
    println!("the whole demo took {:.1} s", begun.elapsed().as_secs_f32());
    println!("\nWith a webcam: `make run`, then open http://localhost:5000/demo");
    Ok(if verified { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The configuration as the operator gave it, on loopback, asking only for what a portrait can do.
fn demo_config(mut config: Config) -> Config {
    config.http = Http {
        host: [127, 0, 0, 1].into(),
        port: 0,
        certificate: None,
        https_port: None,
        api_token: None,
        demo: false,
    };
    config.notices.clear();
    // Between its gestures a portrait stands still.
    config.liveness.modes = config.liveness.modes.with(Check::FrozenStream, Mode::Observe);
    say("the subject is an animated picture, an attack: the check frozen_stream only observes");
    config.ice.loopback = true;
    let (able, unable): (Vec<_>, Vec<_>) =
        config.challenge.gestures.into_iter().partition(|id| vision_core::portrait::Performance::gesture(id).is_some());
    if !unable.is_empty() {
        say(&format!("left out, because a portrait cannot do them: {}", unable.join(", ")));
    }
    config.challenge.count = config.challenge.count.min(able.len());
    config.challenge.gestures = able;
    config
}

async fn join_call(base: &str, ws_url: &str, controller: u16) -> Result<String, DemoError> {
    let body = json!({
        "ws_url": ws_url,
        "callback_base_url": format!("http://127.0.0.1:{controller}"),
        "token": TOKEN,
        "lang": "en",
    });
    let answer: Value =
        reqwest::Client::new().post(format!("{base}/join-call")).json(&body).send().await?.json().await?;
    match answer["flow_id"].as_str() {
        Some(id) => Ok(id.to_owned()),
        None => Err(DemoError::Refused(answer)),
    }
}

/// Watches the flow until its end; the actor is told what is asked, the album is told when something new is shown.
async fn follow(base: &str, flow: &str, actor: &Actor, album: &Album) -> Result<Value, DemoError> {
    let url = format!("{base}/flows/{flow}");
    let client = reqwest::Client::new();
    let mut shown = String::new();
    loop {
        let status: Value = client.get(&url).send().await?.json().await?;
        let now = step_name(&status);
        if now != shown {
            say(&now);
            actor.ask(status["gesture"].as_str());
            album.turn(&now);
            shown = now;
        }
        if status["state"] == "ended" {
            return Ok(status);
        }
        tokio::time::sleep(POLL).await;
    }
}

fn step_name(status: &Value) -> String {
    let state = status["state"].as_str().unwrap_or_default();
    match (status["gesture"].as_str(), state) {
        (Some(gesture), _) => format!("gesture {} of {}: {gesture}", status["step"], status["steps"]),
        (None, "reporting") => format!("decided: {}", outcome_text(status)),
        (None, state) => state.replace('_', " "),
    }
}

fn outcome_text(status: &Value) -> String {
    let outcome = status["outcome"].as_str().unwrap_or("no outcome");
    match status["reason"].as_str() {
        Some(reason) => format!("{outcome} ({reason})"),
        None => outcome.to_owned(),
    }
}

fn print_times(status: &Value) {
    println!("\nseconds after /join-call:");
    let timings = &status["timings"];
    let row = |what: &str, ms: &Value| {
        if let Some(ms) = ms.as_u64() {
            println!("  {:6.2}  {what}", ms as f64 / 1000.0);
        }
    };
    row("in the room", &timings["joined_ms"]);
    row("first video of the subject", &timings["media_started_ms"]);
    for gesture in timings["gestures"].as_array().into_iter().flatten() {
        let name = gesture["gesture"].as_str().unwrap_or_default();
        row(&format!("{name} asked"), &gesture["asked_ms"]);
        row(&format!("{name} completed"), &gesture["completed_ms"]);
    }
    row("decided", &timings["decided_ms"]);
    row("controller told", &timings["reported_ms"]);
    row("ended", &timings["ended_ms"]);
    if let Some(ms) = status["first_text_after_ms"].as_u64() {
        println!("  first words on the subject's screen {ms} ms after their first frame");
    }
}

fn say(what: &str) {
    println!("- {what}");
    let _ = std::io::stdout().flush();
}

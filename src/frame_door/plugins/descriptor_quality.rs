//! `Luna3DescriptorQualityCheck`: LUNA PLATFORM says how good the best frame is for matching, before a session succeeds.
//!
//! `POST {connectionString}/4/storage/descriptors?estimate_quality=1&extract_descriptor=0` of its version 3 (and of the
//! service Backport 3 of version 5) with the picture as the body; the answer has `faces[].quality`, 0..1. Nothing is
//! stored there, since no descriptor is asked for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use url::Url;
use vision_core::liveness::frame_checks::Code;
use vision_models::picture_file;

use super::{Configured, Opening, Plugin, Seen, Shared, Word};
use crate::frame_door::protocol::SessionId;
use crate::frame_door::settings::reader::Reader;
use crate::outbound::{self, ClientError, Redirects, read_body};
use crate::redact::address;

/// Limit of one question; the next frame asks again.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer that is read.
const MAX_ANSWER: u64 = 256 << 10;

/// `[MIDDLEWARES.WS.Luna3DescriptorQualityCheck]`.
#[derive(Debug)]
pub struct Settings {
    /// `args.connectionString`.
    pub address: String,
    /// `args.authToken`.
    pub token: SecretString,
    /// `args.descriptorQualityThreshold`, 0..1; none: whatever comes back is good enough.
    pub threshold: Option<f32>,
}

impl Configured for Settings {
    fn read(file: &mut Reader) -> Option<Self> {
        let args = file.plugin("WS", "Luna3DescriptorQualityCheck", false)?;
        Some(Self {
            address: file.get(&args, "connectionString").unwrap_or_else(|| "http://127.0.0.1:5000".into()),
            token: file.get::<String>(&args, "authToken").unwrap_or_default().into(),
            threshold: file.within(&args, "descriptorQualityThreshold", 0.0, 1.0),
        })
    }

    fn open(&self, _: &Shared) -> Opening {
        let client = Client::new(self)?;
        Ok(Some(Box::new(move |_: SessionId| DescriptorQualityCheck::new(client.clone()))))
    }
}

/// Why the platform cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientSetUpError {
    /// Not an address.
    #[error(
        "MIDDLEWARES.WS.Luna3DescriptorQualityCheck.args.connectionString has to be an http:// or https:// address: {0}"
    )]
    Address(String),
    /// No HTTP.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Why the platform gave no answer.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("no answer: {0}")]
    Http(String),
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("its answer has no faces[].quality")]
    Answer,
}

/// Asks the platform.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    url: Url,
    token: SecretString,
    threshold: f32,
}

#[derive(Deserialize)]
struct Answer {
    faces: Vec<Estimated>,
}

#[derive(Deserialize)]
struct Estimated {
    quality: Option<f32>,
}

impl Client {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientSetUpError`].
    pub fn new(settings: &Settings) -> Result<Self, ClientSetUpError> {
        let wrong = |reason: String| ClientSetUpError::Address(reason);
        let mut url = Url::parse(&settings.address).map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!("its scheme is {}", url.scheme())));
        }
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["4", "storage", "descriptors"]);
        }
        url.set_query(Some("estimate_quality=1&extract_descriptor=0"));
        let http = outbound::client(Redirects { limit: 0, see_other: false })?;
        let threshold = settings.threshold.unwrap_or(0.0);
        Ok(Self(Arc::new(Inner { http, url, token: settings.token.clone(), threshold })))
    }

    async fn ask(&self, file: Bytes) -> Result<f32, AskError> {
        let Inner { http, url, token, .. } = &*self.0;
        let (media_type, _) = picture_file::kind(&file);
        let failed = |error: reqwest::Error| AskError::Http(outbound::reason(&error));
        let request = http.post(url.clone()).header("Content-Type", media_type).timeout(TIMEOUT).body(file);
        let response = request.header("X-Auth-Token", token.expose_secret()).send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(AskError::Status(response.status().as_u16()));
        }
        let body = read_body(response, MAX_ANSWER).await.map_err(|error| AskError::Http(error.to_string()))?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| AskError::Answer)?;
        // nobody seen there is no quality at all
        match answer.faces.first() {
            None => Ok(0.0),
            Some(face) => face.quality.filter(|quality| quality.is_finite()).ok_or(AskError::Answer),
        }
    }
}

/// The plug-in.
pub struct DescriptorQualityCheck {
    client: Client,
    runtime: Handle,
    /// The picture that was asked about, and its quality.
    known: Option<(Bytes, f32)>,
}

impl DescriptorQualityCheck {
    /// Nothing asked yet. Within a tokio runtime.
    pub fn new(client: Client) -> Self {
        Self { client, runtime: Handle::current(), known: None }
    }
}

impl Plugin for DescriptorQualityCheck {
    fn frame(&mut self, seen: &Seen<'_>, so_far: Word) -> Word {
        if so_far != Word::Content {
            return so_far;
        }
        let picture = seen.best_shot.unwrap_or(seen.file);
        let known =
            self.known.as_ref().filter(|(file, _)| file.as_ptr() == picture.as_ptr()).map(|(_, quality)| *quality);
        let quality = match known.map_or_else(|| self.runtime.block_on(self.client.ask(picture.clone())), Ok) {
            Ok(quality) => quality,
            Err(error) => {
                tracing::warn!(%error, platform = address(&self.client.0.url), "the quality of the descriptor is not known");
                return Word::Wait(vec![super::CONTINUE]);
            }
        };
        self.known = Some((picture.clone(), quality));
        match quality >= self.client.0.threshold {
            true => so_far,
            false => Word::Wait(vec![Code::LowAgs.number()]),
        }
    }

    fn finding(&self) -> Option<(&'static str, Value)> {
        let quality = self.known.as_ref().map(|(_, quality)| quality);
        Some(("luna3DescriptorQualityCheck", json!({ "quality": quality })))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use warp::Filter as _;
    use warp::http::{Response, StatusCode};

    use super::super::testing::{Frames, passing};
    use super::*;
    use crate::http::serve::{Server, serve_plain};

    type Requests = Arc<Mutex<Vec<(String, String, usize)>>>;

    /// A stand-in for the platform: notes token, type and length, and answers.
    async fn platform(status: u16, answer: &'static str) -> (Server, Requests) {
        let requests = Requests::default();
        let note = requests.clone();
        let filter = warp::path!("luna" / "4" / "storage" / "descriptors")
            .and(warp::post())
            .and(warp::query::raw())
            .and(warp::header("X-Auth-Token"))
            .and(warp::header("Content-Type"))
            .and(warp::body::bytes())
            .map(move |query: String, token: String, kind: String, body: Bytes| {
                assert_eq!(query, "estimate_quality=1&extract_descriptor=0");
                note.lock().unwrap().push((token, kind, body.len()));
                Response::builder().status(StatusCode::from_u16(status).unwrap()).body(answer).unwrap()
            });
        (serve_plain(filter, ([127, 0, 0, 1], 0).into()).await.unwrap(), requests)
    }

    fn settings(port: u16, threshold: Option<f32>) -> Settings {
        Settings { address: format!("http://127.0.0.1:{port}/luna/"), token: "t".to_owned().into(), threshold }
    }

    /// What is said of two frames with the same best shot, on a thread that may wait.
    async fn asked(status: u16, answer: &'static str, threshold: Option<f32>) -> ([Vec<u16>; 2], Requests) {
        let (server, requests) = platform(status, answer).await;
        let mut plugin = DescriptorQualityCheck::new(Client::new(&settings(server.port(), threshold)).unwrap());
        let said = tokio::task::spawn_blocking(move || {
            let (frames, status, best) = (Frames::default(), passing(), Bytes::from_static(b"\x89PNG\r\n\x1a\n!"));
            [0, 1]
                .map(|_| plugin.frame(&Seen { best_shot: Some(&best), ..frames.seen(&status) }, Word::Content).errors())
        });
        (said.await.unwrap(), requests)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_best_shot_is_asked_about_once() {
        let good = r#"{"faces":[{"quality":0.8}],"exif":{}}"#;
        let (said, requests) = asked(201, good, Some(0.7)).await;
        assert_eq!(said, [const { Vec::<u16>::new() }; 2]);
        assert_eq!(*requests.lock().unwrap(), [("t".to_owned(), "image/png".to_owned(), 9)]);
        assert_eq!(asked(201, good, Some(0.9)).await.0, [[30], [30]]);
        assert_eq!(asked(201, r#"{"faces":[]}"#, Some(0.1)).await.0, [[30], [30]]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn without_an_answer_nobody_succeeds_and_the_next_frame_asks_again() {
        for (status, answer) in [(500, ""), (201, "{}"), (201, r#"{"faces":[{}]}"#), (401, "")] {
            let (said, requests) = asked(status, answer, None).await;
            assert_eq!((said, requests.lock().unwrap().len()), ([vec![37], vec![37]], 2), "{status} {answer}");
        }
    }

    #[tokio::test]
    async fn addresses_are_checked_at_start() {
        for wrong in ["127.0.0.1", "ftp://h"] {
            let settings = Settings { address: wrong.into(), ..settings(1, None) };
            assert!(Client::new(&settings).is_err(), "{wrong}");
        }
    }
}

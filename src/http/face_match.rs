//! `POST /face_match`: compares two images, in the original vision-matcher's format.
//!
//! `{"image1_url", "image2_url"}` with `data:` and `http(s):` URLs (and `file:`, where the operator allows it), each
//! with exactly one face. Answers: 200 `{"match", "distance", "requestId"}`, 400 for a request that is none, 413, 503
//! while there is no embedding network, 500 for everything else; errors as `{"error"}`.
//!
//! Whoever may ask can make the service fetch from the networks that it reaches; the API token guards it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use url::Url;
use vision_core::picture::RgbPicture;
use warp::http::StatusCode;
use warp::{Filter, Rejection};

use super::body::{self, Body};
use super::reply::{Reply, json};
use crate::controller::references::{ReferenceLoader, Unreadable};
use crate::matching::{EmbeddedMatcher, Incomparable, Side};

/// Longest request, the original's.
const MAX_BODY: usize = 50 << 20;
/// Time for one comparison, the original's.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Comparisons at the same time: each may hold two large pictures.
const AT_ONCE: usize = 4;

/// What the endpoint needs.
#[derive(Debug)]
pub struct FaceMatch {
    /// Absent when there is no embedding network: 503.
    matcher: Option<Arc<EmbeddedMatcher>>,
    loader: ReferenceLoader,
    allow_file_urls: bool,
    requests: AtomicU64,
    at_once: Semaphore,
}

#[derive(Deserialize)]
struct Request {
    image1_url: Option<String>,
    image2_url: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    #[serde(rename = "match")]
    matched: bool,
    distance: f32,
    #[serde(rename = "requestId")]
    id: u64,
}

/// An error answer.
struct Refusal(StatusCode, String);

/// The filter.
pub fn filter(
    service: Arc<FaceMatch>,
) -> impl Filter<Extract = (Reply,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::path!("face_match").and(warp::post()).and(body::limited(MAX_BODY)).then(move |body| {
        let service = service.clone();
        async move { service.answer(body).await }
    })
}

impl FaceMatch {
    /// `loader` reads the images with its limits.
    pub fn new(matcher: Option<Arc<EmbeddedMatcher>>, loader: ReferenceLoader, allow_file_urls: bool) -> Self {
        Self { matcher, loader, allow_file_urls, requests: AtomicU64::new(0), at_once: Semaphore::new(AT_ONCE) }
    }

    async fn answer(&self, body: Body) -> Reply {
        let body = match body {
            Ok(body) => body,
            Err(reply) => return *reply,
        };
        let id = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let deadline = Instant::now() + TIMEOUT;
        match timeout_at(deadline, self.compare(&body, deadline))
            .await
            .unwrap_or_else(|_| Err(refuse(Incomparable::TimedOut)))
        {
            Ok((matched, distance)) => json(StatusCode::OK, &Answer { matched, distance, id }),
            Err(Refusal(status, error)) => {
                tracing::info!(request = id, status = status.as_u16(), reason = error, "face_match refused");
                json(status, &serde_json::json!({"error": error}))
            }
        }
    }

    async fn compare(&self, body: &[u8], deadline: Instant) -> Result<(bool, f32), Refusal> {
        let matcher = self
            .matcher
            .as_ref()
            .ok_or_else(|| Refusal(StatusCode::SERVICE_UNAVAILABLE, "Service not ready".into()))?;
        let bad = |message: &str| Refusal(StatusCode::BAD_REQUEST, message.into());
        let request: Request = serde_json::from_slice(body)
            .map_err(|_| bad("the body is not a JSON object with image1_url and image2_url"))?;
        let (Some(a), Some(b)) = (request.image1_url, request.image2_url) else {
            return Err(bad("image1_url and image2_url are required"));
        };
        let _turn = self.at_once.acquire().await.expect("the semaphore is never closed");
        let (a, b) = tokio::join!(self.read("image1_url", &a, deadline), self.read("image2_url", &b, deadline));
        let distance = matcher.compare(a?, b?, deadline).await.map_err(refuse)?;
        if !distance.is_finite() {
            return Err(Refusal(StatusCode::INTERNAL_SERVER_ERROR, "no distance".into()));
        }
        Ok((distance < matcher.threshold(), distance))
    }

    async fn read(&self, name: &str, url: &str, deadline: Instant) -> Result<Arc<RgbPicture>, Refusal> {
        let picture = match self.file(url) {
            Some(path) => self.read_file(path).await,
            None => self.loader.read(url, None, deadline).await.map_err(|reason| match reason {
                // Said of a list's entry it would be a data-store id; there are none here.
                Unreadable::NoDataStore => Unreadable::Malformed("URL").to_string(),
                other => other.to_string(),
            }),
        };
        picture.map_err(|reason| Refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("{name}: {reason}")))
    }

    /// The path of a `file:` URL, where those are allowed.
    fn file(&self, url: &str) -> Option<PathBuf> {
        if !self.allow_file_urls {
            return None;
        }
        url.parse::<Url>().ok().filter(|url| url.scheme() == "file")?.to_file_path().ok()
    }

    async fn read_file(&self, path: PathBuf) -> Result<Arc<RgbPicture>, String> {
        let unreadable = |error: std::io::Error| format!("the file cannot be read: {error}");
        let metadata = tokio::fs::metadata(&path).await.map_err(unreadable)?;
        if !metadata.is_file() || metadata.len() > self.loader.limits().max_bytes {
            return Err(format!("it is no file of at most {} bytes", self.loader.limits().max_bytes));
        }
        let bytes = tokio::fs::read(&path).await.map_err(unreadable)?;
        self.loader.decode(bytes).await.map_err(|reason| reason.to_string())
    }
}

fn refuse(why: Incomparable) -> Refusal {
    let image = |side| {
        if side == Side::Picture { "image1_url" } else { "image2_url" }
    };
    let message = match why {
        Incomparable::NoFace(side) => format!("{}: no face is seen", image(side)),
        Incomparable::SeveralFaces { side, count } => {
            format!("{}: {count} faces are seen, there must be exactly one", image(side))
        }
        other => other.to_string(),
    };
    Refusal(StatusCode::INTERNAL_SERVER_ERROR, message)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageFormat, RgbImage};
    use serde_json::{Value, json};

    use super::*;
    use crate::controller::references::ReferenceLimits;
    use crate::http::serve::serve_plain;
    use crate::matching::embedded::fake::{self, FakeEmbedder};

    fn png(who: u8, faces: u8) -> Vec<u8> {
        let picture = fake::picture(who, faces);
        let mut bytes = Cursor::new(Vec::new());
        RgbImage::from_raw(2, 2, picture.data.clone()).unwrap().write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    fn url(who: u8, faces: u8) -> String {
        crate::matching::encode::data_url(&png(who, faces)).replace("image/jpeg", "image/png")
    }

    fn service(ready: bool, files: bool) -> Arc<FaceMatch> {
        let matcher = ready.then(|| Arc::new(EmbeddedMatcher::new(Arc::new(FakeEmbedder::default()))));
        Arc::new(FaceMatch::new(matcher, ReferenceLoader::new(ReferenceLimits::default()).unwrap(), files))
    }

    async fn ask(service: &Arc<FaceMatch>, body: String) -> (u16, Value) {
        let route = filter(service.clone());
        let answer = warp::test::request().method("POST").path("/face_match").body(body).reply(&route).await;
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
    }

    fn two(a: &str, b: &str) -> String {
        json!({"image1_url": a, "image2_url": b, "more": 1}).to_string()
    }

    #[tokio::test]
    async fn the_answer_has_the_originals_shape() {
        let service = service(true, false);
        let picture = png(10, 1);
        let server =
            serve_plain(warp::path("a.png").map(move || picture.clone()), ([127, 0, 0, 1], 0).into()).await.unwrap();
        let http = format!("http://127.0.0.1:{}/a.png", server.port());

        let (status, answer) = ask(&service, two(&http, &url(12, 1))).await;
        assert_eq!((status, &answer["match"], &answer["requestId"]), (200, &json!(true), &json!(1)), "{answer}");
        assert!((answer["distance"].as_f64().unwrap() - 0.02).abs() < 1e-6);
        let (_, answer) = ask(&service, two(&url(90, 1), &http)).await;
        assert_eq!((&answer["match"], &answer["requestId"]), (&json!(false), &json!(2)));
    }

    #[tokio::test]
    async fn errors_have_the_originals_shape() {
        let ready = service(true, false);
        let ok = url(1, 1);
        for (body, status, says) in [
            ("".to_owned(), 400, "JSON"),
            ("{}".to_owned(), 400, "required"),
            (json!({"image1_url": ok}).to_string(), 400, "required"),
            (json!({"image1_url": ok, "image2_url": 5}).to_string(), 400, "JSON"),
            (two(&ok, &url(1, 0)), 500, "image2_url: no face"),
            (two(&url(1, 2), &ok), 500, "image1_url: 2 faces"),
            (two("data:image/png;base64,AAAA", &ok), 500, "image1_url: its content"),
            (two(&ok, "1234"), 500, "image2_url: it is not a valid URL"),
            (two("file:///etc/hostname", &ok), 500, "scheme"),
            (two(&ok, &url(fake::BROKEN, 1)), 500, "broken"),
            ("x".repeat(MAX_BODY + 1), 413, "larger"),
        ] {
            let (got, answer) = ask(&ready, body).await;
            assert_eq!(got, status, "{answer}");
            assert!(answer.to_string().contains(says) && answer["error"].is_string(), "{answer}");
        }
        let (status, answer) = ask(&service(false, false), two(&ok, &ok)).await;
        assert_eq!((status, answer), (503, json!({"error": "Service not ready"})));
    }

    #[tokio::test]
    async fn files_are_read_only_where_allowed() {
        let path = std::env::temp_dir().join(format!("vision-service-face-match-{}.png", std::process::id()));
        std::fs::write(&path, png(10, 1)).unwrap();
        let file = Url::from_file_path(&path).unwrap();
        let body = two(file.as_str(), &url(10, 1));
        assert_eq!(ask(&service(true, true), body.clone()).await.0, 200);
        assert_eq!(ask(&service(true, false), body).await.0, 500);
        std::fs::remove_file(path).unwrap();
        let (status, answer) = ask(&service(true, true), two("file:///dev/zero", &url(10, 1))).await;
        assert!(status == 500 && answer["error"].as_str().unwrap().contains("no file"), "{answer}");
    }
}

//! The remote matcher's client: `POST {base}/face_match` with two data URLs, as the original vision-matcher speaks it.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use url::Url;
use vision_core::picture::Picture;

use super::encode::{data_url, jpeg};
use super::{Incomparable, MatchReport, Pair};
use crate::controller::references::Reference;
use crate::outbound::{self, ClientError, Redirects, read_body};
use crate::redact::address;

/// Limit of one comparison, the original's.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer that is read: it is three numbers, or a message.
const MAX_ANSWER: u64 = 64 << 10;
/// How much of a matcher's own message is repeated.
const MAX_MESSAGE: usize = 200;

/// Compares by asking another service.
#[derive(Debug)]
pub struct RemoteMatcher {
    http: Client,
    url: Url,
    model: String,
    threshold: f32,
}

#[derive(Serialize)]
struct Request<'a> {
    image1_url: &'a str,
    image2_url: &'a str,
}

/// `match` and `requestId` are there too: the threshold is ours, and requests are told apart by their order.
#[derive(Deserialize)]
struct Answer {
    distance: f32,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl RemoteMatcher {
    /// `base` is `VISION_MATCHER_BASE_URL`; nothing is sent yet.
    pub fn new(base: &Url, threshold: f32) -> Result<Self, ClientError> {
        let http = outbound::client(Redirects { limit: 3, see_other: false })?;
        let mut url = base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("face_match");
        }
        Ok(Self { http, model: format!("remote matcher at {}", address(base)), url, threshold })
    }

    pub(super) async fn compare_all(
        &self,
        pictures: &[Arc<dyn Picture>],
        references: &[Reference],
        deadline: Instant,
    ) -> MatchReport {
        // Encoded once each.
        let pictures = encode_all(pictures.iter().cloned()).await;
        let lent = encode_all(references.iter().map(|r| r.picture.clone() as Arc<dyn Picture>)).await;
        let mut pairs = Vec::with_capacity(pictures.len() * lent.len());
        for (index, picture) in pictures.iter().enumerate() {
            for (reference, encoded) in references.iter().zip(&lent) {
                // One after the other: the original matcher works on one request at a time.
                let distance = match (picture, encoded) {
                    (Ok(a), Ok(b)) => {
                        timeout_at(deadline, self.compare(a, b)).await.unwrap_or(Err(Incomparable::TimedOut))
                    }
                    (Err(e), _) | (_, Err(e)) => Err(e.clone()),
                };
                pairs.push(Pair { picture: index + 1, reference: reference.position, distance });
            }
        }
        MatchReport::new(self.model.clone(), self.threshold, pairs)
    }

    async fn compare(&self, a: &str, b: &str) -> Result<f32, Incomparable> {
        let send =
            || self.http.post(self.url.clone()).json(&Request { image1_url: a, image2_url: b }).timeout(TIMEOUT).send();
        let response = match send().await {
            // Once more: a kept connection may just have been closed by the other side.
            Err(error) if !error.is_timeout() && !error.is_builder() && !error.is_redirect() => send().await,
            other => other,
        };
        let response = response.map_err(|error| match error.is_timeout() {
            true => Incomparable::TimedOut,
            false => Incomparable::Matcher(outbound::reason(&error)),
        })?;
        let status = response.status();
        let body = read_body(response, MAX_ANSWER).await.map_err(|error| Incomparable::Matcher(error.to_string()))?;
        if !status.is_success() {
            let message = serde_json::from_slice(&body).map_or_else(|_| String::new(), |r: Refusal| shown(&r.error));
            return Err(Incomparable::Matcher(format!("answered {status}{message}")));
        }
        match serde_json::from_slice::<Answer>(&body) {
            Ok(Answer { distance }) if distance.is_finite() => Ok(distance),
            _ => Err(Incomparable::Matcher("its answer has no distance".into())),
        }
    }
}

/// A matcher's message, cut short; not at all when it repeats an image.
fn shown(message: &str) -> String {
    if message.contains("data:") {
        return String::new();
    }
    format!(": {}", message.chars().take(MAX_MESSAGE).flat_map(char::escape_debug).collect::<String>())
}

async fn encode_all(pictures: impl Iterator<Item = Arc<dyn Picture>>) -> Vec<Result<String, Incomparable>> {
    let pictures: Vec<_> = pictures.collect();
    let count = pictures.len();
    let encode =
        move || pictures.iter().map(|p| jpeg(p.view()).map(|bytes| data_url(&bytes)).map_err(failed)).collect();
    tokio::task::spawn_blocking(encode)
        .await
        .unwrap_or_else(|_| vec![Err(Incomparable::Matcher("a picture cannot be encoded".into())); count])
}

fn failed(error: image::ImageError) -> Incomparable {
    Incomparable::Matcher(format!("a picture cannot be encoded: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use vision_core::picture::RgbPicture;
    use warp::Filter;
    use warp::http::Response as Reply;

    use super::super::{Decision, Matcher};
    use super::*;
    use crate::http::serve::{Server, serve_plain};

    /// From a distance to status and body.
    type Answering = fn(f32) -> (u16, String);

    /// A matcher that takes the mean red of each picture for the person: the distance is their difference.
    async fn matcher(path: &'static str, answer: Answering) -> (Server, Matcher, Arc<Mutex<usize>>) {
        let asked = Arc::new(Mutex::new(0));
        let count = asked.clone();
        let filter = warp::post().and(warp::path::full()).and(warp::body::json()).map(
            move |at: warp::path::FullPath, body: serde_json::Value| {
                assert!(at.as_str().ends_with("/face_match"), "{}", at.as_str());
                *count.lock().unwrap() += 1;
                let red = |key: &str| {
                    let url = data_url::DataUrl::process(body[key].as_str().unwrap()).unwrap();
                    assert!(url.mime_type().matches("image", "jpeg"));
                    f32::from(image::load_from_memory(&url.decode_to_vec().unwrap().0).unwrap().into_rgb8()[(0, 0)][0])
                };
                let (status, body) = answer((red("image1_url") - red("image2_url")).abs() / 255.0);
                Reply::builder().status(status).body(body)
            },
        );
        let server = serve_plain(filter, ([127, 0, 0, 1], 0).into()).await.unwrap();
        let base = format!("http://127.0.0.1:{}{path}", server.port()).parse().unwrap();
        (server, Matcher::Remote(Arc::new(RemoteMatcher::new(&base, 0.4).unwrap())), asked)
    }

    fn picture(red: u8) -> Arc<RgbPicture> {
        Arc::new(RgbPicture { data: [red, 0, 0].repeat(16 * 16), width: 16, height: 16 })
    }

    fn person(red: u8) -> Arc<dyn Picture> {
        picture(red)
    }

    fn reference(position: usize, red: u8) -> Reference {
        Reference { position, picture: picture(red) }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    fn original(distance: f32) -> (u16, String) {
        (200, format!(r#"{{"match": {}, "distance": {distance}, "requestId": 7}}"#, distance < 0.4))
    }

    #[tokio::test]
    async fn all_pairs_are_asked_for_and_our_threshold_decides() {
        for path in ["", "/", "/matcher/"] {
            let (_server, matcher, asked) = matcher(path, original).await;
            let report =
                matcher.compare_all(&[person(200), person(220)], &[reference(1, 190), reference(3, 30)], soon()).await;
            assert_eq!(report.decision, Decision::Verified, "{report:?}");
            assert_eq!((*asked.lock().unwrap(), report.compared()), (4, 4));
            assert!(
                report.mean.is_some_and(|mean| (mean - (10.0 + 170.0 + 30.0 + 190.0) / 255.0 / 4.0).abs() < 0.02),
                "{report:?}"
            );
            assert_eq!(
                report.pairs.iter().map(|p| (p.picture, p.reference)).collect::<Vec<_>>(),
                [(1, 1), (1, 3), (2, 1), (2, 3)]
            );

            let report = matcher.compare_all(&[person(250)], &[reference(1, 20)], soon()).await;
            assert_eq!(report.decision, Decision::Different);
        }
    }

    #[tokio::test]
    async fn a_matcher_that_errors_verifies_nobody() {
        let answers: [(Answering, &str); 6] = [
            (|_| (503, r#"{"error": "Service not ready"}"#.into()), "503 Service Unavailable: Service not ready"),
            (|_| (500, r#"{"error": "no face in data:image/jpeg;base64,AAAA"}"#.into()), "500 Internal Server Error"),
            (|_| (200, r#"{"match": true, "requestId": 7}"#.into()), "no distance"),
            (|_| (200, r#"{"match": true, "distance": null}"#.into()), "no distance"),
            (|_| (200, r#"{"match": true, "distance": 1e400}"#.into()), "no distance"),
            (|_| (200, "<html>".into()), "no distance"),
        ];
        for (answer, says) in answers {
            let (_server, matcher, _) = matcher("", answer).await;
            let report = matcher.compare_all(&[person(1)], &[reference(1, 1)], soon()).await;
            assert_eq!((report.decision, report.mean), (Decision::MatcherUnavailable, None));
            let why = report.pairs[0].distance.clone().unwrap_err().to_string();
            assert!(why.contains(says) && !why.contains("AAAA"), "{why}");
        }
        let (_server, matcher, _) = matcher("", original).await;
        assert_eq!(matcher.compare_all(&[], &[reference(1, 1)], soon()).await.decision, Decision::MatcherUnavailable);
        assert_eq!(matcher.compare_all(&[person(1)], &[], soon()).await.decision, Decision::NoReferences);
        let late = matcher.compare_all(&[person(1)], &[reference(1, 1)], Instant::now()).await;
        assert_eq!(late.pairs[0].distance, Err(Incomparable::TimedOut));
    }

    #[tokio::test]
    async fn a_connection_that_breaks_is_tried_once_more() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let server = tokio::spawn(async move {
            drop(listener.accept().await.unwrap());
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"distance\": 0.1}";
            // Enough of the request to know that it is there; the client does not wait for more to be read.
            let mut some = [0; 64];
            stream.read_exact(&mut some).await.unwrap();
            stream.write_all(answer).await.unwrap();
            stream
        });
        let matcher = Matcher::Remote(Arc::new(RemoteMatcher::new(&base, 0.4).unwrap()));
        let report = matcher.compare_all(&[person(1)], &[reference(1, 1)], soon()).await;
        assert_eq!((report.decision, report.mean), (Decision::Verified, Some(0.1)), "{report:?}");
        drop(server.await.unwrap());
    }

    #[tokio::test]
    async fn a_matcher_that_is_not_there() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let base = format!("http://user:secret@127.0.0.1:{port}").parse().unwrap();
        let matcher = Matcher::Remote(Arc::new(RemoteMatcher::new(&base, 0.4).unwrap()));
        let report = matcher.compare_all(&[person(1)], &[reference(1, 1)], soon()).await;
        assert_eq!(report.decision, Decision::MatcherUnavailable);
        let text = format!("{report:?}");
        assert!(text.contains("cannot connect") && !text.contains("secret"), "{text}");
    }
}

//! `/demo`: a person verifies themselves against a picture that they bring.
//!
//! The service plays the controller of such a flow: `POST /demo/start` keeps the picture in memory for ten minutes at
//! most and until the outcome is known, and starts a flow whose callbacks lead to a listener of its own on the
//! loopback interface, so that they work whatever HTTPS, token or address the public one has. Nothing is written to
//! disk.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use url::Url;
use vision_core::picture::Picture;
use warp::http::{HeaderMap, StatusCode, header};
use warp::{Filter, Rejection};

use super::body::{self, Body};
use super::reply::{Reply, error, json, retry_after};
use super::serve::{BindError, Server, serve_plain};
use crate::controller::references::ReferenceLoader;
use crate::lock::lock;
use crate::matching::{EmbeddedMatcher, Incomparable, encode};

/// How long a picture is kept at most.
const LIFETIME: Duration = Duration::from_mins(10);
/// How many pictures are kept at the same time.
const CAPACITY: usize = 32;
/// Largest upload, in bytes.
const MAX_BODY: usize = 10_000_000;
/// Time for looking at an upload.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// A flow to start.
#[derive(Clone, Debug)]
pub struct DemoFlow {
    /// Name of the built-in room: 128 random bits.
    pub room: String,
    /// The controller's address.
    pub callback_base_url: Url,
    /// The controller's token: 128 random bits.
    pub token: String,
    /// As the page asked.
    pub lang: Option<String>,
}

/// How a flow is started; the service does, tests pretend.
pub trait StartFlow: Send + Sync {
    /// Starts it and gives its id, or the answer that says why not.
    fn start(&self, flow: DemoFlow) -> BoxFuture<'_, Result<String, Box<Reply>>>;
}

/// The demo. Dropping it closes the controller's listener.
pub struct Demo {
    start: Arc<dyn StartFlow>,
    loader: ReferenceLoader,
    /// Tells at once that a picture shows no face, or several; absent: the flow will tell.
    matcher: Option<Arc<EmbeddedMatcher>>,
    store: Arc<Store>,
    controller: Server,
}

#[derive(Serialize)]
struct Started<'a> {
    room: &'a str,
    flow_id: &'a str,
    call_url: String,
}

#[derive(Deserialize)]
struct Query {
    lang: Option<String>,
}

impl Demo {
    /// Opens the controller's listener.
    pub async fn bind(
        start: Arc<dyn StartFlow>,
        loader: ReferenceLoader,
        matcher: Option<Arc<EmbeddedMatcher>>,
    ) -> Result<Arc<Self>, BindError> {
        let store = Arc::new(Store::default());
        let controller = serve_plain(controller(store.clone()), (Ipv4Addr::LOCALHOST, 0).into()).await?;
        Ok(Arc::new(Self { start, loader, matcher, store, controller }))
    }

    fn callback_base_url(&self) -> Url {
        format!("http://{}/demo/controller", self.controller.addr()).parse().expect("an address makes a URL")
    }

    async fn begin(&self, headers: &HeaderMap, lang: Option<String>, body: Body) -> Result<Reply, Box<Reply>> {
        let picture = body?;
        let refuse = |status, code: &str, message: &str| Box::new(error(status, code, message));
        // Asked of browsers on purpose: a page of somebody else cannot send this type without our consent (CORS).
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if !content_type.starts_with("image/") {
            return Err(refuse(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "send the picture as image/jpeg, image/png or image/webp",
            ));
        }
        let picture = self.loader.decode(picture.into()).await.map_err(|reason| {
            refuse(
                StatusCode::UNPROCESSABLE_ENTITY,
                "unreadable_picture",
                &format!("the picture cannot be used: {reason}"),
            )
        })?;
        if let Some(matcher) = &self.matcher {
            match matcher.check_reference(picture.clone(), Instant::now() + CHECK_TIMEOUT).await {
                Ok(()) => {}
                Err(why @ Incomparable::NoFace(_)) => {
                    return Err(refuse(StatusCode::UNPROCESSABLE_ENTITY, "no_face", &why.to_string()));
                }
                Err(why @ Incomparable::SeveralFaces { .. }) => {
                    return Err(refuse(StatusCode::UNPROCESSABLE_ENTITY, "several_faces", &why.to_string()));
                }
                // Only a hint to the person; the flow itself will find out.
                Err(why) => {
                    tracing::warn!(reason = %why, "the demo's picture could not be looked at")
                }
            }
        }
        // Encoded anew: what else was in the file (place, time, device) is gone, and its size is bounded.
        let encoded =
            tokio::task::spawn_blocking(move || encode::jpeg(picture.view()).map(|jpeg| encode::data_url(&jpeg))).await;
        let Ok(Ok(data_url)) = encoded else {
            return Err(refuse(
                StatusCode::UNPROCESSABLE_ENTITY,
                "unreadable_picture",
                "the picture cannot be encoded",
            ));
        };
        let (token, room) = (random_id(), random_id());
        if !self.store.clone().keep(&token, data_url) {
            return Err(Box::new(retry_after(
                error(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many people try the demo at the moment"),
                60,
            )));
        }
        let flow =
            DemoFlow { room: room.clone(), callback_base_url: self.callback_base_url(), token: token.clone(), lang };
        let flow_id = self.start.start(flow).await.inspect_err(|_| self.store.remove(&token))?;
        Ok(json(StatusCode::OK, &Started { room: &room, flow_id: &flow_id, call_url: format!("/call/{room}") }))
    }
}

/// `POST /demo/start?lang=`, the picture as its body; nothing where the demo is switched off. The page itself is among
/// [`super::pages`].
pub fn filter(
    demo: Option<Arc<Demo>>,
) -> impl Filter<Extract = (Reply,), Error = Rejection> + Clone + Send + Sync + 'static {
    let switched_on = warp::path!("demo" / "start").and_then(move || {
        let demo = demo.clone().ok_or_else(warp::reject::not_found);
        async move { demo }
    });
    switched_on
        .and(warp::post())
        .and(warp::header::headers_cloned())
        .and(warp::query::<Query>())
        .and(body::limited(MAX_BODY))
        .then(|demo: Arc<Demo>, headers: HeaderMap, query: Query, body| async move {
            demo.begin(&headers, query.lang, body).await.unwrap_or_else(|reply| *reply)
        })
}

/// What the flow's callbacks reach.
fn controller(store: Arc<Store>) -> impl Filter<Extract = (Reply,), Error = Rejection> + Clone + Send + Sync + 'static {
    let unknown = || error(StatusCode::NOT_FOUND, "unknown_token", "there is no such token");
    let lists = store.clone();
    let list = warp::path!("demo" / "controller" / "list" / String)
        .and(warp::get())
        .map(move |token: String| lists.get(&token).map_or_else(unknown, |picture| json(StatusCode::OK, &[&*picture])));
    let outcome = warp::path!("demo" / "controller" / String / String).and(warp::put()).map(
        move |verb: String, token: String| {
            let known = matches!(verb.as_str(), "success" | "failure") && store.finish(&token);
            if known { json(StatusCode::OK, &()) } else { unknown() }
        },
    );
    list.or(outcome).unify()
}

/// 128 bits of the operating system's randomness, in hexadecimal.
fn random_id() -> String {
    let mut bytes = [0; 16];
    // Without randomness there is no safe way on, and Linux has it as soon as processes run.
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    hex::encode(bytes)
}

/// Pictures by token; `None` once the outcome is known, so that a repeated callback is still answered.
#[derive(Default)]
struct Store(Mutex<HashMap<String, Option<Arc<str>>>>);

impl Store {
    fn entries(&self) -> MutexGuard<'_, HashMap<String, Option<Arc<str>>>> {
        lock(&self.0)
    }

    /// Keeps a picture for its lifetime, unless there are too many.
    fn keep(self: Arc<Self>, token: &str, picture: String) -> bool {
        let mut entries = self.entries();
        if entries.values().flatten().count() >= CAPACITY {
            return false;
        }
        entries.insert(token.to_owned(), Some(picture.into()));
        drop(entries);
        let (store, token) = (Arc::downgrade(&self), token.to_owned());
        tokio::spawn(async move {
            sleep(LIFETIME).await;
            if let Some(store) = store.upgrade() {
                store.remove(&token);
            }
        });
        true
    }

    fn get(&self, token: &str) -> Option<Arc<str>> {
        self.entries().get(token).cloned().flatten()
    }

    /// The outcome is known: the picture goes, the token stays. False for an unknown token.
    fn finish(&self, token: &str) -> bool {
        self.entries().get_mut(token).map(|picture| *picture = None).is_some()
    }

    fn remove(&self, token: &str) {
        self.entries().remove(token);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageFormat, Rgb, RgbImage};
    use serde_json::Value;

    use super::*;
    use crate::controller::client::{ControllerClient, ControllerOptions, Verdict};
    use crate::controller::references::ReferenceLimits;
    use crate::matching::embedded::fake::FakeEmbedder;

    #[derive(Default)]
    struct Started(Mutex<Vec<DemoFlow>>);

    impl StartFlow for Started {
        fn start(&self, flow: DemoFlow) -> BoxFuture<'_, Result<String, Box<Reply>>> {
            let full = flow.lang.as_deref() == Some("full");
            self.0.lock().unwrap().push(flow);
            Box::pin(async move {
                if full {
                    Err(Box::new(error(StatusCode::SERVICE_UNAVAILABLE, "busy", "full")))
                } else {
                    Ok("f00d".to_owned())
                }
            })
        }
    }

    async fn demo() -> (Arc<Demo>, Arc<Started>) {
        let started = Arc::new(Started::default());
        let loader = ReferenceLoader::new(ReferenceLimits::default()).unwrap();
        let matcher = Arc::new(EmbeddedMatcher::new(Arc::new(FakeEmbedder::default())));
        (Demo::bind(started.clone(), loader, Some(matcher)).await.unwrap(), started)
    }

    fn png(faces: u8) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        RgbImage::from_pixel(8, 8, Rgb([10, faces, 0])).write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    async fn post(demo: &Arc<Demo>, content_type: &str, query: &str, body: Vec<u8>) -> (u16, Value) {
        let request = warp::test::request()
            .method("POST")
            .path(&format!("/demo/start{query}"))
            .header("content-type", content_type);
        let answer = request.body(body).reply(&filter(Some(demo.clone()))).await;
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
    }

    #[tokio::test]
    async fn a_flow_is_started_and_finds_its_picture() {
        let (demo, started) = demo().await;
        let (status, answer) = post(&demo, "image/png", "?lang=es", png(1)).await;
        assert_eq!((status, &answer["flow_id"]), (200, &Value::from("f00d")), "{answer}");
        let flow = started.0.lock().unwrap()[0].clone();
        assert_eq!(answer["room"], flow.room.as_str());
        assert_eq!(answer["call_url"], format!("/call/{}", flow.room));
        assert_eq!((flow.lang.as_deref(), flow.token.len()), (Some("es"), 32));
        assert_ne!(flow.token, flow.room);

        let client = ControllerClient::new(ControllerOptions::default()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        let list = client.list(&flow.callback_base_url, &flow.token, deadline).await.unwrap();
        assert_eq!(demo.loader.load(&list, None, deadline).await.unwrap().read[0].picture.width, 8);
        assert!(client.list(&flow.callback_base_url, "other", deadline).await.is_err());

        for _ in 0..2 {
            client
                .report(&flow.callback_base_url, &flow.token, "f00d", Verdict::Success, Duration::ZERO, None)
                .await
                .unwrap();
        }
        assert!(client.list(&flow.callback_base_url, &flow.token, deadline).await.is_err(), "the picture is gone");
        assert!(
            client
                .report(&flow.callback_base_url, "other", "f00d", Verdict::Success, Duration::ZERO, None)
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_picture_is_told_at_once() {
        let (demo, started) = demo().await;
        for (content_type, body, status, code) in [
            ("text/plain", png(1), 415, "unsupported_media_type"),
            ("image/png", b"nothing".to_vec(), 422, "unreadable_picture"),
            ("image/png", png(0), 422, "no_face"),
            ("image/png", png(2), 422, "several_faces"),
            ("image/png", vec![0; MAX_BODY + 1], 413, "body_too_large"),
        ] {
            let (got, answer) = post(&demo, content_type, "", body).await;
            assert_eq!((got, answer["error"].as_str().unwrap()), (status, code));
        }
        assert!(started.0.lock().unwrap().is_empty());
        assert_eq!(post(&demo, "image/png", "?lang=full", png(1)).await.0, 503);
        assert!(demo.store.entries().is_empty(), "a flow that did not start leaves nothing behind");
    }

    #[tokio::test(start_paused = true)]
    async fn pictures_are_few_and_go_after_ten_minutes() {
        let store = Arc::new(Store::default());
        for token in 0..CAPACITY {
            assert!(store.clone().keep(&token.to_string(), "x".into()));
        }
        assert!(!store.clone().keep("more", "x".into()));
        assert!(store.finish("0") && store.clone().keep("more", "x".into()), "one whose outcome is known makes room");
        sleep(LIFETIME - Duration::from_secs(1)).await;
        assert!(store.get("1").is_some());
        sleep(Duration::from_secs(2)).await;
        assert!(store.entries().is_empty());
    }
}

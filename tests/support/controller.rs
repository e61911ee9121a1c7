//! A controller for tests: it serves references, records what it is told, and fails as it is asked to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use warp::Filter;
use warp::http::{HeaderMap, StatusCode};

/// One request that the controller got.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub verb: String,
    pub token: String,
    pub idempotency_key: Option<String>,
    pub body: Vec<u8>,
}

/// How it behaves.
#[derive(Clone, Default)]
pub struct Behaviour {
    /// What `/list` answers.
    pub references: Vec<String>,
    /// Answers 503 until then.
    pub unwell_until: Option<Instant>,
    /// Answers `/list` with this instead.
    pub list_status: Option<u16>,
    /// Answers `/success` and `/failure` with this instead.
    pub report_status: Option<u16>,
}

pub struct TestController {
    pub addr: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    _stop: oneshot::Sender<()>,
}

impl TestController {
    pub async fn start(behaviour: Behaviour) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), behaviour).await
    }

    pub async fn start_at(addr: SocketAddr, behaviour: Behaviour) -> Self {
        vision_service::outbound::install_crypto_provider();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let recorded = calls.clone();
        let routes = warp::any()
            .and(warp::method())
            .and(warp::path("base"))
            .and(warp::path::param::<String>())
            .and(warp::path::tail())
            .and(warp::header::headers_cloned())
            .and(warp::body::bytes())
            .map(
                move |method: warp::http::Method,
                      verb: String,
                      token: warp::path::Tail,
                      headers: HeaderMap,
                      body: bytes::Bytes| {
                    let unwell = behaviour.unwell_until.is_some_and(|until| Instant::now() < until);
                    let forced = if verb == "list" { behaviour.list_status } else { behaviour.report_status };
                    let expected = if verb == "list" { "GET" } else { "PUT" };
                    let status = match forced {
                        _ if unwell => 503,
                        _ if method.as_str() != expected => 405,
                        Some(status) => status,
                        None => 200,
                    };
                    if status != 503 {
                        recorded.lock().unwrap().push(Call {
                            verb: verb.clone(),
                            token: percent_encoding::percent_decode_str(token.as_str())
                                .decode_utf8_lossy()
                                .into_owned(),
                            idempotency_key: headers
                                .get("idempotency-key")
                                .and_then(|v| v.to_str().ok())
                                .map(str::to_owned),
                            body: body.to_vec(),
                        });
                    }
                    let answer = if verb == "list" {
                        serde_json::to_string(&behaviour.references).unwrap()
                    } else {
                        String::new()
                    };
                    warp::http::Response::builder().status(StatusCode::from_u16(status).unwrap()).body(answer).unwrap()
                },
            );
        let (stop, stopped) = oneshot::channel::<()>();
        let listener = tokio::net::TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(warp::serve(routes).incoming(listener).graceful(async move { drop(stopped.await) }).run());
        Self { addr, calls, _stop: stop }
    }

    /// `callback_base_url`, with a path.
    pub fn url(&self) -> String {
        format!("http://{}/base", self.addr)
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// What was told about `token`, without `/list`.
    pub fn outcomes(&self, token: &str) -> Vec<String> {
        self.calls().iter().filter(|c| c.token == token && c.verb != "list").map(|c| c.verb.clone()).collect()
    }

    /// Waits for the outcome of `token`.
    pub async fn outcome(&self, token: &str, limit: Duration) -> Option<String> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Some(outcome) = self.outcomes(token).first() {
                return Some(outcome.clone());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }
}

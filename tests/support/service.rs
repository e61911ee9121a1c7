//! The service in this process, on a port of its own.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use vision_service::app::Application;
use vision_service::config::Config;

pub struct TestService {
    pub port: u16,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

/// The defaults, on loopback and a free port, with some settings changed.
pub fn config(settings: &[(&str, &str)]) -> Config {
    let base = [("http.host", "127.0.0.1"), ("http.port", "0"), ("analysis.workers", "2")];
    Config::with(base.into_iter().chain(settings.iter().copied())).unwrap()
}

pub async fn start(settings: &[(&str, &str)]) -> TestService {
    let app = Application::build(config(settings)).await.unwrap();
    let port = app.port();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(app.run_until_stopped(async move { drop(stopped.await) }));
    TestService { port, stop: Some(stop), running }
}

impl TestService {
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Starts a flow in the built-in room; answers its id.
    pub async fn join(&self, room: &str, callback_base_url: &str, token: &str) -> String {
        self.join_at(&format!("direct:{room}"), callback_base_url, token).await
    }

    /// Starts a flow in any room; answers its id.
    pub async fn join_at(&self, ws_url: &str, callback_base_url: &str, token: &str) -> String {
        let body = serde_json::json!({"ws_url": ws_url, "callback_base_url": callback_base_url, "token": token});
        let response = reqwest::Client::new().post(self.url("/join-call")).json(&body).send().await.unwrap();
        let answer: Value = response.json().await.unwrap();
        answer["flow_id"].as_str().unwrap_or_else(|| panic!("not accepted: {answer}")).to_owned()
    }

    /// `GET /flows/{id}`.
    pub async fn flow(&self, id: &str) -> Value {
        reqwest::get(self.url(&format!("/flows/{id}"))).await.unwrap().json().await.unwrap()
    }

    /// Waits until the flow is in a state.
    pub async fn wait_for(&self, id: &str, limit: Duration, done: impl Fn(&Value) -> bool) -> Value {
        let end = tokio::time::Instant::now() + limit;
        loop {
            let flow = self.flow(id).await;
            if done(&flow) {
                return flow;
            }
            assert!(tokio::time::Instant::now() < end, "waited in vain: {flow}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// SIGTERM, as it were; returns when all has ended.
    pub async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        tokio::time::timeout(Duration::from_secs(20), self.running).await.expect("the service stops").unwrap();
    }
}

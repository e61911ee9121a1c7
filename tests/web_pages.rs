//! The built-in pages in a real browser, against a stand-in for the service inside the page (`fixtures/stand_in.js`):
//! every state that a person can meet, without networks and media of our own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use vision_service::http::pages;
use vision_service::http::serve::{Server, serve_plain};
use warp::Filter;

use crate::support::chromium::{Chromium, Launch};

const STAND_IN: &str = include_str!("fixtures/stand_in.js");
const PHONE: (u32, u32) = (390, 844);
const LIMIT: Duration = Duration::from_secs(20);

/// The pages; `/demo/start` answers with each of `answers` in turn and notes what it was sent.
async fn serve(answers: Vec<(u16, Value)>) -> (Server, Arc<Mutex<Vec<(String, usize)>>>) {
    let uploads = Arc::new(Mutex::new(Vec::new()));
    let (log, answers) = (uploads.clone(), Arc::new(Mutex::new(answers.into_iter())));
    let start = warp::path!("demo" / "start").and(warp::header("content-type")).and(warp::body::bytes()).map(
        move |content_type: String, body: warp::hyper::body::Bytes| {
            log.lock().unwrap().push((content_type, body.len()));
            let (status, answer) = answers.lock().unwrap().next().unwrap();
            warp::http::Response::builder().status(status).body(answer.to_string())
        },
    );
    let flow = json!({"reason": "no_match", "timings": {"decided_ms": 12_345}}).to_string();
    let flows = warp::path!("flows" / String).map(move |_| warp::http::Response::new(flow.clone()));
    let server =
        serve_plain(pages::filter(None, true, false).or(start).or(flows), ([127, 0, 0, 1], 0).into()).await.unwrap();
    (server, uploads)
}

struct Page {
    browser: Chromium,
    origin: String,
    script: Option<String>,
}

impl Page {
    async fn new(server: &Server, deny_camera: bool) -> Self {
        let browser = Chromium::launch(Launch { camera: None, window: PHONE, deny_camera }).await;
        Self { browser, origin: format!("http://localhost:{}", server.port()), script: None }
    }

    /// Opens a page whose WebSockets follow `plan`.
    async fn open(&mut self, path: &str, plan: Value) {
        self.browser.command("Page.enable", json!({})).await;
        if let Some(identifier) = self.script.take() {
            self.browser.command("Page.removeScriptToEvaluateOnNewDocument", json!({"identifier": identifier})).await;
        }
        let source = format!("{STAND_IN};\nplan.push(...{plan});");
        let added = self.browser.command("Page.addScriptToEvaluateOnNewDocument", json!({"source": source})).await;
        self.script = added["identifier"].as_str().map(str::to_owned);
        let url = format!("{}{path}", self.origin);
        self.browser.open(&url).await;
    }

    async fn state(&mut self, state: &str) {
        let is = format!("document.getElementById('stage').dataset.state === '{state}'");
        self.browser.wait_for(&is, LIMIT).await;
    }

    async fn emit(&mut self, message: Value) {
        self.browser.evaluate(&format!("sockets.at(-1).emit({message})")).await;
    }

    async fn click(&mut self, selector: &str) {
        self.browser.evaluate(&format!("document.querySelector({selector:?}).click()")).await;
    }

    async fn text(&mut self) -> String {
        self.browser.evaluate("document.body.innerText").await.as_str().unwrap().to_owned()
    }
}

fn ready(lang: &str) -> Value {
    json!({"type": "ready", "iceServers": [], "iceTransportPolicy": "all", "lang": lang})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_from_waiting_to_the_outcome() {
    let (server, _) = serve(Vec::new()).await;
    let mut page = Page::new(&server, false).await;
    page.open("/call/room-1", json!([{"messages": [{"type": "waiting"}]}])).await;
    page.state("waiting").await;
    let url = page.browser.evaluate("sockets[0].url").await;
    assert!(url.as_str().unwrap().ends_with("/call/room-1/ws"), "{url}");

    page.emit(ready("fr")).await;
    page.state("live").await;
    assert_eq!(page.browser.evaluate("document.documentElement.lang").await, "fr", "the flow's language");
    // The service's picture in its own shape and colour, and not mirrored again.
    let shown = "(() => { const v = document.querySelector('.remote'); const c = document.createElement('canvas');
        const x = c.getContext('2d'); x.drawImage(v, 0, 0, 8, 8); const [r, g, b] = x.getImageData(4, 4, 1, 1).data;
        return {green: g > 120 && r < 80 && b < 110, shape: [v.videoWidth, v.videoHeight].join('x'),
                mirrored: getComputedStyle(v).transform !== 'none', visible: getComputedStyle(v).opacity > 0.1}; })()";
    page.browser.wait_for("document.querySelector('.remote').videoWidth === 240", LIMIT).await;
    // It fades in.
    page.browser.wait_for("getComputedStyle(document.querySelector('.remote')).opacity > 0.1", LIMIT).await;
    let shown = page.browser.evaluate(shown).await;
    assert_eq!(shown, json!({"green": true, "shape": "240x320", "mirrored": false, "visible": true}));

    // One video section, VP8 and H264 alone (with their retransmissions), candidates and their end.
    let sent = page.browser.evaluate("sockets[0].sent").await;
    assert_eq!(sent[0]["type"], "camera", "{sent}");
    assert!(sent[0]["label"].as_str().is_some_and(|label| label.contains("fake")), "{sent}");
    let sdp = sent[1]["sdp"].as_str().unwrap();
    let codecs: Vec<&str> =
        sdp.lines().filter(|l| l.starts_with("a=rtpmap:")).filter_map(|l| l.split([' ', '/']).nth(1)).collect();
    assert!(codecs.iter().all(|c| ["VP8", "H264", "rtx"].contains(c)) && codecs[0] == "VP8", "{codecs:?}");
    assert_eq!((sdp.matches("m=").count(), sdp.matches("a=sendrecv").count()), (1, 1), "{sdp}");
    page.browser.wait_for("sockets[0].sent.some(m => m.type === 'candidate' && m.candidate === '')", LIMIT).await;

    page.emit(json!({"type": "outcome", "success": true, "reason": "verified", "text": "Merci !"})).await;
    page.browser.wait_for("document.querySelector('[aria-live]').textContent === 'Merci !'", LIMIT).await;
    page.emit(json!({"type": "ended"})).await;
    page.browser.evaluate("sockets.at(-1).end(4000)").await;
    page.state("success").await;
    assert_eq!(page.browser.evaluate("document.getElementById('stage').dataset.outcome").await, "success");
    assert_eq!(page.browser.evaluate("sockets.length").await, 1, "it does not come back after the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_comes_back() {
    let (server, _) = serve(Vec::new()).await;
    let mut page = Page::new(&server, false).await;
    // The service goes away, is not there, is there again.
    page.open(
        "/call/r",
        json!([{"messages": [{"type": "waiting"}], "close": 1006}, null, {"messages": [ready("en")]}]),
    )
    .await;
    page.state("live").await;
    assert_eq!(page.browser.evaluate("sockets.length").await, 3);

    // A new flow in the same room: a new peer connection.
    page.emit(ready("en")).await;
    page.browser.wait_for("sockets.at(-1).sent.filter(m => m.type === 'offer').length === 2", LIMIT).await;
    page.state("live").await;

    // A reload says goodbye, and is not put off by its own old connection.
    page.open("/call/r", json!([{"messages": [{"type": "busy"}], "close": 4001}, {"messages": [ready("en")]}])).await;
    page.state("live").await;

    // The media dies under a healthy socket.
    page.browser.evaluate(&format!("plan.push({{messages: [{}]}}); sockets.at(-1).peer.close()", ready("en"))).await;
    page.browser.wait_for("sockets.length === 3", LIMIT).await;
    page.state("live").await;

    page.emit(json!({"type": "ended"})).await;
    page.state("ended").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_said_in_plain_words() {
    let (server, _) = serve(Vec::new()).await;
    let mut page = Page::new(&server, false).await;
    page.open(
        "/call/busy?lang=es-MX",
        json!([{"messages": [{"type": "busy"}], "close": 4001}, {"messages": [{"type": "waiting"}]}]),
    )
    .await;
    page.state("busy").await;
    assert!(page.text().await.contains("Ya hay alguien en esta llamada"));
    // The other one has left: the button tries again.
    page.click(".button").await;
    page.state("waiting").await;
    page.open("/call/two", json!([{"messages": [{"type": "waiting"}], "close": 4002}])).await;
    page.state("replaced").await;
    drop(page);

    let mut page = Page::new(&server, true).await;
    page.open("/call/denied?lang=en", json!([])).await;
    page.state("intro").await;
    assert!(page.text().await.contains("We need your camera"));
    page.click(".button").await;
    page.state("denied").await;
    assert!(page.text().await.contains("The camera is blocked"));
    assert_eq!(page.browser.evaluate("sockets.length").await, 0, "nobody joins without a camera");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_takes_a_picture_and_starts_a_call() {
    let started = json!({"room": "abc", "flow_id": "f00d", "call_url": "/call/abc"});
    let (server, uploads) = serve(vec![(422, json!({"error": "no_face"})), (200, started)]).await;
    let mut page = Page::new(&server, false).await;
    page.open("/demo?lang=en", json!([{"messages": [ready("en")]}])).await;
    page.click(".choice").await;
    page.state("shoot").await;
    page.browser.wait_for("document.querySelector('video').videoWidth > 0", LIMIT).await;
    page.click(".button").await;
    page.state("confirm").await;
    page.click(".button").await;
    page.browser.wait_for("document.querySelector('.notice')", LIMIT).await;
    assert!(page.text().await.contains("No face is visible in this picture"));
    page.click(".button").await;
    page.state("live").await;
    let url = page.browser.evaluate("sockets[0].url").await;
    assert!(url.as_str().unwrap().ends_with("/call/abc/ws"), "{url}");

    page.emit(json!({"type": "outcome", "success": false, "reason": "no_match", "text": "Another face."})).await;
    page.emit(json!({"type": "ended"})).await;
    page.state("failure").await;
    page.browser.wait_for("document.querySelector('code')", LIMIT).await;
    let text = page.text().await;
    for part in ["We could not verify you", "Another face.", "12.3 seconds", "no_match", "Check again"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    let uploads = uploads.lock().unwrap();
    assert!(uploads.len() == 2 && uploads.iter().all(|(t, bytes)| t == "image/jpeg" && *bytes > 1000), "{uploads:?}");
}

//! `/selfie` and its client in a real browser, against a stand-in for the frame door: what a person can meet on the way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use vision_service::http::pages;
use vision_service::http::serve::{Server, serve_plain};
use warp::Filter;
use warp::ws::{Message, WebSocket};

use crate::support::chromium::{Chromium, Launch};

const PHONE: (u32, u32) = (390, 844);
const LIMIT: Duration = Duration::from_secs(20);
const SESSION: &str = "00112233445566778899aabbccddeeff";
const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.e30.secret-of-the-subject";

/// What the stand-in does with a frame.
#[derive(Clone, Debug, PartialEq)]
enum Deed {
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
struct Heard {
    texts: Vec<Value>,
    /// Width, height and bytes of pictures.
    frames: Vec<(u32, u32, usize)>,
}

/// The stand-in: every frame of every connection meets with the deed of the moment; a close happens once.
#[derive(Clone)]
struct Door {
    deed: Arc<Mutex<Deed>>,
    heard: Arc<Mutex<Heard>>,
    limits: Value,
}

impl Door {
    fn new(limits: Value) -> Self {
        Self { deed: Arc::new(Mutex::new(Deed::Nothing)), heard: Arc::default(), limits }
    }

    fn errors(&self, errors: &[u16]) {
        self.does(Deed::Answer(json!({"type": "frame", "isOk": errors.is_empty(), "errors": errors, "details": {}})));
    }

    fn does(&self, deed: Deed) {
        *self.deed.lock().unwrap() = deed;
    }

    fn connects(&self) -> Vec<Value> {
        self.heard.lock().unwrap().texts.iter().filter(|text| text["type"] == "connect").cloned().collect()
    }

    fn last_frame(&self) -> (u32, u32, usize) {
        *self.heard.lock().unwrap().frames.last().unwrap()
    }

    async fn until(&self, what: &str, done: impl Fn(&Heard) -> bool) {
        let end = tokio::time::Instant::now() + LIMIT;
        while !done(&self.heard.lock().unwrap()) {
            assert!(tokio::time::Instant::now() < end, "waited in vain for {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn serve(&self) -> Server {
        let door = self.clone();
        let socket = warp::path!("ws").and(warp::ws()).map(move |ws: warp::ws::Ws| {
            let door = door.clone();
            ws.on_upgrade(move |socket| async move { drop(door.play(socket).await) })
        });
        // A page of nobody's, to put the built-in one into.
        let opener = warp::path!("opener").map(|| warp::reply::html("<!doctype html><p>opener</p>"));
        serve_plain(pages::filter(None, true).or(socket).or(opener), ([127, 0, 0, 1], 0).into()).await.unwrap()
    }

    async fn play(&self, mut socket: WebSocket) -> Result<(), warp::Error> {
        let mut number = 0;
        while let Some(message) = socket.next().await {
            let message = message?;
            if let Ok(text) = message.to_str() {
                let text: Value = serde_json::from_str(text).unwrap();
                let answer = match text["type"].as_str().unwrap() {
                    "connect" => Some(json!({
                        "type": "session",
                        "sessionId": SESSION,
                        "resumed": !text["sessionId"].is_null(),
                        "heartbeatInterval": 1,
                        "limits": self.limits,
                    })),
                    "heartbeat" => Some(json!({"type": "heartbeat"})),
                    _ => None,
                };
                self.heard.lock().unwrap().texts.push(text);
                if let Some(answer) = answer {
                    socket.send(Message::text(answer.to_string())).await?;
                }
            } else if message.is_binary() {
                let picture = image::load_from_memory_with_format(message.as_bytes(), image::ImageFormat::Jpeg).unwrap();
                self.heard.lock().unwrap().frames.push((picture.width(), picture.height(), message.as_bytes().len()));
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
                        socket.send(Message::text(answer.to_string())).await?;
                    }
                    Deed::End(answer, code) => {
                        socket.send(Message::text(answer.to_string())).await?;
                        return socket.send(Message::close_with(code, "")).await;
                    }
                    Deed::Close(1006) => return Ok(()),
                    Deed::Close(code) => return socket.send(Message::close_with(code, "")).await,
                }
            }
        }
        Ok(())
    }
}

fn limits() -> Value {
    json!({"maxBytes": 1 << 20, "maxPixels": 2_000_000, "maxRate": 20})
}

fn result(is_ok: bool, errors: &[u16]) -> Deed {
    Deed::End(json!({"type": "result", "isOk": is_ok, "errors": errors, "jwt": TOKEN}), 4000)
}

struct Page {
    browser: Chromium,
    origin: String,
    _server: Server,
}

impl Page {
    async fn new(door: &Door, deny_camera: bool) -> Self {
        let server = door.serve().await;
        let mut browser = Chromium::launch(Launch { camera: None, window: PHONE, deny_camera }).await;
        browser.command("Page.enable", json!({})).await;
        // Everything that the page logs or is told of its result.
        let notes = "window.logged = []; window.results = [];
            for (const level of ['log', 'info', 'debug', 'warn', 'error'])
              console[level] = (...parts) => logged.push(parts.map(String).join(' '));
            addEventListener('liveness-result', ({ detail }) => results.push(detail));
            addEventListener('message', ({ data, origin }) => results.push({ ...data, origin }));";
        browser.command("Page.addScriptToEvaluateOnNewDocument", json!({"source": notes})).await;
        Self { browser, origin: format!("http://localhost:{}", server.port()), _server: server }
    }

    async fn open(&mut self, path: &str) {
        let url = format!("{}{path}", self.origin);
        self.browser.open(&url).await;
    }

    async fn state(&mut self, state: &str) {
        self.stage("state", state).await;
    }

    async fn stage(&mut self, name: &str, value: &str) {
        self.browser.wait_for(&format!("document.getElementById('stage').dataset.{name} === '{value}'"), LIMIT).await;
    }

    async fn says(&mut self, text: &str) {
        self.browser.wait_for(&format!("document.body.innerText.includes({text:?})"), LIMIT).await;
    }

    async fn click(&mut self) {
        self.browser.evaluate("document.querySelector('.button').click()").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selfie_from_the_first_frame_to_the_result() {
    let door = Door::new(limits());
    let mut page = Page::new(&door, false).await;
    door.errors(&[8]);
    page.open("/selfie?lang=en").await;
    page.state("live").await;
    page.says("We cannot see your face").await;
    page.stage("guide", "wrong").await;
    let (width, height, _) = door.last_frame();
    assert!(width.max(height) <= 960 && width * height > 100_000, "{width}x{height}");
    // One's own picture is a mirror, and what is sent is as the camera sees it; the fake camera's clock is no palindrome,
    // but a transformed element draws untransformed on a canvas in every browser.
    assert_eq!(page.browser.evaluate("document.querySelector('video').style.transform").await, "scaleX(-1)");
    assert_eq!(page.browser.evaluate("document.querySelector('.prompt').getAttribute('aria-live')").await, "polite");

    // Interactions: the neutral state, the action, the next one.
    door.errors(&[61]);
    page.says("Look at the camera with open eyes").await;
    door.errors(&[62]);
    page.says("Close your eyes").await;
    page.stage("guide", "action").await;
    door.errors(&[63]);
    page.browser.wait_for("document.querySelectorAll('.steps-done .done').length === 1", LIMIT).await;
    door.errors(&[64]);
    page.says("Turn your head to the right").await;
    door.errors(&[]);
    page.stage("guide", "ok").await;
    page.browser.wait_for("document.querySelectorAll('.steps-done .done').length === 2", LIMIT).await;
    let kept = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("selfie-page.png");
    std::fs::write(kept, page.browser.screenshot().await).unwrap();
    let fits = page.browser.evaluate("document.documentElement.scrollHeight <= innerHeight").await;
    assert_eq!(fits, true, "nobody scrolls on a phone");

    door.does(result(true, &[]));
    page.state("success").await;
    page.stage("outcome", "success").await;
    let results = page.browser.evaluate("results").await;
    assert_eq!(results, json!([{"isOk": true, "errors": [], "jwt": TOKEN, "sessionId": SESSION}]));
    assert_eq!(page.browser.evaluate(&format!("logged.some((line) => line.includes({TOKEN:?}))")).await, false);
    assert_eq!(page.browser.evaluate("document.body.innerHTML.includes('eyJ')").await, false);
    assert_eq!(door.connects(), [json!({"type": "connect"})], "it does not come back after the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selfie_goes_on_in_a_new_connection() {
    let door = Door::new(json!({"maxBytes": 1 << 20, "maxPixels": 150_000, "maxRate": 20}));
    let mut page = Page::new(&door, false).await;
    door.errors(&[12]);
    page.open("/selfie?lang=fr").await;
    page.says("Approchez-vous un peu").await;
    let (width, height, _) = door.last_frame();
    assert!(width * height <= 150_000, "{width}x{height}");

    // Broken, then silent too long: both times it comes back with the session's id, and frames go on.
    for (code, connects) in [(1006, 2), (4004, 3)] {
        door.does(Deed::Close(code));
        door.until("another connection", |heard| {
            heard.texts.iter().filter(|text| text["type"] == "connect").count() == connects
        })
        .await;
        assert_eq!(door.connects().last().unwrap()["sessionId"], SESSION);
        let before = door.heard.lock().unwrap().frames.len();
        door.until("frames after it", |heard| heard.frames.len() > before).await;
        page.state("live").await;
        door.errors(&[12]);
        page.says("Approchez-vous un peu").await;
    }
    // Too large: smaller from now on.
    let before = door.last_frame();
    door.does(Deed::Answer(json!({"type": "error", "code": "too_large", "message": "m"})));
    door.until("a smaller frame", |heard| heard.frames.last().unwrap().0 < before.0).await;

    door.does(result(false, &[103]));
    page.state("failure").await;
    page.says("Ce visage n’est plus le même").await;
    // Anew, with another session.
    door.errors(&[]);
    page.click().await;
    page.state("live").await;
    assert!(door.connects().last().unwrap()["sessionId"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_a_selfie_is_said_in_plain_words() {
    let door = Door::new(limits());
    let mut page = Page::new(&door, false).await;
    for (code, state, words) in [
        (4000, "ended", "You can begin anew"),
        (4001, "refused", "The service cannot be reached"),
        (4002, "replaced", "opened in another window"),
        (4003, "refused", "The service cannot be reached"),
        (1013, "trylater", "Try again in a minute"),
    ] {
        door.does(Deed::Close(code));
        page.open("/selfie?lang=en").await;
        page.state(state).await;
        page.says(words).await;
        let connects = door.connects().len();
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(door.connects().len(), connects, "{code}: it does not come back by itself");
        door.errors(&[]);
        page.click().await;
        page.state("live").await;
    }
    drop(page);

    let mut page = Page::new(&door, true).await;
    let connects = door.connects().len();
    page.open("/selfie?lang=de").await;
    page.state("intro").await;
    page.click().await;
    page.state("denied").await;
    page.says("Die Kamera ist gesperrt").await;
    assert_eq!(door.connects().len(), connects, "nobody begins without a camera");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_result_goes_to_the_site_that_the_subject_was_told_of() {
    let door = Door::new(limits());
    let mut page = Page::new(&door, false).await;
    let own = page.origin.clone();
    for (recipient, told) in [(own.as_str(), true), ("https://elsewhere.example", false)] {
        page.open("/opener").await;
        page.browser
            .evaluate(&format!(
                "(() => {{ const frame = document.createElement('iframe'); frame.allow = 'camera';
                   frame.src = '/selfie?lang=en&origin={recipient}'; document.body.append(frame); }})()"
            ))
            .await;
        // Asked first, though the camera is allowed.
        let host = recipient.split("//").nth(1).unwrap();
        let asks = format!("frames[0]?.document.body?.innerText.includes('goes to {host}')");
        page.browser.wait_for(&asks, LIMIT).await;
        door.does(result(true, &[]));
        page.browser.evaluate("frames[0].document.querySelector('.button').click()").await;
        page.browser.wait_for("frames[0].results.length === 1", LIMIT).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let results = page.browser.evaluate("results").await;
        let message = json!({"type": "liveness-result", "isOk": true, "errors": [], "jwt": TOKEN, "sessionId": SESSION,
            "origin": own});
        assert_eq!(results, if told { json!([message]) } else { json!([]) }, "{recipient}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_by_itself() {
    let door = Door::new(limits());
    let mut page = Page::new(&door, false).await;
    page.open("/opener").await;
    let import = "import('/call/assets/liveness-client.js').then((m) => { window.lib = m; })";
    page.browser.evaluate(import).await;

    // The names of LUNA PASS's library, and errors that say what is missing.
    let code = "(async (make) => { try { await make(); return 'none' } catch (e) { return e.code } })";
    let missing = format!("{code}(() => new lib.LivenessClient().checkLiveness())");
    assert_eq!(page.browser.evaluate(&missing).await, "notattached");
    let unreachable = format!("{code}(() => new lib.LivenessClient().connectWS(`ws://${{location.host}}/none`))");
    assert_eq!(page.browser.evaluate(&unreachable).await, "lost");
    let no_address = format!("{code}(() => new lib.LivenessClient().connect('no address:'))");
    assert_eq!(page.browser.evaluate(&no_address).await, "lost");

    // It goes on with a session of before, and is heard of though it has nothing to say.
    let connect = format!(
        "(async () => {{ window.client = new lib.LivenessClient(document.body, {{sessionId: '{SESSION}', mode: 'operator'}});
           await client.connectWS(`ws://${{location.host}}/ws`); return client.sessionId; }})()"
    );
    assert_eq!(page.browser.evaluate(&connect).await, SESSION);
    assert_eq!(door.connects().last().unwrap()["sessionId"], SESSION);
    door.until("heartbeats", |heard| heard.texts.iter().filter(|text| text["type"] == "heartbeat").count() >= 2).await;

    // A check without an answer: the next frame goes after a while, and no crowd of them.
    page.browser.evaluate("client.attachCamera().then(() => { window.check = client.checkLiveness(); })").await;
    assert_eq!(page.browser.evaluate("document.querySelector('video').style.transform").await, "");
    let second = format!("{code}(() => client.checkLiveness())");
    assert_eq!(page.browser.evaluate(&second).await, "running");
    door.until("a frame", |heard| !heard.frames.is_empty()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(door.heard.lock().unwrap().frames.len(), 1);
    door.until("the next frame", |heard| heard.frames.len() == 2).await;

    page.browser.evaluate("client.detachCamera(), client.disconnectWS()").await;
    assert_eq!(page.browser.evaluate(&format!("{code}(() => check)")).await, "ended");
    assert_eq!(page.browser.evaluate("document.querySelector('video')").await, Value::Null);
    door.until("a goodbye", |heard| heard.texts.last().unwrap()["type"] == "bye").await;
}

/// Numbers that follow `mark` in a source file.
fn numbers(source: &str, mark: &str) -> Vec<u16> {
    let after = source.split(mark).skip(1);
    after.filter_map(|text| text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_code_has_words_in_every_language() {
    let checks = include_str!("../core/src/liveness/frame_checks/codes.rs");
    let interactions = include_str!("../core/src/liveness/interactions/mod.rs");
    let codes = [numbers(checks, " = "), numbers(interactions, " => "), vec![103]].concat();
    assert!(codes.len() >= 26 + 11 + 1, "{codes:?}");

    let mut page = Page::new(&Door::new(limits()), false).await;
    page.open("/opener").await;
    let table = format!(
        "import('/call/assets/prompts.js').then(({{ prompt, languages, leading }}) => Object.fromEntries(languages.map(
           (language) => [language, [prompt(null, language), ...{codes:?}.map((code) => [code, prompt(code, language), leading([code])])]])))"
    );
    let table = page.browser.evaluate(&table).await;
    let languages = table.as_object().unwrap();
    assert_eq!(languages.len(), 5);
    for (language, prompts) in languages {
        let keep = &prompts[0];
        for row in &prompts.as_array().unwrap()[1..] {
            let (code, text) = (row[0].as_u64().unwrap(), row[1].as_str().unwrap());
            assert!((4..=75).contains(&text.chars().count()), "{language} {code}: {text}");
            // 32: it does not look alive; nothing that an honest subject could do about it.
            assert_eq!((row[1] == *keep, row[2].is_null()), (code == 32, code == 32), "{language} {code}: {text}");
        }
        if language != "en" {
            assert_ne!(prompts, &languages["en"], "{language}");
        }
    }

    // What matters most, and how far the subject is.
    let run = "import('/call/assets/prompts.js').then(({ leading, Progress }) => {
        const progress = new Progress();
        return [leading([3, 64]), leading([64, 8]), leading([30, 5]), leading([32, 5]), leading([]),
          ...[[63], [65], [63], [65], [8], [63], [64], [37], [61], [62], []].map((errors) => progress.update(errors).done)];
      })";
    // Turned to the wrong side it begins anew: still none is done.
    let expected = json!([64, 8, 30, 5, null, 0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 3]);
    assert_eq!(page.browser.evaluate(run).await, expected);
}

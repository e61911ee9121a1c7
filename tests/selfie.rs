//! A selfie in a real browser with the real service: from the camera's first frame to a token that the controller verifies.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use vision_core::picture::{I420Mut, I420View, Picture as _, PictureView};
use vision_core::portrait::{Expression, Portrait};
use vision_models::engine::Engine;
use vision_models::picture_file::{PictureLimits, decode_picture};
use vision_service::app::engine_options;
use vision_service::token::{Algorithm, Claims, Verifier};

use crate::support::assets::{Scratch, asset};
use crate::support::chromium::{Chromium, Launch, camera_file};
use crate::support::serial;
use crate::support::service::{self, TestService, config};

const KEY: &str = "a key of thirty-two bytes or more";
const AUDIENCE: &str = "a bank";
const PHONE: (u32, u32) = (390, 844);
const LIMIT: Duration = Duration::from_secs(60);

/// Notes results, sessions, and the sockets that the page opens, so that a test can break them.
const NOTES: &str = "window.results = []; window.sockets = []; window.sessions = [];
    addEventListener('liveness-result', ({ detail }) => results.push(detail));
    const Socket = WebSocket;
    const note = ({ data }) => {
      const { type, sessionId, resumed } = JSON.parse(data);
      if (type === 'session') sessions.push([sessionId, resumed]);
    };
    window.WebSocket = class extends Socket {
      constructor(...parts) {
        super(...parts);
        sockets.push(this);
        this.addEventListener('message', note);
      }
    };";

/// A camera that sees somebody who does what the page says: one of `pictures` by the prompt, never quite still.
const SUBJECT: &str = "((pictures) => {
    navigator.mediaDevices.getUserMedia = async () => {
      const images = {};
      for (const [prompt, url] of Object.entries(pictures)) {
        images[prompt] = new Image();
        images[prompt].src = url;
        await images[prompt].decode();
      }
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [images.rest.width, images.rest.height];
      const context = canvas.getContext('2d');
      setInterval(() => {
        const sway = 2 * Math.sin(performance.now() / 400);
        const prompt = document.querySelector('.prompt')?.textContent;
        context.drawImage(images[prompt] ?? images.rest, sway, sway / 2);
      }, 40);
      return canvas.captureStream(25);
    };
  })";

struct Selfie {
    service: TestService,
    browser: Chromium,
    _scratch: Scratch,
}

impl Selfie {
    /// The service with the settings of LUNA PASS in `file`, and a browser.
    async fn new(name: &str, file: &str, camera: Option<&std::path::Path>) -> Self {
        let scratch = Scratch::new(name);
        let path = scratch.0.join("lunapassapi.config.toml");
        std::fs::write(&path, format!("[LUNA_PASS.JWT]\nkey = \"{KEY}\"\n{file}")).unwrap();
        let settings = [("frame_door.settings", path.to_str().unwrap()), ("frame_door.audience", AUDIENCE)];
        let service = service::start(&settings).await;
        let camera = camera.map(|clip| camera_file(clip, &scratch.0));
        let launch = Launch { camera: camera.as_deref(), window: PHONE, deny_camera: false };
        let mut browser = Chromium::launch(launch).await;
        browser.command("Page.enable", json!({})).await;
        browser.command("Page.addScriptToEvaluateOnNewDocument", json!({"source": NOTES})).await;
        Self { service, browser, _scratch: scratch }
    }

    async fn open(&mut self) {
        let url = self.service.url("/selfie?lang=en").replace("127.0.0.1", "localhost");
        self.browser.open(&url).await;
    }

    /// Waits for the card; what the page was told, and what its token says.
    async fn finish(mut self, outcome: &str) -> (Value, Claims) {
        let is = format!("document.getElementById('stage').dataset.outcome === '{outcome}'");
        self.browser.wait_for(&is, LIMIT).await;
        let results = self.browser.evaluate("results").await;
        let [result] = &results.as_array().unwrap()[..] else { panic!("one result: {results}") };
        let verifier = Verifier::new(Algorithm::Hs256, KEY.as_bytes(), Some(AUDIENCE)).unwrap();
        let claims = verifier.verify(result["jwt"].as_str().unwrap()).unwrap();
        assert_eq!((json!(claims.is_ok), json!(claims.sid)), (result["isOk"].clone(), result["sessionId"].clone()));
        self.service.stop().await;
        (result.clone(), claims)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_in_a_browser_is_live_though_the_connection_breaks() {
    let _turn = serial().await;
    let Some(person) = asset("a_person_in_a_browser_is_live_though_the_connection_breaks", "lp_d10.mp4") else {
        return;
    };
    let plugins = "[MIDDLEWARES.WS.Bestshot]\nisEnabled = 1\n[MIDDLEWARES.WS.AggregateLiveness]\nisEnabled = 1\n";
    let mut selfie = Selfie::new("selfie-clip", plugins, Some(&person)).await;
    selfie.open().await;
    let stage = "document.getElementById('stage').dataset";
    selfie.browser.wait_for(&format!("{stage}.frames > 1"), LIMIT).await;
    selfie.browser.evaluate("sockets[0].close(4999)").await;
    selfie.browser.wait_for("sessions.length === 2", LIMIT).await;
    let sessions = selfie.browser.evaluate("sessions").await;

    let (result, claims) = selfie.finish("success").await;
    assert_eq!(sessions, json!([[claims.sid, false], [claims.sid, true]]), "it went on with the same session");
    assert_eq!((claims.is_ok, &claims.errors[..], &result["errors"]), (true, &[][..], &json!([])));
    let best = base64::engine::general_purpose::STANDARD.decode(claims.bestshot.unwrap()).unwrap();
    let best = image::load_from_memory_with_format(&best, image::ImageFormat::Jpeg).unwrap();
    assert_eq!((best.width(), best.height()), (640, 480));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_who_does_what_the_page_says_is_live() {
    let _turn = serial().await;
    // The subject is a portrait that moves: only what it does is to be checked here.
    let file = "[LIVENESS.THRESHOLDS]\nblur = 0\nlight = 0\ndark = 0\nillumination = 1\nspecularity = 1\nfaceWidth = 50\n\
        faceHeight = 50\nmouth = 0\nags = 0\nlivenessScore = 0\nlivenessQualityScore = 0\n\
        [MIDDLEWARES.WS.ActiveLiveness]\nisEnabled = 1\nargs.interactionsCount = 3\n";
    let mut selfie = Selfie::new("selfie-active", file, None).await;
    let source = format!("{SUBJECT}({})", pictures());
    selfie.browser.command("Page.addScriptToEvaluateOnNewDocument", json!({"source": source})).await;
    selfie.open().await;
    let (_, claims) = selfie.finish("success").await;
    assert!(claims.is_ok);
    let active = &claims.checks["activeLiveness"];
    assert_eq!((&active["done"], active["completed"].as_array().unwrap().len()), (&json!(true), 3), "{active}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_sees_nobody_is_refused() {
    let _turn = serial().await;
    let mut selfie = Selfie::new("selfie-nobody", "[LIVENESS]\nmaxAttempts = 4\n", None).await;
    selfie.open().await;
    selfie.browser.wait_for("document.getElementById('stage').dataset.state === 'failure'", LIMIT).await;
    let text = selfie.browser.evaluate("document.body.innerText").await;
    assert!(text.as_str().unwrap().contains("We cannot see your face"), "{text}");
    let (result, claims) = selfie.finish("failure").await;
    assert_eq!((claims.is_ok, &claims.errors[..], &result["errors"]), (false, &[8][..], &json!([8])));
}

/// The portrait at rest and in each action, by prompt, as data URLs.
fn pictures() -> Value {
    let engine = Engine::open(&engine_options(&config(&[]))).unwrap();
    let astronaut = include_bytes!("../assets/demo/astronaut.png");
    let picture = Arc::new(decode_picture(astronaut, &PictureLimits::default()).unwrap());
    let faces = engine.analyze_picture(picture.clone()).unwrap();
    let PictureView::Rgb(view) = picture.view() else { panic!("a file decodes to RGB") };
    let mut portrait = Portrait::new(view, &faces[0]).unwrap();
    let rest = Expression::default();
    let acted = [
        ("rest", rest),
        ("Close your eyes for a moment", Expression { blink_left: 1.0, blink_right: 1.0, ..rest }),
        ("Turn your head to the left", Expression { yaw: 0.55, ..rest }),
        ("Turn your head to the right", Expression { yaw: -0.55, ..rest }),
        ("Raise your chin", Expression { pitch: 0.48, ..rest }),
        ("Lower your chin", Expression { pitch: -0.48, ..rest }),
    ];
    acted.into_iter().map(|(prompt, expression)| (prompt.to_owned(), drawn(&mut portrait, &expression))).collect()
}

fn drawn(portrait: &mut Portrait, expression: &Expression) -> Value {
    let [width, height] = portrait.size();
    let (mut y, mut u, mut v) = (vec![0; width * height], vec![0; width * height / 4], vec![0; width * height / 4]);
    let (y_stride, uv_stride) = (width, width / 2);
    let mut frame = I420Mut { y: &mut y, u: &mut u, v: &mut v, y_stride, uv_stride, width, height };
    portrait.render(expression, &mut frame).unwrap();
    let rgb = PictureView::I420(I420View { y: &y, u: &u, v: &v, y_stride, uv_stride, width, height }).to_rgb();
    let rgb = image::RgbImage::from_raw(width as u32, height as u32, rgb.data).unwrap();
    let mut file = std::io::Cursor::new(Vec::new());
    rgb.write_to(&mut file, image::ImageFormat::Png).unwrap();
    let encoded = base64::engine::general_purpose::STANDARD.encode(file.get_ref());
    json!(format!("data:image/png;base64,{encoded}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_gives_the_password_for_the_page_gives_it_for_the_session() {
    let _turn = serial().await;
    let file = "[LIVENESS]\nmaxAttempts = 2\n[MIDDLEWARES.REQUEST.BasicAuth]\nisEnabled = 1\nargs.username = \"me\"\n\
                args.password = \"mine\"\n";
    let mut selfie = Selfie::new("selfie-password", file, None).await;
    let page = selfie.service.url("/selfie?lang=en").replace("127.0.0.1", "localhost");
    assert_eq!(reqwest::get(&page).await.unwrap().status(), 401);
    selfie.browser.open(&page.replace("//", "//me:mine@")).await;
    let (_, claims) = selfie.finish("failure").await;
    assert!(!claims.is_ok);
}

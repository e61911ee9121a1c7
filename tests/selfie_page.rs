//! `/selfie` and its client in a real browser, against a stand-in for the frame door: what a person can meet on the way.

use std::time::Duration;

use serde_json::{Value, json};
use vision_service::http::serve::Server;
use vision_service::token::{Algorithm, Jwt, Signer};

use crate::support::chromium::{Chromium, Launch};
use crate::support::frame_door::{Deed, Door, LIMIT, SESSION, TOKEN, limits, result};

const PHONE: (u32, u32) = (390, 844);

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
    assert!(width.max(height) <= 1280 && width * height > 100_000, "{width}x{height}");
    // One's own picture is a mirror, and what is sent is as the camera sees it: its clock is at the left.
    assert_eq!(page.browser.evaluate("document.querySelector('video').style.transform").await, "scaleX(-1)");
    let (left, right) = door.heard.lock().unwrap().edges;
    assert!(left > 10 * right.max(1), "letters: {left} pixels at the left, {right} at the right");
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
    // What was done stays done, unless the service was restarted and begins anew.
    let dots = |count: usize| format!("document.querySelectorAll('.steps-done .done').length === {count}");
    door.errors(&[68]);
    page.says("Baissez le menton").await;
    door.errors(&[61]);
    page.browser.wait_for(&dots(1), LIMIT).await;
    for (session, count) in [(SESSION, 1), ("ffeeddccbbaa99887766554433221100", 0)] {
        *door.session.lock().unwrap() = session;
        let connects = door.connects().len();
        door.does(Deed::Close(1012));
        door.until("a frame after the next connection", |heard| {
            heard.texts.iter().filter(|text| text["type"] == "connect").count() > connects
        })
        .await;
        page.state("live").await;
        page.browser.wait_for(&dots(count), LIMIT).await;
        door.errors(&[61]);
        page.says("les yeux ouverts").await;
        page.browser.wait_for(&dots(count), LIMIT).await;
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
        // Who leaves the page says so. Not by leaving it here: a busy Chromium ends pages that take long to say it.
        page.browser.evaluate("dispatchEvent(new PageTransitionEvent('pagehide')), 0").await;
        door.until("a goodbye", |heard| heard.texts.last().unwrap()["type"] == "bye").await;
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
        "(async () => {{ window.client = new lib.LivenessClient(document.body, {{sessionId: '{SESSION}', mode: 'operator',
              image: {{longSide: 640}}}});
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
    assert_eq!(door.last_frame().0, 640);
    door.until("the next frame", |heard| heard.frames.len() == 2).await;

    page.browser.evaluate("client.detachCamera(), client.disconnectWS()").await;
    assert_eq!(page.browser.evaluate(&format!("{code}(() => check)")).await, "ended");
    assert_eq!(page.browser.evaluate("document.querySelector('video')").await, Value::Null);
    door.until("a goodbye", |heard| heard.texts.last().unwrap()["type"] == "bye").await;
}

/// The block of `docs/frame-client.md` in a language that begins so.
fn example(language: &str, beginning: &str) -> String {
    let start = format!("```{language}\n{beginning}");
    let (_, after) = include_str!("../docs/frame-client.md").split_once(&start).unwrap();
    format!("{beginning}{}", after.split_once("```").unwrap().0)
}

#[test]
fn the_examples_verify_tokens() {
    let key = "a key of thirty-two bytes or more";
    let sign = |key: &str, claims: Value| {
        Signer::new(&Jwt { algorithm: Algorithm::Hs256, key: key.to_owned().into() }).unwrap().sign(&claims).unwrap()
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let told = |id: &str, exp: u64, audience: &str| json!({"isOk": true, "exp": exp, "jti": id, "sid": SESSION, "aud": audience});
    let claims = |id: &str, exp: u64| told(id, exp, "a bank");
    let good = sign(key, claims("1", now + 60));
    let (header, rest) = good.split_once('.').unwrap();
    let tokens = [
        good.clone(),
        good.clone(),
        sign(key, claims("2", now - 60)),
        sign("another key, as long as the first", claims("3", now + 60)),
        format!("{header}A.{rest}"),
        good.rsplit_once('.').unwrap().0.to_owned(),
        "nonsense".to_owned(),
        sign(key, told("4", now + 60, "a shop")),
        sign(key, claims("4", now + 60)),
    ];
    // Once each, and what is old, of another, changed or no token at all never.
    let expected = json!([SESSION, null, null, null, null, null, null, null, SESSION]);
    let input = json!({"key": key, "tokens": tokens});
    let python = example("python", "import base64, hashlib")
        + "\nimport sys\n\ndef says(token):\n    try:\n        return verify(token, given['key'].encode(), 'a bank')['sid']\n    \
           except ValueError:\n        return None\n\ngiven = json.loads(sys.argv[1])\n\
           print(json.dumps([says(token) for token in given['tokens']]))\n";
    let node = example("js", "import { createHmac")
        + "
        const says = (token) => { try { return verify(token, given.key, 'a bank').sid; } catch { return null; } };
        const given = JSON.parse(process.argv.at(-1));
        console.log(JSON.stringify(given.tokens.map(says)));";
    let programs: [(&str, &[&str], String); 2] =
        [("python3", &["-c"], python), ("node", &["--input-type=module", "-e"], node)];
    for (program, arguments, source) in programs {
        let output =
            std::process::Command::new(program).args(arguments).args([&source, &input.to_string()]).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{program}: {errors}"));
        assert_eq!(said, expected, "{program}: {errors}");
    }
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
    let codes = [numbers(checks, " = "), numbers(interactions, " => "), vec![103, 104]].concat();
    assert!(codes.len() >= 26 + 11 + 2, "{codes:?}");

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

//! Evidence of whole flows: gathered, sealed, signed, handed out, shown to a reviewer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use vision_service::subject::camera::Source;
use vision_service::subject::{GstSubject, SubjectOptions};
use vision_service::token::{Algorithm, Verifier};

use crate::support::assets::{Scratch, asset, frame_of};
use crate::support::chromium::{Chromium, Launch};
use crate::support::controller::{Behaviour, TestController};
use crate::support::serial;
use crate::support::service::{self, TestService};

const KEY: &str = "a shared key of this test, long enough";
const LIMIT: Duration = Duration::from_secs(70);

/// Settings of a service that keeps evidence in `folder`.
fn settings(scratch: &Path) -> Vec<(&'static str, String)> {
    let key = scratch.join("key");
    std::fs::write(&key, format!("{KEY}\n")).unwrap();
    vec![
        ("flow.starting", "300ms".into()),
        ("flow.result_shown", "300ms".into()),
        ("signing.key_file", key.display().to_string()),
        ("signing.audience", "a bank".into()),
        ("evidence.store", format!("folder:{}", scratch.join("kept").display())),
        ("evidence.video", "true".into()),
        ("callbacks.body", "jwt".into()),
        ("callbacks.bestshot", "true".into()),
    ]
}

async fn start(settings: &[(&'static str, String)]) -> TestService {
    service::start(&settings.iter().map(|(key, value)| (*key, value.as_str())).collect::<Vec<_>>()).await
}

async fn subject(service: &TestService, room: &str, clip: &Path) -> GstSubject {
    let url = format!("ws://127.0.0.1:{}/call/{room}/ws", service.port);
    let mut options = SubjectOptions::new(url, Source::Clip(clip.to_owned()));
    options.size = Some((640, 480));
    GstSubject::join(options).await.unwrap()
}

/// `GET /flows/{id}/evidence`, when it is there.
async fn evidence(service: &TestService, flow: &str, query: &str) -> reqwest::Response {
    let url = service.url(&format!("/flows/{flow}/evidence{query}"));
    for _ in 0..100 {
        let response = reqwest::get(&url).await.unwrap();
        if response.status() != 404 {
            return response;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no evidence: {}", reqwest::get(&url).await.unwrap().text().await.unwrap());
}

/// Unpacks a tar file; answers its folder.
fn unpack(tar: &[u8], folder: PathBuf) -> PathBuf {
    tar::Archive::new(tar).unpack(&folder).unwrap();
    folder
}

fn json_file(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |entries| entries.count())
}

/// Every picture of a record is one.
fn assert_pictures(folder: &Path, record: &Value) {
    let pictures = record["pictures"].as_array().unwrap();
    assert_eq!(entries(&folder.join("pictures")), pictures.len());
    for entry in std::fs::read_dir(folder.join("pictures")).unwrap() {
        let picture = image::open(entry.unwrap().path()).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), (640, 480));
        let darkest = picture.iter().min().unwrap();
        let brightest = picture.iter().max().unwrap();
        assert!(brightest - darkest > 100, "there is something on it");
    }
}

/// The videos of a record play, have so many pictures in them, and together show most of what the networks saw.
fn assert_videos(folder: &Path, record: &Value) {
    let videos = record["videos"].as_array().unwrap();
    assert!(!videos.is_empty() && record["videos_cut"].is_null(), "{record}");
    assert_eq!(entries(&folder.join("videos")), videos.len());
    let mut seconds = 0.0;
    for video in videos {
        let probe = std::process::Command::new("ffprobe")
            .args(["-v", "error", "-count_frames", "-show_entries", "stream=codec_name,width,height,nb_read_frames"])
            .args(["-of", "csv=p=0"])
            .arg(folder.join(video["file"].as_str().unwrap()))
            .output()
            .unwrap();
        let codec = video["codec"].as_str().unwrap().to_lowercase();
        let found = String::from_utf8_lossy(&probe.stdout).trim().to_owned();
        assert_eq!(found, format!("{codec},640,480,{}", video["pictures"]), "{video}");
        seconds += video["duration_ms"].as_f64().unwrap() / 1000.0;
    }
    let points = record["signals"].as_array().unwrap().iter().find(|s| s["name"] == "head turned").unwrap()["points"]
        .as_array()
        .unwrap();
    let watched = (points[points.len() - 1][0].as_f64().unwrap() - points[0][0].as_f64().unwrap()) / 1000.0;
    assert!(seconds > 0.8 * watched && watched > 1.0, "{seconds} s filmed, {watched} s watched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_is_kept_signed_and_can_be_reviewed() {
    let _turn = serial().await;
    let Some(person) = asset("a_flow_is_kept_signed_and_can_be_reviewed", "lp_d12.mp4") else { return };
    let scratch = Scratch::new("evidence");
    let controller =
        TestController::start(Behaviour { references: vec![frame_of(&person, 0.2)], ..Behaviour::default() }).await;
    let service = start(&settings(&scratch.0)).await;
    let flow = service.join("kept", &controller.url(), "kept").await;
    let visitor = subject(&service, "kept", &person).await;
    assert_eq!(controller.outcome("kept", LIMIT).await.as_deref(), Some("success"));
    let status = service.wait_for(&flow, Duration::from_secs(10), |f| f["state"] == "ended").await;
    visitor.leave().await;

    // What is handed out is what was signed.
    let response = evidence(&service, &flow, "").await;
    assert_eq!(response.status(), 200);
    let folder = unpack(&response.bytes().await.unwrap(), scratch.0.join("unpacked"));
    let verifier = Verifier::new(Algorithm::Hs256, KEY.as_bytes(), None).unwrap();
    let verify = || vision_service::commands::verify_evidence::verify(&verifier, &folder);
    assert_eq!(verify().unwrap().id.as_str(), flow);

    // And says what `GET /flows/{id}` said, with what it was decided on.
    let record = json_file(&folder, "record.json");
    assert_eq!((&record["outcome"], &record["is_ok"]), (&json!("verified"), &json!(true)));
    assert_eq!((&record["checks"], &record["timings"]), (&status["checks"], &status["timings"]));
    let asked: Vec<_> = status["timings"]["gestures"].as_array().unwrap().iter().map(|g| &g["gesture"]).collect();
    let roles = |role: &str| record["pictures"].as_array().unwrap().iter().filter(|p| p["role"] == role).count();
    assert_eq!((roles("best_shot"), roles("gesture")), (1, status["pictures"].as_array().unwrap().len()), "{record}");
    for picture in record["pictures"].as_array().unwrap() {
        assert!(picture["ags"].is_null() && picture["scores"]["ags"].as_f64().unwrap() > 0.0, "{picture}");
        assert!(picture["role"] == "best_shot" || asked.contains(&&picture["gesture"]), "{picture}");
    }
    assert_pictures(&folder, &record);
    assert_videos(&folder, &record);
    let signals = record["signals"].as_array().unwrap();
    assert_eq!(signals.len(), asked.len() + 3, "each gesture's, the head, the picture, liveness");
    for (signal, gesture) in signals.iter().zip(&asked) {
        assert!(signal["name"].as_str().unwrap().contains(gesture.as_str().unwrap()), "{signal}");
        assert!(!signal["thresholds"].as_array().unwrap().is_empty());
        assert!(signal["points"].as_array().unwrap().len() > 3, "{signal}");
    }
    assert!(record["models"].as_object().unwrap().len() >= 2);

    // The callback carried the result, signed.
    let call = controller.calls().into_iter().find(|call| call.verb == "success").unwrap();
    let jwt = serde_json::from_slice::<Value>(&call.body).unwrap()["jwt"].as_str().unwrap().to_owned();
    let claims = Verifier::new(Algorithm::Hs256, KEY.as_bytes(), Some("a bank")).unwrap().verify(&jwt).unwrap();
    assert_eq!((claims.is_ok, claims.sid.as_str()), (true, flow.as_str()));
    assert_eq!(claims.details["outcome"], "verified");
    let best = base64::engine::general_purpose::STANDARD.decode(claims.bestshot.unwrap()).unwrap();
    assert_eq!(best, std::fs::read(folder.join("pictures/01-best-shot.jpg")).unwrap(), "the one of the evidence");
    assert_eq!(claims.exp - claims.iat, 600);
    assert!(claims.checks["frozen_stream"]["verdict"].is_string() && !claims.jti.is_empty());

    // The page that a reviewer reads.
    let mut browser = Chromium::launch(Launch { camera: None, window: (1000, 1400), deny_camera: true }).await;
    browser.open(&service.url(&format!("/flows/{flow}/evidence?file=report.html"))).await;
    let shown = "[...document.images].filter(i => i.complete && i.naturalWidth === 640).length";
    let pictures = record["pictures"].as_array().unwrap().len();
    assert_eq!(browser.evaluate(shown).await, json!(pictures));
    let plots = "[...document.querySelectorAll('polyline')].filter(l => l.getBoundingClientRect().width > 100).length";
    assert_eq!(browser.evaluate(plots).await, json!(signals.len()));
    assert_eq!(browser.evaluate("document.querySelector('h1').innerText").await, "Evidence: verified");
    let text = browser.evaluate("document.body.innerText").await;
    for word in ["frozen_stream", "best shot", &flow] {
        assert!(text.as_str().unwrap().contains(word), "{word} in {text}");
    }
    let colours: std::collections::HashSet<_> =
        image::load_from_memory(&browser.screenshot().await).unwrap().into_rgb8().pixels().copied().collect();
    assert!(colours.len() > 1000, "a photo is on the page: {} colours", colours.len());

    // A changed file is noticed.
    std::fs::write(folder.join("record.json"), record.to_string().replace("verified", "rejected")).unwrap();
    assert_eq!(verify().unwrap_err().to_string(), "record.json was changed");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_fails_is_sealed_for_one_recipient() {
    let _turn = serial().await;
    let Some(person) = asset("a_flow_that_fails_is_sealed_for_one_recipient", "lp_d12.mp4") else { return };
    let scratch = Scratch::new("evidence-sealed");
    let controller = TestController::start(Behaviour::default()).await;
    let owner = age::x25519::Identity::generate();
    let mut settings = settings(&scratch.0);
    settings.extend([
        ("evidence.recipient", owner.to_public().to_string()),
        ("http.api_token", "a token".into()),
        ("flow.time_limit", "4s".into()),
        ("flow.starting", "60s".into()),
    ]);
    let service = start(&settings).await;
    let client = reqwest::Client::new();
    let join = |room: &str, evidence: bool| {
        let body = json!({
            "ws_url": format!("direct:{room}"), "callback_base_url": controller.url(), "token": room, "evidence": evidence,
        });
        client.post(service.url("/join-call")).bearer_auth("a token").json(&body).send()
    };
    let answer: Value = join("sealed", true).await.unwrap().json().await.unwrap();
    let flow = answer["flow_id"].as_str().unwrap().to_owned();
    let without: Value = join("without", false).await.unwrap().json().await.unwrap();
    let visitor = subject(&service, "sealed", &person).await;
    assert_eq!(controller.outcome("sealed", LIMIT).await.as_deref(), Some("failure"));
    assert_eq!(controller.outcome("without", LIMIT).await.as_deref(), Some("failure"));
    visitor.leave().await;

    let place = scratch.0.join("kept").join(&flow);
    for _ in 0..100 {
        if place.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let get = |flow: &str| client.get(service.url(&format!("/flows/{flow}/evidence")));
    assert_eq!(get(&flow).send().await.unwrap().status(), 401, "the token is wanted, on loopback too");
    let response = get(&flow).bearer_auth("a token").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/age");
    let sealed = response.bytes().await.unwrap();
    let folder = unpack(&age::decrypt(&owner, &sealed).unwrap(), scratch.0.join("opened"));
    let record = json_file(&folder, "record.json");
    assert_eq!((&record["is_ok"], &record["reason"]), (&json!(false), &json!("deadline")), "{record}");
    assert_eq!(record["pictures"][0]["role"], "best_shot", "there is one without any gesture");
    assert_pictures(&folder, &record);

    // Nothing that is not sealed shows anybody, and of the flow without evidence there is nothing.
    let mut names: Vec<_> = std::fs::read_dir(&place).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["evidence.tar.age", "manifest.json", "manifest.jws"]);
    let jpeg = base64::engine::general_purpose::STANDARD.decode("/9j/").unwrap();
    for name in &names {
        let bytes = std::fs::read(place.join(name)).unwrap();
        assert!(!bytes.windows(jpeg.len()).take(200).any(|window| window == jpeg), "{name:?}");
    }
    let without = without["flow_id"].as_str().unwrap();
    let refused: Value = get(without).bearer_auth("a token").send().await.unwrap().json().await.unwrap();
    assert_eq!(refused["error"], "no_evidence");
    service.stop().await;
    assert_eq!(entries(&scratch.0.join("kept")), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_store_nothing_is_kept_and_callbacks_are_empty() {
    let _turn = serial().await;
    let scratch = Scratch::new("evidence-off");
    let mut settings = settings(&scratch.0);
    settings.retain(|(key, _)| !matches!(*key, "evidence.store" | "callbacks.body"));
    settings.push(("flow.time_limit", "1s".into()));
    let controller = TestController::start(Behaviour::default()).await;
    let service = start(&settings).await;
    let flow = service.join("off", &controller.url(), "off").await;
    assert_eq!(controller.outcome("off", LIMIT).await.as_deref(), Some("failure"));
    assert!(controller.calls().iter().all(|call| call.body.is_empty()));
    service.wait_for(&flow, Duration::from_secs(10), |f| f["state"] == "ended").await;
    let answer = reqwest::get(service.url(&format!("/flows/{flow}/evidence"))).await.unwrap();
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"], "evidence_off");
    service.stop().await;
    assert_eq!(entries(&scratch.0), 1, "the key is all that is there");
}

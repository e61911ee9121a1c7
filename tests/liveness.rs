//! The liveness checks in whole calls: who passes, who does not, and what the controller can read of it.

use std::time::Duration;

use serde_json::{Value, json};
use vision_core::liveness::colour::simulation::Scene;
use vision_models::manifest::ModelFolder;
use vision_service::media::Codec;
use vision_service::subject::camera::Source;
use vision_service::subject::{GstSubject, SubjectOptions};

use crate::support::assets::{Scratch, asset, frame_of, skipped};
use crate::support::controller::{Behaviour, TestController};
use crate::support::lit::Lit;
use crate::support::serial;
use crate::support::service::{self, TestService};

const QUICK: [(&str, &str); 2] = [("flow.starting", "300ms"), ("flow.result_shown", "300ms")];

/// Runs a flow with this subject; its outcome and what is told of it.
async fn verify(
    service: &TestService,
    controller: &TestController,
    room: &str,
    subject: impl FnOnce(&mut SubjectOptions),
) -> (String, Value) {
    let flow = service.join(room, &controller.url(), room).await;
    let url = format!("ws://127.0.0.1:{}/call/{room}/ws", service.port);
    let mut options = SubjectOptions::new(url, Source::Launch("videotestsrc is-live=true".into()));
    options.size = Some((640, 480));
    subject(&mut options);
    let subject = GstSubject::join(options).await.unwrap();
    let heard = controller.outcome(room, Duration::from_secs(70)).await.expect("an outcome");
    let status = service.wait_for(&flow, Duration::from_secs(10), |f| f["state"] == "ended").await;
    subject.leave().await;
    (heard, status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_looped_clip_passes_by_default_and_not_in_the_profile_strict() {
    let _turn = serial().await;
    let name = "a_looped_clip_passes_by_default_and_not_in_the_profile_strict";
    let Some(person) = asset(name, "lp_d18.mp4") else { return };
    let controller =
        TestController::start(Behaviour { references: vec![frame_of(&person, 0.2)], ..Behaviour::default() }).await;
    // What they wear is not the question here.
    let strict = [("liveness.profile", "strict"), ("liveness.glasses", "off")];
    for (profile, settings, expected) in [("default", &[][..], "success"), ("strict", &strict[..], "failure")] {
        let settings: Vec<_> = QUICK.into_iter().chain(settings.iter().copied()).collect();
        let service = service::start(&settings).await;
        let (heard, status) = verify(&service, &controller, profile, |options| {
            options.size = None;
            options.source = Source::Clip(person.clone());
        })
        .await;
        assert_eq!(heard, expected, "{profile}: {status}");
        let checks = status["checks"].as_object().unwrap();
        if profile == "strict" {
            assert_eq!(status["reason"], "spoof_suspected", "{status}");
            assert!(
                checks.values().any(|check| check["verdict"] == "failed" && check["mode"] == "enforce"),
                "{status}"
            );
        } else {
            // It is encoded anew each time.
            let hints = checks["injection_hints"]["hints"].as_array().unwrap();
            assert!(!hints.contains(&json!("repeated_sizes")) && !hints.contains(&json!("no_noise")), "{status}");
            let pictures = status["pictures"].as_array().unwrap();
            assert!(!pictures.is_empty(), "{status}");
            for picture in pictures {
                let score = |name: &str| picture[name].as_f64().unwrap_or_else(|| panic!("no {name}: {status}"));
                for name in ["blur", "light", "darkness", "illumination", "specularity"] {
                    assert!((0.0..=1.0).contains(&score(name)), "{name}: {status}");
                }
                // A sharp clip of a face in daylight, 480 pixels square.
                assert!(score("ags") > 0.5 && score("darkness") > 0.9, "{status}");
                assert!((100.0..=480.0).contains(&score("face_width")), "{status}");
                assert!((100.0..=480.0).contains(&score("face_height")), "{status}");
                assert_eq!(picture["identity"], "same", "{status}");
            }
            assert!(checks.contains_key("cuts_and_loops") && !checks.contains_key("glasses"), "{status}");
            assert!(
                checks.values().all(|check| check["verdict"] != "failed" || check["mode"] == "observe"),
                "{status}"
            );
        }
        service.stop().await;
    }
}

/// The installed models in a folder of the test's own, with the glasses network or without.
fn models(installed: &ModelFolder, folder: &Scratch, glasses: bool) -> bool {
    let mut there = false;
    for file in std::fs::read_dir(installed.path()).unwrap().map(Result::unwrap) {
        let is_network = file.file_name() == "glasses_model.onnx";
        there |= is_network;
        if glasses || !is_network {
            std::os::unix::fs::symlink(file.path().canonicalize().unwrap(), folder.0.join(file.file_name())).unwrap();
        }
    }
    there
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_wears_glasses_is_asked_to_come_without() {
    let _turn = serial().await;
    let name = "whoever_wears_glasses_is_asked_to_come_without";
    let controller = TestController::start(Behaviour::default()).await;
    // A process loads one ONNX Runtime.
    let installed = ModelFolder::find(None).unwrap();
    let runtime = installed.resolve("onnxruntime").unwrap().path;
    let runtime = ("analysis.runtime_library", runtime.to_str().unwrap());
    // A frame that the picture alone shows, and a thin one.
    for (person, network) in [("lp_d13.mp4", false), ("lp_d19.mp4", true)] {
        let Some(person) = asset(name, person) else { return };
        let folder = Scratch::new(&format!("models-{network}"));
        let there = models(&installed, &folder, network);
        if network && !there {
            return skipped(name, "the glasses network is not there (make models WITH=glasses)");
        }
        let folder = folder.0.to_str().unwrap();
        let settings = [("liveness.glasses", "enforce"), ("analysis.models_folder", folder), runtime];
        let settings: Vec<_> = QUICK.into_iter().chain(settings).collect();
        let service = service::start(&settings).await;
        let health: Value = reqwest::get(service.url("/health")).await.unwrap().json().await.unwrap();
        let expected = if network { "present" } else { "absent" };
        assert_eq!(health["glasses_network"], expected, "{health}");
        let (heard, status) = verify(&service, &controller, expected, |options| {
            options.size = None;
            options.source = Source::Clip(person);
        })
        .await;
        assert_eq!((heard.as_str(), &status["reason"]), ("failure", &json!("glasses")), "{status}");
        let check = &status["checks"]["glasses"];
        assert_eq!((&check["verdict"], &check["network"]), (&json!("failed"), &json!(expected)), "{status}");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_from_programs_gives_hints_and_no_more() {
    let _turn = serial().await;
    let controller = TestController::start(Behaviour::default()).await;
    let service = service::start(&QUICK).await;
    let flow = service.join("named", &controller.url(), "named").await;
    let url = format!("ws://127.0.0.1:{}/call/named/ws", service.port);
    let mut options = SubjectOptions::new(url, Source::Launch("videotestsrc is-live=true".into()));
    options.size = Some((320, 240));
    options.codec = Codec::H264;
    options.camera_label = Some("OBS Virtual Camera".into());
    let subject = GstSubject::join(options).await.unwrap();
    let has = |flow: &Value, hint: &str| {
        let hints = flow["checks"]["injection_hints"]["hints"].as_array();
        hints.is_some_and(|hints| hints.contains(&json!(hint)))
    };
    let limit = Duration::from_secs(20);
    let expected = ["virtual_camera", "file_encoder", "no_noise"];
    let status = service.wait_for(&flow, limit, |f| expected.iter().all(|hint| has(f, hint))).await;
    let check = &status["checks"]["injection_hints"];
    assert_eq!((&check["mode"], &check["verdict"]), (&json!("observe"), &json!("inconclusive")), "{status}");
    assert!(!status.to_string().contains("OBS"), "{status}");

    // A message of this kind that is wrong changes nothing, another camera does.
    subject.say(json!({"type": "camera", "label": "n".repeat(201)}).to_string());
    subject.say(json!({"type": "camera", "label": "FaceTime HD Camera (Built-in)"}).to_string());
    let status = service.wait_for(&flow, limit, |f| !has(f, "virtual_camera")).await;
    assert!(has(&status, "file_encoder"), "{status}");
    assert_ne!(status["state"], "ended", "{status}");
    subject.leave().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_found_on_a_face_before_the_screen_and_not_on_a_recording() {
    let _turn = serial().await;
    let name = "colours_are_found_on_a_face_before_the_screen_and_not_on_a_recording";
    let Some(person) = asset(name, "lp_d12.mp4") else { return };
    let controller =
        TestController::start(Behaviour { references: vec![frame_of(&person, 0.2)], ..Behaviour::default() }).await;
    // A clip that comes again is what it is here, in both calls.
    let settings = [("liveness.colour_challenge", "enforce"), ("liveness.cuts_and_loops", "off")];
    let settings: Vec<_> = QUICK.into_iter().chain(settings).collect();
    let service = service::start(&settings).await;

    // On a machine that is short of time too few frames come through: for the gestures, or to tell of the colours. Then it is
    // tried again.
    for attempt in ["lit", "lit-again", "lit-once-more"] {
        let lit = Lit::read(&person);
        let (heard, status) = verify(&service, &controller, attempt, |options| {
            options.on_frame = Some(lit.screen());
            options.size = None;
            options.framerate = 15;
            options.source = lit.camera(Scene::laptop(80.0));
        })
        .await;
        let verified = (heard.as_str(), &status["outcome"]) == ("success", &json!("verified"));
        assert!(verified || status["reason"] == "gesture_timeout", "{status}");
        if verified && status["checks"]["colour_challenge"]["verdict"] == "passed" {
            break;
        }
        assert_ne!(attempt, "lit-once-more", "the colours are never found: {status}");
    }

    // Nothing shines on a recording. Where that cannot be told from a reflection too weak to see, nobody is refused for it.
    let (heard, status) = verify(&service, &controller, "recording", |options| {
        options.size = None;
        options.source = Source::Clip(person.clone());
    })
    .await;
    let verdict = status["checks"]["colour_challenge"]["verdict"].as_str().unwrap();
    assert_ne!(verdict, "passed", "{status}");
    assert_eq!(verdict == "failed", status["reason"] == "spoof_suspected", "{status}");
    assert_eq!(verdict == "failed", heard == "failure", "{status}");
    service.stop().await;

    // Where the want of a reflection says nothing, a recording is unclear: it is shown colours twice, and then refused if they
    // have to be seen.
    let settings: Vec<_> = settings
        .into_iter()
        .chain([("liveness.colour_least_contrast", "0"), ("liveness.colour_required", "true")])
        .collect();
    let service = service::start(&settings).await;
    let (heard, status) = verify(&service, &controller, "unclear", |options| {
        options.size = None;
        options.source = Source::Clip(person.clone());
    })
    .await;
    assert_eq!(status["checks"]["colour_challenge"]["verdict"], "inconclusive", "{status}");
    assert_eq!((heard.as_str(), &status["reason"]), ("failure", &json!("liveness_unclear")), "{status}");
    service.stop().await;
}

//! Whole verifications in process: real WebRTC, real video, the real networks, a controller that records what it hears.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use vision_models::manifest::ModelFolder;
use vision_service::subject::camera::Source;
use vision_service::subject::{GstSubject, SubjectOptions};

use crate::support::assets::{asset, data_url, frame_of};
use crate::support::controller::{Behaviour, TestController};
use crate::support::serial;
use crate::support::service::{self, TestService};

/// The original's timings, but for the pauses that nobody needs in a test.
const QUICK: [(&str, &str); 3] =
    [("flow.starting", "300ms"), ("flow.result_shown", "300ms"), ("flow.rejoin_limit", "2s")];

/// Longer than any flow of these tests.
const LIMIT: Duration = Duration::from_secs(70);

async fn subject(service: &TestService, room: &str, source: Source) -> GstSubject {
    let url = format!("ws://127.0.0.1:{}/call/{room}/ws", service.port);
    let mut options = SubjectOptions::new(url, source);
    options.size = Some((640, 480));
    GstSubject::join(options).await.unwrap()
}

fn clip(path: &Path) -> Source {
    Source::Clip(path.to_owned())
}

/// The one outcome, and the reason that the service gives for it.
async fn outcome(
    service: &TestService,
    controller: &TestController,
    flow: &str,
    token: &str,
) -> (String, serde_json::Value) {
    let heard = controller.outcome(token, LIMIT).await;
    let status = service.wait_for(flow, Duration::from_secs(10), |f| f["state"] == "ended").await;
    let heard = heard.unwrap_or_else(|| panic!("no outcome: {status}"));
    assert_eq!(controller.outcomes(token), std::slice::from_ref(&heard), "one callback: {status}");
    (heard, status)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_each_embedding_a_live_person_with_their_own_reference_is_verified_and_another_is_not() {
    let _turn = serial().await;
    let name = "with_each_embedding_a_live_person_with_their_own_reference_is_verified_and_another_is_not";
    let (Some(person), Some(other)) = (asset(name, "lp_d12.mp4"), asset(name, "salma.jpeg")) else { return };
    let own =
        TestController::start(Behaviour { references: vec![frame_of(&person, 0.2)], ..Behaviour::default() }).await;
    let others = TestController::start(Behaviour { references: vec![data_url(&other)], ..Behaviour::default() }).await;
    let installed = ModelFolder::find(None).unwrap().embeddings();
    assert!(!installed.is_empty());
    for embedding in installed.iter().map(|installed| &installed.model.id) {
        let settings: Vec<_> = QUICK.into_iter().chain([("matching.embedding", embedding.as_str())]).collect();
        let service = service::start(&settings).await;
        let token = format!("own-{embedding}");
        let flow = service.join("own", &own.url(), &token).await;
        let visitor = subject(&service, "own", clip(&person)).await;
        let (heard, status) = outcome(&service, &own, &flow, &token).await;
        assert_eq!((heard.as_str(), &status["outcome"]), ("success", &json!("verified")), "{embedding}: {status}");
        let gestures = status["timings"]["gestures"].as_array().unwrap();
        assert_eq!(gestures.len(), 2, "{status}");
        assert!(gestures.iter().all(|gesture| gesture["reaction_ms"].is_u64()), "{status}");
        visitor.leave().await;

        let token = format!("other-{embedding}");
        let flow = service.join("other", &others.url(), &token).await;
        let visitor = subject(&service, "other", clip(&person)).await;
        let (heard, status) = outcome(&service, &others, &flow, &token).await;
        assert_eq!((heard.as_str(), &status["reason"]), ("failure", &json!("no_match")), "{embedding}: {status}");
        visitor.leave().await;
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_turns_each_way_is_seen() {
    let _turn = serial().await;
    let Some(person) = asset("a_head_that_turns_each_way_is_seen", "lp_d12.mp4") else { return };
    let controller =
        TestController::start(Behaviour { references: vec![frame_of(&person, 0.2)], ..Behaviour::default() }).await;
    let turns = [("challenge.gestures", "turnLeft,turnRight"), ("challenge.count", "2")];
    let settings: Vec<_> = QUICK.into_iter().chain(turns).collect();
    let service = service::start(&settings).await;
    let flow = service.join("turn", &controller.url(), "turn").await;
    let visitor = subject(&service, "turn", clip(&person)).await;
    let (heard, status) = outcome(&service, &controller, &flow, "turn").await;
    assert_eq!(heard, "success", "{status}");
    let mut asked: Vec<_> = status["timings"]["gestures"].as_array().unwrap().iter().map(|g| &g["gesture"]).collect();
    asked.sort_by_key(ToString::to_string);
    assert_eq!(asked, [&json!("turnLeft"), &json!("turnRight")], "{status}");
    visitor.leave().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_still_photo_is_refused() {
    let _turn = serial().await;
    let Some(photo) = asset("a_still_photo_is_refused", "fr_obama.jpg") else { return };
    let controller =
        TestController::start(Behaviour { references: vec![data_url(&photo)], ..Behaviour::default() }).await;
    for (mode, reason) in [("enforce", "spoof_suspected"), ("observe", "gesture_timeout")] {
        let settings: Vec<_> = QUICK.into_iter().chain([("liveness.frozen_stream", mode)]).collect();
        let service = service::start(&settings).await;
        let flow = service.join("photo", &controller.url(), mode).await;
        let visitor = subject(&service, "photo", Source::Picture(photo.clone())).await;
        let (heard, status) = outcome(&service, &controller, &flow, mode).await;
        assert_eq!((heard.as_str(), &status["reason"]), ("failure", &json!(reason)), "{status}");
        assert_eq!(status["checks"]["frozen_stream"]["verdict"], "failed", "{status}");
        visitor.leave().await;
        service.stop().await;
    }
    assert!(controller.calls().iter().all(|c| c.verb != "list"), "references of nobody live are not asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_without_a_face_is_face_lost() {
    let _turn = serial().await;
    let controller = TestController::start(Behaviour::default()).await;
    let service = service::start(&QUICK).await;
    let flow = service.join("empty", &controller.url(), "empty").await;
    let visitor = subject(&service, "empty", Source::Launch("videotestsrc is-live=true pattern=smpte".into())).await;
    let (heard, status) = outcome(&service, &controller, &flow, "empty").await;
    assert_eq!((heard.as_str(), &status["reason"]), ("failure", &json!("face_lost")), "{status}");
    visitor.leave().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_nobody_comes_to_is_subject_absent() {
    let _turn = serial().await;
    let controller = TestController::start(Behaviour::default()).await;
    let settings: Vec<_> = QUICK.into_iter().chain([("flow.time_limit", "2s")]).collect();
    let service = service::start(&settings).await;
    let flow = service.join("nobody", &controller.url(), "nobody").await;
    let (heard, status) = outcome(&service, &controller, &flow, "nobody").await;
    assert_eq!((heard.as_str(), &status["reason"]), ("failure", &json!("subject_absent")), "{status}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_in_the_picture_are_refused() {
    let _turn = serial().await;
    let Some(photo) = asset("two_people_in_the_picture_are_refused", "fr_two_people.jpg") else { return };
    let controller = TestController::start(Behaviour::default()).await;
    let service = service::start(&QUICK).await;
    let flow = service.join("two", &controller.url(), "two").await;
    let visitor = subject(&service, "two", Source::Picture(photo)).await;
    let (heard, status) = outcome(&service, &controller, &flow, "two").await;
    assert_eq!((heard.as_str(), &status["reason"]), ("failure", &json!("several_faces")), "{status}");
    visitor.leave().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_who_leaves_in_mid_challenge_fails_and_one_who_comes_back_may_go_on() {
    let _turn = serial().await;
    let name = "a_subject_who_leaves_in_mid_challenge_fails_and_one_who_comes_back_may_go_on";
    let Some(person) = asset(name, "lp_d12.mp4") else { return };
    let controller =
        TestController::start(Behaviour { references: vec![frame_of(&person, 0.2)], ..Behaviour::default() }).await;
    let service = service::start(&QUICK).await;

    let flow = service.join("gone", &controller.url(), "gone").await;
    let visitor = subject(&service, "gone", clip(&person)).await;
    service.wait_for(&flow, Duration::from_secs(15), |f| f["state"] == "challenge").await;
    visitor.leave().await;
    let left = Instant::now();
    let (heard, status) = outcome(&service, &controller, &flow, "gone").await;
    assert_eq!((heard.as_str(), &status["reason"]), ("failure", &json!("subject_left")), "{status}");
    assert!(left.elapsed() < Duration::from_secs(10), "in bounded time");

    let flow = service.join("back", &controller.url(), "back").await;
    let visitor = subject(&service, "back", clip(&person)).await;
    service.wait_for(&flow, Duration::from_secs(15), |f| f["state"] == "challenge").await;
    visitor.reload();
    service.wait_for(&flow, Duration::from_secs(15), |f| f["state"] == "rejoining" || f["state"] == "starting").await;
    let (heard, status) = outcome(&service, &controller, &flow, "back").await;
    assert_eq!(heard, "success", "{status}");
    visitor.leave().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_stops_is_media_lost() {
    let _turn = serial().await;
    let Some(person) = asset("a_camera_that_stops_is_media_lost", "lp_d18.mp4") else { return };
    let controller = TestController::start(Behaviour::default()).await;
    let settings = [("flow.starting", "60s"), ("flow.media_stall_limit", "2s"), ("flow.result_shown", "100ms")];
    let service = service::start(&settings).await;
    let flow = service.join("stop", &controller.url(), "stop").await;
    let visitor = subject(&service, "stop", clip(&person)).await;
    service.wait_for(&flow, Duration::from_secs(15), |f| f["state"] == "starting").await;
    visitor.camera().cover(true);
    let (heard, status) = outcome(&service, &controller, &flow, "stop").await;
    assert_eq!((heard.as_str(), &status["reason"]), ("failure", &json!("media_lost")), "{status}");
    visitor.leave().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_is_down_for_twenty_seconds_hears_the_outcome_once() {
    let _turn = serial().await;
    // The port is known before anybody listens on it.
    let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let service = service::start(&[("flow.time_limit", "1s"), ("flow.result_shown", "100ms")]).await;
    let flow = service.join("down", &format!("http://{reserved}/base"), "down").await;
    service.wait_for(&flow, Duration::from_secs(10), |f| f["outcome"] == "failed").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    // Reachable again, but not well for another ten seconds.
    let unwell_until = Some(Instant::now() + Duration::from_secs(10));
    let controller = TestController::start_at(reserved, Behaviour { unwell_until, ..Behaviour::default() }).await;
    let (heard, status) = outcome(&service, &controller, &flow, "down").await;
    assert_eq!(
        (heard.as_str(), &status["reason"], &status["reported"]),
        ("failure", &json!("subject_absent"), &json!(true))
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn references_and_matchers_that_fail_have_reasons_of_their_own() {
    let _turn = serial().await;
    let name = "references_and_matchers_that_fail_have_reasons_of_their_own";
    let (Some(person), Some(two)) = (asset(name, "lp_d12.mp4"), asset(name, "fr_two_people.jpg")) else { return };
    let own = frame_of(&person, 0.2);
    let empty = Behaviour::default();
    let unreadable = Behaviour { references: vec!["data:image/png;base64,AAAA".into()], ..Behaviour::default() };
    let ambiguous = Behaviour { references: vec![data_url(&two)], ..Behaviour::default() };
    let forbidden = Behaviour { list_status: Some(403), ..Behaviour::default() };
    let one_is_enough = Behaviour { references: vec!["nonsense".into(), own.clone()], ..Behaviour::default() };
    let cases = [
        ("empty", empty, "no_references"),
        ("unreadable", unreadable, "no_references"),
        ("ambiguous", ambiguous, "no_references"),
        ("forbidden", forbidden, "controller_unavailable"),
        ("mixed", one_is_enough, ""),
    ];
    let settings: Vec<_> = QUICK.into_iter().chain([("challenge.count", "1")]).collect();
    let service = service::start(&settings).await;
    for (token, behaviour, reason) in cases {
        let controller = TestController::start(behaviour).await;
        let flow = service.join(token, &controller.url(), token).await;
        let visitor = subject(&service, token, clip(&person)).await;
        let (heard, status) = outcome(&service, &controller, &flow, token).await;
        if reason.is_empty() {
            assert_eq!(heard, "success", "{token}: {status}");
        } else {
            assert_eq!((heard.as_str(), &status["reason"]), ("failure", &json!(reason)), "{token}: {status}");
        }
        visitor.leave().await;
    }
    service.stop().await;

    // A remote matcher that errors. TestController answers 405 to POST.
    let controller = TestController::start(Behaviour { references: vec![own], ..Behaviour::default() }).await;
    let url = controller.url();
    let settings: Vec<_> = settings.into_iter().chain([("matching.remote_url", url.as_str())]).collect();
    let service = service::start(&settings).await;
    let flow = service.join("remote", &controller.url(), "remote").await;
    let visitor = subject(&service, "remote", clip(&person)).await;
    let (heard, status) = outcome(&service, &controller, &flow, "remote").await;
    assert_eq!((heard.as_str(), &status["reason"]), ("failure", &json!("matcher_unavailable")), "{status}");
    visitor.leave().await;
    service.stop().await;
}

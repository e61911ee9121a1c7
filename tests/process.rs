//! The service as operators run it: a process of its own, watched from outside.

use std::time::Duration;

use serde_json::{Value, json};
use vision_service::subject::camera::Source;
use vision_service::subject::{GstSubject, SubjectOptions};

use crate::support::assets::{asset, frame_of};
use crate::support::child::ServiceProcess;
use crate::support::controller::{Behaviour, TestController};
use crate::support::serial;

const QUICK: [(&str, &str); 3] = [("flow.starting", "200ms"), ("flow.result_shown", "100ms"), ("flow.rejoin_limit", "2s")];

async fn join(service: &ServiceProcess, room: &str, controller: &TestController, token: &str) -> String {
    let body = json!({"ws_url": format!("direct:{room}"), "callback_base_url": controller.url(), "token": token});
    let answer = reqwest::Client::new().post(service.url("/join-call")).json(&body).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    answer["flow_id"].as_str().unwrap_or_else(|| panic!("not accepted: {answer}")).to_owned()
}

async fn enter(service: &ServiceProcess, room: &str, source: Source) -> GstSubject {
    let url = format!("ws://127.0.0.1:{}/call/{room}/ws", service.port);
    GstSubject::join(SubjectOptions::new(url, source)).await.unwrap()
}

async fn ended(service: &ServiceProcess, flow: &str) -> Value {
    until(service, flow, |status| status["state"] == "ended").await
}

async fn until(service: &ServiceProcess, flow: &str, reached: impl Fn(&Value) -> bool) -> Value {
    let end = tokio::time::Instant::now() + Duration::from_secs(70);
    loop {
        let status: Value = reqwest::get(service.url(&format!("/flows/{flow}"))).await.unwrap().json().await.unwrap();
        if reached(&status) {
            return status;
        }
        assert!(tokio::time::Instant::now() < end, "waited in vain: {status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_a_whole_flow_hold_nothing_personal() {
    let _turn = serial().await;
    let Some(person) = asset("logs_of_a_whole_flow_hold_nothing_personal", "lp_d12.mp4") else { return };
    let reference = frame_of(&person, 0.2);
    let controller = TestController::start(Behaviour { references: vec![reference.clone()], ..Behaviour::default() }).await;
    let token = "7f3a-secret-token-of-somebody";
    let service = ServiceProcess::start(&QUICK, &[("VERBOSE", "true"), ("RUST_LOG", "info,vision_service=trace,vision_models=trace,gstreamer=debug")]);
    let flow = join(&service, "r", &controller, token).await;
    let visitor = enter(&service, "r", Source::Clip(person)).await;
    assert_eq!(ended(&service, &flow).await["outcome"], "verified");
    visitor.leave().await;
    let log = service.log();
    assert!(log.contains(&flow) && log.contains("verified"), "the flow is in the log");
    assert!(!log.contains(token), "the token is in the log: {}", around(&log, token));
    let picture = &reference[30..90];
    assert!(!log.contains(picture), "a picture is in the log: {}", around(&log, picture));
    for line in log.lines() {
        let longest = line.split(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c)).map(str::len).max();
        assert!(longest < Some(120), "something long and encoded is in the log: {line}");
        // Forty numbers in a row are an embedding or landmarks.
        assert!(line.matches("0.").count() < 40, "many numbers are in the log: {line}");
    }
}

fn around<'a>(log: &'a str, what: &str) -> &'a str {
    log.lines().find(|l| l.contains(what)).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_running_flows_within_ten_seconds() {
    let _turn = serial().await;
    let controller = TestController::start(Behaviour::default()).await;
    let mut service = ServiceProcess::start(&[], &[]);
    let flow = join(&service, "r", &controller, "t").await;
    let visitor = enter(&service, "r", Source::Launch("videotestsrc is-live=true".into())).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (clean, took) = tokio::task::spawn_blocking(move || service.terminate()).await.unwrap();
    assert!(clean && took < Duration::from_secs(10), "{clean} {took:?}");
    assert_eq!(controller.outcomes("t"), ["failure"], "flow {flow}");
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_flows_one_after_another_leave_nothing_behind() {
    let _turn = serial().await;
    let controller = TestController::start(Behaviour::default()).await;
    // Each flow is whole, media both ways and all, but short: the subject leaves once their video is seen.
    let settings: Vec<_> = QUICK.into_iter().chain([("flow.rejoin_limit", "50ms")]).collect();
    let service = ServiceProcess::start(&settings, &[]);
    let mut early = (0, 0, 0);
    for n in 0..50 {
        let token = format!("t{n}");
        let flow = join(&service, &token, &controller, &token).await;
        let visitor = enter(&service, &token, Source::Launch("videotestsrc is-live=true".into())).await;
        until(&service, &flow, |status| status["state"] == "challenge").await;
        visitor.leave().await;
        let status = until(&service, &flow, |status| status["state"] == "ended").await;
        assert_eq!(status["reason"], "subject_left", "flow {n}: {status}");
        assert_eq!(controller.outcomes(&token), ["failure"], "flow {n}");
        if n == 9 {
            early = settled(&service).await;
        }
    }
    let late = settled(&service).await;
    println!("threads, descriptors, resident kB after 10 flows {early:?}, after 50 {late:?}");
    assert!(late.0 <= early.0 + 1, "threads: {early:?} {late:?}");
    assert!(late.1 <= early.1 + 2, "descriptors: {early:?} {late:?}");
    assert!(late.2 <= early.2 + 12_000, "memory: {early:?} {late:?}");
}

/// What the process holds when its idle threads and connections have gone.
async fn settled(service: &ServiceProcess) -> (usize, usize, usize) {
    let mut last = service.holdings();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let now = service.holdings();
        if (now.0, now.1) == (last.0, last.1) {
            return now;
        }
        last = now;
    }
    last
}

//! The debug endpoints on flows that really run, and the graphs of those that failed.

use std::time::Duration;

use serde_json::{Value, json};
use vision_service::subject::camera::Source;
use vision_service::subject::{GstSubject, RoomKind, SubjectOptions};

use crate::support::assets::{Scratch, asset, frame_of};
use crate::support::controller::{Behaviour, TestController};
use crate::support::room_server::{RoomServer, RoomServerOptions};
use crate::support::serial;
use crate::support::service::{self, TestService};

const ON: (&str, &str) = ("http.enable_debug_endpoints", "true");
const LIMIT: Duration = Duration::from_secs(20);

async fn get(service: &TestService, path: &str) -> (u16, String, Vec<u8>) {
    let response = reqwest::get(service.url(path)).await.unwrap();
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    (status, kind, response.bytes().await.unwrap().to_vec())
}

async fn get_json(service: &TestService, path: &str) -> (u16, Value) {
    let (status, _, body) = get(service, path).await;
    (status, serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&body))))
}

async fn get_text(service: &TestService, path: &str) -> String {
    let (status, _, body) = get(service, path).await;
    assert_eq!(status, 200);
    String::from_utf8(body).unwrap()
}

async fn set(service: &TestService, body: Value) -> (u16, Value) {
    let request = reqwest::Client::new().post(service.url("/set_mediasoup_setting")).json(&body);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn subject(service: &TestService, room: &str, source: Source, size: (u32, u32)) -> GstSubject {
    let url = format!("ws://127.0.0.1:{}/call/{room}/ws", service.port);
    let mut options = SubjectOptions::new(url, source);
    options.size = Some(size);
    GstSubject::join(options).await.unwrap()
}

fn bars() -> Source {
    Source::Launch("videotestsrc is-live=true pattern=smpte".into())
}

/// Asks until the answer fits.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + LIMIT;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_flow_shows_its_statistics_and_its_graph_without_secrets() {
    let _turn = serial().await;
    let controller = TestController::start(Behaviour::default()).await;
    // a server that nobody answers at: its credentials must not be seen
    let ice = ("ice.servers", "turn:someone:hunter2@127.0.0.1:9");
    let service = service::start(&[ON, ice]).await;
    let room = "secret-room-name";
    let flow = service.join(room, &controller.url(), "tok-secret").await;

    let (status, answer) = get_json(&service, &format!("/flows/{flow}/pipeline.dot")).await;
    assert_eq!((status, &answer["error"]), (409, &json!("no_pipeline")), "nobody is there yet");
    let (status, answer) = get_json(&service, &format!("/flows/{flow}/stats")).await;
    assert_eq!((status, &answer["peers"]), (200, &json!([])));

    let visitor = subject(&service, room, bars(), (640, 480)).await;
    let stats = until("both directions are counted", async || {
        let (_, stats) = get_json(&service, &format!("/flows/{flow}/stats")).await;
        let webrtc = stats["peers"][0]["webrtc"].as_object()?;
        let kinds = |kind: &str| webrtc.values().any(|item| item["type"] == kind);
        let both = kinds("inbound-rtp") && kinds("outbound-rtp") && kinds("remote-inbound-rtp");
        (both && stats["frames"]["analysed"].as_u64()? > 5).then_some(stats)
    })
    .await;
    assert_eq!(stats["flow_id"], flow.as_str());
    let frames = &stats["frames"];
    assert!(frames["received"].as_u64() >= frames["submitted"].as_u64(), "{frames}");
    assert!(frames["mean_analysis_ms"].as_f64().unwrap() > 0.0, "{frames}");
    let peer = &stats["peers"][0];
    assert_eq!((&peer["latency"]["live"], &peer["latency"]["min_ms"]), (&json!(true), &json!(100)), "{peer}");
    assert_eq!((&peer["state"], &peer["bitrate_target"]), (&json!("playing"), &json!(500_000)), "{peer}");
    assert!(peer["elements"].as_u64().unwrap() > 20, "{peer}");
    assert!(peer["queues"]["pictures"]["buffers"].is_u64(), "{}", peer["queues"]);
    assert!(peer["jitter_buffers"].as_object().unwrap().values().any(|b| b["num-pushed"].as_u64() > Some(0)));
    // who only reports what it received is listed as well, with nothing received
    let inbound = |item: &Value| item["type"] == "inbound-rtp" && item["packets-received"].as_u64() > Some(0);
    assert!(peer["webrtc"].as_object().unwrap().values().any(inbound), "{}", peer["webrtc"]);

    let (status, kind, dot) = get(&service, &format!("/flows/{flow}/pipeline.dot")).await;
    let dot = String::from_utf8(dot).unwrap();
    assert_eq!((status, kind.starts_with("text/vnd.graphviz")), (200, true));
    for part in ["digraph pipeline", "GstWebRTCBin", "GstVP8Dec", "GstVP8Enc", "GstSrtpDec", "width: 640"] {
        assert!(dot.contains(part), "{part} is missing in {dot}");
    }
    let all = dot.to_lowercase() + &stats.to_string().to_lowercase();
    for secret in ["hunter2", "someone", room, "tok-secret", "srtp-key", "ice-pwd", "private key", "begin cert"] {
        assert!(!all.contains(secret), "{secret} can be read");
    }

    let (status, kind, body) = get(&service, &format!("/flows/{flow}/pipeline.svg")).await;
    if std::process::Command::new("dot").arg("-V").output().is_ok() {
        assert_eq!((status, kind.as_str()), (200, "image/svg+xml"));
        assert!(String::from_utf8_lossy(&body).contains("<svg"));
    } else {
        assert_eq!(status, 501, "{}", String::from_utf8_lossy(&body));
    }

    let (status, answer) = get_json(&service, "/flows/00112233445566778899aabbccddeeff/stats").await;
    assert_eq!((status, &answer["error"]), (404, &json!("unknown_flow")));
    assert_eq!(get_json(&service, &format!("/flows/{flow}/other")).await.0, 404);
    visitor.leave().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_peers_of_a_mediasoup_room_are_shown_in_one_graph() {
    let _turn = serial().await;
    let server = RoomServer::start(RoomServerOptions::default()).await;
    let controller = TestController::start(Behaviour::default()).await;
    let service = service::start(&[ON]).await;
    let orientation = json!({"remove_urn_3gpp_video_orientation": true});
    assert_eq!(set(&service, orientation).await.0, 200);
    let flow = service.join_at(&server.url("graph", "vision"), &controller.url(), "graph").await;
    let mut options = SubjectOptions::new(server.url("graph", "subject"), bars());
    options.room = RoomKind::Mediasoup;
    let visitor = GstSubject::join(options).await.unwrap();
    let stats = until("frames come", async || {
        let (_, stats) = get_json(&service, &format!("/flows/{flow}/stats")).await;
        (stats["frames"]["received"].as_u64()? > 5).then_some(stats)
    })
    .await;
    let names: Vec<_> = stats["peers"].as_array().unwrap().iter().map(|peer| peer["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["mediasoup-send", "mediasoup-receive"], "{stats}");
    let dot = get_text(&service, &format!("/flows/{flow}/pipeline.dot")).await;
    assert!(dot.contains("GstVP8Enc") && dot.contains("GstVP8Dec") && dot.matches("digraph").count() == 1, "{dot}");
    let (status, _, body) = get(&service, &format!("/flows/{flow}/pipeline.svg")).await;
    let svg = String::from_utf8_lossy(&body);
    match std::process::Command::new("dot").arg("-V").output() {
        Ok(_) => {
            assert!(
                status == 200 && svg.matches("<svg").count() == 1 && svg.matches("GstWebRTCBin").count() == 2,
                "{svg}"
            )
        }
        Err(_) => assert_eq!(status, 501),
    }
    visitor.leave().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gallery_shows_what_goes_in_and_out_while_that_is_wanted() {
    let _turn = serial().await;
    let name = "the_gallery_shows_what_goes_in_and_out_while_that_is_wanted";
    let Some(person) = asset(name, "lp_d12.mp4") else { return };
    let controller =
        TestController::start(Behaviour { references: vec![frame_of(&person, 0.2)], ..Behaviour::default() }).await;
    let quick = [("flow.starting", "300ms"), ("flow.result_shown", "300ms"), ("debug.images_kept", "40")];
    let service = service::start(&[&quick[..], &[ON]].concat()).await;
    let flow = service.join("gallery", &controller.url(), "gallery").await;
    let visitor = subject(&service, "gallery", Source::Clip(person), (640, 480)).await;
    until("frames are analysed", async || {
        let (_, stats) = get_json(&service, &format!("/flows/{flow}/stats")).await;
        (stats["frames"]["analysed"].as_u64()? > 5).then_some(())
    })
    .await;
    assert!(!get_text(&service, "/ms_images").await.contains("<img"), "nothing is saved by itself");

    let (status, answer) = set(&service, json!({"mediasoup_save_input_and_output": true, "other": 1})).await;
    assert_eq!((status, &answer["error"]), (400, &json!("unknown_setting")));
    assert_eq!(set(&service, json!({"mediasoup_rotate_input_image": 45})).await.0, 422);
    let both = json!({"mediasoup_save_input_and_output": true, "matcher_save_match_images": true});
    let (status, answer) = set(&service, both).await;
    assert_eq!((status, &answer["message"]), (200, &json!("Settings updated successfully.")));
    assert_eq!(answer["settings"]["mediasoup_save_input_and_output"], true);

    let outcome = controller.outcome("gallery", Duration::from_secs(70)).await;
    assert_eq!(outcome.as_deref(), Some("success"), "{}", service.flow(&flow).await);
    // pictures are encoded beside
    let page = until("the last one is encoded", async || {
        let page = get_text(&service, "/ms_images").await;
        page.contains("_image2.jpg").then_some(page)
    })
    .await;
    let names: Vec<&str> =
        page.split("/mediasoup_images/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(names.len() <= 40 && names.iter().all(|name| name.ends_with(".jpg")), "{names:?}");
    let find = |start: &str, end: &str| {
        let found = names.iter().find(|name| name.starts_with(start) && name.ends_with(end));
        *found.unwrap_or_else(|| panic!("no {start}*{end} in {names:?}"))
    };
    for name in [find("in_", ".jpg"), find("out_", ".jpg"), find("match_", "image1.jpg"), find("match_", "image2.jpg")]
    {
        let (status, kind, jpeg) = get(&service, &format!("/mediasoup_images/{name}")).await;
        assert_eq!((status, kind.as_str()), (200, "image/jpeg"), "{name}");
        let picture = image::load_from_memory(&jpeg).unwrap();
        assert!(picture.width() >= 320, "{name}: {}x{}", picture.width(), picture.height());
    }
    for path in ["..%2f..%2fetc%2fpasswd", "..%2findex.html", "in_0.jpg", "none"] {
        let (status, answer) = get_json(&service, &format!("/mediasoup_images/{path}")).await;
        assert_eq!((status, &answer["error"]), (404, &json!("unknown_image")), "{path}");
    }
    let all_off = json!({"mediasoup_save_input_and_output": false, "clear_saved_images": true});
    assert_eq!(set(&service, all_off).await.0, 200);
    until("all are gone", async || (!get_text(&service, "/ms_images").await.contains("<img")).then_some(())).await;
    visitor.leave().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_turned_as_the_original_turns_them() {
    let _turn = serial().await;
    let controller = TestController::start(Behaviour::default()).await;
    let service = service::start(&[ON]).await;
    let turned = json!({"mediasoup_rotate_input_image": 90, "remove_urn_3gpp_video_orientation": true,
        "mediasoup_save_input_and_output": true});
    assert_eq!(set(&service, turned).await.0, 200);
    let flow = service.join("turned", &controller.url(), "turned").await;
    let visitor = subject(&service, "turned", bars(), (320, 240)).await;
    let picture = until("a picture is saved", async || {
        let page = get_text(&service, "/ms_images").await;
        let name = page.split("/mediasoup_images/").skip(1).find(|name| name.starts_with("in_"))?;
        let (_, _, jpeg) = get(&service, &format!("/mediasoup_images/{}", name.split('"').next()?)).await;
        Some(image::load_from_memory(&jpeg).unwrap().into_rgb8())
    })
    .await;
    assert_eq!(picture.dimensions(), (240, 320));
    // the bars' first colour, light grey, is on the left; clockwise it comes to the top
    let [top, bottom] = [picture.get_pixel(120, 10), picture.get_pixel(120, 310)].map(|pixel| u32::from(pixel[1]));
    assert!(top > 150 && bottom < 100, "{top} {bottom}");
    let dot = get_text(&service, &format!("/flows/{flow}/pipeline.dot")).await;
    assert_eq!(dot.matches("GstVideoFlip").count(), 2, "{dot}");
    visitor.leave().await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_there_is_no_endpoint_and_with_a_token_none_without_it() {
    let paths = ["/ms_images", "/mediasoup_images/in_1.jpg", "/flows/00112233445566778899aabbccddeeff/stats"];
    let service = service::start(&[]).await;
    for path in paths {
        let (status, answer) = get_json(&service, path).await;
        assert_eq!((status, &answer["error"]), (404, &json!("not_found")), "{path}");
    }
    assert_eq!(set(&service, json!({})).await.0, 404);
    service.stop().await;

    let service = service::start(&[ON, ("http.api_token", "s3cret")]).await;
    for path in paths {
        assert_eq!(get_json(&service, path).await.0, 401, "{path}");
    }
    assert_eq!(set(&service, json!({})).await.0, 401);
    let request = reqwest::Client::new().get(service.url("/ms_images")).bearer_auth("s3cret");
    assert_eq!(request.send().await.unwrap().status(), 200);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_fails_leaves_its_graph() {
    let _turn = serial().await;
    let scratch = Scratch::new("dots");
    let folder = scratch.0.join("new");
    let controller = TestController::start(Behaviour::default()).await;
    let settings = [
        ("flow.media_stall_limit", "1s"),
        ("flow.result_shown", "100ms"),
        ("debug.dot_folder", folder.to_str().unwrap()),
    ];
    let service = service::start(&settings).await;
    let flow = service.join("dots", &controller.url(), "dots").await;
    let visitor = subject(&service, "dots", bars(), (320, 240)).await;
    service.wait_for(&flow, LIMIT, |flow| flow["timings"]["media_started_ms"].is_u64()).await;
    visitor.camera().cover(true);
    let status = service.wait_for(&flow, LIMIT, |flow| flow["state"] == "ended").await;
    assert_eq!(status["reason"], "media_lost", "{status}");
    let names: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, [format!("{flow}-media_lost.dot")]);
    let dot = std::fs::read_to_string(folder.join(&names[0])).unwrap();
    assert!(dot.contains("GstWebRTCBin") && dot.contains("GstVP8Dec") && !dot.contains("srtp-key"), "{dot}");
    visitor.leave().await;
    service.stop().await;
}

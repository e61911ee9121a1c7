//! Rooms on a real mediasoup server: who may come when, and what is watched.

use std::time::{Duration, Instant};

use gstvision::rtporientation::Orientation;
use serde_json::{Value, json};
use vision_service::config::Mediasoup;
use vision_service::media::{Codec, Frame};
use vision_service::room::mediasoup::subject::SubjectRule;
use vision_service::room::{RoomEvent, RoomOptions};
use vision_service::subject::camera::Source;
use vision_service::subject::{GstSubject, RoomKind, SubjectEvent, SubjectOptions};

use crate::support::assets::{asset, frame_of};
use crate::support::call::{LIMIT, subject_event};
use crate::support::controller::{Behaviour, TestController};
use crate::support::mediasoup::{assert_undisturbed, join, join_vision, options, server, subject, visit};
use crate::support::process::{is_alone, settled};
use crate::support::room_server::{RoomServer, RoomServerOptions};
use crate::support::{serial, service};

async fn round_trip(codec: Codec) {
    let server = server(RoomServerOptions::default()).await;
    let mut call = join(&server.url("r", "vision"), options(&[codec])).await.unwrap();
    let (mut visitor, seen) = subject(server.url("r", "subject"), codec).await;
    assert_eq!(call.link.next_event().await, RoomEvent::SubjectJoined);
    call.media().await;
    subject_event(&mut visitor, |event| *event == SubjectEvent::FirstFrame).await;
    let (came, sent) = (call.frames.count(), seen.count());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (came, sent) = (call.frames.count() - came, seen.count() - sent);
    // a machine that is busy loses some, none is made up
    assert!((20..=70).contains(&came), "{codec}: {came} frames in 2 s at 30/s");
    assert!((8..=36).contains(&sent), "{codec}: {sent} pictures in 2 s at 15/s");
    visitor.leave().await;
    assert_eq!(call.link.next_event().await, RoomEvent::SubjectLeft);
    call.link.leave().await;
    assert!(server.peer("r", "vision").await.is_null(), "the service is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn vp8_goes_both_ways() {
    round_trip(Codec::Vp8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h264_goes_both_ways() {
    round_trip(Codec::H264).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_and_produced_is_what_can_be_done() {
    let server = server(RoomServerOptions::default()).await;
    let mut call = join_vision(&server).await;
    let (visitor, _) = visit(&server, "subject").await;
    call.media().await;
    let wanted = |state: &Value| {
        let packets = |what: &str| state[what][0]["stats"][0]["packetCount"].as_u64().unwrap_or(0);
        packets("producers") > 50 && packets("consumers") > 50
    };
    let state = server.wait_for("r", "vision", LIMIT, wanted).await;
    let introduction = state["introduction"].to_string();
    assert!(!introduction.contains("audio/") && !introduction.contains("sctp"), "{introduction}");
    let producer = &state["producers"][0];
    assert_eq!(producer["rtpParameters"]["codecs"][0]["mimeType"], "video/VP8");
    assert_eq!(producer["rtpParameters"]["codecs"][1]["mimeType"], "video/rtx");
    assert_eq!(producer["rtpParameters"]["headerExtensions"].as_array().unwrap().len(), 3, "{producer}");
    // the consumer sends on our feedback alone, and there is no other
    let transports = state["transports"].as_array().unwrap();
    let receiving = transports.iter().find(|transport| transport["direction"] == "receive").unwrap();
    assert!(receiving["stats"][0]["bytesReceived"].as_u64().unwrap() > 500, "feedback: {receiving}");
    visitor.leave().await;
    call.link.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_in_the_room_do_not_disturb() {
    let server = server(RoomServerOptions::default()).await;
    let mut call = join_vision(&server).await;
    let (first, _) = visit(&server, "first").await;
    call.media().await;
    let (second, seen) = visit(&server, "second").await;
    assert_undisturbed(&mut call).await;
    // whoever comes late needs a key frame, and regular ones are minutes apart
    seen.until("for a late guest", |_| true).await;
    let consumers = server.peer("r", "vision").await["consumers"].clone();
    let paused = consumers.as_array().unwrap().iter().filter(|consumer| consumer["paused"] == true).count();
    assert_eq!((consumers.as_array().unwrap().len(), paused), (2, 1), "only one is sent: {consumers}");
    // the subject goes; whoever stood by is not asked instead
    first.leave().await;
    assert_eq!(call.link.next_event().await, RoomEvent::SubjectLeft);
    let nothing = tokio::time::timeout(Duration::from_millis(500), call.link.next_event()).await;
    assert_eq!(nothing.ok(), None);
    let (again, _) = visit(&server, "first").await;
    assert_eq!(call.link.next_event().await, RoomEvent::SubjectJoined);
    assert_eq!(call.link.next_event().await, RoomEvent::MediaStarted);
    again.leave().await;
    second.leave().await;
    call.link.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_and_a_named_peer() {
    let server = server(RoomServerOptions::default()).await;
    let with =
        |subject| RoomOptions { mediasoup: Mediasoup { subject, ..Mediasoup::default() }, ..options(&Codec::ALL) };
    let mut newest = join(&server.url("r", "newest"), with(SubjectRule::Newest)).await.unwrap();
    let named = SubjectRule::Peer("second".into());
    let mut named = join(&server.url("r", "named"), with(named)).await.unwrap();
    // each sees the other as well
    let (first, _) = visit(&server, "first").await;
    newest.media().await;
    let (second, _) = visit(&server, "second").await;
    newest.media().await;
    assert_eq!(named.link.next_event().await, RoomEvent::SubjectJoined);
    assert_eq!(named.link.next_event().await, RoomEvent::MediaStarted);
    second.leave().await;
    assert_eq!(named.link.next_event().await, RoomEvent::SubjectLeft);
    // the one before is the newest again
    newest.media().await;
    first.leave().await;
    newest.link.leave().await;
    named.link.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_is_muted_goes_on_later() {
    let server = server(RoomServerOptions::default()).await;
    let mut call = join_vision(&server).await;
    let (visitor, _) = visit(&server, "subject").await;
    call.media().await;
    server.control("pause-producer", json!({"room": "r", "peer": "subject"})).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = call.frames.count();
    let nothing = tokio::time::timeout(Duration::from_secs(1), call.link.next_event()).await;
    assert_eq!((nothing.ok(), call.frames.count()), (None, before), "no frames, no event");
    server.control("resume-producer", json!({"room": "r", "peer": "subject"})).await;
    call.frames.until("after the pause", |frame| frame.sequence > before as u64 + 5).await;
    // its producer ends and the peer stays
    server.control("close-producer", json!({"room": "r", "peer": "subject"})).await;
    assert_eq!(call.link.next_event().await, RoomEvent::SubjectLeft);
    for _ in 0..3 {
        visitor.reload();
        call.media().await;
    }
    visitor.leave().await;
    call.link.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_made_again() {
    let mut server = server(RoomServerOptions::default()).await;
    let mut call = join_vision(&server).await;
    let (visitor, _) = visit(&server, "subject").await;
    call.media().await;
    let vision = json!({"room": "r", "peer": "vision"});
    server.control("cut-socket", vision.clone()).await;
    call.media().await;
    for direction in ["receive", "send"] {
        server.control("close-transport", json!({"room": "r", "peer": "vision", "direction": direction})).await;
        call.media().await;
    }
    server.restart().await;
    call.media().await;
    let before = call.frames.until("at all", |_| true).await;
    call.frames.until("after all that", |frame| frame.sequence > before.sequence + 10).await;
    visitor.leave().await;
    call.link.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_put_out_stays_out() {
    let server = server(RoomServerOptions::default()).await;
    let mut call = join_vision(&server).await;
    let mut second = join_vision(&server).await;
    assert_eq!(call.link.next_event().await, RoomEvent::Closed, "another peer with our id takes the place");
    server.control("close-peer", json!({"room": "r", "peer": "vision"})).await;
    assert_eq!(second.link.next_event().await, RoomEvent::Closed);
    call.link.leave().await;
    second.link.leave().await;
    assert!(server.peer("r", "vision").await.is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_that_cannot_be_joined_say_why() {
    let full = server(RoomServerOptions { room_limit: 1, ..RoomServerOptions::default() }).await;
    let call = join_vision(&full).await;
    let error = join(&full.url("r", "second"), options(&Codec::ALL)).await.err().unwrap().to_string();
    assert!(error.contains("full"), "{error}");
    call.link.leave().await;
    let only_vp8 = server(RoomServerOptions { codecs: vec!["VP8"], ..RoomServerOptions::default() }).await;
    let error = join(&only_vp8.url("r", "vision"), options(&[Codec::H264])).await.err().unwrap().to_string();
    assert!(error.contains("codecs") && error.contains("H264"), "{error}");
    let mediasoup = Mediasoup { relay_only: true, ..Mediasoup::default() };
    let options_relayed = RoomOptions { mediasoup, ..options(&Codec::ALL) };
    let error = join(&only_vp8.url("r", "vision"), options_relayed).await.err().unwrap().to_string();
    assert!(error.contains("TURN"), "{error}");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("ws://{nobody}/?roomId=r&peerId=p&token=secret");
    let start = Instant::now();
    let error = join(&url, options(&Codec::ALL)).await.err().unwrap().to_string();
    assert!(error.contains("refused") && !error.contains("secret"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_from_the_server_is_ignored() {
    let server = server(RoomServerOptions::default()).await;
    let mut call = join_vision(&server).await;
    let (visitor, _) = visit(&server, "subject").await;
    call.media().await;
    let long = format!(r#"{{"notification":true,"method":"x","data":"{}"}}"#, "x".repeat(900_000));
    for text in [
        "",
        "hello",
        "[]",
        "{}",
        "null",
        &"[".repeat(5000),
        r#"{"response":true,"id":4000000000,"ok":true}"#,
        r#"{"response":true,"ok":true}"#,
        r#"{"notification":true,"method":"consumerClosed"}"#,
        r#"{"notification":true,"method":"consumerClosed","data":{"consumerId":"nobody"}}"#,
        r#"{"notification":true,"method":"peerClosed","data":{"peerId":7}}"#,
        r#"{"notification":true,"method":"consumerLayersChanged","data":{"consumerId":"x","spatialLayer":-1}}"#,
        r#"{"request":true,"id":99999999,"method":"newConsumer","data":{"kind":"video"}}"#,
        &long,
    ] {
        server.control("send-raw", json!({"room": "r", "peer": "vision", "text": text})).await;
    }
    for (method, data) in [
        ("newDataConsumer", json!({"id": "d"})),
        ("tomorrow", json!({})),
        ("newConsumer", json!({"peerId": "x", "producerId": "p", "id": "a", "kind": "audio", "rtpParameters": {}})),
        ("newConsumer", json!(null)),
    ] {
        let request = json!({"room": "r", "peer": "vision", "method": method, "data": data});
        assert!(server.try_control("request", request).await.is_err(), "{method} is refused");
    }
    assert_undisturbed(&mut call).await;
    visitor.leave().await;
    call.link.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_person_is_verified_through_the_server() {
    let _turn = serial().await;
    let Some(person) = asset("a_live_person_is_verified_through_the_server", "lp_d12.mp4") else { return };
    let behaviour = Behaviour { references: vec![frame_of(&person, 0.2)], ..Behaviour::default() };
    let controller = TestController::start(behaviour).await;
    let server = server(RoomServerOptions::default()).await;
    let service = service::start(&[("flow.starting", "300ms"), ("flow.result_shown", "300ms")]).await;
    for codec in Codec::ALL {
        let token = format!("{codec}");
        let mut options = SubjectOptions::new(server.url(&token, "subject"), Source::Clip(person.clone()));
        options.room = RoomKind::Mediasoup;
        options.size = Some((640, 480));
        options.codec = codec;
        let visitor = GstSubject::join(options).await.unwrap();
        let flow = service.join_at(&server.url(&token, "vision"), &controller.url(), &token).await;
        let heard = controller.outcome(&token, Duration::from_secs(60)).await;
        let status = service.wait_for(&flow, Duration::from_secs(10), |flow| flow["state"] == "ended").await;
        assert_eq!(heard.as_deref(), Some("success"), "{status}");
        visitor.leave().await;
    }
    // a server that is not there
    let flow = service.join_at("ws://127.0.0.1:9/?roomId=r&peerId=p", &controller.url(), "nowhere").await;
    let status = service.wait_for(&flow, Duration::from_secs(25), |flow| flow["state"] == "ended").await;
    assert_eq!(status["reason"], "room_unreachable", "{status}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_joins_leave_nothing_behind() {
    if !is_alone("room_mediasoup::ten_joins_leave_nothing_behind") {
        return;
    }
    async fn one(server: &RoomServer, codec: Codec) {
        let mut call = join(&server.url("r", "vision"), options(&[codec])).await.unwrap();
        let (visitor, _) = subject(server.url("r", "subject"), codec).await;
        call.media().await;
        visitor.leave().await;
        call.link.leave().await;
    }
    let server = server(RoomServerOptions::default()).await;
    for codec in Codec::ALL {
        one(&server, codec).await;
    }
    let before = settled().await;
    for n in 0..10 {
        one(&server, Codec::ALL[n % 2]).await;
    }
    let after = settled().await;
    assert!(after.threads <= before.threads + 1, "{before:?} -> {after:?}");
    assert!(after.descriptors <= before.descriptors + 1, "{before:?} -> {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_subjects_picture_may_change_its_size_and_turn() {
    for codec in Codec::ALL {
        let server = server(RoomServerOptions::default()).await;
        let mut call = join_vision(&server).await;
        let (visitor, _) = subject(server.url("r", "subject"), codec).await;
        call.media().await;
        let size = |frame: &Frame| (frame.picture.view().width(), frame.picture.view().height());
        for (width, height) in [(640, 480), (480, 640), (320, 240)] {
            visitor.camera().set_size((width, height));
            let fits = |frame: &Frame| size(frame) == (width as usize, height as usize);
            call.frames.until(&format!("of {codec} at {width}x{height}"), fits).await;
        }
        for (quarter_turns, expected) in [(1, (240, 320)), (2, (320, 240)), (3, (240, 320)), (0, (320, 240))] {
            visitor.camera().set_orientation(Some(Orientation { quarter_turns, flip: false }));
            let what = format!("of {codec} turned by {quarter_turns} quarters");
            call.frames.until(&what, |frame| size(frame) == expected).await;
        }
        visitor.leave().await;
        call.link.leave().await;
    }
}

//! Rooms on a real mediasoup server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vision_core::subject_view::SubjectView as View;
use vision_service::config::Mediasoup;
use vision_service::media::screen::ScreenOptions;
use vision_service::media::{Codec, Frame, Screen};
use vision_service::room::mediasoup::subject::SubjectRule;
use vision_service::room::{Plugs, RoomError, RoomEvent, RoomOptions, RoomUrl, Rooms};
use vision_service::subject::camera::Source;
use vision_service::subject::{GstSubject, RoomKind, SubjectEvent, SubjectOptions};

use crate::support::assets::{Scratch, asset, frame_of};
use crate::support::call::{Call, Frames, LIMIT, loopback, subject_event};
use crate::support::certificates::Certificates;
use crate::support::controller::{Behaviour, TestController};
use crate::support::process::{is_alone, settled};
use crate::support::relay::Relay;
use crate::support::room_server::{RoomServer, RoomServerOptions, undefined_ice_servers};
use crate::support::turn_server::{Access, RELAY_ADDRESS, TurnServer};
use crate::support::udp_forwarder::{Conditions, UdpForwarder, Way};
use crate::support::{serial, service};

const BALL: &str = "videotestsrc is-live=true pattern=ball";

pub fn options(codecs: &[Codec]) -> RoomOptions {
    RoomOptions { ice: loopback(), codecs: codecs.to_vec(), bitrate: 500_000, mediasoup: Mediasoup::default() }
}

pub async fn server(options: RoomServerOptions) -> RoomServer {
    let logs = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env());
    let _ = logs.with_test_writer().try_init();
    vision_service::media::init().unwrap();
    RoomServer::start(options).await
}

/// Joins as a flow does, with a screen that shows the input, mirrored.
pub async fn join(url: &str, options: RoomOptions) -> Result<Call, RoomError> {
    let frames = Frames::default();
    let screen = Screen::start(ScreenOptions::default());
    screen.show(View { message: "Hello".into(), ..View::default() }, None);
    let sinks = [screen.sink(), frames.sink()];
    let on_frame = Arc::new(move |frame: Frame| sinks.iter().for_each(|sink| sink(frame.clone())));
    let plugs = Plugs { on_frame, screen: screen.outlet(), lang: "en".into() };
    let link = Rooms::new().join(&RoomUrl::parse(url).unwrap(), plugs, options).await?;
    Ok(Call { link, screen, frames })
}

async fn join_vision(server: &RoomServer) -> Call {
    join(&server.url("r", "vision"), options(&Codec::ALL)).await.unwrap()
}

async fn visit(server: &RoomServer, peer: &str) -> (GstSubject, Frames) {
    subject(server.url("r", peer), Codec::Vp8).await
}

/// Nothing happens to the call for a while, and frames keep coming.
async fn assert_undisturbed(call: &mut Call) {
    let before = call.frames.count();
    let event = tokio::time::timeout(Duration::from_secs(1), call.link.next_event()).await;
    assert_eq!(event.ok(), None, "an event");
    assert!(call.frames.count() > before + 5, "the frames stopped");
}

pub async fn subject(url: String, codec: Codec) -> (GstSubject, Frames) {
    let frames = Frames::default();
    let mut options = SubjectOptions::new(url, Source::Launch(BALL.into()));
    options.room = RoomKind::Mediasoup;
    options.on_frame = Some(frames.sink());
    options.size = Some((320, 240));
    options.codec = codec;
    (GstSubject::join(options).await.unwrap(), frames)
}

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
async fn without_udp_it_goes_over_tcp_and_unusable_ice_servers_do_no_harm() {
    let only_tcp = RoomServerOptions {
        transports: vec!["tcp"],
        ice_servers: undefined_ice_servers(),
        ..RoomServerOptions::default()
    };
    let server = server(only_tcp).await;
    let mut call = join_vision(&server).await;
    let (visitor, _) = visit(&server, "subject").await;
    call.media().await;
    let state = server.peer("r", "vision").await;
    for transport in state["transports"].as_array().unwrap() {
        assert_eq!(transport["iceSelectedTuple"]["protocol"], "tcp", "{state}");
    }
    visitor.leave().await;
    call.link.leave().await;
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
    assert_eq!(producer["rtpParameters"]["headerExtensions"].as_array().unwrap().len(), 2, "{producer}");
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
async fn certificates_are_verified_unless_told_otherwise() {
    let folder = Scratch::new("wss");
    let Certificates { authority, certificate, key } = Certificates::write(&folder.0);
    let server = server(RoomServerOptions { tls: Some((certificate, key)), ..RoomServerOptions::default() }).await;
    let with = |mediasoup| RoomOptions { mediasoup, ..options(&Codec::ALL) };
    let url = server.url("r", "vision");
    assert!(url.starts_with("wss://"));
    let error = join(&url, options(&Codec::ALL)).await.err().unwrap().to_string();
    assert!(error.contains("certificate"), "{error}");
    let trusting = Mediasoup { ca_file: Some(authority), ..Mediasoup::default() };
    join(&url, with(trusting)).await.unwrap().link.leave().await;
    let careless = Mediasoup { accept_any_certificate: true, ..Mediasoup::default() };
    join(&url, with(careless)).await.unwrap().link.leave().await;
    let missing = Mediasoup { ca_file: Some("/nowhere.pem".into()), ..Mediasoup::default() };
    let error = join(&url, with(missing)).await.err().unwrap().to_string();
    assert!(error.contains("MEDIASOUP_CA_FILE") && error.contains("/nowhere.pem"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forced_relay_goes_over_every_kind_of_turn() {
    for (access, transport) in [(Access::UdpAndTcp, "udp"), (Access::TcpOnly, "tcp"), (Access::TlsOnly, "tls")] {
        let turn = TurnServer::start(access).await;
        let ice_servers = turn.ice_servers(transport);
        let server = server(RoomServerOptions { ice_servers, ..RoomServerOptions::default() }).await;
        let mediasoup = Mediasoup {
            relay_only: true,
            ca_file: Some(turn.certificates().authority.clone()),
            ..Mediasoup::default()
        };
        let mut call =
            join(&server.url("r", "vision"), RoomOptions { mediasoup, ..options(&Codec::ALL) }).await.unwrap();
        let (visitor, seen) = visit(&server, "subject").await;
        call.media().await;
        seen.until("through the relay", |_| true).await;
        let state = server.peer("r", "vision").await;
        for transport in state["transports"].as_array().unwrap() {
            assert_eq!(transport["iceSelectedTuple"]["remoteIp"], RELAY_ADDRESS, "{state}");
        }
        visitor.leave().await;
        call.link.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_network_is_made_up_for() {
    let _turn = serial().await;
    for (loss, least) in [(0.05, 60), (0.15, 30)] {
        // TCP would go around it
        let server = server(RoomServerOptions { transports: vec!["udp"], ..RoomServerOptions::default() }).await;
        let conditions = Conditions {
            loss,
            delay: Duration::from_millis(100),
            reordered: 0.05,
            held_back: Duration::from_millis(30),
        };
        let network = UdpForwarder::start(server.udp_port(), conditions, 7).await;
        let (visitor, seen) = visit(&server, "subject").await;
        server.announce(network.port()).await;
        let mut call = join_vision(&server).await;
        call.media().await;
        seen.until("through the network", |_| true).await;
        let (came, sent) = (call.frames.count(), seen.count());
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (came, sent) = (call.frames.count() - came, seen.count() - sent);
        eprintln!("{loss}: {came} came, {sent} sent");
        assert!(came >= least, "{came} of 150 frames at a loss of {loss}");
        assert!(sent >= least / 2, "{sent} of 75 pictures at a loss of {loss}");
        assert!(network.counts(Way::ToClient).dropped > 0 && network.counts(Way::ToServer).dropped > 0);
        let state = server.peer("r", "vision").await;
        let sent_again = state["consumers"][0]["stats"][0]["packetsRetransmitted"].as_u64();
        assert!(sent_again.is_some_and(|packets| packets > 0), "lost packets are asked for: {state}");
        visitor.leave().await;
        call.link.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_goes_away_is_noticed() {
    let server = server(RoomServerOptions { transports: vec!["udp"], ..RoomServerOptions::default() }).await;
    let network = UdpForwarder::start(server.udp_port(), Conditions::default(), 7).await;
    server.announce(network.port()).await;
    let mut call = join_vision(&server).await;
    server.announce(server.udp_port()).await;
    let (visitor, _) = visit(&server, "subject").await;
    call.media().await;
    network.block();
    let start = Instant::now();
    call.media().await;
    assert!(start.elapsed() > Duration::from_secs(3) && start.elapsed() < LIMIT, "{:?}", start.elapsed());
    visitor.leave().await;
    call.link.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bit_rate_follows_the_network() {
    let _turn = serial().await;
    let server = server(RoomServerOptions::default()).await;
    let network = UdpForwarder::start(server.udp_port(), Conditions::default(), 7).await;
    server.announce(network.port()).await;
    let mut call = join_vision(&server).await;
    server.announce(server.udp_port()).await;
    let frames = Frames::default();
    // a picture that takes all bits that there are
    let mut options = SubjectOptions::new(
        server.url("r", "subject"),
        Source::Launch("videotestsrc is-live=true pattern=snow".into()),
    );
    options.room = RoomKind::Mediasoup;
    options.on_frame = Some(frames.sink());
    options.size = Some((640, 480));
    let visitor = GstSubject::join(options).await.unwrap();
    call.media().await;
    let bitrate = |state: &Value| state["producers"][0]["stats"][0]["bitrate"].as_u64().unwrap_or(0);
    let limit = Duration::from_secs(20);
    server.wait_for("r", "vision", limit, |state| bitrate(state) > 350_000).await;
    network.set(Way::ToServer, Conditions { loss: 0.3, ..Conditions::default() });
    server.wait_for("r", "vision", limit, |state| (1..200_000).contains(&bitrate(state))).await;
    network.set(Way::ToServer, Conditions::default());
    server.wait_for("r", "vision", limit, |state| bitrate(state) > 250_000).await;
    visitor.leave().await;
    call.link.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_subjects_picture_may_change_its_size() {
    for codec in Codec::ALL {
        let server = server(RoomServerOptions::default()).await;
        let mut call = join_vision(&server).await;
        let (visitor, _) = subject(server.url("r", "subject"), codec).await;
        call.media().await;
        for (width, height) in [(640, 480), (480, 640), (320, 240)] {
            visitor.camera().set_size((width, height));
            let fits = |frame: &Frame| {
                let picture = frame.picture.view();
                (picture.width(), picture.height()) == (width as usize, height as usize)
            };
            call.frames.until(&format!("of {codec} at {width}x{height}"), fits).await;
        }
        visitor.leave().await;
        call.link.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_the_one_described_gets_and_gives_nothing() {
    let server = server(RoomServerOptions::default()).await;
    let (visitor, seen) = visit(&server, "subject").await;
    // a man in the middle of the signalling names his own certificate, as he would to take the server's place
    let target = server.url("r", "vision");
    let relay = Relay::to_protoo(target, |text| match text.contains("iceCandidates") {
        true => wrong_digests(&text),
        false => text,
    });
    let mut call = join(&relay.await.url, options(&Codec::ALL)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!((call.frames.count(), seen.count()), (0, 0));
    call.wait(|event| *event == RoomEvent::SubjectJoined).await;
    visitor.leave().await;
    call.link.leave().await;
}

/// Changes the digests of the server's certificate.
fn wrong_digests(text: &str) -> String {
    let mut message: Value = serde_json::from_str(text).unwrap();
    for fingerprint in message["data"]["dtlsParameters"]["fingerprints"].as_array_mut().unwrap() {
        let value = fingerprint["value"].as_str().unwrap();
        let other = if value.starts_with('0') { "1" } else { "0" };
        fingerprint["value"] = format!("{other}{}", &value[1..]).into();
    }
    message.to_string()
}

//! Subjects in real browsers in a room of a real mediasoup server: with each other, and with the service.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::browser::LETTERS;
use crate::support::assets::{Scratch, asset, data_url, frame_of};
use crate::support::chromium::{Chromium, Launch, camera_file};
use crate::support::controller::{Behaviour, TestController};
use crate::support::room_server::{RoomServer, RoomServerOptions};
use crate::support::turn_server::{Access, RELAY_ADDRESS, TurnServer};
use crate::support::udp_forwarder::{Conditions, UdpForwarder, Way};
use crate::support::{mediasoup, serial, service};

const LIMIT: Duration = Duration::from_secs(30);

/// A person in a browser of their own, with Chromium's test picture as the camera.
async fn subject(server: &RoomServer, peer: &str, query: &str) -> Chromium {
    subject_with(None, server, peer, query).await
}

async fn subject_with(camera: Option<&Path>, server: &RoomServer, peer: &str, query: &str) -> Chromium {
    let mut browser = Chromium::launch(Launch { camera, window: (640, 640), deny_camera: false }).await;
    browser.open(&server.page("r", peer, query)).await;
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn two_browsers_see_each_other() {
    let _turn = serial().await;
    let server = RoomServer::start(RoomServerOptions::default()).await;
    let mut one = subject(&server, "one", "&codec=VP8").await;
    let mut other = subject(&server, "other", "&codec=H264").await;
    for (browser, sends, receives) in [(&mut one, "VP8", "H264"), (&mut other, "H264", "VP8")] {
        browser.wait_for("state.shown > 30", LIMIT).await;
        assert_eq!(browser.evaluate("state.sends").await, format!("video/{sends}"));
        assert_eq!(browser.evaluate("state.receives").await, format!("video/{receives}"));
    }

    // what a person does
    one.evaluate("subject.mute()").await;
    other.wait_for("state.paused", LIMIT).await;
    one.evaluate("subject.unmute()").await;
    other.wait_for("!state.paused", LIMIT).await;
    one.evaluate("subject.share()").await;
    let producers = |state: &Value| state["producers"].as_array().map_or(0, Vec::len);
    server.wait_for("r", "one", LIMIT, |state| producers(state) == 2).await;
    one.evaluate("subject.stop()").await;
    server.wait_for("r", "one", LIMIT, |state| producers(state) == 1).await;

    // the page comes back by itself, the room's own wish it respects
    server.control("cut-socket", serde_json::json!({"room": "r", "peer": "one"})).await;
    one.wait_for("state.joins === 2", LIMIT).await;
    let before = other.evaluate("state.shown").await.as_u64().unwrap();
    other.wait_for(&format!("state.shown > {}", before + 30), LIMIT).await;
    server.control("close-peer", serde_json::json!({"room": "r", "peer": "one"})).await;
    one.wait_for("state.call === 'closed'", LIMIT).await;
    other.wait_for("state.peers.length === 0", LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_sees_the_relay_of_a_browser_that_uses_one() {
    let _turn = serial().await;
    let relay = TurnServer::start(Access::TcpOnly).await;
    let options = RoomServerOptions {
        transports: vec!["udp"],
        ice_servers: relay.ice_servers("tcp"),
        ..RoomServerOptions::default()
    };
    let server = RoomServer::start(options).await;
    let mut browser = subject(&server, "relayed", "&relay").await;
    browser.wait_for("state.call === 'joined'", LIMIT).await;
    let connected = |state: &Value| state["transports"][0]["dtlsState"] == "connected";
    let state = server.wait_for("r", "relayed", LIMIT, connected).await;
    let tuple = &state["transports"][0]["iceSelectedTuple"];
    assert_eq!(tuple["remoteIp"], RELAY_ADDRESS, "{tuple}\n{}", relay.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn media_goes_through_a_bad_network() {
    let _turn = serial().await;
    let server = RoomServer::start(RoomServerOptions { transports: vec!["udp"], ..Default::default() }).await;
    let conditions = Conditions { loss: 0.05, delay: Duration::from_millis(20), ..Conditions::default() };
    let network = UdpForwarder::start(server.udp_port(), conditions, 1).await;
    server.announce(network.port()).await;
    let mut one = subject(&server, "one", "&codec=VP8").await;
    let mut other = subject(&server, "other", "&codec=VP8").await;
    for browser in [&mut one, &mut other] {
        browser.wait_for("state.shown > 60", LIMIT).await;
    }
    for way in [Way::ToServer, Way::ToClient] {
        assert!(network.counts(way).dropped > 0, "{way:?}");
    }
    // what was lost on the way to the server was asked for again, and came
    let again = |state: &Value| state["producers"][0]["stats"][0]["packetsRetransmitted"].as_u64() > Some(0);
    server.wait_for("r", "one", LIMIT, again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_can_send_several_sizes() {
    let _turn = serial().await;
    let server = RoomServer::start(RoomServerOptions::default()).await;
    let mut browser = subject(&server, "large", "&codec=VP8&simulcast").await;
    browser.wait_for("state.call === 'joined'", LIMIT).await;
    let layers = |state: &Value| state["producers"][0]["score"].as_array().map_or(0, Vec::len);
    let state = server.wait_for("r", "large", LIMIT, |state| layers(state) >= 2).await;
    assert_eq!(state["producers"][0]["type"], "simulcast");

    let mut call = mediasoup::join_vision(&server).await;
    call.media().await;
    // 640x480 is the third layer of what it sends, though a busy machine may send the lower two alone
    let asked = |state: &Value| state["consumers"][0]["preferredLayers"]["spatialLayer"].as_u64();
    server.wait_for("r", "vision", LIMIT, |state| asked(state) == Some(2)).await;
    call.link.leave().await;
}

/// VP8 and H264 have layers of time only in one stream: there is no size to choose, and the whole rate comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_can_send_layers_of_time() {
    let _turn = serial().await;
    let server = RoomServer::start(RoomServerOptions::default()).await;
    let mut browser = subject(&server, "layered", "&codec=VP8&scalability=L1T3").await;
    browser.wait_for("state.call === 'joined'", LIMIT).await;
    let state = server.wait_for("r", "layered", LIMIT, |state| !state["producers"][0].is_null()).await;
    assert_eq!(state["producers"][0]["rtpParameters"]["encodings"][0]["scalabilityMode"], "L1T3");

    let mut call = mediasoup::join_vision(&server).await;
    call.media().await;
    call.frames.until("of a layered stream", |_| true).await;
    // the server begins with the lowest and goes up as the network shows that it carries more
    let all_layers = |state: &Value| {
        let layer = &state["consumers"][0]["currentLayers"]["temporalLayer"];
        matches!(layer.as_u64(), None | Some(2))
    };
    let state = server.wait_for("r", "vision", LIMIT, all_layers).await;
    let consumer = &state["consumers"][0];
    assert!(matches!(consumer["preferredLayers"]["spatialLayer"].as_u64(), None | Some(0)), "{consumer}");
    call.link.leave().await;
}

/// One verification of the person in a clip, who sends `codec`; answers how the flow ended.
async fn verification(codec: &str, person: &Path, reference: String) -> Value {
    let scratch = Scratch::new("browser-mediasoup");
    let camera = camera_file(person, &scratch.0);
    let controller = TestController::start(Behaviour { references: vec![reference], ..Behaviour::default() }).await;
    let server = RoomServer::start(RoomServerOptions::default()).await;
    // The clip's blinks last three frames; a browser that shares two cores with the networks may send one of them.
    let service = service::start(&[("flow.starting", "1s"), ("challenge.gestures", "smile,openCloseMouth")]).await;

    let mut browser = subject_with(Some(&camera), &server, "subject", &format!("&codec={codec}")).await;
    browser.wait_for("state.call === 'joined'", LIMIT).await;
    let flow = service.join_at(&server.url("r", "vision"), &controller.url(), codec).await;
    service.wait_for(&flow, Duration::from_secs(30), |f| f["state"] == "challenge").await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let letters = browser.evaluate(LETTERS).await.as_i64().unwrap();
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mediasoup-{codec}.png"));
    std::fs::write(&kept, browser.screenshot().await).unwrap();
    assert!(letters > 500, "no instruction is seen ({letters} bright pixels); see {}", kept.display());
    assert_eq!(browser.evaluate("state.sends").await, format!("video/{codec}"));

    let status = service.wait_for(&flow, Duration::from_secs(70), |f| !f["outcome"].is_null()).await;
    let told = controller.outcome(codec, LIMIT).await;
    assert_eq!(told.as_deref(), Some(if status["outcome"] == "verified" { "success" } else { "failure" }));
    // it says so, and leaves
    browser.wait_for("state.peers.length === 0", LIMIT).await;
    assert!(server.peer("r", "vision").await.is_null());
    drop(browser);
    service.stop().await;
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_on_a_mediasoup_server_is_verified() {
    let _turn = serial().await;
    let Some(person) = asset("a_person_on_a_mediasoup_server_is_verified", "lp_d12.mp4") else { return };
    for codec in ["VP8", "H264"] {
        let status = verification(codec, &person, frame_of(&person, 0.2)).await;
        assert_eq!(status["outcome"], "verified", "{codec}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_on_a_mediasoup_server_is_not() {
    let _turn = serial().await;
    let test = "somebody_else_on_a_mediasoup_server_is_not";
    let (Some(person), Some(other)) = (asset(test, "lp_d12.mp4"), asset(test, "salma.jpeg")) else { return };
    let status = verification("VP8", &person, data_url(&other)).await;
    assert_eq!(status["outcome"], "rejected", "{status}");
    assert_eq!(status["reason"], "no_match", "{status}");
}

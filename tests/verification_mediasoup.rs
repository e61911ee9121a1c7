//! Whole verifications in rooms of a real mediasoup server while things go wrong: one outcome each, with its own reason,
//! in bounded time.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vision_service::media::Codec;
use vision_service::subject::camera::Source;
use vision_service::subject::{GstSubject, RoomKind, SubjectOptions};

use crate::support::assets::{asset, data_url, frame_of};
use crate::support::controller::{Behaviour, TestController};
use crate::support::room_server::{RoomServer, RoomServerOptions};
use crate::support::serial;
use crate::support::service::{self, TestService};
use crate::support::turn_server::{Access, RELAY_ADDRESS, TurnServer};
use crate::support::udp_forwarder::{Conditions, UdpForwarder, Way};

/// The original's timings, but for the pauses that nobody needs in a test.
const QUICK: [(&str, &str); 2] = [("flow.starting", "300ms"), ("flow.result_shown", "300ms")];
/// Gestures of a challenge, by default.
const GESTURES: usize = 2;
/// Longer than any flow of these tests.
const LIMIT: Duration = Duration::from_secs(70);
/// From the beginning of a flow to its challenge.
const BEGIN_LIMIT: Duration = Duration::from_secs(20);

/// A service, a server and a controller with the reference of the person in a clip.
struct Stage {
    server: RoomServer,
    service: TestService,
    controller: TestController,
    person: PathBuf,
}

impl Stage {
    async fn set(person: &Path, options: RoomServerOptions, settings: &[(&str, &str)]) -> Self {
        let behaviour = Behaviour { references: vec![frame_of(person, 0.2)], ..Behaviour::default() };
        let settings: Vec<_> = QUICK.iter().chain(settings).copied().collect();
        Self {
            server: RoomServer::start(options).await,
            service: service::start(&settings).await,
            controller: TestController::start(behaviour).await,
            person: person.to_owned(),
        }
    }

    async fn subject(&self, room: &str, codec: Codec) -> GstSubject {
        let mut options = SubjectOptions::new(self.server.url(room, "subject"), Source::Clip(self.person.clone()));
        options.room = RoomKind::Mediasoup;
        options.size = Some((640, 480));
        options.codec = codec;
        GstSubject::join(options).await.unwrap()
    }

    /// Starts a flow in a room of its name, which is its token as well; answers its id.
    async fn flow(&self, room: &str) -> String {
        self.service.join_at(&self.server.url(room, "vision"), &self.controller.url(), room).await
    }

    /// Returns when the first gesture is asked for.
    async fn challenged(&self, flow: &str) {
        self.service.wait_for(flow, BEGIN_LIMIT, |status| status["state"] == "challenge").await;
    }

    /// The one callback, and the flow's status at its end.
    async fn ended(&self, flow: &str, token: &str) -> (String, Value) {
        let heard = self.controller.outcome(token, LIMIT).await;
        let status = self.service.wait_for(flow, Duration::from_secs(10), |f| f["state"] == "ended").await;
        let heard = heard.unwrap_or_else(|| panic!("no outcome: {status}"));
        assert_eq!(self.controller.outcomes(token), std::slice::from_ref(&heard), "one callback: {status}");
        assert!(self.server_has_lost("vision", token).await, "the service is still in the room");
        (heard, status)
    }

    async fn server_has_lost(&self, peer: &str, room: &str) -> bool {
        // a server that is gone knows nobody
        !self.server.runs() || self.server.peer(room, peer).await.is_null()
    }

    async fn succeeded(&self, flow: &str, token: &str) -> Value {
        let (heard, status) = self.ended(flow, token).await;
        assert_eq!((heard.as_str(), &status["outcome"]), ("success", &json!("verified")), "{status}");
        status
    }

    async fn failed(&self, flow: &str, token: &str, reason: &str) {
        let (heard, status) = self.ended(flow, token).await;
        assert_eq!((heard.as_str(), &status["reason"]), ("failure", &json!(reason)), "{status}");
    }
}

/// What was asked for before the subject's video began for the last time does not count: a whole challenge follows.
fn assert_drawn_anew(status: &Value) {
    let began = status["timings"]["media_started_ms"].as_u64().unwrap();
    let asked: Vec<u64> =
        status["timings"]["gestures"].as_array().unwrap().iter().map(|g| g["asked_ms"].as_u64().unwrap()).collect();
    let before = asked.iter().filter(|asked| **asked < began).count();
    assert!(before > 0, "nothing was interrupted: {status}");
    assert_eq!(asked.len() - before, GESTURES, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_is_joined_again() {
    let _turn = serial().await;
    let Some(person) = asset("a_server_that_comes_back_is_joined_again", "lp_d12.mp4") else { return };
    let mut stage = Stage::set(&person, RoomServerOptions::default(), &[]).await;
    let visitor = stage.subject("r", Codec::Vp8).await;
    let flow = stage.flow("r").await;
    stage.challenged(&flow).await;
    stage.server.kill();
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.server.restart().await;
    assert_drawn_anew(&stage.succeeded(&flow, "r").await);
    visitor.leave().await;
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_comes_back_ends_flows() {
    let _turn = serial().await;
    let Some(person) = asset("a_server_that_never_comes_back_ends_flows", "lp_d12.mp4") else { return };
    let mut stage = Stage::set(&person, RoomServerOptions::default(), &[("flow.time_limit", "15s")]).await;
    let visitor = stage.subject("busy", Codec::Vp8).await;
    let (busy, empty) = (stage.flow("busy").await, stage.flow("empty").await);
    stage.service.wait_for(&empty, BEGIN_LIMIT, |status| status["state"] == "waiting_for_subject").await;
    stage.challenged(&busy).await;
    stage.server.kill();
    let killed = Instant::now();
    for room in [("busy", &busy), ("empty", &empty)] {
        stage.failed(room.1, room.0, "room_closed").await;
    }
    assert!(killed.elapsed() < Duration::from_secs(20), "{:?}", killed.elapsed());
    visitor.leave().await;
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_is_made_again() {
    let _turn = serial().await;
    let Some(person) = asset("what_is_cut_is_made_again", "lp_d12.mp4") else { return };
    let stage = Stage::set(&person, RoomServerOptions::default(), &[]).await;
    let cuts = [
        ("socket", "cut-socket", json!({})),
        ("receiving", "close-transport", json!({"direction": "receive"})),
        ("sending", "close-transport", json!({"direction": "send"})),
    ];
    for (room, command, mut data) in cuts {
        let visitor = stage.subject(room, Codec::Vp8).await;
        let flow = stage.flow(room).await;
        stage.challenged(&flow).await;
        data["room"] = room.into();
        data["peer"] = "vision".into();
        stage.server.control(command, data).await;
        assert_drawn_anew(&stage.succeeded(&flow, room).await);
        visitor.leave().await;
    }
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_goes_away_is_gone_around_or_ends_the_flow() {
    let _turn = serial().await;
    let test = "a_network_that_goes_away_is_gone_around_or_ends_the_flow";
    let Some(person) = asset(test, "lp_d12.mp4") else { return };
    for comes_back in [true, false] {
        let (room, limit) = if comes_back { ("back", "60s") } else { ("gone", "20s") };
        let only_udp = RoomServerOptions { transports: vec!["udp"], ..RoomServerOptions::default() };
        let stage = Stage::set(&person, only_udp, &[("flow.time_limit", limit)]).await;
        stage.server.announce(stage.server.udp_port()).await;
        let visitor = stage.subject(room, Codec::Vp8).await;
        let network = UdpForwarder::start(stage.server.udp_port(), Conditions::default(), 7).await;
        stage.server.announce(network.port()).await;
        let flow = stage.flow(room).await;
        stage.challenged(&flow).await;
        if comes_back {
            stage.server.announce(stage.server.udp_port()).await;
        }
        network.block();
        let blocked = Instant::now();
        if comes_back {
            assert_drawn_anew(&stage.succeeded(&flow, room).await);
        } else {
            stage.failed(&flow, room, "room_closed").await;
            assert!(blocked.elapsed() < Duration::from_secs(25), "{:?}", blocked.elapsed());
        }
        visitor.leave().await;
        stage.service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_may_mute_leave_and_come_back() {
    let _turn = serial().await;
    let Some(person) = asset("a_subject_may_mute_leave_and_come_back", "lp_d12.mp4") else { return };
    let stage = Stage::set(&person, RoomServerOptions::default(), &[]).await;
    let visitor = stage.subject("r", Codec::Vp8).await;
    let flow = stage.flow("r").await;
    stage.challenged(&flow).await;
    stage.server.control("pause-producer", json!({"room": "r", "peer": "subject"})).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    visitor.leave().await;
    stage.service.wait_for(&flow, Duration::from_secs(5), |status| status["state"] == "rejoining").await;
    let visitor = stage.subject("r", Codec::Vp8).await;
    assert_drawn_anew(&stage.succeeded(&flow, "r").await);
    visitor.leave().await;
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_who_stays_muted_or_away_fails() {
    let _turn = serial().await;
    let Some(person) = asset("a_subject_who_stays_muted_or_away_fails", "lp_d12.mp4") else { return };
    let limits = [("flow.media_stall_limit", "2s"), ("flow.rejoin_limit", "2s")];
    let stage = Stage::set(&person, RoomServerOptions::default(), &limits).await;
    for (room, reason) in [("muted", "media_lost"), ("away", "subject_left")] {
        let visitor = stage.subject(room, Codec::Vp8).await;
        let flow = stage.flow(room).await;
        stage.challenged(&flow).await;
        let stopped = Instant::now();
        let what = if room == "muted" { "pause-producer" } else { "close-peer" };
        stage.server.control(what, json!({"room": room, "peer": "subject"})).await;
        stage.failed(&flow, room, reason).await;
        assert!(stopped.elapsed() < Duration::from_secs(8), "{room}: {:?}", stopped.elapsed());
        visitor.leave().await;
    }
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_verified_through_a_bad_network() {
    let _turn = serial().await;
    let Some(person) = asset("a_person_is_verified_through_a_bad_network", "lp_d12.mp4") else { return };
    // The clip's blinks last three frames, and a frame that comes too late is none.
    let settings = [("challenge.gestures", "smile,openCloseMouth"), ("flow.result_shown", "1s")];
    for loss in [0.05, 0.15] {
        let only_udp = RoomServerOptions { transports: vec!["udp"], ..RoomServerOptions::default() };
        let stage = Stage::set(&person, only_udp, &settings).await;
        let conditions = Conditions {
            loss,
            delay: Duration::from_millis(100),
            reordered: 0.05,
            held_back: Duration::from_millis(30),
        };
        let network = UdpForwarder::start(stage.server.udp_port(), conditions, 7).await;
        let visitor = stage.subject("r", Codec::Vp8).await;
        stage.server.announce(network.port()).await;
        let flow = stage.flow("r").await;
        // the counters go with a transport, and each transport may be a second or third attempt
        let (mut to_us, mut by_us) = (0, 0);
        let recovered = async {
            loop {
                let state = stage.server.peer("r", "vision").await;
                let packets =
                    |what: &str| state[what][0]["stats"][0]["packetsRetransmitted"].as_u64().unwrap_or_default();
                (to_us, by_us) = (to_us.max(packets("consumers")), by_us.max(packets("producers")));
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        };
        tokio::select! {
            _ = stage.service.wait_for(&flow, LIMIT, |status| !status["outcome"].is_null()) => (),
            () = recovered => (),
        }
        let status = stage.succeeded(&flow, "r").await;
        println!(
            "loss {loss}: verified after {} ms; packets sent again to the service {to_us}, by it {by_us}; {:?}, {:?}",
            status["timings"]["decided_ms"],
            network.counts(Way::ToServer),
            network.counts(Way::ToClient),
        );
        assert!(to_us > 0 && by_us > 0, "nothing was recovered: {to_us} to the service, {by_us} by it");
        visitor.leave().await;
        stage.service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_verified_over_turn_alone() {
    let _turn = serial().await;
    let Some(person) = asset("a_person_is_verified_over_turn_alone", "lp_d12.mp4") else { return };
    let turn = TurnServer::start(Access::TcpOnly).await;
    let options = RoomServerOptions {
        transports: vec!["udp"],
        ice_servers: turn.ice_servers("tcp"),
        ..RoomServerOptions::default()
    };
    let stage = Stage::set(&person, options, &[("ice.mediasoup_relay", "true")]).await;
    let visitor = stage.subject("r", Codec::Vp8).await;
    let flow = stage.flow("r").await;
    stage.challenged(&flow).await;
    let state = stage.server.peer("r", "vision").await;
    let transports = state["transports"].as_array().unwrap();
    assert_eq!(transports.len(), 2, "{state}");
    for transport in transports {
        assert_eq!(transport["iceSelectedTuple"]["remoteIp"], RELAY_ADDRESS, "{state}");
    }
    stage.succeeded(&flow, "r").await;
    visitor.leave().await;
    stage.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_person_is_refused_in_a_room_of_h264_alone() {
    let _turn = serial().await;
    let test = "another_person_is_refused_in_a_room_of_h264_alone";
    let (Some(person), Some(other)) = (asset(test, "lp_d12.mp4"), asset(test, "salma.jpeg")) else { return };
    let only_h264 = RoomServerOptions { codecs: vec!["H264"], ..RoomServerOptions::default() };
    let mut stage = Stage::set(&person, only_h264, &[]).await;
    let behaviour = Behaviour { references: vec![data_url(&other)], ..Behaviour::default() };
    stage.controller = TestController::start(behaviour).await;
    let visitor = stage.subject("r", Codec::H264).await;
    let flow = stage.flow("r").await;
    stage.failed(&flow, "r", "no_match").await;
    visitor.leave().await;
    stage.service.stop().await;
}

//! Rooms on a real mediasoup server: whom to believe, and what the network does.

use std::time::{Duration, Instant};

use serde_json::Value;
use vision_service::config::Mediasoup;
use vision_service::media::Codec;
use vision_service::room::{RoomEvent, RoomOptions};
use vision_service::subject::camera::Source;
use vision_service::subject::{GstSubject, RoomKind, SubjectOptions};

use crate::support::assets::Scratch;
use crate::support::call::{Frames, LIMIT};
use crate::support::certificates::Certificates;
use crate::support::mediasoup::{join, join_vision, options, server, visit};
use crate::support::relay::Relay;
use crate::support::room_server::{RoomServerOptions, undefined_ice_servers};
use crate::support::serial;
use crate::support::turn_server::{Access, RELAY_ADDRESS, TurnServer};
use crate::support::udp_forwarder::{Conditions, UdpForwarder, Way};

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
    // Without asking again, 5 % leave 22 to 37 frames of 150.
    for (loss, least) in [(0.05, (75, 30)), (0.15, (30, 10))] {
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
        println!("loss {loss}: {came} of 150 frames came, {sent} of 75 pictures were seen");
        assert!(came >= least.0, "{came} of 150 frames at a loss of {loss}");
        assert!(sent >= least.1, "{sent} of 75 pictures at a loss of {loss}");
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
    // clouds that never stand still: any number of bits makes a picture of them, few a bad one
    let clouds = "videotestsrc is-live=true pattern=snow ! video/x-raw,width=32,height=24 ! videoscale \
                  ! video/x-raw,width=320,height=240";
    let mut options = SubjectOptions::new(server.url("r", "subject"), Source::Launch(clouds.into()));
    options.room = RoomKind::Mediasoup;
    options.on_frame = Some(frames.sink());
    options.size = Some((320, 240));
    let visitor = GstSubject::join(options).await.unwrap();
    call.media().await;
    let bitrate = |state: &Value| state["producers"][0]["stats"][0]["bitrate"].as_u64().unwrap_or(0);
    let limit = Duration::from_secs(20);
    server.wait_for("r", "vision", limit, |state| bitrate(state) > 300_000).await;
    network.set(Way::ToServer, Conditions { loss: 0.3, ..Conditions::default() });
    tokio::time::sleep(Duration::from_secs(8)).await;
    // key frames and packets sent again count as well, so it is looked at when they are not needed any more
    network.set(Way::ToServer, Conditions::default());
    server.wait_for("r", "vision", limit, |state| (1..200_000).contains(&bitrate(state))).await;
    server.wait_for("r", "vision", limit, |state| bitrate(state) > 250_000).await;
    visitor.leave().await;
    call.link.leave().await;
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

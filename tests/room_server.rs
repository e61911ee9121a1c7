//! The peers of the room tests themselves: the room server, the bad network, the TURN server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::assets::Scratch;
use crate::support::certificates::Certificates;
use crate::support::room_server::{RoomServer, RoomServerOptions, undefined_ice_servers};
use crate::support::turn_server::{Access, TurnServer};
use crate::support::udp_forwarder::{Conditions, Counts, UdpForwarder, Way};

const LIMIT: Duration = Duration::from_secs(10);

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>;

/// A peer that can talk, without media.
struct Client {
    socket: Socket,
    next_id: u32,
}

impl Client {
    async fn connect(url: &str) -> Self {
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "protoo".parse().unwrap());
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        Self { socket, next_id: 0 }
    }

    /// The next message; the close frame when there is none.
    async fn next(&mut self) -> Result<Value, Option<CloseFrame>> {
        let next = tokio::time::timeout(LIMIT, self.socket.next()).await.expect("the server says something");
        match next {
            Some(Ok(Message::Text(text))) => Ok(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(frame))) => Err(frame),
            None | Some(Err(_)) => Err(None),
            Some(Ok(other)) => panic!("protoo speaks in text: {other:?}"),
        }
    }

    /// The next notification, or request of the server, of this name.
    async fn hear(&mut self, method: &str) -> Value {
        loop {
            let message = self.next().await.expect("the connection lasts");
            if message["method"] == method {
                return message["data"].clone();
            }
        }
    }

    async fn send(&mut self, method: &str, data: Value) -> u32 {
        self.next_id += 1;
        let message = json!({"request": true, "id": self.next_id, "method": method, "data": data});
        self.socket.send(Message::text(message.to_string())).await.unwrap();
        self.next_id
    }

    /// The answer to a request; the reason when it was refused.
    async fn request(&mut self, method: &str, data: Value) -> Result<Value, String> {
        let id = self.send(method, data).await;
        loop {
            let message = self.next().await.expect("the connection lasts");
            if message["response"] == true && message["id"] == id {
                return match message["ok"] == true {
                    true => Ok(message["data"].clone()),
                    false => Err(message["errorReason"].as_str().unwrap().to_owned()),
                };
            }
        }
    }

    async fn join(&mut self) -> Value {
        let codecs = json!({"codecs": [], "headerExtensions": []});
        let data = json!({"displayName": "Test", "device": {"flag": "test"}, "rtpCapabilities": codecs});
        self.request("join", data).await.unwrap()
    }

    async fn close_code(&mut self) -> Option<u16> {
        loop {
            if let Err(frame) = self.next().await {
                return frame.map(|frame| frame.code.into());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_come_and_go_as_on_the_original_server() {
    let server = RoomServer::start(RoomServerOptions { room_limit: 2, ..Default::default() }).await;
    let mut first = Client::connect(&server.url("r", "first")).await;
    assert_eq!(first.join().await, json!({"peers": []}));
    let mut second = Client::connect(&server.url("r", "second")).await;
    let introduced = json!({"id": "first", "displayName": "Test", "device": {"flag": "test"}});
    assert_eq!(second.join().await, json!({"peers": [introduced]}));
    assert_eq!(first.hear("newPeer").await["id"], "second");

    // a full room says nothing; another one is another one
    let mut third = Client::connect(&server.url("r", "third")).await;
    assert_eq!(third.close_code().await, Some(4000));
    Client::connect(&server.url("elsewhere", "third")).await.join().await;

    // the same id again: the earlier peer is put out
    let mut again = Client::connect(&server.url("r", "second")).await;
    assert_eq!(second.close_code().await, Some(4000));
    assert_eq!(first.hear("peerClosed").await, json!({"peerId": "second"}));
    again.join().await;
    assert_eq!(first.hear("newPeer").await["id"], "second");

    // leaving is never answered
    let id = again.send("leaveRoom", json!({})).await;
    let goodbye = again.next().await;
    assert!(matches!(&goodbye, Err(Some(frame)) if u16::from(frame.code) == 4000), "{id}: {goodbye:?}");
    assert_eq!(first.hear("peerLeft").await, json!({"peerId": "second"}));
    assert_eq!(first.hear("peerClosed").await, json!({"peerId": "second"}));

    // alone, put out by itself, the room goes on
    let mut alone = Client::connect(&server.url("r", "first")).await;
    assert_eq!(first.close_code().await, Some(4000));
    assert_eq!(alone.join().await, json!({"peers": []}));
    alone.request("getRouterRtpCapabilities", json!({})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_offered_is_what_was_asked_for() {
    let options = RoomServerOptions {
        codecs: vec!["H264"],
        transports: vec!["udp"],
        announced_port: Some(9),
        ice_servers: undefined_ice_servers(),
        ..Default::default()
    };
    let server = RoomServer::start(options).await;
    let mut client = Client::connect(&server.url("r", "client")).await;
    let capabilities = client.request("getRouterRtpCapabilities", json!({})).await.unwrap();
    let video = |codec: &&Value| codec["kind"] == "video" && codec["mimeType"] != "video/rtx";
    let codecs: Vec<_> = capabilities["codecs"].as_array().unwrap().iter().filter(video).collect();
    assert_eq!(codecs.len(), 1);
    assert_eq!(codecs[0]["mimeType"], "video/H264");

    let wanted = json!({"forceTcp": false, "producing": true, "consuming": false});
    let transport = client.request("createWebRtcTransport", wanted.clone()).await.unwrap();
    assert_eq!(transport["iceServers"], undefined_ice_servers());
    assert_eq!(transport["iceParameters"]["iceLite"], true);
    let ports = |transport: &Value| -> Vec<(String, u64)> {
        let candidates = transport["iceCandidates"].as_array().unwrap().iter();
        candidates.map(|c| (c["protocol"].as_str().unwrap().to_owned(), c["port"].as_u64().unwrap())).collect()
    };
    assert_eq!(ports(&transport), [("udp".to_owned(), 9)]);
    server.announce(server.udp_port()).await;
    let transport = client.request("createWebRtcTransport", wanted).await.unwrap();
    assert_eq!(ports(&transport), [("udp".to_owned(), u64::from(server.udp_port()))]);

    let again = client.request("restartIce", json!({"transportId": transport["id"]})).await.unwrap();
    assert_ne!(again["usernameFragment"], transport["iceParameters"]["usernameFragment"]);
    let stats = client.request("getTransportStats", json!({"transportId": transport["id"]})).await.unwrap();
    assert_eq!(stats[0]["dtlsState"], "new");

    // mistakes are answered, and nothing else happens
    let early = client.request("produce", json!({"transportId": transport["id"]})).await;
    assert_eq!(early, Err("Peer not yet joined".to_owned()));
    let strange = client.request("pauseConsumer", json!({"consumerId": "x"})).await;
    assert_eq!(strange, Err("consumer with id \"x\" not found".to_owned()));
    assert!(client.request("nonsense", json!({})).await.unwrap_err().contains("nonsense"));
    client.join().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_can_say_and_break_what_it_likes() {
    let mut server = RoomServer::start(RoomServerOptions::default()).await;
    let mut client = Client::connect(&server.url("r", "client")).await;
    client.join().await;
    let about = |more: Value| {
        let mut data = json!({"room": "r", "peer": "client"});
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        data
    };
    server.control("notify", about(json!({"method": "strange", "data": 1}))).await;
    assert_eq!(client.hear("strange").await, 1);
    server.control("send-raw", about(json!({"text": "[7]"}))).await;
    assert_eq!(client.next().await, Ok(json!([7])));
    assert_eq!(
        server.try_control("cut-socket", json!({"room": "r", "peer": "nobody"})).await,
        Err("there is no peer nobody in room r".to_owned())
    );

    // a socket that is cut has no close frame
    server.control("cut-socket", about(json!({}))).await;
    assert_eq!(client.close_code().await, None);
    server.wait_for("r", "client", LIMIT, Value::is_null).await;

    // a server that dies cuts all of them, and comes back where it was, empty
    let mut client = Client::connect(&server.url("r", "client")).await;
    client.join().await;
    assert_eq!(server.peer("r", "client").await["joined"], true);
    let port = server.port();
    server.restart().await;
    assert_eq!(client.close_code().await, None);
    assert_eq!(server.port(), port);
    assert!(server.peer("r", "client").await.is_null());
    Client::connect(&server.url("r", "client")).await.join().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_behind_tls_show_their_certificate() {
    let folder = Scratch::new("room-tls");
    let Certificates { authority, certificate, key } = Certificates::write(&folder.0);
    let server = RoomServer::start(RoomServerOptions { tls: Some((certificate, key)), ..Default::default() }).await;
    assert!(server.url("r", "p").starts_with("wss://"));
    vision_service::outbound::install_crypto_provider();
    let trusted = reqwest::Certificate::from_pem(&std::fs::read(authority).unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([trusted]).build().unwrap();
    let page = server.page("r", "p", "");
    assert_eq!(client.get(&page).send().await.unwrap().status(), 200);
    assert!(reqwest::Client::new().get(&page).send().await.is_err(), "nobody else trusts it");
}

/// Echoes what it gets, on a port of its own.
async fn echo() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut buffer = [0; 64];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            socket.send_to(&buffer[..length], from).await.unwrap();
        }
    });
    port
}

/// How many packets are sent at once: fewer than any socket on the way keeps.
const BURST: u32 = 16;

/// Sends numbered packets through a forwarder to an echo; answers the numbers that came back, in order.
async fn send_through(forwarder: &UdpForwarder, packets: u32) -> Vec<u32> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(("127.0.0.1", forwarder.port())).await.unwrap();
    let dropped = || forwarder.counts(Way::ToServer).dropped + forwarder.counts(Way::ToClient).dropped;
    let before = dropped();
    let (mut back, mut buffer) = (Vec::new(), [0; 4]);
    let end = Instant::now() + LIMIT;
    for n in 0..packets {
        socket.send(&n.to_be_bytes()).await.unwrap();
        let is_last = n % BURST == BURST - 1 || n + 1 == packets;
        // until each of them has come back or is lost
        while is_last && back.len() as u64 + dropped() - before <= u64::from(n) {
            assert!(Instant::now() < end, "packets are missing that were not lost on purpose");
            if let Ok(Ok(4)) = tokio::time::timeout(Duration::from_millis(5), socket.recv(&mut buffer)).await {
                back.push(u32::from_be_bytes(buffer));
            }
        }
    }
    back
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_network_loses_what_its_seed_says() {
    let port = echo().await;
    let conditions = Conditions { loss: 0.15, ..Conditions::default() };
    let forwarder = UdpForwarder::start(port, conditions, 7).await;
    let back = send_through(&forwarder, 2000).await;
    let (there, here) = (forwarder.counts(Way::ToServer), forwarder.counts(Way::ToClient));
    assert_eq!(there.received, 2000);
    assert_eq!(here.received, 2000 - there.dropped, "nothing is lost but on purpose");
    assert_eq!(back.len() as u64, here.received - here.dropped);
    assert!(back.is_sorted(), "order is kept");
    for Counts { received, dropped, .. } in [there, here] {
        let fraction = dropped as f64 / received as f64;
        assert!((0.12..0.18).contains(&fraction), "{fraction}");
    }

    let again = UdpForwarder::start(port, conditions, 7).await;
    assert_eq!(send_through(&again, 2000).await, back);
    let other = UdpForwarder::start(port, conditions, 8).await;
    assert_ne!(send_through(&other, 2000).await, back);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_network_is_slow_mixes_up_and_goes_away() {
    let conditions = Conditions { delay: Duration::from_millis(100), ..Conditions::default() };
    let forwarder = UdpForwarder::start(echo().await, conditions, 1).await;
    let begun = Instant::now();
    assert_eq!(send_through(&forwarder, 1).await, [0]);
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());

    let reordering = Conditions { reordered: 0.1, held_back: Duration::from_millis(20), ..Conditions::default() };
    forwarder.set(Way::ToServer, reordering);
    forwarder.set(Way::ToClient, Conditions::default());
    let back = send_through(&forwarder, 500).await;
    let held_back = forwarder.counts(Way::ToServer).held_back;
    assert!((20..100).contains(&held_back), "{held_back}");
    assert_eq!(forwarder.counts(Way::ToClient).held_back, 0);
    assert!(!back.is_sorted());
    let mut sorted = back;
    sorted.sort_unstable();
    assert_eq!(sorted, (0..500).collect::<Vec<_>>(), "nothing is lost");

    forwarder.block();
    assert!(send_through(&forwarder, 50).await.is_empty());
    assert_eq!(forwarder.counts(Way::ToServer).dropped, 50);
}

/// A STUN binding request, RFC 8489: type 1, no attributes.
const BINDING_REQUEST: [u8; 20] = *b"\x00\x01\x00\x00\x21\x12\xa4\x42transaction!";
/// The type of the answer to it.
const BINDING_SUCCESS: [u8; 2] = [1, 1];

/// The type of the answer to a binding request.
async fn bind(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> [u8; 2] {
    stream.write_all(&BINDING_REQUEST).await.unwrap();
    let mut answer = [0; 2];
    tokio::time::timeout(LIMIT, stream.read_exact(&mut answer)).await.expect("an answer").unwrap();
    answer
}

/// TLS that trusts the test's own authority alone.
fn connector(certificates: &Certificates) -> TlsConnector {
    vision_service::outbound::install_crypto_provider();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&certificates.authority).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_turn_server_is_reached_as_it_allows() {
    let open = TurnServer::start(Access::UdpAndTcp).await;
    let without_udp = TurnServer::start(Access::TcpOnly).await;
    let tls_only = TurnServer::start(Access::TlsOnly).await;
    for server in [&open, &without_udp] {
        let stream = TcpStream::connect(server.address()).await.unwrap();
        assert_eq!(bind(stream).await, BINDING_SUCCESS);
    }
    assert!(TcpStream::connect(tls_only.address()).await.is_err());
    for server in [&open, &without_udp, &tls_only] {
        let stream = TcpStream::connect(server.tls_address()).await.unwrap();
        let stream = connector(server.certificates()).connect("127.0.0.1".try_into().unwrap(), stream).await.unwrap();
        assert_eq!(bind(stream).await, BINDING_SUCCESS);
    }
    for (server, reached) in [(&open, true), (&without_udp, false), (&tls_only, false)] {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(server.address()).await.unwrap();
        socket.send(&BINDING_REQUEST).await.unwrap();
        let mut answer = [0; 100];
        let got = tokio::time::timeout(Duration::from_secs(1), socket.recv(&mut answer)).await;
        assert_eq!(matches!(got, Ok(Ok(_))) && answer[..2] == BINDING_SUCCESS, reached);
    }
}

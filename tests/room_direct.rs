//! The built-in room: who may come when, and what strangers may say.

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::Message;
use vision_service::debug::graphs::DotFolder;
use vision_service::flow::FlowId;
use vision_service::media::{Codec, IceOptions};
use vision_service::room::direct::message::{CLOSE_BUSY, CLOSE_ENDED, CLOSE_FLOOD, ServerMessage};
use vision_service::room::{Announcement, RoomError, RoomEvent};
use vision_service::subject::{GstSubject, SubjectEvent, SubjectOptions};

use crate::support::call::{House, LIMIT, loopback, subject_event};
use crate::support::process::{is_alone, settled};
use crate::support::relay::{Relay, wrong_fingerprint};
use crate::support::serial;
use crate::support::turn_server::{Access, RELAY_ADDRESS, TurnServer};

const BALL: &str = "videotestsrc is-live=true pattern=ball";

fn is_ready(event: &SubjectEvent) -> bool {
    matches!(event, SubjectEvent::Message(ServerMessage::Ready { .. }))
}

#[tokio::test]
async fn page_before_flow_and_flow_before_page() {
    let house = House::open().await;
    let (mut subject, _) = house.subject("early", BALL).await;
    subject_event(&mut subject, |event| *event == SubjectEvent::Message(ServerMessage::Waiting)).await;
    let mut call = house.join("early");
    assert_eq!(call.link.next_event().await, RoomEvent::SubjectJoined);
    assert_eq!(call.link.next_event().await, RoomEvent::MediaStarted);

    let mut late = house.join("late");
    let (other, _) = house.subject("late", BALL).await;
    assert_eq!(late.link.next_event().await, RoomEvent::SubjectJoined);
    assert_eq!(late.link.next_event().await, RoomEvent::MediaStarted);

    // leaving says the outcome, then the end
    call.link.announce(true, "verified", "Hecho");
    call.link.leave().await;
    let outcome = Announcement { success: true, reason: "verified".into(), text: "Hecho".into() };
    let said = subject_event(&mut subject, |event| matches!(event, SubjectEvent::Message(_) if !is_ready(event))).await;
    assert_eq!(said, SubjectEvent::Message(ServerMessage::Outcome(outcome)));
    subject_event(&mut subject, |event| *event == SubjectEvent::Message(ServerMessage::Ended)).await;
    subject_event(&mut subject, |event| *event == SubjectEvent::Closed(Some(CLOSE_ENDED))).await;
    other.leave().await;
    assert_eq!(late.link.next_event().await, RoomEvent::SubjectLeft);
    late.link.leave().await;
}

#[tokio::test]
async fn a_reload_rejoins_and_time_goes_on() {
    let house = House::open().await;
    let mut call = house.join("r");
    let (mut subject, seen) = house.subject("r", BALL).await;
    call.media().await;
    // more often than connections may fail
    for n in 0..6 {
        let before = call.frames.until("before", |frame| frame.sequence > n).await;
        subject.reload();
        call.wait(|event| *event == RoomEvent::SubjectLeft).await;
        call.wait(|event| *event == RoomEvent::SubjectJoined).await;
        call.media().await;
        let after = call.frames.until("after", |frame| frame.sequence > before.sequence + 5).await;
        assert!(after.timestamp > before.timestamp);
    }
    subject_event(&mut subject, |event| *event == SubjectEvent::FirstFrame).await;
    let count = seen.count();
    let more = async {
        while seen.count() == count {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), more).await.expect("the screen is on the new connection");
    subject.leave().await;
    call.link.leave().await;
}

#[tokio::test]
async fn a_second_subject_is_told_that_the_room_is_busy() {
    let house = House::open().await;
    let mut call = house.join("r");
    let (first, _) = house.subject("r", BALL).await;
    call.media().await;
    let (mut second, _) = house.subject("r", BALL).await;
    subject_event(&mut second, |event| *event == SubjectEvent::Message(ServerMessage::Busy)).await;
    subject_event(&mut second, |event| *event == SubjectEvent::Closed(Some(CLOSE_BUSY))).await;
    second.leave().await;
    let nothing = tokio::time::timeout(Duration::from_millis(100), call.link.next_event()).await;
    assert_eq!(nothing.ok(), None, "the first one was not disturbed");
    first.leave().await;
    call.link.leave().await;
}

#[tokio::test]
async fn a_subject_whose_network_went_away_is_replaced() {
    let house = House::open().await;
    let mut call = house.join("r");
    let relay = Relay::to(house.url("r"), |text| text).await;
    let lost = GstSubject::join(subject_options(&relay.url)).await.unwrap();
    call.media().await;
    relay.freeze();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    let (next, _) = house.subject("r", BALL).await;
    call.wait(|event| *event == RoomEvent::SubjectLeft).await;
    call.media().await;
    assert!(start.elapsed() < Duration::from_secs(5), "replaced after {:?}", start.elapsed());
    lost.vanish().await;
    next.leave().await;
    call.link.leave().await;
}

#[tokio::test]
async fn a_room_has_one_flow() {
    let house = House::open().await;
    let call = house.join("r");
    assert_eq!(house.try_join("r", loopback(), &Codec::ALL).err(), Some(RoomError::Occupied("r".into())));
    call.link.leave().await;
    // and is free again
    house.join("r").link.leave().await;
}

fn subject_options(url: &str) -> SubjectOptions {
    let mut options = SubjectOptions::new(url, vision_service::subject::camera::Source::Launch(BALL.into()));
    options.size = Some((320, 240));
    options
}

#[tokio::test]
async fn a_certificate_that_is_not_the_one_described_is_refused() {
    let house = House::open().await;
    // a man in the middle of the signalling changes the page's description
    let folder = tempfile::tempdir().unwrap();
    let dots = DotFolder::new(folder.path(), FlowId::random());
    let mut call = house.try_join_with("r", loopback(), &Codec::ALL, |plugs| plugs.dots = Some(dots)).unwrap();
    let relay = Relay::to(house.url("r"), |text| if text.contains("offer") { wrong_fingerprint(text) } else { text });
    let subject = GstSubject::join(subject_options(&relay.await.url)).await.unwrap();
    // the service tries a few times, and no frame gets through
    call.wait(|event| *event == RoomEvent::Closed).await;
    assert_eq!(call.frames.count(), 0);
    subject.leave().await;
    call.link.leave().await;
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    // The graph of the last try may be on its way.
    let graphs: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "dot")).collect();
    let [graph] = &graphs[..] else { panic!("one graph for all tries: {graphs:?}") };
    assert!(graph.to_str().unwrap().ends_with("-connection_failed.dot"), "{graph:?}");
    assert!(std::fs::read_to_string(graph).unwrap().contains("webrtcbin"));

    // and the service's
    let call = house.join("s");
    let relay = Relay::to(house.url("s"), |text| if text.contains("answer") { wrong_fingerprint(text) } else { text });
    let mut subject = GstSubject::join(subject_options(&relay.await.url)).await.unwrap();
    let failed = subject_event(&mut subject, |event| matches!(event, SubjectEvent::Failed(_))).await;
    assert!(format!("{failed:?}").contains("certificate"), "{failed:?}");
    assert_eq!(call.frames.count(), 0);
    subject.leave().await;
    call.link.leave().await;
}

/// What Chromium offers, reduced.
fn offer() -> String {
    let fingerprint = ["AB"; 32].join(":");
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:Oyef\r\n\
         a=ice-pwd:7uhN2UTjOsBiSLXWIj/5Ctw6\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\na=mid:0\r\n\
         a=extmap:3 urn:3gpp:video-orientation\r\n\
         a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
         a=sendrecv\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 nack\r\n\
         a=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=ssrc-group:FID 1 2\r\n\
         a=ssrc:1 cname:x\r\na=ssrc:2 cname:x\r\n"
    )
}

#[tokio::test]
async fn an_answer_has_one_codec_with_all_that_was_offered_for_it() {
    let house = House::open().await;
    let call = house.join("r");
    let mut page = Page::open(&house.url("r")).await;
    assert!(matches!(page.hear().await, Ok(ServerMessage::Ready { .. })));
    let level = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
    let h264 = offer().replace("a=rtpmap:96 VP8/90000", &format!("a=rtpmap:96 H264/90000\r\na=fmtp:96 {level}"));
    for (offer, name) in [(offer(), "VP8"), (h264, "H264")] {
        tokio::time::sleep(Duration::from_millis(260)).await;
        page.say(offer_message(&offer)).await;
        let sdp = loop {
            if let Ok(ServerMessage::Answer { sdp }) = page.hear().await {
                break sdp;
            }
        };
        for line in [
            "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
            "a=mid:0",
            "a=sendrecv",
            "a=setup:active",
            &format!("a=rtpmap:96 {name}/90000"),
            "a=rtpmap:97 rtx/90000",
            "a=fmtp:97 apt=96",
            "a=rtcp-fb:96 nack",
            "a=rtcp-fb:96 nack pli",
            "a=rtcp-fb:96 transport-cc",
            "a=extmap:3 urn:3gpp:video-orientation",
            "a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
            "a=rtcp-mux",
            "a=group:BUNDLE 0",
        ] {
            assert!(sdp.lines().any(|have| have == line), "{name}: no {line} in {sdp}");
        }
        assert_eq!(sdp.contains("profile-level-id=42e01f"), name == "H264", "{sdp}");
    }
    call.link.leave().await;
}

/// A page that says what it likes.
struct Page(tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>);

impl Page {
    async fn open(url: &str) -> Self {
        Self(tokio_tungstenite::connect_async(url).await.unwrap().0)
    }

    async fn say(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    /// The next thing that the service says; pings are answered on the way. An error is the close code.
    async fn hear(&mut self) -> Result<ServerMessage, Option<u16>> {
        tokio::time::timeout(LIMIT, async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                    Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                    Some(Ok(_)) => (),
                    Some(Err(_)) | None => return Err(None),
                }
            }
        })
        .await
        .expect("the service says nothing")
    }

    async fn hear_error(&mut self) -> String {
        match self.hear().await {
            Ok(ServerMessage::Error { message }) => message,
            other => panic!("not an error: {other:?}"),
        }
    }
}

fn offer_message(sdp: &str) -> String {
    serde_json::json!({"type": "offer", "sdp": sdp}).to_string()
}

#[tokio::test]
async fn nonsense_is_answered_and_ignored() {
    let house = House::open().await;
    let mut page = Page::open(&house.url("r")).await;
    assert_eq!(page.hear().await, Ok(ServerMessage::Waiting));
    page.say(offer_message(&offer())).await;
    assert!(page.hear_error().await.contains("wait for ready"));
    let call = house.join("r");
    assert!(matches!(page.hear().await, Ok(ServerMessage::Ready { .. })));
    for (nonsense, answer) in [
        ("hello", "not understood"),
        ("{}", "not understood"),
        (r#"{"type":"dance"}"#, "not understood"),
        (r#"{"type":"candidate","candidate":"candidate:1 1 udp 1 1.2.3.4 5 typ host"}"#, "before an offer"),
        (&offer_message("v=0"), "no video"),
        (&offer_message(&offer().replace("VP8", "AV1")), "none of the codecs"),
        (&offer_message(&offer().replace("m=video", "m=audio")), "no video"),
    ] {
        tokio::time::sleep(Duration::from_millis(260)).await; // offers that nobody asked for are rationed
        page.say(nonsense).await;
        let error = page.hear_error().await;
        assert!(error.contains(answer), "{nonsense}: {error}");
    }
    page.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(page.hear_error().await, "messages are text");

    // after all that, an offer is answered, the next one at once is not
    tokio::time::sleep(Duration::from_millis(260)).await;
    page.say(offer_message(&offer())).await;
    page.say(offer_message(&offer())).await;
    loop {
        match page.hear().await {
            Ok(ServerMessage::Answer { .. } | ServerMessage::Candidate { .. }) => (),
            Ok(ServerMessage::Error { message }) => break assert_eq!(message, "too many offers"),
            other => panic!("{other:?}"),
        }
    }
    call.link.leave().await;
}

#[tokio::test]
async fn floods_end_the_connection() {
    let house = House::open().await;
    let mut page = Page::open(&house.url("r")).await;
    for _ in 0..250 {
        if page.0.send(Message::text("x")).await.is_err() {
            break;
        }
    }
    let code = loop {
        if let Err(code) = page.hear().await {
            break code;
        }
    };
    assert_eq!(code, Some(CLOSE_FLOOD));

    let mut page = Page::open(&house.url("r")).await;
    let _ = page.0.send(Message::text("x".repeat(1_000_000))).await;
    loop {
        if page.hear().await.is_err() {
            break;
        }
    }
    // names that are no rooms
    for name in ["a%20b", "%2e%2e%2f", &"a".repeat(80)] {
        assert!(tokio_tungstenite::connect_async(house.url(name)).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn candidates_keep_to_the_configured_ports_and_address() {
    let house = House::open().await;
    let ice = IceOptions {
        port_range: Some((42_100, 42_149)),
        announced_address: Some("198.51.100.7".parse().unwrap()),
        ..loopback()
    };
    let call = house.join_with("r", ice, &Codec::ALL);
    for candidate in candidates(&house, "r").await {
        let words: Vec<&str> = candidate.split(' ').collect();
        let (address, port): (std::net::IpAddr, u16) = (words[4].parse().unwrap(), words[5].parse().unwrap());
        let calls_only = candidate.contains("tcptype active");
        assert!(calls_only || (42_100..=42_149).contains(&port), "{candidate}");
        assert!(address.is_loopback() || address.is_ipv6() || words[4] == "198.51.100.7", "{candidate}");
    }
    call.link.leave().await;
}

/// Every candidate of the service for a room.
async fn candidates(house: &House, room: &str) -> Vec<String> {
    let mut page = Page::open(&house.url(room)).await;
    assert!(matches!(page.hear().await, Ok(ServerMessage::Ready { .. })));
    page.say(offer_message(&offer())).await;
    let mut candidates = Vec::new();
    loop {
        match tokio::time::timeout(Duration::from_secs(2), page.hear()).await {
            Ok(Ok(ServerMessage::Candidate { candidate, .. })) if !candidate.is_empty() => candidates.push(candidate),
            Ok(Ok(_)) => (),
            Ok(Err(code)) => panic!("closed: {code:?}"),
            Err(_) => break,
        }
    }
    assert!(!candidates.is_empty());
    candidates
}

#[tokio::test(flavor = "multi_thread")]
async fn forced_relay_offers_and_uses_nothing_else() {
    let _turn = serial().await;
    for (access, transport) in [(Access::UdpAndTcp, "udp"), (Access::TcpOnly, "tcp")] {
        let turn = TurnServer::start(access).await;
        let servers = serde_json::from_value(turn.ice_servers(transport)).unwrap();
        let ice = IceOptions { relay_only: true, servers, ..loopback() };
        let house = House::open().await;
        let call = house.join_with("offered", ice.clone(), &Codec::ALL);
        for candidate in candidates(&house, "offered").await {
            assert!(candidate.contains(RELAY_ADDRESS) && candidate.contains("typ relay"), "{candidate}");
        }
        call.link.leave().await;

        let mut call = house.join_with("used", ice, &Codec::ALL);
        let (subject, seen) = house.subject("used", BALL).await;
        call.wait(|event| *event == RoomEvent::MediaStarted).await;
        seen.until("through the relay", |_| true).await;
        subject.leave().await;
        call.link.leave().await;
    }
}

#[tokio::test]
async fn ten_calls_leave_nothing_behind() {
    if !is_alone("room_direct::ten_calls_leave_nothing_behind") {
        return;
    }
    async fn one_call(house: &House, codec: Codec) {
        let mut call = house.join("r");
        let (subject, _) = house.subject_with("r", BALL, |options| options.codec = codec).await;
        call.media().await;
        subject.leave().await;
        call.link.leave().await;
    }
    let house = House::open().await;
    // what is made once and kept: thread pools, plug-ins
    for codec in Codec::ALL {
        one_call(&house, codec).await;
    }
    let before = settled().await;
    for n in 0..10 {
        one_call(&house, Codec::ALL[n % 2]).await;
    }
    let after = settled().await;
    assert!(after.threads <= before.threads + 1, "{before:?} -> {after:?}");
    assert!(after.descriptors <= before.descriptors + 1, "{before:?} -> {after:?}");
}

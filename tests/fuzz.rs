//! What strangers say, broken in every way: messages of a room server and of a page, router capabilities, consumers,
//! transports, candidates, SDP. Real ones are taken apart and put together wrongly; nothing may panic, and whatever gets
//! written into SDP has to be clean.
//!
//! A failure prints the seed and the text. The long run obeys `VISION_FUZZ_SECONDS`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vision_service::media::Codec;
use vision_service::media::ice::{self, RemoteCandidate};
use vision_service::media::sdp::Offer;
use vision_service::room::direct::message::{CameraLabel, ClientMessage};
use vision_service::room::mediasoup::capabilities::Capabilities;
use vision_service::room::mediasoup::messages::{Joined, NewConsumer, Notification, Produced, RtpCapabilities};
use vision_service::room::mediasoup::protoo::message::Message;
use vision_service::room::mediasoup::sdp::{self, OwnOffer, RemoteOffer};
use vision_service::room::mediasoup::subject::{Change, SubjectChoice, SubjectRule};
use vision_service::room::mediasoup::transport::Transport;

use crate::support::random::Random;

/// One of each kind that a real server sends.
const ROOM_SERVER: &str = include_str!("fixtures/fuzz/room-server.jsonl");
/// As Chromium offers a camera, a microphone and a data channel.
const BROWSER_OFFER: &str = include_str!("fixtures/fuzz/browser-offer.sdp");
/// As `webrtcbin` answers, near enough.
const ANSWER: &str = include_str!("../src/room/mediasoup/golden/answer-h264.sdp");

const MOST_CASES: u64 = 10_000_000;
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// Text that means something somewhere, or must not.
const WORDS: [&str; 33] = [
    "",
    " ",
    "0",
    "\n",
    "\u{0}",
    "\u{1f980}",
    "video",
    "audio",
    "video/VP8",
    "video/h264",
    "video/rtx",
    "udp",
    "tcp",
    "passive",
    "host",
    "127.0.0.1",
    "::1",
    "[::1]:0",
    "localhost",
    "turn:192.0.2.9:3478?transport=tcp",
    "turns:h:99999",
    "sha-256",
    "42e01f",
    "L3T3",
    "L9T9_KEY",
    "subject",
    "simulcast",
    "newConsumer",
    "peerClosed",
    "urn:3gpp:video-orientation",
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "candidate:1 1 udp 1 192.0.2.7 5000 typ host ufrag x",
    "99999999999999999999",
];

const NUMBERS: [i64; 14] = [0, 1, -1, 2, 14, 15, 96, 127, 128, 255, 256, 4_294_967_295, 4_294_967_296, i64::MIN];

/// Real things, to be broken.
struct Examples {
    room_server: Vec<Value>,
    page: Vec<Value>,
}

impl Examples {
    fn new() -> Self {
        let candidate = "candidate:1 1 udp 2113937151 192.0.2.7 5000 typ host generation 0 ufrag Oyef network-cost 999";
        let mut room_server: Vec<Value> = ROOM_SERVER.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        room_server.sort_by_key(|message| std::cmp::Reverse(places(message)));
        Self {
            room_server,
            page: vec![
                json!({"type": "offer", "sdp": BROWSER_OFFER}),
                json!({"type": "candidate", "candidate": candidate, "sdpMLineIndex": 0, "sdpMid": "0"}),
                json!({"type": "bye"}),
                json!({"type": "camera", "label": "OBS Virtual Camera"}),
            ],
        }
    }
}

/// What listens to strangers.
struct Listener {
    transport: Transport,
    capabilities: Capabilities,
    own_offer: OwnOffer,
    choice: SubjectChoice,
    offer: RemoteOffer,
    /// How often something got through to SDP: a fuzzer whose cases are all refused at the door shows nothing.
    written: u64,
}

impl Listener {
    fn new(examples: &Examples) -> Self {
        let data = |what: &str| {
            let is = |message: &&Value| message["data"].get(what).is_some();
            examples.room_server.iter().find(is).unwrap()["data"].clone()
        };
        let router: RtpCapabilities = serde_json::from_value(data("codecs")).unwrap();
        let transport = Transport::of(serde_json::from_value(data("iceParameters")).unwrap()).unwrap();
        let own_offer = OwnOffer {
            mid: "video0".into(),
            ssrc: 1,
            rtx: Some((96, 2)),
            cname: "us".into(),
            fingerprint: String::new(),
        };
        Self {
            offer: RemoteOffer::new(transport.clone()),
            transport,
            capabilities: Capabilities::of(&router, &Codec::ALL).unwrap(),
            own_offer,
            choice: SubjectChoice::new(SubjectRule::First),
            written: 0,
        }
    }

    fn hear_room_server(&mut self, text: &str) {
        let Ok(message) = Message::parse(text) else { return };
        assert!(Message::parse(&message.to_text()).is_ok(), "what is read can be written");
        let data = match &message {
            Message::Request { data, .. } | Message::Notification { data, .. } => data,
            Message::Response { result: Ok(data), .. } => data,
            Message::Response { result: Err(refusal), .. } => {
                assert!(refusal.reason.chars().count() <= 200);
                return;
            }
        };
        if let Message::Notification { method, data } = &message {
            self.notified(Notification::parse(method, data));
        }
        // the wrong answer to a request is one more thing that a server may say
        let _ = serde_json::from_value::<Joined>(data.clone());
        let _ = serde_json::from_value::<Produced>(data.clone());
        if let Ok(router) = serde_json::from_value::<RtpCapabilities>(data.clone())
            && let Ok(capabilities) = Capabilities::of(&router, &Codec::ALL)
        {
            serde_json::to_string(&capabilities.declared()).unwrap();
            serde_json::to_string(&capabilities.produced(&self.own_offer)).unwrap();
            self.write(&sdp::answer(&self.transport, &self.own_offer, capabilities.sent(), capabilities.extensions()));
        }
        if let Ok(description) = serde_json::from_value(data.clone())
            && let Ok(transport) = Transport::of(description)
        {
            let (codec, extensions) = (self.capabilities.sent(), self.capabilities.extensions());
            self.write(&sdp::answer(&transport, &self.own_offer, codec, extensions));
            assert!(transport.ice_servers.iter().all(|server| ice::check(server).is_ok()));
        }
        if let Ok(consumer) = serde_json::from_value::<NewConsumer>(data.clone()) {
            self.offered(&consumer);
        }
    }

    fn offered(&mut self, consumer: &NewConsumer) {
        if let Some(Change::Watch(chosen)) = self.choice.offered(consumer) {
            assert_eq!(self.choice.watched(), Some(chosen.as_str()));
        }
        if let Ok(stream) = self.capabilities.stream(&consumer.rtp_parameters) {
            if self.offer.sections() == 16 {
                self.offer = RemoteOffer::new(self.transport.clone());
                self.choice.rejoin();
            }
            let mline = self.offer.add(stream);
            let text = self.offer.text();
            self.write(&text);
            let mids: Vec<_> = text.lines().filter(|line| line.starts_with("a=mid:")).collect();
            let distinct: std::collections::HashSet<_> = mids.iter().collect();
            assert_eq!(mids.len(), distinct.len(), "{text}");
            self.offer.close(mline);
        }
    }

    fn notified(&mut self, notification: Notification) {
        let change = match notification {
            Notification::ConsumerClosed { consumer } => self.choice.closed(&consumer),
            Notification::PeerClosed { peer } => self.choice.left(&peer),
            Notification::ConsumerPaused { consumer } => {
                self.choice.paused(&consumer, true);
                None
            }
            Notification::ConsumerResumed { consumer } => {
                self.choice.paused(&consumer, false);
                None
            }
            Notification::ConsumerLayersChanged { .. } | Notification::Other => None,
        };
        if change == Some(Change::Gone) {
            assert_eq!(self.choice.watched(), None);
        }
    }

    fn hear_page(&mut self, text: &str) {
        match ClientMessage::parse(text) {
            Ok(ClientMessage::Offer { sdp }) => self.hear_offer(&sdp),
            Ok(ClientMessage::Candidate { candidate, .. }) => {
                let candidate = candidate.unwrap_or_default();
                ice::is_of_other(&candidate, "Oyef");
                if let Some(RemoteCandidate::Usable(usable)) = RemoteCandidate::parse(&candidate) {
                    assert!(!usable.contains(char::is_control) && usable.is_ascii(), "{usable:?}");
                }
            }
            Ok(ClientMessage::Camera { label }) => assert!(label.as_str().chars().count() <= CameraLabel::LONGEST),
            Ok(ClientMessage::Bye) | Err(_) => (),
        }
    }

    fn hear_offer(&mut self, text: &str) {
        // the same reader reads our own descriptions, which are long-winded in other ways
        let _ = OwnOffer::parse(text);
        let Ok(offer) = Offer::parse(text) else { return };
        for preferred in [[Codec::Vp8, Codec::H264], [Codec::H264, Codec::Vp8]] {
            let Ok(chosen) = offer.choose(&preferred) else { continue };
            self.write(&offer.for_webrtcbin(&chosen));
            self.write(&offer.complete_answer(&chosen, ANSWER));
        }
    }

    /// Where SDP goes that strangers had a part in.
    fn write(&mut self, text: &str) {
        for line in text.split_terminator("\r\n") {
            let (head, value) = line.split_at_checked(2).unwrap_or_default();
            assert!(matches!(head.as_bytes(), [b'a'..=b'z', b'=']), "{line:?} in {text}");
            assert!(!value.contains(char::is_control) && value.is_ascii() && value != "evil", "{line:?} in {text}");
        }
        assert!(text.len() < 64 * 1024, "{} bytes", text.len());
        self.written += 1;
        if self.written.is_multiple_of(8) {
            gst_sdp::SDPMessage::parse_buffer(text.as_bytes()).unwrap();
        }
    }
}

/// Something that no well-meaning peer says.
fn hostile(random: &mut Random, examples: &[Value]) -> Value {
    match random.below(8) {
        0 => Value::Null,
        1 => random.below(2).eq(&0).into(),
        2 => (*random.one_of(&NUMBERS)).into(),
        3 => json!([]),
        4 => json!({}),
        5 => "x".repeat(random.below(2000)).into(),
        6 => {
            let mut other = random.one_of(examples).clone();
            pick(random, &mut other).clone()
        }
        _ => word(random).into(),
    }
}

/// Any place in a value, all alike.
fn pick<'a>(random: &mut Random, value: &'a mut Value) -> &'a mut Value {
    let mut number = random.below(places(value));
    let mut place = value;
    while number > 0 {
        number -= 1;
        let children: Vec<&mut Value> = match place {
            Value::Array(items) => items.iter_mut().collect(),
            Value::Object(fields) => fields.values_mut().collect(),
            _ => unreachable!("a value without children is one place"),
        };
        let mut within = None;
        for child in children {
            let size = places(child);
            if number < size {
                within = Some(child);
                break;
            }
            number -= size;
        }
        place = within.expect("the number is one of a place");
    }
    place
}

/// The value and all that is in it.
fn places(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(places).sum(),
        Value::Object(fields) => fields.values().map(places).sum(),
        _ => 0,
    }
}

/// A word, every other time one that would begin a line of SDP.
fn word(random: &mut Random) -> &'static str {
    let words: &[&str] = if random.below(2) == 0 { &["x\r\na=evil", "\r\na=evil", "\na=evil"] } else { &WORDS };
    words[random.below(words.len())]
}

fn break_value(random: &mut Random, value: &mut Value, examples: &[Value]) {
    let place = pick(random, value);
    match place {
        Value::Array(items) if !items.is_empty() => {
            let at = random.below(items.len());
            match random.below(4) {
                0 => drop(items.remove(at)),
                1 => items.insert(at, items[at].clone()),
                2 => items.extend(std::iter::repeat_n(items[at].clone(), random.below(70))),
                _ => items.push(hostile(random, examples)),
            }
        }
        Value::Object(fields) if !fields.is_empty() => {
            let name = fields.keys().nth(random.below(fields.len())).cloned().unwrap();
            match random.below(3) {
                0 => drop(fields.remove(&name)),
                1 => drop(fields.insert(name, hostile(random, examples))),
                _ => drop(fields.insert(word(random).into(), hostile(random, examples))),
            }
        }
        Value::String(text) if random.below(3) > 0 => break_text(random, text),
        Value::Number(number) if random.below(2) == 0 => {
            let near = number.as_i64().unwrap_or_default().wrapping_add(random.below(5) as i64 - 2);
            *place = near.into();
        }
        _ => *place = hostile(random, examples),
    }
}

/// Cuts, doubles, moves and inserts; lines of a text that has some, else letters.
fn break_text(random: &mut Random, text: &mut String) {
    if text.contains('\n') && random.below(3) > 0 {
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        let (one, other) = (random.below(lines.len()), random.below(lines.len()));
        match random.below(4) {
            0 => drop(lines.remove(one)),
            1 => lines.insert(other, lines[one]),
            2 => lines.swap(one, other),
            _ => lines.truncate(one),
        }
        *text = lines.concat();
        return;
    }
    let edge = |random: &mut Random, text: &str| {
        let at = random.below(text.len() + 1);
        (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
    };
    let (one, other) = (edge(random, text), edge(random, text));
    let (from, to) = (one.min(other), one.max(other).min(one.min(other) + 24));
    let to = (from..=to).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(from);
    match random.below(4) {
        0 => text.replace_range(from..to, ""),
        1 => {
            let again = text[from..to].to_owned();
            text.insert_str(from, &again);
        }
        2 => text.replace_range(from..to, word(random)),
        _ => text.insert(from, char::from_u32(random.below(0x250) as u32).unwrap_or(' ')),
    }
}

/// Says on which text it stood when something panics.
struct Case<'a> {
    seed: u64,
    text: &'a str,
}

impl Drop for Case<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}: {}", self.seed, self.text);
        }
    }
}

/// Runs until `goes_on` says no; how often something was written into SDP.
fn fuzz(seed: u64, mut goes_on: impl FnMut() -> bool) -> u64 {
    let examples = Examples::new();
    let mut listener = Listener::new(&examples);
    let mut random = Random::new(seed);
    while goes_on() {
        let is_page = random.below(3) == 0;
        let origin = if is_page { &examples.page } else { &examples.room_server };
        // the first are the long ones, which have more to break
        let chosen = random.below(origin.len());
        let mut value = origin[random.below(chosen + 1)].clone();
        for _ in 0..random.below(4) {
            break_value(&mut random, &mut value, origin);
        }
        let mut text = value.to_string();
        if random.below(8) == 0 {
            break_text(&mut random, &mut text);
        }
        let case = Case { seed, text: &text };
        if is_page { listener.hear_page(case.text) } else { listener.hear_room_server(case.text) }
    }
    listener.written
}

/// On all cores, with seeds from `seed` on, until the cases or the time are over.
fn fuzz_for(seed: u64, cases: u64, time: Duration) {
    gst::init().unwrap();
    let begun = Instant::now();
    let (done, written) = (AtomicU64::new(0), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    std::thread::scope(|scope| {
        for n in 0..threads {
            let (done, written) = (&done, &written);
            scope.spawn(move || {
                let goes_on = || begun.elapsed() < time && done.fetch_add(1, Ordering::Relaxed) < cases;
                written.fetch_add(fuzz(seed + n, goes_on), Ordering::Relaxed);
            });
        }
    });
    let (done, written, seconds) = (done.into_inner().min(cases), written.into_inner(), begun.elapsed().as_secs_f64());
    println!("{done} cases in {seconds:.0} s, {:.0}/s; {written} descriptions written", done as f64 / seconds);
    assert!(written > done / 20, "too few of {done} cases get as far as SDP: {written}");
}

#[test]
fn strangers_can_say_what_they_like() {
    fuzz_for(1, MOST_CASES, Duration::from_secs(4));
}

#[test]
#[ignore = "takes half an hour"]
fn strangers_can_say_what_they_like_ten_million_times() {
    let seconds = std::env::var("VISION_FUZZ_SECONDS").ok().map(|seconds| seconds.parse().unwrap());
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    fuzz_for(seed, MOST_CASES, seconds.map_or(LONGEST, Duration::from_secs));
}

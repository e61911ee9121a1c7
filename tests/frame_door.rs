//! The frame door, as its clients meet it: real pictures, real networks, real WebSockets.

use std::io::Cursor;

use base64::Engine as _;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;
use vision_service::token::{Algorithm, Claims, Verifier};

use crate::support::assets::{Scratch, asset};
use crate::support::frame_client::{FrameClient, Said, frames_of};
use crate::support::repertoire::Repertoire;
use crate::support::service::{self, TestService};
use crate::support::studio::{Film, QUEUE, Studio};

const KEY: &str = "a key of thirty-two bytes or more";
/// A person who looks at the camera for as long as a session takes.
const CLIP: &str = "lp_d10.mp4";

/// A service with this file of settings; `further` are settings of its own configuration.
async fn door(name: &str, toml: &str, further: &[(&str, &str)]) -> (TestService, Scratch) {
    let scratch = Scratch::new(&format!("frame-door-{name}"));
    let path = scratch.0.join("lunapassapi.config.toml");
    std::fs::write(&path, toml).unwrap();
    let settings = [("frame_door.settings", path.to_str().unwrap())];
    let service = service::start(&[&settings, further].concat()).await;
    (service, scratch)
}

fn with_key(rest: &str) -> String {
    format!("[LUNA_PASS.JWT]\nkey = \"{KEY}\"\n{rest}")
}

fn verified(result: &Value) -> Claims {
    assert_eq!(result["type"], "result", "{result}");
    let verifier = Verifier::new(Algorithm::Hs256, KEY.as_bytes(), None).unwrap();
    let claims = verifier.verify(result["jwt"].as_str().unwrap()).unwrap();
    assert_eq!((&json!(claims.is_ok), &json!(claims.errors)), (&result["isOk"], &result["errors"]));
    claims
}

/// Grey, without a face.
fn grey(width: u32, height: u32) -> Bytes {
    grey_as(width, height, image::ImageFormat::Png)
}

fn grey_as(width: u32, height: u32, format: image::ImageFormat) -> Bytes {
    let mut file = Cursor::new(Vec::new());
    let picture = image::RgbImage::from_pixel(width, height, image::Rgb([90; 3]));
    picture.write_to(&mut file, format).unwrap();
    file.into_inner().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_person_ends_with_a_signed_result() {
    let Some(clip) = asset("frame_door::a_live_person", CLIP) else { return };
    let plugins = "[MIDDLEWARES.WS.Bestshot]\nisEnabled = 1\n[MIDDLEWARES.WS.AggregateLiveness]\nisEnabled = 1\n";
    let (service, _scratch) = door("live", &with_key(plugins), &[("frame_door.audience", "a bank")]).await;
    let (mut client, id, welcome) = FrameClient::connect(service.port, None).await;
    assert_eq!((&welcome["resumed"], &welcome["limits"]["maxRate"]), (&json!(false), &json!(10)));
    let frames = frames_of(&clip, 5.0, 5, 40);
    let (answers, result) = client.show_all(&frames).await;
    let result = result.unwrap_or_else(|| panic!("no result: {}", json!(answers)));
    assert_eq!(client.close_code().await, Some(4000));
    for answer in &answers {
        let details: Vec<_> = answer["details"].as_object().unwrap().keys().collect();
        assert!(details.is_empty() || details == ["faceFramePosition"], "production tells coordinates alone: {answer}");
    }
    let claims = verified(&result);
    assert!(claims.is_ok && claims.sid == id && claims.aud.as_deref() == Some("a bank"));
    assert!(claims.exp - claims.iat == 600 && claims.jti.len() == 32);
    assert!(claims.details["liveness"]["score"].as_f64().unwrap() >= 0.5);
    assert_eq!(
        (&claims.checks["aggregateLiveness"]["frames"], &claims.checks["faceMatcher"]["same"]),
        (&json!(3), &json!(true))
    );
    assert!(claims.models.contains_key("face_detector") && claims.models.values().all(|hash| hash.len() == 64));
    let best = base64::engine::general_purpose::STANDARD.decode(claims.bestshot.unwrap()).unwrap();
    assert!(frames.iter().any(|frame| frame[..] == best[..]), "the best shot is one of the frames, as it came");
    // a session that is over is not gone on with
    let (_, other, welcome) = FrameClient::connect(service.port, Some(&id)).await;
    assert!(other != id && welcome["resumed"] == false);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_face_ends_the_session() {
    let test = "frame_door::another_face";
    let (Some(clip), Some(other)) = (asset(test, CLIP), asset(test, "lp_d18.mp4")) else { return };
    // never enough frames to succeed before
    let toml = with_key("[MIDDLEWARES.WS.AggregateLiveness]\nisEnabled = 1\nargs.framesCount = 90\n");
    let (service, _scratch) = door("another", &toml, &[]).await;
    let (mut client, ..) = FrameClient::connect(service.port, None).await;
    client.show_all(&frames_of(&clip, 5.0, 5, 25)).await;
    let mut refused = None;
    for frame in frames_of(&other, 0.0, 5, 30) {
        client.show(&frame).await;
        match client.message().await {
            answer if answer["errors"] == json!([103]) => {
                refused = Some(client.message().await);
                break;
            }
            answer => assert_eq!(answer["type"], "frame"),
        }
    }
    let claims = verified(&refused.expect("the change is noticed"));
    assert!(!claims.is_ok && claims.errors == [103] && claims.checks["faceMatcher"]["same"] == false);
    assert_eq!(client.close_code().await, Some(4000));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_of_ones_own_the_door_is_closed() {
    let (service, _scratch) = door("closed", "[LUNA_PASS]\nenv = \"production\"\n", &[]).await;
    match FrameClient::open(service.port, &[]).await.err().unwrap() {
        Error::Http(response) => assert_eq!(response.status(), 404),
        error => panic!("{error}"),
    }
    let health: Value = reqwest::get(service.url("/health")).await.unwrap().json().await.unwrap();
    assert_eq!((&health["frame_door"], &health["status"]), (&json!("closed"), &json!("ok")));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn development_needs_no_key_and_tells_every_score() {
    let Some(clip) = asset("frame_door::development", CLIP) else { return };
    let (service, _scratch) = door("development", "[LUNA_PASS]\nenv = \"development\"\n", &[]).await;
    let (mut client, ..) = FrameClient::connect(service.port, None).await;
    client.say(&json!({"type": "frame", "image": base64::engine::general_purpose::STANDARD.encode(&frames_of(&clip, 5.0, 5, 1)[0])})).await;
    let answer = client.message().await;
    for key in ["ags", "quality", "faceFramePosition", "headPose", "mouth", "eyeglasses", "liveness"] {
        assert!(answer["details"].get(key).is_some(), "{key}: {answer}");
    }
    let health: Value = reqwest::get(service.url("/health")).await.unwrap().json().await.unwrap();
    assert_eq!((&health["frame_door"], &health["running_sessions"]), (&json!("open"), &json!(1)));
    let schema: Value = reqwest::get(service.url("/ws/schema.json")).await.unwrap().json().await.unwrap();
    assert!(schema["$defs"]["server"].is_object());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_a_code_and_the_session_goes_on() {
    let toml = with_key("");
    let (service, _scratch) =
        door("bad", &toml, &[("frame_door.max_bytes", "20000"), ("frame_door.max_pixels", "400000")]).await;
    let (mut client, id, _) = FrameClient::connect(service.port, None).await;
    let mut broken = grey(64, 64).to_vec();
    broken.truncate(60);
    let pictures: [(Bytes, &str); 4] = [
        (Bytes::from_static(b"no picture at all"), "not_a_picture"),
        (broken.into(), "not_a_picture"),
        (vec![0; 20_001].into(), "too_large"),
        (grey(1000, 1000), "too_large"),
    ];
    for (picture, code) in &pictures {
        client.show(picture).await;
        let answer = client.message().await;
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{answer}");
    }
    let texts = [
        ("", "not_understood"),
        ("[]", "not_understood"),
        (r#"{"type":"hello"}"#, "not_understood"),
        (r#"{"type":"frame"}"#, "not_understood"),
        (r#"{"type":"frame","image":"%%%"}"#, "not_a_picture"),
        (r#"{"type":"connect"}"#, "not_now"),
    ];
    for (text, code) in texts {
        client.say_raw(text).await;
        let answer = client.message().await;
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{text}: {answer}");
    }
    client.say(&json!({"type": "heartbeat"})).await;
    assert_eq!(client.message().await, json!({"type": "heartbeat"}));
    let formats = [image::ImageFormat::Png, image::ImageFormat::Jpeg, image::ImageFormat::WebP];
    for (number, format) in (1..).zip(formats) {
        client.show(&grey_as(320, 240, format)).await;
        let answer = client.message().await;
        let seen = (&answer["frame"], &answer["errors"]);
        assert_eq!(seen, (&json!(number), &json!([8])), "none of those was a frame: {answer}");
    }
    // goodbye is for good
    client.say(&json!({"type": "bye"})).await;
    assert_eq!(client.close_code().await, Some(1000));
    assert_eq!(FrameClient::connect(service.port, Some(&id)).await.2["resumed"], false);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_connect_floods_or_is_silent_is_closed() {
    let (service, _scratch) = door("closes", &with_key(""), &[("frame_door.heartbeat", "1s")]).await;
    let mut client = FrameClient::open(service.port, &[]).await.unwrap();
    client.show(&grey(8, 8)).await;
    assert_eq!(client.message().await["code"], "not_understood");
    assert_eq!(client.close_code().await, Some(4001));

    let (mut client, ..) = FrameClient::connect(service.port, None).await;
    for _ in 0..150 {
        client.say(&json!({"type": "heartbeat"})).await;
    }
    assert_eq!(client.close_code().await, Some(4003));

    // a client that is alive answers pings, which this one cannot while nobody reads; its pongs then meet a closed door
    let (mut client, id, _) = FrameClient::connect(service.port, None).await;
    tokio::time::sleep(std::time::Duration::from_millis(4500)).await;
    assert!(matches!(client.close_code().await, Some(4004) | None));
    assert_eq!(FrameClient::connect(service.port, Some(&id)).await.2["resumed"], true, "coming back is welcome");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_is_gone_on_with() {
    let limits = [("frame_door.resume_limit", "3s"), ("frame_door.max_sessions_per_address", "2")];
    let (service, _scratch) = door("resume", &with_key(""), &limits).await;
    let (mut client, id, _) = FrameClient::connect(service.port, None).await;
    client.show(&grey(320, 240)).await;
    assert_eq!(client.message().await["frame"], 1);
    client.vanish().await;
    let (mut client, again, welcome) = FrameClient::connect(service.port, Some(&id)).await;
    assert!(again == id && welcome["resumed"] == true);
    client.show(&grey(320, 240)).await;
    assert_eq!(client.message().await["frame"], 2);

    // from another tab, while the first is still there
    let (mut second, again, welcome) = FrameClient::connect(service.port, Some(&id)).await;
    assert!(again == id && welcome["resumed"] == true);
    assert_eq!(client.close_code().await, Some(4002));
    second.show(&grey(320, 240)).await;
    assert_eq!(second.message().await["frame"], 3);

    // two are allowed for this address
    let (_third, ..) = FrameClient::connect(service.port, None).await;
    let mut fourth = FrameClient::open(service.port, &[]).await.unwrap();
    fourth.say(&json!({"type": "connect"})).await;
    assert_eq!(fourth.message().await["code"], "unavailable");
    assert_eq!(fourth.close_code().await, Some(1013));

    // who comes too late begins anew
    second.vanish().await;
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let (_, other, welcome) = FrameClient::connect(service.port, Some(&id)).await;
    assert!(other != id && welcome["resumed"] == false);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_frame_wins_and_the_client_is_told() {
    let (service, _scratch) = door("newest", &with_key(""), &[("frame_door.max_rate", "5")]).await;
    let (mut client, ..) = FrameClient::connect(service.port, None).await;
    let (empty, count) = (grey(320, 240), 20);
    for _ in 0..count {
        client.show(&empty).await;
    }
    let (mut looked_at, mut skipped) = (0, 0);
    while looked_at + skipped < count {
        let answer = client.message().await;
        looked_at += 1;
        assert_eq!(answer["frame"], looked_at);
        skipped += answer["skipped"].as_u64().unwrap();
    }
    assert!(looked_at + skipped == count && skipped >= count / 2, "{looked_at} of {count} were looked at");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_limited() {
    // LUNA PASS takes the limits in either section
    for (section, key) in [("LUNA_PASS", "maxAttempts"), ("LIVENESS", "maxAttempts")] {
        let toml = format!("[{section}]\n{key} = 2\n{}", with_key(""));
        let (service, _scratch) = door("attempts", &toml, &[]).await;
        let (mut client, ..) = FrameClient::connect(service.port, None).await;
        let (answers, _) = client.show_all(&vec![grey(320, 240); 3]).await;
        assert_eq!(answers.len(), 3);
        let claims = verified(&client.message().await);
        assert!(!claims.is_ok && claims.errors == [8] && claims.bestshot.is_none(), "the frame as it is: {claims:?}");
        assert_eq!(client.close_code().await, Some(4000));
        service.stop().await;
    }
    let Some(clip) = asset("frame_door::attempts", CLIP) else { return };
    let toml = with_key(
        "[LIVENESS]\nmaxLivenessAttempts = 2\n[MIDDLEWARES.WS.AggregateLiveness]\nisEnabled = 1\nargs.framesCount = 50\n",
    );
    let (service, _scratch) = door("liveness-attempts", &toml, &[]).await;
    let (mut client, ..) = FrameClient::connect(service.port, None).await;
    let mut frames = frames_of(&clip, 5.0, 5, 20).into_iter();
    let result = loop {
        client.show(&frames.next().expect("three of twenty come as far as liveness")).await;
        let answer = client.message().await;
        assert_eq!(answer["type"], "frame");
        client.show(&grey(320, 240)).await;
        match client.message().await {
            message if message["type"] == "result" => break message,
            _ => continue,
        }
    };
    let claims = verified(&result);
    assert!(!claims.is_ok && claims.checks["passiveLiveness"]["frames"] == 3, "{claims:?}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_did_not_arrive_is_there_for_who_comes_back() {
    let (service, _scratch) = door("result-kept", &with_key("[LIVENESS]\nmaxAttempts = 0\n"), &[]).await;
    let (mut client, id, _) = FrameClient::connect(service.port, None).await;
    client.show(&grey(320, 240)).await;
    // the network breaks before the answer
    client.vanish().await;
    let (mut client, again, welcome) = FrameClient::connect(service.port, Some(&id)).await;
    assert!(again == id && welcome["resumed"] == true);
    assert_eq!(verified(&client.message().await).errors, [8]);
    assert_eq!(client.close_code().await, Some(4000));
    // heard: there is nothing to come back to
    assert_eq!(FrameClient::connect(service.port, Some(&id)).await.2["resumed"], false);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_its_time() {
    let (service, _scratch) = door("time", &with_key(""), &[("frame_door.session_limit", "1s")]).await;
    let (mut client, ..) = FrameClient::connect(service.port, None).await;
    client.show(&grey(320, 240)).await;
    assert_eq!(client.message().await["errors"], json!([8]));
    let claims = verified(&client.message().await);
    assert!(!claims.is_ok && claims.errors == [104]);
    assert_eq!(client.close_code().await, Some(4000));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_origins_and_the_port_of_the_file() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let toml = format!(
        "[LUNA_PASS]\nhost = \"127.0.0.1\"\nport = {port}\n{}[MIDDLEWARES.REQUEST.BasicAuth]\nisEnabled = 1\n\
         args.username = \"me\"\nargs.password = \"mine\"\nargs.origin = \"https://bank.example\"\n",
        with_key("")
    );
    let (service, _scratch) = door("auth", &toml, &[("http.api_token", "for controllers")]).await;
    let user = ("authorization", "Basic bWU6bWluZQ==");
    let asks = async |headers: &[(&'static str, &str)]| match FrameClient::open(port, headers).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(asks(&[]).await, 401);
    assert_eq!(asks(&[("authorization", "Basic bWU6bm8=")]).await, 401);
    assert_eq!(asks(&[user]).await, 101);
    assert_eq!(asks(&[user, ("origin", "https://bank.example")]).await, 101);
    assert_eq!(asks(&[user, ("origin", "https://evil.example")]).await, 403);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_go_to_named_sites_only_where_some_are_named() {
    let status = async |port: u16, query: &str| {
        reqwest::get(format!("http://127.0.0.1:{port}/selfie{query}")).await.unwrap().status().as_u16()
    };
    let (service, _scratch) = door("anybody", &with_key(""), &[]).await;
    assert_eq!(status(service.port, "?origin=https%3A%2F%2Fevil.example").await, 200, "the subject is asked");
    service.stop().await;

    let named = ("frame_door.result_origins", "https://bank.example,https://shop.example:8443/");
    let (service, _scratch) = door("named", &with_key(""), &[named]).await;
    for (query, expected) in [
        ("", 200),
        ("?lang=es", 200),
        ("?lang=es&origin=https%3A%2F%2Fbank.example", 200),
        ("?origin=https://bank.example:443/", 200),
        ("?origin=https://shop.example:8443", 200),
        ("?origin=https://shop.example", 403),
        ("?origin=http://bank.example", 403),
        ("?origin=https%3A%2F%2Fevil.example", 403),
        ("?origin=https://bank.example.evil.example", 403),
        ("?%6frigin=https://evil.example", 403),
        ("?origin=https://evil.example&origin=https://bank.example", 403),
        ("?origin=nothing", 403),
    ] {
        assert_eq!(status(service.port, query).await, expected, "{query}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stops_says_so() {
    let (service, _scratch) = door("stops", &with_key(""), &[]).await;
    let (mut client, ..) = FrameClient::connect(service.port, None).await;
    let stopping = tokio::spawn(service.stop());
    assert!(matches!(client.hear().await, Said::Closed(Some(1001))));
    stopping.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_what_is_asked_succeeds_and_who_does_not_does_not() {
    let Some(clip) = asset("frame_door::who_does_what_is_asked", "lp_d3.mp4") else { return };
    let frames = frames_of(&clip, 0.0, 6, 80);
    let repertoire = tokio::task::spawn_blocking(move || Repertoire::of(&frames)).await.unwrap();
    // the person of the clip turns and nods a little only; all five are asked for
    let toml = with_key(
        "[LIVENESS.THRESHOLDS]\nags = 0.5\nmouth = 0.1\nblur = 0.3\nlivenessScore = 0.2\nlivenessQualityScore = 0\n\
         illumination = 1\nspecularity = 1\nlight = 0.2\n\
         [MIDDLEWARES.WS.ActiveLiveness]\nisEnabled = 1\nargs.interactionsCount = 5\nargs.yawStartDeg = 6\n\
         args.yawThresholdDeg = 10\nargs.pitchStartDeg = 3\nargs.pitchThresholdDeg = 5\n",
    );
    let (service, _scratch) = door("active", &toml, &[]).await;
    let (mut client, ..) = FrameClient::connect(service.port, None).await;
    let (mut shown, mut told) = (repertoire.straight.clone(), Vec::new());
    let result = loop {
        assert!(told.len() < 60, "told {told:?}");
        client.show(&shown).await;
        let answer = client.message().await;
        if answer["isOk"] == true {
            break client.message().await;
        }
        told.push(answer["errors"].clone());
        shown = repertoire.answer(&answer["errors"]).clone();
        // time to read it
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    };
    let claims = verified(&result);
    let active = &claims.checks["activeLiveness"];
    assert!(claims.is_ok && active["done"] == true && active["completed"].as_array().unwrap().len() == 5, "{active}");
    for code in [62, 64, 65, 67, 68] {
        assert!(told.contains(&json!([code])), "{code} was asked for: {told:?}");
    }

    // a still picture is never done
    let (mut client, ..) = FrameClient::connect(service.port, None).await;
    let (answers, result) = client.show_all(&vec![repertoire.straight.clone(); 12]).await;
    assert!(result.is_none() && answers.iter().all(|answer| answer["isOk"] == false));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn file_logger_keeps_every_picture_and_its_estimates() {
    let folder = Scratch::new("frame-door-logs");
    let toml = with_key(&format!(
        "[MIDDLEWARES.WS.file_logger]\nis_enabled = true\n[MIDDLEWARES.WS.file_logger.args]\npath = \"{}\"\n",
        folder.0.display()
    ));
    let (service, _scratch) = door("logger", &toml, &[]).await;
    let (mut client, id, _) = FrameClient::connect(service.port, None).await;
    let picture = grey(320, 240);
    client.show_all(&[picture.clone(), picture.clone()]).await;
    let kept = folder.0.join(&id);
    assert_eq!(std::fs::read(kept.join("000002.png")).unwrap(), picture);
    let estimates: Value = serde_json::from_slice(&std::fs::read(kept.join("000001.json")).unwrap()).unwrap();
    assert_eq!(estimates["status"]["errors"], json!([8]));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_become_a_video_across_connections() {
    let studio = Studio::open("frame-door").await;
    let toml = with_key(&format!(
        "[MIDDLEWARES.WS.VideoRedis]\nisEnabled = 1\nargs.connectionString = \"{}\"\nargs.queueName = \"{QUEUE}\"\n\
         args.sessionTimeout = 1\n",
        studio.redis.url()
    ));
    let (service, _scratch) = door("video", &toml, &[]).await;
    let (mut client, id, _) = FrameClient::connect(service.port, None).await;
    client.show_all(&vec![grey(320, 240); 3]).await;
    client.vanish().await;
    let (mut client, ..) = FrameClient::connect(service.port, Some(&id)).await;
    client.show_all(&vec![grey(320, 240); 2]).await;
    client.say(&json!({"type": "bye"})).await;
    assert_eq!(client.close_code().await, Some(1000));
    service.stop().await;

    // without a best shot the video is due a second later
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    studio.work_once("").await;
    let film = Film::read(&studio.video(id.parse().unwrap(), "mp4"));
    assert_eq!(
        (film.codec.as_str(), film.size, film.times.len()),
        ("video/x-h264", (320, 240), 6),
        "five pictures, the end"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_of_a_session_is_kept_where_that_is_configured() {
    let Some(clip) = asset("frame_door::evidence", CLIP) else { return };
    let folder = Scratch::new("frame-door-evidence");
    let key = folder.0.join("key");
    std::fs::write(&key, KEY).unwrap();
    let store = format!("folder:{}", folder.0.join("kept").display());
    let settings =
        [("evidence.store", store.as_str()), ("signing.key_file", key.to_str().unwrap()), ("evidence.video", "true")];
    let (service, _scratch) =
        door("evidence", &with_key("[MIDDLEWARES.WS.Bestshot]\nisEnabled = 1\n"), &settings).await;
    let (mut client, id, _) = FrameClient::connect(service.port, None).await;
    let frames = frames_of(&clip, 5.0, 5, 40);
    let (_, result) = client.show_all(&frames).await;
    let claims = verified(&result.expect("a result"));
    client.close_code().await;
    let url = service.url(&format!("/flows/{id}/evidence?file=record.json"));
    let record: Value = loop {
        let response = reqwest::get(&url).await.unwrap();
        match response.status().as_u16() {
            200 => break response.json().await.unwrap(),
            // not stored yet
            404 => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            status => panic!("{status}: {}", response.text().await.unwrap()),
        }
    };
    assert_eq!(
        (&record["door"], &record["outcome"], &record["checks"]),
        (&json!("frame"), &json!("verified"), &claims.checks)
    );
    let picture = &record["pictures"][0];
    assert_eq!(picture["role"], "best_shot");
    let liveness = record["signals"].as_array().unwrap().iter().find(|signal| signal["name"] == "liveness").unwrap();
    assert!(!liveness["points"].as_array().unwrap().is_empty());
    let page = reqwest::get(service.url(&format!("/flows/{id}/evidence?file=report.html")))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(page.contains("data:image/jpeg;base64,"));
    let video = &record["videos"][0];
    assert_eq!((&record["videos"].as_array().unwrap().len(), &video["codec"]), (&1, &json!("H264, encoded here")));
    let name = video["file"].as_str().unwrap();
    let film = reqwest::get(service.url(&format!("/flows/{id}/evidence?file={name}"))).await.unwrap();
    assert_eq!(film.headers()["content-type"], "video/mp4");
    let file = folder.0.join("film.mp4");
    std::fs::write(&file, film.bytes().await.unwrap()).unwrap();
    let pictures = record["timings"]["frames"].as_u64().unwrap();
    assert_eq!(
        (&video["pictures"], Film::read(&file).times.len() as u64 - 1),
        (&json!(pictures), pictures),
        "every frame that was looked at"
    );
    service.stop().await;
}

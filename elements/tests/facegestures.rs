//! `facegestures`: faces in, messages and state out, pictures untouched.
#![allow(clippy::unwrap_used)]

mod support;

use gst::prelude::*;
use gst_video::VideoFormat;
use gstvision::facegestures::GestureMeta;
use support::pictures::{SIZES, attach, bytes, face, info, portrait};
use support::{FORMATS, asset, harness, start_error};

/// A buffer at so many milliseconds; with a face whose jaw is as open as that.
fn frame(ms: u64, jaw_open: Option<f32>) -> gst::Buffer {
    let mut buffer = gst::Buffer::with_size(info(VideoFormat::I420, (64, 48)).size()).unwrap();
    buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(ms));
    if let Some(score) = jaw_open {
        attach(&mut buffer, vec![face(&[("jawOpen", score)])]);
    }
    buffer
}

/// The messages since the last call, in words.
fn messages(bus: &gst::Bus) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(message) = bus.pop_filtered(&[gst::MessageType::Element]) {
        let s = message.structure().unwrap();
        let ms = |name: &str| s.get::<u64>(name).unwrap() / 1_000_000;
        let number = |name: &str| s.get::<u32>(name).unwrap();
        let name = s.name().as_str();
        all.push(match name {
            "gesture-started" => {
                format!(
                    "{} {}/{} asked @{}",
                    s.get::<&str>("gesture").unwrap(),
                    number("index"),
                    number("total"),
                    ms("running-time")
                )
            }
            "gesture-completed" => {
                format!(
                    "{} {}/{} done @{} after {}",
                    s.get::<&str>("gesture").unwrap(),
                    number("index"),
                    number("total"),
                    ms("running-time"),
                    ms("duration")
                )
            }
            "gesture-failed" => {
                format!(
                    "{} {} @{}",
                    s.get::<&str>("gesture").unwrap(),
                    s.get::<&str>("reason").unwrap(),
                    ms("running-time")
                )
            }
            _ => format!(
                "{name} {}/{} @{} after {}",
                number("completed"),
                number("total"),
                ms("running-time"),
                ms("duration")
            ),
        });
    }
    all
}

fn small(line: &str) -> (gst_check::Harness, gst::Bus) {
    harness(line, &info(VideoFormat::I420, (64, 48)).to_caps().unwrap())
}

/// Opens and closes a mouth, 40 ms each, from a time on.
fn open_and_close(harness: &mut gst_check::Harness, from: u64) {
    for (i, score) in [0.1, 0.7, 0.1].into_iter().enumerate() {
        harness.push(frame(from + 40 * i as u64, Some(score))).unwrap();
    }
}

#[test]
fn a_challenge_from_beginning_to_end() {
    let (mut harness, bus) = small("facegestures gestures=openCloseMouth,blink");
    harness.push(frame(0, None)).unwrap();
    assert_eq!(messages(&bus), [""; 0], "nobody is there yet");
    open_and_close(&mut harness, 40);
    assert_eq!(
        messages(&bus),
        ["openCloseMouth 0/2 asked @40", "openCloseMouth 0/2 done @120 after 80", "blink 1/2 asked @120"]
    );
    for (ms, score) in [(160, 0.1), (200, 0.9), (240, 0.1)] {
        let mut buffer = frame(ms, None);
        attach(&mut buffer, vec![face(&[("eyeBlinkLeft", score)])]);
        harness.push(buffer).unwrap();
    }
    harness.push(frame(280, Some(0.1))).unwrap();
    assert_eq!(messages(&bus), ["blink 1/2 done @240 after 120", "challenge-completed 2/2 @240 after 200"]);

    let states: Vec<_> = std::iter::from_fn(|| harness.try_pull())
        .map(|buffer| {
            let meta = gst::meta::CustomMeta::from_buffer(&buffer, "VisionGestureMeta").unwrap();
            let s = meta.structure();
            let text = |name: &str| s.get::<&str>(name).unwrap().to_owned();
            let number = |name: &str| s.get::<u32>(name).unwrap();
            let value = s.get::<f32>("value").map_or_else(|_| "-".to_owned(), |value| value.to_string());
            assert_eq!(s.get::<f32>("level").ok(), s.get::<f32>("value").ok(), "a score is its own level");
            assert_eq!(number("steps"), 3);
            let progress = s.get::<f32>("progress").unwrap();
            let ends = s.get::<u64>("ends").map_or(0, |ends| ends / 1_000_000);
            format!("{} {}.{} {value} {progress:.2} {ends}", text("state"), text("gesture"), number("step"))
        })
        .collect();
    assert_eq!(
        states,
        [
            "waiting openCloseMouth.0 - 0.00 0",
            "running openCloseMouth.1 0.1 0.17 10040",
            "running openCloseMouth.2 0.7 0.33 10040",
            "running blink.0 - 0.50 10120",
            "running blink.1 0.1 0.67 10120",
            "running blink.2 0.9 0.83 10120",
            "completed blink.3 0.1 1.00 0",
            "completed blink.3 0.1 1.00 0",
        ]
    );
}

#[test]
fn pictures_pass_untouched() {
    for format in FORMATS.into_iter().chain([VideoFormat::Gray8, VideoFormat::P01010le]) {
        for size in SIZES {
            let info = info(format, size);
            let (mut harness, _bus) = harness("facegestures", &info.to_caps().unwrap());
            let mut sent = portrait(&info, 0);
            attach(&mut sent, vec![face(&[])]);
            let memory = sent.peek_memory(0).as_ptr();
            // Somebody else holds it too: the meta must not cost a copy of the pixels.
            harness.push(sent.clone()).unwrap();
            let received = harness.pull().unwrap();
            assert_eq!(received.peek_memory(0).as_ptr(), memory, "{format:?}");
            assert!(GestureMeta::of(&received).is_some() && GestureMeta::of(&sent).is_none());
            assert_eq!(bytes(&received), bytes(&sent));
        }
    }
}

#[test]
fn time_is_running_time() {
    // The limit of openCloseMouth is 10 s.
    let story = |on_timeout: &str| {
        let (mut harness, bus) = small(&format!("facegestures gestures=openCloseMouth,smile on-timeout={on_timeout}"));
        harness.push(frame(1000, Some(0.7))).unwrap();
        harness.push(frame(10_960, None)).unwrap();
        harness.push(frame(11_000, None)).unwrap();
        harness.push(frame(11_040, Some(0.1))).unwrap();
        messages(&bus)
    };
    let asked = "openCloseMouth 0/2 asked @1000";
    let late = "openCloseMouth timeout @11000";
    assert_eq!(story("fail"), [asked, late, "challenge-failed 0/2 @11000 after 10000"]);
    assert_eq!(story("next"), [asked, late, "smile 1/2 asked @11000"]);
    assert_eq!(story("wait"), [asked]);
}

#[test]
fn it_begins_again() {
    let (mut harness, bus) = small("facegestures gestures=openCloseMouth loop=true");
    open_and_close(&mut harness, 0);
    open_and_close(&mut harness, 120);
    let done = |at: u64, after: u64| format!("openCloseMouth 0/1 done @{at} after {after}");
    let over = |at: u64, after: u64| format!("challenge-completed 1/1 @{at} after {after}");
    let asked = |at: u64| format!("openCloseMouth 0/1 asked @{at}");
    let expected = [asked(0), done(80, 80), over(80, 80), asked(80), done(200, 120), over(200, 120), asked(200)];
    assert_eq!(messages(&bus), expected);

    let (mut once, bus) = small("facegestures gestures=openCloseMouth");
    open_and_close(&mut once, 0);
    open_and_close(&mut once, 120);
    assert_eq!(messages(&bus), expected[..3]);
}

#[test]
fn a_flush_and_a_stop_begin_anew_and_new_caps_do_not() {
    let (mut harness, bus) = small("facegestures gestures=openCloseMouth");
    let steps = |harness: &mut gst_check::Harness, at: u64| {
        harness.push(frame(at, Some(0.1))).unwrap();
        harness.push(frame(at + 40, Some(0.7))).unwrap();
        std::iter::from_fn(|| harness.try_pull()).last().map(|b| GestureMeta::of(&b).unwrap().sequence.step)
    };
    assert_eq!(steps(&mut harness, 0), Some(2));
    harness.set_src_caps(info(VideoFormat::Rgb, (31, 17)).to_caps().unwrap());
    harness.push(frame(80, Some(0.1))).unwrap();
    assert_eq!(messages(&bus).last().unwrap(), "challenge-completed 1/1 @80 after 80");

    for event in [gst::event::FlushStart::new(), gst::event::FlushStop::new(true)] {
        assert!(harness.push_event(event));
    }
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
    assert_eq!(steps(&mut harness, 0), Some(2));
    assert_eq!(messages(&bus), ["openCloseMouth 0/1 asked @0"]);

    assert!(harness.push_event(gst::event::Eos::new()));
    let events = std::iter::from_fn(|| harness.try_pull_event());
    assert_eq!(events.map(|event| event.type_()).last(), Some(gst::EventType::Eos));
}

#[test]
fn random_challenges_draw_without_repeating() {
    let mut orders = std::collections::BTreeSet::new();
    for _ in 0..60 {
        let (mut harness, _bus) = small("facegestures gestures=blink,smile,nod order=random count=2");
        harness.push(frame(0, Some(0.0))).unwrap();
        let state = GestureMeta::of(&harness.pull().unwrap()).unwrap();
        assert_eq!(state.sequence.total, 2);
        orders.insert(state.sequence.gesture.id.clone());
    }
    assert_eq!(orders.into_iter().collect::<Vec<_>>(), ["blink", "nod", "smile"]);
}

#[test]
fn left_and_right_follow_the_mirror() {
    let folder = std::env::temp_dir().join(format!("vision-elements-{}-wink", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("wink.json");
    std::fs::write(
        &file,
        r#"{"gestureId": "wink", "label": "Wink", "signal_key": "eyeBlinkLeft", "total_recommended_max_time": 5000,
            "take_picture_at_the_end": true, "instructions": [{"move_to_next_type": "higher", "value": 0.5}]}"#,
    )
    .unwrap();
    for (properties, done) in [("", true), ("mirrored=true", false)] {
        let (mut by_file, bus) = small(&format!("facegestures gestures={} {properties}", file.display()));
        let mut buffer = frame(0, None);
        attach(&mut buffer, vec![face(&[("eyeBlinkLeft", 0.9)])]);
        by_file.push(buffer.clone()).unwrap();
        assert_eq!(messages(&bus).len(), if done { 3 } else { 1 });
        let (mut by_id, bus) = small(&format!("facegestures gestures=wink folder={} {properties}", folder.display()));
        by_id.push(buffer).unwrap();
        assert_eq!(messages(&bus).len(), if done { 3 } else { 1 });
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn wrong_settings_name_what_is_wrong() {
    let folder = std::env::temp_dir().join(format!("vision-elements-{}-bad", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("own.json"),
        r#"{"gestureId": "own", "label": "x", "signal_key": "nothing",
        "total_recommended_max_time": 5000, "take_picture_at_the_end": true, "instructions": []}"#,
    )
    .unwrap();
    let here = folder.display();
    for (properties, said) in [
        (format!("gestures={here}/own.json"), ["own.json", "signal_key"]),
        (format!("folder={here}"), ["own.json", "signal_key"]),
        (format!("gestures={here}/none.json"), ["none.json", "No such file"]),
        ("gestures=wave".to_owned(), ["wave", "openCloseMouth"]),
        ("gestures=blink,blink".to_owned(), ["blink", "twice"]),
        ("gestures=\"\"".to_owned(), ["gestures", "0"]),
        ("gestures=blink count=3".to_owned(), ["3", "listed"]),
    ] {
        let (error, code) = start_error(&format!("facegestures {properties}"));
        assert_eq!(code, Some(gst::ResourceError::Settings));
        assert!(said.iter().all(|word| error.contains(word)), "{properties}: {error}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// When each gesture is completed in real clips is known from MediaPipe's own landmarks.
#[test]
fn clips_give_what_the_reference_says() {
    let Some(reference) = asset("clips_give_what_the_reference_says", "../reference/gestures.json") else { return };
    support::init();
    let reference: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(reference).unwrap()).unwrap();
    for (clip, fps, gestures) in [
        ("lp_d18.mp4", 30.0, ["blink", "smile", "openCloseMouth"]),
        ("lp_d0.mp4", 25.0, ["blink", "smile", "eyesDownwards"]),
    ] {
        let watchers: String =
            gestures.iter().map(|id| format!("! facegestures gestures={id} loop=true on-timeout=wait ")).collect();
        let line = format!(
            "filesrc location={} ! decodebin ! videoconvert ! faceanalyze device=cpu {watchers} ! fakesink",
            asset("clips", clip).unwrap().display()
        );
        let pipeline = gst::parse::launch(&line).unwrap();
        let bus = pipeline.bus().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let mut found: Vec<(String, f64)> = Vec::new();
        loop {
            let message = bus.timed_pop(gst::ClockTime::from_seconds(60)).expect("the clip ends");
            match message.view() {
                gst::MessageView::Eos(_) => break,
                gst::MessageView::Error(error) => panic!("{clip}: {}", error.error()),
                gst::MessageView::Element(element) => {
                    let s = element.structure().unwrap();
                    if s.name() == "gesture-completed" {
                        let time = s.get::<u64>("running-time").unwrap() as f64 / 1e9;
                        found.push((s.get("gesture").unwrap(), time * fps));
                    }
                }
                _ => (),
            }
        }
        pipeline.set_state(gst::State::Null).unwrap();
        for id in gestures {
            let frames = reference[clip]["completed_at_frame"][id].as_array().unwrap();
            let expected: Vec<f64> = frames.iter().map(|frame| frame.as_f64().unwrap()).collect();
            let found: Vec<f64> = found.iter().filter(|(gesture, _)| gesture == id).map(|(_, frame)| *frame).collect();
            let agree = found.len() == expected.len() && found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1.5);
            assert!(agree, "{clip}, {id}: found {found:?}, expected {expected:?}");
        }
    }
}

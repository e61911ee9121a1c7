//! `instructionoverlay`: the service's own composition, from properties and from a challenge, in every format.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_video::{VideoFormat, VideoFrameRef, VideoInfo};
use gstvision::facegestures::GestureMeta;
use gstvision::meta::FaceMeta;
use support::pictures::{Rgb, SIZES, attach, bytes, face, info, portrait};
use support::{FORMATS, asset, element, harness, start_error};
use vision_core::locales::{Locales, Text};
use vision_core::picture::{I420Mut, I420View};
use vision_core::position::PositionLimits;
use vision_core::subject_view::{Composer, Countdown, Guide, OutcomeView, Step, SubjectView};

const LINE: &str = "instructionoverlay";

/// What comes out for the portrait at so many milliseconds.
fn shown(line: &str, info: &VideoInfo, ms: u64) -> gst::Buffer {
    let (mut harness, _bus) = harness(line, &info.to_caps().unwrap());
    harness.push(portrait(info, ms)).unwrap();
    harness.pull().unwrap()
}

/// What the composer itself makes of an I420 buffer, `after` it began.
fn composed(
    buffer: &gst::BufferRef,
    info: &VideoInfo,
    view: impl Fn(Instant) -> SubjectView,
    after: Duration,
) -> Vec<u8> {
    let begin = Instant::now();
    let mut composer = Composer::new();
    // What is between the rows is compared, too.
    let mut out = gst::Buffer::from_mut_slice(vec![0; info.size()]);
    {
        let from = VideoFrameRef::from_buffer_ref_readable(buffer, info).unwrap();
        let mut to = VideoFrameRef::from_buffer_ref_writable(out.get_mut().unwrap(), info).unwrap();
        let (width, height) = (info.width() as usize, info.height() as usize);
        let [y_stride, uv_stride] = [0, 1].map(|plane| info.stride()[plane] as usize);
        let [y, u, v, _] = from.planes_data();
        let from = I420View { y, u, v, y_stride, uv_stride, width, height };
        let [y, u, v, _] = to.planes_data_mut();
        let mut to = I420Mut { y, u, v, y_stride, uv_stride, width, height };
        composer.compose(Some(from), &view(begin), begin + after, &mut to);
    }
    bytes(&out)
}

#[test]
fn it_is_the_services_own_composition() {
    let info = info(VideoFormat::I420, (640, 480));
    let line = format!(
        "{LINE} message=\"Blink slowly\" warning=\"Too dark\" guide=good step=1 steps=2 countdown=4 countdown-total=8"
    );
    let view = |begin: Instant| SubjectView {
        message: "Blink slowly".into(),
        warning: Some("Too dark".into()),
        step: Some(Step { current: 1, total: 2 }),
        countdown: Some(Countdown { ends: begin + Duration::from_secs(4), total: Duration::from_secs(8) }),
        guide: Guide::Good,
        ..SubjectView::default()
    };
    let (mut harness, _bus) = harness(&line, &info.to_caps().unwrap());
    // The countdown starts with the first frame and follows running time, however fast frames come.
    for seconds in [0, 1, 3] {
        harness.push(portrait(&info, 1000 * seconds)).unwrap();
        let out = harness.pull().unwrap();
        let expected = composed(&portrait(&info, 0), &info, view, Duration::from_secs(seconds));
        assert!(bytes(&out) == expected, "at {seconds} s");
        assert_eq!(out.pts(), Some(gst::ClockTime::from_seconds(seconds)));
    }
    // Set again, it begins again.
    element(&harness).set_property("countdown", 4.0);
    harness.push(portrait(&info, 60_000)).unwrap();
    assert!(bytes(&harness.pull().unwrap()) == composed(&portrait(&info, 0), &info, view, Duration::ZERO));
}

#[test]
fn the_picture_is_mirrored_in_every_format_and_size() {
    for format in FORMATS {
        for size in SIZES {
            let info = info(format, size);
            let plain = Rgb::of(&portrait(&info, 0), &info);
            let same = Rgb::of(&shown(&format!("{LINE} mirror=false"), &info, 0), &info);
            let mirror = Rgb::of(&shown(LINE, &info, 0), &info);
            let turned = Rgb {
                data: (0..plain.height)
                    .flat_map(|y| (0..plain.width).rev().flat_map(move |x| [x, y]).collect::<Vec<_>>())
                    .collect::<Vec<_>>()
                    .chunks(2)
                    .flat_map(|at| plain.at(at[0], at[1]))
                    .collect(),
                ..plain
            };
            let plain = Rgb::of(&portrait(&info, 0), &info);
            // Colours at edges move by half a sample; an odd width pairs other columns.
            let most = plain.width * plain.height / 50;
            assert!(same.differences(&plain).len() < most, "{format:?} {size:?}");
            assert!(mirror.differences(&turned).len() < most, "{format:?} {size:?}");
            assert!(mirror.differences(&plain).len() > 10 * most, "{format:?} {size:?}");
        }
    }
    let info = info(VideoFormat::I420, (321, 243));
    let (out, sent) = (shown(&format!("{LINE} mirror=false"), &info, 0), portrait(&info, 0));
    let planes = |buffer: &gst::BufferRef| composed(buffer, &info, |_| SubjectView::default(), Duration::ZERO);
    assert!(planes(&out) == planes(&sent), "unmirrored I420 is the picture itself");
}

#[test]
fn parts_appear_in_every_format_and_size() {
    for format in FORMATS {
        for size in SIZES {
            let info = info(format, size);
            let plain = Rgb::of(&shown(LINE, &info, 0), &info);
            let unit = (size.1 as f32 / 14.0).min(size.0 as f32 / 13.0);
            let least = (unit * unit) as usize;
            for (name, properties, [y0, y1]) in [
                ("message", "message=\"Open your mouth wide, then close it\"", [0.0, 0.36]),
                ("message-id", "message-id=gestures.blink.label language=de", [0.0, 0.36]),
                ("warning", "warning=\"Come closer\"", [0.6, 0.99]),
                ("warning-id", "warning-id=warning.too_close_message language=fr", [0.6, 0.99]),
                ("step", "step=2 steps=3", [0.85, 1.0]),
                ("countdown", "countdown=5 countdown-total=10", [0.0, 0.08]),
                ("guide", "guide=warning", [0.0, 1.0]),
                ("waiting", "waiting=true", [0.0, 1.0]),
                ("success", "outcome=success", [0.0, 1.0]),
                ("failure", "outcome=failure", [0.0, 1.0]),
                ("colour", "colour=0x80FF0000", [0.0, 1.0]),
            ] {
                let out = Rgb::of(&shown(&format!("{LINE} {properties}"), &info, 0), &info);
                out.keep(&format!("subject-{name}-{format:?}-{}x{}", size.0, size.1));
                let places = out.differences(&plain);
                let outside = places.iter().filter(|(_, y)| *y < y0 || *y > y1).count();
                assert!(
                    places.len() > least / 2 && outside == 0,
                    "{name} {format:?} {size:?}: {} {outside}",
                    places.len()
                );
                let [r, g, b] = out.at(plain.width / 2, plain.height / 2);
                match name {
                    "colour" => assert!(r > g.saturating_add(50) && r > b, "{format:?} {size:?}"),
                    "message" => assert_eq!([r, g, b], plain.at(plain.width / 2, plain.height / 2)),
                    _ => (),
                }
            }
        }
    }
}

#[test]
fn a_whole_colour_is_that_colour() {
    for format in FORMATS {
        let info = info(format, (321, 243));
        let out = Rgb::of(&shown(&format!("{LINE} colour=0xFF2060A0"), &info, 0), &info);
        for (x, y) in [(0, 0), (160, 120), (319, 241)] {
            let near = out.at(x, y).iter().zip([0x20_u8, 0x60, 0xA0]).all(|(a, b)| a.abs_diff(b) <= 4);
            assert!(near, "{format:?}: {:?}", out.at(x, y));
        }
    }
}

#[test]
fn a_challenge_is_followed() {
    let info = info(VideoFormat::I420, (640, 480));
    let line = format!("facegestures gestures=openCloseMouth ! {LINE} follow-gestures=true language=es");
    let (mut harness, _bus) = harness(&line, &info.to_caps().unwrap());
    let mut next = |ms: u64, jaw_open: Option<f32>, view: &dyn Fn(Instant) -> SubjectView, name: &str| {
        let mut buffer = portrait(&info, ms);
        if let Some(score) = jaw_open {
            attach(&mut buffer, vec![face(&[("jawOpen", score)])]);
        }
        let expected = composed(&buffer, &info, view, Duration::from_millis(ms));
        harness.push(buffer).unwrap();
        let out = harness.pull().unwrap();
        Rgb::of(&out, &info).keep(&format!("challenge-{name}"));
        assert!(bytes(&out) == expected, "{name}");
        assert!(FaceMeta::of(&out).is_none(), "places in a mirrored picture are others");
        assert!(GestureMeta::of(&out).is_some());
    };
    let locales = Locales::load(&[], "en").unwrap();
    let locale = locales.pick(Some("es")).0.clone();
    let text = |text| locale.text(text).to_owned();
    let start =
        |_: Instant| SubjectView { message: text(Text::Starting), guide: Guide::Neutral, ..SubjectView::default() };
    next(0, None, &start, "starting");
    // She is not where a subject should be.
    let warning = PositionLimits::default().check(&face(&[])).unwrap();
    let ask = |begin: Instant| SubjectView {
        warning: Some(locale.warning(warning).to_owned()),
        message: locale.get("gestures.openCloseMouth.label").unwrap().to_owned(),
        step: Some(Step { current: 1, total: 1 }),
        countdown: Some(Countdown { ends: begin + Duration::from_millis(10_040), total: Duration::from_secs(10) }),
        guide: Guide::Warning,
        ..SubjectView::default()
    };
    next(40, Some(0.1), &ask, "asked");
    next(80, Some(0.7), &ask, "open");
    // A picture that was not looked at says nothing new about the face.
    next(120, None, &ask, "not analysed");
    let done = |_: Instant| SubjectView {
        message: text(Text::Alive),
        outcome: Some(OutcomeView::Success),
        ..SubjectView::default()
    };
    next(160, Some(0.1), &done, "done");
}

#[test]
fn somebody_else_in_the_picture_is_a_warning() {
    let info = info(VideoFormat::I420, (640, 480));
    let line = format!("facegestures gestures=openCloseMouth ! {LINE} follow-gestures=true mirror=false");
    let (mut harness, _bus) = harness(&line, &info.to_caps().unwrap());
    let mut picture = |faces: usize, ms: u64| {
        let mut buffer = portrait(&info, ms);
        attach(&mut buffer, vec![face(&[("jawOpen", 0.1)]); faces]);
        harness.push(buffer).unwrap();
        let out = harness.pull().unwrap();
        assert!(FaceMeta::of(&out).is_some(), "places stay right in a picture that is not mirrored");
        Rgb::of(&out, &info)
    };
    let (alone, two) = (picture(1, 0), picture(2, 40));
    let places = two.differences(&alone);
    assert!(places.iter().filter(|(_, y)| *y > 0.7).count() > 200, "a card with the warning");
}

#[test]
fn everything_changes_while_it_runs() {
    let first = info(VideoFormat::I420, (640, 480));
    let (mut harness, _bus) = harness(LINE, &first.to_caps().unwrap());
    for (info, message) in [
        (first, "One"),
        (info(VideoFormat::Rgb, (321, 243)), "Two"),
        (info(VideoFormat::Nv12, (480, 640)), "Three"),
        (info(VideoFormat::I420, (480, 640)), ""),
    ] {
        harness.set_src_caps(info.to_caps().unwrap());
        element(&harness).set_property("message", message);
        harness.push(portrait(&info, 0)).unwrap();
        let expected = shown(&format!("{LINE} message=\"{message}\""), &info, 0);
        let out = harness.pull().unwrap();
        assert!(Rgb::of(&out, &info) == Rgb::of(&expected, &info), "{message}");
    }
    for event in [gst::event::FlushStart::new(), gst::event::FlushStop::new(true), support::segment()] {
        assert!(harness.push_event(event));
    }
    harness.push(portrait(&info(VideoFormat::I420, (480, 640)), 0)).unwrap();
    assert!(harness.pull().is_ok());
    assert!(harness.push_event(gst::event::Eos::new()));
    let events = std::iter::from_fn(|| harness.try_pull_event());
    assert_eq!(events.map(|event| event.type_()).last(), Some(gst::EventType::Eos));
}

#[test]
fn what_can_be_controlled_says_so() {
    let (harness, _bus) = harness(LINE, &info(VideoFormat::I420, (64, 48)).to_caps().unwrap());
    let controllable = |name: &str| {
        let property = element(&harness).find_property(name).unwrap();
        property.flags().contains(gst::PARAM_FLAG_CONTROLLABLE)
    };
    for name in ["mirror", "guide", "step", "steps", "countdown", "countdown-total", "outcome", "waiting", "colour"] {
        assert!(controllable(name), "{name}");
    }
    assert!(!controllable("message") && !controllable("language"));
}

#[test]
fn wrong_locales_are_an_error_that_names_the_file() {
    let scratch = support::EmptyFolder::new("locale");
    std::fs::write(scratch.0.join("en.json"), "{").unwrap();
    let (error, code) = start_error(&format!("{LINE} locale-folder={}", scratch.0.display()));
    assert!(error.contains("en.json") && error.contains("line 1"), "{error}");
    assert_eq!(code, Some(gst::ResourceError::Settings));
}

/// The whole subject's view of a challenge, from a file.
#[test]
fn a_clip_is_a_whole_challenge() {
    let Some(clip) = asset("a_clip_is_a_whole_challenge", "lp_d18.mp4") else { return };
    let line = format!(
        "filesrc location={} ! decodebin ! videoconvert ! faceanalyze device=cpu ! facegestures gestures=openCloseMouth,smile,blink \
         ! {LINE} follow-gestures=true ! appsink name=out sync=false",
        clip.display()
    );
    support::init();
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let out = pipeline.by_name("out").unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut states = Vec::new();
    let mut last = None;
    while let Some(sample) = support::pull(&out) {
        let state = GestureMeta::of(sample.buffer().unwrap()).unwrap().sequence.clone();
        if last != Some((state.phase, state.index)) {
            last = Some((state.phase, state.index));
            states.push(format!("{:?} {}", state.phase, state.gesture.id));
            let info = VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
            Rgb::of(sample.buffer().unwrap(), &info).keep(&format!("clip-{}", states.len()));
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(states, ["Running openCloseMouth", "Running smile", "Running blink", "Completed blink"]);
}

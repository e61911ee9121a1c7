//! `facedraw`: what is drawn is where it belongs, and everything else stays as it is.
#![allow(clippy::unwrap_used)]

mod support;

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};
use support::pictures::{Rgb, SIZES, attach, bytes, face, info, portrait};
use support::{FORMATS, element, harness, start_error};

const OFF: &str = "facedraw mesh=false points=false box=false axes=false bars=false gesture=false";

/// The portrait with its face.
fn seen(info: &VideoInfo) -> gst::Buffer {
    let mut buffer = portrait(info, 0);
    attach(&mut buffer, vec![face(&[("mouthSmileLeft", 0.9), ("mouthSmileRight", 0.8), ("jawOpen", 0.3)])]);
    buffer
}

/// What comes out for the portrait with its face.
fn drawn(line: &str, info: &VideoInfo) -> gst::Buffer {
    let (mut harness, _bus) = harness(line, &info.to_caps().unwrap());
    harness.push(seen(info)).unwrap();
    harness.pull().unwrap()
}

#[test]
fn parts_are_where_they_belong_in_every_format_and_size() {
    let bounds = face(&[]).bounding_box();
    let (right, bottom) = (bounds.x + bounds.width, bounds.y + bounds.height);
    for format in FORMATS {
        for size in SIZES {
            let info = info(format, size);
            let plain = Rgb::of(&portrait(&info, 0), &info);
            let check = |part: &str, line: &str, [x0, y0, x1, y1]: [f32; 4], least: usize| {
                let out = Rgb::of(&drawn(line, &info), &info);
                out.keep(&format!("{part}-{format:?}-{}x{}", size.0, size.1));
                let places = out.differences(&plain);
                let outside = places.iter().filter(|(x, y)| *x < x0 || *x > x1 || *y < y0 || *y > y1).count();
                assert!(
                    outside == 0 && places.len() >= least,
                    "{part} {format:?} {size:?}: {} {outside}",
                    places.len()
                );
                out
            };
            let near = 0.03;
            let around = [bounds.x - near, bounds.y - near, right + near, bottom + near];
            check("mesh", &format!("{OFF} mesh=true"), around, 400);
            check("points", &format!("{OFF} points=true"), around, 200);
            check("box", &format!("{OFF} box=true"), [0.2, 0.0, 0.8, bottom + near], 100);
            check("axes", &format!("{OFF} axes=true"), [0.15, 0.0, 0.95, 0.65], 100);
            check("bars", &format!("{OFF} bars=true"), [0.0, 0.0, 1.0, 0.72], 400);
            check("gesture", &format!("facegestures ! {OFF} gesture=true"), [0.0, 0.6, 1.0, 1.0], 400);
            let all = check("all", "facegestures ! facedraw bars-count=10", [0.0, 0.0, 1.0, 1.0], 1500);
            // A corner of the box is green.
            let corner = |dx: f32, dy: f32| {
                let x = ((bounds.x + dx) * size.0 as f32).round() as usize;
                all.at(x, ((bottom + dy) * size.1 as f32).round() as usize)
            };
            let [r, g, b] = corner(0.02, 0.0);
            assert!(g > r.saturating_add(40) && g > b, "{format:?} {size:?}: {:?}", [r, g, b]);
        }
    }
}

#[test]
fn nothing_shown_changes_no_byte_and_copies_nothing() {
    for format in FORMATS {
        for size in SIZES {
            let info = info(format, size);
            for (line, has_face) in [(OFF, true), ("facedraw", false)] {
                let (mut harness, _bus) = harness(line, &info.to_caps().unwrap());
                let sent = if has_face { seen(&info) } else { portrait(&info, 0) };
                let memory = sent.peek_memory(0).as_ptr();
                harness.push(sent.clone()).unwrap();
                let received = harness.pull().unwrap();
                assert_eq!(received.peek_memory(0).as_ptr(), memory);
                assert_eq!(bytes(&received), bytes(&portrait(&info, 0)), "{format:?} {size:?}");
            }
        }
    }
}

#[test]
fn a_shared_frame_is_copied_and_a_frame_of_its_own_is_not() {
    let info = info(VideoFormat::I420, (640, 480));
    let (mut harness, _bus) = harness("facedraw", &info.to_caps().unwrap());
    let sent = seen(&info);
    let (memory, before) = (sent.peek_memory(0).as_ptr(), bytes(&sent));
    harness.push(sent.clone()).unwrap();
    assert_ne!(bytes(&harness.pull().unwrap()), before);
    assert_eq!(bytes(&sent), before, "the other holder's picture");
    harness.push(sent).unwrap();
    let received = harness.pull().unwrap();
    assert_eq!(received.peek_memory(0).as_ptr(), memory);
    assert_ne!(bytes(&received), before);
}

#[test]
fn chosen_blendshapes_stand_in_the_place_of_the_strongest() {
    let info = info(VideoFormat::Rgb, (640, 480));
    let bars = |more: &str| bytes(&drawn(&format!("{OFF} bars=true {more}"), &info));
    let strongest = bars("bars-count=2");
    assert_eq!(bars("blendshapes=mouthSmileLeft,mouthSmileRight"), strongest);
    assert_ne!(bars("blendshapes=jawOpen,mouthSmileRight"), strongest);
    assert_ne!(bars("bars-count=3"), strongest);
}

#[test]
fn caps_change_and_properties_change_while_it_runs() {
    let first = info(VideoFormat::I420, (640, 480));
    let (mut harness, _bus) = harness("facedraw", &first.to_caps().unwrap());
    for info in [first, info(VideoFormat::Nv12, (321, 243)), info(VideoFormat::Rgb, (1280, 720))] {
        harness.set_src_caps(info.to_caps().unwrap());
        harness.push(seen(&info)).unwrap();
        assert_eq!(bytes(&harness.pull().unwrap()), bytes(&drawn("facedraw", &info)));
    }
    let info = info(VideoFormat::Rgb, (1280, 720));
    for part in ["mesh", "box", "axes", "bars"] {
        element(&harness).set_property(part, false);
    }
    for event in [gst::event::FlushStart::new(), gst::event::FlushStop::new(true)] {
        assert!(harness.push_event(event));
    }
    assert!(harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new())));
    harness.push(seen(&info)).unwrap();
    assert_eq!(bytes(&harness.pull().unwrap()), bytes(&portrait(&info, 0)));
    assert!(harness.push_event(gst::event::Eos::new()));
    let events = std::iter::from_fn(|| harness.try_pull_event());
    assert_eq!(events.map(|event| event.type_()).last(), Some(gst::EventType::Eos));
}

#[test]
fn an_unknown_blendshape_is_an_error_that_names_it() {
    let (error, code) = start_error("facedraw blendshapes=jawOpen,tooth");
    assert_eq!(code, Some(gst::ResourceError::Settings));
    assert!(error.contains("\"tooth\"") && error.contains("mouthSmileLeft"), "{error}");
}

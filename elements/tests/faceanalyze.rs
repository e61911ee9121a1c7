//! `faceanalyze`: the networks' own numbers on every format, through changes, flushes, lateness and errors.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gst::prelude::*;
use gst_video::prelude::*;
use gst_video::{VideoFormat, VideoFrameRef};
use gstvision::meta::{FaceMeta, Faces};
use support::{EmptyFolder, FORMATS, FRAME, Video, asset, element, harness, messages, pull, segment, start_error};
use vision_core::face::Face;
use vision_core::picture::{I420View, PictureView};
use vision_models::landmarker::Tracker;

/// An I420 buffer as the networks see it, written here once more so that the element's own view is checked too.
fn on_i420<T>(video: &Video, look: impl FnOnce(&PictureView<'_>) -> T) -> T {
    let frame = VideoFrameRef::from_buffer_ref_readable(&video.buffer, &video.info).unwrap();
    let strides = frame.plane_stride();
    look(&PictureView::I420(I420View {
        y: frame.plane_data(0).unwrap(),
        u: frame.plane_data(1).unwrap(),
        v: frame.plane_data(2).unwrap(),
        y_stride: strides[0] as usize,
        uv_stride: strides[1] as usize,
        width: frame.width() as usize,
        height: frame.height() as usize,
    }))
}

fn same(one: &Face, other: &Face) -> bool {
    one.landmarks == other.landmarks
        && one.blendshapes == other.blendshapes
        && one.matrix == other.matrix
        && one.presence == other.presence
}

/// The largest distance of two points, normalised.
fn apart(one: &Face, other: &Face) -> f32 {
    let pairs = one.landmarks.iter().zip(other.landmarks.iter());
    pairs.map(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1])).fold(0.0, f32::max)
}

fn seen(buffer: &gst::Buffer) -> Arc<Faces> {
    FaceMeta::of(buffer).expect("the frame was analysed")
}

fn stats(harness: &gst_check::Harness) -> [u64; 2] {
    let stats = element(harness).property::<gst::Structure>("stats");
    ["analysed", "dropped"].map(|name| stats.get(name).unwrap())
}

#[test]
fn every_format_and_size_gives_the_landmarkers_own_numbers() {
    let mut landmarker = support::landmarker();
    let caps = Video::face(VideoFormat::I420, 64, 64).caps();
    // One element for all: formats and sizes change in mid-stream.
    let (mut harness, _bus) = harness("faceanalyze device=cpu mode=picture", &caps);
    let mut time = gst::ClockTime::ZERO;
    for (width, height) in [(512, 512), (333, 251), (640, 480), (161, 239)] {
        let i420 = Video::face(VideoFormat::I420, width, height);
        let expected = on_i420(&i420, |picture| landmarker.picture(picture, 1)).unwrap().remove(0);
        for format in FORMATS {
            let video = i420.convert(format, width, height);
            harness.set_src_caps(video.caps());
            let out = harness.push_and_pull(video.at(time)).unwrap();
            time += FRAME;
            let seen = seen(&out);
            assert_eq!((seen.width, seen.height), (width as usize, height as usize));
            assert_eq!((seen.face_count, seen.faces.len()), (1, 1), "{format:?} {width}x{height}");
            let face = seen.first().unwrap();
            match format {
                // The same samples in another order: the same numbers.
                VideoFormat::I420 | VideoFormat::Nv12 => assert!(same(face, &expected), "{format:?} {width}x{height}"),
                // Colours are rounded once more, and chroma is interpolated by the converter: half a percent.
                _ => assert!(apart(face, &expected) < 0.005, "{format:?} {width}x{height}: {}", apart(face, &expected)),
            }
        }
    }
    assert_eq!(stats(&harness), [12, 0]);
}

#[test]
fn a_face_is_followed_through_a_clip_as_by_the_landmarker() {
    let Some(path) = asset("a_face_is_followed_through_a_clip_as_by_the_landmarker", "lp_d0.mp4") else { return };
    let frames = support::clip(&path, VideoFormat::I420, 40);
    let (mut landmarker, mut tracker) = (support::landmarker(), Tracker::default());
    let (mut harness, _bus) = harness("faceanalyze device=cpu", &frames[0].caps());
    let mut faces = 0;
    for (n, video) in frames.iter().enumerate() {
        let time = FRAME * n as u64;
        let timestamp = Duration::from_nanos(time.nseconds());
        let expected = on_i420(video, |picture| landmarker.frame(&mut tracker, picture, timestamp)).unwrap();
        let seen = seen(&harness.push_and_pull(video.at(time)).unwrap());
        assert_eq!(seen.face_count, expected.face_count, "frame {n}");
        match (seen.first(), &expected.face) {
            (Some(face), Some(expected)) => assert!(same(face, expected), "frame {n}"),
            (face, expected) => assert!(face.is_none() && expected.is_none(), "frame {n}: {face:?}, {expected:?}"),
        }
        faces += seen.faces.len();
    }
    assert!(faces > 30, "{faces} faces in 40 frames");
}

#[test]
fn two_people_are_two_faces() {
    let Some(path) = asset("two_people_are_two_faces", "fr_two_people.jpg") else { return };
    let video = Video::open(&path, VideoFormat::Nv12, 640, 480);
    let (mut harness, bus) = harness("faceanalyze device=cpu mode=picture max-faces=5", &video.caps());
    let both = seen(&harness.push_and_pull(video.at(gst::ClockTime::ZERO)).unwrap());
    assert_eq!((both.face_count, both.faces.len()), (2, 2));
    element(&harness).set_property("max-faces", 1u32);
    assert_eq!(seen(&harness.push_and_pull(video.at(FRAME)).unwrap()).faces.len(), 1);
    // In a stream one is followed and both are counted.
    element(&harness).set_property_from_str("mode", "stream");
    let followed = seen(&harness.push_and_pull(video.at(FRAME * 2)).unwrap());
    assert_eq!((followed.face_count, followed.faces.len()), (2, 1));
    let said = messages(&bus, "face-count").iter().map(|it| it.get::<u32>("count").unwrap()).collect::<Vec<_>>();
    assert_eq!(said, [2, 1, 2]);
}

#[test]
fn the_number_of_faces_is_said_when_it_changes() {
    let (face, nobody) = (Video::face(VideoFormat::I420, 320, 240), Video::black(VideoFormat::I420, 320, 240));
    let (mut harness, bus) = harness("faceanalyze device=cpu", &face.caps());
    for (n, video) in [&nobody, &nobody, &face, &face, &nobody, &face].into_iter().enumerate() {
        harness.push_and_pull(video.at(FRAME * n as u64)).unwrap();
    }
    let said = messages(&bus, "face-count");
    let counts = said.iter().map(|it| (it.get::<u32>("previous").unwrap(), it.get::<u32>("count").unwrap()));
    assert_eq!(counts.collect::<Vec<_>>(), [(0, 1), (1, 0), (0, 1)]);
    for (it, frame) in said.iter().zip([2, 4, 5]) {
        assert_eq!(it.get::<gst::ClockTime>("timestamp"), Ok(FRAME * frame));
        assert_eq!(it.get::<gst::ClockTime>("running-time"), Ok(FRAME * frame));
    }
}

#[test]
fn a_frame_is_not_copied_even_when_others_hold_it() {
    let video = Video::face(VideoFormat::I420, 320, 240);
    let (mut harness, _bus) = harness("faceanalyze device=cpu", &video.caps());
    let held = video.at(gst::ClockTime::ZERO);
    let out = harness.push_and_pull(held.clone()).unwrap();
    let address = |buffer: &gst::Buffer| buffer.map_readable().unwrap().as_ptr();
    assert_eq!(address(&out), address(&held));
    assert!(FaceMeta::of(&held).is_none(), "somebody else's buffer is as it was");
    assert!(FaceMeta::of(&out).is_some());
}

#[test]
fn the_interval_is_kept_and_frames_between_carry_nothing() {
    let video = Video::face(VideoFormat::I420, 160, 120);
    let (mut harness, _bus) = harness("faceanalyze device=cpu interval=200000000", &video.caps());
    let mut carried = |n: u64| FaceMeta::of(&harness.push_and_pull(video.at(FRAME * n)).unwrap()).is_some();
    let analysed = (0..30).filter(|n| carried(*n)).count();
    assert_eq!(analysed, 5, "of a second");
    assert_eq!(stats(&harness), [5, 0]);
    // A gap shows nothing, and stays a gap.
    element(&harness).set_property("interval", 0u64);
    let mut gap = video.at(FRAME * 31);
    gap.get_mut().unwrap().set_flags(gst::BufferFlags::GAP);
    let gap = harness.push_and_pull(gap).unwrap();
    assert!(FaceMeta::of(&gap).is_none() && gap.flags().contains(gst::BufferFlags::GAP));
}

#[test]
fn late_frames_pass_without_analysis() {
    let video = Video::face(VideoFormat::I420, 160, 120);
    let (mut harness, _bus) = harness("faceanalyze device=cpu", &video.caps());
    let mut carried = |harness: &mut gst_check::Harness, n: u64| {
        FaceMeta::of(&harness.push_and_pull(video.at(FRAME * n)).unwrap()).is_some()
    };
    assert!(carried(&mut harness, 0));
    // The second frame came one and a half frames late, as will those that are due until then.
    let lateness = |ns: u64| gst::event::Qos::new(gst::QOSType::Underflow, 2.0, ns as i64, FRAME);
    harness.push_upstream_event(lateness(FRAME.nseconds() * 3 / 2));
    assert_eq!([1, 2, 3, 4].map(|n| carried(&mut harness, n)), [false, false, true, true]);
    assert_eq!(stats(&harness), [3, 2]);
    // One that came in time ends it.
    harness.push_upstream_event(gst::event::Qos::new(gst::QOSType::Underflow, 2.0, 1_000_000_000, FRAME * 4));
    assert!(!carried(&mut harness, 5));
    harness.push_upstream_event(gst::event::Qos::new(gst::QOSType::Overflow, 0.5, -1_000_000, FRAME * 5));
    assert!(carried(&mut harness, 6));
}

#[test]
fn after_a_flush_and_in_a_new_segment_time_starts_anew() {
    let video = Video::face(VideoFormat::Nv12, 160, 120);
    let (mut harness, _bus) = harness("faceanalyze device=cpu interval=10000000000", &video.caps());
    let mut carried = |harness: &mut gst_check::Harness, n: u64| {
        FaceMeta::of(&harness.push_and_pull(video.at(FRAME * n)).unwrap()).is_some()
    };
    assert_eq!([100, 101].map(|n| carried(&mut harness, n)), [true, false]);
    harness.push_upstream_event(gst::event::Qos::new(gst::QOSType::Underflow, 2.0, 1_000_000_000, FRAME * 101));
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    assert!(harness.push_event(segment()));
    assert_eq!([102, 103].map(|n| carried(&mut harness, n)), [true, false]);
    assert!(harness.push_event(segment()));
    assert!(carried(&mut harness, 104));
    assert!(harness.push_event(gst::event::Eos::new()));
    let events = std::iter::from_fn(|| harness.try_pull_event()).map(|event| event.type_()).collect::<Vec<_>>();
    assert_eq!(events.last(), Some(&gst::EventType::Eos), "{events:?}");
}

#[test]
fn frames_without_times_are_taken_one_after_the_other() {
    let video = Video::face(VideoFormat::I420, 160, 120);
    let (mut harness, bus) = harness("faceanalyze device=cpu interval=100000000", &video.caps());
    let analysed = (0..9).filter(|_| FaceMeta::of(&harness.push_and_pull(video.buffer.copy()).unwrap()).is_some());
    assert_eq!(analysed.count(), 3, "30 in a second, looked at 10 times");
    assert!(!messages(&bus, "face-count")[0].has_field("timestamp"));
}

#[test]
fn outputs_can_be_left_out() {
    let video = Video::face(VideoFormat::Rgb, 321, 241);
    let (mut harness, _bus) = harness("faceanalyze device=cpu landmarks=false blendshapes=false", &video.caps());
    let mut face_fields = |n: u64| {
        let out = harness.push_and_pull(video.at(FRAME * n)).unwrap();
        let meta = gst::meta::CustomMeta::from_buffer(&out, "VisionFaceMeta").unwrap();
        let faces = meta.structure().get::<gst::Array>("faces").unwrap();
        let face = faces.as_slice()[0].get::<gst::Structure>().unwrap();
        let scores = seen(&out).first().unwrap().blendshapes;
        (["landmarks", "blendshapes", "matrix"].map(|name| face.has_field(name)), scores.iter().any(|it| *it > 0.0))
    };
    assert_eq!(face_fields(0), ([false, false, true], false));
    element(&harness).set_property("blendshapes", true);
    assert_eq!(face_fields(1), ([false, true, true], true));
}

#[test]
fn the_meta_goes_through_conversion_scaling_queues_and_tees() {
    let video = Video::face(VideoFormat::I420, 320, 240);
    let pipeline = gst::parse::launch(
        "appsrc name=in format=time ! faceanalyze name=it device=cpu ! videoconvert ! video/x-raw,format=RGB \
         ! videoscale ! video/x-raw,width=123,height=77 ! queue ! tee name=t t. ! queue ! appsink name=one sync=false \
         t. ! queue ! videoconvert ! video/x-raw,format=NV12 ! appsink name=other sync=false",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let attached = Arc::new(Mutex::new(Vec::new()));
    let keep = attached.clone();
    let pad = pipeline.by_name("it").unwrap().static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        keep.lock().unwrap().extend(info.buffer().and_then(|buffer| FaceMeta::of(buffer)));
        gst::PadProbeReturn::Ok
    });
    let appsrc = pipeline.by_name("in").unwrap();
    appsrc.set_property("caps", video.caps());
    pipeline.set_state(gst::State::Playing).unwrap();
    for n in 0..2 {
        appsrc.emit_by_name::<gst::FlowReturn>("push-buffer", &[&video.at(FRAME * n)]);
    }
    appsrc.emit_by_name::<gst::FlowReturn>("end-of-stream", &[]);
    for name in ["one", "other"] {
        let sink = pipeline.by_name(name).unwrap();
        for n in 0..2 {
            let sample = pull(&sink).unwrap();
            let seen = seen(&sample.buffer_owned().unwrap());
            assert!(Arc::ptr_eq(&seen, &attached.lock().unwrap()[n]), "{name} {n}");
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn missing_models_are_a_resource_error_that_names_the_remedy() {
    let empty = EmptyFolder::new("faceanalyze");
    for folder in [empty.0.to_str().unwrap(), "/nonexistent/models"] {
        let (message, kind) = start_error(&format!("faceanalyze models={folder}"));
        assert_eq!(kind, Some(gst::ResourceError::NotFound), "{message}");
        assert!(message.contains(folder) && message.contains("make models"), "{message}");
    }
}

#[test]
fn a_buffer_that_is_too_short_is_an_error_and_no_crash() {
    let video = Video::face(VideoFormat::I420, 160, 120);
    let (mut harness, bus) = harness("faceanalyze device=cpu", &video.caps());
    let short = gst::Buffer::from_slice(vec![0u8; 1000]);
    assert_eq!(harness.push(short), Err(gst::FlowError::Error));
    assert!(bus.pop_filtered(&[gst::MessageType::Error]).is_some());
}

#[test]
fn it_starts_again_after_it_was_stopped() {
    let video = Video::face(VideoFormat::I420, 160, 120);
    let (mut harness, _bus) = harness("faceanalyze device=cpu", &video.caps());
    assert_eq!(seen(&harness.push_and_pull(video.at(FRAME)).unwrap()).face_count, 1);
    let bin = harness.element().unwrap();
    bin.set_state(gst::State::Ready).unwrap();
    bin.set_state(gst::State::Playing).unwrap();
    assert_eq!(stats(&harness), [0, 0]);
    assert!(harness.push_event(gst::event::StreamStart::new("again")));
    harness.set_src_caps(video.caps());
    assert!(harness.push_event(segment()));
    assert_eq!(seen(&harness.push_and_pull(video.at(FRAME)).unwrap()).face_count, 1);
}

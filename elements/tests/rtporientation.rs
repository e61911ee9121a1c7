//! `rtporientation` by itself: packets in, tags out, packets untouched.
#![allow(clippy::unwrap_used)]

use gst::prelude::*;

const URI: &str = "urn:3gpp:video-orientation";

fn init() {
    static INIT: std::sync::Once = std::sync::Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstvision::plugin_register_static().unwrap();
    });
}

fn caps(extmap: Option<(u8, bool)>) -> gst::Caps {
    init();
    let caps = gst::Caps::builder("application/x-rtp")
        .field("media", "video")
        .field("encoding-name", "VP8")
        .field("clock-rate", 90_000i32);
    match extmap {
        None => caps,
        Some((id, false)) => caps.field(format!("extmap-{id}"), URI),
        Some((id, true)) => caps.field(format!("extmap-{id}"), gst::Array::new(["sendonly", URI, ""])),
    }
    .build()
}

/// One packet, with the byte under `id` in a one-byte or a two-byte header.
fn packet(seq: u16, extension: Option<(u8, u8)>) -> gst::Buffer {
    let mut buffer = gst::Buffer::with_size(12 + 4).unwrap();
    {
        let buffer = buffer.get_mut().unwrap();
        let mut map = buffer.map_writable().unwrap();
        map.copy_from_slice(&[0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 1, 2, 3, 4]);
    }
    {
        let mut rtp = gst_rtp::RTPBuffer::from_buffer_writable(buffer.get_mut().unwrap()).unwrap();
        rtp.set_seq(seq);
        match extension {
            Some((id, byte)) if id <= 14 => rtp.add_extension_onebyte_header(id, &[byte]).unwrap(),
            Some((id, byte)) => rtp.add_extension_twobytes_header(0, id, &[byte]).unwrap(),
            None => (),
        }
    }
    buffer
}

/// The orientation tags that have come out since the last call.
fn tags(harness: &mut gst_check::Harness) -> Vec<String> {
    let mut tags = Vec::new();
    while let Some(event) = harness.try_pull_event() {
        if let gst::EventView::Tag(tag) = event.view() {
            tags.extend(tag.tag().get::<gst::tags::ImageOrientation>().map(|value| value.get().to_string()));
        }
    }
    tags
}

fn harness(caps: gst::Caps) -> gst_check::Harness {
    init();
    let mut harness = gst_check::Harness::new("rtporientation");
    harness.set_src_caps(caps);
    harness
}

#[test]
fn a_change_is_said_once_and_packets_pass_untouched() {
    let mut harness = harness(caps(Some((11, false))));
    let mut expect = |byte: Option<u8>, expected: &[&str]| {
        let packet = packet(1, byte.map(|byte| (11, byte)));
        let sent = packet.map_readable().unwrap().to_vec();
        harness.push(packet).unwrap();
        let received = harness.pull().unwrap();
        assert_eq!(received.map_readable().unwrap().as_slice(), sent);
        assert_eq!(tags(&mut harness), expected, "after {byte:?}");
    };
    expect(None, &[]);
    expect(Some(0), &[]); // upright is the default, nothing to say
    expect(Some(1), &["rotate-90"]);
    expect(Some(1), &[]);
    expect(None, &[]); // left out means unchanged
    expect(Some(0b1001), &[]); // the other camera, the same turn
    expect(Some(3), &["rotate-270"]);
    expect(Some(0b110), &["flip-rotate-180"]);
    expect(Some(0), &["rotate-0"]);
}

#[test]
fn the_tag_comes_before_its_packet() {
    let mut harness = harness(caps(Some((4, false))));
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let pad = harness.element().unwrap().static_pad("src").unwrap();
    let seen = order.clone();
    pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        match &info.data {
            Some(gst::PadProbeData::Buffer(_)) => seen.lock().unwrap().push("packet"),
            Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::Tag => {
                seen.lock().unwrap().push("tag");
            }
            _ => (),
        }
        gst::PadProbeReturn::Ok
    });
    harness.push(packet(1, None)).unwrap();
    harness.push(packet(2, Some((4, 2)))).unwrap();
    assert_eq!(*order.lock().unwrap(), ["packet", "tag", "packet"]);
}

#[test]
fn the_id_is_found_wherever_it_is_named() {
    // two-byte header, caps with direction and attributes
    let mut by_array = harness(caps(Some((15, true))));
    by_array.push(packet(1, Some((15, 1)))).unwrap();
    assert_eq!(tags(&mut by_array), ["rotate-90"]);

    // the property, where caps say nothing, and over what they say
    for named in [None, Some((3, false))] {
        let mut by_property = harness(caps(named));
        by_property.element().unwrap().set_property("extension-id", 9u32);
        by_property.push(packet(1, Some((9, 2)))).unwrap();
        assert_eq!(tags(&mut by_property), ["rotate-180"]);
    }

    // another extension under another id is not ours
    let mut other = harness(caps(Some((11, false))));
    other.push(packet(1, Some((5, 1)))).unwrap();
    assert_eq!(tags(&mut other), [""; 0]);

    // not negotiated: the byte means nothing
    let mut none = harness(caps(None));
    none.push(packet(1, Some((11, 1)))).unwrap();
    assert_eq!(tags(&mut none), [""; 0]);
}

#[test]
fn what_is_not_rtp_passes_and_says_nothing() {
    let mut harness = harness(caps(Some((11, false))));
    for garbage in
        [&b""[..], b"x", &[0x90; 12], &[0xff; 40], &[0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0xbe, 0xde, 0xff, 0xff]]
    {
        harness.push(gst::Buffer::from_slice(garbage.to_vec())).unwrap();
        assert_eq!(harness.pull().unwrap().size(), garbage.len());
        assert_eq!(tags(&mut harness), [""; 0]);
    }
}

#[test]
fn a_new_stream_is_upright_until_told_otherwise() {
    let mut harness = harness(caps(Some((11, false))));
    let mut turned = |harness: &mut gst_check::Harness, byte: u8| {
        harness.push(packet(1, Some((11, byte)))).unwrap();
        tags(harness)
    };
    assert_eq!(turned(&mut harness, 1), ["rotate-90"]);
    // A flush is in the same stream: whoever turns pictures still knows.
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    assert!(harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new())));
    assert_eq!(turned(&mut harness, 1), [""; 0]);
    // With a new stream it is forgotten, and so it is said again.
    assert!(harness.push_event(gst::event::StreamStart::new("another")));
    harness.set_src_caps(caps(Some((11, false))));
    assert_eq!(turned(&mut harness, 1), ["rotate-90"]);
    // The id is that of the caps in force.
    harness.set_src_caps(caps(Some((5, false))));
    assert_eq!(turned(&mut harness, 2), [""; 0]);
    harness.push(packet(2, Some((5, 2)))).unwrap();
    assert_eq!(tags(&mut harness), ["rotate-180"]);
    assert!(harness.push_event(gst::event::Eos::new()));
    let events = std::iter::from_fn(|| harness.try_pull_event()).map(|event| event.type_()).collect::<Vec<_>>();
    assert_eq!(events, [gst::EventType::Eos]);
}

#[test]
fn videoflip_forgets_with_a_new_stream() {
    // What the test before this one relies on.
    init();
    let mut harness = gst_check::Harness::new_parse("videoflip video-direction=auto");
    let caps = gst::Caps::builder("video/x-raw").field("format", "I420").field("width", 64i32).field("height", 32i32);
    let caps = caps.field("framerate", gst::Fraction::new(10, 1)).build();
    harness.set_src_caps(caps.clone());
    let mut width = |harness: &mut gst_check::Harness| {
        harness.push_and_pull(gst::Buffer::with_size(64 * 32 * 3 / 2).unwrap()).unwrap();
        let caps = harness.sinkpad().unwrap().current_caps().unwrap();
        caps.structure(0).unwrap().get::<i32>("width").unwrap()
    };
    assert_eq!(width(&mut harness), 64);
    let mut tags = gst::TagList::new();
    tags.get_mut().unwrap().add::<gst::tags::ImageOrientation>(&"rotate-90", gst::TagMergeMode::Replace);
    assert!(harness.push_event(gst::event::Tag::new(tags)));
    assert_eq!(width(&mut harness), 32);
    assert!(harness.push_event(gst::event::StreamStart::new("another")));
    harness.set_src_caps(caps);
    assert_eq!(width(&mut harness), 64);
}

#[test]
fn the_picture_really_turns() {
    init();
    // left half black, right half white: after a quarter turn clockwise the lower half is white
    let pipeline = gst::parse::launch(
        "appsrc name=in format=time caps=video/x-raw,format=I420,width=64,height=32,framerate=10/1 \
         ! vp8enc deadline=1 ! rtpvp8pay name=pay ! application/x-rtp,extmap-7=(string)urn:3gpp:video-orientation \
         ! rtporientation ! rtpvp8depay ! vp8dec ! videoflip video-direction=auto \
         ! appsink name=out sync=false",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let pay = pipeline.by_name("pay").unwrap().static_pad("src").unwrap();
    pay.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, |_, info| {
        fn mark(buffer: &mut gst::BufferRef) {
            let second = buffer.pts().unwrap() >= gst::ClockTime::from_mseconds(500);
            let mut rtp = gst_rtp::RTPBuffer::from_buffer_writable(buffer).unwrap();
            if rtp.is_marker() && second {
                rtp.add_extension_onebyte_header(7, &[1]).unwrap();
            }
        }
        match &mut info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => mark(buffer.make_mut()),
            Some(gst::PadProbeData::BufferList(list)) => list.make_mut().foreach_mut(|mut buffer, _| {
                mark(buffer.make_mut());
                std::ops::ControlFlow::Continue(Some(buffer))
            }),
            _ => unreachable!("probe for buffers only"),
        };
        gst::PadProbeReturn::Ok
    });
    let appsrc = pipeline.by_name("in").unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    for n in 0..10u64 {
        let mut picture = vec![128u8; 64 * 32 * 3 / 2];
        for row in picture[..64 * 32].chunks_mut(64) {
            row[..32].fill(16);
            row[32..].fill(235);
        }
        let mut buffer = gst::Buffer::from_mut_slice(picture);
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(n * 100));
        let flow = appsrc.emit_by_name::<gst::FlowReturn>("push-buffer", &[&buffer]);
        assert_eq!(flow, gst::FlowReturn::Ok);
    }
    assert_eq!(appsrc.emit_by_name::<gst::FlowReturn>("end-of-stream", &[]), gst::FlowReturn::Ok);
    let appsink = pipeline.by_name("out").unwrap();
    for n in 0..10 {
        let sample = appsink
            .emit_by_name::<Option<gst::Sample>>("try-pull-sample", &[&(5 * gst::ClockTime::SECOND.nseconds())])
            .unwrap_or_else(|| panic!("picture {n} is missing"));
        let structure = sample.caps().unwrap().structure(0).unwrap();
        let size = (structure.get::<i32>("width").unwrap(), structure.get::<i32>("height").unwrap());
        let map = sample.buffer().unwrap().map_readable().unwrap();
        let luma = |x: usize, y: usize| map[y * size.0 as usize + x];
        if n < 5 {
            assert_eq!(size, (64, 32), "picture {n}");
            assert!(luma(4, 16) < 60 && luma(60, 16) > 190, "picture {n}");
        } else {
            assert_eq!(size, (32, 64), "picture {n}");
            assert!(luma(16, 4) < 60 && luma(16, 60) > 190, "picture {n}");
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

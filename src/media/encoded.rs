//! A look at frames before they are decoded: their sizes, and what their first bytes tell of their encoder.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;
use vision_core::liveness::continuity::encoded::{Encoded, H264_HEAD, VP8_HEAD};

use super::codec::Codec;
use super::frame::EncodedSink;

/// Tells the sink of every frame that leaves the depayloader while `open` is set.
pub(super) fn observe(depayloader: &gst::Element, codec: Codec, open: Arc<AtomicBool>, sink: EncodedSink) {
    let Some(pad) = depayloader.static_pad("src") else { return };
    pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, info| {
        if open.load(Ordering::Acquire) {
            match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => sink(look(codec, buffer)),
                Some(gst::PadProbeData::BufferList(list)) => list.iter().for_each(|buffer| sink(look(codec, buffer))),
                _ => {}
            }
        }
        gst::PadProbeReturn::Ok
    });
}

/// Copies the first bytes: to map a frame in pieces would copy all of it.
fn look(codec: Codec, buffer: &gst::BufferRef) -> Encoded {
    let bytes = u32::try_from(buffer.size()).unwrap_or(u32::MAX);
    match codec {
        Codec::Vp8 => Encoded::vp8(head(buffer, &mut [0; VP8_HEAD]), bytes),
        Codec::H264 => Encoded::h264(head(buffer, &mut [0; H264_HEAD]), bytes),
    }
}

/// As much of the buffer's beginning as there is, and room for.
fn head<'a>(buffer: &gst::BufferRef, room: &'a mut [u8]) -> &'a [u8] {
    // the binding takes no more than there is
    let length = room.len().min(buffer.size());
    match buffer.copy_to_slice(0, &mut room[..length]) {
        Ok(()) => &room[..length],
        Err(copied) => &room[..copied.min(length)],
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Frames that the encoder made, by their sizes, and what was told of them behind RTP.
    fn through(codec: Codec, encoder: &str, rtp: &str) -> (Vec<u32>, Vec<Encoded>) {
        crate::media::init().unwrap();
        let source =
            "videotestsrc num-buffers=12 pattern=smpte75 horizontal-speed=5 ! video/x-raw,width=320,height=240";
        let description = format!("{source} ! {encoder} name=encoder ! {rtp} name=depay ! fakesink");
        let pipeline = gst::parse::launch(&description).unwrap().downcast::<gst::Bin>().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = told.clone();
        let open = Arc::new(AtomicBool::new(true));
        observe(
            &pipeline.by_name("depay").unwrap(),
            codec,
            open,
            Arc::new(move |frame| sink.lock().unwrap().push(frame)),
        );
        let made = Arc::new(Mutex::new(Vec::new()));
        let sizes = made.clone();
        let pad = pipeline.by_name("encoder").unwrap().static_pad("src").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            sizes.lock().unwrap().extend(info.buffer().map(|buffer| buffer.size() as u32));
            gst::PadProbeReturn::Ok
        });
        pipeline.set_state(gst::State::Playing).unwrap();
        let last = pipeline
            .bus()
            .unwrap()
            .timed_pop_filtered(gst::ClockTime::from_seconds(20), &[gst::MessageType::Eos, gst::MessageType::Error]);
        pipeline.set_state(gst::State::Null).unwrap();
        assert!(last.is_some_and(|message| message.type_() == gst::MessageType::Eos), "{description}");
        (std::mem::take(&mut *made.lock().unwrap()), std::mem::take(&mut *told.lock().unwrap()))
    }

    #[test]
    fn sizes_and_quantisers_of_vp8_are_the_encoders() {
        // libvpx counts quantisers in 64 steps, the bitstream in 128
        for (step, index) in [(4, 4), (20, 25), (40, 59), (63, 127)] {
            let encoder =
                format!("vp8enc deadline=1 min-quantizer={step} max-quantizer={step} error-resilient=default");
            let (made, told) = through(Codec::Vp8, &encoder, "rtpvp8pay mtu=300 ! rtpvp8depay");
            assert_eq!(told.len(), 12, "{step}");
            assert_eq!(told.iter().map(|frame| frame.bytes).collect::<Vec<_>>(), made, "{step}");
            let quantisers: Vec<_> = told.iter().map(|frame| frame.quantiser).collect();
            assert_eq!(quantisers, [Some(index); 12], "{step}");
        }
    }

    #[test]
    fn frames_shorter_than_what_is_read() {
        crate::media::init().unwrap();
        for length in [0, 1, 9, VP8_HEAD - 1, VP8_HEAD, VP8_HEAD + 1] {
            let buffer = gst::Buffer::from_slice(vec![0_u8; length]);
            for codec in Codec::ALL {
                let expected = Encoded { bytes: length as u32, quantiser: None, x264: false };
                assert_eq!(look(codec, &buffer), expected);
            }
        }
    }

    #[test]
    fn x264_signs_what_it_makes() {
        let (_, told) =
            through(Codec::H264, "x264enc tune=zerolatency", "rtph264pay mtu=300 config-interval=-1 ! rtph264depay");
        assert!(told.len() >= 12 && told.iter().any(|frame| frame.x264), "{told:?}");
        assert!(told.iter().all(|frame| frame.quantiser.is_none() && frame.bytes > 0), "{told:?}");
    }
}

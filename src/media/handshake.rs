//! DTLS over a path that loses packets. OpenSSL waits a whole second before it sends a lost flight again, then two, then
//! four, and GStreamer lets nobody change that: at 15 % loss each way every second handshake would take seconds. So each of
//! our handshake's datagrams goes out three times. The copies are the same records, of which a receiver takes the first
//! (RFC 6347, 4.1.2.6).

use gst::prelude::*;

/// When the copies follow; apart, since packets are lost in bursts.
const COPIES: [gst::ClockTime; 2] = [gst::ClockTime::from_mseconds(40), gst::ClockTime::from_mseconds(120)];
/// Content types of records (RFC 5246, 6.2.1; RFC 6347, 4.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;

/// Sends what a `dtlsenc` says in its handshake again.
pub(super) fn repeat(encoder: &gst::Element) {
    let Some(pad) = encoder.static_pad("src") else { return };
    pad.add_probe(gst::PadProbeType::BUFFER, |pad, info| {
        if let Some(buffer) = info.buffer().filter(|buffer| is_handshake(buffer)) {
            for delay in COPIES {
                send_later(pad, buffer.clone(), delay);
            }
        }
        gst::PadProbeReturn::Ok
    });
}

fn is_handshake(buffer: &gst::BufferRef) -> bool {
    let mut content_type = [0];
    buffer.copy_to_slice(0, &mut content_type).is_ok() && matches!(content_type[0], CHANGE_CIPHER_SPEC | HANDSHAKE)
}

/// Behind the pad, so that its probe does not see the copy.
fn send_later(pad: &gst::Pad, buffer: gst::Buffer, delay: gst::ClockTime) {
    let clock = gst::SystemClock::obtain();
    let pad = pad.downgrade();
    let timer = clock.new_single_shot_id(clock.time() + delay);
    let waits = timer.wait_async(move |_, _, _| {
        if let Some(peer) = pad.upgrade().and_then(|pad| pad.peer()) {
            // it may be shutting down
            let _ = peer.chain(buffer);
        }
    });
    if let Err(error) = waits {
        tracing::debug!(%error, "a handshake's datagram goes out once only");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_handshake_goes_out_three_times_and_the_rest_once() {
        gst::init().unwrap();
        let pipeline =
            gst::parse::launch("appsrc name=in ! identity name=encoder ! appsink name=out sync=false").unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        repeat(&pipeline.by_name("encoder").unwrap());
        let (sender, sent) = mpsc::channel();
        let out = pipeline.by_name("out").and_downcast::<gst_app::AppSink>().unwrap();
        out.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().unwrap();
                    sender.send(sample.buffer().unwrap().map_readable().unwrap()[0]).unwrap();
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        let records = pipeline.by_name("in").and_downcast::<gst_app::AppSrc>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        for content_type in [HANDSHAKE, 21, 23, CHANGE_CIPHER_SPEC] {
            records.push_buffer(gst::Buffer::from_slice([content_type, 254, 253])).unwrap();
        }
        let mut seen = std::iter::from_fn(|| sent.recv_timeout(Duration::from_secs(2)).ok()).collect::<Vec<_>>();
        assert_eq!(seen[..4], [22, 21, 23, 20], "at once, and in order");
        seen.sort();
        assert_eq!(seen, [20, 20, 20, 21, 22, 22, 22, 23]);
        pipeline.set_state(gst::State::Null).unwrap();
    }
}

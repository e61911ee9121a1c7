//! From a tape to files that players know: nothing is decoded. Blocks; for a thread that may.

use std::path::Path;
use std::time::Duration;

use gst::prelude::*;

use super::codec::Codec;
use super::description::Description;
use super::tape::Reel;

/// Longer than a minute of video takes to write.
const LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
#[error("the pipeline {name} fails: {reason}")]
pub struct RemuxError {
    name: &'static str,
    reason: String,
}

/// Media type and usual ending of what [`remux`] writes.
pub fn kind(codec: Codec) -> (&'static str, &'static str) {
    match codec {
        Codec::Vp8 => ("video/webm", "webm"),
        Codec::H264 => ("video/mp4", "mp4"),
    }
}

fn name(codec: Codec) -> &'static str {
    match codec {
        Codec::Vp8 => "remux-vp8",
        Codec::H264 => "remux-h264",
    }
}

/// Whether videos of this codec can be written here.
///
/// # Errors
/// [`RemuxError`]: an element is missing.
pub fn check(codec: Codec) -> Result<(), RemuxError> {
    parse(codec).map(drop)
}

/// What stands in the file, with an appsrc in front.
fn parse(codec: Codec) -> Result<gst::Pipeline, RemuxError> {
    let failed = |reason: String| RemuxError { name: name(codec), reason };
    let words =
        Description::find(name(codec)).and_then(|file| file.words()).map_err(|error| failed(error.to_string()))?;
    gst::parse::launch_full(&format!("appsrc name=frames ! {words}"), None, gst::ParseFlags::FATAL_ERRORS)
        .map_err(|error| failed(error.to_string()))?
        .downcast()
        .map_err(|_| failed("it is no pipeline".into()))
}

/// A pipeline that is stopped when nobody needs it any more.
struct Running(gst::Pipeline);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.set_state(gst::State::Null).is_err() {
            tracing::error!("a pipeline that writes a video cannot be stopped");
        }
    }
}

/// Writes a reel to `file`.
///
/// # Errors
/// [`RemuxError`]: the file is not complete.
pub fn remux(reel: &Reel, file: &Path) -> Result<(), RemuxError> {
    let failed = |reason: String| RemuxError { name: name(reel.codec), reason };
    let pipeline = Running(parse(reel.codec)?);
    let element = |name| pipeline.0.by_name(name).ok_or_else(|| failed(format!("no element is named {name}")));
    let frames = element("frames")?.downcast::<gst_app::AppSrc>().map_err(|_| failed("frames is no appsrc".into()))?;
    frames.set_format(gst::Format::Time);
    // they are in memory already
    frames.set_max_bytes(0);
    frames.set_caps(Some(&reel.caps));
    element("file")?.set_property("location", file);
    let bus = pipeline.0.bus().ok_or_else(|| failed("it has no bus".into()))?;
    pipeline.0.set_state(gst::State::Playing).map_err(|_| failed("it does not start".into()))?;
    let mut least = Duration::ZERO;
    for frame in &reel.frames {
        let mut buffer = gst::Buffer::from_slice(frame.bytes.clone());
        if let Some(buffer) = buffer.get_mut() {
            // no two at the same time, none before another
            let at = frame.at.max(least);
            least = at + Duration::from_millis(1);
            buffer.set_pts(gst::ClockTime::try_from(at).ok());
            if !frame.is_key {
                buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        if frames.push_buffer(buffer).is_err() {
            break;
        }
    }
    let _ = frames.end_of_stream();
    match bus.timed_pop_filtered(LIMIT, &[gst::MessageType::Error, gst::MessageType::Eos]).as_ref().map(|it| it.view())
    {
        Some(gst::MessageView::Eos(_)) => Ok(()),
        Some(gst::MessageView::Error(error)) => {
            Err(failed(format!("{} ({})", error.error(), error.debug().unwrap_or_default())))
        }
        _ => Err(failed(format!("it was not done within {LIMIT}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::media::frame::{FrameOutlet, Observers};
    use crate::media::tape::Tape;

    fn run(description: &str, before: impl FnOnce(&gst::Bin)) {
        let pipeline = gst::parse::launch(description).unwrap().downcast::<gst::Pipeline>().unwrap();
        before(pipeline.upcast_ref());
        let pipeline = Running(pipeline);
        pipeline.0.set_state(gst::State::Playing).unwrap();
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        let last = pipeline.0.bus().unwrap().timed_pop_filtered(LIMIT, &kinds).unwrap();
        assert_eq!(last.type_(), gst::MessageType::Eos, "{description}: {last:?}");
    }

    /// Every frame behind RTP is in the file, with its time, and can be decoded.
    #[test]
    fn a_stream_behind_rtp_becomes_a_file_of_the_same_frames() {
        crate::media::init().unwrap();
        for (codec, rtp, demux) in [
            (
                Codec::Vp8,
                "vp8enc deadline=1 keyframe-max-dist=20 ! rtpvp8pay mtu=300 ! rtpvp8depay",
                "matroskademux ! vp8dec",
            ),
            (
                Codec::H264,
                "x264enc tune=zerolatency key-int-max=20 ! rtph264pay mtu=300 config-interval=-1 ! rtph264depay",
                "qtdemux ! avdec_h264",
            ),
        ] {
            let tape = Tape::new(10 << 20);
            let observers = Observers { encoded: None, tape: Some(tape.clone()) };
            let tap = FrameOutlet::observed(Arc::new(|_| {}), observers).tap();
            let source = "videotestsrc num-buffers=45 pattern=ball ! video/x-raw,width=320,height=240,framerate=15/1";
            let parser = if codec == Codec::H264 { "! h264parse" } else { "" };
            run(&format!("{source} ! {rtp} name=depay {parser} ! fakesink"), |bin| {
                let open = Arc::new(AtomicBool::new(true));
                tap.tape().unwrap().record(&bin.by_name("depay").unwrap(), codec, open);
            });
            let recording = tape.take().unwrap();
            let [reel] = &recording.reels[..] else { panic!("{} reels", recording.reels.len()) };
            assert_eq!((reel.frames.len(), recording.is_cut), (45, false), "{codec:?}");
            assert_eq!(reel.frames.iter().filter(|frame| frame.is_key).count(), 3, "{codec:?}");

            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("video");
            remux(reel, &file).unwrap();
            let times = Arc::new(std::sync::Mutex::new(Vec::new()));
            let seen = times.clone();
            run(&format!("filesrc location={} ! {demux} ! fakesink name=end", file.display()), |bin| {
                let pad = bin.by_name("end").unwrap().static_pad("sink").unwrap();
                pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                    seen.lock()
                        .unwrap()
                        .extend(info.buffer().and_then(|buffer| buffer.pts()).map(|pts| pts.mseconds()));
                    gst::PadProbeReturn::Ok
                });
            });
            let times = times.lock().unwrap();
            let expected: Vec<_> = reel.frames.iter().map(|frame| frame.at.as_millis() as u64).collect();
            assert_eq!(times.len(), expected.len(), "{codec:?}");
            let first = times[0];
            let off = times.iter().zip(&expected).map(|(is, due)| (is - first).abs_diff(*due)).max();
            assert!(off <= Some(1), "{codec:?}: {times:?} for {expected:?}");
        }
    }
}

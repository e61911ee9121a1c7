//! Frames of any file that GStreamer can decode, upright, as fast as somebody takes them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gst::prelude::*;
use gst_video::VideoFrameExt as _;
use vision_core::picture::{Picture, RgbPicture};

use crate::media::frame::VideoPicture;

/// A file may be silent for this long: longer than any seek or decoder needs.
const STALL: gst::ClockTime = gst::ClockTime::from_seconds(20);

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is not there, or not readable.
    #[error("cannot read {0}: {1}")]
    File(PathBuf, std::io::Error),
    /// GStreamer gave up.
    #[error("{path} cannot be decoded: {reason}")]
    Decode {
        /// Which.
        path: PathBuf,
        /// GStreamer's words.
        reason: String,
    },
    /// It has no picture in it.
    #[error("{0} has no video or picture in it")]
    Empty(PathBuf),
}

/// A decoder at work.
pub struct Frames {
    pipeline: gst::Pipeline,
    sink: gst_app::AppSink,
    path: PathBuf,
    count: usize,
}

impl Frames {
    /// Opens a file. A picture stays RGB; video becomes I420 and is taken for BT.601, as in a call.
    pub fn open(path: &Path, picture: bool) -> Result<Self, DecodeError> {
        std::fs::File::open(path).map_err(|e| DecodeError::File(path.into(), e))?;
        let format = if picture { "format=RGB" } else { "format=I420" };
        let description = format!(
            "filesrc name=file ! decodebin ! videoflip video-direction=auto ! videoconvert ! video/x-raw,{format},pixel-aspect-ratio=1/1 ! \
             appsink name=frames sync=false max-buffers=3"
        );
        let failed = |e: &dyn std::fmt::Display| DecodeError::Decode { path: path.into(), reason: e.to_string() };
        let pipeline = gst::parse::launch(&description).map_err(|e| failed(&e))?;
        let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| failed(&"not a pipeline"))?;
        let by_name = |name| pipeline.by_name(name).ok_or_else(|| failed(&"an element is missing"));
        by_name("file")?.set_property("location", path);
        let sink = by_name("frames")?.downcast::<gst_app::AppSink>().map_err(|_| failed(&"no appsink"))?;
        pipeline.set_state(gst::State::Playing).map_err(|e| failed(&e))?;
        Ok(Self { pipeline, sink, path: path.into(), count: 0 })
    }

    /// The next frame and its time; none at the end.
    pub fn next(&mut self) -> Result<Option<(Box<dyn Picture>, Duration)>, DecodeError> {
        let Some(sample) = self.sink.try_pull_sample(STALL) else {
            return self.end();
        };
        self.count += 1;
        let pts = sample.buffer().and_then(|b| b.pts()).map_or(Duration::ZERO, Into::into);
        let picture: Option<Box<dyn Picture>> = match VideoPicture::from_sample(&sample) {
            Some(picture) => Some(Box::new(picture)),
            None => rgb(&sample).map(|p| Box::new(p) as Box<dyn Picture>),
        };
        match picture {
            Some(picture) => Ok(Some((picture, pts))),
            None => Err(DecodeError::Decode { path: self.path.clone(), reason: "its frames have an unusual layout".into() }),
        }
    }

    /// Whether this is the file's end, or a failure.
    fn end(&self) -> Result<Option<(Box<dyn Picture>, Duration)>, DecodeError> {
        let failed = |reason: String| DecodeError::Decode { path: self.path.clone(), reason };
        if let Some(bus) = self.pipeline.bus()
            && let Some(message) = bus.pop_filtered(&[gst::MessageType::Error])
            && let gst::MessageView::Error(e) = message.view()
        {
            return Err(failed(e.error().to_string()));
        }
        match (self.sink.is_eos(), self.count) {
            (true, 0) => Err(DecodeError::Empty(self.path.clone())),
            (true, _) => Ok(None),
            (false, _) => Err(failed("nothing came out of it".into())),
        }
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn rgb(sample: &gst::Sample) -> Option<RgbPicture> {
    let info = gst_video::VideoInfo::from_caps(sample.caps()?).ok()?;
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer()?, &info).ok()?;
    let (width, height) = (info.width() as usize, info.height() as usize);
    let stride = usize::try_from(frame.plane_stride()[0]).ok()?;
    let data = frame.plane_data(0).ok()?.chunks(stride).take(height).flat_map(|row| &row[..3 * width]).copied().collect();
    Some(RgbPicture { data, width, height })
}

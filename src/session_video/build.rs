//! Frames in, one video file out. Blocks; for a thread that may.
//!
//! The first picture decides on the size; others are scaled and get borders. Times are those of the frames, from the first
//! on; each is shown until the next. What is no picture is left out and counted. At most 32 MiB of decoded pictures, and one
//! more, wait for the encoder.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gst::prelude::*;
use vision_core::picture::RgbPicture;
use vision_models::picture_file::{PictureLimits, decode_picture};

use super::draft::Draft;
use crate::media::description::Description;

/// Longest side of a video: pictures of phones are scaled to it.
pub const LONGEST_SIDE: usize = 1920;
/// Shortest: encoders refuse less.
pub const SHORTEST_SIDE: usize = 64;
/// Decoded pictures that wait for the encoder.
const WAITING_BYTES: u64 = 32 << 20;
/// How long the last picture is shown: one of the rate that the pipelines name.
const LAST: Duration = Duration::from_millis(100);
/// Two pictures are never at the same time.
const LEAST_GAP: Duration = Duration::from_millis(1);
/// Between two looks at what waits.
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(5);

/// What a video is encoded with, and in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// In MP4.
    #[default]
    H264,
    /// In MP4.
    H265,
    /// In WebM.
    Vp9,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::H264, Self::H265, Self::Vp9];

    /// As in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "H264",
            Self::H265 => "H265",
            Self::Vp9 => "VP9",
        }
    }

    /// Of the file, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::H264 | Self::H265 => "mp4",
            Self::Vp9 => "webm",
        }
    }

    fn pipeline(self) -> &'static str {
        match self {
            Self::H264 => "session-video-h264",
            Self::H265 => "session-video-h265",
            Self::Vp9 => "session-video-vp9",
        }
    }
}

/// Why there is no video.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Nothing to show. Another attempt has the same frames.
    #[error("none of the {0} frames is a picture that can be decoded")]
    NoPicture(u64),
    /// The folder or the file cannot be written.
    #[error("cannot write {0}: {1}")]
    File(PathBuf, std::io::Error),
    /// GStreamer refuses.
    #[error("the pipeline {name} fails: {reason}")]
    Pipeline {
        /// Its file.
        name: &'static str,
        /// GStreamer's words.
        reason: String,
    },
    /// It takes too long.
    #[error("the video was not done within {0:?}")]
    Timeout(Duration),
}

/// What a file has in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Video {
    /// Pictures.
    pub pictures: u64,
    /// Frames that are no picture.
    pub left_out: u64,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// From the first picture until the last is no longer shown.
    pub duration: Duration,
}

/// Whether videos can be built here.
///
/// # Errors
/// [`BuildError::Pipeline`]: GStreamer, or an element, is missing.
pub fn check(codec: Codec) -> Result<(), BuildError> {
    let failed = |reason: String| BuildError::Pipeline { name: codec.pipeline(), reason };
    gst::init().map_err(|error| failed(error.to_string()))?;
    crate::telemetry::bridge_gstreamer_log();
    parse(codec).map(drop)
}

/// What stands in the file, with an appsrc in front.
fn parse(codec: Codec) -> Result<gst::Pipeline, BuildError> {
    let failed = |reason: String| BuildError::Pipeline { name: codec.pipeline(), reason };
    let words = Description::find(codec.pipeline()).and_then(|file| file.words());
    let description = format!("appsrc name=frames ! {}", words.map_err(|error| failed(error.to_string()))?);
    gst::parse::launch_full(&description, None, gst::ParseFlags::FATAL_ERRORS)
        .map_err(|error| failed(error.to_string()))?
        .downcast()
        .map_err(|_| failed("it is no pipeline".into()))
}

/// A film in the making. Dropped before its end, there is no file.
pub struct Film {
    codec: Codec,
    file: PathBuf,
    timeout: Duration,
    deadline: Instant,
    stream: Option<Stream>,
    /// Waits for the next to know how long it is shown.
    held: Option<(Duration, RgbPicture)>,
    /// Of the first picture.
    begin: Option<Duration>,
    video: Video,
}

impl Film {
    /// Nothing is written before the first picture.
    pub fn new(codec: Codec, file: &Path, timeout: Duration) -> Self {
        let video = Video { pictures: 0, left_out: 0, width: 0, height: 0, duration: Duration::ZERO };
        let deadline = Instant::now() + timeout;
        let file = file.to_owned();
        Self { codec, file, timeout, deadline, stream: None, held: None, begin: None, video }
    }

    /// The next frame: a picture file, and its time on the session's clock. One that is no picture is only counted.
    ///
    /// # Errors
    /// [`BuildError`]: there will be no file.
    pub fn push(&mut self, at: Duration, file: &[u8]) -> Result<(), BuildError> {
        let Ok(picture) = decode_picture(file, &PictureLimits::default()) else {
            self.video.left_out += 1;
            return Ok(());
        };
        self.video.pictures += 1;
        let at = at.saturating_sub(*self.begin.get_or_insert(at));
        let Some((before, held)) = self.held.take() else {
            self.held = Some((at, picture));
            return Ok(());
        };
        let at = at.max(before + LEAST_GAP);
        self.held = Some((at, picture));
        self.write(before, at - before, held)
    }

    fn write(&mut self, at: Duration, shown: Duration, picture: RgbPicture) -> Result<(), BuildError> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let size = video_size(picture.width, picture.height);
                (self.video.width, self.video.height) = size;
                none.insert(Stream::open(self.codec, &self.file, size)?)
            }
        };
        self.video.duration = at + shown;
        stream
            .wait_for_room(self.deadline)
            .and_then(|()| stream.push(at, shown, picture))
            .map_err(|fault| fault.told(self.codec, self.timeout))
    }

    /// Completes the file.
    ///
    /// # Errors
    /// [`BuildError`]: there is no file.
    pub fn finish(mut self) -> Result<(Video, Draft), BuildError> {
        if let Some((at, picture)) = self.held.take() {
            self.write(at, LAST, picture)?;
        }
        let Some(stream) = self.stream else { return Err(BuildError::NoPicture(self.video.left_out)) };
        let draft = stream.end(self.deadline).map_err(|fault| fault.told(self.codec, self.timeout))?;
        Ok((self.video, draft))
    }
}

/// The size of a video whose first picture is this large: even sides, neither too long nor too short.
fn video_size(width: usize, height: usize) -> (u32, u32) {
    let scale = (LONGEST_SIDE as f64 / width.max(height) as f64).min(1.0);
    let side = |side: usize| ((side as f64 * scale / 2.0).round() as usize * 2).max(SHORTEST_SIDE) as u32;
    (side(width), side(height))
}

enum Fault {
    Timeout,
    Said(String),
}

impl Fault {
    fn told(self, codec: Codec, timeout: Duration) -> BuildError {
        match self {
            Self::Timeout => BuildError::Timeout(timeout),
            Self::Said(reason) => BuildError::Pipeline { name: codec.pipeline(), reason },
        }
    }
}

/// A running pipeline and its file.
struct Stream {
    // stopped before the file is removed
    pipeline: Running,
    bus: gst::Bus,
    frames: gst_app::AppSrc,
    /// Of the pictures, as long as it is the same.
    info: Option<gst_video::VideoInfo>,
    draft: Draft,
}

/// Stopped when it is dropped.
struct Running(gst::Pipeline);

impl Stream {
    fn open(codec: Codec, file: &Path, (width, height): (u32, u32)) -> Result<Self, BuildError> {
        let failed = |reason: String| BuildError::Pipeline { name: codec.pipeline(), reason };
        let pipeline = parse(codec)?;
        let element = |name| pipeline.by_name(name).ok_or_else(|| failed(format!("no element is named {name}")));
        let frames =
            element("frames")?.downcast::<gst_app::AppSrc>().map_err(|_| failed("frames is no appsrc".into()))?;
        frames.set_format(gst::Format::Time);
        // what waits is looked after here: a full one would block for ever once the pipeline has failed
        frames.set_max_bytes(0);
        let (width, height) = (width.cast_signed(), height.cast_signed());
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", width)
            .field("height", height)
            .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
            .build();
        element("size")?.set_property("caps", caps);
        element("file")?.set_property("location", file);
        let bus = pipeline.bus().ok_or_else(|| failed("it has no bus".into()))?;
        let draft = Draft::create(file).map_err(|error| BuildError::File(file.to_owned(), error))?;
        let stream = Self { pipeline: Running(pipeline), bus, frames, info: None, draft };
        if stream.pipeline.0.set_state(gst::State::Playing).is_err() {
            let said = stream.said(gst::ClockTime::from_mseconds(100)).err();
            return Err(said.unwrap_or_else(|| Fault::Said("it does not start".into())).told(codec, Duration::ZERO));
        }
        Ok(stream)
    }

    /// Waits for a message; whether the end has come.
    fn said(&self, limit: gst::ClockTime) -> Result<bool, Fault> {
        let message = self.bus.timed_pop_filtered(limit, &[gst::MessageType::Error, gst::MessageType::Eos]);
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => {
                Err(Fault::Said(format!("{} ({})", error.error(), error.debug().unwrap_or_default())))
            }
            Some(gst::MessageView::Eos(_)) => Ok(true),
            _ => Ok(false),
        }
    }

    fn wait_for_room(&self, deadline: Instant) -> Result<(), Fault> {
        while self.frames.current_level_bytes() > WAITING_BYTES {
            self.said(LOOK)?;
            if Instant::now() > deadline {
                return Err(Fault::Timeout);
            }
        }
        Ok(())
    }

    fn push(&mut self, at: Duration, shown: Duration, picture: RgbPicture) -> Result<(), Fault> {
        let fault = |error: &dyn std::fmt::Display| Fault::Said(error.to_string());
        let time = |time: Duration| gst::ClockTime::try_from(time).map_err(|error| fault(&error));
        let (width, height) = (picture.width as u32, picture.height as u32);
        if self.info.as_ref().is_none_or(|info| (info.width(), info.height()) != (width, height)) {
            let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgb, width, height);
            // 0: frames come when they come
            let info = info.fps(gst::Fraction::new(0, 1)).build().map_err(|error| fault(&error))?;
            self.frames.set_caps(Some(&info.to_caps().map_err(|error| fault(&error))?));
            self.info = Some(info);
        }
        let row = picture.width * 3;
        let mut buffer = gst::Buffer::from_mut_slice(picture.data);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(time(at)?);
            buffer.set_duration(time(shown)?);
            // rows lie close together, not at multiples of four bytes
            let flags = gst_video::VideoFrameFlags::empty();
            let stride = i32::try_from(row).map_err(|error| fault(&error))?;
            gst_video::VideoMeta::add_full(buffer, flags, gst_video::VideoFormat::Rgb, width, height, &[0], &[stride])
                .map_err(|error| fault(&error))?;
        }
        if self.frames.push_buffer(buffer).is_err() {
            self.said(gst::ClockTime::from_mseconds(100))?;
            return Err(Fault::Said("it takes no more pictures".into()));
        }
        Ok(())
    }

    /// Waits until everything is in the file.
    fn end(self, deadline: Instant) -> Result<Draft, Fault> {
        let _ = self.frames.end_of_stream();
        let limit = deadline.saturating_duration_since(Instant::now());
        let limit = gst::ClockTime::try_from(limit).map_err(|_| Fault::Timeout)?;
        if self.said(limit)? { Ok(self.draft) } else { Err(Fault::Timeout) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.set_state(gst::State::Null).is_err() {
            tracing::error!("a pipeline of a session video cannot be stopped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn videos_have_even_sides_within_limits() {
        for (picture, video) in [
            ((640, 480), (640, 480)),
            ((321, 241), (322, 242)),
            ((1, 1), (64, 64)),
            ((4000, 3000), (1920, 1440)),
            ((3000, 4000), (1440, 1920)),
            ((10_000, 10), (1920, 64)),
        ] {
            assert_eq!(video_size(picture.0, picture.1), video, "{picture:?}");
        }
    }
}

//! Where a simulated subject's pictures come from: a pipeline, or a painter, that runs at real-time pace and is
//! independent of the connection that its pictures go to.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstvision::rtporientation::{self, Orientation};
use vision_core::picture::I420Mut;

use crate::lock::lock;
use crate::media::MediaError;
use crate::media::pipeline::RunningPipeline;
use crate::media::pool::PicturePool;
use crate::media::screen::PictureSource;

/// Paints the picture of a moment, counted from the start.
pub type Painter = Box<dyn FnMut(Duration, &mut I420Mut<'_>) + Send>;

/// What a camera sees.
pub enum Source {
    /// A file that GStreamer can decode, over and over.
    Clip(PathBuf),
    /// A still picture.
    Picture(PathBuf),
    /// Elements of `gst-launch-1.0` that produce raw video, e.g. `videotestsrc`. Over and over, if they end.
    Launch(String),
    /// Painted by a program.
    Painted {
        /// Width and height in pixels.
        size: (usize, usize),
        /// Called once for every picture, on a thread of its own.
        paint: Painter,
    },
}

/// A camera that runs.
pub struct Camera {
    lens: Lens,
    works: Works,
}

enum Works {
    Pipeline { running: RunningPipeline, format: gst::Element, framerate: u32 },
    Painter,
}

/// The camera's end that a connection is put on.
#[derive(Clone, Default)]
pub(super) struct Lens(Arc<Mutex<Film>>);

#[derive(Default)]
struct Film {
    target: Option<gst_app::AppSrc>,
    covered: bool,
    orientation: Option<Orientation>,
    off: bool,
    /// Packets of the service that will still be lost.
    lost_packets: usize,
    /// Requests for a key frame that will not arrive there.
    lost_requests: usize,
}

impl Lens {
    fn lock(&self) -> MutexGuard<'_, Film> {
        lock(&self.0)
    }

    /// What the packets have to say about the pictures' orientation.
    pub fn orientation(&self) -> Option<Orientation> {
        self.lock().orientation
    }

    /// Whether the packet that has just come is lost.
    pub fn loses_packet(&self) -> bool {
        take_one(&mut self.lock().lost_packets)
    }

    /// Whether the request for a key frame that is going out is lost.
    pub fn loses_request(&self) -> bool {
        take_one(&mut self.lock().lost_requests)
    }

    pub fn lose(&self, packets: usize, requests: usize) {
        let mut film = self.lock();
        (film.lost_packets, film.lost_requests) = (packets, requests);
    }

    fn push(&self, buffer: gst::Buffer, caps: &gst::CapsRef) {
        let film = self.lock();
        let Some(target) = film.target.clone().filter(|_| !film.covered) else { return };
        drop(film);
        if target.caps().as_deref() != Some(caps) {
            target.set_caps(Some(&caps.to_owned()));
        }
        // dated by the connection's own clock
        let mut buffer = buffer;
        let plain = buffer.make_mut();
        plain.set_pts(gst::ClockTime::NONE);
        plain.set_dts(gst::ClockTime::NONE);
        let _ = target.push_buffer(buffer);
    }
}

fn take_one(left: &mut usize) -> bool {
    let is_one = *left > 0;
    *left -= usize::from(is_one);
    is_one
}

impl PictureSource for Lens {
    fn attach(&self, pictures: &gst_app::AppSrc) {
        self.lock().target = Some(pictures.clone());
        if let Some(packets) = pictures.parent().and_downcast::<gst::Bin>().and_then(|branch| branch.static_pad("src"))
        {
            mark_orientation(&packets, self.clone());
        }
    }

    fn detach(&self) {
        self.lock().target = None;
    }
}

/// Writes the orientation into the last packet of every picture, as a phone does, where the header extension was
/// negotiated.
fn mark_orientation(packets: &gst::Pad, lens: Lens) {
    packets.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |pad, info| {
        let Some(orientation) = lens.orientation() else { return gst::PadProbeReturn::Ok };
        let Some(id) = pad.current_caps().and_then(|caps| orientation_id(&caps)) else {
            return gst::PadProbeReturn::Ok;
        };
        let mark = |buffer: &mut gst::BufferRef| {
            if let Ok(mut packet) = gst_rtp::RTPBuffer::from_buffer_writable(buffer)
                && packet.is_marker()
            {
                let _ = packet.add_extension_onebyte_header(id, &[orientation.to_byte()]);
            }
        };
        match &mut info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => mark(buffer.make_mut()),
            Some(gst::PadProbeData::BufferList(list)) => {
                list.make_mut().foreach_mut(|mut buffer, _| {
                    mark(buffer.make_mut());
                    std::ops::ControlFlow::Continue(Some(buffer))
                });
            }
            _ => (),
        }
        gst::PadProbeReturn::Ok
    });
}

/// The id of the orientation's header extension, out of the caps' `extmap-ID` fields.
fn orientation_id(caps: &gst::CapsRef) -> Option<u8> {
    let fields = caps.structure(0)?;
    let is_orientation = |name: &str| fields.get::<&str>(name).is_ok_and(|uri| uri == rtporientation::URI);
    fields.fields().find(|name| is_orientation(name))?.strip_prefix("extmap-")?.parse().ok()
}

impl Camera {
    /// Switches it on. `size` as in [`SubjectOptions`](super::SubjectOptions).
    pub fn start(source: Source, size: Option<(u32, u32)>, framerate: u32) -> Result<Self, MediaError> {
        let lens = Lens::default();
        let framerate = framerate.max(1);
        let works = match source {
            Source::Clip(file) => pipeline("filesrc name=file ! decodebin", Some(file), size, framerate, &lens)?,
            Source::Picture(file) => pipeline(
                "filesrc name=file ! decodebin ! videoconvert ! imagefreeze",
                Some(file),
                size,
                framerate,
                &lens,
            )?,
            Source::Launch(text) => pipeline(&text, None, size, framerate, &lens)?,
            Source::Painted { size, paint } => {
                let pool = PicturePool::new(size, framerate)
                    .map_err(|error| MediaError::element("no buffers to paint into", error))?;
                let lens = lens.clone();
                std::thread::Builder::new()
                    .name("painter".into())
                    .spawn(move || keep_painting(&lens, &pool, framerate, paint))
                    .map_err(|error| MediaError::element("the painter's thread does not start", error))?;
                Works::Painter
            }
        };
        Ok(Self { lens, works })
    }

    /// Its pictures go into this connection from now on.
    pub fn show_to(&self, pictures: &gst_app::AppSrc) {
        self.lens.attach(pictures);
    }

    pub(super) fn lens(&self) -> Lens {
        self.lens.clone()
    }

    /// No pictures at all, though the connection stays.
    pub fn cover(&self, covered: bool) {
        self.lens.lock().covered = covered;
    }

    /// What the header extension `urn:3gpp:video-orientation` says from now on; the pictures stay as they are.
    pub fn set_orientation(&self, orientation: Option<Orientation>) {
        self.lens.lock().orientation = orientation;
    }

    /// Another size of picture from now on. A painter's size stays.
    pub fn set_size(&self, size: (u32, u32)) {
        if let Works::Pipeline { format, framerate, .. } = &self.works {
            format.set_property("caps", caps(Some(size), *framerate));
        }
    }

    /// Switches it off.
    pub async fn stop(self) {
        self.lens.lock().off = true;
        if let Works::Pipeline { running, .. } = self.works {
            running.stop().await;
        }
    }
}

fn caps(size: Option<(u32, u32)>, framerate: u32) -> gst::Caps {
    let side = |side: u32| i32::try_from(side).unwrap_or(i32::MAX);
    let caps = gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("framerate", gst::Fraction::new(side(framerate), 1))
        .field("pixel-aspect-ratio", gst::Fraction::new(1, 1));
    match size {
        Some((width, height)) => caps.field("width", side(width)).field("height", side(height)),
        None => caps,
    }
    .build()
}

fn pipeline(
    source: &str,
    file: Option<PathBuf>,
    size: Option<(u32, u32)>,
    framerate: u32,
    lens: &Lens,
) -> Result<Works, MediaError> {
    let text = format!(
        "{source} ! videorate ! videoscale add-borders=true ! videoconvert ! capsfilter name=format ! appsink name=out"
    );
    let unusable = |reason: String| MediaError::Element { what: "the camera cannot be built", reason };
    let pipeline = gst::parse::launch_full(&text, None, gst::ParseFlags::FATAL_ERRORS)
        .map_err(|error| unusable(error.to_string()))?
        .downcast::<gst::Pipeline>()
        .map_err(|_| unusable("not a pipeline".into()))?;
    let element = |name: &str| pipeline.by_name(name).ok_or_else(|| unusable(format!("no element named {name}")));
    if let Some(file) = file {
        element("file")?.set_property("location", file);
    }
    let format = element("format")?;
    format.set_property("caps", caps(size, framerate));
    let sink = element("out")?.downcast::<gst_app::AppSink>().map_err(|_| unusable("out is no appsink".into()))?;
    // the sink waits for each picture's time: that is the camera's pace
    sink.set_property("sync", true);
    sink.set_property("max-buffers", 2u32);
    sink.set_property("drop", true);
    sink.set_property("enable-last-sample", false);
    let (lens, rewound) = (lens.clone(), pipeline.downgrade());
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Flushing)?;
                if let (Some(buffer), Some(caps)) = (sample.buffer_owned(), sample.caps()) {
                    lens.push(buffer, caps);
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .eos(move |_| {
                // seeking waits for the thread that is here
                if let Some(pipeline) = rewound.upgrade() {
                    pipeline.call_async(|pipeline| {
                        let _ = pipeline.seek_simple(gst::SeekFlags::FLUSH, gst::ClockTime::ZERO);
                    });
                }
            })
            .build(),
    );
    let running = RunningPipeline::new(pipeline, |error| tracing::error!(error, "the camera failed"));
    running.play().map_err(|error| unusable(error.to_string()))?;
    Ok(Works::Pipeline { running, format, framerate })
}

fn keep_painting(lens: &Lens, pool: &PicturePool, framerate: u32, mut paint: Painter) {
    let interval = Duration::from_secs(1) / framerate;
    let start = Instant::now();
    let mut next = start;
    // ends with the camera, whose handle sets `off`, or whose lens is the last one
    while !lens.lock().off && Arc::strong_count(&lens.0) > 1 {
        match pool.acquire() {
            Ok(mut picture) => {
                paint(start.elapsed(), &mut picture.view_mut());
                lens.push(picture.into_buffer(), pool.caps());
            }
            Err(error) => tracing::warn!(%error, "a picture could not be painted"),
        }
        next = (next + interval).max(Instant::now());
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

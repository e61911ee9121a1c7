//! What the elements that look at pictures share: their pads, their clock, a buffer as the networks see it.

use glib::prelude::*;
use gst::prelude::*;
use gst_base::prelude::*;
use gst_video::prelude::*;
use gst_video::{VideoCapsBuilder, VideoFormat, VideoFrameRef, VideoInfo};
use vision_core::picture::{I420View, Nv12View, PictureView, RgbView};

use crate::pace::Pace;

/// The formats whose pixels are read where they lie.
const FORMATS: [VideoFormat; 3] = [VideoFormat::I420, VideoFormat::Nv12, VideoFormat::Rgb];
/// From a frame to the next when they have no times.
const FRAME: gst::ClockTime = gst::ClockTime::from_nseconds(1_000_000_000 / 30);

/// The pads of an element that looks at pictures and hands them on.
pub(crate) fn pad_templates() -> Vec<gst::PadTemplate> {
    let caps = VideoCapsBuilder::new().format_list(FORMATS).build();
    [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)]
        .map(|(name, direction)| {
            gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).expect("a template of valid caps")
        })
        .to_vec()
}

/// Downstream's buffers are proposed to upstream: an element that changes no pixel needs none of its own.
pub(crate) fn propose_allocation(
    element: &impl IsA<gst_base::BaseTransform>,
    query: &mut gst::query::Allocation,
    category: gst::DebugCategory,
) -> Result<(), gst::LoggableError> {
    match element.src_pad().peer_query(query) {
        true => Ok(()),
        false => Err(gst::loggable_error!(category, "downstream proposes no allocation")),
    }
}

/// When a buffer is shown, if it says so.
pub(crate) fn running_time(
    element: &impl IsA<gst_base::BaseTransform>,
    buffer: &gst::BufferRef,
) -> Option<gst::ClockTime> {
    element.segment().downcast_ref::<gst::ClockTime>()?.to_running_time(buffer.pts()?)
}

/// Posts a message about a buffer.
pub(crate) fn post(
    element: &(impl IsA<gst_base::BaseTransform> + IsA<gst::Element>),
    structure: gst::structure::Builder,
    buffer: &gst::BufferRef,
) {
    let structure = structure
        .field_if_some("timestamp", buffer.pts())
        .field_if_some("running-time", running_time(element, buffer))
        .build();
    // Without a bus nobody wants to know.
    let element = element.upcast_ref::<gst::Element>();
    let _ = element.post_message(gst::message::Element::builder(structure).src(element).build());
}

/// A buffer is shorter than its caps say, or its planes lie as no view can say.
#[derive(Debug, thiserror::Error)]
#[error("a buffer does not hold the picture that its caps promise")]
pub(crate) struct BrokenPicture;

/// What an element remembers of the stream that it looks at.
#[derive(Default)]
pub(crate) struct Watch {
    info: Option<VideoInfo>,
    pace: Pace,
    now: gst::ClockTime,
}

impl Watch {
    pub(crate) fn set_caps(
        &mut self,
        caps: &gst::CapsRef,
        category: gst::DebugCategory,
    ) -> Result<(), gst::LoggableError> {
        let info = VideoInfo::from_caps(caps)
            .map_err(|_| gst::loggable_error!(category, "these caps say too little: {caps}"))?;
        self.info = Some(info);
        Ok(())
    }

    /// After a flush or in a new segment the next frame is due.
    pub(crate) fn restart(&mut self) {
        self.pace = Pace::default();
    }

    /// A frame came: its running time. Without one it is a frame later than the one before.
    pub(crate) fn tick(
        &mut self,
        element: &impl IsA<gst_base::BaseTransform>,
        buffer: &gst::BufferRef,
    ) -> gst::ClockTime {
        self.now = running_time(element, buffer).unwrap_or(self.now + FRAME);
        self.now
    }

    /// Whether the frame of the last tick is to be looked at. One that is marked as a gap shows nothing.
    pub(crate) fn is_due(&self, interval: gst::ClockTime, buffer: &gst::BufferRef) -> bool {
        !buffer.flags().contains(gst::BufferFlags::GAP) && self.pace.is_due(interval, self.now)
    }

    /// The frame of the last tick was looked at.
    pub(crate) fn looked(&mut self, interval: gst::ClockTime) {
        self.pace.looked(interval, self.now);
    }

    /// Maps the buffer and lends its pixels.
    pub(crate) fn with_picture<T>(
        &self,
        buffer: &gst::BufferRef,
        look: impl FnOnce(&PictureView<'_>) -> T,
    ) -> Result<T, BrokenPicture> {
        let info = self.info.as_ref().ok_or(BrokenPicture)?;
        let frame = VideoFrameRef::from_buffer_ref_readable(buffer, info).map_err(|_| BrokenPicture)?;
        Ok(look(&view(&frame).ok_or(BrokenPicture)?))
    }
}

fn view<'a>(frame: &'a VideoFrameRef<&gst::BufferRef>) -> Option<PictureView<'a>> {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let stride = |plane: usize| usize::try_from(*frame.plane_stride().get(plane)?).ok();
    let plane = |plane: u32| frame.plane_data(plane).ok();
    Some(match frame.format() {
        VideoFormat::Rgb => PictureView::Rgb(RgbView { data: plane(0)?, width, height, stride: stride(0)? }),
        VideoFormat::I420 if stride(1) == stride(2) => PictureView::I420(I420View {
            y: plane(0)?,
            u: plane(1)?,
            v: plane(2)?,
            y_stride: stride(0)?,
            uv_stride: stride(1)?,
            width,
            height,
        }),
        VideoFormat::Nv12 => PictureView::Nv12(Nv12View {
            y: plane(0)?,
            uv: plane(1)?,
            y_stride: stride(0)?,
            uv_stride: stride(1)?,
            width,
            height,
        }),
        _ => return None,
    })
}

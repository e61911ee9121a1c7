//! Frames that elements draw onto.

use gst_base::prelude::*;
use gst_video::prelude::*;
use vision_core::picture::{I420Mut, I420View, Nv12Mut, PictureMut, RgbMut};

/// Sets controlled properties to their values at this buffer.
pub(crate) fn sync_properties(element: &impl IsA<gst_base::BaseTransform>, buffer: &gst::BufferRef) {
    let segment = element.as_ref().segment();
    let time = segment.downcast_ref::<gst::ClockTime>().and_then(|segment| segment.to_stream_time(buffer.pts()?));
    if let Some(time) = time {
        // Fails when a property is not controlled any more, which is no reason to stop.
        let _ = element.as_ref().sync_values(time);
    }
}

fn strides<F: VideoFrameExt>(frame: &F) -> [usize; 4] {
    std::array::from_fn(|plane| frame.plane_stride().get(plane).map_or(0, |stride| stride.unsigned_abs() as usize))
}

/// The planes of an I420 frame; `None` for other formats, or when the two chroma planes have different strides.
pub(crate) fn i420_view<'a>(frame: &'a gst_video::VideoFrameRef<&gst::BufferRef>) -> Option<I420View<'a>> {
    let [y_stride, uv_stride, v_stride, _] = strides(frame);
    if frame.format() != gst_video::VideoFormat::I420 || uv_stride != v_stride {
        return None;
    }
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let [y, u, v, _] = frame.planes_data();
    Some(I420View { y, u, v, y_stride, uv_stride, width, height })
}

/// A frame of one of the formats of [`pad_templates`](crate::video::pad_templates) to draw onto; `None` for others, or
/// for I420 whose chroma planes have different strides.
pub(crate) fn picture_mut<'a>(frame: &'a mut gst_video::VideoFrameRef<&mut gst::BufferRef>) -> Option<PictureMut<'a>> {
    let [y_stride, uv_stride, v_stride, _] = strides(frame);
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let format = frame.format();
    let [first, second, third, _] = frame.planes_data_mut();
    match format {
        gst_video::VideoFormat::I420 if uv_stride == v_stride => {
            Some(PictureMut::I420(I420Mut { y: first, u: second, v: third, y_stride, uv_stride, width, height }))
        }
        gst_video::VideoFormat::Nv12 => {
            Some(PictureMut::Nv12(Nv12Mut { y: first, uv: second, y_stride, uv_stride, width, height }))
        }
        gst_video::VideoFormat::Rgb => Some(PictureMut::Rgb(RgbMut { data: first, width, height, stride: y_stride })),
        _ => None,
    }
}

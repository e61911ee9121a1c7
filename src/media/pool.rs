//! Buffers to draw pictures into, all of one size, used again and again.

use gst::prelude::*;
use gst_video::prelude::*;
use vision_core::picture::{I420Mut, I420View};

/// Makes writable I420 pictures (BT.601) of one size.
pub struct PicturePool {
    pool: gst_video::VideoBufferPool,
    info: gst_video::VideoInfo,
    caps: gst::Caps,
}

impl PicturePool {
    /// For pictures of this width and height, at this rate.
    pub fn new((width, height): (usize, usize), framerate: u32) -> Result<Self, glib::BoolError> {
        let side = |side: usize| u32::try_from(side).map_err(|_| glib::bool_error!("a side of {side} pixels"));
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, side(width)?, side(height)?)
            .fps(gst::Fraction::new(i32::try_from(framerate).unwrap_or(i32::MAX), 1))
            .colorimetry(&"bt601".parse::<gst_video::VideoColorimetry>()?)
            .build()?;
        let caps = info.to_caps()?;
        let pool = gst_video::VideoBufferPool::new();
        let mut config = pool.config();
        config.set_params(Some(&caps), u32::try_from(info.size()).unwrap_or(u32::MAX), 2, 0);
        pool.set_config(config)?;
        pool.set_active(true)?;
        Ok(Self { pool, info, caps })
    }

    /// Width and height.
    pub fn size(&self) -> (usize, usize) {
        (self.info.width() as usize, self.info.height() as usize)
    }

    /// What the buffers are, for an `appsrc`.
    pub fn caps(&self) -> &gst::Caps {
        &self.caps
    }

    /// A picture to draw into; its old content is still in it.
    pub fn acquire(&self) -> Result<DrawnPicture, glib::BoolError> {
        let buffer =
            self.pool.acquire_buffer(None).map_err(|error| glib::bool_error!("the pool has no buffer: {error:?}"))?;
        gst_video::VideoFrame::from_buffer_writable(buffer, &self.info)
            .map(DrawnPicture)
            .map_err(|_| glib::bool_error!("a buffer of the pool cannot be mapped"))
    }
}

impl Drop for PicturePool {
    fn drop(&mut self) {
        // buffers that are still on their way come back to nobody and are freed
        let _ = self.pool.set_active(false);
    }
}

/// A buffer that is being drawn into.
pub struct DrawnPicture(gst_video::VideoFrame<gst_video::video_frame::Writable>);

impl DrawnPicture {
    fn strides(&self) -> (usize, usize) {
        let strides = self.0.plane_stride();
        (strides[0].unsigned_abs() as usize, strides[1].unsigned_abs() as usize)
    }

    /// For reading.
    pub fn view(&self) -> I420View<'_> {
        let (y_stride, uv_stride) = self.strides();
        let (width, height) = (self.0.width() as usize, self.0.height() as usize);
        let [y, u, v, _] = self.0.planes_data();
        I420View { y, u, v, y_stride, uv_stride, width, height }
    }

    /// For drawing.
    pub fn view_mut(&mut self) -> I420Mut<'_> {
        let (y_stride, uv_stride) = self.strides();
        let (width, height) = (self.0.width() as usize, self.0.height() as usize);
        let [y, u, v, _] = self.0.planes_data_mut();
        I420Mut { y, u, v, y_stride, uv_stride, width, height }
    }

    /// Drawn.
    pub fn into_buffer(self) -> gst::Buffer {
        self.0.into_buffer()
    }
}

//! Pictures as they are passed around: borrowed planes with a stride, never copied on the way.
//!
//! Untagged video is BT.601 limited range; that is the only colour space that an [`I420View`] and an [`Nv12View`] have here.

/// 8-bit RGB, interleaved, `stride` bytes from one row to the next.
#[derive(Clone, Copy)]
pub struct RgbView<'a> {
    /// At least `stride * (height - 1) + 3 * width` bytes.
    pub data: &'a [u8],
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Bytes between rows.
    pub stride: usize,
}

/// 8-bit planar YUV 4:2:0, BT.601 limited range. Chroma planes are `width.div_ceil(2)` x `height.div_ceil(2)`.
#[derive(Clone, Copy)]
pub struct I420View<'a> {
    /// Luma.
    pub y: &'a [u8],
    /// Blue difference.
    pub u: &'a [u8],
    /// Red difference.
    pub v: &'a [u8],
    /// Bytes between luma rows.
    pub y_stride: usize,
    /// Bytes between chroma rows, the same for both planes.
    pub uv_stride: usize,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
}

/// 8-bit semi-planar YUV 4:2:0, BT.601 limited range: as [`I420View`], with both chroma planes interleaved in one, blue
/// difference first.
#[derive(Clone, Copy)]
pub struct Nv12View<'a> {
    /// Luma.
    pub y: &'a [u8],
    /// Chroma in pairs.
    pub uv: &'a [u8],
    /// Bytes between luma rows.
    pub y_stride: usize,
    /// Bytes between chroma rows.
    pub uv_stride: usize,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
}

/// An [`I420View`] that can be written.
pub struct I420Mut<'a> {
    /// Luma.
    pub y: &'a mut [u8],
    /// Blue difference.
    pub u: &'a mut [u8],
    /// Red difference.
    pub v: &'a mut [u8],
    /// Bytes between luma rows.
    pub y_stride: usize,
    /// Bytes between chroma rows, the same for both planes.
    pub uv_stride: usize,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
}

/// An [`Nv12View`] that can be written.
pub struct Nv12Mut<'a> {
    /// Luma.
    pub y: &'a mut [u8],
    /// Blue and red difference in turn, `width.div_ceil(2)` pairs in a row.
    pub uv: &'a mut [u8],
    /// Bytes between luma rows.
    pub y_stride: usize,
    /// Bytes between chroma rows.
    pub uv_stride: usize,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
}

/// An [`RgbView`] that can be written.
pub struct RgbMut<'a> {
    /// At least `stride * (height - 1) + 3 * width` bytes.
    pub data: &'a mut [u8],
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Bytes between rows.
    pub stride: usize,
}

/// A picture that is drawn onto in place.
pub enum PictureMut<'a> {
    /// What the software decoders give.
    I420(I420Mut<'a>),
    /// What hardware decoders and many cameras give.
    Nv12(Nv12Mut<'a>),
    /// What picture files give.
    Rgb(RgbMut<'a>),
}

impl PictureMut<'_> {
    /// Width and height in pixels.
    pub fn size(&self) -> (usize, usize) {
        match self {
            Self::I420(p) => (p.width, p.height),
            Self::Nv12(p) => (p.width, p.height),
            Self::Rgb(p) => (p.width, p.height),
        }
    }
}

/// A picture in one of the formats that the networks look at.
#[derive(Clone, Copy)]
pub enum PictureView<'a> {
    /// Decoded images, and files in tests.
    Rgb(RgbView<'a>),
    /// Decoded video.
    I420(I420View<'a>),
    /// Video of hardware decoders and of most cameras.
    Nv12(Nv12View<'a>),
}

impl PictureView<'_> {
    /// Width in pixels.
    pub fn width(&self) -> usize {
        match self {
            Self::Rgb(p) => p.width,
            Self::I420(p) => p.width,
            Self::Nv12(p) => p.width,
        }
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        match self {
            Self::Rgb(p) => p.height,
            Self::I420(p) => p.height,
            Self::Nv12(p) => p.height,
        }
    }

    /// A copy as RGB without padding.
    pub fn to_rgb(&self) -> RgbPicture {
        let data = match self {
            Self::Rgb(view) => {
                let rows = view.data.chunks(view.stride.max(1)).take(view.height);
                rows.flat_map(|row| &row[..3 * view.width]).copied().collect()
            }
            Self::I420(p) => yuv_to_rgb(p.y, p.y_stride, [p.u, p.v], p.uv_stride, 1, p.width, p.height),
            Self::Nv12(p) => {
                let chroma = [p.uv, p.uv.get(1..).unwrap_or_default()];
                yuv_to_rgb(p.y, p.y_stride, chroma, p.uv_stride, 2, p.width, p.height)
            }
        };
        RgbPicture { data, width: self.width(), height: self.height() }
    }
}

/// BT.601, limited range, in 16.16 fixed point. `step`: bytes from one chroma sample of a row to the next.
fn yuv_to_rgb(
    luma: &[u8],
    luma_stride: usize,
    [u, v]: [&[u8]; 2],
    chroma_stride: usize,
    step: usize,
    width: usize,
    height: usize,
) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(3 * width * height);
    for row in 0..height {
        let luma = &luma[row * luma_stride..][..width];
        let chroma = row / 2 * chroma_stride;
        for (column, &y) in luma.iter().enumerate() {
            let y = 76_309 * (i32::from(y) - 16) + 32_768;
            let at = chroma + column / 2 * step;
            let (u, v) = (i32::from(u[at]) - 128, i32::from(v[at]) - 128);
            let byte = |value: i32| (value >> 16).clamp(0, 255) as u8;
            rgb.extend([byte(y + 104_597 * v), byte(y - 25_675 * u - 53_279 * v), byte(y + 132_201 * u)]);
        }
    }
    rgb
}

/// Something that owns a picture and lends it: a mapped GStreamer buffer, a decoded image.
/// Shared between threads as `Arc<dyn Picture>`, so that a frame is never copied on its way to the networks.
pub trait Picture: Send + Sync {
    /// The pixels.
    fn view(&self) -> PictureView<'_>;
}

/// An owned RGB picture without padding.
#[derive(Clone)]
pub struct RgbPicture {
    /// `3 * width * height` bytes.
    pub data: Vec<u8>,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
}

impl Picture for RgbPicture {
    fn view(&self) -> PictureView<'_> {
        PictureView::Rgb(RgbView { data: &self.data, width: self.width, height: self.height, stride: 3 * self.width })
    }
}

// Pixels are biometric data: a picture that ends up in a `{:?}` shows its size only.
impl std::fmt::Debug for RgbPicture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RgbPicture({}x{})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn video_is_bt601_limited() {
        // Black, white, and the red of BT.601 (Y 81, U 90, V 240), in a 3x2 picture with padding.
        for (y, u, v, rgb) in [(16, 128, 128, [0, 0, 0]), (235, 128, 128, [255, 255, 255]), (81, 90, 240, [254, 0, 0])]
        {
            let luma = [y, y, y, 0, y, y, y, 0];
            let view = I420View { y: &luma, u: &[u, u], v: &[v, v], y_stride: 4, uv_stride: 2, width: 3, height: 2 };
            let rgb_of_i420 = PictureView::I420(view).to_rgb().data;
            for pixel in rgb_of_i420.chunks(3) {
                assert!(pixel.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 1), "{pixel:?} {rgb:?}");
            }
            let view = Nv12View { y: &luma, uv: &[u, v, u, v], y_stride: 4, uv_stride: 4, width: 3, height: 2 };
            assert_eq!(PictureView::Nv12(view).to_rgb().data, rgb_of_i420);
        }
    }
}

//! Pictures as JPEG, for those who take pictures in messages.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use vision_core::picture::{I420View, PictureView, RgbView};

/// High enough that embeddings do not feel it.
const QUALITY: u8 = 92;

/// Encodes `picture`. Fails only for pictures that JPEG cannot hold (an empty one, or more than 65,535 pixels on a
/// side).
pub(crate) fn jpeg(picture: PictureView<'_>) -> Result<Vec<u8>, image::ImageError> {
    let rgb = match picture {
        PictureView::Rgb(view) => packed(view),
        PictureView::I420(view) => from_i420(view),
    };
    let mut encoded = Vec::new();
    JpegEncoder::new_with_quality(&mut encoded, QUALITY).encode(
        &rgb,
        picture.width() as u32,
        picture.height() as u32,
        ExtendedColorType::Rgb8,
    )?;
    Ok(encoded)
}

/// `data:image/jpeg;base64,...`
pub(crate) fn data_url(jpeg: &[u8]) -> String {
    let mut url = String::from("data:image/jpeg;base64,");
    BASE64_STANDARD.encode_string(jpeg, &mut url);
    url
}

fn packed(view: RgbView<'_>) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(3 * view.width * view.height);
    for row in view.data.chunks(view.stride.max(1)).take(view.height) {
        rgb.extend_from_slice(&row[..3 * view.width]);
    }
    rgb
}

/// BT.601, limited range, in 16.16 fixed point.
fn from_i420(view: I420View<'_>) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(3 * view.width * view.height);
    for row in 0..view.height {
        let luma = &view.y[row * view.y_stride..][..view.width];
        let chroma = row / 2 * view.uv_stride;
        for (column, &y) in luma.iter().enumerate() {
            let y = 76_309 * (i32::from(y) - 16) + 32_768;
            let u = i32::from(view.u[chroma + column / 2]) - 128;
            let v = i32::from(view.v[chroma + column / 2]) - 128;
            let byte = |value: i32| (value >> 16).clamp(0, 255) as u8;
            rgb.extend([byte(y + 104_597 * v), byte(y - 25_675 * u - 53_279 * v), byte(y + 132_201 * u)]);
        }
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i420_is_bt601_limited() {
        // Black, white, and the red of BT.601 (Y 81, U 90, V 240), in a 3x2 picture with padding.
        for (y, u, v, rgb) in [(16, 128, 128, [0, 0, 0]), (235, 128, 128, [255, 255, 255]), (81, 90, 240, [254, 0, 0])]
        {
            let luma = [y, y, y, 0, y, y, y, 0];
            let view = I420View { y: &luma, u: &[u, u], v: &[v, v], y_stride: 4, uv_stride: 2, width: 3, height: 2 };
            for pixel in from_i420(view).chunks(3) {
                assert!(pixel.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 1), "{pixel:?} {rgb:?}");
            }
        }
    }

    #[test]
    fn padding_is_left_out_and_the_size_is_kept() {
        let data: Vec<u8> = [[200, 40, 40, 200, 40, 40, 9, 9], [200, 40, 40, 200, 40, 40, 9, 9]].concat();
        let view = RgbView { data: &data, width: 2, height: 2, stride: 8 };
        let decoded = image::load_from_memory(&jpeg(PictureView::Rgb(view)).unwrap()).unwrap().into_rgb8();
        assert_eq!(decoded.dimensions(), (2, 2));
        assert!(decoded.pixels().all(|p| p[0].abs_diff(200) < 6 && p[2].abs_diff(40) < 6));
        assert!(data_url(b"x").starts_with("data:image/jpeg;base64,eA=="));
        let empty = RgbView { data: &[], width: 0, height: 0, stride: 0 };
        assert!(jpeg(PictureView::Rgb(empty)).is_err());
    }
}

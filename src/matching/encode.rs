//! Pictures as JPEG, for those who take pictures in messages.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use vision_core::picture::PictureView;

/// High enough that embeddings do not feel it.
const QUALITY: u8 = 92;

/// Encodes `picture`. Fails only for pictures that JPEG cannot hold (an empty one, or more than 65,535 pixels on a
/// side).
pub(crate) fn jpeg(picture: PictureView<'_>) -> Result<Vec<u8>, image::ImageError> {
    let rgb = picture.to_rgb();
    let (width, height) = (rgb.width as u32, rgb.height as u32);
    let mut encoded = Vec::new();
    JpegEncoder::new_with_quality(&mut encoded, QUALITY).encode(&rgb.data, width, height, ExtendedColorType::Rgb8)?;
    Ok(encoded)
}

/// `data:image/jpeg;base64,...`
pub(crate) fn data_url(jpeg: &[u8]) -> String {
    let mut url = String::from("data:image/jpeg;base64,");
    BASE64_STANDARD.encode_string(jpeg, &mut url);
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use vision_core::picture::RgbView;

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

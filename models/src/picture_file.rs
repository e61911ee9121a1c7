//! Picture files from outside (JPEG, PNG, WebP) as RGB, within limits, the way up that their EXIF data says.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use vision_core::picture::RgbPicture;

/// How large a picture file may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureLimits {
    /// Of the file.
    pub max_bytes: usize,
    /// Width times height.
    pub max_pixels: usize,
}

impl Default for PictureLimits {
    /// 16 MiB and 40 megapixels: what a phone's camera makes.
    fn default() -> Self {
        Self { max_bytes: 16 << 20, max_pixels: 40_000_000 }
    }
}

/// Why a file is no picture to be used.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The file is larger than allowed.
    #[error("the picture file has {bytes} bytes, at most {limit} are allowed")]
    TooManyBytes {
        /// Of the file.
        bytes: usize,
        /// Allowed.
        limit: usize,
    },
    /// The picture is larger than allowed.
    #[error("the picture has {width}x{height} pixels, at most {limit} in all are allowed")]
    TooManyPixels {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
        /// Allowed, width times height.
        limit: usize,
    },
    /// Not one of the formats.
    #[error("the file is not a JPEG, PNG or WebP picture")]
    UnknownFormat,
    /// Broken, or of a variant that is not supported.
    #[error("the picture cannot be decoded: {0}")]
    Broken(String),
}

/// Media type and usual ending of a picture file, by its first bytes. What is neither PNG nor WebP is called a JPEG.
pub fn kind(file: &[u8]) -> (&'static str, &'static str) {
    match image::guess_format(file) {
        Ok(ImageFormat::Png) => ("image/png", "png"),
        Ok(ImageFormat::WebP) => ("image/webp", "webp"),
        _ => ("image/jpeg", "jpg"),
    }
}

/// Decodes a picture. Size is checked before anything is decoded; transparency is ignored.
///
/// # Errors
/// Every variant of [`PictureError`].
pub fn decode_picture(bytes: &[u8], limits: &PictureLimits) -> Result<RgbPicture, PictureError> {
    if bytes.len() > limits.max_bytes {
        return Err(PictureError::TooManyBytes { bytes: bytes.len(), limit: limits.max_bytes });
    }
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| broken(error.into()))?;
    if reader.format().is_none() {
        return Err(PictureError::UnknownFormat);
    }
    // A decoder may need the picture, once more at 16 bits with transparency, and some tables.
    let mut allocation = Limits::default();
    allocation.max_alloc = Some(limits.max_pixels as u64 * 12 + (8 << 20));
    reader.limits(allocation);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > limits.max_pixels as u64 {
        return Err(PictureError::TooManyPixels { width, height, limit: limits.max_pixels });
    }
    if width == 0 || height == 0 {
        return Err(PictureError::Broken("it has no pixels".to_owned()));
    }
    let orientation = decoder.orientation().ok();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    let rgb = picture.into_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    Ok(RgbPicture { data: rgb.into_raw(), width, height })
}

fn broken(error: ImageError) -> PictureError {
    match error {
        ImageError::Unsupported(_) => PictureError::UnknownFormat,
        other => PictureError::Broken(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, RgbImage};

    use super::*;

    fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let picture = RgbImage::from_fn(width, height, |x, y| image::Rgb([(x * 20) as u8, (y * 20) as u8, 7]));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn the_three_formats_are_read() {
        for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Jpeg] {
            let picture = decode_picture(&encoded(9, 5, format), &PictureLimits::default()).unwrap();
            assert_eq!((picture.width, picture.height, picture.data.len()), (9, 5, 135), "{format:?}");
            assert!(picture.data[3].abs_diff(20) < 12, "{format:?}");
        }
    }

    #[test]
    fn limits_hold_before_decoding() {
        let bytes = encoded(40, 30, ImageFormat::Png);
        let small = PictureLimits { max_bytes: bytes.len() - 1, max_pixels: 10_000 };
        assert!(matches!(decode_picture(&bytes, &small), Err(PictureError::TooManyBytes { .. })));
        let few = PictureLimits { max_bytes: 10_000, max_pixels: 1199 };
        let error = decode_picture(&bytes, &few).unwrap_err();
        assert!(matches!(error, PictureError::TooManyPixels { width: 40, height: 30, limit: 1199 }), "{error}");
        let enough = PictureLimits { max_bytes: 10_000, max_pixels: 1200 };
        assert!(decode_picture(&bytes, &enough).is_ok());
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        // A PNG header that promises 60000 x 60000 pixels.
        let mut bytes = encoded(1, 1, ImageFormat::Png);
        let header =
            [b"IHDR".as_slice(), &60_000_u32.to_be_bytes(), &60_000_u32.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
        bytes[12..29].copy_from_slice(&header);
        bytes[29..33].copy_from_slice(&crc32(&header).to_be_bytes());
        let error = decode_picture(&bytes, &PictureLimits::default()).unwrap_err();
        assert!(matches!(error, PictureError::TooManyPixels { .. } | PictureError::Broken(_)), "{error}");
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
        })
    }

    #[test]
    fn broken_files_and_other_formats_are_errors() {
        let limits = PictureLimits::default();
        for bytes in [&b""[..], b"hello, this is no picture", b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"] {
            assert!(matches!(decode_picture(bytes, &limits), Err(PictureError::UnknownFormat)));
        }
        let whole = encoded(40, 30, ImageFormat::Png);
        assert!(matches!(decode_picture(&whole[..60], &limits), Err(PictureError::Broken(_))));
    }

    #[test]
    fn exif_orientation_is_honoured() {
        let jpeg = encoded(8, 4, ImageFormat::Jpeg);
        // An APP1 segment with one EXIF entry, orientation 6: turn clockwise to see it upright.
        let tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let length = (2 + 6 + tiff.len()) as u16;
        let segment = [&[0xff, 0xe1][..], &length.to_be_bytes(), b"Exif\0\0", tiff].concat();
        let turned = [&jpeg[..2], &segment, &jpeg[2..]].concat();
        let picture = decode_picture(&turned, &PictureLimits::default()).unwrap();
        assert_eq!((picture.width, picture.height), (4, 8));
        // The source's lower left corner is now the upper left one: no red, much green.
        assert!(picture.data[1] > 40 && picture.data[0] < 20, "{:?}", &picture.data[..3]);
    }
}

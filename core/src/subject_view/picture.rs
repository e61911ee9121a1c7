//! The subject's own picture, mirrored and scaled, or a calm background where there is none.

use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::U8,
};

use super::layout::Area;
use crate::picture::{I420Mut, I420View};

/// Dark blue grey, as Y, U, V.
pub(super) const BACKGROUND: [u8; 3] = [36, 134, 124];

/// Draws pictures; keeps what the scaler needs.
#[derive(Default)]
pub(super) struct PicturePainter {
    unmirrored: bool,
    resizer: Resizer,
    scaled: Vec<u8>,
    tight: Vec<u8>,
    sums: Vec<u16>,
}

/// A plane that is read.
#[derive(Clone, Copy)]
struct Source<'a> {
    data: &'a [u8],
    stride: usize,
    width: usize,
    height: usize,
}

impl PicturePainter {
    pub(super) fn set_mirrored(&mut self, mirrored: bool) {
        self.unmirrored = !mirrored;
    }

    /// Fills `out` with the mirrored picture, scaled to fit where the sizes differ, in the middle of the background
    /// where the proportions differ too. Without a picture (or with one whose planes are shorter than it says) with
    /// the background alone; then the result is `false`.
    pub(super) fn draw(&mut self, picture: Option<I420View>, out: &mut I420Mut) -> bool {
        let Some(picture) = picture.filter(is_whole) else {
            fill(out);
            return false;
        };
        let (width, height) = (picture.width, picture.height);
        let area = placement((width, height), (out.width, out.height));
        if (area.width, area.height) != (out.width, out.height) {
            fill(out);
        }
        let luma = Source { data: picture.y, stride: picture.y_stride, width, height };
        self.plane(luma, out.y, out.y_stride, area);
        let (width, height) = (width.div_ceil(2), height.div_ceil(2));
        let area =
            Area { x: area.x / 2, y: area.y / 2, width: area.width.div_ceil(2), height: area.height.div_ceil(2) };
        for (data, to) in [(picture.u, &mut *out.u), (picture.v, &mut *out.v)] {
            let source = Source { data, stride: picture.uv_stride, width, height };
            self.plane(source, to, out.uv_stride, area);
        }
        true
    }

    fn plane(&mut self, source: Source, to: &mut [u8], stride: usize, area: Area) {
        if (source.width, source.height) == (area.width, area.height) {
            place(source, to, stride, area, self.unmirrored);
        } else if self.scale(source, area.width, area.height).is_some() {
            let scaled = &self.scaled;
            let scaled = Source { data: scaled, stride: area.width, width: area.width, height: area.height };
            place(scaled, to, stride, area, self.unmirrored);
        }
    }

    /// Scales into `self.scaled`.
    fn scale(&mut self, source: Source, width: usize, height: usize) -> Option<()> {
        self.scaled.resize(width * height, 0);
        // What cameras deliver most is a whole multiple of what is sent, and means of whole blocks cost a tenth.
        match source.width / width {
            2 if source.is_multiple(2, width, height) => shrink::<2>(source, &mut self.sums, &mut self.scaled),
            3 if source.is_multiple(3, width, height) => shrink::<3>(source, &mut self.sums, &mut self.scaled),
            4 if source.is_multiple(4, width, height) => shrink::<4>(source, &mut self.sums, &mut self.scaled),
            _ => return self.resize(source, width, height),
        }
        Some(())
    }

    fn resize(&mut self, source: Source, width: usize, height: usize) -> Option<()> {
        let Source { mut data, mut stride, width: source_width, height: source_height } = source;
        // The scaler wants a gap after the last row too, where there is one after the others.
        if data.len() < stride * source_height {
            self.tight.clear();
            data.chunks(stride).take(source_height).for_each(|row| self.tight.extend(&row[..source_width]));
            (data, stride) = (&self.tight, source_width);
        }
        let size = |side: usize| u32::try_from(side).ok();
        let from = TypedImageRef::<U8>::from_buffer(size(stride)?, size(source_height)?, data).ok()?;
        let mut to = TypedImage::<U8>::from_buffer(size(width)?, size(height)?, &mut self.scaled).ok()?;
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).crop(
            0.0,
            0.0,
            source_width as f64,
            source_height as f64,
        );
        self.resizer.resize_typed(&from, &mut to, &options).ok()
    }
}

impl Source<'_> {
    fn is_multiple(&self, factor: usize, width: usize, height: usize) -> bool {
        (self.width, self.height) == (factor * width, factor * height)
    }
}

/// The means of blocks of K x K samples. Nothing wraps: the sum of 4 x 4 samples is at most 4080.
fn shrink<const K: usize>(source: Source, sums: &mut Vec<u16>, to: &mut [u8]) {
    let mut rows = source.data.chunks(source.stride);
    for to in to.chunks_mut(source.width / K) {
        sums.clear();
        sums.resize(source.width, 0);
        for row in rows.by_ref().take(K) {
            sums.iter_mut().zip(row).for_each(|(sum, sample)| *sum = sum.wrapping_add(u16::from(*sample)));
        }
        for (to, block) in to.iter_mut().zip(sums.chunks_exact(K)) {
            let sum = block.iter().fold((K * K / 2) as u16, |sum, column| sum.wrapping_add(*column));
            *to = (sum / (K * K) as u16) as u8;
        }
    }
}

/// Copies a plane, each row turned round unless it is to stay as it is.
fn place(source: Source, to: &mut [u8], stride: usize, area: Area, unmirrored: bool) {
    let rows = to[area.y * stride..].chunks_mut(stride).take(area.height);
    for (from, to) in source.data.chunks(source.stride).zip(rows) {
        let (from, to) = (&from[..area.width], &mut to[area.x..area.x + area.width]);
        if unmirrored {
            to.copy_from_slice(from);
        } else {
            to.iter_mut().zip(from.iter().rev()).for_each(|(to, from)| *to = *from);
        }
    }
}

/// Where a picture goes: everything where the proportions agree within two pixels, else as much as fits.
fn placement(picture: (usize, usize), out: (usize, usize)) -> Area {
    let scale = (out.0 as f64 / picture.0 as f64).min(out.1 as f64 / picture.1 as f64);
    let fit = |side: usize, limit: usize| {
        let fitted = (side as f64 * scale).round() as usize;
        if fitted + 2 >= limit { limit } else { (fitted & !1).max(2).min(limit) }
    };
    let (width, height) = (fit(picture.0, out.0), fit(picture.1, out.1));
    Area { x: (out.0 - width) / 4 * 2, y: (out.1 - height) / 4 * 2, width, height }
}

fn fill(out: &mut I420Mut) {
    let (width, height) = (out.width, out.height);
    fill_plane(out.y, out.y_stride, width, height, BACKGROUND[0]);
    let (width, height) = (width.div_ceil(2), height.div_ceil(2));
    fill_plane(out.u, out.uv_stride, width, height, BACKGROUND[1]);
    fill_plane(out.v, out.uv_stride, width, height, BACKGROUND[2]);
}

fn fill_plane(data: &mut [u8], stride: usize, width: usize, height: usize, value: u8) {
    data.chunks_mut(stride).take(height).for_each(|row| row[..width].fill(value));
}

/// Do the planes hold what the picture says?
fn is_whole(picture: &I420View) -> bool {
    let I420View { y, u, v, y_stride, uv_stride, width, height } = *picture;
    planes_are_whole([y.len(), u.len(), v.len()], [y_stride, uv_stride], width, height)
}

/// Can everything be written that the picture says?
pub(super) fn is_writable(out: &I420Mut) -> bool {
    let lengths = [out.y.len(), out.u.len(), out.v.len()];
    planes_are_whole(lengths, [out.y_stride, out.uv_stride], out.width, out.height)
}

fn planes_are_whole(lengths: [usize; 3], strides: [usize; 2], width: usize, height: usize) -> bool {
    let plane = |length: usize, stride: usize, width: usize, height: usize| {
        width > 0 && height > 0 && stride >= width && length >= stride * (height - 1) + width
    };
    let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
    plane(lengths[0], strides[0], width, height)
        && lengths[1..].iter().all(|length| plane(*length, strides[1], chroma_width, chroma_height))
}

#[cfg(test)]
pub(crate) use tests::OwnedI420;

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of a test.
    #[derive(Clone, PartialEq)]
    pub(crate) struct OwnedI420 {
        pub(crate) y: Vec<u8>,
        pub(crate) u: Vec<u8>,
        pub(crate) v: Vec<u8>,
        width: usize,
        height: usize,
        y_stride: usize,
        uv_stride: usize,
    }

    impl OwnedI420 {
        pub(crate) fn filled(width: usize, height: usize, [y, u, v]: [u8; 3]) -> Self {
            Self::with_strides(width, height, [y, u, v], width, width.div_ceil(2))
        }

        fn with_strides(width: usize, height: usize, [y, u, v]: [u8; 3], y_stride: usize, uv_stride: usize) -> Self {
            // The last row ends with its last sample, as the shortest allowed plane does.
            let chroma = uv_stride * (height.div_ceil(2) - 1) + width.div_ceil(2);
            let luma = y_stride * (height - 1) + width;
            Self { y: vec![y; luma], u: vec![u; chroma], v: vec![v; chroma], width, height, y_stride, uv_stride }
        }

        pub(crate) fn noise(width: usize, height: usize) -> Self {
            let mut picture = Self::filled(width, height, [0; 3]);
            picture.make_noise();
            picture
        }

        fn make_noise(&mut self) {
            let mut state = 1_u32;
            for sample in self.y.iter_mut().chain(&mut self.u).chain(&mut self.v) {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *sample = (state >> 24) as u8;
            }
        }

        pub(crate) fn view(&self) -> I420View<'_> {
            let Self { width, height, y_stride, uv_stride, .. } = *self;
            I420View { y: &self.y, u: &self.u, v: &self.v, y_stride, uv_stride, width, height }
        }

        pub(crate) fn as_mut(&mut self) -> I420Mut<'_> {
            let Self { width, height, y_stride, uv_stride, .. } = *self;
            I420Mut { y: &mut self.y, u: &mut self.u, v: &mut self.v, y_stride, uv_stride, width, height }
        }

        fn at(&self, x: usize, y: usize) -> [u8; 3] {
            let chroma = y / 2 * self.uv_stride + x / 2;
            [self.y[y * self.y_stride + x], self.u[chroma], self.v[chroma]]
        }
    }

    #[test]
    fn the_mirror_is_exact() {
        for (width, height) in [(64, 48), (63, 47), (2, 2), (1, 1), (37, 5)] {
            let mut picture = OwnedI420::with_strides(width, height, [0; 3], width + 5, width / 2 + 9);
            picture.make_noise();
            let mut out = OwnedI420::with_strides(width, height, [7; 3], width + 3, width / 2 + 2);
            assert!(PicturePainter::default().draw(Some(picture.view()), &mut out.as_mut()));
            for y in 0..height {
                for x in 0..width {
                    assert_eq!(out.at(x, y)[0], picture.at(width - 1 - x, y)[0]);
                }
            }
            let chroma = width.div_ceil(2);
            for y in 0..height.div_ceil(2) {
                for x in 0..chroma {
                    let at = y * picture.uv_stride + chroma - 1 - x;
                    assert_eq!(out.u[y * out.uv_stride + x], picture.u[at]);
                    assert_eq!(out.v[y * out.uv_stride + x], picture.v[at]);
                }
            }
        }
    }

    #[test]
    fn scaling_keeps_places_and_mirrors() {
        for (size, out_size) in [
            ((128, 96), (64, 48)),
            ((128, 96), (256, 192)),
            ((1280, 720), (640, 360)),
            ((65, 49), (64, 48)),
            ((192, 144), (64, 48)),
            ((256, 192), (64, 48)),
            ((112, 84), (64, 48)),
        ] {
            // The left quarter is bright and blue.
            let mut picture = OwnedI420::with_strides(size.0, size.1, [40, 100, 110], size.0 + 7, size.0);
            for y in 0..size.1 {
                for x in 0..size.0 / 4 {
                    let chroma = y / 2 * picture.uv_stride + x / 2;
                    picture.y[y * picture.y_stride + x] = 200;
                    (picture.u[chroma], picture.v[chroma]) = (200, 60);
                }
            }
            let mut out = OwnedI420::filled(out_size.0, out_size.1, [0; 3]);
            assert!(PicturePainter::default().draw(Some(picture.view()), &mut out.as_mut()));
            for y in [0, out_size.1 / 2, out_size.1 - 1] {
                assert_eq!(out.at(0, y), [40, 100, 110]);
                assert_eq!(out.at(out_size.0 * 5 / 8, y), [40, 100, 110]);
                assert_eq!(out.at(out_size.0 * 7 / 8, y), [200, 200, 60]);
                assert_eq!(out.at(out_size.0 - 1, y), [200, 200, 60]);
            }
        }
    }

    #[test]
    fn blocks_become_their_mean() {
        let data: Vec<u8> = (0..6 * 7 + 6).map(|i| (i * 37 % 251) as u8).collect();
        let source = Source { data: &data, stride: 7, width: 6, height: 6 };
        let mut scaled = [0; 4];
        shrink::<3>(source, &mut Vec::new(), &mut scaled);
        for (i, found) in scaled.iter().enumerate() {
            let sum: f64 = (0..9).map(|k| f64::from(data[(i / 2 * 3 + k / 3) * 7 + i % 2 * 3 + k % 3])).sum();
            assert_eq!(*found, (sum / 9.0).round() as u8);
        }
    }

    #[test]
    fn other_proportions_are_centred_on_the_background() {
        let picture = OwnedI420::filled(48, 96, [200, 128, 128]);
        let mut out = OwnedI420::filled(128, 96, [0; 3]);
        PicturePainter::default().draw(Some(picture.view()), &mut out.as_mut());
        let white: Vec<_> = (0..128).filter(|x| out.at(*x, 50) == [200, 128, 128]).collect();
        assert_eq!((white.len(), white[0]), (48, 40));
        assert!((0..128).filter(|x| !white.contains(x)).all(|x| out.at(x, 50) == BACKGROUND));
        assert_eq!(placement((640, 360), (638, 358)), Area { x: 0, y: 0, width: 638, height: 358 });
        assert_eq!(placement((100, 2), (50, 50)), Area { x: 0, y: 24, width: 50, height: 2 });
    }

    #[test]
    fn without_a_picture_there_is_the_background() {
        let mut out = OwnedI420::filled(33, 21, [0; 3]);
        assert!(!PicturePainter::default().draw(None, &mut out.as_mut()));
        assert!((0..21).all(|y| (0..33).all(|x| out.at(x, y) == BACKGROUND)));
        let whole = OwnedI420::filled(32, 20, [9; 3]);
        let mut short = whole.view();
        short.u = &whole.u[1..];
        assert!(!PicturePainter::default().draw(Some(short), &mut out.as_mut()));
        assert!(is_writable(&out.as_mut()));
        assert!(!is_writable(&I420Mut { height: 23, ..out.as_mut() }));
    }
}

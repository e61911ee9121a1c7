//! What the cues look at: where the face is in pixels, small pieces of the picture, and a thumbnail of all of it.

use crate::face::Face;
use crate::liveness::pixels::Pixels;
use crate::picture::PictureView;

/// Longest side of a [`Thumbnail`] in pixels.
const THUMBNAIL: usize = 160;

/// Side of the square in the middle of the face, in pixels of the picture: texture is looked at as it is.
pub(super) const SQUARE: usize = 64;

/// Where a face is, in pixels of the picture.
#[derive(Clone, Copy)]
pub(super) struct FaceArea {
    /// Middle of the mesh's box.
    pub centre: [f32; 2],
    /// Size of the mesh's box: temple to temple, hairline to chin.
    pub size: [f32; 2],
}

impl FaceArea {
    /// None where the mesh is not made of finite numbers.
    pub fn of(face: &Face, picture: &PictureView<'_>) -> Option<Self> {
        let rect = face.bounding_box();
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        let size = [rect.width * width, rect.height * height];
        let centre = [rect.x * width + size[0] / 2.0, rect.y * height + size[1] / 2.0];
        let sound = centre.iter().all(|v| v.is_finite()) && size.iter().all(|v| v.is_finite() && *v >= 1.0);
        sound.then_some(Self { centre, size })
    }

    /// The luma of [`SQUARE`] x [`SQUARE`] pixels between eyes and mouth, row after row. False where the face is
    /// smaller than that, or not wholly in the picture.
    pub fn square(&self, pixels: &Pixels<'_>, out: &mut Vec<f32>) -> bool {
        let side = SQUARE as f32;
        let corner = [self.centre[0], self.centre[1] + 0.05 * self.size[1]].map(|v| (v - side / 2.0).round());
        let inside = |at: f32, length: usize| at >= 0.0 && at + side <= length as f32;
        let fits = self.size.iter().all(|v| *v >= 1.3 * side);
        if !fits || !inside(corner[0], pixels.width()) || !inside(corner[1], pixels.height()) {
            return false;
        }
        out.clear();
        for y in 0..SQUARE {
            out.extend((0..SQUARE).map(|x| pixels.luma(corner[0] + x as f32, corner[1] + y as f32)));
        }
        true
    }
}

/// The luma of a whole picture, shrunk by a whole number by averaging.
pub(super) struct Thumbnail {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Pixels of the picture per pixel here.
    pub factor: usize,
    /// `width * height` values.
    pub data: Vec<f32>,
}

impl Thumbnail {
    /// None where the picture's memory is too short for it, or the picture is smaller than 32 pixels.
    pub fn of(picture: &PictureView<'_>) -> Option<Self> {
        let factor = picture.width().max(picture.height()).div_ceil(THUMBNAIL).max(1);
        let (width, height) = (picture.width() / factor, picture.height() / factor);
        if width.min(height) * factor < 32 {
            return None;
        }
        let mut data = Vec::with_capacity(width * height);
        let (mut sums, mut row) = (vec![0_u32; width], Vec::new());
        // Of large pictures every second row is enough.
        let step = factor.div_ceil(4);
        let weight = 1.0 / (factor * factor.div_ceil(step)) as f32;
        for y in 0..height {
            sums.fill(0);
            for source in (y * factor..(y + 1) * factor).step_by(step) {
                match picture {
                    PictureView::I420(p) => add_row(p.y.get(source * p.y_stride..)?, factor, &mut sums)?,
                    PictureView::Nv12(p) => add_row(p.y.get(source * p.y_stride..)?, factor, &mut sums)?,
                    PictureView::Rgb(p) => {
                        row.clear();
                        let pixels = p.data.get(source * p.stride..)?.get(..3 * p.width)?;
                        // BT.601 in 256ths, in the range of video.
                        let luma =
                            |c: &[u8]| 16 + (66 * u32::from(c[0]) + 129 * u32::from(c[1]) + 25 * u32::from(c[2])) / 256;
                        row.extend(pixels.chunks_exact(3).map(|c| luma(c) as u8));
                        add_row(&row, factor, &mut sums)?;
                    }
                }
            }
            data.extend(sums.iter().map(|sum| *sum as f32 * weight));
        }
        Some(Self { width, height, factor, data })
    }

    /// Half the size.
    pub fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut data = Vec::with_capacity(width * height);
        for y in 0..height {
            let (above, below) = (&self.data[2 * y * self.width..], &self.data[(2 * y + 1) * self.width..]);
            let pairs = above.chunks_exact(2).zip(below.chunks_exact(2)).take(width);
            data.extend(pairs.map(|(a, b)| (a[0] + a[1] + b[0] + b[1]) / 4.0));
        }
        Self { width, height, factor: 2 * self.factor, data }
    }
}

fn add_row(row: &[u8], factor: usize, sums: &mut [u32]) -> Option<()> {
    let row = row.get(..sums.len() * factor)?;
    if factor == 4 {
        // The usual case, 640x480, spelled out for the compiler: three times as fast.
        for (sum, p) in sums.iter_mut().zip(row.chunks_exact(4)) {
            *sum += u32::from(p[0]) + u32::from(p[1]) + u32::from(p[2]) + u32::from(p[3]);
        }
    } else {
        for (sum, pixels) in sums.iter_mut().zip(row.chunks_exact(factor)) {
            *sum += pixels.iter().map(|p| u32::from(*p)).sum::<u32>();
        }
    }
    Some(())
}

//! What a frame looks like from afar: a grid of mean lumas, read straight from the picture, cheap enough for every frame.

use crate::picture::PictureView;

/// Cells of a row.
pub const COLUMNS: usize = 16;
/// Cells of a column.
pub const ROWS: usize = 12;
/// Cells in all.
pub const CELLS: usize = COLUMNS * ROWS;
/// Samples of a cell, in each direction.
const SAMPLES: usize = 8;

/// A frame's mean lumas, 0..255, row by row.
#[derive(Clone)]
pub struct Signature {
    /// Mean luma of each cell.
    pub cells: [f32; CELLS],
    /// Width and height of the frame, pixels.
    pub size: (usize, usize),
}

impl Signature {
    /// Looks at a frame: 8x8 samples a cell, 12,288 in all, whatever the frame's size. Luma of I420 and NV12; of RGB the
    /// green channel, which is most of it. None when the picture is empty or its memory ends before its last row.
    pub fn of(picture: &PictureView<'_>) -> Option<Self> {
        let (data, stride, pixel, offset) = match picture {
            PictureView::I420(p) => (p.y, p.y_stride, 1, 0),
            PictureView::Nv12(p) => (p.y, p.y_stride, 1, 0),
            PictureView::Rgb(p) => (p.data, p.stride, 3, 1),
        };
        let size @ (width, height) = (picture.width(), picture.height());
        if width == 0 || height == 0 || stride < width * pixel || data.len() < stride * (height - 1) + width * pixel {
            return None;
        }
        // Samples in the middle of equal parts.
        let middle = |part: usize, parts: usize, side: usize| (2 * part + 1) * side / (2 * parts);
        let columns: [usize; COLUMNS * SAMPLES] =
            std::array::from_fn(|part| middle(part, COLUMNS * SAMPLES, width) * pixel + offset);
        let mut cells = [0.0; CELLS];
        for (row, cells) in cells.chunks_exact_mut(COLUMNS).enumerate() {
            let mut sums = [0_u32; COLUMNS];
            for sample in 0..SAMPLES {
                let line = &data[middle(row * SAMPLES + sample, ROWS * SAMPLES, height) * stride..];
                for (sum, columns) in sums.iter_mut().zip(columns.chunks_exact(SAMPLES)) {
                    *sum += columns.iter().map(|at| u32::from(line[*at])).sum::<u32>();
                }
            }
            for (cell, sum) in cells.iter_mut().zip(sums) {
                *cell = sum as f32 / (SAMPLES * SAMPLES) as f32;
            }
        }
        Some(Self { cells, size })
    }

    /// The share of cells, 0..1, whose mean did not change at all since an earlier signature. Where there is noise, a mean of
    /// 64 samples hardly ever stays; encoders leave still parts of a picture as they were.
    pub fn unchanged_since(&self, earlier: &Self) -> f32 {
        self.cells.iter().zip(&earlier.cells).filter(|(now, then)| now == then).count() as f32 / CELLS as f32
    }

    /// A signature in between: `share` 0 is this one, 1 is `other`.
    pub(super) fn towards(&self, other: &Self, share: f32) -> [f32; CELLS] {
        std::array::from_fn(|i| self.cells[i] + (other.cells[i] - self.cells[i]) * share)
    }

    /// How much changed since an earlier signature, without what a change of exposure explains: the earlier one is brought to
    /// this one's mean, and within limits to its contrast.
    pub(super) fn change_since(&self, earlier: &Self) -> Change {
        let mean = |cells: &[f32; CELLS]| cells.iter().sum::<f32>() / CELLS as f32;
        let (now, then) = (mean(&self.cells), mean(&earlier.cells));
        let pairs = || self.cells.iter().zip(&earlier.cells).map(|(a, b)| (a - now, b - then));
        let (product, new, old) = pairs().fold((0.0, 0.0, 0.0), |(p, n, o), (a, b)| (p + a * b, n + a * a, o + b * b));
        let gain = if old > 0.0 { (product / old).clamp(0.7, 1.4) } else { 1.0 };
        let levels = pairs().map(|(a, b)| (a - gain * b).abs()).sum::<f32>() / CELLS as f32;
        let unlike = if new > 0.0 && old > 0.0 { 1.0 - product / (new * old).sqrt() } else { 0.0 };
        Change { levels, unlike }
    }
}

/// How much one signature differs from another.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Change {
    /// Mean difference of the cells, luma levels.
    pub(super) levels: f32,
    /// 1 - their correlation, 0..2: 0 is the same picture, about 1 another scene.
    pub(super) unlike: f32,
}

// A small picture of a person is a picture of a person.
impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signature({}x{})", self.size.0, self.size.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{I420View, RgbView};

    #[test]
    fn cells_are_means_in_their_places() {
        let (width, height, stride) = (640, 480, 700);
        let luma: Vec<u8> = (0..stride * height).map(|i| ((i % stride) / 40 * 10 + i / stride / 40) as u8).collect();
        let view = I420View { y: &luma, u: &[], v: &[], y_stride: stride, uv_stride: 0, width, height };
        let signature = Signature::of(&PictureView::I420(view)).unwrap();
        for (i, cell) in signature.cells.iter().enumerate() {
            assert_eq!(*cell, (i % COLUMNS * 10 + i / COLUMNS) as f32);
        }
        let rgb: Vec<u8> = luma[..stride * height].iter().flat_map(|y| [0, *y, 255]).collect();
        let view = RgbView { data: &rgb, width, height, stride: 3 * stride };
        assert_eq!(Signature::of(&PictureView::Rgb(view)).unwrap().cells, signature.cells);
    }

    #[test]
    fn small_and_broken_pictures() {
        let luma = [7; 6];
        let view = |width, height| {
            PictureView::I420(I420View { y: &luma, u: &[], v: &[], y_stride: 3, uv_stride: 0, width, height })
        };
        assert!(Signature::of(&view(3, 2)).unwrap().cells.iter().all(|cell| *cell == 7.0));
        assert!(Signature::of(&view(3, 3)).is_none());
        assert!(Signature::of(&view(4, 1)).is_none());
        assert!(Signature::of(&view(0, 0)).is_none());
    }

    #[test]
    fn exposure_is_no_change() {
        let picture = |gain: f32, offset: f32, shift: usize| Signature {
            cells: std::array::from_fn(|i| ((i + shift) * 37 % 101) as f32 * gain + offset),
            size: (640, 480),
        };
        let dark = picture(1.0, 20.0, 0);
        let brighter = picture(1.2, 35.0, 0).change_since(&dark);
        assert!(brighter.levels < 0.01 && brighter.unlike < 0.01, "{brighter:?}");
        assert!(picture(1.2, 35.0, 0).unchanged_since(&dark) < 0.1);
        assert_eq!(dark.unchanged_since(&dark), 1.0);
        let other = picture(1.0, 20.0, 5).change_since(&dark);
        assert!(other.levels > 10.0 && other.unlike > 0.5, "{other:?}");
    }
}

//! What cairo drew for one frame, blended as it is: cheaper than a [`Patch`](super::patch::Patch), which has to be coded
//! first, for what is never shown again.

use super::{
    Area,
    patch::{average, chroma_of, luma_of, mix},
};
use crate::picture::PictureMut;

/// Premultiplied ARGB in native byte order, as cairo's `ARgb32` surfaces hold it.
#[derive(Clone, Copy)]
pub(crate) struct Layer<'a> {
    /// Where it goes, and its size.
    pub area: Area,
    /// Pixels.
    pub argb: &'a [u8],
    /// Bytes between rows.
    pub stride: usize,
}

impl Layer<'_> {
    /// Blends the layer onto a picture. What reaches beyond the picture is left out, and nothing is written where the
    /// layer is transparent.
    pub(crate) fn blend(&self, out: &mut PictureMut) {
        let Area { x: left, y: top, .. } = self.area;
        let (width, height) = out.size();
        let columns = self.area.width.min(width.saturating_sub(left));
        let rows = self.area.height.min(height.saturating_sub(top));
        let row = |y: usize| self.row(y).take(columns).enumerate().filter(|(_, pixel)| *pixel != 0);
        match out {
            PictureMut::Rgb(out) => {
                for y in 0..rows {
                    let line = out.data.get_mut((top + y) * out.stride + 3 * left..).unwrap_or_default();
                    for (x, pixel) in row(y) {
                        let Some(samples) = line.get_mut(3 * x..3 * x + 3) else { break };
                        let [alpha, colour @ ..] = parts(pixel).map(|part| part as u8);
                        samples.iter_mut().zip(colour).for_each(|(sample, c)| *sample = mix(*sample, alpha, c));
                    }
                }
            }
            PictureMut::I420(out) => {
                self.blend_luma(out.y, out.y_stride, columns, rows);
                self.blend_chroma(columns, rows, |x, y, alpha, [u, v]| {
                    let at = y * out.uv_stride + x;
                    for (plane, colour) in [(&mut *out.u, u), (&mut *out.v, v)] {
                        plane.get_mut(at).into_iter().for_each(|sample| *sample = mix(*sample, alpha, colour));
                    }
                });
            }
            PictureMut::Nv12(out) => {
                self.blend_luma(out.y, out.y_stride, columns, rows);
                self.blend_chroma(columns, rows, |x, y, alpha, colours| {
                    let at = y * out.uv_stride + 2 * x;
                    let samples = out.uv.get_mut(at..at + 2).into_iter().flatten();
                    samples.zip(colours).for_each(|(sample, colour)| *sample = mix(*sample, alpha, colour));
                });
            }
        }
    }

    fn row(&self, y: usize) -> impl Iterator<Item = u32> {
        let row = self.argb.get(y * self.stride..).unwrap_or_default().chunks_exact(4).take(self.area.width);
        row.map(|bytes| u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn blend_luma(&self, plane: &mut [u8], stride: usize, columns: usize, rows: usize) {
        for y in 0..rows {
            let line = plane.get_mut((self.area.y + y) * stride + self.area.x..).unwrap_or_default();
            for (sample, pixel) in line.iter_mut().zip(self.row(y)).take(columns).filter(|(_, pixel)| *pixel != 0) {
                let (alpha, [luma]) = luma_of(parts(pixel));
                *sample = mix(*sample, alpha, luma);
            }
        }
    }

    /// Calls `put` with column and row of each chroma sample that is not transparent, its alpha, U and V: the means of
    /// 2 x 2 pixels.
    fn blend_chroma(&self, columns: usize, rows: usize, mut put: impl FnMut(usize, usize, u8, [u8; 2])) {
        let (left, top) = (self.area.x / 2, self.area.y / 2);
        for y in 0..rows.div_ceil(2) {
            let (mut upper, mut lower) = (self.row(2 * y), self.row(2 * y + 1));
            for x in 0..columns.div_ceil(2) {
                let mut next =
                    || [upper.next(), upper.next(), lower.next(), lower.next()].map(Option::unwrap_or_default);
                let block = next();
                if block == [0; 4] {
                    continue;
                }
                let (alpha, colours) = chroma_of(parts(average(block)));
                put(left + x, top + y, alpha, colours);
            }
        }
    }
}

/// Alpha, red, green and blue.
fn parts(pixel: u32) -> [i32; 4] {
    [24, 16, 8, 0].map(|shift| (pixel >> shift & 255) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        drawing::patch::Patch,
        picture::{I420View, Nv12Mut, PictureView, RgbMut},
        subject_view::OwnedI420,
    };

    /// Premultiplied pixels of every kind: nothing, half, full, and noise.
    fn argb(area: Area) -> Vec<u8> {
        let pixel = |i: usize| match i / 5 % 4 {
            0 => 0_u32,
            1 => 0x8040_2010,
            2 => 0xFFFF_8000,
            _ => 0xC0 << 24 | (i as u32).wrapping_mul(2_654_435_761) & 0x003F_7F3F,
        };
        (0..area.width * area.height).flat_map(|i| pixel(i).to_ne_bytes()).collect()
    }

    #[test]
    fn onto_i420_it_equals_a_patch() {
        for (width, height, area) in [
            (64, 48, Area { x: 4, y: 6, width: 30, height: 20 }),
            (63, 47, Area { x: 40, y: 30, width: 24, height: 18 }),
            (20, 10, Area { x: 0, y: 0, width: 40, height: 40 }),
        ] {
            let argb = argb(area);
            let mut patched = OwnedI420::noise(width, height);
            let mut layered = patched.clone();
            Patch::from_argb(area, &argb, 4 * area.width).blend(&mut patched.as_mut());
            Layer { area, argb: &argb, stride: 4 * area.width }.blend(&mut PictureMut::I420(layered.as_mut()));
            assert!(patched.y == layered.y, "luma {width}x{height}");
            // A patch leaves the half block at an odd edge as it is; a layer colours it.
            let (chroma, even) = (width.div_ceil(2), width / 2);
            for (a, b) in [(&patched.u, &layered.u), (&patched.v, &layered.v)] {
                let rows = a.chunks(chroma).zip(b.chunks(chroma)).take(height / 2);
                assert!(rows.map(|(a, b)| (&a[..even], &b[..even])).all(|(a, b)| a == b), "{width}x{height}");
            }
        }
    }

    #[test]
    fn nv12_gets_what_i420_gets() {
        let area = Area { x: 10, y: 8, width: 60, height: 40 };
        let argb = argb(area);
        let layer = Layer { area, argb: &argb, stride: 4 * area.width };
        let (width, height) = (63, 45);
        let mut planar = OwnedI420::noise(width, height);
        let mut y = planar.y.clone();
        let mut uv: Vec<u8> = planar.u.iter().zip(&planar.v).flat_map(|(u, v)| [*u, *v]).collect();
        layer.blend(&mut PictureMut::I420(planar.as_mut()));
        let (y_stride, uv_stride) = (width, 2 * width.div_ceil(2));
        layer.blend(&mut PictureMut::Nv12(Nv12Mut { y: &mut y, uv: &mut uv, y_stride, uv_stride, width, height }));
        assert!(y == planar.y);
        assert!(uv.iter().step_by(2).eq(&planar.u) && uv.iter().skip(1).step_by(2).eq(&planar.v));
    }

    #[test]
    fn rgb_and_yuv_show_the_same_colours() {
        let area = Area { x: 0, y: 0, width: 32, height: 16 };
        for (pixel, rgb) in [(0xFFDC_4D47_u32, [0xDC, 0x4D, 0x47]), (0x8000_0000, [60, 60, 60]), (0, [120, 120, 120])] {
            let argb: Vec<u8> = (0..32 * 16).flat_map(|_| pixel.to_ne_bytes()).collect();
            let layer = Layer { area, argb: &argb, stride: 128 };
            let mut data = vec![120; 3 * 40 * 20];
            layer.blend(&mut PictureMut::Rgb(RgbMut { data: &mut data, width: 40, height: 20, stride: 120 }));
            let at = |x: usize, y: usize| &data[3 * (40 * y + x)..][..3];
            assert!(at(5, 5).iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 1), "{:?}", at(5, 5));
            assert_eq!(at(35, 5), [120; 3]);
            // Luma 119 of limited range is grey 120.
            let mut yuv = OwnedI420::filled(40, 20, [119, 128, 128]);
            layer.blend(&mut PictureMut::I420(yuv.as_mut()));
            let I420View { width, .. } = yuv.view();
            let shown = PictureView::I420(yuv.view()).to_rgb();
            let seen = &shown.data[3 * (width * 5 + 5)..][..3];
            assert!(seen.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 3), "{seen:?} {rgb:?}");
        }
    }

    #[test]
    fn short_planes_are_no_panic() {
        let area = Area { x: 0, y: 0, width: 16, height: 16 };
        let argb = argb(area);
        let layer = Layer { area, argb: &argb[..100], stride: 64 };
        let (mut a, mut b) = ([0; 20], [0; 3]);
        layer.blend(&mut PictureMut::Rgb(RgbMut { data: &mut a, width: 16, height: 16, stride: 48 }));
        let (y_stride, uv_stride) = (16, 16);
        layer.blend(&mut PictureMut::Nv12(Nv12Mut {
            y: &mut a,
            uv: &mut b,
            y_stride,
            uv_stride,
            width: 16,
            height: 16,
        }));
    }
}

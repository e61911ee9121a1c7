//! Draws textured triangles into planes: every pixel whose centre lies inside gets a bilinear sample of the texture.
//!
//! Triangles that share an edge share no pixel and leave none out: where an edge crosses a row is worked out from its end
//! points in one order, whichever triangle asks. Coordinates are continuous: the first pixel's centre is (0.5, 0.5).

/// One 8-bit plane that is sampled from.
pub(super) struct Plane {
    /// The pixels with [`MARGIN`] copies of the outermost ones on every side.
    data: Vec<u8>,
    width: usize,
    height: usize,
    stride: usize,
}

/// A sample reads its right and lower neighbours, and rounding may take it a little outside.
const MARGIN: usize = 2;

impl Plane {
    /// `pixels` are rows of `width`.
    pub fn new(pixels: &[u8], width: usize) -> Self {
        let (height, stride) = (pixels.len() / width, width + 2 * MARGIN);
        let at = |x: usize, y: usize| {
            let [x, y] = [(x, width), (y, height)].map(|(v, size)| v.saturating_sub(MARGIN).min(size - 1));
            pixels[y * width + x]
        };
        let data = (0..stride * (height + 2 * MARGIN)).map(|i| at(i % stride, i / stride)).collect();
        Self { data, width, height, stride }
    }

    /// The rows, without margins.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.data.chunks_exact(self.stride).skip(MARGIN).take(self.height).map(|row| &row[MARGIN..][..self.width])
    }
}

/// A plane that is drawn into.
pub(super) struct Target<'a> {
    pub data: &'a mut [u8],
    pub stride: usize,
    pub width: usize,
    pub height: usize,
}

/// A corner of a triangle: where it is drawn and where its texture lies.
#[derive(Clone, Copy)]
pub(super) struct Corner {
    pub at: [f32; 2],
    pub from: [f32; 2],
}

/// Twice the signed area of a drawn triangle. MediaPipe winds its mesh so that what faces the viewer is negative.
pub(super) fn area(corners: &[Corner; 3]) -> f32 {
    let [p, q, r] = corners.map(|c| c.at);
    (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])
}

/// Draws a triangle into `N` planes of one size, whose pixels are `scale` of the corners' units.
pub(super) fn triangle<const N: usize>(
    corners: &[Corner; 3],
    scale: f32,
    textures: [&Plane; N],
    targets: &mut [Target<'_>; N],
) {
    let mut corners = corners.map(|c| Corner { at: c.at.map(|v| v * scale), from: c.from.map(|v| v * scale - 0.5) });
    corners.sort_unstable_by(|a, b| a.at[1].total_cmp(&b.at[1]).then(a.at[0].total_cmp(&b.at[0])));
    let (width, height) = (targets[0].width, targets[0].height);
    let [p, q, r] = corners;
    let [first, middle, end] = [p, q, r].map(|c| first_centre(c.at[1], height));
    let area = area(&corners);
    if first >= end || area == 0.0 {
        return;
    }
    // The texture's coordinates change evenly over the triangle.
    let per_area = 1.0 / area;
    let slopes = [0, 1].map(|k| {
        let (to_q, to_r) = (q.from[k] - p.from[k], r.from[k] - p.from[k]);
        let across = to_q * (r.at[1] - p.at[1]) - to_r * (q.at[1] - p.at[1]);
        let down = to_r * (q.at[0] - p.at[0]) - to_q * (r.at[0] - p.at[0]);
        [across * per_area, down * per_area]
    });
    let steepest = slopes.as_flattened().iter().fold(0.0f32, |most, slope| most.max(slope.abs()));
    let last = [textures[0].width, textures[0].height].map(|size| size as f32 - 1.0);
    let bounds = [0, 1].map(|k| {
        let [a, b, c] = corners.map(|c| c.from[k]);
        (a.min(b).min(c), a.max(b).max(c))
    });
    let outside = [0, 1].iter().any(|&k| bounds[k].0 < -0.5 || bounds[k].1 > last[k] + 0.5);
    let texture = Texturing {
        step: [fixed(slopes[0][0]), fixed(slopes[1][0])],
        bounds: [0, 1].map(|k| (fixed(bounds[k].0.clamp(0.0, last[k])), fixed(bounds[k].1.clamp(0.0, last[k])))),
        // Along a sliver samples are inexact, too.
        clamped: outside || area.abs() < 0.5 || steepest > 16.0,
    };
    let long = Edge::new(p.at, r.at);
    for (edge, rows) in [(Edge::new(p.at, q.at), first..middle), (Edge::new(q.at, r.at), middle..end)] {
        for y in rows {
            let centre = y as f32 + 0.5;
            let (a, b) = (long.at(centre), edge.at(centre));
            let (x0, x1) = (first_centre(a.min(b), width), first_centre(a.max(b), width));
            if x0 < x1 {
                let (dx, dy) = (x0 as f32 + 0.5 - p.at[0], centre - p.at[1]);
                let start = [0, 1].map(|k| fixed(p.from[k] + dx * slopes[k][0] + dy * slopes[k][1]));
                for (target, plane) in targets.iter_mut().zip(textures) {
                    texture.span(&mut target.data[y * target.stride..][x0..x1], plane, start);
                }
            }
        }
    }
}

/// 16.16 fixed point; saturates.
fn fixed(v: f32) -> i32 {
    (v * 65536.0) as i32
}

/// The first pixel whose centre is not before `v`, at most `size`. `f32::ceil` is a call on baseline x86-64.
fn first_centre(v: f32, size: usize) -> usize {
    let v = (v - 0.5).clamp(0.0, size as f32);
    let whole = v as i32;
    (whole + i32::from((whole as f32) < v)) as usize
}

/// One side of a triangle, from its upper end.
struct Edge {
    start: [f32; 2],
    slope: f32,
}

impl Edge {
    /// `a` comes before `b` in the order of rows, then columns: both triangles at a side ask alike.
    fn new(a: [f32; 2], b: [f32; 2]) -> Self {
        Self { start: a, slope: (b[0] - a[0]) / (b[1] - a[1]) }
    }

    fn at(&self, y: f32) -> f32 {
        self.start[0] + (y - self.start[1]) * self.slope
    }
}

/// How a triangle's texture lies, in 16.16 coordinates.
struct Texturing {
    /// From one drawn pixel to the next.
    step: [i32; 2],
    /// The part of the texture that belongs to the triangle.
    bounds: [(i32, i32); 2],
    /// Whether samples have to be kept within it.
    clamped: bool,
}

impl Texturing {
    /// Fills a piece of a row from `start` in the texture.
    fn span(&self, row: &mut [u8], plane: &Plane, start: [i32; 2]) {
        let [mut u, mut v] = start;
        let [step_u, step_v] = self.step;
        if self.clamped {
            let [(left, right), (top, bottom)] = self.bounds;
            for pixel in row {
                *pixel = plane.sample(u.clamp(left, right), v.clamp(top, bottom));
                (u, v) = (u.saturating_add(step_u), v.saturating_add(step_v));
            }
        } else {
            for pixel in row {
                *pixel = plane.sample(u, v);
                (u, v) = (u.wrapping_add(step_u), v.wrapping_add(step_v));
            }
        }
    }
}

impl Plane {
    /// Bilinear; 0, 0 is the first pixel's centre. Within [`MARGIN`] - 1 of the plane.
    #[inline(always)]
    fn sample(&self, u: i32, v: i32) -> u8 {
        const ORIGIN: i32 = (MARGIN as i32) << 16;
        let (u, v) = ((u + ORIGIN) as u32, (v + ORIGIN) as u32);
        let i = (v >> 16) as usize * self.stride + (u >> 16) as usize;
        let near = &self.data[i..i + self.stride + 2];
        let [a, b, c, d] = [near[0], near[1], near[self.stride], near[self.stride + 1]].map(u32::from);
        let (fu, fv) = ((u >> 8) & 255, (v >> 8) & 255);
        let upper = (a << 8) + fu * b - fu * a;
        let lower = (c << 8) + fu * d - fu * c;
        (((upper << 8) + fv * lower - fv * upper + 32768) >> 16) as u8
    }
}

/// Softens a plane along lines, one pixel to either side: where two textures meet, their edge is hard.
pub(super) fn soften(
    target: &mut Target<'_>,
    lines: impl Iterator<Item = [[f32; 2]; 2]>,
    scratch: &mut Vec<(usize, u8)>,
) {
    scratch.clear();
    for [a, b] in lines {
        let range = |k: usize, size: usize| {
            let inner = |v: f32| v.clamp(1.0, size as f32 - 1.0) as usize;
            inner(a[k].min(b[k]) - 1.0)..inner(a[k].max(b[k]) + 1.0).min(size - 1)
        };
        for y in range(1, target.height) {
            for x in range(0, target.width) {
                if distance_from_line([x as f32 + 0.5, y as f32 + 0.5], a, b) < 1.0 {
                    let at = y * target.stride + x;
                    let row = |i: usize| {
                        let [l, m, r] = [i - 1, i, i + 1].map(|i| u32::from(target.data[i]));
                        l + 2 * m + r
                    };
                    scratch
                        .push((at, ((row(at - target.stride) + 2 * row(at) + row(at + target.stride) + 8) / 16) as u8));
                }
            }
        }
    }
    for &(at, value) in scratch.iter() {
        target.data[at] = value;
    }
}

/// Distance of `p` from the line between `a` and `b`.
pub(super) fn distance_from_line(p: [f32; 2], a: [f32; 2], b: [f32; 2]) -> f32 {
    let (ab, ap) = ([b[0] - a[0], b[1] - a[1]], [p[0] - a[0], p[1] - a[1]]);
    let t = ((ap[0] * ab[0] + ap[1] * ab[1]) / (ab[0] * ab[0] + ab[1] * ab[1]).max(1e-6)).clamp(0.0, 1.0);
    (ap[0] - t * ab[0]).hypot(ap[1] - t * ab[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A net over 40x30 pixels whose inner knots are pushed around, as corners of triangles; texture under its place.
    fn net(push: f32) -> Vec<[Corner; 3]> {
        let mut state = 7u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        let knots: Vec<Vec<Corner>> = (0..=6)
            .map(|row| {
                (0..=8)
                    .map(|column| {
                        let from = [column as f32 * 5.0, row as f32 * 5.0];
                        let inner = (1..8).contains(&column) && (1..6).contains(&row);
                        let [dx, dy] = if inner { [random(), random()] } else { [0.0; 2] };
                        Corner { at: [from[0] + push * dx, from[1] + push * dy], from }
                    })
                    .collect()
            })
            .collect();
        let mut all = Vec::new();
        for (upper, lower) in knots.iter().zip(&knots[1..]) {
            for i in 0..8 {
                all.push([upper[i], lower[i], upper[i + 1]]);
                all.push([lower[i], lower[i + 1], upper[i + 1]]);
            }
        }
        all
    }

    fn draw(triangles: &[[Corner; 3]], texture: &Plane) -> Vec<u8> {
        let mut data = vec![0; 40 * 30];
        for corners in triangles {
            triangle(corners, 1.0, [texture], &mut [Target { data: &mut data, stride: 40, width: 40, height: 30 }]);
        }
        data
    }

    #[test]
    fn triangles_side_by_side_cover_every_pixel_once() {
        let white = Plane::new(&[1; 40 * 30], 40);
        for push in [0.0, 1.0, 3.0, 4.9] {
            let mut covered = vec![0; 40 * 30];
            for corners in net(push) {
                covered.iter_mut().zip(draw(&[corners], &white)).for_each(|(sum, one)| *sum += one);
            }
            assert!(covered.iter().all(|&count| count == 1), "push {push}");
        }
    }

    #[test]
    fn what_stays_in_place_is_copied_exactly() {
        let pixels: Vec<u8> = (0..40 * 30).map(|i| (i * 37 % 251) as u8).collect();
        assert_eq!(draw(&net(0.0), &Plane::new(&pixels, 40)), pixels);
    }

    #[test]
    fn a_shift_by_half_a_pixel_is_the_mean_of_neighbours() {
        let pixels: Vec<u8> = (0..40 * 30).map(|i| if i % 2 == 0 { 10 } else { 30 }).collect();
        let shifted = net(0.0).into_iter().map(|t| t.map(|c| Corner { from: [c.from[0] + 0.5, c.from[1]], ..c }));
        let drawn = draw(&shifted.collect::<Vec<_>>(), &Plane::new(&pixels, 40));
        assert!(drawn.chunks(40).all(|row| row[..39].iter().all(|&v| v == 20)));
    }

    #[test]
    fn triangles_beyond_the_plane_and_slivers_are_harmless() {
        let texture = Plane::new(&[9; 40 * 30], 40);
        let far = [-1e9, -40.0, 0.0, 1e-7, 15.3, 39.999, 40.0, 1e9, f32::NAN];
        for a in far {
            for b in far {
                for c in far {
                    let corner = |x, y| Corner { at: [x, y], from: [y, x] };
                    let drawn = draw(&[[corner(a, b), corner(b, c), corner(c, a)]], &texture);
                    assert!(drawn.iter().all(|&v| v == 0 || v == 9));
                }
            }
        }
    }

    #[test]
    fn softening_stays_at_the_line() {
        let mut data: Vec<u8> = (0..40 * 30).map(|i| if i / 40 < 15 { 0 } else { 200 }).collect();
        let before = data.clone();
        let mut target = Target { data: &mut data, stride: 40, width: 40, height: 30 };
        soften(&mut target, [[[-5.0, 15.0], [50.0, 15.0]]].into_iter(), &mut Vec::new());
        let column: Vec<u8> = data.iter().skip(20).step_by(40).copied().collect();
        assert_eq!(column[13..17], [0, 50, 150, 200]);
        assert_eq!(data[..13 * 40], before[..13 * 40]);
        assert_eq!(data[17 * 40..], before[17 * 40..]);
    }
}

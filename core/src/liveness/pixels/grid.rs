//! The points that a patch is made of.

use super::Affine;

/// The points of a patch: `side` x `side` of them for every value.
pub(super) struct Grid<'a> {
    /// From values to pixels.
    pub map: &'a Affine,
    /// Points per value, in either direction.
    pub side: usize,
    /// Columns of values.
    pub width: usize,
    /// Rows of values.
    pub height: usize,
}

impl Grid<'_> {
    /// Where the first point of a value lies from the value's middle, in values.
    fn first(&self) -> f32 {
        0.5 / self.side as f32 - 0.5
    }

    /// Bilinear means, in integers: coordinates in 65536ths of a pixel, weights in 256ths. `None` when a point lies outside
    /// the picture. `place` says where the pixel of a row and column is, `next` how far it is from there to the next
    /// column's and the next row's.
    pub(super) fn sampled(
        &self,
        width: usize,
        height: usize,
        place: impl Fn(usize, usize) -> usize,
        next: [usize; 2],
        read: impl Fn(usize) -> u32,
    ) -> Option<Vec<f32>> {
        const ONE: f32 = 65_536.0;
        let last = |count: usize| count as f32 - 1.0 - self.first();
        let (left, right) = (self.first(), [last(self.width), last(self.height)]);
        let corners = [[left, left], [right[0], left], [left, right[1]], right].map(|corner| self.map.apply(corner));
        // A hundredth of a pixel for what the steps in integers add up to.
        let inside = |value: f32, size: usize| value >= 0.01 && value < size as f32 - 1.01 && size < 32_768;
        if !corners.iter().all(|[x, y]| inside(*x, width) && inside(*y, height)) {
            return None;
        }
        let step = self.map.across.map(|value| (value / self.side as f32 * ONE).round() as i32);
        let scale = 1.0 / (ONE * (self.side * self.side) as f32);
        let mut values = Vec::with_capacity(self.width * self.height);
        let mut sums = vec![0; self.width];
        for row in 0..self.height {
            sums.fill(0);
            for line in 0..self.side {
                let down = row as f32 + self.first() + line as f32 / self.side as f32;
                let [mut x, mut y] = self.map.apply([self.first(), down]).map(|value| (value * ONE).round() as i32);
                for sum in &mut sums {
                    for _ in 0..self.side {
                        let at = place((y >> 16) as usize, (x >> 16) as usize);
                        let (fx, fy) = ((x >> 8 & 255) as u32, (y >> 8 & 255) as u32);
                        let upper = read(at) * (256 - fx) + read(at + next[0]) * fx;
                        let lower = read(at + next[1]) * (256 - fx) + read(at + next[0] + next[1]) * fx;
                        *sum += u64::from(upper) * u64::from(256 - fy) + u64::from(lower) * u64::from(fy);
                        (x, y) = (x + step[0], y + step[1]);
                    }
                }
            }
            values.extend(sums.iter().map(|sum| *sum as f32 * scale));
        }
        Some(values)
    }

    /// The same by a function that repeats the edges.
    pub(super) fn sampled_at_edges(&self, read: impl Fn(f32, f32) -> f32) -> Vec<f32> {
        let offsets: Vec<f32> = (0..self.side).map(|i| self.first() + i as f32 / self.side as f32).collect();
        let mut values = Vec::with_capacity(self.width * self.height);
        for row in 0..self.height {
            for column in 0..self.width {
                let mut sum = 0.0;
                for dy in &offsets {
                    for dx in &offsets {
                        let [x, y] = self.map.apply([column as f32 + dx, row as f32 + dy]);
                        sum += read(x, y);
                    }
                }
                values.push(sum / (self.side * self.side) as f32);
            }
        }
        values
    }
}

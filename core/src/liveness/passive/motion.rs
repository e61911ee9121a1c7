//! Motion of the face against what is around it.
//!
//! A photograph in a hand moves as one piece: what carries the face carries its surroundings. A head in a room moves on
//! its own. From frame to frame the motion of small cells of a thumbnail is measured (Lucas and Kanade, 1981, coarse to
//! fine), a similarity is fitted to the cells of the face by least squares, and continued to the cells around the head.
//! With `u` a cell's own motion there and `s` the continued one, means over cells, summed over frames in which the face
//! moves:
//!
//! `value = sum |u - s|^2 / (sum |u - s|^2 + 2 sum u.s)`, with the product not below 0: 0 where all is one piece, 1
//! where the surroundings stay or go their own way. A replayed video looks like life here, unless a hand shakes the
//! screen.

use super::sight::{FaceArea, Thumbnail};

/// Side of a cell in pixels of the thumbnail.
const CELL: usize = 8;
/// From one cell to the next.
const EVERY: usize = 10;
/// Where a cell counts as face, and where as surroundings: distance from the middle of the face, in its size.
const FACE: f32 = 0.5;
const AROUND: std::ops::Range<f32> = 0.75..1.8;
/// Least motion of the face between two frames that says anything, root of mean square in pixels of the thumbnail.
const MOVES: f32 = 0.2;
/// Least smaller eigenvalue of a cell's structure tensor, per pixel: what has no corner has no measurable motion.
const TEXTURED: f32 = 2.0;
/// Cells that a fit, and a comparison, need.
const CELLS: usize = 5;
/// Sum of the face's squared motion, in pixels of the thumbnail, before there is a value.
const ENOUGH: f32 = 1.0;

/// The cue's state.
#[derive(Default)]
pub(super) struct Motion {
    previous: Option<(Scales, FaceArea)>,
    apart: f32,
    together: f32,
    moved: f32,
}

/// A thumbnail, and half of it.
struct Scales {
    fine: Thumbnail,
    coarse: Thumbnail,
}

/// A cell's place and motion, in pixels of the thumbnail.
struct Cell {
    at: [f32; 2],
    motion: [f32; 2],
}

impl Motion {
    pub fn observe(&mut self, fine: Thumbnail, area: &FaceArea) {
        let now = Scales { coarse: fine.halved(), fine };
        if let Some((before, area)) = &self.previous
            && (before.fine.width, before.fine.height) == (now.fine.width, now.fine.height)
        {
            let (face, around) = cells(before, &now, area);
            self.compare(&face, &around);
        }
        self.previous = Some((now, *area));
    }

    fn compare(&mut self, face: &[Cell], around: &[Cell]) {
        if face.len() < CELLS || around.len() < CELLS {
            return;
        }
        let fit = Similarity::fit(face);
        let moved = face.iter().map(|cell| dot(fit.at(cell.at), fit.at(cell.at))).sum::<f32>() / face.len() as f32;
        if moved < MOVES * MOVES {
            return;
        }
        self.moved += moved;
        let share = 1.0 / around.len() as f32;
        for cell in around {
            let [own, carried] = [cell.motion, fit.at(cell.at)];
            let apart = [own[0] - carried[0], own[1] - carried[1]];
            self.apart += share * dot(apart, apart);
            self.together += share * dot(own, carried);
        }
    }

    /// 0..1; none until the face has moved enough.
    pub fn value(&self) -> Option<f32> {
        let all = self.apart + 2.0 * self.together.max(0.0);
        (self.moved >= ENOUGH && all > 0.0).then(|| self.apart / all)
    }
}

/// The cells of the face and those around it that were found again.
fn cells(before: &Scales, now: &Scales, area: &FaceArea) -> (Vec<Cell>, Vec<Cell>) {
    let scale = 1.0 / before.fine.factor as f32;
    let (centre, size) = (area.centre.map(|v| v * scale), area.size.map(|v| v * scale));
    let (mut face, mut around) = (Vec::new(), Vec::new());
    for row in 0..before.fine.height / EVERY {
        for column in 0..before.fine.width / EVERY {
            let at = [column, row].map(|i| (i * EVERY + EVERY / 2) as f32);
            let away = ((at[0] - centre[0]) / size[0]).hypot((at[1] - centre[1]) / size[1]);
            let kind = match away {
                _ if away < FACE => &mut face,
                _ if AROUND.contains(&away) => &mut around,
                _ => continue,
            };
            let coarse = track(&before.coarse, &now.coarse, at.map(|v| v / 2.0), [0.0; 2]);
            let guess = coarse.unwrap_or_default().map(|v| 2.0 * v);
            if let Some(motion) = track(&before.fine, &now.fine, at, guess) {
                kind.push(Cell { at, motion });
            }
        }
    }
    (face, around)
}

fn dot(a: [f32; 2], b: [f32; 2]) -> f32 {
    a[0] * b[0] + a[1] * b[1]
}

/// Motion as a shift, a turn and a change of size around a point.
struct Similarity {
    centre: [f32; 2],
    shift: [f32; 2],
    grow: f32,
    turn: f32,
}

impl Similarity {
    /// Least squares.
    fn fit(cells: &[Cell]) -> Self {
        let share = 1.0 / cells.len() as f32;
        let mean = |of: fn(&Cell) -> [f32; 2]| {
            cells.iter().map(of).fold([0.0; 2], |sum, v| [sum[0] + share * v[0], sum[1] + share * v[1]])
        };
        let (centre, shift) = (mean(|cell| cell.at), mean(|cell| cell.motion));
        let (mut grow, mut turn, mut all) = (0.0, 0.0, 1e-6);
        for cell in cells {
            let [x, y] = [cell.at[0] - centre[0], cell.at[1] - centre[1]];
            grow += dot([x, y], cell.motion);
            turn += dot([-y, x], cell.motion);
            all += x * x + y * y;
        }
        Self { centre, shift, grow: grow / all, turn: turn / all }
    }

    /// The motion of a point.
    fn at(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let [x, y] = [x - self.centre[0], y - self.centre[1]];
        [self.shift[0] + self.grow * x - self.turn * y, self.shift[1] + self.grow * y + self.turn * x]
    }
}

/// Where the cell around `at` went, from a guess. None where it has no texture, or was not found again.
fn track(before: &Thumbnail, now: &Thumbnail, at: [f32; 2], guess: [f32; 2]) -> Option<[f32; 2]> {
    let [left, top] = at.map(|v| v as usize).map(|v| v.wrapping_sub(CELL / 2));
    let inside = |low: usize, length: usize| low >= 1 && low < length && low + CELL < length;
    if !inside(left, before.width) || !inside(top, before.height) {
        return None;
    }
    let mut pixels = [[0.0_f32; 3]; CELL * CELL];
    let [mut xx, mut xy, mut yy] = [0.0; 3];
    for (i, [value, gx, gy]) in pixels.iter_mut().enumerate() {
        let at = (top + i / CELL) * before.width + left + i % CELL;
        *value = before.data[at];
        *gx = (before.data[at + 1] - before.data[at - 1]) / 2.0;
        *gy = (before.data[at + before.width] - before.data[at - before.width]) / 2.0;
        xx += *gx * *gx;
        xy += *gx * *gy;
        yy += *gy * *gy;
    }
    let smaller = (xx + yy) / 2.0 - ((xx - yy) / 2.0).hypot(xy);
    if smaller < TEXTURED * (CELL * CELL) as f32 {
        return None;
    }
    let mut motion = guess;
    for _ in 0..2 {
        let [mut x, mut y] = [0.0; 2];
        let seen = now.patch([left as f32 + motion[0], top as f32 + motion[1]])?;
        for ([value, gx, gy], seen) in pixels.iter().zip(seen) {
            x += (value - seen) * gx;
            y += (value - seen) * gy;
        }
        let determinant = xx * yy - xy * xy;
        motion[0] += (yy * x - xy * y) / determinant;
        motion[1] += (xx * y - xy * x) / determinant;
    }
    let change = [motion[0] - guess[0], motion[1] - guess[1]];
    (dot(change, change) < (CELL * CELL / 4) as f32).then_some(motion)
}

impl Thumbnail {
    /// A cell's pixels from a corner between pixels, bilinear. None where it is not wholly inside.
    fn patch(&self, [x, y]: [f32; 2]) -> Option<[f32; CELL * CELL]> {
        let inside = |low: f32, length: usize| low >= 0.0 && low + (CELL as f32) < length as f32 - 1.0;
        if !inside(x, self.width) || !inside(y, self.height) {
            return None;
        }
        let (fx, fy) = (x.fract(), y.fract());
        let weights = [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy];
        let mut patch = [0.0; CELL * CELL];
        for (row, values) in patch.chunks_exact_mut(CELL).enumerate() {
            let at = (y as usize + row) * self.width + x as usize;
            let (above, below) = (&self.data[at..=at + CELL], &self.data[at + self.width..=at + self.width + CELL]);
            for ((value, a), b) in values.iter_mut().zip(above.windows(2)).zip(below.windows(2)) {
                *value = weights[0] * a[0] + weights[1] * a[1] + weights[2] * b[0] + weights[3] * b[1];
            }
        }
        Some(patch)
    }
}

//! Borders of a screen or a sheet: straight edges around the face that move with it.
//!
//! On each of the four sides of the head the straightest long edge is looked for in a thumbnail: over lines up to 0.2
//! steep, longer than 1.2 faces, the mean of `clamp(g / 8, -1, 1)`, `g` the change of brightness in grey levels over
//! two pixels across. 1 is an edge without a gap; what is curved, interrupted or faint stays below. Rooms have straight
//! edges as well (doors, shelves), but seldom on all sides, and they stay when the head moves. So over pairs of frames
//! about half a second apart
//!
//! `with = 1 - sum (d_edge - d_face)^2 / sum d_face^2`, not below 0, `d` the motion across the edge;
//!
//! a side counts `straightness * (1 + with) / 2` (with = 0 where the face has not moved enough), and the value is the
//! mean of the second and the third greatest of the four: 0 no border, 0.5 a frame that stays, 1 a frame that moves
//! with the face.

use std::collections::VecDeque;

use super::sight::{FaceArea, Thumbnail};

/// Change of brightness over two pixels that makes a clear edge.
const CLEAR: f32 = 8.0;
/// Slopes that are tried.
const SLOPES: [f32; 9] = [-0.2, -0.15, -0.1, -0.05, 0.0, 0.05, 0.1, 0.15, 0.2];
/// Least straightness of an edge that is followed.
const STRAIGHT: f32 = 0.6;
/// Looked-at frames (every second one is) between the two that are compared.
const APART: usize = 4;
/// Frames before there is a value.
const FRAMES: u32 = 4;
/// Sum of a face's squared motion across a side, in pixels of the thumbnail, before it counts.
const ENOUGH: f32 = 1.0;

/// The cue's state.
#[derive(Default)]
pub(super) struct Borders {
    past: VecDeque<Seen>,
    sides: [Side; 4],
    frames: u32,
}

/// Sums of one side.
#[derive(Clone, Copy, Default)]
struct Side {
    straight: f32,
    apart: f32,
    moved: f32,
}

/// One frame, in pixels of the thumbnail: the middle of the face, and each side's edge.
struct Seen {
    face: [f32; 2],
    edges: [Option<Edge>; 4],
}

/// A straight edge: where it is, at the height (or width) of the face's middle, and how straight.
#[derive(Clone, Copy)]
struct Edge {
    place: f32,
    straight: f32,
}

impl Borders {
    pub fn observe(&mut self, thumbnail: &Thumbnail, area: &FaceArea) {
        let scale = 1.0 / thumbnail.factor as f32;
        let (face, size) = (area.centre.map(|v| v * scale), area.size.map(|v| v * scale));
        let (upright, level) = (Scan::upright(thumbnail), Scan::level(thumbnail));
        let edges = [
            upright.edge(face, size, -1.0),
            upright.edge(face, size, 1.0),
            level.edge([face[1], face[0]], [size[1], size[0]], -1.0),
            level.edge([face[1], face[0]], [size[1], size[0]], 1.0),
        ];
        let now = Seen { face, edges };
        for (side, edge) in self.sides.iter_mut().zip(&now.edges) {
            side.straight += edge.map_or(0.0, |edge| edge.straight);
        }
        self.frames += 1;
        if self.past.len() == APART
            && let Some(before) = self.past.pop_front()
        {
            self.follow(&before, &now);
        }
        self.past.push_back(now);
    }

    fn follow(&mut self, before: &Seen, now: &Seen) {
        for (index, side) in self.sides.iter_mut().enumerate() {
            if let (Some(was), Some(is)) = (before.edges[index], now.edges[index])
                && was.straight.min(is.straight) >= STRAIGHT
            {
                let face = now.face[index / 2] - before.face[index / 2];
                side.moved += face * face;
                side.apart += (is.place - was.place - face).powi(2);
            }
        }
    }

    /// 0..1.
    pub fn value(&self) -> Option<f32> {
        if self.frames < FRAMES {
            return None;
        }
        let mut sides = self.sides.map(|side| {
            let with = if side.moved < ENOUGH { 0.0 } else { (1.0 - side.apart / side.moved).max(0.0) };
            side.straight / self.frames as f32 * (1.0 + with) / 2.0
        });
        sides.sort_by(|a, b| b.total_cmp(a));
        Some((sides[1] + sides[2]) / 2.0)
    }
}

/// A thumbnail, or one with rows and columns exchanged.
struct Scan<'a> {
    data: &'a [f32],
    columns: usize,
    rows: usize,
    next_column: usize,
    next_row: usize,
}

impl<'a> Scan<'a> {
    fn upright(t: &'a Thumbnail) -> Self {
        Self { data: &t.data, columns: t.width, rows: t.height, next_column: 1, next_row: t.width }
    }

    fn level(t: &'a Thumbnail) -> Self {
        Self { data: &t.data, columns: t.height, rows: t.width, next_column: t.width, next_row: 1 }
    }

    /// The straightest edge before (-1) or behind (1) the face. None where the picture ends too soon.
    fn edge(&self, [middle, centre]: [f32; 2], size: [f32; 2], side: f32) -> Option<Edge> {
        let from = (centre - 0.9 * size[1]).max(1.0) as usize;
        let to = ((centre + 0.9 * size[1]).max(0.0) as usize).min(self.rows.saturating_sub(1));
        if to < from + 20 || (to - from) as f32 <= 1.2 * size[1] {
            return None;
        }
        let mut best: Option<Edge> = None;
        // Beside the head, not in its hair: 0.75 to 1.8 faces from the middle.
        for step in 0..(1.05 * size[0]) as usize {
            let place = middle + side * (0.75 * size[0] + step as f32);
            for slope in SLOPES {
                let column = |row: usize| place + slope * (row as f32 - centre);
                if ![from, to].iter().all(|row| (1.0..self.columns as f32 - 1.0).contains(&column(*row))) {
                    continue;
                }
                let (mut sum, mut count) = (0.0, 0.0);
                for row in (from..to).step_by(2) {
                    let at = row * self.next_row + column(row) as usize * self.next_column;
                    let change = self.data[at + self.next_column] - self.data[at - self.next_column];
                    sum += (change / CLEAR).clamp(-1.0, 1.0);
                    count += 1.0;
                }
                let straight = f32::abs(sum) / count;
                if best.is_none_or(|best| straight > best.straight) {
                    best = Some(Edge { place, straight });
                }
            }
        }
        best
    }
}

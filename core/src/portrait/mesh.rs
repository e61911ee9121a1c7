//! The mesh that carries the picture: the face's 468 landmarks, and rings of points around them.
//!
//! The rings give hair, ears and neck something to move with. From the oval of the face outwards they first reach the
//! head's outline, where the depth has sunk to that of the head's axis, so that a turn no longer moves anything; then the
//! border, which stays where it is in the picture. Nothing tears, and outside the border the picture is untouched.

use crate::topology::{
    EARS, FOREHEAD_AND_CHIN, LEFT_EYE, LOWER_LIP, MESH_POINTS, OVAL, RIGHT_EYE, TRIANGLES, UPPER_LIP,
};

/// Rings between the oval and the head's outline, as fractions of that way.
const HEAD_RINGS: [f32; 4] = [0.2, 0.45, 0.72, 1.0];
/// Rings between the head's outline and the border, as fractions of that way.
const OUTER_RINGS: [f32; 3] = [0.33, 0.66, 1.0];

/// The head's outline and the border, as multiples of the distance from the face's centre to its oval: upwards (hair),
/// sideways, downwards (neck).
const OUTLINE: [f32; 3] = [2.05, 1.7, 1.16];
const BORDER: [f32; 3] = [2.4, 2.35, 1.75];

/// The face's own directions and sizes in the canvas.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    /// Unit vector from the subject's right to their left.
    pub across: [f32; 2],
    /// Unit vector from the forehead to the chin.
    pub down: [f32; 2],
    /// Distance between the outer corners of the eyes, pixels.
    pub unit: f32,
    /// The point that the head turns about: between the ears.
    pub pivot: [f32; 3],
}

/// Points and triangles. All coordinates are canvas pixels, z grows away from the viewer.
pub(super) struct Mesh {
    /// The 468 landmarks, then ring after ring outwards.
    pub points: Vec<[f32; 3]>,
    /// How far each point follows the head: 1 on the head, 0 on the border.
    pub follows: Vec<f32>,
    /// Triangles of the rings, outermost first.
    pub rings: Vec<[u16; 3]>,
    /// Triangles of the face's skin.
    pub skin: Vec<[u16; 3]>,
    /// Triangles that fill the openings of eyes and mouth.
    pub openings: Vec<[u16; 3]>,
    /// For every point its neighbours along the skin.
    pub neighbours: Vec<Vec<(u16, f32)>>,
    /// Directions and sizes.
    pub frame: Frame,
}

impl Mesh {
    /// `landmarks` in canvas pixels; the border stays inside the canvas (width, height).
    pub fn new(landmarks: &[[f32; 3]], canvas: [f32; 2]) -> Self {
        let mut points = landmarks[..MESH_POINTS].to_vec();
        let frame = Frame::of(&points);
        let mut follows = vec![1.0; MESH_POINTS];
        add_rings(&mut points, &mut follows, &frame, canvas);
        let (openings, skin) = TRIANGLES.iter().partition::<Vec<[u16; 3]>, _>(|t| is_opening(t));
        let rings = ring_triangles();
        let neighbours = neighbours(&points, skin.iter().chain(&rings));
        Self { points, follows, rings, skin, openings, neighbours, frame }
    }
}

impl Frame {
    fn of(points: &[[f32; 3]]) -> Self {
        let [right, left] = [points[RIGHT_EYE.corners[0]], points[LEFT_EYE.corners[0]]];
        let (dx, dy) = (left[0] - right[0], left[1] - right[1]);
        let unit = dx.hypot(dy).max(1.0);
        let across = [dx / unit, dy / unit];
        let [a, b] = EARS.map(|i| points[i]);
        let pivot = [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0, (a[2] + b[2]) / 2.0 + 0.1 * unit];
        Self { across, down: [-across[1], across[0]], unit, pivot }
    }

    /// `p` relative to `origin` along the face's own axes, in units.
    pub fn local(&self, p: [f32; 3], origin: [f32; 3]) -> [f32; 3] {
        let d = [p[0] - origin[0], p[1] - origin[1]];
        [
            (d[0] * self.across[0] + d[1] * self.across[1]) / self.unit,
            (d[0] * self.down[0] + d[1] * self.down[1]) / self.unit,
            (p[2] - origin[2]) / self.unit,
        ]
    }

    /// A displacement along the face's own axes (units; z away from the viewer) in pixels.
    pub fn pixels(&self, [x, y, z]: [f32; 3]) -> [f32; 3] {
        [
            (x * self.across[0] + y * self.down[0]) * self.unit,
            (x * self.across[1] + y * self.down[1]) * self.unit,
            z * self.unit,
        ]
    }
}

/// A triangle fills an opening when all its corners lie on the inner lips, or on the lids of one eye.
fn is_opening(triangle: &[u16; 3]) -> bool {
    let all = |lines: &[&[usize]]| triangle.iter().all(|&v| lines.iter().any(|line| line.contains(&usize::from(v))));
    all(&[&UPPER_LIP[3], &LOWER_LIP[3]])
        || [&RIGHT_EYE, &LEFT_EYE].iter().any(|eye| all(&[&eye.upper, &eye.lower, &eye.corners]))
}

/// A value given for up, sideways and down at the direction whose downward part is `down` (-1..1).
fn by_direction([up, side, below]: [f32; 3], down: f32) -> f32 {
    if down < 0.0 { side + (up - side) * down * down } else { side + (below - side) * smooth(down * 1.25) }
}

/// Smooth step from 0 to 1.
pub(super) fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

fn add_rings(points: &mut Vec<[f32; 3]>, follows: &mut Vec<f32>, frame: &Frame, canvas: [f32; 2]) {
    let [top, chin] = FOREHEAD_AND_CHIN.map(|i| points[i]);
    let centre = [(top[0] + chin[0]) / 2.0, (top[1] + chin[1]) / 2.0];
    let rays: Vec<_> = OVAL
        .iter()
        .map(|&i| {
            let p = points[i];
            let d = [p[0] - centre[0], p[1] - centre[1]];
            let down = (d[0] * frame.down[0] + d[1] * frame.down[1]) / d[0].hypot(d[1]).max(1.0);
            let room = room_along(centre, d, canvas);
            let border = by_direction(BORDER, down).min(room).max(1.02);
            let outline = by_direction(OUTLINE, down).min(1.0 + 0.85 * (border - 1.0));
            (p, d, outline, border, down)
        })
        .collect();
    let mut ring = |far: &dyn Fn(f32, f32) -> f32, depth: f32, follow: &dyn Fn(f32) -> f32| {
        for &(p, d, outline, border, down) in &rays {
            let k = far(outline, border);
            points.push([centre[0] + d[0] * k, centre[1] + d[1] * k, p[2] + (frame.pivot[2] - p[2]) * depth]);
            follows.push(follow(down));
        }
    };
    for t in HEAD_RINGS {
        // The neck follows the head less the further down it is.
        ring(&|outline, _| 1.0 + (outline - 1.0) * t, smooth(t), &|down| 1.0 - 0.45 * t * smooth(down * 1.5 - 0.25));
    }
    for t in OUTER_RINGS {
        let held = 1.0 - smooth(t);
        ring(&|outline, border| outline + (border - outline) * t, 1.0, &|down| {
            held * (1.0 - 0.45 * smooth(down * 1.5 - 0.25))
        });
    }
}

/// The largest multiple of `d` from `centre` that stays inside the canvas.
fn room_along(centre: [f32; 2], d: [f32; 2], canvas: [f32; 2]) -> f32 {
    let axis = |c: f32, d: f32, size: f32| {
        if d > 1e-3 {
            (size - c) / d
        } else if d < -1e-3 {
            -c / d
        } else {
            f32::MAX
        }
    };
    axis(centre[0], d[0], canvas[0]).min(axis(centre[1], d[1], canvas[1]))
}

/// Strips between one ring and the next, outermost first, wound as [`TRIANGLES`].
fn ring_triangles() -> Vec<[u16; 3]> {
    let n = OVAL.len();
    let rings = HEAD_RINGS.len() + OUTER_RINGS.len();
    let point = |ring: usize, j: usize| {
        let j = j % n;
        (if ring == 0 { OVAL[j] } else { MESH_POINTS + (ring - 1) * n + j }) as u16
    };
    let mut triangles = Vec::with_capacity(2 * n * rings);
    for ring in (0..rings).rev() {
        for j in 0..n {
            let (a, b, c, d) = (point(ring, j), point(ring, j + 1), point(ring + 1, j), point(ring + 1, j + 1));
            triangles.push([a, b, c]);
            triangles.push([b, d, c]);
        }
    }
    triangles
}

fn neighbours<'a>(points: &[[f32; 3]], triangles: impl Iterator<Item = &'a [u16; 3]>) -> Vec<Vec<(u16, f32)>> {
    let mut all: Vec<Vec<(u16, f32)>> = vec![Vec::new(); points.len()];
    for &[a, b, c] in triangles {
        for (from, to) in [(a, b), (b, c), (c, a), (b, a), (c, b), (a, c)] {
            let list = &mut all[usize::from(from)];
            if list.iter().all(|&(p, _)| p != to) {
                let [p, q] = [points[usize::from(from)], points[usize::from(to)]];
                list.push((to, 1.0 / (p[0] - q[0]).hypot(p[1] - q[1]).max(0.5)));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::tests::face;
    use super::*;

    fn mesh() -> Mesh {
        let points: Vec<_> = face().landmarks.iter().map(|p| [p[0] * 512.0, p[1] * 512.0, p[2] * 512.0]).collect();
        Mesh::new(&points, [512.0, 512.0])
    }

    fn area(mesh: &Mesh, triangle: &[u16; 3]) -> f32 {
        let [p, q, r] = triangle.map(|i| mesh.points[usize::from(i)]);
        (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])
    }

    #[test]
    fn eyes_and_mouth_are_openings_and_nothing_else_is() {
        let mesh = mesh();
        // Between n points around an opening there are n - 2 triangles: 20 around the mouth, 16 around each eye.
        assert_eq!(mesh.openings.len(), 18 + 14 + 14);
        assert_eq!(mesh.openings.len() + mesh.skin.len(), TRIANGLES.len());
    }

    #[test]
    fn rings_face_the_viewer_and_end_at_a_border_that_stays() {
        let mesh = mesh();
        let rings = HEAD_RINGS.len() + OUTER_RINGS.len();
        assert_eq!(mesh.points.len(), MESH_POINTS + 36 * rings);
        assert_eq!(mesh.rings.len(), 72 * rings);
        assert!(mesh.rings.iter().all(|t| area(&mesh, t) < 0.0));
        let border = mesh.points.len() - 36;
        assert!(mesh.follows[border..].iter().all(|&f| f == 0.0));
        assert!(mesh.follows[MESH_POINTS..border].iter().all(|&f| f > 0.0 && f <= 1.0));
        assert!(mesh.points[border..].iter().all(|p| (0.0..=512.0).contains(&p[0]) && (0.0..=512.0).contains(&p[1])));
    }
}

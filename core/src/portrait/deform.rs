//! How the mesh moves: the shapes of expressions, worked out once, and the pose of the head.
//!
//! A shape is a displacement per point at full strength; shapes add up. Each says where some lines of the face go and
//! which parts stay; between them the skin follows evenly: every free point moves by the weighted mean of its neighbours
//! (Laplace's equation on the mesh). Sizes are in units of the distance between the outer corners of the eyes.
//!
//! The numbers were tuned by eye and against the blendshapes that MediaPipe's face landmarker sees in the result.

use super::Expression;
use super::mesh::{Frame, Mesh};
use crate::topology::{
    EyeLines, FOREHEAD_AND_CHIN, LEFT_EYE, LOWER_LIP, MESH_POINTS, NOSE_BASE, OVAL, RIGHT_EYE, UPPER_LIP,
};

/// How much narrower the mouth is at rest than in the pictured smile, as a fraction.
const REST_NARROWER: f32 = 0.21;
/// How far the corners of the mouth sink from the smile to rest.
const REST_CORNER_DROP: f32 = 0.1;
/// Where the lips meet at rest: 0 at the upper lip's edge, 1 at the lower lip's.
const REST_MEETING: f32 = 0.33;
/// How far each line of a lip goes with its inner edge when the mouth closes, from the skin inwards.
const LIP_LINES: [f32; 4] = [0.45, 0.65, 0.85, 1.0];
/// How far the lower lip travels when the jaw is fully open.
const JAW_TRAVEL: f32 = 0.58;
/// How far chin and corners of the mouth go with it, as fractions.
const CHIN_FOLLOWS: f32 = 0.8;
const CORNERS_FOLLOW: f32 = 0.35;
/// Where closed lids meet: 0 at the pictured lower lid, 1 at the upper. A smile lifts the lower lid: closing relaxes it.
const LIDS_MEETING: f32 = -0.4;
/// Distance of the camera: gives a turn its slight perspective.
const CAMERA: f32 = 12.0;
/// The landmarker sees faces flatter than they are: with this depth it sees the turn that was asked for.
const DEPTH: f32 = 1.1;

/// A displacement in pixels for every point of the mesh.
type Shape = Vec<[f32; 3]>;

/// The shapes of one face.
pub(super) struct Shapes {
    /// From the pictured smile to a closed mouth at rest.
    rest: Shape,
    jaw_open: Shape,
    blink_right: Shape,
    blink_left: Shape,
}

impl Shapes {
    pub fn new(mesh: &Mesh) -> Self {
        Self {
            rest: rest(mesh),
            jaw_open: jaw_open(mesh),
            blink_right: blink(mesh, &RIGHT_EYE),
            blink_left: blink(mesh, &LEFT_EYE),
        }
    }

    /// The points of `mesh` with this expression, before the head moves.
    pub fn apply(&self, mesh: &Mesh, expression: &Expression, out: &mut Vec<[f32; 3]>) {
        let &Expression { smile, jaw_open, blink_right, blink_left, .. } = expression;
        out.clone_from(&mesh.points);
        for (shape, strength) in [
            (&self.rest, 1.0 - smile),
            (&self.jaw_open, jaw_open),
            (&self.blink_right, blink_right),
            (&self.blink_left, blink_left),
        ] {
            if strength != 0.0 {
                for (point, d) in out.iter_mut().zip(shape) {
                    for axis in 0..3 {
                        point[axis] += strength * d[axis];
                    }
                }
            }
        }
    }
}

/// Moves `points` with the head, as far as each follows: rotated about the pivot (roll, then pitch, then yaw) and shifted.
pub(super) fn pose(mesh: &Mesh, expression: &Expression, points: &mut [[f32; 3]]) {
    let Frame { pivot, unit, .. } = mesh.frame;
    let camera = CAMERA * unit;
    let &Expression { yaw, pitch, roll, shift, .. } = expression;
    let ((sy, cy), (sp, cp), (sr, cr)) = (yaw.sin_cos(), pitch.sin_cos(), roll.sin_cos());
    for (p, &follows) in points.iter_mut().zip(&mesh.follows) {
        let z = DEPTH * (p[2] - pivot[2]);
        let near = 1.0 + z / camera;
        let (x, y) = ((p[0] - pivot[0]) * near, (p[1] - pivot[1]) * near);
        let (x, y) = (x * cr + y * sr, y * cr - x * sr);
        let (y, z) = (y * cp + z * sp, z * cp - y * sp);
        let (x, z) = (x * cy - z * sy, z * cy + x * sy);
        let near = 1.0 + z / camera;
        p[0] += follows * (pivot[0] + x / near + shift[0] * unit - p[0]);
        p[1] += follows * (pivot[1] + y / near + shift[1] * unit - p[1]);
        p[2] += follows * (pivot[2] + z - p[2]);
    }
}

/// What a shape says about the points: where they go, or nothing: that they follow the others.
struct Sketch<'a> {
    mesh: &'a Mesh,
    set: Vec<Option<[f32; 3]>>,
}

impl<'a> Sketch<'a> {
    /// Every point is free but those of the border and those that `stay`.
    fn new(mesh: &'a Mesh, stay: impl Fn([f32; 3]) -> bool) -> Self {
        let kept = |(&p, &follows): (&[f32; 3], &f32)| (follows == 0.0 || stay(p)).then_some([0.0; 3]);
        Self { mesh, set: mesh.points.iter().zip(&mesh.follows).map(kept).collect() }
    }

    /// Point `i` goes by `d`: across and down the face and away from the viewer, in units.
    fn put(&mut self, i: usize, d: [f32; 3]) {
        self.set[i] = Some(self.mesh.frame.pixels(d));
    }

    /// Solves for the free points by Gauss-Seidel sweeps.
    fn finish(self) -> Shape {
        let mut shape: Shape = self.set.iter().map(|d| d.unwrap_or_default()).collect();
        for _ in 0..300 {
            for (i, set) in self.set.iter().enumerate() {
                if set.is_none() {
                    let (mut sum, mut total) = ([0.0; 3], 0.0);
                    for &(j, weight) in &self.mesh.neighbours[i] {
                        for axis in 0..3 {
                            sum[axis] += weight * shape[usize::from(j)][axis];
                        }
                        total += weight;
                    }
                    shape[i] = sum.map(|s| s / total);
                }
            }
        }
        shape
    }
}

/// The mouth's centre, and half its width in units.
fn mouth(mesh: &Mesh) -> ([f32; 3], f32) {
    let [right, left] = [UPPER_LIP[0][0], UPPER_LIP[0][10]].map(|i| mesh.points[i]);
    let centre = [(right[0] + left[0]) / 2.0, (right[1] + left[1]) / 2.0, 0.0];
    (centre, mesh.frame.local(left, centre)[0].max(0.05))
}

/// Whether the mouth leaves a point alone: nose, eyes, forehead, and whatever is farther than `reach` from it.
fn beyond_mouth(mesh: &Mesh, reach: f32) -> impl Fn([f32; 3]) -> bool {
    let (centre, _) = mouth(mesh);
    let frame = mesh.frame;
    let nose = frame.local(mesh.points[NOSE_BASE], centre)[1] + 0.01;
    move |p| {
        let [x, y, _] = frame.local(p, centre);
        (x.abs() < 0.3 && y < nose) || y < -0.48 || x.hypot(y) > reach
    }
}

/// Lips closed over the teeth, corners down and in.
fn rest(mesh: &Mesh) -> Shape {
    let (centre, half) = mouth(mesh);
    let local = |i: usize| mesh.frame.local(mesh.points[i], centre);
    let mut sketch = Sketch::new(mesh, beyond_mouth(mesh, 0.75));
    for column in 0..11 {
        let [upper, lower] = [UPPER_LIP[3][column], LOWER_LIP[3][column]].map(local);
        let meeting = [0, 1, 2].map(|k| upper[k] + REST_MEETING * (lower[k] - upper[k]));
        for (lip, edge) in [(&UPPER_LIP, upper), (&LOWER_LIP, lower)] {
            for (line, follows) in lip.iter().zip(LIP_LINES) {
                let from = local(line[column]);
                let [x, y, z] = [0, 1, 2].map(|k| from[k] + follows * (meeting[k] - edge[k]));
                let sideways = (x / half).clamp(-1.2, 1.2);
                let to = [x * (1.0 - REST_NARROWER), y + REST_CORNER_DROP * sideways * sideways, z];
                sketch.put(line[column], [0, 1, 2].map(|k| to[k] - from[k]));
            }
        }
    }
    sketch.finish()
}

/// Lower lip, chin and jaw down, and a little back.
fn jaw_open(mesh: &Mesh) -> Shape {
    let (centre, half) = mouth(mesh);
    let local = |i: usize| mesh.frame.local(mesh.points[i], centre);
    let mut sketch = Sketch::new(mesh, beyond_mouth(mesh, 1.6));
    // The chin moves over neck and collar, it does not push them.
    for i in MESH_POINTS + OVAL.len()..mesh.points.len() {
        sketch.put(i, [0.0; 3]);
    }
    let ears = mesh.frame.local(mesh.frame.pivot, centre)[1];
    let chin = local(FOREHEAD_AND_CHIN[1])[1];
    for i in OVAL {
        let low = ((local(i)[1] - ears) / (chin - ears).max(0.1)).clamp(0.0, 1.0);
        sketch.put(i, [0.0, CHIN_FOLLOWS * JAW_TRAVEL * low.powf(1.7), 0.12 * low]);
    }
    for (lip, middle, back) in [(&UPPER_LIP, -0.015, 0.0), (&LOWER_LIP, JAW_TRAVEL, 0.08)] {
        for &i in lip.as_flattened() {
            let x = local(i)[0];
            let sideways = (x / half).abs().min(1.0).powf(2.5);
            sketch.put(i, [-0.02 * x, middle + (CORNERS_FOLLOW * JAW_TRAVEL - middle) * sideways, back]);
        }
    }
    sketch.finish()
}

/// The upper lid slides over the eye, and draws the skin above with it.
fn blink(mesh: &Mesh, eye: &EyeLines) -> Shape {
    let mut sketch = Sketch::new(mesh, |_| true);
    for k in 0..7 {
        let [upper, lower] = [eye.upper[k], eye.lower[k]].map(|i| mesh.points[i]);
        let gap = mesh.frame.local(upper, lower);
        for (line, share) in [
            (&eye.upper, LIDS_MEETING - 1.0),
            (&eye.crease, -1.15),
            (&eye.lower, LIDS_MEETING),
            (&eye.bag, 0.5 * LIDS_MEETING),
        ] {
            sketch.put(line[k], gap.map(|d| share * d));
        }
    }
    sketch.finish()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SMILING, face};
    use super::*;

    fn formed(expression: Expression) -> (Mesh, Vec<[f32; 3]>) {
        let points: Vec<_> = face().landmarks.iter().map(|p| p.map(|v| v * 1000.0)).collect();
        let mesh = Mesh::new(&points, [1000.0, 1000.0]);
        let mut out = Vec::new();
        Shapes::new(&mesh).apply(&mesh, &expression, &mut out);
        (mesh, out)
    }

    fn gap(points: &[[f32; 3]], upper: &[usize], lower: &[usize]) -> f32 {
        let gaps = upper.iter().zip(lower).map(|(&a, &b)| {
            let [p, q] = [points[a], points[b]];
            (p[0] - q[0]).hypot(p[1] - q[1]).hypot(p[2] - q[2])
        });
        gaps.fold(0.0, f32::max)
    }

    #[test]
    fn the_pictured_expression_moves_nothing() {
        let (mesh, formed) = formed(SMILING);
        assert_eq!(formed, mesh.points);
    }

    #[test]
    fn at_rest_the_lips_meet() {
        let (mesh, formed) = formed(Expression::default());
        assert!(gap(&mesh.points, &UPPER_LIP[3], &LOWER_LIP[3]) > 0.05 * mesh.frame.unit);
        assert!(gap(&formed, &UPPER_LIP[3], &LOWER_LIP[3]) < 1e-3);
    }

    #[test]
    fn each_eye_closes_by_itself() {
        let (mesh, formed) = formed(Expression { blink_left: 1.0, ..SMILING });
        assert!(gap(&formed, &LEFT_EYE.upper, &LEFT_EYE.lower) < 1e-3);
        for line in [RIGHT_EYE.upper, RIGHT_EYE.lower, RIGHT_EYE.crease] {
            assert!(line.iter().all(|&i| formed[i] == mesh.points[i]));
        }
    }

    #[test]
    fn an_open_jaw_takes_lip_and_chin_along_but_not_the_nose() {
        let (mesh, formed) = formed(Expression { jaw_open: 1.0, ..SMILING });
        let down = |i: usize| (formed[i][1] - mesh.points[i][1]) / mesh.frame.unit;
        assert!(down(LOWER_LIP[3][5]) > 0.5 && down(FOREHEAD_AND_CHIN[1]) > 0.4);
        assert_eq!(down(NOSE_BASE), 0.0);
        // The skin between lip and chin follows evenly.
        assert!((0.4..0.7).contains(&down(200)), "{}", down(200));
    }
}

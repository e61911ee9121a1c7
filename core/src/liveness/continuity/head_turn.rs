//! A head that turns is a solid one.
//!
//! Between two views of a plane lies a homography, whatever the plane does in front of the camera; the points of a solid
//! head leave it the farther the more the head turns, since nose and ears lie at different depths. What is judged is how
//! far the rigid points of the mesh are off the best homography, in relation to the turn that the pose claims.
//!
//! The mesh is what a network makes of the picture, and the network knows faces: it sees some depth in a photograph, too,
//! but not enough for the turn that it claims. A drawing that moves like a solid head passes; `docs/liveness.md` says how
//! well the two are told apart.

use super::super::{Finding, Verdict};
use super::plane::{Homography, Point};
use crate::face::Face;

/// Points of the mesh that expressions move little: forehead, bridge, tip and wings of the nose, corners of the eyes,
/// cheekbones, the edges before the ears.
const RIGID: [usize; 21] = [10, 151, 9, 8, 168, 6, 195, 4, 1, 98, 327, 33, 133, 362, 263, 116, 345, 127, 356, 50, 280];
/// Outer corners of the eyes: their distance is the unit.
const EYES: [usize; 2] = [33, 263];
/// The bridge of the nose is the origin.
const ORIGIN: usize = 6;
/// Turns of less than this, radians, say nothing.
const LEAST_TURN: f32 = 0.25;
/// Parallax for each radian of turn, in distances between the eyes: from this on a head, and up to that a picture.
/// 32 turns of two people gave 0.160 to 0.301, 29 of pictures on paper 0.122 to 0.156: these were chosen on the same turns.
const SOLID: f32 = 0.157;
const FLAT: f32 = 0.13;
/// Scores run from 0 to 1 between these.
const SCORE: [f32; 2] = [0.114, 0.2];

/// The rigid points at an angle.
#[derive(Clone)]
struct View {
    yaw: f32,
    points: [Point; RIGID.len()],
}

/// Watches one turn, from the instruction to its end.
#[derive(Clone, Default)]
pub struct HeadTurn {
    least: Option<View>,
    greatest: Option<View>,
}

/// A turn in figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turn {
    /// Between the two views that are farthest apart, radians.
    pub yaw: f32,
    /// Root mean square distance of the points from where a plane's would be, in distances between the eyes.
    pub parallax: f32,
}

impl HeadTurn {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A face in a picture of `width` x `height` pixels.
    pub fn see(&mut self, face: &Face, width: usize, height: usize) {
        let yaw = face.angles().yaw;
        let below = self.least.as_ref().is_none_or(|view| yaw < view.yaw);
        let above = self.greatest.as_ref().is_none_or(|view| yaw > view.yaw);
        if (below || above)
            && let Some(view) = View::of(face, yaw, width as f64, height as f64)
        {
            if above {
                self.greatest = Some(view.clone());
            }
            if below {
                self.least = Some(view);
            }
        }
    }

    /// The turn so far; none before a face was seen.
    pub fn turn(&self) -> Option<Turn> {
        let (least, greatest) = (self.least.as_ref()?, self.greatest.as_ref()?);
        let (from, to) = if least.yaw.abs() < greatest.yaw.abs() { (least, greatest) } else { (greatest, least) };
        let map = Homography::fit(&from.points, &to.points)?;
        let squares = from.points.iter().zip(&to.points).map(|(from, [x, y])| {
            let [u, v] = map.map(*from);
            (u - x) * (u - x) + (v - y) * (v - y)
        });
        let parallax = (squares.sum::<f64>() / RIGID.len() as f64).sqrt() as f32;
        parallax.is_finite().then_some(Turn { yaw: greatest.yaw - least.yaw, parallax })
    }

    /// [`Check::HeadTurnRigidity`](super::super::Check::HeadTurnRigidity): inconclusive while the turn is too small.
    pub fn finding(&self) -> Finding {
        let Some(turn) = self.turn().filter(|turn| turn.yaw >= LEAST_TURN) else {
            return Finding { verdict: Verdict::Inconclusive, score: None };
        };
        let solidity = turn.parallax / turn.yaw;
        let verdict = match solidity {
            solidity if solidity >= SOLID => Verdict::Passed,
            solidity if solidity <= FLAT => Verdict::Failed,
            _ => Verdict::Inconclusive,
        };
        let [low, high] = SCORE;
        Finding { verdict, score: Some(((solidity - low) / (high - low)).clamp(0.0, 1.0)) }
    }
}

impl View {
    fn of(face: &Face, yaw: f32, width: f64, height: f64) -> Option<Self> {
        let point = |index: usize| {
            let [x, y, _] = face.landmarks[index].map(f64::from);
            [x * width, y * height]
        };
        let ([a, b], origin) = (EYES.map(point), point(ORIGIN));
        let unit = (a[0] - b[0]).hypot(a[1] - b[1]);
        let points = RIGID.map(|index| {
            let [x, y] = point(index);
            [(x - origin[0]) / unit, (y - origin[1]) / unit]
        });
        let sane = yaw.is_finite() && points.iter().flatten().all(|value| value.abs() < 10.0);
        sane.then_some(Self { yaw, points })
    }
}

// Landmarks are biometric data.
impl std::fmt::Debug for HeadTurn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HeadTurn({:?})", self.turn())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::{BLENDSHAPES, LANDMARKS};

    /// A bowl of points with the nose in the middle, `depth` of it, turned by `yaw` before a camera six units away; the pose
    /// claims `claimed`.
    fn face(depth: f32, yaw: f32, claimed: f32) -> Face {
        let (sin, cos) = yaw.sin_cos();
        let landmarks = std::array::from_fn(|index| {
            let place = RIGID.iter().position(|point| *point == index).unwrap_or(5) as f32;
            let (x, y) = ((place * 2.4).sin() * 0.8, (place * 1.7).cos() * 0.8);
            let z = depth * (1.0 - x * x - y * y);
            let scale = 1.0 / (6.0 - (z * cos - x * sin));
            [0.5 + (x * cos + z * sin) * scale, 0.5 + y * scale, 0.0]
        });
        let (sin, cos) = claimed.sin_cos();
        let matrix = [[cos, 0.0, sin, 0.0], [0.0, 1.0, 0.0, 0.0], [-sin, 0.0, cos, -50.0], [0.0, 0.0, 0.0, 1.0]];
        debug_assert_eq!(landmarks.len(), LANDMARKS);
        Face { landmarks: Box::new(landmarks), blendshapes: [0.0; BLENDSHAPES], matrix, presence: 1.0 }
    }

    fn turned(depth: f32, by: f32) -> HeadTurn {
        let mut turn = HeadTurn::new();
        for step in 0..=10 {
            let yaw = by * step as f32 / 10.0;
            turn.see(&face(depth, yaw, yaw), 640, 640);
        }
        turn
    }

    #[test]
    fn a_bowl_is_solid_and_a_picture_is_flat() {
        let solid = turned(0.7, 0.35);
        assert_eq!(solid.finding().verdict, Verdict::Passed, "{solid:?}");
        let flat = turned(0.0, 0.35);
        assert!(flat.turn().is_some_and(|turn| turn.parallax < 1e-3), "{flat:?}");
        assert_eq!(flat.finding(), Finding { verdict: Verdict::Failed, score: Some(0.0) });
    }

    #[test]
    fn a_small_turn_says_nothing() {
        assert_eq!(HeadTurn::new().finding(), Finding { verdict: Verdict::Inconclusive, score: None });
        assert_eq!(turned(0.7, 0.2).finding(), Finding { verdict: Verdict::Inconclusive, score: None });
    }

    #[test]
    fn points_that_are_none_are_not_looked_at() {
        let mut turn = HeadTurn::new();
        let mut broken = face(0.7, 0.0, 0.0);
        broken.landmarks[4][0] = f32::NAN;
        turn.see(&broken, 640, 480);
        broken.landmarks.fill([0.5; 3]);
        turn.see(&broken, 640, 480);
        assert_eq!(turn.turn(), None);
    }
}

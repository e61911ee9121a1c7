//! The plane-to-plane map between two sets of points: how a flat picture moves in front of a camera.

use nalgebra::{SMatrix, SVector};

/// A point.
pub(super) type Point = [f64; 2];

/// Maps points of one view of a plane to those of another.
pub(super) struct Homography([f64; 8]);

impl Homography {
    /// The map that carries `from` to `to` with the least algebraic error; none for fewer than five points, or points that
    /// determine none. Coordinates are to be about 1 in size (Hartley 1997).
    pub(super) fn fit(from: &[Point], to: &[Point]) -> Option<Self> {
        if from.len() < 5 || from.len() != to.len() {
            return None;
        }
        let mut normal = SMatrix::<f64, 8, 8>::zeros();
        let mut target = SVector::<f64, 8>::zeros();
        for ([x, y], [u, v]) in from.iter().zip(to) {
            let rows = [
                ([*x, *y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y], *u),
                ([0.0, 0.0, 0.0, *x, *y, 1.0, -v * x, -v * y], *v),
            ];
            for (row, value) in rows {
                let row = SVector::<f64, 8>::from(row);
                normal += row * row.transpose();
                target += row * value;
            }
        }
        // Points in a line, or all in one place, determine no map: a little stiffness keeps the numbers finite.
        normal += SMatrix::<f64, 8, 8>::identity() * 1e-9;
        let solved = normal.cholesky()?.solve(&target);
        solved.iter().all(|value| value.is_finite()).then(|| Self(solved.into()))
    }

    /// Where a point goes.
    pub(super) fn map(&self, [x, y]: Point) -> Point {
        let [a, b, c, d, e, f, g, h] = self.0;
        let scale = 1.0 / (g * x + h * y + 1.0);
        [(a * x + b * y + c) * scale, (d * x + e * y + f) * scale]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_in_perspective_is_mapped_exactly() {
        let truth = Homography([0.9, 0.1, 0.2, -0.05, 1.1, -0.1, 0.15, -0.08]);
        let from: Vec<Point> = (0..12).map(|i| [f64::from(i % 4) - 1.5, f64::from(i / 4) - 1.0]).collect();
        let to: Vec<Point> = from.iter().map(|p| truth.map(*p)).collect();
        let found = Homography::fit(&from, &to).unwrap();
        for (from, to) in from.iter().zip(&to) {
            let [x, y] = found.map(*from);
            assert!((x - to[0]).hypot(y - to[1]) < 1e-6);
        }
    }

    #[test]
    fn nothing_is_fitted_to_nothing() {
        assert!(Homography::fit(&[[0.0; 2]; 4], &[[0.0; 2]; 4]).is_none());
        assert!(Homography::fit(&[[f64::NAN; 2]; 6], &[[0.0; 2]; 6]).is_none());
    }
}

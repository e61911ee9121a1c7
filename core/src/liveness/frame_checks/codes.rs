//! What is wrong with a frame, as numbers that clients of LUNA PASS know.

use serde::{Serialize, Serializer};

/// What is wrong with a frame, and so what the subject is asked for. The numbers are those of LUNA PASS's clients; left and
/// right are the subject's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Code {
    /// The picture is blurred.
    Blurred = 3,
    /// There is too much light, or a light behind the head.
    LessLight = 4,
    /// There is too little light.
    MoreLight = 5,
    /// The light comes from one side.
    UnevenLight = 6,
    /// There is glare on the face.
    Glare = 7,
    /// There is no face.
    NoFace = 8,
    /// There are several faces.
    SeveralFaces = 9,
    /// The face is not wide enough: closer to the camera.
    CloserWidth = 12,
    /// The face is not high enough: closer to the camera.
    CloserHeight = 13,
    /// The face is at the lower border: the camera has to go down.
    CameraLower = 14,
    /// The face is at the left border of the picture: the camera has to go to its left.
    CameraLeft = 15,
    /// The face is at the upper border: the camera has to go up.
    CameraHigher = 16,
    /// The face is at the right border of the picture: the camera has to go to its right.
    CameraRight = 17,
    /// The face is turned too far to the left.
    TurnRight = 19,
    /// The face is turned too far to the right.
    TurnLeft = 20,
    /// The head is tilted too far to the right.
    TiltedRight = 21,
    /// The head is tilted too far to the left.
    TiltedLeft = 22,
    /// The face looks too far down.
    RaiseChin = 23,
    /// The face looks too far up.
    LowerChin = 24,
    /// The mouth is open or occluded.
    Mouth = 26,
    /// These glasses are not allowed.
    Glasses = 28,
    /// The picture is not fit for matching.
    LowAgs = 30,
    /// It does not look alive (the client says: keep on).
    Liveness = 32,
    /// What liveness is told from is not good enough.
    LivenessQuality = 33,
    /// The face reaches two opposite borders: further from the camera.
    Further = 38,
    /// The eyes are closed.
    OpenEyes = 51,
}

impl Code {
    /// The number.
    pub fn number(self) -> u16 {
        self as u16
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.number())
    }
}

//! The signals that gestures watch: 52 blendshapes, three head angles, the head's place and the face's four edges.

use std::{fmt, sync::LazyLock};

use crate::face::{BLENDSHAPE_NAMES, BLENDSHAPES, Face};

/// Signals of a face: the blendshapes, then the [`POSE_KEYS`].
pub const SIGNALS: usize = BLENDSHAPES + POSE_KEYS.len();

/// Names of the signals that are not blendshapes, as the original spells them. Angles are radians (yaw is positive when
/// the nose points to the right side of the picture, pitch when it points up), translations centimetres, squares
/// normalised coordinates of the landmarks 10, 227, 345 and 152.
pub const POSE_KEYS: [&str; 10] = [
    "Transformation Yaw",
    "Transformation Pitch",
    "Transformation Roll",
    "Transformation Translation X",
    "Transformation Translation Y",
    "Transformation Translation Z",
    "Top Square",
    "Left Square",
    "Right Square",
    "Bottom Square",
];

const YAW: usize = BLENDSHAPES;
const ROLL: usize = BLENDSHAPES + 2;
const TRANSLATION_X: usize = BLENDSHAPES + 3;
const TRANSLATION_Y: usize = BLENDSHAPES + 4;
const TRANSLATION_Z: usize = BLENDSHAPES + 5;
const LEFT_SQUARE: usize = BLENDSHAPES + 7;
const RIGHT_SQUARE: usize = BLENDSHAPES + 8;

/// One of the [`SIGNALS`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(u8);

impl Signal {
    /// By name: a blendshape, one of the [`POSE_KEYS`], or `Yaw`, `Pitch`, `Roll` for short.
    pub fn from_key(key: &str) -> Option<Self> {
        let key = match key {
            "Yaw" => "Transformation Yaw",
            "Pitch" => "Transformation Pitch",
            "Roll" => "Transformation Roll",
            other => other,
        };
        BLENDSHAPE_NAMES.iter().chain(&POSE_KEYS).position(|name| *name == key).map(|i| Self(i as u8))
    }

    /// By place: 0..52 are the blendshapes in the network's order, 52.. the [`POSE_KEYS`].
    pub fn from_index(index: usize) -> Option<Self> {
        (index < SIGNALS).then_some(Self(index as u8))
    }

    /// The name, as the original spells it.
    pub fn key(self) -> &'static str {
        let index = usize::from(self.0);
        BLENDSHAPE_NAMES.get(index).or_else(|| POSE_KEYS.get(index - BLENDSHAPES)).copied().unwrap_or_default()
    }

    /// Least and greatest value that a face in front of a camera usually gives, in the signal's unit: the ends of a scale
    /// on which it is shown.
    pub fn scale(self) -> [f32; 2] {
        match usize::from(self.0) {
            YAW..=ROLL => [-0.8, 0.8],
            TRANSLATION_X | TRANSLATION_Y => [-30.0, 30.0],
            TRANSLATION_Z => [-100.0, 0.0],
            _ => [0.0, 1.0],
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// Which signal takes the place of each when the picture is mirrored: left and right change names.
static COUNTERPART: LazyLock<[u8; SIGNALS]> = LazyLock::new(|| {
    std::array::from_fn(|i| {
        let key = Signal(i as u8).key();
        let other = if key.contains("Left") { key.replace("Left", "Right") } else { key.replace("Right", "Left") };
        Signal::from_key(&other).map_or(i as u8, |s| s.0)
    })
});

/// The signals of one face in one frame, as they are and as a mirrored picture would give them.
#[derive(Clone)]
pub struct Signals {
    plain: [f32; SIGNALS],
    flipped: [f32; SIGNALS],
    mirrored: bool,
}

impl Signals {
    /// Signals of a face found in an unmirrored picture. `mirrored` says what gestures see that do not choose for
    /// themselves: with `true` the left and right blendshapes are exchanged and yaw, roll and x change their sign, as
    /// if the picture had been mirrored before the analysis.
    pub fn of(face: &Face, mirrored: bool) -> Self {
        let angles = face.angles();
        let landmarks = &face.landmarks;
        let pose = [
            angles.yaw,
            angles.pitch,
            angles.roll,
            face.matrix[0][3],
            face.matrix[1][3],
            face.matrix[2][3],
            landmarks[10][1],
            landmarks[227][0],
            landmarks[345][0],
            landmarks[152][1],
        ];
        let mut plain = [0.0; SIGNALS];
        plain[..BLENDSHAPES].copy_from_slice(&face.blendshapes);
        plain[BLENDSHAPES..].copy_from_slice(&pose);
        Self::from_values(plain, mirrored)
    }

    /// Signals by value, in the order of [`Signal::from_index`], as an unmirrored picture gives them.
    pub fn from_values(plain: [f32; SIGNALS], mirrored: bool) -> Self {
        let mut flipped: [f32; SIGNALS] = std::array::from_fn(|i| plain[usize::from(COUNTERPART[i])]);
        for i in [YAW, ROLL, TRANSLATION_X] {
            flipped[i] = -flipped[i];
        }
        for i in [LEFT_SQUARE, RIGHT_SQUARE] {
            flipped[i] = 1.0 - flipped[i];
        }
        Self { plain, flipped, mirrored }
    }

    /// The value of a signal.
    pub fn get(&self, signal: Signal) -> f32 {
        self.get_as(signal, self.mirrored)
    }

    /// The value of a signal in the unmirrored (`false`) or the mirrored (`true`) picture.
    pub fn get_as(&self, signal: Signal, mirrored: bool) -> f32 {
        let values = if mirrored { &self.flipped } else { &self.plain };
        values[usize::from(signal.0)]
    }

    /// What [`Self::get`] returns: signals of the mirrored picture?
    pub fn mirrored(&self) -> bool {
        self.mirrored
    }
}

// Scores of a face are biometric data: never printed.
impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signals")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(key: &str) -> Signal {
        Signal::from_key(key).unwrap()
    }

    fn numbered() -> [f32; SIGNALS] {
        std::array::from_fn(|i| i as f32 / 100.0)
    }

    #[test]
    fn keys_and_places_agree() {
        for i in 0..SIGNALS {
            let by_index = Signal::from_index(i).unwrap();
            assert_eq!(Signal::from_key(by_index.key()), Some(by_index));
        }
        assert_eq!(Signal::from_index(SIGNALS), None);
        assert_eq!(Signal::from_key("eyeBlink"), None);
        assert_eq!(signal("Pitch").key(), "Transformation Pitch");
        assert_eq!(Signal::from_index(9), Signal::from_key("eyeBlinkLeft"));
    }

    #[test]
    fn mirroring_exchanges_the_sides() {
        let plain = numbered();
        let signals = Signals::from_values(plain, true);
        let read = |key| signals.get(signal(key));
        let value = |key: &str| plain[usize::from(signal(key).0)];
        for (name, other) in [
            ("eyeBlinkLeft", "eyeBlinkRight"),
            ("mouthRight", "mouthLeft"),
            ("eyeLookOutRight", "eyeLookOutLeft"),
            ("jawOpen", "jawOpen"),
            ("_neutral", "_neutral"),
            ("Transformation Pitch", "Transformation Pitch"),
            ("Transformation Translation Z", "Transformation Translation Z"),
            ("Top Square", "Top Square"),
        ] {
            assert_eq!(read(name), value(other), "{name}");
        }
        for name in ["Transformation Yaw", "Transformation Roll", "Transformation Translation X"] {
            assert_eq!(read(name), -value(name), "{name}");
        }
        assert_eq!(read("Left Square"), 1.0 - value("Right Square"));
        assert_eq!(signals.get_as(signal("Yaw"), false), value("Yaw"));
        assert_eq!(Signals::from_values(plain, false).get(signal("eyeBlinkLeft")), value("eyeBlinkLeft"));
    }

    #[test]
    fn every_left_has_its_right() {
        let mut exchanged = 0;
        for i in 0..SIGNALS {
            let key = Signal(i as u8).key();
            let other = usize::from(COUNTERPART[i]);
            assert_eq!(usize::from(COUNTERPART[other]), i);
            assert_eq!(other != i, key.contains("Left") || key.contains("Right"), "{key}");
            exchanged += usize::from(other != i);
        }
        assert_eq!(exchanged, 2 * 20 + 2);
    }
}

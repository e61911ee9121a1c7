//! Which face of a picture is looked at.

use serde::{Deserialize, Serialize};

use super::Code;
use crate::face::Face;

/// What to do with several faces. LUNA PASS's setting has the numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum MultifacePolicy {
    /// Only one may be there (0).
    #[default]
    OnlyOne,
    /// The largest is looked at (1).
    Largest,
    /// The one nearest to the picture's centre is looked at (2).
    Nearest,
}

/// A number that is no policy.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("multifacePolicy is 0 (only one face), 1 (the largest) or 2 (the one nearest to the centre), not {0}")]
pub struct UnknownPolicy(u8);

impl TryFrom<u8> for MultifacePolicy {
    type Error = UnknownPolicy;

    fn try_from(number: u8) -> Result<Self, UnknownPolicy> {
        [Self::OnlyOne, Self::Largest, Self::Nearest].get(usize::from(number)).copied().ok_or(UnknownPolicy(number))
    }
}

impl From<MultifacePolicy> for u8 {
    fn from(policy: MultifacePolicy) -> Self {
        policy as Self
    }
}

impl MultifacePolicy {
    /// The face to look at, in a picture of this many pixels.
    ///
    /// # Errors
    /// [`Code::NoFace`] and [`Code::SeveralFaces`].
    pub fn select(self, faces: &[Face], width: usize, height: usize) -> Result<&Face, Code> {
        let size = [width as f32, height as f32];
        let measure = |face: &Face| {
            let face = face.bounding_box();
            match self {
                Self::OnlyOne => 0.0,
                Self::Largest => -(face.width * size[0]) * (face.height * size[1]),
                Self::Nearest => {
                    let [x, y] = [face.x + face.width / 2.0 - 0.5, face.y + face.height / 2.0 - 0.5];
                    (x * size[0]).hypot(y * size[1])
                }
            }
        };
        if self == Self::OnlyOne && faces.len() > 1 {
            return Err(Code::SeveralFaces);
        }
        faces.iter().min_by(|a, b| measure(a).total_cmp(&measure(b))).ok_or(Code::NoFace)
    }
}

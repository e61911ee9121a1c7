//! Is this a living person in front of a camera, the same one all the time? The checks, without networks, clocks and calls.
//!
//! Every check has a [`Mode`]; what it saw is a [`Finding`], whatever the mode. Scores are 0..1, 1 is good. No check is
//! the only gate: a [`Verdict::Inconclusive`] one never ends a flow.
//!
//! | module | what |
//! |---|---|
//! | [`modes`] | which checks are made, and which of them decide |
//! | [`quality`] | how good a picture of a face is, and what the face wears |
//! | [`frame_checks`] | what is wrong with a frame, in order, the cheapest first |
//! | [`passive`] | a print or a screen in front of the camera |
//! | [`continuity`] | the same person all the time, in front of one camera that films now |
//! | [`colour`] | the screen flashes colours, which have to be seen on the face |
//! | [`interactions`] | blink, turn, nod on request, without gesture files |
//! | [`pixels`] | luma and colours out of any picture |

pub mod colour;
pub mod continuity;
pub mod frame_checks;
pub mod interactions;
pub mod modes;
pub mod passive;
pub mod pixels;
pub mod quality;

use serde::{Deserialize, Serialize};

/// What a check's finding leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It is not looked at.
    Off,
    /// The finding stands in the result and changes nothing.
    Observe,
    /// [`Verdict::Failed`] ends the verification.
    Enforce,
}

/// A check. The names are those of the settings and of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// One face in the picture, not more.
    SeveralFaces,
    /// The same face from the first frame to the last.
    IdentityContinuity,
    /// The picture moves as a camera's does.
    FrozenStream,
    /// Gestures follow their instruction, not sooner than a person can.
    ReactionTime,
    /// The picture shows skin, not a print or a screen that shows skin.
    PassiveLiveness,
    /// No cuts, no scene that comes again.
    CutsAndLoops,
    /// A head that turns is a solid one.
    HeadTurnRigidity,
    /// The colours that the screen shows are seen on the face.
    ColourChallenge,
    /// Glasses that hide the eyes.
    Glasses,
    /// The video comes from a camera, as far as that can be told from outside.
    InjectionHints,
}

/// Every check, in the order of results.
pub const CHECKS: [Check; 10] = [
    Check::SeveralFaces,
    Check::IdentityContinuity,
    Check::FrozenStream,
    Check::ReactionTime,
    Check::PassiveLiveness,
    Check::CutsAndLoops,
    Check::HeadTurnRigidity,
    Check::ColourChallenge,
    Check::Glasses,
    Check::InjectionHints,
];

impl Check {
    /// As in settings and results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SeveralFaces => "several_faces",
            Self::IdentityContinuity => "identity_continuity",
            Self::FrozenStream => "frozen_stream",
            Self::ReactionTime => "reaction_time",
            Self::PassiveLiveness => "passive_liveness",
            Self::CutsAndLoops => "cuts_and_loops",
            Self::HeadTurnRigidity => "head_turn_rigidity",
            Self::ColourChallenge => "colour_challenge",
            Self::Glasses => "glasses",
            Self::InjectionHints => "injection_hints",
        }
    }
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As with a living person.
    Passed,
    /// As with an attack.
    Failed,
    /// Not enough was seen, or not clearly enough.
    Inconclusive,
}

impl Verdict {
    /// As in results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// What a check saw. Nothing biometric: it may be told and logged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What came of it.
    pub verdict: Verdict,
    /// 0..1, 1 is good; none while there is nothing to judge.
    pub score: Option<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_serialised_ones() {
        for check in CHECKS {
            assert_eq!(serde_json::to_value(check).unwrap(), check.as_str());
        }
        for verdict in [Verdict::Passed, Verdict::Failed, Verdict::Inconclusive] {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
        }
    }
}

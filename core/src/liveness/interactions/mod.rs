//! Interactions: the active liveness of LUNA PASS. The neutral state first, then the action; each once, in random order.
//!
//! Names, numbers and defaults are those of its plug-in `ActiveLiveness`; the prompts are the codes that its clients
//! show. Left and right are the subject's own sides, in a picture that is not mirrored.
//!
//! | interaction | neutral state | action |
//! |---|---|---|
//! | blink | 61 both eyes open | 62 both closed, or one with [`Settings::accept_one_eyed`] |
//! | yaw right, yaw left | 63 yaw within [`Settings::yaw_start_deg`] | 64, 65 beyond [`Settings::yaw_threshold_deg`] |
//! | pitch up, pitch down | 66 pitch within [`Settings::pitch_start_deg`] | 67, 68 beyond [`Settings::pitch_threshold_deg`] |
//! | mouth (an extension) | 101 closed | 102 open |

mod machine;

pub use machine::{Interactions, Update};

use serde::{Deserialize, Serialize};

/// What a subject can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interaction {
    /// Close the eyes.
    Blink,
    /// Turn the head to the subject's own left.
    YawLeft,
    /// Turn the head to the subject's own right.
    YawRight,
    /// Raise the chin.
    PitchUp,
    /// Lower the chin.
    PitchDown,
    /// Open the mouth. LUNA PASS has no such interaction.
    Mouth,
}

/// The interactions of LUNA PASS.
pub const ORIGINAL: [Interaction; 5] =
    [Interaction::Blink, Interaction::YawLeft, Interaction::YawRight, Interaction::PitchUp, Interaction::PitchDown];

/// What the subject is told, as a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// 37: go on; frames pass after an interaction, or all are done.
    Continue,
    /// 61: open your eyes.
    OpenEyes,
    /// 62: close your eyes.
    CloseEyes,
    /// 63: look straight ahead, before a turn.
    LookStraight,
    /// 64: turn your head to the right.
    TurnRight,
    /// 65: turn your head to the left.
    TurnLeft,
    /// 66: look straight ahead, before a nod.
    HoldLevel,
    /// 67: raise your chin.
    RaiseChin,
    /// 68: lower your chin.
    LowerChin,
    /// 101: close your mouth. LUNA PASS has no codes above 99.
    CloseMouth,
    /// 102: open your mouth.
    OpenMouth,
}

impl Prompt {
    /// The code on the wire.
    pub fn code(self) -> u16 {
        match self {
            Self::Continue => 37,
            Self::OpenEyes => 61,
            Self::CloseEyes => 62,
            Self::LookStraight => 63,
            Self::TurnRight => 64,
            Self::TurnLeft => 65,
            Self::HoldLevel => 66,
            Self::RaiseChin => 67,
            Self::LowerChin => 68,
            Self::CloseMouth => 101,
            Self::OpenMouth => 102,
        }
    }
}

/// The settings of `ActiveLiveness`.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Interactions to draw from, each once.
    pub interactions: Vec<Interaction>,
    /// `interactionsCount`: how many are asked for, 1 to 5.
    pub interactions_count: usize,
    /// `acceptOneEyed`: one closed eye is a blink.
    pub accept_one_eyed: bool,
    /// `yawStartDeg`: the head is straight within this, degrees.
    pub yaw_start_deg: f32,
    /// `yawThresholdDeg`: the head is turned beyond this, degrees.
    pub yaw_threshold_deg: f32,
    /// `pitchStartDeg`: the head is level within this, degrees.
    pub pitch_start_deg: f32,
    /// `pitchThresholdDeg`: the head is raised or lowered beyond this, degrees.
    pub pitch_threshold_deg: f32,
    /// `cooldownFramesCount`: frames that have to pass after an interaction.
    pub cooldown_frames_count: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interactions: ORIGINAL.to_vec(),
            interactions_count: 2,
            accept_one_eyed: false,
            yaw_start_deg: 10.0,
            yaw_threshold_deg: 20.0,
            pitch_start_deg: 10.0,
            pitch_threshold_deg: 20.0,
            cooldown_frames_count: 0,
        }
    }
}

/// At most so many interactions are asked for.
pub const MAX_INTERACTIONS: usize = 5;

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum SettingsError {
    /// None, or more than five.
    #[error("{0} interactions are to be asked for; it has to be 1 to {MAX_INTERACTIONS}")]
    Count(usize),
    /// More are to be asked for than there are.
    #[error("{wanted} interactions are to be asked for, but only {listed} are listed; list more, or ask for fewer")]
    TooFew {
        /// To be asked for.
        wanted: usize,
        /// Listed.
        listed: usize,
    },
    /// One is listed more than once.
    #[error("interaction {0:?} is listed twice")]
    Twice(Interaction),
    /// Start and threshold of an angle leave no way from one to the other.
    #[error(
        "the start angle of {axis}, {start} degrees, has to be above 0 and below its threshold, {threshold}, which has to be at most 60"
    )]
    Angles {
        /// `yaw` or `pitch`.
        axis: &'static str,
        /// Degrees.
        start: f32,
        /// Degrees.
        threshold: f32,
    },
}

impl Settings {
    /// Can they be used?
    ///
    /// # Errors
    /// [`SettingsError`] says which cannot.
    pub fn check(&self) -> Result<(), SettingsError> {
        let wanted = self.interactions_count;
        if !(1..=MAX_INTERACTIONS).contains(&wanted) {
            return Err(SettingsError::Count(wanted));
        }
        let listed = self.interactions.len();
        if listed < wanted {
            return Err(SettingsError::TooFew { wanted, listed });
        }
        for (place, interaction) in self.interactions.iter().enumerate() {
            if self.interactions[..place].contains(interaction) {
                return Err(SettingsError::Twice(*interaction));
            }
        }
        let axes = [
            ("yaw", self.yaw_start_deg, self.yaw_threshold_deg),
            ("pitch", self.pitch_start_deg, self.pitch_threshold_deg),
        ];
        for (axis, start, threshold) in axes {
            if !(0.0 < start && start < threshold && threshold <= 60.0) {
                return Err(SettingsError::Angles { axis, start, threshold });
            }
        }
        Ok(())
    }
}

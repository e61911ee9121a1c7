//! What `GET /flows/{id}` tells of the checks: verdicts, scores and measures; nothing biometric.

use serde::Serialize;
use vision_core::liveness::continuity::injection::InjectionRisk;
use vision_core::liveness::passive::{Network, Report};
use vision_core::liveness::{Finding, Mode, colour};

/// What a check saw.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckStatus {
    /// What the finding leads to.
    pub mode: Mode,
    /// What it saw.
    #[serde(flatten)]
    pub finding: Finding,
    /// What else there is to say.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
}

/// Some checks have more to say.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Details {
    /// Passive liveness.
    Passive(PassiveDetails),
    /// Injection hints.
    Injection(InjectionRisk),
    /// Glasses.
    Glasses {
        /// Whether the network looks at them too.
        network: Network,
    },
    /// The colour challenge.
    Colours {
        /// Why a verdict was or was not possible.
        outcome: colour::Outcome,
    },
}

/// What passive liveness had to go by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PassiveDetails {
    /// 0..1: how much of the possible evidence there was.
    pub quality: f32,
    /// Whether the anti-spoof network took part.
    pub network: Network,
}

impl From<Report> for PassiveDetails {
    fn from(report: Report) -> Self {
        Self { quality: report.quality, network: report.network }
    }
}

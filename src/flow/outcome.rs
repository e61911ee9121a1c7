//! How a flow can end: a closed set.

use serde::Serialize;

/// Exactly one of these is decided for every accepted flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The person is live and is who they claim to be: `success`.
    Verified,
    /// Anything else: `failure`.
    NotVerified(Reason),
}

/// Why a flow did not end in `Verified`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nobody came before the flow's time limit.
    SubjectAbsent,
    /// The subject left and did not come back in time.
    SubjectLeft,
    /// The subject's video stopped arriving.
    MediaLost,
    /// A gesture was not completed within its own time.
    GestureTimeout,
    /// There was no face in the picture when a gesture's time ran out.
    FaceLost,
    /// More than one face stayed in the picture.
    SeveralFaces,
    /// The subject wears glasses, which the configuration does not allow.
    Glasses,
    /// The face is another one than before.
    FaceChanged,
    /// A liveness check that decides has failed; the flow's findings say which.
    SpoofSuspected,
    /// A liveness check that has to pass could not tell, more than once; that says nothing against the subject.
    LivenessUnclear,
    /// The live face is not the one of the reference images.
    NoMatch,
    /// The controller gave no reference image that can be used.
    NoReferences,
    /// The controller did not answer with reference images.
    ControllerUnavailable,
    /// No picture could be compared with any reference image.
    MatcherUnavailable,
    /// The room could not be joined.
    RoomUnreachable,
    /// The room ended the call.
    RoomClosed,
    /// The flow's time limit passed.
    Deadline,
    /// The service was asked to stop.
    Shutdown,
    /// A fault of the service itself; its log says which.
    Internal,
}

/// Every reason.
pub const REASONS: [Reason; 19] = [
    Reason::SubjectAbsent,
    Reason::SubjectLeft,
    Reason::MediaLost,
    Reason::GestureTimeout,
    Reason::FaceLost,
    Reason::SeveralFaces,
    Reason::Glasses,
    Reason::FaceChanged,
    Reason::SpoofSuspected,
    Reason::LivenessUnclear,
    Reason::NoMatch,
    Reason::NoReferences,
    Reason::ControllerUnavailable,
    Reason::MatcherUnavailable,
    Reason::RoomUnreachable,
    Reason::RoomClosed,
    Reason::Deadline,
    Reason::Shutdown,
    Reason::Internal,
];

impl Reason {
    /// Whether this is a finding about the subject (`rejected`), or the verification could not be carried out (`failed`).
    pub fn is_rejection(self) -> bool {
        matches!(
            self,
            Self::GestureTimeout
                | Self::FaceLost
                | Self::SeveralFaces
                | Self::Glasses
                | Self::FaceChanged
                | Self::SpoofSuspected
                | Self::NoMatch
        )
    }

    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SubjectAbsent => "subject_absent",
            Self::SubjectLeft => "subject_left",
            Self::MediaLost => "media_lost",
            Self::GestureTimeout => "gesture_timeout",
            Self::FaceLost => "face_lost",
            Self::SeveralFaces => "several_faces",
            Self::Glasses => "glasses",
            Self::FaceChanged => "face_changed",
            Self::SpoofSuspected => "spoof_suspected",
            Self::LivenessUnclear => "liveness_unclear",
            Self::NoMatch => "no_match",
            Self::NoReferences => "no_references",
            Self::ControllerUnavailable => "controller_unavailable",
            Self::MatcherUnavailable => "matcher_unavailable",
            Self::RoomUnreachable => "room_unreachable",
            Self::RoomClosed => "room_closed",
            Self::Deadline => "deadline",
            Self::Shutdown => "shutdown",
            Self::Internal => "internal",
        }
    }
}

impl Outcome {
    /// `verified`, `rejected` or `failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::NotVerified(reason) if reason.is_rejection() => "rejected",
            Self::NotVerified(_) => "failed",
        }
    }

    /// Why not, if not.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Verified => None,
            Self::NotVerified(reason) => Some(reason),
        }
    }

    /// Whether the controller hears `success`.
    pub fn is_success(self) -> bool {
        self == Self::Verified
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Verified => f.write_str("verified"),
            Self::NotVerified(reason) => write!(f, "{} ({})", self.as_str(), reason.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_wire_are_the_serialised_ones() {
        for reason in REASONS {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        assert_eq!(Outcome::NotVerified(Reason::NoMatch).to_string(), "rejected (no_match)");
        assert_eq!(Outcome::NotVerified(Reason::Deadline).to_string(), "failed (deadline)");
    }
}

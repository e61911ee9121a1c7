//! What a door hands over of a flow or session that is over.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use vision_models::picture_file;

use super::video::Footage;

/// Points that a series keeps: more than four minutes at fifteen a second. Those that come later are not kept.
const MOST_POINTS: usize = 4096;

/// The id of a flow or session: 1 to 128 letters, digits, `-` and `_`, so that it can be a folder's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct EvidenceId(String);

/// A text that is no [`EvidenceId`].
#[derive(Debug, thiserror::Error)]
#[error("an id has 1 to 128 letters, digits, `-` and `_`")]
pub struct NoId;

impl FromStr for EvidenceId {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        let fits = text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'));
        if fits && (1..=128).contains(&text.len()) { Ok(Self(text.to_owned())) } else { Err(NoId) }
    }
}

impl TryFrom<String> for EvidenceId {
    type Error = NoId;

    fn try_from(text: String) -> Result<Self, NoId> {
        text.parse()
    }
}

impl EvidenceId {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EvidenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which way somebody came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// A flow, begun by `POST /join-call`.
    Call,
    /// A session of the frame door.
    Frame,
}

/// What was seen of a flow or session, and what became of it. `record.json` is this without the pictures' bytes.
#[derive(Serialize)]
pub struct Record {
    /// The flow or session.
    pub id: EvidenceId,
    /// Which way it came in.
    pub door: Door,
    /// Whether the person is live and, in a call, is who they claim to be.
    pub is_ok: bool,
    /// `verified`, `rejected` or `failed`.
    pub outcome: String,
    /// Why not, in a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Codes of what is wrong, in a session.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<u16>,
    /// When it began.
    #[serde(with = "seconds")]
    pub began: SystemTime,
    /// When it was over.
    #[serde(with = "seconds")]
    pub ended: SystemTime,
    /// What was asked for, in order.
    pub challenge: Vec<Step>,
    /// What happened when; milliseconds since the beginning.
    pub timings: Value,
    /// What the liveness checks found.
    pub checks: Value,
    /// The networks that were used, with their versions.
    pub models: BTreeMap<String, String>,
    /// What was seen.
    pub pictures: Vec<RecordPicture>,
    /// What was measured.
    pub signals: Vec<Series>,
    /// What was filmed, where videos are kept.
    #[serde(skip)]
    pub footage: Option<Footage>,
}

/// Something that the subject was asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The gesture or interaction, or `colours`.
    pub name: String,
    /// When, in milliseconds since the beginning.
    pub asked_ms: u64,
    /// When it was done; absent where it was not, and where nobody has to do anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_ms: Option<u64>,
}

/// What a picture was kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The best of all frames.
    BestShot,
    /// It shows a gesture; those of a call have been compared with the references.
    Gesture,
}

/// A picture of the subject, not mirrored. References are never kept: they are the controller's.
#[derive(Serialize)]
pub struct RecordPicture {
    /// What it was kept for.
    pub role: Role,
    /// The gesture, if it shows one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gesture: Option<String>,
    /// When it was taken, in milliseconds since the beginning.
    pub at_ms: u64,
    /// How good it is.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub scores: Value,
    /// The picture itself: a JPEG, or the PNG or WebP that a client sent.
    #[serde(skip)]
    pub file: Vec<u8>,
}

impl RecordPicture {
    /// Media type and ending of its file.
    pub(super) fn kind(&self) -> (&'static str, &'static str) {
        picture_file::kind(&self.file)
    }
}

/// A value over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// What people call it.
    pub name: String,
    /// `°`, or nothing for scores.
    pub unit: &'static str,
    /// Milliseconds since the beginning, and the value then.
    pub points: Vec<(u64, f32)>,
    /// Values that it was held against.
    pub thresholds: Vec<Threshold>,
}

/// A value that something is held against.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Threshold {
    /// For what.
    pub name: String,
    /// In the series' unit.
    pub value: f32,
}

impl Series {
    /// Nothing measured yet.
    pub fn new(name: impl Into<String>, unit: &'static str, thresholds: Vec<Threshold>) -> Self {
        Self { name: name.into(), unit, points: Vec::new(), thresholds }
    }

    /// Notes a value. What is not a number is left out, and so is what comes after a series is full.
    pub fn push(&mut self, at_ms: u64, value: f32) {
        if value.is_finite() && self.points.len() < MOST_POINTS {
            self.points.push((at_ms, value));
        }
    }
}

// Nothing of it is for logs.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({}, {})", self.id, self.outcome)
    }
}

impl fmt::Debug for RecordPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordPicture({:?})", self.role)
    }
}

/// Moments as RFC 3339, to the second, in UTC.
pub(super) mod seconds {
    use std::time::SystemTime;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(at: &SystemTime, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&humantime::format_rfc3339_seconds(*at))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<SystemTime, D::Error> {
        humantime::parse_rfc3339(&String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_be_a_folder() {
        for good in ["0af3", "Session-1_b", &"a".repeat(128)] {
            assert_eq!(good.parse::<EvidenceId>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b", "a b", "é", ".x", "a\0", &"a".repeat(129)] {
            assert!(bad.parse::<EvidenceId>().is_err(), "{bad:?}");
        }
        assert!(serde_json::from_str::<EvidenceId>("\"../x\"").is_err());
    }

    #[test]
    fn a_series_is_bounded() {
        let mut series = Series::new("x", "", vec![]);
        series.push(0, f32::NAN);
        for at in 0..2 * MOST_POINTS as u64 {
            series.push(at, 0.5);
        }
        assert_eq!((series.points.len(), series.points[0].0), (MOST_POINTS, 0));
    }
}

//! One gesture file.
//!
//! ```json
//! {
//!   "gestureId": "blink",
//!   "label": "Blink",
//!   "icon_path": "",
//!   "signal_key": "eyeBlinkLeft",
//!   "total_recommended_max_time": 10000,
//!   "take_picture_at_the_end": true,
//!   "instructions": [
//!     { "move_to_next_type": "lower", "value": 0.35, "reset": { "type": "timeout_after_ms", "value": 10000 } },
//!     { "instruction_type": "range", "min_value": 0.5, "max_value": 1.0, "min_duration_ms": 300 }
//!   ]
//! }
//! ```
//!
//! The format is the original's; fields that it does not know are ignored. `signal_index` may stand in the place of
//! `signal_key` (see [`Signal::from_index`]). One field is our own: `mirrored_input`. Without it a gesture reads the
//! signals as its flow is configured (mirrored by default, as the original does it); with `false` it always reads the
//! unmirrored picture, so that left and right are the subject's own; with `true` always the mirrored one.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;

use super::signal::Signal;

/// Why gestures could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum GestureError {
    /// A folder or a file could not be read.
    #[error("cannot read gestures from {path}: {source}")]
    Read {
        /// The folder or file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not a gesture.
    #[error("gesture file {file}: {field}: {problem}")]
    Invalid {
        /// The file.
        file: String,
        /// The field, such as `instructions[1].value`; for broken JSON the line and column.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Two files of one folder have the same id, so that it is unclear which one is meant.
    #[error("gesture file {second}: gestureId: \"{id}\" is already defined in {first}; give one of them another id")]
    Duplicate {
        /// The id.
        id: String,
        /// One file.
        first: String,
        /// The other file.
        second: String,
    },
}

/// A gesture: what is asked, and what the signal has to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Gesture {
    /// Unique name: letters, digits, `_` and `-`.
    pub id: String,
    /// What the subject is asked to do, when no locale says it.
    pub label: String,
    /// Path of a picture; may be empty.
    pub icon_path: String,
    /// What is watched.
    pub signal: Signal,
    /// The gesture has to be completed within this time after it was shown.
    pub time_limit: Duration,
    /// Take a picture when the gesture is completed?
    pub picture_at_end: bool,
    /// Of the steps that take a picture only one, drawn at random, takes it.
    pub randomize_step_picture: bool,
    /// Which picture the signal is read from: mirrored, unmirrored, or as the flow is configured.
    pub mirrored_input: Option<bool>,
    /// What the signal has to do, in order; never empty.
    pub steps: Vec<Step>,
}

/// One instruction of a gesture.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// When the step is passed.
    pub condition: Condition,
    /// When the gesture starts from its first step again.
    pub reset: Option<Reset>,
    /// Take a picture when the step is passed?
    pub picture: bool,
}

/// When a step is passed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Condition {
    /// The signal is above this value.
    Higher(f64),
    /// The signal is below this value.
    Lower(f64),
    /// The signal stays within `min..=max` for `hold` without a break.
    Range {
        /// Least value, included.
        min: f64,
        /// Greatest value, included.
        max: f64,
        /// How long.
        hold: Duration,
    },
}

/// When a step that is not passed throws the gesture back to its first step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reset {
    /// The signal is below this value.
    Lower(f64),
    /// The signal is above this value.
    Higher(f64),
    /// This much time went by since the first step was passed, or since the last reset.
    After(Duration),
}

impl Gesture {
    /// Reads a gesture file. `file` is its name in errors.
    pub fn parse(file: &str, json: &str) -> Result<Arc<Self>, GestureError> {
        let reader = &mut serde_json::Deserializer::from_str(json);
        let read: File = serde_path_to_error::deserialize(reader).map_err(|error| {
            let (path, cause) = (error.path().to_string(), error.inner());
            let field = match cause.classify() {
                serde_json::error::Category::Data if path != "." => path,
                serde_json::error::Category::Data => "the whole file".to_owned(),
                _ => format!("line {}, column {}", cause.line(), cause.column()),
            };
            GestureError::Invalid { file: file.to_owned(), field, problem: cause.to_string() }
        })?;
        read.check().map(Arc::new).map_err(|(field, problem)| GestureError::Invalid {
            file: file.to_owned(),
            field,
            problem,
        })
    }
}

/// The file as it is written; [`File::check`] turns it into a [`Gesture`].
#[derive(Deserialize)]
struct File {
    #[serde(rename = "gestureId")]
    gesture_id: String,
    label: String,
    #[serde(default)]
    icon_path: String,
    signal_key: Option<String>,
    signal_index: Option<u64>,
    total_recommended_max_time: f64,
    take_picture_at_the_end: bool,
    #[serde(default)]
    randomize_step_picture: bool,
    mirrored_input: Option<bool>,
    instructions: Vec<FileStep>,
}

#[derive(Deserialize)]
struct FileStep {
    #[serde(default)]
    instruction_type: InstructionType,
    move_to_next_type: Option<Direction>,
    value: Option<f64>,
    min_value: Option<f64>,
    max_value: Option<f64>,
    min_duration_ms: Option<f64>,
    reset: Option<FileReset>,
    #[serde(default)]
    take_picture_at_the_end: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum InstructionType {
    #[default]
    Threshold,
    Range,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Higher,
    Lower,
}

#[derive(Deserialize)]
struct FileReset {
    r#type: ResetType,
    value: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ResetType {
    Lower,
    Higher,
    TimeoutAfterMs,
}

/// A field, and what is wrong with it.
type Problem = (String, String);

fn problem<T>(field: impl Into<String>, what: impl Into<String>) -> Result<T, Problem> {
    Err((field.into(), what.into()))
}

/// Milliseconds of a file, at most a day.
fn milliseconds(field: String, value: f64) -> Result<Duration, Problem> {
    if !(0.0..=86_400_000.0).contains(&value) {
        return problem(field, format!("{value} is not a time in milliseconds between 0 and 86400000"));
    }
    Ok(Duration::from_secs_f64(value / 1000.0))
}

impl File {
    fn check(self) -> Result<Gesture, Problem> {
        let id_is_plain = self.gesture_id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if self.gesture_id.is_empty() || !id_is_plain {
            return problem("gestureId", format!("{:?} is not one or more of A-Z a-z 0-9 _ -", self.gesture_id));
        }
        if self.label.trim().is_empty() {
            return problem("label", "is empty; it is what the subject is asked to do");
        }
        let signal = match (&self.signal_key, self.signal_index) {
            (Some(key), None) => Signal::from_key(key).ok_or_else(|| {
                let known = "a blendshape such as eyeBlinkLeft, or Yaw, Pitch, Roll";
                ("signal_key".to_owned(), format!("there is no signal {key:?}; it is {known}"))
            })?,
            (None, Some(index)) => usize::try_from(index).ok().and_then(Signal::from_index).ok_or_else(|| {
                (
                    "signal_index".to_owned(),
                    format!("there is no signal {index}; the last one is {}", super::signal::SIGNALS - 1),
                )
            })?,
            (None, None) => {
                return problem("signal_key", "is missing, and there is no signal_index either");
            }
            (Some(_), Some(_)) => {
                return problem("signal_index", "stands beside signal_key; give one of them");
            }
        };
        let time_limit = milliseconds("total_recommended_max_time".to_owned(), self.total_recommended_max_time)?;
        if time_limit.is_zero() {
            return problem("total_recommended_max_time", "is 0, so that nobody could ever complete the gesture");
        }
        if self.instructions.is_empty() {
            return problem("instructions", "is empty; a gesture has one step or more");
        }
        let steps = self.instructions.into_iter().enumerate();
        let steps: Vec<Step> =
            steps.map(|(i, step)| step.check(&format!("instructions[{i}]"))).collect::<Result<_, _>>()?;
        if self.randomize_step_picture && !steps.iter().any(|step| step.picture) {
            return problem("randomize_step_picture", "is true, but no step has take_picture_at_the_end");
        }
        Ok(Gesture {
            id: self.gesture_id,
            label: self.label,
            icon_path: self.icon_path,
            signal,
            time_limit,
            picture_at_end: self.take_picture_at_the_end,
            randomize_step_picture: self.randomize_step_picture,
            mirrored_input: self.mirrored_input,
            steps,
        })
    }
}

impl FileStep {
    fn check(self, path: &str) -> Result<Step, Problem> {
        let required = |name: &str, value: Option<f64>| match value {
            Some(value) => Ok(value),
            None => problem(format!("{path}.{name}"), "is missing"),
        };
        let condition = match self.instruction_type {
            InstructionType::Threshold => {
                let value = required("value", self.value)?;
                match self.move_to_next_type {
                    Some(Direction::Higher) => Condition::Higher(value),
                    Some(Direction::Lower) => Condition::Lower(value),
                    None => {
                        return problem(format!("{path}.move_to_next_type"), "is missing; it is higher or lower");
                    }
                }
            }
            InstructionType::Range => {
                let min = required("min_value", self.min_value)?;
                let max = required("max_value", self.max_value)?;
                if min > max {
                    return problem(format!("{path}.min_value"), format!("{min} is greater than max_value, {max}"));
                }
                let hold = required("min_duration_ms", self.min_duration_ms)?;
                let hold = milliseconds(format!("{path}.min_duration_ms"), hold)?;
                Condition::Range { min, max, hold }
            }
        };
        let reset = match self.reset {
            None => None,
            Some(FileReset { r#type: ResetType::Lower, value }) => Some(Reset::Lower(value)),
            Some(FileReset { r#type: ResetType::Higher, value }) => Some(Reset::Higher(value)),
            Some(FileReset { r#type: ResetType::TimeoutAfterMs, value }) => {
                Some(Reset::After(milliseconds(format!("{path}.reset.value"), value)?))
            }
        };
        Ok(Step { condition, reset, picture: self.take_picture_at_the_end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn valid() -> Value {
        json!({
            "gestureId": "test", "label": "Test", "icon_path": "icons/test.png", "signal_key": "jawOpen",
            "total_recommended_max_time": 10000, "take_picture_at_the_end": true, "randomize_step_picture": true,
            "instructions": [
                {"move_to_next_type": "lower", "value": 0.35, "reset": {"type": "timeout_after_ms", "value": 10000}},
                {"instruction_type": "threshold", "move_to_next_type": "higher", "value": 0.5,
                 "reset": {"type": "lower", "value": -0.1}, "take_picture_at_the_end": true},
                {"instruction_type": "range", "min_value": 0.1, "max_value": 0.4, "min_duration_ms": 700,
                 "reset": {"type": "higher", "value": 0.9}},
                {"move_to_next_type": "lower", "value": 1, "reset": null}
            ]
        })
    }

    fn parse(value: &Value) -> Result<Arc<Gesture>, GestureError> {
        Gesture::parse("test.json", &value.to_string())
    }

    #[test]
    fn every_field_is_read() {
        let gesture = parse(&valid()).unwrap();
        let step = |condition, reset, picture| Step { condition, reset, picture };
        let range = Condition::Range { min: 0.1, max: 0.4, hold: Duration::from_millis(700) };
        let expected = Gesture {
            id: "test".into(),
            label: "Test".into(),
            icon_path: "icons/test.png".into(),
            signal: Signal::from_key("jawOpen").unwrap(),
            time_limit: Duration::from_secs(10),
            picture_at_end: true,
            randomize_step_picture: true,
            mirrored_input: None,
            steps: vec![
                step(Condition::Lower(0.35), Some(Reset::After(Duration::from_secs(10))), false),
                step(Condition::Higher(0.5), Some(Reset::Lower(-0.1)), true),
                step(range, Some(Reset::Higher(0.9)), false),
                step(Condition::Lower(1.0), None, false),
            ],
        };
        assert_eq!(*gesture, expected);
    }

    #[test]
    fn optional_fields_and_unknown_ones() {
        let mut file = valid();
        for field in ["icon_path", "randomize_step_picture", "signal_key"] {
            file.as_object_mut().unwrap().remove(field);
        }
        file["signal_index"] = json!(53);
        file["mirrored_input"] = json!(false);
        file["comment"] = json!("ignored");
        let gesture = parse(&file).unwrap();
        assert_eq!(gesture.signal, Signal::from_key("Pitch").unwrap());
        assert_eq!((gesture.icon_path.as_str(), gesture.randomize_step_picture), ("", false));
        assert_eq!(gesture.mirrored_input, Some(false));
    }

    /// A change to the valid file, and the field that the error has to name.
    #[test]
    fn broken_files_name_their_field() {
        let cases: &[(&str, Value, &str)] = &[
            ("/gestureId", json!(""), "gestureId"),
            ("/gestureId", json!("a.b"), "gestureId"),
            ("/gestureId", json!(7), "gestureId"),
            ("/label", json!(" "), "label"),
            ("/label", Value::Null, "label"),
            ("/signal_key", json!("eyeBlink"), "signal_key"),
            ("/signal_key", Value::Null, "signal_key"),
            ("/total_recommended_max_time", json!(0), "total_recommended_max_time"),
            ("/total_recommended_max_time", json!(-5), "total_recommended_max_time"),
            ("/total_recommended_max_time", json!("10 s"), "total_recommended_max_time"),
            ("/take_picture_at_the_end", json!("yes"), "take_picture_at_the_end"),
            ("/instructions", json!([]), "instructions"),
            ("/instructions", json!({}), "instructions"),
            ("/instructions/0/move_to_next_type", json!("sideways"), "instructions[0].move_to_next_type"),
            ("/instructions/0/move_to_next_type", Value::Null, "instructions[0].move_to_next_type"),
            ("/instructions/0/value", Value::Null, "instructions[0].value"),
            ("/instructions/0/value", json!("0.35"), "instructions[0].value"),
            ("/instructions/0/reset/type", json!("never"), "instructions[0].reset.type"),
            ("/instructions/0/reset/value", json!(-1), "instructions[0].reset.value"),
            ("/instructions/0/reset/value", json!("NaN"), "instructions[0].reset.value"),
            ("/instructions/1/instruction_type", json!("hold"), "instructions[1].instruction_type"),
            ("/instructions/1/take_picture_at_the_end", json!(1), "instructions[1].take_picture_at_the_end"),
            ("/instructions/1/take_picture_at_the_end", json!(false), "randomize_step_picture"),
            ("/instructions/2/min_value", json!(0.5), "instructions[2].min_value"),
            ("/instructions/2/max_value", Value::Null, "instructions[2].max_value"),
            ("/instructions/2/min_duration_ms", json!(-1), "instructions[2].min_duration_ms"),
            ("/instructions/2/min_duration_ms", Value::Null, "instructions[2].min_duration_ms"),
        ];
        for (place, value, field) in cases {
            let mut file = valid();
            *file.pointer_mut(place).unwrap() = value.clone();
            let error = parse(&file).expect_err(place).to_string();
            let expected = format!("gesture file test.json: {field}: ");
            assert!(error.starts_with(&expected), "{place} = {value}: {error}");
        }
    }

    #[test]
    fn missing_and_doubled_fields() {
        for field in ["gestureId", "label", "total_recommended_max_time", "take_picture_at_the_end", "instructions"] {
            let mut file = valid();
            file.as_object_mut().unwrap().remove(field);
            let error = parse(&file).expect_err(field).to_string();
            assert!(error.contains("test.json") && error.contains(field), "{error}");
        }
        let mut both = valid();
        both["signal_index"] = json!(3);
        assert!(parse(&both).unwrap_err().to_string().contains("signal_index"));
        let mut beyond = valid();
        beyond["signal_key"] = Value::Null;
        beyond["signal_index"] = json!(62);
        assert!(parse(&beyond).unwrap_err().to_string().contains("signal_index"));
    }

    #[test]
    fn broken_json_names_the_line() {
        let text = valid().to_string();
        for broken in [text.replace("0.35", "NaN"), text.replace("0.35", "1e999"), text[..80].to_owned(), String::new()]
        {
            let error = Gesture::parse("x.json", &broken).unwrap_err().to_string();
            assert!(error.starts_with("gesture file x.json: line 1, column "), "{error}");
        }
        let error = Gesture::parse("x.json", "[]").unwrap_err().to_string();
        assert!(error.starts_with("gesture file x.json: "), "{error}");
    }
}

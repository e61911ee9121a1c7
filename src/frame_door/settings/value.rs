//! Values as the manual's files have them.

use std::time::Duration;

use toml::Value;
use vision_core::liveness::frame_checks::MultifacePolicy;
use vision_core::liveness::quality::glasses::Glasses;

use super::{Environment, LogLevel};
use crate::token::Algorithm;

/// A year as in `1y`: 365.25 days.
pub const YEAR: Duration = Duration::from_secs(31_557_600);

/// Made of a value of a file; otherwise what it should be.
pub trait FromValue: Sized {
    /// # Errors
    /// What the value should be, as in "has to be ...".
    fn from_value(value: &Value) -> Result<Self, String>;
}

/// A boolean, 0 or 1, also in quotes.
pub struct Flag(pub bool);

/// A count; below 0, or empty: none.
pub struct Limit(pub Option<u32>);

/// Seconds as a number, or with a unit: `500s`, `5m`, `1h`, `30d`, `2w`, `1y`.
pub struct Time(pub Duration);

/// Kinds of glasses, `GlassesEstimation.NoGlasses` or `NoGlasses`; one, or a list.
pub struct AllowedGlasses(pub Vec<Glasses>);

impl FromValue for String {
    fn from_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Integer(number) => Ok(number.to_string()),
            _ => Err("a text".into()),
        }
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> Result<Self, String> {
        let number = match value {
            Value::Float(number) => Some(*number),
            Value::Integer(number) => Some(*number as Self),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.filter(|number| number.is_finite()).ok_or_else(|| "a number".into())
    }
}

/// A whole number, also in quotes.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

impl FromValue for u16 {
    fn from_value(value: &Value) -> Result<Self, String> {
        integer(value).and_then(|number| number.try_into().ok()).ok_or_else(|| "a number from 0 to 65535".into())
    }
}

impl FromValue for Flag {
    fn from_value(value: &Value) -> Result<Self, String> {
        let flag = match value {
            Value::Boolean(flag) => Some(*flag),
            Value::Integer(0) => Some(false),
            Value::Integer(1) => Some(true),
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "0" | "false" => Some(false),
                "1" | "true" => Some(true),
                _ => None,
            },
            _ => None,
        };
        flag.map(Self).ok_or_else(|| "0, 1, true or false".into())
    }
}

impl FromValue for Limit {
    fn from_value(value: &Value) -> Result<Self, String> {
        if value.as_str().is_some_and(|text| text.trim().is_empty()) {
            return Ok(Self(None));
        }
        match integer(value).map(u32::try_from) {
            Some(Ok(number)) => Ok(Self(Some(number))),
            Some(Err(_)) if integer(value) < Some(0) => Ok(Self(None)),
            _ => Err("a whole number, -1 for no limit".into()),
        }
    }
}

impl FromValue for Time {
    fn from_value(value: &Value) -> Result<Self, String> {
        let time = match value {
            Value::String(text) if text.trim().parse::<f64>().is_err() => humantime::parse_duration(text.trim()).ok(),
            number => f64::from_value(number).ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        };
        time.map(Self).ok_or_else(|| "seconds, or a time such as 500s, 5m, 1h, 30d or 1y".into())
    }
}

impl FromValue for AllowedGlasses {
    fn from_value(value: &Value) -> Result<Self, String> {
        let one = |value: &Value| {
            let name = value.as_str().map(|text| text.rsplit('.').next().unwrap_or(text));
            match name {
                Some("NoGlasses") => Ok(Glasses::NoGlasses),
                Some("EyeGlasses") => Ok(Glasses::EyeGlasses),
                Some("SunGlasses") => Ok(Glasses::SunGlasses),
                _ => Err("a list of NoGlasses, EyeGlasses and SunGlasses".to_owned()),
            }
        };
        match value {
            Value::Array(kinds) if kinds.is_empty() => {
                Err("at least one of NoGlasses, EyeGlasses and SunGlasses".into())
            }
            Value::Array(kinds) => kinds.iter().map(one).collect::<Result<_, _>>().map(Self),
            other => one(other).map(|kind| Self(vec![kind])),
        }
    }
}

impl FromValue for MultifacePolicy {
    fn from_value(value: &Value) -> Result<Self, String> {
        let number = integer(value).and_then(|number| u8::try_from(number).ok());
        let policy = number.and_then(|number| Self::try_from(number).ok());
        policy.ok_or_else(|| "0 (only one face), 1 (the largest) or 2 (the one nearest to the centre)".into())
    }
}

impl FromValue for Environment {
    fn from_value(value: &Value) -> Result<Self, String> {
        match value.as_str() {
            Some("production") => Ok(Self::Production),
            Some("development") => Ok(Self::Development),
            _ => Err("production or development".into()),
        }
    }
}

impl FromValue for LogLevel {
    fn from_value(value: &Value) -> Result<Self, String> {
        match integer(value) {
            Some(0) => Ok(Self::Errors),
            Some(1) => Ok(Self::Information),
            Some(2) => Ok(Self::Debugging),
            _ => Err("0, 1 or 2".into()),
        }
    }
}

impl FromValue for Algorithm {
    fn from_value(value: &Value) -> Result<Self, String> {
        value.as_str().unwrap_or_default().parse()
    }
}

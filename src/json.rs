//! JSON as it is told to others.

use serde::Serialize;
use serde_json::{Number, Value};

/// A value with the digits that its numbers have: scores are `f32`, of which `serde_json` makes `f64` (0.9 would be told as
/// 0.8999999761581421). Null where it cannot be told at all.
pub fn told(what: impl Serialize) -> Value {
    serde_json::to_value(what).map(shorten).unwrap_or_default()
}

fn shorten(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(shortest(&number).unwrap_or(number)),
        Value::Array(values) => values.into_iter().map(shorten).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, shorten(value))).collect(),
        other => other,
    }
}

/// A number that an `f32` can be, in the digits of that.
fn shortest(number: &Number) -> Option<Number> {
    let value = number.as_f64().filter(|_| number.is_f64())?;
    let single = value as f32;
    (f64::from(single) == value).then(|| single.to_string().parse().ok().and_then(Number::from_f64)).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_have_the_digits_that_they_have() {
        let scores =
            told(json!({"a": 0.9_f32, "b": [0.973_458_35_f32, 1.5_f32, 3, -7], "c": {"d": 0.1_f64}, "e": null}));
        assert_eq!(scores.to_string(), r#"{"a":0.9,"b":[0.97345835,1.5,3,-7],"c":{"d":0.1},"e":null}"#);
        assert_eq!(told(f32::MAX).as_f64().map(|value| value as f32), Some(f32::MAX));
        assert_eq!(told(f32::NAN), Value::Null);
    }
}

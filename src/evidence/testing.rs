//! Records for the tests of this module and of those that hand packages out.

use std::time::{Duration, SystemTime};

use secrecy::SecretString;
use serde_json::json;

use super::package::{Package, Terms};
use super::record::{Door, Record, RecordPicture, Role, Series, Step, Threshold};
use crate::token::{Algorithm, Claims, Jwt, Signer, Verifier};

/// How long packages are kept.
pub const RETENTION: Duration = Duration::from_secs(3600);
const KEY: &str = "a key of thirty-two bytes or more";

/// When packages are kept.
pub fn then() -> SystemTime {
    humantime::parse_rfc3339("2031-05-06T07:08:09Z").unwrap()
}

/// A flow that was verified, with two pictures.
pub fn record(id: &str) -> Record {
    let mut blink = Series::new("1. blink", "", vec![Threshold { name: "step 1".into(), value: 0.4 }]);
    for at in 0..30 {
        blink.push(1000 + 66 * at, (at as f32 / 5.0).sin().abs());
    }
    let picture = |role, gesture: Option<&str>, at_ms| RecordPicture {
        role,
        gesture: gesture.map(str::to_owned),
        at_ms,
        scores: json!({"ags": 0.91}),
        file: jpeg(),
    };
    Record {
        id: id.parse().unwrap(),
        door: Door::Call,
        is_ok: true,
        outcome: "verified".into(),
        reason: None,
        errors: vec![],
        began: then() - Duration::from_secs(20),
        ended: then(),
        challenge: vec![Step { name: "blink".into(), asked_ms: 1000, completed_ms: Some(2400) }],
        timings: json!({"joined_ms": 12}),
        checks: json!({"frozen_stream": {"mode": "enforce", "verdict": "passed", "score": 0.98}}),
        models: [("face_landmarks".to_owned(), "abc".to_owned())].into(),
        pictures: vec![picture(Role::BestShot, None, 900), picture(Role::Gesture, Some("blink"), 2400)],
        signals: vec![blink],
        footage: None,
    }
}

/// A real, small picture.
pub fn jpeg() -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([3 * x as u8, 4 * y as u8, 90]));
    picture.write_to(&mut file, image::ImageFormat::Jpeg).unwrap();
    file.into_inner()
}

/// Signs with a shared key; `recipient` as text.
pub fn terms(recipient: Option<&str>) -> Terms {
    let jwt = Jwt { algorithm: Algorithm::Hs256, key: SecretString::from(KEY) };
    let recipient = recipient.map(|text| text.parse().unwrap());
    Terms { signer: Signer::new(&jwt).unwrap(), recipient, retention: RETENTION }
}

/// Verifies what [`terms`] signs.
pub fn verifier() -> Verifier {
    Verifier::new(Algorithm::Hs256, KEY.as_bytes(), None).unwrap()
}

/// A package that is not encrypted.
pub fn package(id: &str) -> Package {
    Package::build(&record(id), &terms(None), then()).unwrap()
}

/// What the result of a flow says that was verified.
pub fn claims(flow: &str) -> Claims {
    let iat = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    Claims {
        is_ok: true,
        errors: vec![],
        details: json!({"outcome": "verified"}),
        bestshot: None,
        iat,
        exp: iat + 60,
        jti: "1".into(),
        aud: None,
        sid: flow.into(),
        models: [].into(),
        checks: json!({}),
    }
}

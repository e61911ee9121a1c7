//! The result of a flow as a token says it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Value, json};
use vision_core::liveness::Check;

use super::outcome::{Outcome, Reason};
use super::registry::FlowId;
use super::watch::status::CheckStatus;
use crate::app::Services;
use crate::token::Claims;

/// The result as a token, where callbacks carry one. There are no codes in a call: `details` has outcome and reason. There
/// is no picture either.
pub(super) fn sign(
    services: &Services,
    flow: FlowId,
    outcome: Outcome,
    checks: impl FnOnce() -> BTreeMap<Check, CheckStatus>,
) -> Option<String> {
    let signing = services.signing.as_ref()?;
    let claims = Claims {
        is_ok: outcome.is_success(),
        errors: Vec::new(),
        details: json!({"outcome": outcome.as_str(), "reason": outcome.reason().map(Reason::as_str)}),
        bestshot: None,
        // filled in by whoever signs
        iat: 0,
        exp: 0,
        jti: String::new(),
        aud: None,
        sid: flow.to_string(),
        models: services.engine.info().versions(),
        checks: as_told(&checks()),
    };
    let signed = signing.token(claims, SystemTime::now());
    signed.inspect_err(|e| tracing::error!(%flow, "the result is not signed: {e}")).ok()
}

/// As `GET /flows/{id}` tells it: a score with the digits that it has, not with those of a larger type.
pub(super) fn as_told(what: &impl Serialize) -> Value {
    let text = serde_json::to_string(what);
    text.and_then(|text| serde_json::from_str(&text)).unwrap_or_default()
}

//! The result of a flow as a token says it.

use std::collections::BTreeMap;

use serde_json::json;
use vision_core::liveness::Check;
use vision_models::engine::Engine;
use vision_models::manifest::Manifest;

use super::outcome::{Outcome, Reason};
use super::registry::FlowId;
use super::watch::status::CheckStatus;
use crate::token::Claims;

/// What the token of a flow says; whoever signs it fills in times, audience and `jti`. There are no codes in a call:
/// `details` has outcome and reason. There is no picture either.
pub(super) fn claims(
    flow: FlowId,
    outcome: Outcome,
    checks: &BTreeMap<Check, CheckStatus>,
    models: BTreeMap<String, String>,
) -> Claims {
    Claims {
        is_ok: outcome.is_success(),
        errors: Vec::new(),
        details: json!({"outcome": outcome.as_str(), "reason": outcome.reason().map(Reason::as_str)}),
        bestshot: None,
        iat: 0,
        exp: 0,
        jti: String::new(),
        aud: None,
        sid: flow.to_string(),
        models,
        checks: serde_json::to_value(checks).unwrap_or_default(),
    }
}

/// The networks in use; a network's version is the SHA-256 of its file.
pub(super) fn models(engine: &Engine) -> BTreeMap<String, String> {
    let used = engine.info().models.iter().filter(|listing| listing.in_use);
    let known = used.filter_map(|listing| Manifest::embedded().model(listing.id));
    known.map(|model| (model.id.clone(), model.sha256.clone())).collect()
}

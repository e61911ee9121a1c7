//! The result of a flow as a token says it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use tokio::task::spawn_blocking;
use vision_core::liveness::Check;
use vision_core::picture::Picture;

use super::outcome::{Outcome, Reason};
use super::registry::FlowId;
use super::watch::status::CheckStatus;
use crate::app::Services;
use crate::json::told;
use crate::matching::encode::jpeg;
use crate::token::Claims;

/// What the token says of a flow. There are no codes in a call: `details` has outcome and reason.
pub(super) fn claims(
    services: &Services,
    flow: FlowId,
    outcome: Outcome,
    checks: &BTreeMap<Check, CheckStatus>,
) -> Claims {
    Claims {
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
        checks: told(checks),
    }
}

/// The token, where callbacks carry one; `best_shot` goes into it as a JPEG.
pub(super) async fn sign(
    services: &Services,
    mut claims: Claims,
    best_shot: Option<Arc<dyn Picture>>,
) -> Option<String> {
    let signing = services.signing.as_ref()?;
    if let Some(picture) = best_shot {
        let encoded = spawn_blocking(move || jpeg(picture.view()).map(|file| BASE64_STANDARD.encode(file))).await;
        match encoded {
            Ok(Ok(encoded)) => claims.bestshot = Some(encoded),
            Ok(Err(e)) => tracing::warn!(flow = claims.sid, "the best shot is missing in the result: {e}"),
            Err(e) => tracing::error!(flow = claims.sid, "the best shot is missing in the result: {e}"),
        }
    }
    let flow = claims.sid.clone();
    let signed = signing.token(claims, SystemTime::now());
    signed.inspect_err(|e| tracing::error!(flow, "the result is not signed: {e}")).ok()
}

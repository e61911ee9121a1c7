//! References fetched from the controller and compared with the pictures taken in the challenge.

use std::sync::Arc;
use std::time::Instant;

use vision_core::picture::Picture;

use super::outcome::Reason;
use super::registry::FlowId;
use crate::app::Services;
use crate::http::join_call::JoinCall;
use crate::matching::Decision;

/// Whether the live face is the one of the references; otherwise why that cannot be told.
pub async fn same_person(
    services: &Services,
    call: &JoinCall,
    flow: FlowId,
    pictures: &[Arc<dyn Picture>],
    deadline: Instant,
) -> Result<bool, Reason> {
    let deadline = deadline.into();
    let list = services.controller.list(&call.callback_base_url, &call.token, deadline).await.map_err(|e| {
        tracing::warn!(%flow, "no reference images: {e}");
        Reason::ControllerUnavailable
    })?;
    let references =
        services.references.load(&list, call.datastore_base_url.as_ref(), deadline).await.map_err(|e| {
            tracing::warn!(%flow, "no reference images: {e}");
            Reason::NoReferences
        })?;
    if let Some(debug) = &services.debug {
        debug.save_compared(pictures, &references.read);
    }
    let report = services.matcher.compare_all(pictures, &references.read, deadline).await;
    tracing::info!(
        %flow,
        model = report.model,
        compared = report.compared(),
        pairs = report.pairs.len(),
        "compared: {:?}",
        report.decision
    );
    match report.decision {
        Decision::Verified => Ok(true),
        Decision::Different => Ok(false),
        Decision::NoReferences => Err(Reason::NoReferences),
        Decision::MatcherUnavailable => Err(Reason::MatcherUnavailable),
    }
}

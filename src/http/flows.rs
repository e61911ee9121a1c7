//! `POST /join-call` and `GET /flows/{id}`.

use std::sync::Arc;

use serde::Serialize;
use warp::http::{HeaderMap, StatusCode, header};
use warp::{Filter, Rejection};

use super::body::{self, Body};
use super::join_call::{BadRequest, JoinCall};
use super::reply::{Reply, error, flow_error, json, retry_after};
use crate::app::Services;
use crate::flow::{FlowId, Refusal};

/// Largest request.
const MAX_BODY: usize = 64 * 1024;

/// The answer to an accepted `/join-call`: the original's two fields and the flow's id.
#[derive(Serialize)]
struct Accepted {
    msj: &'static str,
    mm_response: &'static str,
    flow_id: FlowId,
}

/// The filter.
pub fn filter(services: Arc<Services>) -> impl Filter<Extract = (Reply,), Error = Rejection> + Clone {
    let join = {
        let services = services.clone();
        warp::path!("join-call")
            .and(warp::post())
            .and(warp::header::headers_cloned())
            .and(body::limited(MAX_BODY))
            .map(move |headers: HeaderMap, body: Body| join_call(&services, &headers, body))
    };
    let status = warp::path!("flows" / String).and(warp::get()).map(move |id: String| flow_status(&services, &id));
    join.or(status).unify()
}

fn join_call(services: &Arc<Services>, headers: &HeaderMap, body: Body) -> Reply {
    let body = match body {
        Ok(body) => body,
        Err(reply) => return *reply,
    };
    // The original reads JSON whatever the type says; a body that says it is something else is a mistake worth telling.
    if headers.get(header::CONTENT_TYPE).is_some_and(|t| !is_json(t.to_str().unwrap_or_default())) {
        return error(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send the request as application/json",
        );
    }
    let call = match JoinCall::parse(&body) {
        Ok(call) => call,
        Err(e @ BadRequest::Json(_)) => return error(StatusCode::BAD_REQUEST, "invalid_json", &e.to_string()),
        Err(e @ BadRequest::Field { .. }) => {
            return error(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", &e.to_string());
        }
    };
    match services.start_flow(call) {
        Ok(flow_id) => json(StatusCode::OK, &Accepted { msj: "joining the call", mm_response: "", flow_id }),
        Err(e) => refused(e),
    }
}

/// Why a flow was not started, as an answer.
pub fn refused(refusal: Refusal) -> Reply {
    let message = refusal.to_string();
    match refusal {
        Refusal::TokenRunning(id) => flow_error(StatusCode::CONFLICT, "token_running", &message, id.to_string()),
        Refusal::Full(_) => retry_after(error(StatusCode::SERVICE_UNAVAILABLE, "busy", &message), 10),
        Refusal::Stopping => retry_after(error(StatusCode::SERVICE_UNAVAILABLE, "stopping", &message), 10),
    }
}

fn flow_status(services: &Services, id: &str) -> Reply {
    match id.parse().ok().and_then(|id| services.flows.status(id)) {
        Some(status) => json(StatusCode::OK, &status),
        None => error(StatusCode::NOT_FOUND, "unknown_flow", "there is no flow with this id, or it ended long ago"),
    }
}

/// `application/json`, with or without parameters, and its `+json` kin.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_by_any_of_its_names() {
        for t in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"] {
            assert!(is_json(t), "{t}");
        }
        for t in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
            assert!(!is_json(t), "{t}");
        }
    }
}

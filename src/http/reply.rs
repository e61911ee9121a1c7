//! Answers: JSON bodies, and errors as `{"error": code, "message": text}`.

use serde::Serialize;
use warp::http::{HeaderValue, Response, StatusCode, header};
use warp::hyper::body::Bytes;

/// A complete answer.
pub type Reply = Response<Bytes>;

/// JSON with a status.
pub fn json(status: StatusCode, body: &impl Serialize) -> Reply {
    with_type(
        status,
        "application/json",
        serde_json::to_vec(body).unwrap_or_default(),
    )
}

/// A body with its type.
pub fn with_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The body of an error.
#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow_id: Option<String>,
}

/// An error: a code for programs, a sentence for people, nothing of the service's insides.
pub fn error(status: StatusCode, code: &str, message: &str) -> Reply {
    json(
        status,
        &ErrorBody {
            error: code,
            message,
            flow_id: None,
        },
    )
}

/// An error about a flow that exists.
pub fn flow_error(status: StatusCode, code: &str, message: &str, flow_id: String) -> Reply {
    json(
        status,
        &ErrorBody {
            error: code,
            message,
            flow_id: Some(flow_id),
        },
    )
}

/// Adds `Retry-After`.
pub fn retry_after(mut reply: Reply, seconds: u32) -> Reply {
    reply
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    reply
}

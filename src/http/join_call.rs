//! `POST /join-call`: what is asked, and whether it can be done.

use serde::Deserialize;
use url::Url;

use crate::room::RoomUrl;

/// Longest token; it becomes a path segment of the callback's URL.
const MAX_TOKEN: usize = 512;

/// A request that has been checked.
#[derive(Clone)]
pub struct JoinCall {
    /// The call to join.
    pub room: RoomUrl,
    /// `{callback_base_url}/list/{token}` and so on.
    pub callback_base_url: Url,
    /// `{datastore_base_url}/r/{id}`.
    pub datastore_base_url: Option<Url>,
    /// The controller's name for the flow.
    pub token: String,
    /// As asked for.
    pub lang: Option<String>,
    /// The subject is to see no colours flash.
    pub reduced_flash: bool,
    /// Evidence may be kept, where the service is configured to.
    pub evidence: bool,
}

/// Why a request cannot be carried out.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum BadRequest {
    /// Not JSON, or not an object of the right fields.
    #[error("the body is not the JSON object that /join-call takes: {0}")]
    Json(String),
    /// A field that says something impossible.
    #[error("`{field}` {problem}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

/// As on the wire; unknown fields are ignored.
#[derive(Deserialize)]
struct Body {
    ws_url: Option<String>,
    callback_base_url: Option<String>,
    datastore_base_url: Option<String>,
    token: Option<String>,
    lang: Option<String>,
    #[serde(rename = "reducedFlash")]
    reduced_flash: Option<bool>,
    evidence: Option<bool>,
}

impl JoinCall {
    /// Reads and checks a request body.
    pub fn parse(body: &[u8]) -> Result<Self, BadRequest> {
        let body: Body = serde_json::from_slice(body).map_err(|e| BadRequest::Json(e.to_string()))?;
        let field = |field, problem: String| BadRequest::Field { field, problem };
        let given = |name, value: Option<String>| {
            value.filter(|v| !v.trim().is_empty()).ok_or_else(|| field(name, "is required".into()))
        };
        let token = given("token", body.token)?;
        if token.len() > MAX_TOKEN {
            return Err(field("token", format!("is longer than {MAX_TOKEN} bytes")));
        }
        // Percent-encoding keeps dots, and a client would resolve these two away from the path.
        if token == "." || token == ".." {
            return Err(field("token", "cannot be a dot segment".into()));
        }
        let ws_url = given("ws_url", body.ws_url)?;
        let room = RoomUrl::parse(&ws_url).map_err(|e| field("ws_url", e.to_string()))?;
        Ok(Self {
            room,
            callback_base_url: base_url("callback_base_url", &given("callback_base_url", body.callback_base_url)?)?,
            datastore_base_url: match body.datastore_base_url.filter(|v| !v.trim().is_empty()) {
                Some(text) => Some(base_url("datastore_base_url", &text)?),
                None => None,
            },
            token,
            lang: body.lang.filter(|v| !v.trim().is_empty()),
            reduced_flash: body.reduced_flash.unwrap_or_default(),
            evidence: body.evidence.unwrap_or(true),
        })
    }
}

fn base_url(field: &'static str, text: &str) -> Result<Url, BadRequest> {
    let wrong = |why: &str| BadRequest::Field { field, problem: format!("must be an http:// or https:// URL: {why}") };
    let url = Url::parse(text.trim()).map_err(|e| wrong(&e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it has another scheme"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
        let mut value = serde_json::json!({
            "ws_url": "direct:room-1", "callback_base_url": "https://c.example/base/", "token": "t", "lang": "es", "more": 1
        });
        change(&mut value);
        serde_json::to_vec(&value).unwrap()
    }

    #[test]
    fn the_originals_request_is_taken() {
        let call = JoinCall::parse(&body(|_| {})).unwrap();
        assert_eq!(call.token, "t");
        assert_eq!(call.lang.as_deref(), Some("es"));
        assert_eq!(call.callback_base_url.path(), "/base/");
        assert!(call.datastore_base_url.is_none());
        let call = JoinCall::parse(&body(|v| v["datastore_base_url"] = "https://ds".into())).unwrap();
        assert!(call.datastore_base_url.is_some() && !call.reduced_flash);
        assert!(JoinCall::parse(&body(|v| v["reducedFlash"] = true.into())).unwrap().reduced_flash);
        assert!(call.evidence && !JoinCall::parse(&body(|v| v["evidence"] = false.into())).unwrap().evidence);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for name in ["ws_url", "callback_base_url", "token"] {
            for value in [serde_json::Value::Null, "".into()] {
                let Err(BadRequest::Field { field, .. }) = JoinCall::parse(&body(|v| v[name] = value)) else {
                    panic!("{name} is required")
                };
                assert_eq!(field, name);
            }
        }
        for (name, value) in [
            ("ws_url", "http://x"),
            ("ws_url", "direct:"),
            ("callback_base_url", "file:///x"),
            ("callback_base_url", "c.example"),
            ("datastore_base_url", "nonsense"),
            ("token", ".."),
        ] {
            let Err(BadRequest::Field { field, .. }) = JoinCall::parse(&body(|v| v[name] = value.into())) else {
                panic!("{name} = {value} must be refused")
            };
            assert_eq!(field, name);
        }
        assert!(matches!(JoinCall::parse(b"{"), Err(BadRequest::Json(_))));
        assert!(matches!(JoinCall::parse(b"[]"), Err(BadRequest::Json(_))));
        assert!(matches!(JoinCall::parse(&body(|v| v["token"] = 5.into())), Err(BadRequest::Json(_))));
        assert!(matches!(JoinCall::parse(&body(|v| v["reducedFlash"] = "no".into())), Err(BadRequest::Json(_))));
    }
}

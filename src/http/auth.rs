//! `API_TOKEN`: who may ask.

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use warp::http::{HeaderMap, HeaderValue, StatusCode, header};

use super::reply::{Reply, error};

/// Whether a request may pass: `/health` and what subjects use (`/call/*`, `/selfie`, `/ws`) are open, the rest wants the
/// token when there is one.
pub fn check(path: &str, headers: &HeaderMap, token: Option<&SecretString>) -> Result<(), Box<Reply>> {
    let Some(token) = token else { return Ok(()) };
    if matches!(path, "/health" | "/selfie" | "/ws") || path.starts_with("/call/") || path.starts_with("/ws/") {
        return Ok(());
    }
    let given = headers.get(header::AUTHORIZATION).and_then(bearer);
    if given.is_some_and(|given| given.as_bytes().ct_eq(token.expose_secret().as_bytes()).into()) {
        return Ok(());
    }
    let mut reply = error(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "send `Authorization: Bearer` with the API token of this service",
    );
    reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Err(Box::new(reply))
}

/// The token of `Bearer TOKEN`; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(path: &str, authorization: Option<&str>, token: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        check(path, &headers, token.map(SecretString::from).as_ref()).is_ok()
    }

    #[test]
    fn the_token_opens_and_nothing_else_does() {
        assert!(asks("/join-call", None, None));
        assert!(asks("/join-call", Some("Bearer abc"), Some("abc")));
        assert!(asks("/join-call", Some("bearer abc"), Some("abc")));
        for wrong in [None, Some("Bearer abd"), Some("Bearer"), Some("Basic abc"), Some("abc"), Some("Bearer abc def")]
        {
            assert!(!asks("/join-call", wrong, Some("abc")), "{wrong:?}");
        }
        assert!(asks("/health", None, Some("abc")));
        assert!(asks("/call/x/ws", None, Some("abc")));
        assert!(asks("/ws", None, Some("abc")) && asks("/ws/schema.json", None, Some("abc")));
        assert!(!asks("/wsx", None, Some("abc")));
        assert!(!asks("/flows/1", None, Some("abc")));
        assert!(!asks("/callous", None, Some("abc")));
        assert!(!asks("/face_match", None, Some("abc")));
    }
}

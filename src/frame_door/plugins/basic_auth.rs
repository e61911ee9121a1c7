//! `BasicAuth`: who may begin a session, by user name and password (RFC 7617) and by the page that asks.

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use url::Url;
use warp::http::{HeaderMap, HeaderValue, header};

use crate::frame_door::settings::reader::Reader;

/// `[MIDDLEWARES.REQUEST.BasicAuth]`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `args.username`.
    pub username: String,
    /// `args.password`.
    pub password: SecretString,
    /// `args.origin`: the only site whose pages may open a session; none: every one.
    pub origin: Option<String>,
}

impl Settings {
    /// What the file says; none: switched off.
    pub fn read(file: &mut Reader) -> Option<Self> {
        let args = file.plugin("REQUEST", "BasicAuth", false)?;
        Some(Self {
            username: file.must(&args, "username"),
            password: file.must(&args, "password").into(),
            origin: file.get(&args, "origin").filter(|origin: &String| !matches!(origin.as_str(), "" | "-")),
        })
    }
}

/// Why nobody was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No user name and password, or others.
    Credentials,
    /// The page that opens the WebSocket is another site's: cross-site WebSocket hijacking.
    Origin,
}

/// Whether a request may begin a session. Programs send no `Origin`, browsers always do; a page of another site is
/// refused whatever credentials the browser adds.
///
/// # Errors
/// [`Refused`].
pub fn check(settings: &Settings, headers: &HeaderMap) -> Result<(), Refused> {
    if let (Some(allowed), Some(origin)) = (&settings.origin, headers.get(header::ORIGIN))
        && !origin.to_str().is_ok_and(|origin| is_of(origin, allowed))
    {
        return Err(Refused::Origin);
    }
    let given = headers.get(header::AUTHORIZATION).and_then(credentials).unwrap_or_default();
    let expected = format!("{}:{}", settings.username, settings.password.expose_secret());
    // of equal length, and nothing of their contents in the time it takes
    let same = Sha256::digest(given).ct_eq(&Sha256::digest(expected));
    if same.into() { Ok(()) } else { Err(Refused::Credentials) }
}

/// `allowed` is an origin (`https://example.org:8321`), or a host with or without a port.
fn is_of(origin: &str, allowed: &str) -> bool {
    let Ok(origin) = Url::parse(origin) else { return false };
    if allowed.contains("://") {
        return Url::parse(allowed).is_ok_and(|allowed| allowed.origin() == origin.origin());
    }
    let Some(host) = origin.host_str() else { return false };
    let with_port = origin.port_or_known_default().map(|port| format!("{host}:{port}"));
    host.eq_ignore_ascii_case(allowed) || with_port.is_some_and(|it| it.eq_ignore_ascii_case(allowed))
}

fn credentials(value: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded.trim());
    decoded.ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(origin: Option<&str>) -> Settings {
        Settings {
            username: "me".into(),
            password: "my: secret".to_owned().into(),
            origin: origin.map(ToOwned::to_owned),
        }
    }

    fn asks(settings: &Settings, user: Option<&str>, origin: Option<&str>) -> Result<(), Refused> {
        let mut headers = HeaderMap::new();
        if let Some(user) = user {
            let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, user);
            headers.insert(header::AUTHORIZATION, format!("Basic {encoded}").parse().unwrap());
        }
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        check(settings, &headers)
    }

    #[test]
    fn user_and_password_open_and_nothing_else_does() {
        let settings = settings(None);
        assert_eq!(asks(&settings, Some("me:my: secret"), Some("https://anywhere.example")), Ok(()));
        for wrong in [None, Some(""), Some("me"), Some("me:my"), Some("you:my: secret"), Some("me:my: secret ")] {
            assert_eq!(asks(&settings, wrong, None), Err(Refused::Credentials), "{wrong:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer bWU6bXk6IHNlY3JldA=="));
        assert_eq!(check(&settings, &headers), Err(Refused::Credentials));
    }

    #[test]
    fn pages_of_other_sites_are_refused_with_the_right_password() {
        let user = Some("me:my: secret");
        for allowed in ["https://bank.example", "bank.example", "bank.example:443", "BANK.example"] {
            let settings = settings(Some(allowed));
            assert_eq!(asks(&settings, user, Some("https://bank.example")), Ok(()), "{allowed}");
            assert_eq!(asks(&settings, user, None), Ok(()), "a program");
            for other in ["https://bank.example.evil.org", "https://evil.org", "null", "https://notbank.example"] {
                assert_eq!(asks(&settings, user, Some(other)), Err(Refused::Origin), "{allowed} {other}");
            }
        }
        assert_eq!(asks(&settings(Some("10.0.0.1:8321")), user, Some("http://10.0.0.1:8321")), Ok(()));
        assert_eq!(asks(&settings(Some("10.0.0.1:8321")), user, Some("http://10.0.0.1:80")), Err(Refused::Origin));
    }
}

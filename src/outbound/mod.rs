//! HTTP that the service itself sends: to controllers, reference images, data stores and remote matchers.
//!
//! One way of building clients (ring for TLS, no proxy taken from the environment, redirects under control), one way of
//! reading bodies (never more than a limit) and one way of trying again ([`retry`]).

pub mod retry;

use std::error::Error as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Response, StatusCode};

/// How long a connection may take to come up; part of every request's own limit.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be set up: {0}")]
pub struct ClientError(String);

/// Which redirects a client follows. Always refused: other schemes than http and https, and the step from https
/// down to http, which would show tokens and pictures to everybody on the way.
#[derive(Clone, Copy, Debug)]
pub struct Redirects {
    /// How many in a row.
    pub limit: usize,
    /// `303 See Other` turns every method into GET. Whoever sends something other than GET must not follow it, or a
    /// page that merely exists would pass for the answer.
    pub see_other: bool,
}

/// A client for `redirects`. Connections are kept and shared by its clones.
pub fn client(redirects: Redirects) -> Result<Client, ClientError> {
    install_crypto_provider();
    let builder = || {
        Client::builder()
            .user_agent(concat!("vision-service/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(policy(redirects))
            .referer(false)
            .no_proxy()
    };
    builder().build().or_else(|error| {
        // A machine without certificate authorities (a bare container) can still reach http:// addresses.
        tracing::warn!(
            reason = reason(&error),
            "no certificate authorities: https:// addresses cannot be reached; install the package ca-certificates"
        );
        builder().tls_certs_only([]).build().map_err(|e| ClientError(reason(&e)))
    })
}

/// Makes ring the process's crypto library, for those who ask rustls for a default. May be called any number of times.
pub fn install_crypto_provider() {
    // An error means that one is installed already, which is what we want.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
}

fn policy(redirects: Redirects) -> Policy {
    Policy::custom(move |attempt: Attempt<'_>| {
        // `previous` begins with the address first asked for.
        if attempt.previous().len() > redirects.limit {
            return attempt.error(format!("more than {} redirects", redirects.limit));
        }
        if attempt.status() == StatusCode::SEE_OTHER && !redirects.see_other {
            return attempt.stop();
        }
        let from = attempt.previous().last().map_or("", |url| url.scheme());
        match (from, attempt.url().scheme()) {
            ("https", "http") => attempt.error("a redirect from https to http"),
            (_, "http" | "https") => attempt.follow(),
            (_, other) => {
                let message = format!("a redirect to the scheme `{other}`");
                attempt.error(message)
            }
        }
    })
}

/// Why a request failed, in words without its address: that may hold a token.
pub fn reason(error: &reqwest::Error) -> String {
    let kind = if error.is_timeout() {
        return "timed out".to_owned();
    } else if error.is_connect() {
        "cannot connect"
    } else if error.is_redirect() {
        "redirected in a way that is not followed"
    } else if error.is_body() || error.is_decode() {
        "the answer broke off"
    } else if error.is_builder() {
        "not a request"
    } else {
        "no answer"
    };
    // The innermost source is the operating system's or the protocol's own word; those in between repeat the address.
    let mut source = error.source();
    while let Some(inner) = source.and_then(|s| s.source()) {
        source = Some(inner);
    }
    source.map_or_else(|| kind.to_owned(), |s| format!("{kind}: {s}"))
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than allowed; reading stopped there.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// What was allowed.
        limit: u64,
    },
    /// The connection broke or timed out.
    #[error("{}", reason(.0))]
    Broken(reqwest::Error),
}

/// The whole body, at most `limit` bytes of it.
pub async fn read_body(mut response: Response, limit: u64) -> Result<Bytes, BodyError> {
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(BodyError::TooLarge { limit });
    }
    let mut body = BytesMut::with_capacity(response.content_length().unwrap_or(0) as usize);
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Broken)? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(BodyError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests {
    use warp::Filter;
    use warp::http::{Response as Reply, header};

    use super::*;
    use crate::http::serve::{Server, serve_plain};

    async fn redirecting_server() -> Server {
        let hop = warp::path!("hop" / usize).map(|left: usize| {
            let to = if left == 0 { "/end".to_owned() } else { format!("/hop/{}", left - 1) };
            Reply::builder().status(302).header(header::LOCATION, to).body(String::new())
        });
        let see_other = warp::path("other")
            .map(|| Reply::builder().status(303).header(header::LOCATION, "/end").body(String::new()));
        let ftp = warp::path("ftp")
            .map(|| Reply::builder().status(302).header(header::LOCATION, "ftp://host/x").body(String::new()));
        let end = warp::path("end").and(warp::method()).map(|m: warp::http::Method| Reply::new(m.to_string()));
        let endless = warp::path("long").map(|| Reply::new("x".repeat(1000)));
        serve_plain(hop.or(see_other).or(ftp).or(end).or(endless), ([127, 0, 0, 1], 0).into()).await.unwrap()
    }

    #[tokio::test]
    async fn redirects_are_limited_and_keep_the_method() {
        let server = redirecting_server().await;
        let at = |path: &str| format!("http://127.0.0.1:{}/{path}", server.port());
        let client = client(Redirects { limit: 3, see_other: false }).unwrap();

        let answer = client.put(at("hop/2")).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "PUT", "three redirects, still a PUT");
        let error = client.put(at("hop/3")).send().await.unwrap_err();
        assert!(reason(&error).contains("more than 3 redirects"), "{}", reason(&error));
        assert_eq!(client.put(at("other")).send().await.unwrap().status(), 303, "not taken for an answer");
        let error = client.get(at("ftp")).send().await.unwrap_err();
        assert!(error.is_redirect() && !reason(&error).contains("host"), "{}", reason(&error));
    }

    #[tokio::test]
    async fn bodies_are_limited() {
        let server = redirecting_server().await;
        let client = client(Redirects { limit: 0, see_other: true }).unwrap();
        let get = || client.get(format!("http://127.0.0.1:{}/long", server.port())).send();
        assert_eq!(read_body(get().await.unwrap(), 1000).await.unwrap().len(), 1000);
        assert!(matches!(read_body(get().await.unwrap(), 999).await, Err(BodyError::TooLarge { limit: 999 })));
    }

    #[tokio::test]
    async fn reasons_are_short_and_have_no_address() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let client = client(Redirects { limit: 0, see_other: true }).unwrap();
        let error = client.get(format!("http://127.0.0.1:{port}/list/secret")).send().await.unwrap_err();
        let text = reason(&error);
        assert!(text.starts_with("cannot connect") && text.contains("refused") && !text.contains("secret"), "{text}");
    }
}

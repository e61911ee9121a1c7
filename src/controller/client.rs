//! The controller's callbacks: `GET {base}/list/{token}`, `PUT {base}/success/{token}`, `PUT {base}/failure/{token}`.
//!
//! Each is tried again on connection errors, timeouts, 408, 425, 429 and 5xx (see [`crate::outbound::retry`]). An
//! outcome is sent until a 2xx, hence at least once; its `Idempotency-Key`, the flow's id, lets the controller know a
//! repetition. Redirects keep the method; `303` is not followed, since it would turn the PUT into a GET.

use std::fmt;
use std::time::Duration;

use reqwest::header::ACCEPT;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde::de::{Deserializer as _, Error as _, SeqAccess, Visitor};
use tokio::time::Instant;
use url::Url;

use crate::outbound::retry::{Again, Backoff, Effort, Failed, GaveUp, after_error, retry, success_only};
use crate::outbound::{self, BodyError, ClientError, Redirects, read_body};
use crate::redact::{address, shorten};

/// How the controller is called.
#[derive(Clone, Copy, Debug)]
pub struct ControllerOptions {
    /// Limit of a single request.
    pub timeout: Duration,
    /// Delays between attempts.
    pub backoff: Backoff,
    /// Longest list of references, in bytes: entries can be whole pictures as data URLs.
    pub max_list_bytes: u64,
    /// Most entries of a list; how many of them are used is the reference limits' matter.
    pub max_list_entries: usize,
    /// How many redirects are followed.
    pub max_redirects: usize,
}

impl Default for ControllerOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            backoff: Backoff::default(),
            max_list_bytes: 64 << 20,
            max_list_entries: 1000,
            max_redirects: 3,
        }
    }
}

/// Which of the two callbacks tells the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// `PUT /success/{token}`: live, and the person on the references.
    Success,
    /// `PUT /failure/{token}`: everything else.
    Failure,
}

impl Verdict {
    fn verb(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

/// An outcome that arrived.
pub type Delivery = Effort;

/// Why the controller was not reached. Addresses are shown without credentials and with the token shortened.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The base URL or the token cannot make an address; nothing was sent.
    #[error("the callback address cannot be built: {0}")]
    Address(&'static str),
    /// It was tried until the time was over.
    #[error("{place} could not be reached ({} attempts in {:.0?}): {last}", .effort.attempts, .effort.elapsed)]
    Unreachable {
        /// What was asked.
        place: String,
        /// How much was tried.
        effort: Effort,
        /// The last attempt's failure.
        last: String,
    },
    /// It answered, and another try would bring the same.
    #[error("{place} refused: {reason}")]
    Refused {
        /// What was asked.
        place: String,
        /// Status, or what is wrong with the answer.
        reason: String,
    },
}

/// Calls controllers. Cheap to clone; connections are shared.
#[derive(Clone, Debug)]
pub struct ControllerClient {
    http: Client,
    options: ControllerOptions,
}

impl ControllerClient {
    /// Sets up the client; nothing is sent.
    pub fn new(options: ControllerOptions) -> Result<Self, ClientError> {
        let http = outbound::client(Redirects { limit: options.max_redirects, see_other: false })?;
        Ok(Self { http, options })
    }

    /// The references of `token`: data URLs, URLs or data-store ids, as the controller gave them. Nothing goes on
    /// beyond `deadline`.
    pub async fn list(&self, base: &Url, token: &str, deadline: Instant) -> Result<Vec<String>, ControllerError> {
        let url = callback(base, "list", token)?;
        self.call(base, "list", token, deadline, || {
            let left = deadline.saturating_duration_since(Instant::now());
            let request =
                self.http.get(url.clone()).header(ACCEPT, "application/json").timeout(self.options.timeout.min(left));
            async {
                let body =
                    read_body(send(request).await?, self.options.max_list_bytes).await.map_err(|error| Failed {
                        again: if matches!(error, BodyError::Broken(_)) { Again::Yes } else { Again::Never },
                        error: error.to_string(),
                    })?;
                parse_list(&body, self.options.max_list_entries).map_err(|error| Failed { error, again: Again::Never })
            }
        })
        .await
        .map(|(list, _)| list)
    }

    /// Tells the outcome of flow `flow_id`, until a 2xx or for `retry_for`. The first attempt is always made. `jwt`: the
    /// signed result, sent as `{"jwt": ...}`; without it there is no body.
    pub async fn report(
        &self,
        base: &Url,
        token: &str,
        flow_id: &str,
        verdict: Verdict,
        retry_for: Duration,
        jwt: Option<&str>,
    ) -> Result<Delivery, ControllerError> {
        let url = callback(base, verdict.verb(), token)?;
        let until = Instant::now() + retry_for;
        self.call(base, verdict.verb(), token, until, || {
            let request = self.http.request(Method::PUT, url.clone()).header("Idempotency-Key", flow_id);
            let request = match jwt {
                Some(jwt) => request.json(&serde_json::json!({"jwt": jwt})),
                // Said explicitly: some servers refuse a PUT that does not tell its length.
                None => request.header("Content-Length", "0"),
            };
            let request = request.timeout(self.options.timeout);
            async { send(request).await.map(drop) }
        })
        .await
        .map(|((), effort)| effort)
    }

    async fn call<T, F>(
        &self,
        base: &Url,
        verb: &str,
        token: &str,
        until: Instant,
        attempt: impl FnMut() -> F,
    ) -> Result<(T, Effort), ControllerError>
    where
        F: Future<Output = Result<T, Failed<String>>>,
    {
        let place = format!("{}/{verb}/{}", address(base).trim_end_matches('/'), shorten(token));
        retry(self.options.backoff, until, &place, attempt).await.map_err(|GaveUp { error, for_good, effort }| {
            match for_good {
                true => ControllerError::Refused { place, reason: error },
                false => ControllerError::Unreachable { place, effort, last: error },
            }
        })
    }
}

async fn send(request: RequestBuilder) -> Result<Response, Failed<String>> {
    let response = request.send().await.map_err(|e| Failed { again: after_error(&e), error: outbound::reason(&e) })?;
    success_only(response).map_err(|Failed { error, again }| Failed { error: format!("answered {error}"), again })
}

/// `{base}/{verb}/{token}`, the token as one percent-encoded segment. The base's query is kept.
fn callback(base: &Url, verb: &str, token: &str) -> Result<Url, ControllerError> {
    if !matches!(base.scheme(), "http" | "https") {
        return Err(ControllerError::Address("its scheme is neither http nor https"));
    }
    // Percent-encoded or not, every URL parser takes these two for steps in the path.
    if matches!(token, "" | "." | "..") {
        return Err(ControllerError::Address("the token is empty or a dot segment"));
    }
    let mut url = base.clone();
    url.path_segments_mut()
        .map_err(|()| ControllerError::Address("it is not a base URL"))?
        .pop_if_empty()
        .extend([verb, token]);
    url.set_fragment(None);
    Ok(url)
}

/// A JSON array of strings, at most `limit` of them. The error says where, never what: entries are personal data.
fn parse_list(body: &[u8], limit: usize) -> Result<Vec<String>, String> {
    struct Entries(usize);
    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(entry) = entries.next_element()? {
                if list.len() == self.0 {
                    return Err(A::Error::custom("too many"));
                }
                list.push(entry);
            }
            Ok(list)
        }
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let list = json.deserialize_seq(Entries(limit)).and_then(|list| json.end().map(|()| list));
    list.map_err(|e| {
        format!("its answer is not a JSON array of at most {limit} strings (line {}, column {})", e.line(), e.column())
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use warp::Filter;
    use warp::http::{HeaderMap, Response as Reply};

    use super::*;
    use crate::http::serve::{Server, serve_plain};

    /// What the server was asked: method, raw path and query, idempotency key.
    type Asked = Arc<Mutex<Vec<(String, String, String)>>>;

    /// A controller that answers with the statuses in turn, the last one for ever.
    async fn controller(answers: &'static [(u16, &'static str)]) -> (Server, Asked) {
        serve_on(([127, 0, 0, 1], 0).into(), answers).await
    }

    async fn serve_on(addr: std::net::SocketAddr, answers: &'static [(u16, &'static str)]) -> (Server, Asked) {
        let asked = Asked::default();
        let seen = asked.clone();
        let query = warp::query::raw().or(warp::any().map(String::new)).unify();
        let filter = warp::method().and(warp::path::full()).and(query).and(warp::header::headers_cloned()).and_then(
            move |method: warp::http::Method, path: warp::path::FullPath, query: String, headers: HeaderMap| {
                let mut seen = seen.lock().unwrap();
                let (status, body) = *answers.get(seen.len()).unwrap_or(answers.last().unwrap());
                let key = headers.get("idempotency-key").map_or("", |k| k.to_str().unwrap()).to_owned();
                seen.push((method.to_string(), format!("{}?{query}", path.as_str()), key));
                let slow = body == "slow";
                async move {
                    if slow {
                        tokio::time::sleep(Duration::from_secs(5)).await;
                    }
                    Ok::<_, Infallible>(Reply::builder().status(status).body(body))
                }
            },
        );
        (serve_plain(filter, addr).await.unwrap(), asked)
    }

    fn client() -> ControllerClient {
        let backoff = Backoff { first: Duration::from_millis(20), longest: Duration::from_millis(80) };
        ControllerClient::new(ControllerOptions {
            timeout: Duration::from_millis(300),
            backoff,
            max_list_bytes: 1000,
            ..Default::default()
        })
        .unwrap()
    }

    fn base(server: &Server, path: &str) -> Url {
        format!("http://127.0.0.1:{}{path}", server.port()).parse().unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(3)
    }

    const SHORT: Duration = Duration::from_millis(500);

    #[test]
    fn addresses_have_the_base_path_and_the_token_as_one_segment() {
        for (base, token, url) in [
            ("http://h", "t", "http://h/list/t"),
            ("http://h/", "t", "http://h/list/t"),
            ("https://h:8/a/b", "t", "https://h:8/a/b/list/t"),
            ("https://h/a/b/", "t", "https://h/a/b/list/t"),
            ("https://h/a?k=v#f", "t", "https://h/a/list/t?k=v"),
            ("http://h", "a/b?c#d é%41\\..", "http://h/list/a%2Fb%3Fc%23d%20%C3%A9%2541%5C.."),
        ] {
            assert_eq!(callback(&base.parse().unwrap(), "list", token).unwrap().as_str(), url, "{token}");
        }
        for (base, token) in
            [("http://h", ""), ("http://h", "."), ("http://h", ".."), ("ftp://h", "t"), ("data:x", "t")]
        {
            assert!(callback(&base.parse().unwrap(), "list", token).is_err(), "{base} {token}");
        }
    }

    #[test]
    fn a_list_is_an_array_of_strings_and_errors_do_not_repeat_it() {
        assert_eq!(parse_list(br#" ["a", "b\u00e9"] "#, 2).unwrap(), ["a", "bé"]);
        assert!(parse_list(b"[]", 2).unwrap().is_empty());
        for bad in [
            r#"["secret", "b", "c"]"#,
            r#"["secret", 1]"#,
            r#""secret""#,
            r#"{"secret": 1}"#,
            r#"["secret"] x"#,
            r#"["secret""#,
            "",
        ] {
            let error = parse_list(bad.as_bytes(), 2).unwrap_err();
            assert!(!error.contains("secret") && error.contains("line"), "{error}");
        }
    }

    #[tokio::test]
    async fn an_outcome_is_a_put_with_the_flow_as_idempotency_key() {
        let (server, asked) = controller(&[(204, "")]).await;
        let token = "a/b?c#d é";
        let delivery =
            client().report(&base(&server, "/cb/"), token, "f00d", Verdict::Success, SHORT, None).await.unwrap();
        client().report(&base(&server, "/cb"), token, "f00e", Verdict::Failure, SHORT, None).await.unwrap();
        assert_eq!(delivery.attempts, 1);
        let put =
            |verb: &str, key: &str| ("PUT".to_owned(), format!("/cb/{verb}/a%2Fb%3Fc%23d%20%C3%A9?"), key.to_owned());
        assert_eq!(*asked.lock().unwrap(), [put("success", "f00d"), put("failure", "f00e")]);
    }

    #[tokio::test]
    async fn temporary_failures_are_tried_again() {
        let (server, asked) = controller(&[(503, ""), (429, ""), (408, ""), (425, ""), (500, "slow"), (200, "")]).await;
        let delivery = client()
            .report(&base(&server, ""), "token-1", "id", Verdict::Failure, Duration::from_secs(5), None)
            .await
            .unwrap();
        assert_eq!(delivery.attempts, 6);
        assert!(
            delivery.elapsed > Duration::from_millis(300),
            "the slow answer was not waited for: {:?}",
            delivery.elapsed
        );
        assert!(asked.lock().unwrap().iter().all(|(method, _, key)| method == "PUT" && key == "id"));
    }

    #[tokio::test]
    async fn other_answers_are_final() {
        for status in [400, 404, 410, 303] {
            let (server, asked) = controller(Box::leak(Box::new([(status, "")]))).await;
            let error = client()
                .report(&base(&server, ""), "token-secret", "id", Verdict::Success, SHORT, None)
                .await
                .unwrap_err();
            assert!(matches!(error, ControllerError::Refused { .. }), "{error}");
            let text = error.to_string();
            assert!(
                text.contains(&status.to_string()) && text.contains("/success/toke…") && !text.contains("secret"),
                "{text}"
            );
            assert_eq!(asked.lock().unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn a_controller_that_comes_up_late_is_reached() {
        let addr = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let late = async {
            tokio::time::sleep(Duration::from_millis(600)).await;
            serve_on(addr, &[(200, r#"["x"]"#)]).await
        };
        let url: Url = format!("http://{addr}").parse().unwrap();
        let client = client();
        let list = client.list(&url, "t-token", soon());
        let report = client.report(&url, "t-token", "id", Verdict::Success, Duration::from_secs(3), None);
        let (list, report, _server) = tokio::join!(list, report, late);
        assert_eq!(list.unwrap(), ["x"]);
        let delivery = report.unwrap();
        assert!(delivery.attempts > 2 && delivery.elapsed >= Duration::from_millis(600), "{delivery:?}");
    }

    #[tokio::test]
    async fn giving_up_says_how_much_was_tried() {
        let (server, _) = controller(&[(503, "")]).await;
        let error = client()
            .report(&base(&server, "/x"), "token-secret", "id", Verdict::Success, SHORT, None)
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("503") && text.contains("attempts") && !text.contains("secret"), "{text}");
    }

    #[tokio::test]
    async fn lists_are_read_within_the_deadline_and_limits() {
        let (server, asked) = controller(&[(503, ""), (200, r#"["data:,", "b"]"#)]).await;
        assert_eq!(client().list(&base(&server, "/p"), "t", soon()).await.unwrap(), ["data:,", "b"]);
        assert_eq!(asked.lock().unwrap()[1].0, "GET");

        let (server, _) = controller(&[(200, "<html>")]).await;
        assert!(matches!(client().list(&base(&server, ""), "t", soon()).await, Err(ControllerError::Refused { .. })));

        let long: &str = Box::leak(format!("[\"{}\"]", "x".repeat(1000)).into_boxed_str());
        let (server, _) = controller(Box::leak(Box::new([(200, long)]))).await;
        let error = client().list(&base(&server, ""), "t", soon()).await.unwrap_err();
        assert!(error.to_string().contains("larger than 1000 bytes"), "{error}");

        let (server, _) = controller(&[(200, "slow")]).await;
        let began = Instant::now();
        let error = client().list(&base(&server, ""), "t", began + Duration::from_millis(150)).await.unwrap_err();
        assert!(
            error.to_string().contains("timed out") && began.elapsed() < Duration::from_millis(290),
            "{error} {:?}",
            began.elapsed()
        );
    }
}

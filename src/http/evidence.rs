//! `GET /flows/{id}/evidence`: what was kept of a flow or session.
//!
//! Only with `API_TOKEN` set (`auth` has checked it by then), or for somebody on this machine.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use warp::http::{HeaderMap, HeaderValue, StatusCode, header};
use warp::{Filter, Rejection};

use super::reply::{Reply, error, retry_after};
use super::serve::{PeerAddress, peer_address};
use crate::app::Services;
use crate::evidence::keeper::Found;
use crate::evidence::{Keeper, Missing};

/// Headers that proxies add: behind one, everybody seems to be on this machine.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
/// A report may show its own pictures and nothing else, and run nothing.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// The filter.
pub fn filter(services: Arc<Services>) -> impl Filter<Extract = (Reply,), Error = Rejection> + Clone {
    resource(services.keeper.clone(), services.config.http.api_token.is_some())
}

fn resource(
    keeper: Option<Keeper>,
    has_token: bool,
) -> impl Filter<Extract = (Reply,), Error = Rejection> + Clone + Send + Sync + 'static {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::path!("flows" / String / "evidence")
        .and(warp::get())
        .and(query)
        .and(peer_address())
        .and(warp::header::headers_cloned())
        .then(move |id: String, query: String, peer: Option<PeerAddress>, headers: HeaderMap| {
            let keeper = keeper.clone();
            async move {
                match has_token || is_local(peer, &headers) {
                    true => answer(keeper.as_ref(), &id, file_of(&query)).await,
                    false => error(
                        StatusCode::FORBIDDEN,
                        "evidence_protected",
                        "evidence is given to callers with the API token, or to this machine alone: set API_TOKEN",
                    ),
                }
            }
        })
}

/// Whether who asks is on this machine, and no proxy stands between.
fn is_local(peer: Option<PeerAddress>, headers: &HeaderMap) -> bool {
    let direct = !FORWARDED.iter().any(|name| headers.contains_key(*name));
    direct && peer.is_some_and(|PeerAddress(address)| address.ip().to_canonical().is_loopback())
}

/// `file=NAME` of a query.
fn file_of(query: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("file="))?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

async fn answer(keeper: Option<&Keeper>, id: &str, file: Option<String>) -> Reply {
    let Some(keeper) = keeper else {
        return error(
            StatusCode::NOT_FOUND,
            "evidence_off",
            "this service keeps no evidence: EVIDENCE_STORE is not set",
        );
    };
    let Ok(id) = id.parse() else {
        return error(StatusCode::NOT_FOUND, "no_evidence", "this is no id of a flow or session");
    };
    let (found, attached) = match &file {
        Some(name) => (keeper.file(&id, name).await, false),
        None => (keeper.package(&id).await, true),
    };
    match found {
        Ok(found) => reply(found, attached),
        Err(missing) => refused(&missing),
    }
}

fn reply(found: Found, attached: bool) -> Reply {
    let Found { media_type, name, bytes } = found;
    let mut reply = Reply::new(bytes);
    let way = if attached { "attachment" } else { "inline" };
    let disposition = format!("{way}; filename=\"{name}\"");
    let unknown = || HeaderValue::from_static("application/octet-stream");
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(&media_type).unwrap_or_else(|_| unknown()));
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    reply
}

fn refused(missing: &Missing) -> Reply {
    let (status, code) = match missing {
        Missing::Waiting => (StatusCode::NOT_FOUND, "evidence_not_ready"),
        Missing::Lost => (StatusCode::NOT_FOUND, "evidence_lost"),
        Missing::Deleted => (StatusCode::NOT_FOUND, "evidence_deleted"),
        Missing::Never => (StatusCode::NOT_FOUND, "no_evidence"),
        Missing::NoFile => (StatusCode::NOT_FOUND, "no_file"),
        Missing::Unreadable(_) => (StatusCode::BAD_GATEWAY, "store_unavailable"),
    };
    // What a store says is for the log.
    let text = match missing {
        Missing::Unreadable(_) => "the store of evidence does not answer; the service's log says why".to_owned(),
        other => other.to_string(),
    };
    let reply = error(status, code, &text);
    if matches!(missing, Missing::Waiting) { retry_after(reply, 1) } else { reply }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::config::{Evidence, EvidenceStore};
    use crate::evidence::testing::{self, record};

    /// A keeper whose folder is removed at the end.
    struct Kept(Keeper, std::path::PathBuf);

    impl Kept {
        fn open(name: &str, retention: Duration) -> Self {
            let folder = std::env::temp_dir().join(format!("vision-get-evidence-{}-{name}", std::process::id()));
            let store = EvidenceStore::Folder(folder.clone());
            let evidence = Evidence { store, recipient: None, retention, video: None };
            Self(Keeper::open(&evidence, testing::terms(None).signer).unwrap(), folder)
        }
    }

    impl Drop for Kept {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.1);
        }
    }

    async fn get(keeper: Option<&Keeper>, path: &str, peer: &str, token: bool, header: &str) -> Reply {
        let mut request = warp::test::request().path(path);
        if !peer.is_empty() {
            request = request.extension(PeerAddress(SocketAddr::new(peer.parse().unwrap(), 5000)));
        }
        if !header.is_empty() {
            request = request.header(header, "203.0.113.9");
        }
        request.reply(&resource(keeper.cloned(), token)).await
    }

    fn code(reply: &Reply) -> (u16, String) {
        let body: Value = serde_json::from_slice(reply.body()).unwrap_or_default();
        (reply.status().as_u16(), body["error"].as_str().unwrap_or_default().to_owned())
    }

    #[tokio::test]
    async fn evidence_is_for_this_machine_or_those_with_the_token() {
        let kept = Kept::open("who", Duration::from_secs(3600));
        kept.0.keep(record("f1"));
        kept.0.finish(Duration::from_secs(10)).await;
        let path = "/flows/f1/evidence";
        for (peer, token, header, status) in [
            ("127.0.0.1", false, "", 200),
            ("127.8.8.8", false, "", 200),
            ("::1", false, "", 200),
            ("::ffff:127.0.0.1", false, "", 200),
            ("192.0.2.1", false, "", 403),
            ("::ffff:192.0.2.1", false, "", 403),
            ("2001:db8::1", false, "", 403),
            ("", false, "", 403),
            ("127.0.0.1", false, "x-forwarded-for", 403),
            ("127.0.0.1", false, "forwarded", 403),
            ("192.0.2.1", true, "", 200),
            ("127.0.0.1", true, "x-forwarded-for", 200),
        ] {
            let reply = get(Some(&kept.0), path, peer, token, header).await;
            assert_eq!(reply.status().as_u16(), status, "{peer} {token} {header}");
        }
        let refused = get(Some(&kept.0), path, "192.0.2.1", false, "").await;
        assert_eq!(code(&refused), (403, "evidence_protected".into()));
    }

    #[tokio::test]
    async fn a_package_comes_whole_or_file_by_file() {
        let kept = Kept::open("what", Duration::from_secs(3600));
        kept.0.keep(record("f1"));
        kept.0.finish(Duration::from_secs(10)).await;
        let get = |path: &'static str| get(Some(&kept.0), path, "127.0.0.1", false, "");

        let whole = get("/flows/f1/evidence").await;
        assert_eq!(whole.headers()[header::CONTENT_TYPE], "application/x-tar");
        assert_eq!(whole.headers()[header::CONTENT_DISPOSITION], "attachment; filename=\"evidence-f1.tar\"");
        assert_eq!(whole.headers()[header::CACHE_CONTROL], "no-store");
        let unpacked = kept.1.join("unpacked");
        tar::Archive::new(&whole.body()[..]).unpack(&unpacked).unwrap();
        crate::commands::verify_evidence::verify(&testing::verifier(), &unpacked).unwrap();

        let report = get("/flows/f1/evidence?file=report.html").await;
        assert_eq!(report.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(report.headers()[header::CONTENT_SECURITY_POLICY], POLICY);
        let picture = get("/flows/f1/evidence?file=pictures%2F01-best-shot.jpg").await;
        assert_eq!(picture.body().as_ref(), testing::jpeg());
        assert_eq!(get("/flows/f1/evidence?file=manifest.json").await.status(), 200);
        for outside in ["..%2F..%2Fetc%2Fpasswd", "none", ""] {
            let path = format!("/flows/f1/evidence?file={outside}");
            let reply = super::tests::get(Some(&kept.0), &path, "127.0.0.1", false, "").await;
            assert_eq!(code(&reply), (404, "no_file".into()), "{outside}");
        }
    }

    #[tokio::test]
    async fn why_there_is_nothing_is_said() {
        assert_eq!(code(&get(None, "/flows/f1/evidence", "::1", false, "").await), (404, "evidence_off".into()));
        let kept = Kept::open("why", Duration::ZERO);
        let get = |path: &'static str| get(Some(&kept.0), path, "127.0.0.1", false, "");
        for never in ["/flows/f1/evidence", "/flows/..%2F/evidence"] {
            assert_eq!(code(&get(never).await), (404, "no_evidence".into()));
        }
        kept.0.keep(record("f1"));
        assert_eq!(code(&get("/flows/f1/evidence").await), (404, "evidence_not_ready".into()));
        kept.0.finish(Duration::from_secs(10)).await;
        assert_eq!(code(&get("/flows/f1/evidence").await), (404, "evidence_deleted".into()), "its time is over");

        // What cannot be stored: a file stands where the folder was.
        std::fs::remove_dir_all(&kept.1).unwrap();
        std::fs::write(&kept.1, "").unwrap();
        kept.0.keep(record("f2"));
        let lost = Keeper::clone(&kept.0);
        tokio::time::pause();
        lost.finish(Duration::from_secs(600)).await;
        assert_eq!(code(&get("/flows/f2/evidence").await), (404, "evidence_lost".into()));
        std::fs::remove_file(&kept.1).unwrap();
    }
}

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

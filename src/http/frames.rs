//! `GET /ws`: sessions of the frame door. `GET /ws/schema.json`: their messages, as JSON Schema.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use url::form_urlencoded;
use warp::http::{HeaderMap, HeaderValue, StatusCode, header};
use warp::reply::Response;
use warp::{Filter, Rejection, Reply as _};

use super::reply::{Reply, error, with_type};
use super::serve::{PeerAddress, peer_address};
use crate::frame_door::FrameDoor;
use crate::frame_door::plugins::basic_auth::{self, Refused};
use crate::frame_door::socket::{max_message, serve};

/// Draft 2020-12; `#/$defs/client` and `#/$defs/server` are the messages of either side.
pub const SCHEMA: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/schemas/frame-protocol.json"));

/// Answers `GET /selfie` where `BasicAuth` wants a password: a browser that has given it for the page gives it for the page's
/// WebSocket too, which has no other way to. And where the page should send its result to a site that may not have it: the
/// page goes by its own address, which nobody else can change while it is open.
pub fn guard(door: Option<Arc<FrameDoor>>) -> impl Filter<Extract = (Reply,), Error = Rejection> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::path!("selfie").and(warp::header::headers_cloned()).and(query).and_then(
        move |headers: HeaderMap, query: String| {
            let refused = door.as_ref().and_then(|door| {
                let basic_auth = door.basic_auth().and_then(|settings| basic_auth::check(settings, &headers).err());
                let recipient = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "origin");
                let stranger = recipient.is_some_and(|(_, origin)| !door.may_have_results(&origin));
                basic_auth.map(refuse).or_else(|| stranger.then(no_recipient))
            });
            async move { refused.ok_or_else(warp::reject::not_found) }
        },
    )
}

fn no_recipient() -> Reply {
    error(StatusCode::FORBIDDEN, "wrong_recipient", "results are not sent to this site: see FRAME_DOOR_RESULT_ORIGINS")
}

/// The filter; nothing is there while the door is closed.
pub fn filter(door: Option<Arc<FrameDoor>>) -> impl Filter<Extract = (impl warp::Reply,), Error = Rejection> + Clone {
    let open = warp::any().and_then(move || {
        let door = door.clone().ok_or_else(warp::reject::not_found);
        async move { door }
    });
    let schema = warp::path!("ws" / "schema.json")
        .and(warp::get())
        .and(open.clone())
        .map(|_| with_type(StatusCode::OK, "application/schema+json", SCHEMA));
    let session = warp::path!("ws")
        .and(open)
        .and(peer_address())
        .and(warp::header::headers_cloned())
        .and(warp::ws())
        .map(session);
    schema.or(session)
}

fn session(door: Arc<FrameDoor>, peer: Option<PeerAddress>, headers: HeaderMap, ws: warp::ws::Ws) -> Response {
    if let Some(refused) = door.basic_auth().and_then(|settings| basic_auth::check(settings, &headers).err()) {
        return refuse(refused).into_response();
    }
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    // a frame that is somewhat too large is told so, one that is far too large ends the connection
    let limit = max_message(door.limits().max_bytes).saturating_mul(2);
    let serve = move |socket| serve(door, address, socket);
    ws.max_message_size(limit).max_frame_size(limit).on_upgrade(serve).into_response()
}

fn refuse(refused: Refused) -> Reply {
    match refused {
        Refused::Credentials => {
            let mut reply = error(StatusCode::UNAUTHORIZED, "unauthorized", "send the user name and password (Basic)");
            let realm = HeaderValue::from_static("Basic realm=\"frame door\", charset=\"UTF-8\"");
            reply.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
            reply
        }
        Refused::Origin => {
            error(StatusCode::FORBIDDEN, "wrong_origin", "pages of this site may not begin sessions here")
        }
    }
}

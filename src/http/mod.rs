//! What the service answers over HTTP. One file per resource; each builds its own warp filter.
//!
//! | path | file | what |
//! |---|---|---|
//! | `POST /join-call` | [`join_call`], `flows` | starts a flow |
//! | `GET /flows/{id}` | `flows` | tells about one |
//! | `GET /health` | `health` | tells about the service |
//! | `POST /face_match` | [`face_match`] | compares two pictures |
//! | `GET /call/{room}` | `pages` | the built-in room's page; its WebSocket is [`crate::room::direct`] |
//! | `/demo` | [`demo`] | try it out with a webcam |
//!
//! `auth` stands before all of them; `reply` holds the shape of answers and errors; `tls` serves filters, with and
//! without TLS.

mod auth;
pub mod body;
pub mod demo;
pub mod face_match;
mod flows;
mod health;
pub mod join_call;
mod pages;
pub mod reply;
pub mod tls;

use std::convert::Infallible;
use std::sync::Arc;

use warp::http::{HeaderMap, StatusCode};
use warp::path::FullPath;
use warp::{Filter, Rejection};

use self::reply::{Reply, error};
use crate::app::Services;

/// Everything that a listener serves.
pub fn routes(services: Arc<Services>) -> impl Filter<Extract = (impl warp::Reply,), Error = Infallible> + Clone {
    let token = services.config.http.api_token.clone();
    let authorised = warp::path::full().and(warp::header::headers_cloned()).and_then(move |path: FullPath, headers: HeaderMap| {
        let refused = auth::check(path.as_str(), &headers, token.as_ref()).err();
        async move { refused.map_or(Ok(()), |reply| Err(warp::reject::custom(Refused(reply)))) }
    });
    let resources = flows::filter(services.clone())
        .or(health::filter(services.clone()))
        .unify()
        .or(face_match::filter(services.face_matcher.clone()))
        .unify()
        .or(pages::filter())
        .unify()
        .or(crate::room::direct::filter(services.rooms.clone()))
        .or(demo_pages(services));
    authorised.untuple_one().and(resources).recover(answer_rejection)
}

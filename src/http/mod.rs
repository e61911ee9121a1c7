//! What the service answers over HTTP. One file per resource; each builds its own warp filter.
//!
//! | path | file | what |
//! |---|---|---|
//! | `POST /join-call`, `GET /flows/{id}` | [`join_call`], `flows` | starts a flow, tells about one |
//! | `GET /health` | `health` | tells about the service |
//! | `POST /face_match` | [`face_match`] | compares two pictures, in the original matcher's format |
//! | `GET /call/{room}`, `GET /selfie`, `GET /demo` | [`pages`] | the built-in pages; the room's WebSocket is [`crate::room::direct`] |
//! | `GET /flows/{id}/evidence` | `evidence` | what was kept of one |
//! | `GET /flows/{id}/stats` and others | [`debug`] | for whoever looks for a fault; switched off by default |
//! | `GET /ws`, `GET /ws/schema.json` | `frames` | sessions of the [frame door](crate::frame_door) |
//! | `POST /demo/start` | [`demo`] | verify yourself against a picture that you upload |
//!
//! [`serve`] is a listener, plain or TLS; [`tls`] the certificate; `auth` stands before all resources; [`reply`] and
//! [`body`] hold what they share.

mod auth;
pub mod body;
pub mod debug;
pub mod demo;
mod evidence;
pub mod face_match;
pub(crate) mod flows;
mod frames;
mod health;
pub mod join_call;
pub mod pages;
pub mod reply;
pub mod serve;
pub mod tls;

use std::convert::Infallible;
use std::sync::Arc;

use warp::http::{HeaderMap, StatusCode};
use warp::path::FullPath;
use warp::{Filter, Rejection, Reply as _};

use self::demo::Demo;
use self::face_match::FaceMatch;
use self::reply::{Reply, error};
use crate::app::Services;

/// What a listener serves.
#[derive(Clone)]
pub struct Site {
    /// What the handlers use.
    pub services: Arc<Services>,
    /// For `POST /face_match`.
    pub face_match: Arc<FaceMatch>,
    /// For `/demo`; none where it is switched off.
    pub demo: Option<Arc<Demo>>,
    /// Where the same is served over HTTPS, for pages that need the camera.
    pub https_port: Option<u16>,
}

/// A request without the API token.
#[derive(Debug)]
struct Unauthorised(Box<Reply>);

impl warp::reject::Reject for Unauthorised {}

/// All resources, behind the API token.
pub fn routes(
    site: Site,
) -> impl Filter<Extract = (impl warp::Reply,), Error = Infallible> + Clone + Send + Sync + 'static {
    let Site { services, face_match, demo, https_port } = site;
    let resources = flows::filter(services.clone())
        .or(health::filter(services.clone()))
        .unify()
        .or(evidence::filter(services.clone()))
        .unify()
        .or(debug::filter(services.clone()))
        .unify()
        .or(face_match::filter(face_match))
        .unify()
        .or(demo::filter(demo.clone()))
        .unify()
        .or(frames::guard(services.frame_door.clone()))
        .unify()
        .or(pages::filter(https_port, demo.is_some(), services.frame_door.is_some()))
        .unify()
        .or(crate::room::direct::filter(services.rooms.direct.clone()))
        .or(frames::filter(services.frame_door.clone()));
    authorised(services).and(resources).recover(explain)
}

fn authorised(services: Arc<Services>) -> impl Filter<Extract = (), Error = Rejection> + Clone {
    let check = move |path: FullPath, headers: HeaderMap| {
        let refused = auth::check(path.as_str(), &headers, services.config.http.api_token.as_ref());
        async move { refused.map_err(|reply| warp::reject::custom(Unauthorised(reply))) }
    };
    warp::path::full().and(warp::header::headers_cloned()).and_then(check).untuple_one()
}

/// What was not answered by any resource.
async fn explain(rejection: Rejection) -> Result<warp::reply::Response, Infallible> {
    if let Some(Unauthorised(reply)) = rejection.find() {
        return Ok((**reply).clone().into_response());
    }
    let (status, code, message) = if rejection.is_not_found() {
        (StatusCode::NOT_FOUND, "not_found", "there is no such resource")
    } else if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this resource does not take that method")
    } else {
        (StatusCode::BAD_REQUEST, "bad_request", "the request cannot be understood")
    };
    Ok(error(status, code, message).into_response())
}

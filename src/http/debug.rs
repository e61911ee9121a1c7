//! The debug endpoints, served only with `ENABLE_DEBUG_ENDPOINTS`:
//!
//! | path | what |
//! |---|---|
//! | `GET /flows/{id}/stats` | frames, pipelines and WebRTC statistics of a running flow |
//! | `GET /flows/{id}/pipeline.dot`, `.svg` | the graph of its pipelines |
//! | `GET /ms_images`, `GET /mediasoup_images/{name}` | the original's gallery of what goes in and out |
//! | `POST /set_mediasoup_setting` | the original's switches, by its names |
//!
//! They show pictures of subjects; the service says so when it starts.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::json;
use warp::http::{HeaderValue, StatusCode, header};
use warp::{Filter, Rejection};

use super::body::{self, Body};
use super::reply::{Reply, error, json as json_reply, with_type};
use crate::app::Services;
use crate::debug::graphs::{self, DrawError};
use crate::debug::probe::FlowProbe;
use crate::debug::settings::SettingError;
use crate::debug::{Debug, gallery::Gallery};

/// Largest request.
const MAX_BODY: usize = 16 * 1024;

/// The filter; nothing where the endpoints are switched off.
pub fn filter(
    services: Arc<Services>,
) -> impl Filter<Extract = (Reply,), Error = Rejection> + Clone + Send + Sync + 'static {
    let debug = services.debug.clone();
    let switched_on = warp::any()
        .and_then(move || {
            let debug = debug.clone().ok_or_else(warp::reject::not_found);
            async move { debug }
        })
        .boxed();
    let flow = warp::path!("flows" / String / String)
        .and(warp::get())
        .and(switched_on.clone())
        .and_then(move |id: String, what: String, _: Arc<Debug>| flow(services.clone(), id, what));
    let gallery = warp::path!("ms_images")
        .and(warp::get())
        .and(switched_on.clone())
        .map(|debug: Arc<Debug>| private(page(debug.gallery())));
    let image = warp::path!("mediasoup_images" / String)
        .and(warp::get())
        .and(switched_on.clone())
        .map(|name: String, debug: Arc<Debug>| private(picture(debug.gallery(), &name)));
    let settings = warp::path!("set_mediasoup_setting")
        .and(warp::post())
        .and(switched_on)
        .and(body::limited(MAX_BODY))
        .map(|debug: Arc<Debug>, body: Body| change(&debug, body).unwrap_or_else(|reply| *reply));
    flow.or(gallery).unify().or(image).unify().or(settings).unify()
}

async fn flow(services: Arc<Services>, id: String, what: String) -> Result<Reply, Rejection> {
    if !["stats", "pipeline.dot", "pipeline.svg"].contains(&what.as_str()) {
        return Err(warp::reject::not_found());
    }
    let Some(status) = id.parse().ok().and_then(|id| services.flows.status(id)) else {
        let message = "there is no flow with this id, or it ended long ago";
        return Ok(error(StatusCode::NOT_FOUND, "unknown_flow", message));
    };
    let Some(probe) = services.flows.probe(status.flow_id) else {
        return Ok(error(
            StatusCode::CONFLICT,
            "not_running",
            "the flow has left its call: nothing of it runs any more",
        ));
    };
    Ok(private(match what.as_str() {
        "stats" => {
            let mut stats = probe.stats().await;
            stats["flow_id"] = json!(status.flow_id);
            stats["state"] = status.state.into();
            stats["first_text_after_ms"] = json!(status.first_text_after_ms);
            json_reply(StatusCode::OK, &stats)
        }
        drawing => graph(&probe, drawing.ends_with("svg")).await,
    }))
}

async fn graph(probe: &FlowProbe, drawn: bool) -> Reply {
    let Some(graph) = probe.graph().await else {
        return error(
            StatusCode::CONFLICT,
            "no_pipeline",
            "nobody is connected with this flow now: it has no pipeline",
        );
    };
    if !drawn {
        return with_type(StatusCode::OK, "text/vnd.graphviz; charset=utf-8", graph);
    }
    match graphs::draw("dot", &graph).await {
        Ok(svg) => with_type(StatusCode::OK, "image/svg+xml", svg),
        Err(why @ DrawError::NotInstalled) => error(StatusCode::NOT_IMPLEMENTED, "no_graphviz", &why.to_string()),
        Err(why) => error(StatusCode::SERVICE_UNAVAILABLE, "not_drawn", &why.to_string()),
    }
}

/// The original's page: what was saved, here the newest first.
fn page(gallery: &Gallery) -> Reply {
    let mut html = String::from(
        "<!doctype html><html><head><meta charset=\"utf-8\"><title>Image Gallery</title></head><body><h1>Images</h1><ul>",
    );
    // names are our own: letters, digits, dots and underscores
    for name in gallery.names() {
        let _ = write!(html, "<li><img src=\"/mediasoup_images/{name}\" width=\"500\"><br>{name}</li>");
    }
    html += "</ul></body></html>\n";
    with_type(StatusCode::OK, "text/html; charset=utf-8", html)
}

fn picture(gallery: &Gallery, name: &str) -> Reply {
    match gallery.get(name) {
        Some(jpeg) => with_type(StatusCode::OK, "image/jpeg", jpeg),
        None => error(StatusCode::NOT_FOUND, "unknown_image", "there is no saved picture of this name (any more)"),
    }
}

fn change(debug: &Debug, body: Body) -> Result<Reply, Box<Reply>> {
    let refuse = |status, code: &str, message: String| Box::new(error(status, code, &message));
    let body = serde_json::from_slice(&body?)
        .map_err(|why| refuse(StatusCode::BAD_REQUEST, "invalid_json", format!("the body is not JSON: {why}")))?;
    let settings = debug.change(&body).map_err(|why| match &why {
        SettingError::Unknown(_) => refuse(StatusCode::BAD_REQUEST, "unknown_setting", why.to_string()),
        _ => refuse(StatusCode::UNPROCESSABLE_ENTITY, "invalid_setting", why.to_string()),
    })?;
    tracing::warn!(settings = %settings.to_json(), "the debug settings were changed");
    let answer = json!({"message": "Settings updated successfully.", "settings": settings.to_json()});
    Ok(json_reply(StatusCode::OK, &answer))
}

/// Kept by nobody on the way, and running nothing.
fn private(mut reply: Reply) -> Reply {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // style: Graphviz writes attributes of its own
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'"),
    ] {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}

//! `GET /health`: can this instance verify people, and how busy is it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use vision_core::liveness::passive::Network;
use vision_core::liveness::{CHECKS, Check, Mode};
use vision_models::runtime::RuntimeInfo;
use warp::http::StatusCode;
use warp::{Filter, Rejection};

use super::reply::{Reply, json};
use crate::app::Services;
use crate::media::hardware::CodecElements;

#[derive(Serialize)]
struct Health<'a> {
    /// `ok`, or `stopping` with 503.
    status: &'static str,
    version: &'static str,
    /// What the networks run on: provider, GPU, library and its version, TensorRT's cache, greatest batch.
    runtime: &'a RuntimeInfo,
    /// What decodes and encodes.
    codecs: Vec<CodecElements>,
    models: Vec<Model>,
    matcher: &'static str,
    /// What every liveness check's finding leads to.
    liveness: BTreeMap<Check, Mode>,
    /// Whether passive liveness has its network: `present` or `absent`.
    antispoof_network: Network,
    /// The same of the glasses.
    glasses_network: Network,
    running_flows: usize,
    max_flows: usize,
    /// The frame door: `open` or `closed`.
    frame_door: &'static str,
    running_sessions: usize,
    max_sessions: usize,
}

#[derive(Serialize)]
struct Model {
    id: &'static str,
    licence: &'static str,
}

/// The filter.
pub fn filter(services: Arc<Services>) -> impl Filter<Extract = (Reply,), Error = Rejection> + Clone {
    warp::path!("health").and(warp::get()).map(move || answer(&services))
}

fn answer(services: &Services) -> Reply {
    let (running_flows, max_flows) = services.flows.load();
    let (running_sessions, max_sessions) = services.frame_door.as_ref().map(|door| door.load()).unwrap_or_default();
    let stopping = services.flows.is_stopping();
    let info = services.engine.info();
    let health = Health {
        status: if stopping { "stopping" } else { "ok" },
        version: env!("CARGO_PKG_VERSION"),
        runtime: &info.runtime,
        codecs: CodecElements::in_use(),
        models: info.models.iter().filter(|m| m.in_use).map(|m| Model { id: m.id, licence: m.licence }).collect(),
        matcher: if services.config.matching.remote_url.is_some() { "remote" } else { "embedded" },
        liveness: CHECKS.into_iter().map(|check| (check, services.config.liveness.modes.of(check))).collect(),
        antispoof_network: Network::is(info.antispoof),
        glasses_network: Network::is(info.glasses),
        running_flows,
        max_flows,
        frame_door: if services.frame_door.is_some() { "open" } else { "closed" },
        running_sessions,
        max_sessions,
    };
    json(if stopping { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }, &health)
}

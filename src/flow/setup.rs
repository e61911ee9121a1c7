//! What a flow begins with: the machine's settings out of the service's and the request's, and where frames go.

use std::sync::{Arc, Mutex};

use vision_core::liveness::{Check, colour};
use vision_models::engine::FaceStream;

use super::attention::{Attention, Need};
use super::colours;
use super::state::{ColourChallenge, Settings};
use super::watch::frame_log::FrameLog;
use crate::config::Config;
use crate::debug::probe::Counters;
use crate::debug::settings::DebugSettings;
use crate::http::join_call::JoinCall;
use crate::lock::lock;
use crate::media::frame::{Frame, FrameSink};

/// Where the subject's frames go: the newest to the screen, and as many as are needed to the networks.
pub fn frame_sink(
    screen: FrameSink,
    faces: Arc<FaceStream>,
    attention: Arc<Mutex<Attention>>,
    log: Option<Arc<FrameLog>>,
    counters: Arc<Counters>,
) -> FrameSink {
    let faces = Arc::downgrade(&faces);
    Arc::new(move |frame: Frame| {
        let (watched, due) = {
            let mut attention = lock(&attention);
            (attention.need() != Need::Nothing, attention.take(frame.timestamp))
        };
        counters.frame(due);
        if let Some(log) = log.as_ref().filter(|_| watched) {
            log.note(&frame.picture.view(), frame.timestamp, frame.sequence);
        }
        if due && let Some(faces) = faces.upgrade() {
            faces.submit(frame.picture.clone(), frame.timestamp, frame.sequence);
        }
        screen(frame);
    })
}

/// The machine's settings; `switches` are those of the debug endpoints.
pub fn settings(config: &Config, call: &JoinCall, switches: Option<DebugSettings>) -> Settings {
    let flow = &config.flow;
    let reduced_flash = config.liveness.reduced_flash || call.reduced_flash;
    let wanted = colour::wanted(config.liveness.modes.of(Check::ColourChallenge), reduced_flash);
    Settings {
        time_limit: flow.time_limit,
        starting: flow.starting,
        result_shown: flow.result_shown,
        rejoin_limit: flow.rejoin_limit,
        media_stall_limit: flow.media_stall_limit,
        face_lost_after: flow.face_lost_after,
        modes: config.liveness.modes,
        several_faces_limit: config.liveness.several_faces_limit,
        colours: wanted.then_some(ColourChallenge { limit: colours::LIMIT, required: config.liveness.colour_required }),
        position: config.position,
        mirror_input: switches.map_or(config.challenge.mirror_input, |switches| switches.flip_input_image),
    }
}

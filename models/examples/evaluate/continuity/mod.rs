//! Continuity: one person, one camera, now. What `core/src/liveness/continuity` is worth on clips, and on clips that were
//! tampered with, all as a call gives them: through VP8.

mod cost;
mod identity;
mod paper;
mod stream;
mod turn;
mod video;

use std::time::Duration;

use vision_core::face::FrameAnalysis;

use super::{AnyError, Context};
use crate::footage::{CLIPS, Footage};

/// A clip as it arrives in a good call.
struct Call {
    name: &'static str,
    original: Footage,
    received: Footage,
    analyses: Vec<FrameAnalysis>,
}

/// Prints all tables.
pub fn run(context: &mut Context) -> Result<(), AnyError> {
    let mut calls = Vec::new();
    for name in CLIPS {
        let original = context.studio.clip(name)?;
        let received = video::through_call(&original, video::GOOD)?;
        let analyses = context.studio.analyse(&received)?;
        calls.push(Call { name, original, received, analyses });
    }
    cost::run(&calls)?;
    identity::run(context, &calls)?;
    turn::run(context, &calls)?;
    stream::run(context, &calls)
}

/// Of this thread.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Of sorted values.
fn percentile(values: &[f32], percent: f32) -> f32 {
    let last = values.len().saturating_sub(1) as f32;
    values.get((last * percent / 100.0).round() as usize).copied().unwrap_or(f32::NAN)
}

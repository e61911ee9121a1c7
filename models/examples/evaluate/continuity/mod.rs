//! Continuity: one person, one camera, now. What `core/src/liveness/continuity` is worth on clips, and on clips that were
//! tampered with, all as a call gives them: through VP8.

mod identity;
mod stream;
mod video;

use super::{AnyError, Context};

/// Prints all tables.
pub fn run(context: &mut Context) -> Result<(), AnyError> {
    stream::run(context)?;
    identity::run(context)
}

/// Of sorted values.
fn percentile(values: &[f32], percent: f32) -> f32 {
    let last = values.len().saturating_sub(1) as f32;
    values.get((last * percent / 100.0).round() as usize).copied().unwrap_or(f32::NAN)
}

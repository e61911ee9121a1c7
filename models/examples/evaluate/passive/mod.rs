//! Passive liveness on real clips and on simulated attacks.
//!
//! Curves are fitted on all people but one and judge that one, each in turn; nothing that is printed about a person was
//! fitted on them. Every clip and every attack goes through a call's compression first.

mod calibration;
mod plot;
mod samples;
mod stills;
mod tables;

use crate::{AnyError, Context};

/// Prints the tables, writes the plot.
pub fn run(context: &mut Context) -> Result<(), AnyError> {
    let samples = samples::gather(&mut context.studio)?;
    tables::alone(&samples);
    tables::curves(&samples);
    tables::verdicts(&samples);
    tables::left_out(&samples);
    samples::cost(&mut context.studio)?;
    stills::table(&mut context.studio)?;
    if let Some(folder) = &context.plots {
        std::fs::write(folder.join("liveness-passive.svg"), plot::scores(&samples)?)?;
    }
    Ok(())
}

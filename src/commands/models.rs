//! `vision-service models`: which networks there are, and what becomes of them.

use std::io::Write;

use vision_models::manifest::{ManifestError, ModelFolder, State};

use crate::config::Config;

/// Why the models cannot be listed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ModelsError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

/// Prints the list.
pub fn run(config: &Config, json: bool, out: &mut impl Write) -> Result<(), ModelsError> {
    let folder = ModelFolder::find(config.analysis.models_folder.as_deref())?;
    let models = folder.list();
    if json {
        serde_json::to_writer_pretty(&mut *out, &models).map_err(std::io::Error::from)?;
        return Ok(writeln!(out)?);
    }
    writeln!(out, "models in {}\n", folder.path().display())?;
    for m in &models {
        let mark = if m.in_use { "in use" } else { "" };
        writeln!(out, "{:<24} {:<8} {:<12} {}", m.id, mark, m.licence, state(&m.state))?;
        if let Some(origin) = &m.origin {
            writeln!(out, "{:24} from {origin}", "")?;
        }
    }
    Ok(())
}

fn state(state: &State) -> String {
    match state {
        State::Present => "present".into(),
        State::Missing => "missing".into(),
        State::Bad(reason) => format!("unusable: {reason}"),
    }
}

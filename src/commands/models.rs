//! `vision-service models`: which networks there are, what becomes of them, and what they run on.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use vision_models::manifest::{Listing, ManifestError, ModelFolder, State};
use vision_models::runtime::{Runtime, RuntimeInfo};

use crate::config::Config;
use crate::media::hardware::{self, CodecElements};

/// Why the models cannot be listed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ModelsError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("GStreamer cannot be used: {0}")]
    GStreamer(#[from] gst::glib::Error),
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

#[derive(Serialize)]
struct Report<'a> {
    folder: &'a Path,
    /// What the networks run on, tried out.
    runtime: Option<&'a RuntimeInfo>,
    /// Why they do not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime_error: Option<String>,
    codecs: Vec<CodecElements>,
    models: Vec<Listing>,
}

/// Prints the list.
pub fn run(config: &Config, json: bool, out: &mut impl Write) -> Result<(), ModelsError> {
    gst::init()?;
    let elements = hardware::choose(config.media.hardware);
    let folder = ModelFolder::find(config.analysis.models_folder.as_deref())?;
    let runtime = Runtime::open(&folder, &config.analysis.runtime);
    let report = Report {
        folder: folder.path(),
        runtime: runtime.as_ref().ok().map(Runtime::info),
        runtime_error: runtime.as_ref().err().map(ToString::to_string),
        codecs: CodecElements::in_use(),
        models: folder.list(),
    };
    if json {
        serde_json::to_writer_pretty(&mut *out, &report).map_err(std::io::Error::from)?;
        return Ok(writeln!(out)?);
    }
    match &runtime {
        Ok(runtime) => print_runtime(runtime.info(), out)?,
        Err(reason) => writeln!(out, "the networks cannot run: {reason}")?,
    }
    writeln!(out, "decoders and encoders: {elements}")?;
    writeln!(out, "models in {}\n", report.folder.display())?;
    for m in &report.models {
        let mark = if m.in_use { "in use" } else { "" };
        writeln!(out, "{:<24} {:<8} {:<12} {}", m.id, mark, m.licence, state(&m.state))?;
        if let Some(origin) = &m.origin {
            writeln!(out, "{:24} from {origin}", "")?;
        }
    }
    Ok(())
}

fn print_runtime(info: &RuntimeInfo, out: &mut impl Write) -> std::io::Result<()> {
    let device = info.device_id.map(|id| format!(", GPU {id}")).unwrap_or_default();
    writeln!(out, "provider {}{device}, batches of {} at most", info.provider, info.max_batch)?;
    writeln!(out, "ONNX Runtime {} from {}", info.version, info.library.display())?;
    match &info.engine_cache {
        Some(folder) => writeln!(out, "TensorRT keeps its engines in {}", folder.display()),
        None => Ok(()),
    }
}

fn state(state: &State) -> String {
    match state {
        State::Present => "present".into(),
        State::Missing => "missing".into(),
        State::Bad(reason) => format!("unusable: {reason}"),
    }
}

//! `vision-service match A B`: compare the faces of two pictures.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;
use vision_models::embedding::Embedding;
use vision_models::engine::{Engine, EngineError};
use vision_models::picture_file::{PictureError, PictureLimits, decode_picture};

use crate::app::engine_options;
use crate::config::Config;

/// Why two pictures cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A file that cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, std::io::Error),
    /// A file that is no picture.
    #[error("{0}: {1}")]
    Picture(PathBuf, PictureError),
    /// A picture with no face, or with several.
    #[error("{path} shows {count} faces; each picture has to show exactly one")]
    Faces {
        /// Which.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// No embedding network.
    #[error("there is no embedding network; run `make models`")]
    NoEmbedding,
    /// Inference failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The result cannot be written.
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

#[derive(Serialize)]
struct Comparison {
    distance: f32,
    threshold: f32,
    #[serde(rename = "match")]
    matches: bool,
    model: &'static str,
}

/// Exit code 0 when the faces match, 1 when they do not.
pub fn run(config: &Config, a: &Path, b: &Path, json: bool, out: &mut impl Write) -> Result<ExitCode, CompareError> {
    let engine = Engine::open(&engine_options(config))?;
    let info = engine.info().embeddings.first().ok_or(CompareError::NoEmbedding)?;
    let limits = PictureLimits {
        max_bytes: config.references.max_bytes as usize,
        max_pixels: config.references.max_pixels as usize,
    };
    let (first, second) = (embed(&engine, a, &limits)?, embed(&engine, b, &limits)?);
    let distance = info.metric.distance(first.values(), second.values());
    let result = Comparison { distance, threshold: info.threshold, matches: distance < info.threshold, model: info.id };
    if json {
        serde_json::to_writer(&mut *out, &result).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        let verdict = if result.matches { "the same person" } else { "different people" };
        let Comparison { distance, threshold, model, .. } = result;
        writeln!(out, "{verdict}: distance {distance:.3}, threshold {threshold:.3} ({model})")?;
    }
    Ok(if result.matches { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn embed(engine: &Engine, path: &Path, limits: &PictureLimits) -> Result<Embedding, CompareError> {
    let bytes = std::fs::read(path).map_err(|e| CompareError::Read(path.into(), e))?;
    let picture = decode_picture(&bytes, limits).map_err(|e| CompareError::Picture(path.into(), e))?;
    let picture = Arc::new(picture);
    let faces = engine.analyze_picture(picture.clone())?;
    match &faces[..] {
        [face] => Ok(engine.embed(picture, face, None)?),
        other => Err(CompareError::Faces { path: path.into(), count: other.len() }),
    }
}

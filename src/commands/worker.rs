//! `vision-service worker`: makes videos of sessions.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use crate::app::stop_signal;
use crate::frame_door::settings::SettingsError;
use crate::session_video::settings::{Loaded, Settings};
use crate::session_video::worker::{Worker, WorkerError};
use crate::telemetry;

/// What to do.
pub struct Arguments {
    /// File with the settings.
    pub config: PathBuf,
    /// End when no job is due.
    pub once: bool,
    /// Jobs at a time.
    pub concurrency: usize,
}

/// Why the worker does not start, or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// A file that cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, std::io::Error),
    /// A file that cannot be used.
    #[error("{0}: {1}")]
    Settings(PathBuf, SettingsError),
    /// The worker's own.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

/// Runs until SIGTERM or Ctrl-C; the jobs that are under way then are finished.
///
/// # Errors
/// [`CommandError`].
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let Arguments { config, once, concurrency } = arguments;
    let text = std::fs::read_to_string(&config).map_err(|error| CommandError::Read(config.clone(), error))?;
    let Loaded { settings, warnings } = Settings::read(&text).map_err(|error| CommandError::Settings(config, error))?;
    telemetry::init_at(settings.log_level);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        stop_signal().await;
        tracing::info!("stopping when the jobs under way are done");
        stopped.cancel();
    });
    let (queue, codec, folder) = (settings.queue.clone(), settings.codec.name(), settings.folder.clone());
    tracing::info!(queue, redis = %settings.redis, codec, folder = %folder.display(), "the worker takes jobs");
    let totals = Worker::open(settings)?.run(concurrency, once, &stop).await?;
    tracing::info!(built = totals.built, failed = totals.failed, "the worker has ended");
    Ok(())
}

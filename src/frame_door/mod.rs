//! The frame door: sessions in which a client sends pictures over a WebSocket and each is answered, as LUNA PASS does it.
//!
//! | module | what |
//! |---|---|
//! | [`settings`] | what its configuration files say |
//! | [`protocol`] | the messages of a session |
//! | [`socket`] | a client's WebSocket: reading, limits, heartbeat, the newest frame |
//! | [`sessions`] | who is there: limits, and coming back after a broken connection |
//! | [`session`] | one session: frames in, answers and a result out |
//! | [`judge`] | one frame: picture in, errors and scores out |
//! | [`plugins`] | what else takes part in a session |
//!
//! The result is a [`crate::token`]. `docs/frame-protocol.md` is for those who write clients.

pub mod judge;
pub mod plugins;
pub mod protocol;
pub mod session;
pub mod sessions;
pub mod settings;
pub mod socket;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use url::{Origin, Url};
use vision_models::engine::Engine;
use vision_models::picture_file::PictureLimits;

use self::plugins::{Failure, Opened, basic_auth};
use self::protocol::Limits;
use self::sessions::Sessions;
use self::settings::{Environment, LogLevel, Settings, SettingsError};
use crate::config;
use crate::evidence::Keeper;
use crate::signing::Signing;
use crate::token::{KeyError, Signer};

/// The door, when it is open.
pub struct FrameDoor {
    shared: plugins::Shared,
    plugins: Vec<Box<dyn Opened>>,
    signing: Signing,
    environment: Environment,
    basic_auth: Option<basic_auth::Settings>,
    max_attempts: Option<u32>,
    max_liveness_attempts: Option<u32>,
    listener: Option<(String, u16)>,
    result_origins: Vec<Origin>,
    limits: Limits,
    heartbeat: Duration,
    session_limit: Duration,
    sessions: Sessions,
    /// Frames that are looked at at once: as many as there are processors, in the order in which they ask.
    looks: Arc<Semaphore>,
    stop: CancellationToken,
}

/// Why the door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be read.
    #[error("cannot read the frame door's settings {0}: {1}")]
    Read(PathBuf, std::io::Error),
    /// The file cannot be used.
    #[error("{0}: {1}")]
    Settings(PathBuf, SettingsError),
    /// The key cannot be used.
    #[error("LUNA_PASS.JWT: {0}")]
    Key(#[from] KeyError),
    /// A plug-in cannot be used.
    #[error(transparent)]
    Plugin(#[from] Failure),
}

/// The settings of the file that the configuration names, or those of an empty one. Warnings are logged.
///
/// # Errors
/// [`OpenError::Read`] and [`OpenError::Settings`].
pub fn read_settings(config: &config::FrameDoor) -> Result<Settings, OpenError> {
    let Some(path) = &config.settings else { return Ok(Settings::default()) };
    let text = std::fs::read_to_string(path).map_err(|error| OpenError::Read(path.clone(), error))?;
    let loaded = Settings::read(&text).map_err(|error| OpenError::Settings(path.clone(), error))?;
    for warning in &loaded.warnings {
        tracing::warn!(file = %path.display(), "{warning}");
    }
    Ok(loaded.settings)
}

/// `logLevel` of the file, for logs that begin before anything else; a file that cannot be used is told of later.
pub fn log_level(config: &config::FrameDoor) -> Option<LogLevel> {
    let text = std::fs::read_to_string(config.settings.as_ref()?).ok()?;
    Settings::read(&text).ok().map(|loaded| loaded.settings.log_level)
}

/// Whether there is a door: with a key of one's own, or in development.
pub fn is_open(settings: &Settings) -> bool {
    !settings.jwt.is_known_to_all() || settings.environment == Environment::Development
}

impl FrameDoor {
    /// Opens the door; none where it stays closed. Sessions end when `stop` is cancelled.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        settings: Settings,
        config: &config::FrameDoor,
        engine: Arc<Engine>,
        keeper: Option<Keeper>,
        stop: CancellationToken,
    ) -> Result<Option<Arc<Self>>, OpenError> {
        if !is_open(&settings) {
            if config.settings.is_some() {
                tracing::warn!(
                    "the frame door stays closed: LUNA_PASS.JWT.key is the one of the manual, which everybody knows"
                );
            }
            return Ok(None);
        }
        let signer = Signer::new(&settings.jwt)?;
        let shared = plugins::Shared { thresholds: settings.thresholds, engine, keeper };
        let opened = settings.plugins.iter().filter_map(|plugin| plugin.open(&shared).transpose());
        let plugins = opened.collect::<Result<_, _>>()?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        tracing::info!(environment = ?settings.environment, algorithm = settings.jwt.algorithm.as_str(), "the frame door is open");
        Ok(Some(Arc::new(Self {
            shared,
            plugins,
            signing: Signing::new(signer, config.audience.clone(), config.token_lifetime),
            environment: settings.environment,
            basic_auth: settings.basic_auth,
            max_attempts: settings.max_attempts,
            max_liveness_attempts: settings.max_liveness_attempts,
            listener: settings.listener,
            result_origins: config.result_origins.clone(),
            limits: Limits { max_bytes: config.max_bytes, max_pixels: config.max_pixels, max_rate: config.max_rate },
            heartbeat: config.heartbeat,
            session_limit: config.session_limit,
            sessions: Sessions::new(config.max_sessions, config.max_sessions_per_address, config.resume_limit),
            looks: Arc::new(Semaphore::new(cores)),
            stop,
        })))
    }

    /// `host` and `port` of the settings: where to listen besides.
    pub fn listener(&self) -> Option<&(String, u16)> {
        self.listener.as_ref()
    }

    /// Who may begin a session; none: everybody.
    pub fn basic_auth(&self) -> Option<&basic_auth::Settings> {
        self.basic_auth.as_ref()
    }

    /// Whether the built-in page may send results to this site, whatever the subject says.
    pub fn may_have_results(&self, origin: &str) -> bool {
        let origin = Url::parse(origin).map(|url| url.origin());
        self.result_origins.is_empty() || origin.is_ok_and(|origin| self.result_origins.contains(&origin))
    }

    /// Waits until all sessions have ended, which [`Self::open`]'s token asks them for, and what is left of them is where it
    /// goes; at most for `grace` each.
    pub async fn close(&self, grace: Duration) {
        self.sessions.drain(grace).await;
        join_all(self.plugins.iter().map(|plugin| plugin.close(grace))).await;
    }

    /// What answers tell.
    pub fn environment(&self) -> Environment {
        self.environment
    }

    /// What frames may be.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Sessions that are going on or may be gone on with, and how many may be.
    pub fn load(&self) -> (usize, usize) {
        self.sessions.load()
    }
}

impl Limits {
    fn pictures(&self) -> PictureLimits {
        PictureLimits { max_bytes: self.max_bytes, max_pixels: self.max_pixels }
    }
}

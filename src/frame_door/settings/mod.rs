//! The settings of LUNA PASS, out of its own files: an operator's `lunapassapi.config.toml` loads as it is.
//!
//! Sections are the headings of its manual. Names are taken in its spelling (`maxAttempts`, `FileLogger`) and with
//! underscores (`max_attempts`, `file_logger`), arguments of plug-ins as a table `args` or dotted (`args.path`). What is missing
//! has the manual's default. A key that nobody knows is a warning, because a file may be of another version; a value that cannot
//! be used is an error, and all errors are told at once.

pub(crate) mod reader;
pub(crate) mod value;

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use vision_core::liveness::frame_checks::{MultifacePolicy, Thresholds};
use vision_core::liveness::interactions;

use self::reader::{Reader, Section};
use crate::token::{Algorithm, Jwt, KNOWN_KEY};

/// Everything that the files set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `env`: what answers tell.
    pub environment: Environment,
    /// `host` and `port`: an address to listen at besides the service's own; none when the file sets no port.
    pub listener: Option<(String, u16)>,
    /// `logLevel`.
    pub log_level: LogLevel,
    /// `[LUNA_PASS.JWT]`.
    pub jwt: Jwt,
    /// `maxAttempts`: frames in a session; none: no limit.
    pub max_attempts: Option<u32>,
    /// `maxLivenessAttempts`: frames in a session that come as far as liveness; none: no limit.
    pub max_liveness_attempts: Option<u32>,
    /// `[LIVENESS.THRESHOLDS]`.
    pub thresholds: Thresholds,
    /// Plug-ins.
    pub plugins: Plugins,
}

/// `env`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Environment {
    /// Answers have errors and coordinates only.
    #[default]
    Production,
    /// Answers have every score.
    Development,
}

/// `logLevel`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// 0.
    Errors,
    /// 1: and what happens.
    #[default]
    Information,
    /// 2: and what helps to find out why.
    Debugging,
}

/// The plug-ins that are enabled, with their arguments.
#[derive(Clone, Debug, Default)]
pub struct Plugins {
    /// `BasicAuth`: who may begin a session.
    pub basic_auth: Option<BasicAuth>,
    /// `FaceMatcher` (of LUNA PASS 1.9): the same person in all frames.
    pub face_matcher: bool,
    /// `FileLogger`: every picture and what was found in it go to this folder.
    pub file_logger: Option<PathBuf>,
    /// `Bestshot`: the best frame goes into the result.
    pub bestshot: bool,
    /// `Luna3DescriptorQualityCheck`: another system judges the best frame.
    pub descriptor_quality: Option<DescriptorQuality>,
    /// `AggregateLiveness`: liveness is told of so many frames together.
    pub aggregate_liveness: Option<u32>,
    /// `ActiveLiveness`: the subject has something to do.
    pub active_liveness: Option<interactions::Settings>,
    /// `Result`: decides from what the others found.
    pub result: bool,
    /// `VideoRedis`: the frames of a session become a video.
    pub video_redis: Option<VideoRedis>,
}

/// `[MIDDLEWARES.REQUEST.BasicAuth]`.
#[derive(Clone, Debug)]
pub struct BasicAuth {
    /// `args.username`.
    pub username: String,
    /// `args.password`.
    pub password: SecretString,
    /// `args.origin`: the only site whose pages may open a session; none: every one.
    pub origin: Option<String>,
}

/// `[MIDDLEWARES.WS.Luna3DescriptorQualityCheck]`.
#[derive(Clone, Debug)]
pub struct DescriptorQuality {
    /// `args.connectionString`.
    pub address: String,
    /// `args.authToken`.
    pub token: SecretString,
    /// `args.descriptorQualityThreshold`, 0..1; none: whatever comes back is good enough.
    pub threshold: Option<f32>,
}

/// `[MIDDLEWARES.WS.VideoRedis]`.
#[derive(Clone, Debug)]
pub struct VideoRedis {
    /// `args.connectionString`; may hold a password.
    pub address: SecretString,
    /// `args.queueName`.
    pub queue: String,
    /// `args.resultTtl`: how long the outcome of a job is kept.
    pub result_ttl: Duration,
    /// `args.failureTtl`: how long a failed job is kept.
    pub failure_ttl: Duration,
    /// `args.sessionTimeout`: how long after its end a session without a best shot becomes a video.
    pub session_timeout: Duration,
    /// `args.workerTask`: what the worker does with a job.
    pub task: String,
    /// `args.framesLimit`: the last so many frames; none: all.
    pub frames_limit: Option<u32>,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not TOML.
    #[error("the settings are no TOML: {0}")]
    Syntax(#[from] toml::de::Error),
    /// Values that cannot be used, each with its name.
    #[error("{} cannot be used:\n  {}", if .0.len() == 1 { "a setting" } else { "settings" }, .0.join("\n  "))]
    Values(Vec<String>),
}

/// What was read, and what the operator should hear of it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Keys that nothing here knows, and sections without use.
    pub warnings: Vec<String>,
}

impl Default for Settings {
    /// Those of an empty file.
    fn default() -> Self {
        Self {
            environment: Environment::default(),
            listener: None,
            log_level: LogLevel::default(),
            jwt: Jwt { algorithm: Algorithm::default(), key: KNOWN_KEY.into() },
            max_attempts: None,
            max_liveness_attempts: None,
            thresholds: Thresholds::default(),
            plugins: Plugins { face_matcher: true, result: true, ..Plugins::default() },
        }
    }
}

impl Settings {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`SettingsError`]: no TOML, or values that cannot be used.
    pub fn read(text: &str) -> Result<Loaded, SettingsError> {
        let mut file = Reader::new(text.parse()?);
        file.ignore("FACEENGINE", "the networks are those of `vision-service models`");
        // one file may serve the service and the worker
        crate::session_video::settings::SECTIONS.iter().for_each(|section| file.leave(section));
        let general = file.section(&["LUNA_PASS"]);
        let jwt = file.section(&["LUNA_PASS", "JWT"]);
        let liveness = file.section(&["LIVENESS"]);
        let thresholds = file.section(&["LIVENESS", "THRESHOLDS"]);
        let default = Self::default();
        let host: Option<String> = file.get(&general, "host");
        let port: Option<u16> = file.get(&general, "port");
        let limit = |file: &mut Reader, key: &str| {
            let limit: Option<value::Limit> = file.get(&liveness, key).or_else(|| file.get(&general, key));
            limit.and_then(|limit| limit.0)
        };
        let settings = Self {
            environment: file.get(&general, "env").unwrap_or_default(),
            listener: port.map(|port| (host.unwrap_or_else(|| "0.0.0.0".into()), port)),
            log_level: file.get(&general, "logLevel").unwrap_or_default(),
            jwt: Jwt {
                algorithm: file.get(&jwt, "algorithm").unwrap_or_default(),
                key: file.get::<String>(&jwt, "key").map_or(default.jwt.key, SecretString::from),
            },
            max_attempts: limit(&mut file, "maxAttempts"),
            max_liveness_attempts: limit(&mut file, "maxLivenessAttempts"),
            thresholds: read_thresholds(&mut file, &thresholds),
            plugins: read_plugins(&mut file),
        };
        file.finish().map(|warnings| Loaded { settings, warnings }).map_err(SettingsError::Values)
    }
}

fn read_thresholds(file: &mut Reader, section: &Section) -> Thresholds {
    let default = Thresholds::default();
    let mut share = |key: &str, default: f32| file.within(section, key, 0.0, 1.0).unwrap_or(default);
    let shares = Thresholds {
        blur: share("blur", default.blur),
        light: share("light", default.light),
        dark: share("dark", default.dark),
        illumination: share("illumination", default.illumination),
        specularity: share("specularity", default.specularity),
        mouth: share("mouth", default.mouth),
        ags: share("ags", default.ags),
        liveness_score: share("livenessScore", default.liveness_score),
        liveness_quality_score: share("livenessQualityScore", default.liveness_quality_score),
        ..default.clone()
    };
    let mut number = |key: &str, most: f32, default: f32| file.within(section, key, 0.0, most).unwrap_or(default);
    let numbers = Thresholds {
        frame_margin: number("frameMargin", 10_000.0, default.frame_margin),
        face_width: number("faceWidth", 10_000.0, default.face_width),
        face_height: number("faceHeight", 10_000.0, default.face_height),
        yaw: number("yaw", 180.0, default.yaw),
        pitch: number("pitch", 180.0, default.pitch),
        roll: number("roll", 180.0, default.roll),
        ..shares
    };
    let policy: Option<MultifacePolicy> = file.get(section, "multifacePolicy");
    let glasses: Option<value::AllowedGlasses> = file.get(section, "glasses");
    Thresholds {
        multiface_policy: policy.unwrap_or(default.multiface_policy),
        glasses: glasses.map_or(default.glasses, |glasses| glasses.0),
        ..numbers
    }
}

fn read_plugins(file: &mut Reader) -> Plugins {
    let basic_auth = file.plugin("REQUEST", "BasicAuth", false).map(|args| BasicAuth {
        username: file.must(&args, "username"),
        password: file.must(&args, "password").into(),
        origin: file.get(&args, "origin").filter(|origin: &String| !matches!(origin.as_str(), "" | "-")),
    });
    let face_matcher = file.plugin("WS", "FaceMatcher", true).is_some();
    let file_logger = file
        .plugin("WS", "FileLogger", false)
        .map(|args| file.get::<String>(&args, "path").unwrap_or_else(|| "./LOGS".into()).into());
    let bestshot = file.plugin("WS", "Bestshot", false).is_some();
    let descriptor_quality = file.plugin("WS", "Luna3DescriptorQualityCheck", false).map(|args| DescriptorQuality {
        address: file.get(&args, "connectionString").unwrap_or_else(|| "http://127.0.0.1:5000".into()),
        token: file.get::<String>(&args, "authToken").unwrap_or_default().into(),
        threshold: file.within(&args, "descriptorQualityThreshold", 0.0, 1.0),
    });
    let aggregate_liveness = file
        .plugin("WS", "AggregateLiveness", false)
        .map(|args| file.within(&args, "framesCount", 1.0, 100.0).map_or(3, |count| count as u32));
    let active_liveness = file.plugin("WS", "ActiveLiveness", false).map(|args| read_interactions(file, &args));
    let result = file.plugin("WS", "Result", true).is_some();
    let video_redis = file.plugin("WS", "VideoRedis", false).map(|args| {
        let mut time = |key: &str, default: u64| {
            let time: Option<value::Time> = file.get(&args, key);
            time.map_or(Duration::from_secs(default), |time| time.0)
        };
        let (result_ttl, session_timeout) = (time("resultTtl", 500), time("sessionTimeout", 300));
        let failure_ttl = time("failureTtl", value::YEAR.as_secs());
        VideoRedis {
            address: file.get(&args, "connectionString").unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned()).into(),
            queue: file.get(&args, "queueName").unwrap_or_else(|| "default".into()),
            result_ttl,
            failure_ttl,
            session_timeout,
            task: file.get(&args, "workerTask").unwrap_or_else(|| "task.run".into()),
            frames_limit: file.get::<value::Limit>(&args, "framesLimit").and_then(|limit| limit.0).filter(|n| *n > 0),
        }
    });
    Plugins {
        basic_auth,
        face_matcher,
        file_logger,
        bestshot,
        descriptor_quality,
        aggregate_liveness,
        active_liveness,
        result,
        video_redis,
    }
}

fn read_interactions(file: &mut Reader, args: &Section) -> interactions::Settings {
    let default = interactions::Settings::default();
    let count: Option<value::Limit> = file.get(args, "interactionsCount");
    let cooldown: Option<value::Limit> = file.get(args, "cooldownFramesCount");
    let one_eyed: Option<value::Flag> = file.get(args, "acceptOneEyed");
    let mut degrees = |key: &str, default: f32| file.within(args, key, 0.0, 180.0).unwrap_or(default);
    let settings = interactions::Settings {
        yaw_start_deg: degrees("yawStartDeg", default.yaw_start_deg),
        yaw_threshold_deg: degrees("yawThresholdDeg", default.yaw_threshold_deg),
        pitch_start_deg: degrees("pitchStartDeg", default.pitch_start_deg),
        pitch_threshold_deg: degrees("pitchThresholdDeg", default.pitch_threshold_deg),
        interactions_count: count.and_then(|count| count.0).map_or(default.interactions_count, |n| n as usize),
        cooldown_frames_count: cooldown.and_then(|count| count.0).unwrap_or(default.cooldown_frames_count),
        accept_one_eyed: one_eyed.map_or(default.accept_one_eyed, |flag| flag.0),
        interactions: default.interactions,
    };
    if let Err(error) = settings.check() {
        file.refuse(args, error);
    }
    settings
}

#[cfg(test)]
mod tests;

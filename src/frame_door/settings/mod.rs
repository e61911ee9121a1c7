//! The settings of LUNA PASS, out of its own files: an operator's `lunapassapi.config.toml` loads as it is.
//!
//! Sections are the headings of its manual. Names are taken in its spelling (`maxAttempts`, `FileLogger`) and with
//! underscores (`max_attempts`, `file_logger`), arguments of plug-ins as a table `args` or dotted (`args.path`). What is missing
//! has the manual's default. A key that nobody knows is a warning, because a file may be of another version; a value that cannot
//! be used is an error, and all errors are told at once.
//!
//! The sections of plug-ins are read by the [`plugins`].

pub mod reader;
pub mod value;

use std::any::Any;
use std::sync::Arc;

use toml::Table;
use vision_core::liveness::frame_checks::{MultifacePolicy, Thresholds};

use self::reader::{Reader, Section};
use super::plugins::{self, Configured, Read, basic_auth};
use crate::token::{Jwt, KNOWN_KEY};

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
    /// `BasicAuth`: who may begin a session; none: everybody.
    pub basic_auth: Option<basic_auth::Settings>,
    /// The plug-ins that take part, in order.
    pub plugins: Vec<Arc<dyn Configured>>,
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
        Self::of(&mut Reader::new(Table::new()), plugins::ALL)
    }
}

impl Settings {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`SettingsError`]: no TOML, or values that cannot be used.
    pub fn read(text: &str) -> Result<Loaded, SettingsError> {
        Self::read_with(text, plugins::ALL)
    }

    /// The same with these plug-ins.
    pub(super) fn read_with(text: &str, plugins: &[Read]) -> Result<Loaded, SettingsError> {
        let mut file = Reader::new(text.parse()?);
        file.ignore("FACEENGINE", "the networks are those of `vision-service models`");
        // one file may serve the service and the worker
        crate::session_video::settings::SECTIONS.iter().for_each(|section| file.leave(section));
        let settings = Self::of(&mut file, plugins);
        file.finish().map(|warnings| Loaded { settings, warnings }).map_err(SettingsError::Values)
    }

    fn of(file: &mut Reader, plugins: &[Read]) -> Self {
        let general = file.section(&["LUNA_PASS"]);
        let jwt = file.section(&["LUNA_PASS", "JWT"]);
        let liveness = file.section(&["LIVENESS"]);
        let thresholds = file.section(&["LIVENESS", "THRESHOLDS"]);
        let host: Option<String> = file.get(&general, "host");
        let port: Option<u16> = file.get(&general, "port");
        let limit = |file: &mut Reader, key: &str| {
            let limit: Option<value::Limit> = file.get(&liveness, key).or_else(|| file.get(&general, key));
            limit.and_then(|limit| limit.0)
        };
        Self {
            environment: file.get(&general, "env").unwrap_or_default(),
            listener: port.map(|port| (host.unwrap_or_else(|| "0.0.0.0".into()), port)),
            log_level: file.get(&general, "logLevel").unwrap_or_default(),
            jwt: Jwt {
                algorithm: file.get(&jwt, "algorithm").unwrap_or_default(),
                key: file.get(&jwt, "key").unwrap_or_else(|| KNOWN_KEY.to_owned()).into(),
            },
            max_attempts: limit(file, "maxAttempts"),
            max_liveness_attempts: limit(file, "maxLivenessAttempts"),
            thresholds: read_thresholds(file, &thresholds),
            basic_auth: basic_auth::Settings::read(file),
            plugins: plugins.iter().filter_map(|read| read(file)).collect(),
        }
    }

    /// Those of a plug-in, by their type; none where it is switched off.
    pub fn plugin<S: Configured>(&self) -> Option<&S> {
        self.plugins.iter().find_map(|plugin| (plugin.as_ref() as &dyn Any).downcast_ref())
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

#[cfg(test)]
mod tests;

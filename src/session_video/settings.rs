//! The settings of the worker: `lunapassvideo.config.toml`.
//!
//! | key | default | what |
//! |---|---|---|
//! | `[LUNA_PASS_VIDEO]` or `[VIDEO]` | | |
//! | `codec` | `H264` | `H264`, `H265` (both in MP4) or `VP9` (in WebM) |
//! | `path` | `./VIDEO` | the folder of the videos, made when it is not there |
//! | `logLevel` | 1 | 0 errors, 1 what happens, 2 what helps to find out why |
//! | `[REDIS]` | | |
//! | `connectionString` | `redis://127.0.0.1:6379` | `redis://`, `rediss://` for TLS, `redis+unix://`; without it that of `[MIDDLEWARES.WS.VideoRedis]` |
//! | `queueName` | `default` | the same |
//! | `[WORKER]` | | |
//! | `attempts` | 5 | after as many the job has failed |
//! | `retryDelay` | 10 s | between the first two attempts; four times as long between the next two, and so on, to an hour |
//! | `timeout` | 600 s | for building a video, and for its command |
//! | `lease` | 30 s | a job of a worker that has vanished is taken again after this time |
//! | `[WORKER.TASKS]` | | |
//! | any name | | the command of the task of this name: text that is split as a shell would, or a list of program and arguments |
//!
//! The manual of LUNA PASS does not show this file; codec, path and log level have the names that it uses elsewhere. Spelling
//! is as free as in [`crate::frame_door::settings`]. A file that also has the service's sections is fine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use toml::Value;

use super::build::Codec;
use super::queue::Address;
use crate::frame_door::settings::reader::{Reader, Section};
use crate::frame_door::settings::value::{FromValue, Limit, Time};
use crate::frame_door::settings::{LogLevel, SettingsError};

/// The task that every worker has: it builds the video and leaves it in the folder. All others do that first.
pub const BUILT_IN: &str = "task.run";

/// The worker's own sections.
pub(crate) const SECTIONS: [&str; 4] = ["LUNA_PASS_VIDEO", "VIDEO", "REDIS", "WORKER"];
/// Those of the service.
const SERVICE: [&str; 4] = ["LUNA_PASS", "LIVENESS", "FACEENGINE", "MIDDLEWARES"];

/// Everything that the file sets.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `codec`.
    pub codec: Codec,
    /// `path`.
    pub folder: PathBuf,
    /// `logLevel`.
    pub log_level: LogLevel,
    /// `connectionString`.
    pub redis: Address,
    /// `queueName`.
    pub queue: String,
    /// `attempts`, at least 1.
    pub attempts: u32,
    /// `retryDelay`.
    pub retry_delay: Duration,
    /// `timeout`.
    pub timeout: Duration,
    /// `lease`, at least a second.
    pub lease: Duration,
    /// `[WORKER.TASKS]`.
    pub tasks: BTreeMap<String, CommandLine>,
}

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// What is run.
    pub program: String,
    /// What it is run with, before the video's path and the session's id.
    pub arguments: Vec<String>,
}

/// What was read, and what the operator should hear of it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Keys that nothing here knows.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`SettingsError`]: no TOML, or values that cannot be used.
    pub fn read(text: &str) -> Result<Loaded, SettingsError> {
        let mut file = Reader::new(text.parse()?);
        SERVICE.iter().for_each(|section| file.leave(section));
        let [luna, video, redis, worker] = SECTIONS.map(|name| file.section(&[name]));
        let plugin = file.section(&["MIDDLEWARES", "WS", "VideoRedis", "args"]);
        let tasks = file.section(&["WORKER", "TASKS"]);
        let address = first(&mut file, [&redis, &plugin], "connectionString");
        let address = SecretString::from(address.unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned()));
        let address = Address::read(&address).map_err(|error| file.refuse(&redis, error)).ok();
        let queue: Option<String> = first(&mut file, [&redis, &plugin], "queueName");
        let codec: Option<Codec> = first(&mut file, [&luna, &video], "codec");
        let folder: Option<String> = first(&mut file, [&luna, &video], "path");
        let log_level: Option<LogLevel> = first(&mut file, [&luna, &video], "logLevel");
        let attempts: Option<Limit> = file.get(&worker, "attempts");
        let mut seconds = |key, default, least| {
            let time: Option<Time> = file.get(&worker, key);
            time.map_or(Duration::from_secs(default), |time| time.0.max(Duration::from_secs(least)))
        };
        let (retry_delay, timeout, lease) =
            (seconds("retryDelay", 10, 0), seconds("timeout", 600, 1), seconds("lease", 30, 1));
        let commands: BTreeMap<String, CommandLine> = file.all(&tasks).into_iter().collect();
        if commands.contains_key(BUILT_IN) {
            let reason = format!("{BUILT_IN} is built in; give the command another name, and workerTask that name");
            file.refuse(&tasks, reason);
        }
        match (file.finish(), address) {
            (Ok(warnings), Some(redis)) => {
                let settings = Self {
                    codec: codec.unwrap_or_default(),
                    folder: folder.unwrap_or_else(|| "./VIDEO".into()).into(),
                    log_level: log_level.unwrap_or_default(),
                    redis,
                    queue: queue.unwrap_or_else(|| "default".into()),
                    attempts: attempts.and_then(|limit| limit.0).unwrap_or(5).max(1),
                    retry_delay,
                    timeout,
                    lease,
                    tasks: commands,
                };
                Ok(Loaded { settings, warnings })
            }
            (Ok(mistakes), None) | (Err(mistakes), _) => Err(SettingsError::Values(mistakes)),
        }
    }
}

/// The value of the first section that has the key.
fn first<T: FromValue>(file: &mut Reader, sections: [&Section; 2], key: &str) -> Option<T> {
    sections.into_iter().find_map(|section| file.get(section, key))
}

impl FromValue for Codec {
    fn from_value(value: &Value) -> Result<Self, String> {
        let name = value.as_str().unwrap_or_default();
        let codec = Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name));
        codec.ok_or_else(|| "H264, H265 or VP9".into())
    }
}

impl FromValue for CommandLine {
    fn from_value(value: &Value) -> Result<Self, String> {
        let words = match value {
            Value::String(text) => shlex::split(text),
            Value::Array(words) => words.iter().map(|word| word.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        let mut words = words.unwrap_or_default().into_iter();
        let program = words.next().filter(|program| !program.is_empty());
        let program = program.ok_or("a command: text with its quotes closed, or a list of program and arguments")?;
        Ok(Self { program, arguments: words.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame_door::plugins::video_redis;

    #[test]
    fn an_empty_file_has_the_defaults() {
        let Loaded { settings, warnings } = Settings::read("").unwrap();
        assert!(warnings.is_empty());
        assert_eq!((settings.codec, settings.folder), (Codec::H264, PathBuf::from("./VIDEO")));
        assert_eq!((settings.redis.to_string(), settings.queue), ("127.0.0.1:6379".into(), "default".into()));
        assert_eq!((settings.attempts, settings.tasks.len(), settings.log_level), (5, 0, LogLevel::Information));
        let times = [settings.retry_delay, settings.timeout, settings.lease].map(|time| time.as_secs());
        assert_eq!(times, [10, 600, 30]);
    }

    #[test]
    fn every_key_is_read() {
        let text = "[LUNA_PASS_VIDEO]\ncodec = \"h265\"\npath = \"/videos\"\nlogLevel = 2\n\
            [REDIS]\nconnectionString = \"redis://:secret@redis:7000/1\"\nqueueName = \"q\"\n\
            [WORKER]\nattempts = 2\nretryDelay = \"1m\"\ntimeout = 60\nlease = \"5s\"\n\
            [WORKER.tasks]\nupload.run = \"sh -c 'cp \\\"$0\\\" /mnt'\"\nsend = [\"/bin/send it\", \"--now\"]";
        let Loaded { settings, warnings } = Settings::read(text).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        assert!(!format!("{settings:?}").contains("secret"));
        assert_eq!((settings.codec, settings.folder), (Codec::H265, PathBuf::from("/videos")));
        assert_eq!((settings.redis.to_string(), settings.queue), ("redis:7000".into(), "q".into()));
        assert_eq!((settings.attempts, settings.log_level), (2, LogLevel::Debugging));
        let times = [settings.retry_delay, settings.timeout, settings.lease].map(|time| time.as_secs());
        assert_eq!(times, [60, 60, 5]);
        let command = |program: &str, arguments: &[&str]| CommandLine {
            program: program.into(),
            arguments: arguments.iter().map(|&word| word.into()).collect(),
        };
        assert_eq!(settings.tasks["upload.run"], command("sh", &["-c", "cp \"$0\" /mnt"]));
        assert_eq!(settings.tasks["send"], command("/bin/send it", &["--now"]));
    }

    #[test]
    fn one_file_serves_both_programs() {
        let text = "[LUNA_PASS]\nport = 1\n[MIDDLEWARES.WS.VideoRedis]\nisEnabled = 1\n\
            args.connectionString = \"redis://other:1\"\nargs.queueName = \"of both\"\n[VIDEO]\ncodec = \"VP9\"";
        let Loaded { settings, warnings } = Settings::read(text).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!(
            (settings.redis.to_string(), settings.queue, settings.codec),
            ("other:1".into(), "of both".into(), Codec::Vp9)
        );
        let service = crate::frame_door::settings::Settings::read(text).unwrap();
        assert!(service.warnings.is_empty(), "{:?}", service.warnings);
        assert!(service.settings.plugin::<video_redis::Settings>().is_some());
    }

    #[test]
    fn mistakes_are_told_by_their_names_and_without_secrets() {
        let text = "[VIDEO]\ncodec = \"AV1\"\ncolour = 1\n[REDIS]\nconnectionString = \"secret@host\"\n\
            [WORKER.TASKS]\nmine = \"sh -c 'open\"\ntask.run = \"true\"\nnone = []";
        let error = Settings::read(text).unwrap_err().to_string();
        for expected in [
            "VIDEO.codec has to be H264, H265 or VP9",
            "REDIS: the connection string of Redis has to be redis://",
            "WORKER.TASKS.mine has to be a command",
            "WORKER.TASKS.none has to be a command",
            "WORKER.TASKS: task.run is built in",
        ] {
            assert!(error.contains(expected), "{expected} is not in {error}");
        }
        assert!(!error.contains("secret"), "{error}");
        let warnings = Settings::read("[VIDEO]\ncolour = 1").unwrap().warnings;
        assert_eq!(warnings, ["VIDEO.colour is not known and changes nothing"]);
    }
}

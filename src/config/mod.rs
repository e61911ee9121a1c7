//! Every setting, typed and validated once, passed on by value: there are no globals.
//!
//! | file | what |
//! |---|---|
//! | [`table`] | the settings: key, environment name, default, explanation |
//! | `layers` | which source decides: command line, environment, `.env`, TOML, default |
//! | `parse`, `reader` | from text to type; what is wrong is collected |
//! | `typed` | the settings as the service uses them |
//! | [`ice`] | STUN and TURN servers |

pub mod ice;
mod layers;
mod parse;
mod reader;
pub mod table;
mod typed;

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use vision_core::position::PositionLimits;
use vision_models::runtime::RuntimeOptions;

pub use self::ice::IceServer;
pub use self::layers::{Layers, Resolved, Source};
use self::reader::Reader;
pub use self::typed::*;
use crate::media::{Hardware, IceOptions};

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key that no setting has.
    #[error("{place}: there is no setting `{key}`; {hint}")]
    UnknownKey {
        /// As written.
        key: String,
        /// File or "the command line".
        place: String,
        /// A way on.
        hint: String,
    },
    /// A TOML file that cannot be read.
    #[error("cannot read the configuration file {path}: {message}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// A `.env` file that cannot be read.
    #[error("cannot read {path}: {message}")]
    EnvFile {
        /// Which.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// Values that cannot be; all of them.
    #[error("the configuration cannot be used:\n  {}", .0.join("\n  "))]
    Invalid(Vec<String>),
}

impl Config {
    /// Types and checks every value; an error lists all that is wrong, each with its name and where it came from.
    pub fn from_layers(layers: &Layers) -> Result<Self, ConfigError> {
        Self::from_resolved(&layers.resolve())
    }

    /// As [`Self::from_layers`], for tests and tools: the defaults with some settings changed.
    pub fn with<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, ConfigError> {
        Self::from_layers(&Layers::default().command_line(pairs)?)
    }

    fn from_resolved(resolved: &[Resolved]) -> Result<Self, ConfigError> {
        let mut r = Reader { resolved, errors: Vec::new() };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);

        let cert: Option<PathBuf> = r.optional("http.cert_file");
        let key: Option<PathBuf> = r.optional("http.key_file");
        let certificate = match (cert, key) {
            (Some(cert), Some(key)) => Some(CertificateFiles { cert, key }),
            (None, None) => None,
            _ => {
                r.errors
                    .push("http.cert_file and http.key_file: one is set without the other; HTTPS needs both".into());
                None
            }
        };
        let config = Self {
            http: Http {
                host: r.required("http.host"),
                port: r.required("http.port"),
                certificate,
                https_port: r.optional("http.https_port"),
                api_token: r.optional::<String>("http.api_token").map(SecretString::from),
                demo: r.required("http.demo"),
            },
            debug: Debug {
                endpoints: r.required("http.enable_debug_endpoints"),
                images_kept: r.in_range("debug.images_kept", 1, 1000),
                images_lifetime: r.required("debug.images_lifetime"),
                dot_folder: r.optional("debug.dot_folder"),
            },
            flow: Flow {
                max_flows: r.optional("flow.max_flows").unwrap_or(4 * cores),
                time_limit: r.required("flow.time_limit"),
                starting: r.required("flow.starting"),
                result_shown: r.required("flow.result_shown"),
                rejoin_limit: r.required("flow.rejoin_limit"),
                media_stall_limit: r.required("flow.media_stall_limit"),
                face_lost_after: r.required("flow.face_lost_after"),
                shutdown_limit: r.required("flow.shutdown_limit"),
            },
            challenge: Challenge {
                count: r.in_range("challenge.count", 1, 100),
                gestures: r.required("challenge.gestures"),
                folders: r.required("challenge.folders"),
                mirror_input: r.required("challenge.mirror_input"),
                require_turn: r.required("challenge.require_turn"),
            },
            liveness: Liveness {
                modes: r.modes(),
                several_faces_limit: r.required("liveness.several_faces_limit"),
                inspection_rate: r.in_range("liveness.inspection_rate", 0.5, 15.0),
                reduced_flash: r.required("liveness.reduced_flash"),
                colour_least_contrast: r.in_range("liveness.colour_least_contrast", 0.0, 1.0),
                colour_required: r.required("liveness.colour_required"),
            },
            locale: Locale { default: r.required("locale.default"), folders: r.required("locale.folders") },
            position: PositionLimits {
                min_width: r.in_range("position.min_width", 0.0, 1.0),
                max_width: r.in_range("position.max_width", 0.0, 2.0),
                min_height: r.in_range("position.min_height", 0.0, 1.0),
                max_height: r.in_range("position.max_height", 0.0, 2.0),
                centre_offset: r.in_range("position.centre_offset", 0.0, 1.0),
            },
            media: Media {
                width: r.in_range("media.width", 64, 1920),
                height: r.in_range("media.height", 64, 1920),
                framerate: r.in_range("media.framerate", 1, 30),
                bitrate: 1000 * r.in_range("media.bitrate", 50, 4000),
                codecs: r.codecs(),
                hardware: match r.one_of("media.hardware", &["auto", "off"]).as_str() {
                    "off" => Hardware::Off,
                    _ => Hardware::Auto,
                },
            },
            analysis: Analysis {
                max_rate: r.in_range("analysis.max_rate", 1.0, 60.0),
                idle_rate: r.in_range("analysis.idle_rate", 0.5, 60.0),
                runtime: RuntimeOptions {
                    library: r.optional("analysis.runtime_library"),
                    provider: r.required("analysis.provider"),
                    device_id: r.required("analysis.device_id"),
                    engine_cache: r.optional("analysis.engine_cache"),
                    max_batch: r.optional("analysis.max_batch"),
                },
                batch_wait: r.required("analysis.batch_wait"),
                workers: r.optional("analysis.workers"),
                models_folder: r.optional("analysis.models_folder"),
                face_count_interval: r.required("analysis.face_count_interval"),
            },
            ice: IceOptions {
                servers: r.required("ice.servers"),
                relay_only: r.required("ice.relay_only"),
                port_range: r.optional("ice.port_range"),
                announced_address: r.optional("ice.announced_address"),
                loopback: r.required("ice.loopback"),
                only_from: Vec::new(),
            },
            mediasoup: Mediasoup {
                subject: r.required("mediasoup.subject"),
                relay_only: r.required("ice.mediasoup_relay"),
                ca_file: r.optional("mediasoup.ca_file"),
                accept_any_certificate: r.required("mediasoup.accept_any_certificate"),
            },
            controller: Controller {
                retry_for: r.required("controller.retry_for"),
                timeout: r.required("controller.timeout"),
            },
            callbacks: Callbacks {
                jwt: r.one_of("callbacks.body", &["none", "jwt"]) == "jwt",
                bestshot: r.required("callbacks.bestshot"),
            },
            signing: r.signing(),
            evidence: r.evidence(),
            references: References {
                max_count: r.in_range("references.max_count", 1, 1000),
                max_bytes: r.required("references.max_bytes"),
                max_pixels: r.required("references.max_pixels"),
                timeout: r.required("references.timeout"),
                max_redirects: r.required("references.max_redirects"),
            },
            matching: Matching {
                remote_url: r.optional("matching.remote_url"),
                remote_threshold: r.in_range("matching.remote_threshold", 0.0, 2.0),
                embedding: r.optional("matching.embedding"),
                allow_file_urls: r.required("matching.allow_file_urls"),
            },
            frame_door: FrameDoor {
                settings: r.optional("frame_door.settings"),
                audience: r.optional("frame_door.audience"),
                result_origins: r.origins("frame_door.result_origins"),
                token_lifetime: r.required("frame_door.token_lifetime"),
                session_limit: r.required("frame_door.session_limit"),
                resume_limit: r.required("frame_door.resume_limit"),
                heartbeat: r.required("frame_door.heartbeat"),
                max_sessions: r.optional("frame_door.max_sessions").unwrap_or(32 * cores),
                max_sessions_per_address: r.required("frame_door.max_sessions_per_address"),
                max_rate: r.in_range("frame_door.max_rate", 1, 60),
                max_bytes: r.in_range("frame_door.max_bytes", 10_000, 50_000_000),
                max_pixels: r.in_range("frame_door.max_pixels", 10_000, 100_000_000),
            },
            log: Log {
                verbose: r.required("log.verbose"),
                format: match r.one_of("log.format", &["text", "json"]).as_str() {
                    "json" => LogFormat::Json,
                    _ => LogFormat::Text,
                },
            },
            notices: r.notices(),
        };
        if config.challenge.gestures.len() < config.challenge.count {
            r.errors.push(format!(
                "challenge.count (NUMBER_OF_GESTURES_TO_REQUEST) is {}, but challenge.gestures names only {}",
                config.challenge.count,
                config.challenge.gestures.len()
            ));
        }
        if config.analysis.runtime.max_batch.is_some_and(|most| most.get() > 64) {
            r.complain("analysis.max_batch", "between 1 and 64");
        }
        if config.analysis.batch_wait > Duration::from_millis(100) {
            r.complain("analysis.batch_wait", "100ms or less");
        }
        if config.callbacks.jwt && config.signing.is_none() {
            r.complain("callbacks.body", "none, or signing.key_file (SIGNING_KEY_FILE) has to be set");
        }
        if config.evidence.is_some() && config.signing.is_none() {
            r.complain("evidence.store", "none, or signing.key_file (SIGNING_KEY_FILE) has to be set: it is signed");
        }
        if config.flow.max_flows == 0 {
            r.errors.push("flow.max_flows (MAX_FLOWS) must be at least 1".into());
        }
        if config.frame_door.heartbeat < Duration::from_secs(1) {
            r.complain("frame_door.heartbeat", "1s or more");
        }
        if r.errors.is_empty() { Ok(config) } else { Err(ConfigError::Invalid(r.errors)) }
    }
}

/// The effective configuration as TOML, each value with its source, secrets hidden.
pub fn describe(layers: &Layers) -> String {
    let mut out = String::new();
    let mut section = "";
    for Resolved { setting, raw, source } in layers.resolve() {
        let (s, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if s != section {
            section = s;
            out += &format!("{}[{section}]\n", if out.is_empty() { "" } else { "\n" });
        }
        let from = if source == Source::Default { "default".into() } else { format!("from {source}") };
        out += &match (raw.is_empty(), setting.secret || raw.contains("credential") || raw.contains('@')) {
            (true, _) => format!("# {name} is unset\n"),
            (false, true) => format!("{name} = \"(hidden)\"  # {from}\n"),
            (false, false) => format!("{name} = {}  # {from}\n", toml_value(&raw)),
        };
    }
    out
}

fn toml_value(raw: &str) -> String {
    let plain = raw.parse::<f64>().is_ok_and(f64::is_finite) || matches!(raw, "true" | "false");
    if plain { raw.to_owned() } else { toml::Value::String(raw.to_owned()).to_string() }
}

#[cfg(test)]
mod tests {
    use vision_core::liveness::modes::Modes;
    use vision_core::liveness::{Check, Mode};

    use super::*;
    use crate::media::Codec;

    #[test]
    fn the_defaults_are_valid_and_the_originals() {
        let c = Config::with([]).unwrap();
        assert_eq!((c.http.port, c.challenge.count), (5000, 2));
        assert_eq!(c.challenge.gestures, ["blink", "smile", "openCloseMouth"]);
        assert_eq!(c.flow.time_limit, Duration::from_secs(60));
        assert_eq!(c.flow.starting, Duration::from_secs(5));
        assert_eq!(c.media.codecs, [Codec::Vp8, Codec::H264]);
        assert!(c.matching.remote_url.is_none());
        assert!(c.notices.iter().any(|n| n.contains("API_TOKEN")));
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let e = Config::with([
            ("http.port", "70000"),
            ("flow.time_limit", "soon"),
            ("media.codecs", "AV1"),
            ("http.cert_file", "a.pem"),
            ("ice.servers", "http://x"),
            ("position.min_width", "-1"),
            ("analysis.max_batch", "65"),
            ("analysis.batch_wait", "1s"),
            ("media.hardware", "maybe"),
        ])
        .unwrap_err()
        .to_string();
        for word in ["PORT", "70000", "FLOW_TIME_LIMIT", "soon", "VP8", "key_file", "ICE_SERVERS", "FACE_MIN_WIDTH"] {
            assert!(e.contains(word), "{word} is missing in: {e}");
        }
        for word in ["ANALYSIS_MAX_BATCH", "ANALYSIS_BATCH_WAIT", "VIDEO_HARDWARE"] {
            assert!(e.contains(word), "{word} is missing in: {e}");
        }
    }

    #[test]
    fn more_gestures_than_there_are() {
        let e = Config::with([("challenge.count", "4")]).unwrap_err().to_string();
        assert!(e.contains("NUMBER_OF_GESTURES_TO_REQUEST"), "{e}");
    }

    #[test]
    fn settings_without_effect_and_open_doors_are_said() {
        let c = Config::with([
            ("http.enable_debug_endpoints", "true"),
            ("mediasoup.accept_any_certificate", "1"),
            ("http.api_token", "123456"),
        ])
        .unwrap();
        assert_eq!(c.notices.len(), 2, "{:?}", c.notices);
    }

    #[test]
    fn modes_are_those_of_the_profile_but_for_those_that_are_set() {
        let modes =
            |pairs: &[(&'static str, &'static str)]| Config::with(pairs.iter().copied()).unwrap().liveness.modes;
        assert_eq!(modes(&[]), Modes::default());
        assert_eq!(modes(&[("liveness.glasses", "WARNING_ONLY")]).of(Check::Glasses), Mode::Observe);
        assert_eq!(modes(&[("liveness.glasses", "ERROR")]).of(Check::Glasses), Mode::Enforce);
        let strict = modes(&[("liveness.profile", "strict"), ("liveness.frozen_stream", "off")]);
        assert_eq!((strict.of(Check::FrozenStream), strict.of(Check::Glasses)), (Mode::Off, Mode::Enforce));
        let wrong =
            [("liveness.profile", "lax"), ("liveness.glasses", "maybe"), ("liveness.injection_hints", "enforce")];
        let error = Config::with(wrong).unwrap_err().to_string();
        for word in ["LIVENESS_PROFILE", "GLASSES_DETECTOR_MODE", "INJECTION_HINTS_MODE"] {
            assert!(error.contains(word), "{word} is missing in: {error}");
        }
    }

    #[test]
    fn sites_are_named_as_browsers_name_them() {
        let key = "frame_door.result_origins";
        let sites = |text: &'static str| Config::with([(key, text)]).map(|config| config.frame_door.result_origins);
        let named = sites("https://bank.example, http://localhost:8080/").unwrap();
        let names: Vec<_> = named.iter().map(url::Origin::ascii_serialization).collect();
        assert_eq!(names, ["https://bank.example", "http://localhost:8080"]);
        assert!(sites("").unwrap().is_empty());
        for wrong in ["bank.example", "https://bank.example/page", "file:///x", "*", "https://ok.example,null"] {
            assert!(sites(wrong).unwrap_err().to_string().contains("FRAME_DOOR_RESULT_ORIGINS"), "{wrong}");
        }
    }

    #[test]
    fn evidence_and_signatures_want_what_they_need() {
        let error = |pairs: &[(&'static str, &'static str)]| {
            Config::with(pairs.iter().copied()).map(drop).map_err(|e| e.to_string()).unwrap_err()
        };
        let key = ("signing.key_file", "key");
        assert!(error(&[("callbacks.body", "jwt")]).contains("SIGNING_KEY_FILE"));
        assert!(error(&[("evidence.store", "folder:/x")]).contains("SIGNING_KEY_FILE"));
        let s3 = error(&[key, ("evidence.store", "s3://bucket")]);
        for name in ["EVIDENCE_S3_ENDPOINT", "EVIDENCE_S3_ACCESS_KEY", "EVIDENCE_S3_SECRET_KEY"] {
            assert!(s3.contains(name), "{name} is missing in: {s3}");
        }
        for (setting, wrong, name) in [
            ("evidence.store", "/x", "EVIDENCE_STORE"),
            ("evidence.store", "s3:///x", "EVIDENCE_STORE"),
            ("evidence.recipient", "AGE-SECRET-KEY-1", "EVIDENCE_RECIPIENT"),
            ("evidence.retention", "5s", "EVIDENCE_RETENTION"),
            ("signing.algorithm", "none", "SIGNING_ALGORITHM"),
            ("signing.lifetime", "1m", "SIGNING_LIFETIME"),
        ] {
            let all = error(&[key, ("evidence.store", "folder:/x"), ("callbacks.body", "jwt"), (setting, wrong)]);
            assert!(all.contains(name), "{setting}: {all}");
        }

        let c = Config::with([key, ("evidence.store", "folder:/x")]).unwrap();
        assert!(c.notices.iter().any(|n| n.contains("EVIDENCE_RECIPIENT")), "{:?}", c.notices);
        let s3 = [
            key,
            ("evidence.store", "s3://bucket/a/b/"),
            ("evidence.s3_endpoint", "http://localhost:9000"),
            ("evidence.s3_access_key", "id"),
            ("evidence.s3_secret_key", "hunter2"),
            ("evidence.recipient", "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"),
        ];
        let c = Config::with(s3).unwrap();
        assert!(!c.notices.iter().any(|n| n.contains("EVIDENCE_RECIPIENT")));
        assert!(!format!("{c:?}").contains("hunter2"));
        let Some(Evidence { store: EvidenceStore::S3(bucket), .. }) = c.evidence else { panic!() };
        assert_eq!((bucket.bucket.as_str(), bucket.prefix.as_str()), ("bucket", "a/b/"));
    }

    #[test]
    fn secrets_are_never_shown() {
        let layers = Layers::default()
            .command_line([("http.api_token", "hunter2"), ("ice.servers", "turn:u:hunter2@h:1"), ("http.port", "5001")])
            .unwrap();
        let text = describe(&layers);
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("port = 5001  # from command line"), "{text}");
        text.parse::<toml::Table>().expect("it is TOML");
        assert!(!format!("{:?}", Config::from_layers(&layers).unwrap()).contains("hunter2"));
    }

    #[test]
    fn the_reference_page_is_up_to_date() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md")).unwrap();
        assert!(
            page.contains(&table::reference()),
            "write `vision-service config --reference` into docs/configuration.md"
        );
    }
}

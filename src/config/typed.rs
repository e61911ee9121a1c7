//! The settings by section, as the service uses them. The fields are explained in the table, under the same names.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use age::x25519::Recipient;
use secrecy::SecretString;
use url::Url;
use vision_core::liveness::Mode;
use vision_core::liveness::modes::{Modes, Profile};
use vision_core::position::PositionLimits;
use vision_models::runtime::RuntimeOptions;

use super::parse::FromText;
use crate::media::{Codec, Hardware, IceOptions};
use crate::room::mediasoup::subject::SubjectRule;
use crate::token::Algorithm;

/// `off | observe | enforce`, or the original's `OFF | WARNING_ONLY | ERROR`.
impl FromText for Mode {
    fn from_text(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "off" => Ok(Self::Off),
            "observe" | "warning_only" => Ok(Self::Observe),
            "enforce" | "error" => Ok(Self::Enforce),
            _ => Err("off, observe or enforce".to_owned()),
        }
    }
}

impl FromText for Profile {
    fn from_text(text: &str) -> Result<Self, String> {
        match text.trim() {
            "default" => Ok(Self::Default),
            "strict" => Ok(Self::Strict),
            _ => Err("default or strict".to_owned()),
        }
    }
}

impl FromText for SubjectRule {
    fn from_text(text: &str) -> Result<Self, String> {
        match (text.trim(), text.trim().strip_prefix("peer:")) {
            ("first", _) => Ok(Self::First),
            ("newest", _) => Ok(Self::Newest),
            (_, Some(id)) if !id.is_empty() => Ok(Self::Peer(id.to_owned())),
            _ => Err("first, newest or peer:ID".to_owned()),
        }
    }
}

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object per line.
    Json,
}

/// Where to listen, and who may ask.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Http {
    pub host: IpAddr,
    pub port: u16,
    pub certificate: Option<CertificateFiles>,
    pub https_port: Option<u16>,
    pub api_token: Option<SecretString>,
    pub demo: bool,
}

/// PEM files.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct CertificateFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// For whoever looks for a fault.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Debug {
    pub endpoints: bool,
    pub images_kept: usize,
    pub images_lifetime: Duration,
    pub dot_folder: Option<PathBuf>,
}

/// Limits of a flow.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Flow {
    pub max_flows: usize,
    pub time_limit: Duration,
    pub starting: Duration,
    pub result_shown: Duration,
    pub rejoin_limit: Duration,
    pub media_stall_limit: Duration,
    pub face_lost_after: Duration,
    pub shutdown_limit: Duration,
}

/// The liveness checks.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Liveness {
    pub modes: Modes,
    pub several_faces_limit: Duration,
    pub inspection_rate: f32,
    pub reduced_flash: bool,
    pub colour_least_contrast: f32,
    pub colour_required: bool,
}

/// The frame door, besides what its own file says.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct FrameDoor {
    pub settings: Option<PathBuf>,
    pub audience: Option<String>,
    /// Empty: every site.
    pub result_origins: Vec<url::Origin>,
    pub token_lifetime: Duration,
    pub session_limit: Duration,
    pub resume_limit: Duration,
    pub heartbeat: Duration,
    pub max_sessions: usize,
    pub max_sessions_per_address: usize,
    pub max_rate: u32,
    pub max_bytes: usize,
    pub max_pixels: usize,
}

/// What is asked of the subject.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Challenge {
    pub count: usize,
    pub gestures: Vec<String>,
    pub folders: Vec<PathBuf>,
    pub mirror_input: bool,
    pub require_turn: bool,
}

/// The words.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Locale {
    pub default: String,
    pub folders: Vec<PathBuf>,
}

/// The video that is sent.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Media {
    pub width: usize,
    pub height: usize,
    pub framerate: u32,
    /// Bits per second.
    pub bitrate: u32,
    pub codecs: Vec<Codec>,
    pub hardware: Hardware,
}

/// Inference.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Analysis {
    pub max_rate: f32,
    pub idle_rate: f32,
    pub runtime: RuntimeOptions,
    pub batch_wait: Duration,
    pub workers: Option<NonZeroUsize>,
    pub models_folder: Option<PathBuf>,
    pub face_count_interval: Duration,
}

/// Rooms on a mediasoup server.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Mediasoup {
    pub subject: SubjectRule,
    pub relay_only: bool,
    pub ca_file: Option<PathBuf>,
    pub accept_any_certificate: bool,
}

/// Callbacks.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Controller {
    pub retry_for: Duration,
    pub timeout: Duration,
}

/// What callbacks carry.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Callbacks {
    /// The signed result.
    pub jwt: bool,
    /// And the best shot in it.
    pub bestshot: bool,
}

/// Signatures.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Signing {
    pub algorithm: Algorithm,
    pub key_file: PathBuf,
    pub audience: Option<String>,
    pub lifetime: Duration,
}

/// Evidence.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Evidence {
    pub store: EvidenceStore,
    pub recipient: Option<Recipient>,
    pub retention: Duration,
    /// Bytes that the video of one flow or session may take; none: no video.
    pub video: Option<usize>,
}

/// Where evidence is kept.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum EvidenceStore {
    Folder(PathBuf),
    S3(S3Bucket),
}

/// A bucket of an S3-compatible server.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct S3Bucket {
    pub bucket: String,
    /// Empty, or with a slash at its end.
    pub prefix: String,
    pub endpoint: Url,
    pub region: String,
    pub access_key: SecretString,
    pub secret_key: SecretString,
}

/// `evidence.store`, as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum EvidencePlace {
    None,
    Folder(PathBuf),
    /// Bucket and prefix.
    S3(String, String),
}

impl FromText for EvidencePlace {
    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = || "none, folder:PATH or s3://BUCKET/PREFIX".to_owned();
        let text = text.trim();
        if let Some(path) = text.strip_prefix("folder:").filter(|path| !path.is_empty()) {
            return Ok(Self::Folder(path.into()));
        }
        match text.strip_prefix("s3://").map(|place| place.split_once('/').unwrap_or((place, ""))) {
            Some((bucket, prefix)) if !bucket.is_empty() => {
                let prefix = prefix.trim_matches('/');
                let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
                Ok(Self::S3(bucket.to_owned(), prefix))
            }
            None if text == "none" => Ok(Self::None),
            _ => Err(wrong()),
        }
    }
}

impl FromText for Recipient {
    fn from_text(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| "a public key of age, `age1...` (`age-keygen` makes one)".to_owned())
    }
}

impl FromText for Algorithm {
    fn from_text(text: &str) -> Result<Self, String> {
        text.trim().parse()
    }
}

/// Reference images.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct References {
    pub max_count: usize,
    pub max_bytes: u64,
    pub max_pixels: u64,
    pub timeout: Duration,
    pub max_redirects: usize,
}

/// Comparison.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Matching {
    pub remote_url: Option<Url>,
    pub remote_threshold: f32,
    pub embedding: Option<String>,
    pub allow_file_urls: bool,
}

/// Logs.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Log {
    pub verbose: bool,
    pub format: LogFormat,
}

/// The configuration of the service.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Config {
    pub http: Http,
    pub debug: Debug,
    pub flow: Flow,
    pub challenge: Challenge,
    pub liveness: Liveness,
    pub locale: Locale,
    pub position: PositionLimits,
    pub media: Media,
    pub analysis: Analysis,
    pub ice: IceOptions,
    pub mediasoup: Mediasoup,
    pub controller: Controller,
    pub callbacks: Callbacks,
    /// None where no key is named.
    pub signing: Option<Signing>,
    /// None where it is off.
    pub evidence: Option<Evidence>,
    pub references: References,
    pub matching: Matching,
    pub frame_door: FrameDoor,
    pub log: Log,
    /// What the operator should know, said at start: settings without effect yet, open doors.
    pub notices: Vec<String>,
}

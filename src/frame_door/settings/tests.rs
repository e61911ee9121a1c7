use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use vision_core::liveness::quality::glasses::Glasses;

use super::super::plugins::{
    active_liveness, aggregate_liveness, bestshot, descriptor_quality, face_matcher, file_logger, result, video_redis,
};
use super::*;
use crate::token::Algorithm;

/// A file as an operator has it, with another value for everything.
const WHOLE: &str = r#"
[LUNA_PASS]
env = "development"
host = "127.0.0.1"
port = 9000
logLevel = 2
[LUNA_PASS.JWT]
algorithm = "HS512"
key = "a key of our own"
[FACEENGINE]
sdkDataPath = "/fsdk/data"
[LIVENESS]
maxAttempts = 50
maxLivenessAttempts = 7
[LIVENESS.THRESHOLDS]
blur = 0.1
light = 0.2
dark = 0.3
illumination = 0.4
specularity = 0.55
ags = 0.6
frameMargin = 1
faceWidth = 2
faceHeight = 3
yaw = 4
pitch = 5
roll = 6
mouth = 0.7
glasses = ["GlassesEstimation.NoGlasses", "SunGlasses"]
livenessScore = 0.8
livenessQualityScore = 0.9
multifacePolicy = 2
[MIDDLEWARES.REQUEST.BasicAuth]
isEnabled = 1
args.username = "me"
args.password = "mine"
args.origin = "https://example.org"
[MIDDLEWARES.WS.FileLogger]
isEnabled = true
args.path = "/var/log/photos"
[MIDDLEWARES.WS.Bestshot]
isEnabled = 1
[MIDDLEWARES.WS.Luna3DescriptorQualityCheck]
isEnabled = 1
args = { connectionString = "http://luna:5000", authToken = "t", descriptorQualityThreshold = 0.75 }
[MIDDLEWARES.WS.AggregateLiveness]
isEnabled = 1
args.framesCount = 5
[MIDDLEWARES.WS.ActiveLiveness]
isEnabled = 1
[MIDDLEWARES.WS.ActiveLiveness.args]
cooldownFramesCount = 1
interactionsCount = 3
acceptOneEyed = 1
yawStartDeg = 11
yawThresholdDeg = 22
pitchStartDeg = 12
pitchThresholdDeg = 24
[MIDDLEWARES.WS.FaceMatcher]
isEnabled = 0
[MIDDLEWARES.WS.Result]
isEnabled = 0
[MIDDLEWARES.WS.VideoRedis]
isEnabled = 1
args.connectionString = "redis://:pass@redis:6379"
args.queueName = "video"
args.resultTtl = "10m"
args.failureTtl = "2w"
args.sessionTimeout = 30
args.workerTask = "task.keep"
args.framesLimit = 100
"#;

#[test]
fn every_setting_is_read() {
    let Loaded { settings, warnings } = Settings::read(WHOLE).unwrap();
    assert_eq!(warnings, ["[FACEENGINE] is ignored: the networks are those of `vision-service models`"]);
    let expected = Thresholds {
        multiface_policy: MultifacePolicy::Nearest,
        blur: 0.1,
        light: 0.2,
        dark: 0.3,
        illumination: 0.4,
        specularity: 0.55,
        frame_margin: 1.0,
        face_width: 2.0,
        face_height: 3.0,
        yaw: 4.0,
        pitch: 5.0,
        roll: 6.0,
        eyes: None,
        mouth: 0.7,
        glasses: vec![Glasses::NoGlasses, Glasses::SunGlasses],
        ags: 0.6,
        liveness_score: 0.8,
        liveness_quality_score: 0.9,
    };
    assert_eq!(settings.thresholds, expected);
    assert_eq!(settings.environment, Environment::Development);
    assert_eq!(settings.listener, Some(("127.0.0.1".into(), 9000)));
    assert_eq!((settings.log_level, settings.jwt.algorithm), (LogLevel::Debugging, Algorithm::Hs512));
    assert_eq!(settings.jwt.key.expose_secret(), "a key of our own");
    assert_eq!((settings.max_attempts, settings.max_liveness_attempts), (Some(50), Some(7)));

    let auth = settings.basic_auth.as_ref().unwrap();
    assert_eq!((auth.username.as_str(), auth.password.expose_secret()), ("me", "mine"));
    assert_eq!(auth.origin.as_deref(), Some("https://example.org"));
    assert_eq!(settings.plugin::<file_logger::Settings>().unwrap().path, Path::new("/var/log/photos"));
    assert!(settings.plugin::<bestshot::Settings>().is_some());
    assert!(settings.plugin::<face_matcher::Settings>().is_none());
    assert!(!settings.plugin::<result::Settings>().unwrap().is_enabled);
    let luna = settings.plugin::<descriptor_quality::Settings>().unwrap();
    assert_eq!(
        (luna.address.as_str(), luna.token.expose_secret(), luna.threshold),
        ("http://luna:5000", "t", Some(0.75))
    );
    assert_eq!(settings.plugin::<aggregate_liveness::Settings>().unwrap().frames, 5);
    let expected = active_liveness::Settings {
        cooldown_frames_count: 1,
        interactions_count: 3,
        accept_one_eyed: true,
        yaw_start_deg: 11.0,
        yaw_threshold_deg: 22.0,
        pitch_start_deg: 12.0,
        pitch_threshold_deg: 24.0,
        ..active_liveness::Settings::default()
    };
    assert_eq!(settings.plugin(), Some(&expected));
    let video = settings.plugin::<video_redis::Settings>().unwrap();
    assert_eq!(video.address.expose_secret(), "redis://:pass@redis:6379");
    assert_eq!((video.queue.as_str(), video.task.as_str(), video.frames_limit), ("video", "task.keep", Some(100)));
    let times = [video.result_ttl, video.failure_ttl, video.session_timeout].map(|time| time.as_secs());
    assert_eq!(times, [600, 14 * 24 * 3600, 30]);
}

#[test]
fn an_empty_file_has_the_manuals_defaults() {
    let Loaded { settings, warnings } = Settings::read("").unwrap();
    assert!(warnings.is_empty());
    assert_eq!((settings.environment, &settings.listener), (Environment::Production, &None));
    assert_eq!((settings.log_level, settings.jwt.algorithm), (LogLevel::Information, Algorithm::Hs256));
    assert!(settings.jwt.is_known_to_all());
    assert_eq!((settings.max_attempts, settings.max_liveness_attempts), (None, None));
    assert_eq!(settings.thresholds, Thresholds::default());
    assert!(settings.basic_auth.is_none());
    assert!(settings.plugin::<result::Settings>().unwrap().is_enabled);
    assert!(settings.plugin::<face_matcher::Settings>().is_some());
    assert_eq!(settings.plugins.len(), 3, "and evidence, where it is kept: {:?}", settings.plugins);
    assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));

    let enabled = "MIDDLEWARES.WS.VideoRedis.isEnabled = 1\nMIDDLEWARES.WS.AggregateLiveness.isEnabled = 1\n\
        MIDDLEWARES.WS.FileLogger.isEnabled = 1\nMIDDLEWARES.WS.Luna3DescriptorQualityCheck.isEnabled = 1\n\
        MIDDLEWARES.WS.ActiveLiveness.isEnabled = 1";
    let settings = Settings::read(enabled).unwrap().settings;
    let video = settings.plugin::<video_redis::Settings>().unwrap();
    assert_eq!(video.address.expose_secret(), "redis://127.0.0.1:6379");
    assert_eq!((video.queue.as_str(), video.task.as_str(), video.frames_limit), ("default", "task.run", None));
    assert_eq!(
        [video.result_ttl, video.failure_ttl, video.session_timeout],
        [Duration::from_secs(500), value::YEAR, Duration::from_secs(300)]
    );
    assert_eq!(settings.plugin::<aggregate_liveness::Settings>().unwrap().frames, 3);
    assert_eq!(settings.plugin::<file_logger::Settings>().unwrap().path, Path::new("./LOGS"));
    let luna = settings.plugin::<descriptor_quality::Settings>().unwrap();
    assert_eq!(
        (luna.address.as_str(), luna.token.expose_secret(), luna.threshold),
        ("http://127.0.0.1:5000", "", None)
    );
    assert_eq!(settings.plugin(), Some(&active_liveness::Settings::default()));
}

#[test]
fn spellings_do_not_matter() {
    let text = "[luna_pass]\nMAX_ATTEMPTS = \"-1\"\nmax_liveness_attempts = 3\n[middlewares.ws.aggregate_liveness]\n\
        is_enabled = \"true\"\nargs.frames_count = 4\n[LIVENESS.THRESHOLDS]\nglasses = \"EyeGlasses\"\nblur = \"0.5\"";
    let Loaded { settings, warnings } = Settings::read(text).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!((settings.max_attempts, settings.max_liveness_attempts), (None, Some(3)));
    assert_eq!(settings.plugin::<aggregate_liveness::Settings>().unwrap().frames, 4);
    assert_eq!((settings.thresholds.blur, settings.thresholds.glasses), (0.5, vec![Glasses::EyeGlasses]));
}

#[test]
fn what_is_not_known_is_said_and_what_is_switched_off_is_not() {
    let text = "[LIVENESS.THRESHOLDS]\nblurr = 0.5\n[MIDDLEWARES.WS.FileLogger]\nisEnabled = 0\nargs.colour = 1\n\
        [MIDDLEWARES.WS.Mine]\nisEnabled = 1";
    let warnings = Settings::read(text).unwrap().warnings;
    let expected = ["LIVENESS.THRESHOLDS.blurr", "MIDDLEWARES.WS.Mine.isEnabled"];
    assert_eq!(warnings, expected.map(|key| format!("{key} is not known and changes nothing")));
}

#[test]
fn every_mistake_is_told_at_once_by_its_name() {
    let text = "[LUNA_PASS]\nenv = \"test\"\nport = 70000\nlogLevel = 3\n[LUNA_PASS.JWT]\nalgorithm = \"none\"\n\
        [LIVENESS.THRESHOLDS]\nblur = 1.5\nyaw = \"left\"\nglasses = []\nmultifacePolicy = 3\n\
        [MIDDLEWARES.REQUEST.BasicAuth]\nisEnabled = 1\nargs.username = \"me\"\n\
        [MIDDLEWARES.WS.ActiveLiveness]\nisEnabled = 2\n[MIDDLEWARES.WS.VideoRedis]\nisEnabled = 1\nargs.resultTtl = \"soon\"";
    let Err(SettingsError::Values(mistakes)) = Settings::read(text) else { panic!("it has mistakes") };
    for (mistake, expected) in mistakes.iter().zip([
        "LUNA_PASS.port has to be a number from 0 to 65535",
        "LUNA_PASS.env has to be production or development",
        "LUNA_PASS.logLevel has to be 0, 1 or 2",
        "LUNA_PASS.JWT.algorithm has to be HS256",
        "LIVENESS.THRESHOLDS.blur has to be 0 to 1, not 1.5",
        "LIVENESS.THRESHOLDS.yaw has to be a number",
        "LIVENESS.THRESHOLDS.multifacePolicy has to be 0 (only one face)",
        "LIVENESS.THRESHOLDS.glasses has to be at least one of",
        "MIDDLEWARES.REQUEST.BasicAuth.args.password is missing",
        "MIDDLEWARES.WS.ActiveLiveness.isEnabled has to be 0, 1, true or false",
        "MIDDLEWARES.WS.VideoRedis.args.resultTtl has to be seconds",
    ]) {
        assert!(mistake.starts_with(expected), "{mistake:?} is not {expected:?}");
    }
    assert_eq!(mistakes.len(), 11, "{mistakes:?}");

    let angles = "[MIDDLEWARES.WS.ActiveLiveness]\nisEnabled = 1\nargs.yawStartDeg = 30";
    let error = Settings::read(angles).unwrap_err().to_string();
    assert!(error.contains("start angle of yaw"), "{error}");
    assert!(Settings::read("[LIVENESS").is_err());
}

#[test]
fn secrets_are_not_shown() {
    let settings = Settings::read(WHOLE).unwrap().settings;
    let shown = format!("{settings:?}");
    for secret in ["a key of our own", "mine", ":pass@"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

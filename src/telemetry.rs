//! Logs: tracing to standard error, with what GStreamer has to say bridged into it.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};
use crate::frame_door::settings::LogLevel;

/// Starts logging. `RUST_LOG` has the last word on what is written. `frame_door`: what its own file says of its part. A second
/// call changes nothing.
pub fn init(log: &Log, frame_door: Option<LogLevel>) {
    start(&directives(log, frame_door), log.format);
}

/// The same by the levels of LUNA PASS's files, for a program that has nothing else.
pub fn init_at(level: LogLevel) {
    let default = match level {
        LogLevel::Errors => "error",
        LogLevel::Information => "info",
        LogLevel::Debugging => "info,vision_service=debug",
    };
    start(default, LogFormat::default());
}

fn start(directives: &str, format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(directives));
    let registry = tracing_subscriber::registry().with(filter);
    let layer =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    // Fails only when a subscriber is set already, as in tests.
    let _ = match format {
        LogFormat::Text => registry.with(layer.with_target(false)).try_init(),
        LogFormat::Json => registry.with(layer.json()).try_init(),
    };
}

fn directives(log: &Log, frame_door: Option<LogLevel>) -> String {
    let default = if log.verbose { "info,vision_service=debug,vision_models=debug" } else { "info" };
    let frame_door = match frame_door {
        None => "",
        Some(LogLevel::Errors) => ",vision_service::frame_door=error",
        Some(LogLevel::Information) => ",vision_service::frame_door=info",
        Some(LogLevel::Debugging) => ",vision_service::frame_door=debug",
    };
    // ort tells about every node that it places, hyper about every connection: not what an operator asked for.
    format!("{default},ort=warn,hyper=warn,h2=warn{frame_door}")
}

/// Sends GStreamer's warnings and errors to tracing in place of standard error. `GST_DEBUG` still sets what GStreamer says.
pub fn bridge_gstreamer_log() {
    if std::env::var_os("GST_DEBUG").is_none() {
        gst::log::set_default_threshold(gst::DebugLevel::Error);
    }
    gst::log::remove_default_log_function();
    gst::log::add_log_function(|category, level, file, function, line, object, message| {
        let Some(text) = message.get() else { return };
        let object = object.map(ToString::to_string).unwrap_or_default();
        let (category, file) = (category.name(), file.as_str());
        match level {
            gst::DebugLevel::Error => {
                tracing::warn!(target: "gstreamer", category, object, "{text}");
            }
            gst::DebugLevel::Warning => tracing::info!(target: "gstreamer", category, object, "{text}"),
            gst::DebugLevel::Fixme | gst::DebugLevel::Info => {
                tracing::debug!(target: "gstreamer", category, object, "{text}");
            }
            _ => {
                tracing::trace!(target: "gstreamer", category, object, file, function = function.as_str(), line, "{text}")
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::Layer as _;

    use super::*;

    /// Which of an error, an information and a debugging line of the frame door are written.
    fn written(level: Option<LogLevel>) -> [bool; 3] {
        let filter = EnvFilter::new(directives(&Log::default(), level));
        let subscriber = tracing_subscriber::registry().with(tracing_subscriber::fmt::layer().with_filter(filter));
        tracing::subscriber::with_default(subscriber, || {
            const DOOR: &str = "vision_service::frame_door::socket";
            [
                tracing::enabled!(target: DOOR, tracing::Level::ERROR),
                tracing::enabled!(target: DOOR, tracing::Level::INFO),
                tracing::enabled!(target: DOOR, tracing::Level::DEBUG),
            ]
        })
    }

    #[test]
    fn the_frame_door_has_a_level_of_its_own() {
        assert_eq!(written(None), [true, true, false]);
        assert_eq!(written(Some(LogLevel::Errors)), [true, false, false]);
        assert_eq!(written(Some(LogLevel::Information)), [true, true, false]);
        assert_eq!(written(Some(LogLevel::Debugging)), [true, true, true]);
    }
}

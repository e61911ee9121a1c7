//! Logs: tracing to standard error, with what GStreamer has to say bridged into it.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};
use crate::frame_door::settings::LogLevel;

/// Starts logging. `RUST_LOG` has the last word on what is written. A second call changes nothing.
pub fn init(log: &Log) {
    let default = if log.verbose { "info,vision_service=debug,vision_models=debug" } else { "info" };
    start(default, log.format);
}

/// The same by the levels of LUNA PASS's files.
pub fn init_at(level: LogLevel) {
    let default = match level {
        LogLevel::Errors => "error",
        LogLevel::Information => "info",
        LogLevel::Debugging => "info,vision_service=debug",
    };
    start(default, LogFormat::default());
}

fn start(default: &str, format: LogFormat) {
    // ort tells about every node that it places, hyper about every connection: not what an operator asked for.
    let default = format!("{default},ort=warn,hyper=warn,h2=warn");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let registry = tracing_subscriber::registry().with(filter);
    let layer =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    // Fails only when a subscriber is set already, as in tests.
    let _ = match format {
        LogFormat::Text => registry.with(layer.with_target(false)).try_init(),
        LogFormat::Json => registry.with(layer.json()).try_init(),
    };
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

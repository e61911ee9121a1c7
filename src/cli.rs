//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::controller::server::ControllerArgs;
use crate::token::Algorithm;

/// Verifies, in a WebRTC video call, that a person is live and is who they claim to be.
///
/// A controller posts /join-call; the service joins the call, shows the subject what to do inside the video that it
/// sends back, decides liveness, compares the face with the controller's reference images, and calls success or failure.
#[derive(Parser)]
#[command(
    name = "vision-service",
    version,
    after_help = "\
Examples:
  vision-service serve --demo                        a page to try it with a webcam: /demo
  vision-service serve --set http.port=5001          any setting by its key
  PORT=5001 API_TOKEN=secret vision-service serve    or by its environment name
  vision-service analyze clip.mp4 --plot signals.svg what the networks see in a video
  vision-service pipelines                           the pipelines as text, for gst-launch-1.0
  vision-service match passport.jpg selfie.jpg       compare two faces"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Subcommand)]
pub enum Command {
    /// Run the service until SIGTERM or Ctrl-C.
    Serve {
        /// Serve /demo as well, and HTTPS with a self-signed certificate when there is none: phones refuse cameras over HTTP.
        #[arg(long)]
        demo: bool,
        /// Where settings come from.
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// One complete verification with no camera, browser or outside server: service, controller and a simulated subject.
    Demo {
        /// Folder for the contact sheet of what the subject saw.
        #[arg(long, default_value = "demo-out")]
        out: PathBuf,
        /// A room on a mediasoup server in place of the built-in one, e.g. ws://127.0.0.1:4443/?roomId=demo; who joins adds
        /// their peerId.
        #[arg(long, value_name = "URL")]
        room: Option<url::Url>,
        /// Where settings come from.
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// A controller for trying things out: serves a folder of reference images and prints the outcome of every flow.
    ///
    /// The token of a flow is the name of a file in the folder. Settings come from the environment: PUBLIC_BASE_URL (how
    /// the service reaches this controller), HOST, PORT.
    Controller(ControllerArgs),
    /// Which networks there are, which are in use, where they came from and under which licence.
    Models {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Where settings come from.
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Print the effective configuration, each value with its source, secrets hidden.
    Config {
        /// Print every setting with its names, default and explanation instead, as Markdown.
        #[arg(long)]
        reference: bool,
        /// Where settings come from.
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Run the networks over a video or picture: faces, angles, blendshapes, gestures.
    Analyze {
        /// Any file that GStreamer can decode.
        file: PathBuf,
        /// Print an object per frame and a summary, as JSON lines.
        #[arg(long)]
        json: bool,
        /// Draw the signals over time with the thresholds of the gestures.
        #[arg(long, value_name = "OUT.svg")]
        plot: Option<PathBuf>,
        /// Treat each picture alone, without tracking and smoothing.
        #[arg(long)]
        pictures: bool,
        /// Which gestures to look for: original, all, or ids separated by commas.
        #[arg(long, default_value = "original")]
        gestures: String,
        /// Where settings come from.
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// The pipelines of this service as text: lists them, prints one for a shell, or runs it.
    ///
    /// Values are set by element: `--set file.location=clip.mp4` sets a property, `--set window=fakesink` puts other
    /// elements in the place of one.
    Pipelines {
        /// Which; without it they are listed.
        name: Option<String>,
        /// A property of a named element, or other elements in its place; can be repeated.
        #[arg(long = "set", value_name = "ELEMENT[.PROPERTY]=VALUE", value_parser = pair)]
        set: Vec<(String, String)>,
        /// Run it here, without gst-launch-1.0 and GST_PLUGIN_PATH; the only way for a WebRTC call (loopback-call).
        #[arg(long)]
        run: bool,
        /// How long it runs at most.
        #[arg(long, requires = "run")]
        seconds: Option<f64>,
    },
    /// Compare the faces of two pictures.
    Match {
        /// A picture with one face.
        a: PathBuf,
        /// Another.
        b: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Where settings come from.
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Say whether a session's result (a JWT) is worth anything, and what it says. Fails when it is not.
    VerifyJwt {
        /// File with the token; - is standard input.
        token: PathBuf,
        /// File with the key: the shared one of an HMAC, otherwise the public one as PEM.
        #[arg(long, value_name = "FILE")]
        key_file: PathBuf,
        /// How it has to be signed: HS256, HS384, HS512, RS256, ES256 or EdDSA.
        #[arg(long, default_value = "HS256")]
        algorithm: Algorithm,
        /// Whom it has to be for.
        #[arg(long)]
        audience: Option<String>,
        /// Write the picture in it to this file.
        #[arg(long, value_name = "FILE")]
        bestshot: Option<PathBuf>,
    },
    /// Say whether a package of evidence is what the service signed, and unchanged since. Fails when it is not.
    VerifyEvidence {
        /// Folder with manifest.json, manifest.jws and the files that they name.
        folder: PathBuf,
        /// File with the key: the shared one of an HMAC, otherwise the public one as PEM.
        #[arg(long, value_name = "FILE")]
        key_file: PathBuf,
        /// How it has to be signed: HS256, HS384, HS512, RS256, ES256 or EdDSA.
        #[arg(long, default_value = "HS256")]
        algorithm: Algorithm,
    },
    /// Make videos of the frame door's sessions, whose frames are in Redis, until SIGTERM or Ctrl-C.
    ///
    /// Any number of workers can share a queue. One that is stopped finishes its job; the job of one that is killed is taken by
    /// another.
    Worker {
        /// File with its settings, such as lunapassvideo.config.toml.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// End when no job is due.
        #[arg(long)]
        once: bool,
        /// Jobs at a time; each takes a core.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=64))]
        concurrency: usize,
    },
}

/// Where settings come from; the first that says something decides: --set, environment, .env, --config, default.
#[derive(Args, Clone, Default)]
pub struct ConfigArgs {
    /// TOML file with settings.
    #[arg(long, value_name = "FILE", env = "VISION_CONFIG")]
    pub config: Option<PathBuf>,
    /// File with environment variables, read when it exists.
    #[arg(long, value_name = "FILE", default_value = ".env")]
    pub env_file: PathBuf,
    /// A setting by its key, for example --set http.port=5001; can be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE, for example http.port=5001")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl ConfigArgs {
    /// The layers, the command line's on top.
    pub fn layers(&self) -> Result<crate::config::Layers, crate::config::ConfigError> {
        let mut layers = crate::config::Layers::default().environment(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        );
        if self.env_file.exists() {
            layers = layers.env_file(&self.env_file)?;
        }
        if let Some(path) = &self.config {
            layers = layers.toml_file(path)?;
        }
        layers.command_line(self.set.iter().map(|(k, v)| (k.as_str(), v.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn settings_on_the_command_line() {
        let cli = Cli::parse_from(["x", "config", "--set", "http.port=1", "--set", "http.api_token=a=b"]);
        let Command::Config { config, .. } = cli.command else { panic!() };
        assert_eq!(config.set[1], ("http.api_token".into(), "a=b".into()));
        assert!(Cli::try_parse_from(["x", "config", "--set", "nonsense"]).is_err());
    }
}

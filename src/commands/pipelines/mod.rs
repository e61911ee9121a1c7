//! `vision-service pipelines`: the files of `pipelines/`, listed, printed with values filled in, or run.

mod loopback;
mod run;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::Config;
use crate::media::MediaError;
use crate::media::description::{DESCRIPTIONS, Description, DescriptionError};
use crate::subject::SubjectError;

/// The plug-in with our elements.
const PLUGIN: &str = "libgstvision.so";

/// What is asked for.
pub struct Arguments {
    /// Which; `None` lists them.
    pub name: Option<String>,
    /// `element.property=value` or `element=ELEMENTS`.
    pub set: Vec<(String, String)>,
    /// Runs it in this process.
    pub run: bool,
    /// For how long at most.
    pub seconds: Option<f64>,
}

/// Why it cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum PipelinesError {
    /// No such pipeline, or no such element in it.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// GStreamer lacks something.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The call of `loopback-call` fails.
    #[error(transparent)]
    Call(#[from] SubjectError),
    /// It fails while it runs.
    #[error("{0}")]
    Failed(String),
    /// The result cannot be written.
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

/// Lists, prints or runs.
pub async fn run(config: &Config, arguments: Arguments, out: &mut impl Write) -> Result<(), PipelinesError> {
    let Some(name) = &arguments.name else { return list(out) };
    let description = Description::find(name)?;
    let mut words = description.command()?;
    for (key, value) in &arguments.set {
        words.set(key, value)?;
    }
    if !arguments.run {
        let folder = plugin_folder();
        if folder.is_none() && std::env::var_os("GST_PLUGIN_PATH").is_none() {
            eprintln!(
                "# GST_PLUGIN_PATH has to name the folder with {PLUGIN} (`make build` puts it into target/release)"
            );
        }
        let path = folder.and_then(|folder| Some(shlex::try_quote(folder.to_str()?).ok()?.into_owned()));
        let path = path.map(|path| format!("GST_PLUGIN_PATH={path} ")).unwrap_or_default();
        writeln!(out, "{path}gst-launch-1.0 {words}")?;
        return Ok(());
    }
    crate::media::init()?;
    let limit = arguments.seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match description.name {
        "loopback-call" => loopback::run(config, &words, limit, out).await,
        _ => run::run(&words, limit, out).await,
    }
}

fn list(out: &mut impl Write) -> Result<(), PipelinesError> {
    let width = DESCRIPTIONS.iter().map(|description| description.name.len()).max().unwrap_or_default();
    for description in DESCRIPTIONS {
        writeln!(out, "{:width$}  {}", description.name, description.summary())?;
    }
    writeln!(out, "\n`vision-service pipelines NAME` prints its line for a shell, `--run` runs it here.")?;
    Ok(())
}

/// Where our plug-in lies: beside the program, as after a build. None where the caller has said it already.
fn plugin_folder() -> Option<PathBuf> {
    if std::env::var_os("GST_PLUGIN_PATH").is_some() {
        return None;
    }
    let folder = std::env::current_exe().ok()?.parent().map(Path::to_owned)?;
    folder.join(PLUGIN).is_file().then_some(folder)
}

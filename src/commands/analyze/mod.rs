//! `vision-service analyze FILE`: what the networks see in a video or picture, frame by frame.
//!
//! The same networks, tracking, gesture engine and liveness checks as in a call, on the unmirrored picture.

mod checks;
mod decode;
mod report;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use vision_core::face::FrameAnalysis;
use vision_core::gestures::{Gesture, GestureError, GestureLibrary, GestureWatch, ORIGINAL_GESTURES, Signals};
use vision_models::landmarker::{Landmarker, LandmarkerError, Tracker, TrackerOptions};
use vision_models::manifest::{ManifestError, ModelFolder};
use vision_models::runtime::{Runtime, RuntimeError};

use self::checks::{Checks, ChecksError};
use self::decode::{DecodeError, Frames};
use self::report::{FrameReport, Signal, Summary};
use crate::config::Config;

/// Options of the command line.
pub struct Arguments {
    /// The video or picture.
    pub file: PathBuf,
    /// JSON lines.
    pub json: bool,
    /// Where to draw the signals.
    pub plot: Option<PathBuf>,
    /// Each picture alone.
    pub pictures: bool,
    /// `original`, `all`, or ids separated by commas.
    pub gestures: String,
}

/// Why a file cannot be analysed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // most wrap the error of the part that they name
pub enum AnalyzeError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Landmarker(#[from] LandmarkerError),
    #[error(transparent)]
    Checks(#[from] ChecksError),
    #[error(transparent)]
    Gestures(#[from] GestureError),
    #[error("there is no gesture `{0}`; known are {1}")]
    UnknownGesture(String, String),
    #[error("GStreamer cannot be used: {0}")]
    GStreamer(#[from] gst::glib::Error),
    #[error("cannot write {0}: {1}")]
    Plot(PathBuf, std::io::Error),
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

/// Analyses the file and prints what is seen.
pub fn run(config: &Config, arguments: Arguments, out: &mut impl Write) -> Result<(), AnalyzeError> {
    gst::init()?;
    crate::telemetry::bridge_gstreamer_log();
    let library = GestureLibrary::load(&config.challenge.folders)?;
    let gestures = choose(&library, &arguments.gestures)?;
    let folder = ModelFolder::find(config.analysis.models_folder.as_deref())?;
    let runtime = Runtime::open(&folder, &config.analysis.runtime)?;
    let mut landmarker = Landmarker::load(&runtime, &folder)?;
    let mut tracker = Tracker::new(TrackerOptions { face_count_interval: Some(config.analysis.face_count_interval) });

    // The gesture engine counts from instants; the file's time is added to this one.
    let begin = Instant::now();
    let mut watch = GestureWatch::new(gestures.iter().cloned(), begin);
    let mut signals = Signal::of_gestures(&gestures);
    let mut checks = Checks::new(&runtime, &folder)?;
    let mut summary = Summary::new(&arguments.file, runtime.provider().name());
    let mut frames = Frames::open(&arguments.file, arguments.pictures)?;
    let mut progress = Progress::new(!arguments.json);
    while let Some((picture, pts)) = frames.next()? {
        let view = picture.view();
        let analysis = if arguments.pictures {
            let mut faces = landmarker.picture(&view, vision_models::landmarker::MAX_FACES)?;
            let face_count = faces.len();
            let face = (face_count > 0).then(|| faces.swap_remove(0));
            FrameAnalysis { face, face_count, width: view.width(), height: view.height() }
        } else {
            landmarker.frame(&mut tracker, &view, pts)?
        };
        let seen = analysis.face.as_ref().map(|face| Signals::of(face, false));
        let completed = seen.as_ref().map(|s| watch.update(s, begin + pts)).unwrap_or_default();
        for signal in &mut signals {
            signal.record(pts, seen.as_ref(), &completed);
        }
        let mut report = FrameReport::new(summary.frames, pts, &analysis, &config.position, &completed);
        if arguments.pictures {
            if let Some(face) = &analysis.face {
                report.quality = checks.quality(&view, face)?;
            }
        } else {
            report.quality = checks.frame(&view, &analysis, pts)?;
            report.checks = checks.findings();
        }
        if arguments.json {
            serde_json::to_writer(&mut *out, &report).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
        summary.add(pts, &analysis, &completed);
        progress.frame(summary.frames, pts);
    }
    progress.end();
    if !arguments.pictures {
        summary.checks = checks.findings();
    }
    if let Some(path) = &arguments.plot {
        let title = format!("{}: signals of {} gestures", summary.file, gestures.len());
        std::fs::write(path, Signal::plot(&title, signals, checks.series()))
            .map_err(|e| AnalyzeError::Plot(path.clone(), e))?;
    }
    summary.print(arguments.json, out)?;
    Ok(())
}

fn choose(library: &GestureLibrary, names: &str) -> Result<Vec<std::sync::Arc<Gesture>>, AnalyzeError> {
    let ids: Vec<&str> = match names {
        "original" => ORIGINAL_GESTURES.to_vec(),
        "all" => return Ok(library.iter().cloned().collect()),
        ids => ids.split(',').map(str::trim).filter(|id| !id.is_empty()).collect(),
    };
    let known = || library.iter().map(|g| g.id.as_str()).collect::<Vec<_>>().join(", ");
    let find = |id: &str| library.get(id).cloned().ok_or_else(|| AnalyzeError::UnknownGesture(id.into(), known()));
    ids.into_iter().map(find).collect()
}

/// A line on a terminal that says how far it is.
struct Progress {
    shown: bool,
    last: Instant,
}

impl Progress {
    fn new(wanted: bool) -> Self {
        use std::io::IsTerminal;
        Self { shown: wanted && std::io::stderr().is_terminal(), last: Instant::now() }
    }

    fn frame(&mut self, frames: usize, pts: Duration) {
        if self.shown && self.last.elapsed() > Duration::from_millis(200) {
            self.last = Instant::now();
            eprint!("\r{frames} frames, {:.1} s", pts.as_secs_f32());
        }
    }

    fn end(&self) {
        if self.shown {
            eprint!("\r{:40}\r", "");
        }
    }
}

//! What `analyze` prints and draws.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use vision_core::face::{Angles, BLENDSHAPE_NAMES, FrameAnalysis};
use vision_core::gestures::definition::Condition;
use vision_core::gestures::{Gesture, Signals, signal};
use vision_core::liveness::{Check, Finding};
use vision_core::plot::{self, Event, Series, Threshold};
use vision_core::position::{PositionLimits, Warning};

use super::checks::QualityReport;

/// One frame. Coordinates are normalised by the picture's width and height, angles are radians.
#[derive(Serialize)]
pub struct FrameReport {
    frame: usize,
    pts_ms: u64,
    faces: usize,
    #[serde(rename = "box")]
    bounding_box: Option<BoxReport>,
    presence: Option<f32>,
    yaw: Option<f32>,
    pitch: Option<f32>,
    roll: Option<f32>,
    blendshapes: Option<BTreeMap<&'static str, f32>>,
    warnings: Vec<&'static str>,
    /// How good the picture of the face is.
    pub quality: Option<QualityReport>,
    /// What the liveness checks have found up to this frame.
    pub checks: BTreeMap<Check, Finding>,
    gestures_completed: Vec<String>,
}

#[derive(Serialize)]
struct BoxReport {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
}

impl FrameReport {
    /// Of one analysed frame.
    pub fn new(
        frame: usize,
        pts: Duration,
        analysis: &FrameAnalysis,
        limits: &PositionLimits,
        completed: &[Arc<Gesture>],
    ) -> Self {
        let face = analysis.face.as_ref();
        let angles: Option<Angles> = face.map(|f| f.angles());
        let several = (analysis.face_count > 1).then_some(Warning::SeveralFaces);
        let position = face.map_or(Some(Warning::NoFace), |f| limits.check(f));
        Self {
            frame,
            pts_ms: pts.as_millis() as u64,
            faces: analysis.face_count,
            bounding_box: face.map(|f| f.bounding_box()).map(|b| BoxReport {
                x: b.x,
                y: b.y,
                width: b.width,
                height: b.height,
            }),
            presence: face.map(|f| f.presence),
            yaw: angles.map(|a| a.yaw),
            pitch: angles.map(|a| a.pitch),
            roll: angles.map(|a| a.roll),
            blendshapes: face.map(|f| BLENDSHAPE_NAMES.into_iter().zip(f.blendshapes).collect()),
            quality: None,
            checks: BTreeMap::new(),
            warnings: several.into_iter().chain(position).map(Warning::code).collect(),
            gestures_completed: completed.iter().map(|g| g.id.clone()).collect(),
        }
    }
}

/// The whole file.
#[derive(Serialize)]
pub struct Summary {
    /// Its name, without folders.
    pub file: String,
    provider: &'static str,
    /// Frames so far.
    pub frames: usize,
    frames_with_face: usize,
    most_faces: usize,
    duration_ms: u64,
    width: usize,
    height: usize,
    gestures: BTreeMap<String, usize>,
    /// What the liveness checks have found.
    pub checks: BTreeMap<Check, Finding>,
}

impl Summary {
    /// Before the first frame.
    pub fn new(file: &Path, provider: &'static str) -> Self {
        Self {
            file: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            provider,
            frames: 0,
            frames_with_face: 0,
            most_faces: 0,
            duration_ms: 0,
            width: 0,
            height: 0,
            gestures: BTreeMap::new(),
            checks: BTreeMap::new(),
        }
    }

    /// Another frame.
    pub fn add(&mut self, pts: Duration, analysis: &FrameAnalysis, completed: &[Arc<Gesture>]) {
        self.frames += 1;
        self.frames_with_face += usize::from(analysis.face.is_some());
        self.most_faces = self.most_faces.max(analysis.face_count);
        self.duration_ms = pts.as_millis() as u64;
        (self.width, self.height) = (analysis.width, analysis.height);
        for gesture in completed {
            *self.gestures.entry(gesture.id.clone()).or_default() += 1;
        }
    }

    /// The last object, or the same for people.
    pub fn print(&self, json: bool, out: &mut impl Write) -> std::io::Result<()> {
        if json {
            serde_json::to_writer(&mut *out, &BTreeMap::from([("summary", self)]))?;
            return writeln!(out);
        }
        let Self { file, frames, frames_with_face, most_faces, width, height, provider, .. } = self;
        writeln!(out, "{file}: {frames} frames of {width}x{height}, {:.1} s", self.duration_ms as f64 / 1000.0)?;
        writeln!(out, "a face in {frames_with_face} of them, at most {most_faces} at once (networks on {provider})")?;
        for (gesture, count) in &self.gestures {
            writeln!(out, "{gesture}: completed {count} times")?;
        }
        if self.gestures.is_empty() {
            writeln!(out, "no gesture was completed")?;
        }
        for (check, finding) in &self.checks {
            let score = finding.score.map_or_else(|| "no score".to_owned(), |score| format!("score {score:.2}"));
            writeln!(out, "{}: {}, {score}", check.as_str(), finding.verdict.as_str())?;
        }
        Ok(())
    }
}

/// A signal over time, with the gestures that watch it.
pub struct Signal {
    signal: signal::Signal,
    gestures: Vec<Arc<Gesture>>,
    points: Vec<(f64, f64)>,
    events: Vec<Event>,
}

impl Signal {
    /// The signals that these gestures watch, each once.
    pub fn of_gestures(gestures: &[Arc<Gesture>]) -> Vec<Self> {
        let mut signals: Vec<Self> = Vec::new();
        for gesture in gestures {
            match signals.iter_mut().find(|s| s.signal == gesture.signal) {
                Some(known) => known.gestures.push(gesture.clone()),
                None => signals.push(Self {
                    signal: gesture.signal,
                    gestures: vec![gesture.clone()],
                    points: Vec::new(),
                    events: Vec::new(),
                }),
            }
        }
        signals
    }

    /// Another frame.
    pub fn record(&mut self, pts: Duration, seen: Option<&Signals>, completed: &[Arc<Gesture>]) {
        let ms = pts.as_secs_f64() * 1000.0;
        if let Some(seen) = seen {
            self.points.push((ms, f64::from(seen.get(self.signal))));
        }
        for gesture in completed.iter().filter(|g| g.signal == self.signal) {
            self.events.push(Event { ms, label: gesture.id.clone() });
        }
    }

    /// All of them as SVG, and what else there is.
    pub fn plot(title: &str, signals: Vec<Self>, more: impl Iterator<Item = Series>) -> String {
        let series: Vec<_> = signals
            .into_iter()
            .map(|s| Series {
                name: s.signal.key().to_owned(),
                thresholds: s.gestures.iter().flat_map(|g| thresholds(g)).collect(),
                points: s.points,
                events: s.events,
            })
            .chain(more)
            .collect();
        plot::svg(title, &series)
    }
}

fn thresholds(gesture: &Gesture) -> Vec<Threshold> {
    let line = |value, sign: &str| Threshold { value, label: format!("{} {sign}{value}", gesture.id) };
    let steps = gesture.steps.iter().flat_map(|step| match step.condition {
        Condition::Higher(value) => vec![line(value, ">")],
        Condition::Lower(value) => vec![line(value, "<")],
        Condition::Range { min, max, .. } => vec![line(min, "≥"), line(max, "≤")],
    });
    let mut lines: Vec<Threshold> = Vec::new();
    for step in steps {
        if lines.iter().all(|known| known.label != step.label) {
            lines.push(step);
        }
    }
    lines
}

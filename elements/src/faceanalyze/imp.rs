use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use glib::prelude::*;
use glib::subclass::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use vision_core::picture::PictureView;
use vision_models::landmarker::{Landmarker, LandmarkerError, MAX_FACES, Tracker};

use super::Mode;
use crate::inference::{ModelSettings, OpenError};
use crate::lock;
use crate::meta::{FaceMeta, Faces, Outputs};
use crate::video::{self, Watch};

const DEFAULT_INTERVAL: gst::ClockTime = gst::ClockTime::ZERO;
const DEFAULT_MAX_FACES: u32 = 1;

#[derive(Clone, Debug)]
struct Settings {
    models: ModelSettings,
    mode: Mode,
    interval: gst::ClockTime,
    max_faces: u32,
    outputs: Outputs,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            models: ModelSettings::default(),
            mode: Mode::default(),
            interval: DEFAULT_INTERVAL,
            max_faces: DEFAULT_MAX_FACES,
            outputs: Outputs::default(),
        }
    }
}

/// What belongs to the streaming thread.
#[derive(Default)]
struct State {
    landmarker: Option<Landmarker>,
    tracker: Tracker,
    watch: Watch,
    /// As said last on the bus.
    face_count: usize,
}

#[derive(Default)]
pub struct FaceAnalyze {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    /// Frames up to this running time are late, by the last QoS event. Not in the state: that one is locked during an
    /// analysis, and the event comes from another thread.
    late_until: Mutex<Option<gst::ClockTime>>,
    analysed: AtomicU64,
    dropped: AtomicU64,
}

static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("faceanalyze", gst::DebugColorFlags::empty(), Some("Face analysis")));

impl FaceAnalyze {
    /// The face is somewhere else now, and so is the time.
    fn look_anew(&self) {
        let mut state = lock(&self.state);
        state.tracker.reset();
        state.watch.restart();
        *lock(&self.late_until) = None;
    }

    /// What the picture shows and how many faces there were before, if it is one to be analysed.
    fn look(&self, buffer: &gst::BufferRef) -> Result<Option<(Faces, usize)>, gst::FlowError> {
        let settings = lock(&self.settings).clone();
        let state = &mut *lock(&self.state);
        let now = state.watch.tick(&*self.obj(), buffer);
        if !state.watch.is_due(settings.interval, buffer) {
            return Ok(None);
        }
        if lock(&self.late_until).is_some_and(|late_until| now <= late_until) {
            gst::debug!(CAT, imp = self, "late, not analysed: {now}");
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return Ok(None);
        }
        let State { landmarker: Some(landmarker), tracker, watch, face_count } = state else {
            return Err(gst::FlowError::Flushing);
        };
        let seen = watch
            .with_picture(buffer, |picture| analyse(landmarker, tracker, &settings, picture, now))
            .map_err(|error| self.fail(&error))?
            .map_err(|error| self.fail(&error))?;
        watch.looked(settings.interval);
        self.analysed.fetch_add(1, Ordering::Relaxed);
        let previous = std::mem::replace(face_count, seen.face_count);
        Ok(Some((seen, previous)))
    }

    /// Says on the bus why the stream ends here.
    fn fail(&self, error: &dyn std::error::Error) -> gst::FlowError {
        gst::element_imp_error!(self, gst::StreamError::Failed, ["{error}"]);
        gst::FlowError::Error
    }
}

/// What a picture shows.
fn analyse(
    landmarker: &mut Landmarker,
    tracker: &mut Tracker,
    settings: &Settings,
    picture: &PictureView<'_>,
    now: gst::ClockTime,
) -> Result<Faces, LandmarkerError> {
    landmarker.set_blendshapes(settings.outputs.blendshapes);
    let (faces, face_count) = match settings.mode {
        Mode::Stream => {
            let analysis = landmarker.frame(tracker, picture, Duration::from_nanos(now.nseconds()))?;
            (analysis.face.into_iter().collect(), analysis.face_count)
        }
        Mode::Picture => {
            let faces = landmarker.picture(picture, settings.max_faces as usize)?;
            let count = faces.len();
            (faces, count)
        }
    };
    Ok(Faces { faces, face_count, width: picture.width(), height: picture.height(), outputs: settings.outputs })
}

#[glib::object_subclass]
impl ObjectSubclass for FaceAnalyze {
    const NAME: &'static str = "GstVisionFaceAnalyze";
    type Type = super::FaceAnalyze;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for FaceAnalyze {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut properties = ModelSettings::properties();
            properties.extend([
                glib::ParamSpecEnum::builder::<Mode>("mode")
                    .nick("Mode")
                    .blurb("Whether frames follow each other or are pictures by themselves")
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt64::builder("interval")
                    .nick("Interval")
                    .blurb("Least time from one analysis to the next in nanoseconds (0: every frame)")
                    .default_value(DEFAULT_INTERVAL.nseconds())
                    .maximum(i64::MAX as u64)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt::builder("max-faces")
                    .nick("Most faces")
                    .blurb("How many faces are analysed in mode=picture, best first (mode=stream: one)")
                    .minimum(1)
                    .maximum(MAX_FACES as u32)
                    .default_value(DEFAULT_MAX_FACES)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecBoolean::builder("landmarks")
                    .nick("Landmarks")
                    .blurb("Attach the 478 points of the mesh for readers in other languages")
                    .default_value(true)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecBoolean::builder("blendshapes")
                    .nick("Blendshapes")
                    .blurb("Compute and attach the 52 blendshape scores (a fifth of the time)")
                    .default_value(true)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                    .nick("Statistics")
                    .blurb(
                        "Frames since the start: analysed, dropped (not analysed because late; they pass all the same)",
                    )
                    .read_only()
                    .build(),
            ]);
            properties
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        match pspec.name() {
            "mode" => settings.mode = value.get().expect("type checked upstream"),
            "interval" => {
                settings.interval = gst::ClockTime::from_nseconds(value.get().expect("type checked upstream"));
            }
            "max-faces" => settings.max_faces = value.get().expect("type checked upstream"),
            "landmarks" => settings.outputs.landmarks = value.get().expect("type checked upstream"),
            "blendshapes" => settings.outputs.blendshapes = value.get().expect("type checked upstream"),
            name => {
                if !settings.models.set(name, value) {
                    unreachable!("no property {name}");
                }
            }
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = lock(&self.settings);
        match pspec.name() {
            "mode" => settings.mode.to_value(),
            "interval" => settings.interval.nseconds().to_value(),
            "max-faces" => settings.max_faces.to_value(),
            "landmarks" => settings.outputs.landmarks.to_value(),
            "blendshapes" => settings.outputs.blendshapes.to_value(),
            "stats" => gst::Structure::builder("faceanalyze")
                .field("analysed", self.analysed.load(Ordering::Relaxed))
                .field("dropped", self.dropped.load(Ordering::Relaxed))
                .build()
                .to_value(),
            name => settings.models.get(name).unwrap_or_else(|| unreachable!("no property {name}")),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        // A gap stays one.
        self.obj().set_gap_aware(true);
    }
}

impl GstObjectImpl for FaceAnalyze {}

impl ElementImpl for FaceAnalyze {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Face analysis",
                "Filter/Analyzer/Video",
                "Finds faces and attaches their box, angles, mesh and blendshapes to the picture",
                "The vision-service developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(video::pad_templates);
        &TEMPLATES
    }
}

impl BaseTransformImpl for FaceAnalyze {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let (folder, runtime) = settings.models.open()?;
        let mut landmarker = Landmarker::load(&runtime, &folder).map_err(OpenError::from)?;
        landmarker.warm_up().map_err(OpenError::from)?;
        gst::info!(CAT, imp = self, "models of {}, device {}", folder.path().display(), runtime.provider());
        *lock(&self.state) = State { landmarker: Some(landmarker), ..State::default() };
        *lock(&self.late_until) = None;
        self.analysed.store(0, Ordering::Relaxed);
        self.dropped.store(0, Ordering::Relaxed);
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.state) = State::default();
        Ok(())
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        lock(&self.state).watch.set_caps(incaps, *CAT)
    }

    fn propose_allocation(
        &self,
        _decide_query: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        video::propose_allocation(&*self.obj(), query, *CAT)
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if matches!(event.view(), gst::EventView::FlushStop(_) | gst::EventView::Segment(_)) {
            self.look_anew();
        }
        self.parent_sink_event(event)
    }

    fn src_event(&self, event: gst::Event) -> bool {
        if let gst::EventView::Qos(qos) = event.view() {
            let (_, _, lateness, timestamp) = qos.get();
            let lateness =
                u64::try_from(lateness).ok().filter(|lateness| *lateness > 0).map(gst::ClockTime::from_nseconds);
            *lock(&self.late_until) =
                timestamp.zip(lateness).and_then(|(timestamp, lateness)| timestamp.checked_add(lateness));
        }
        self.parent_src_event(event)
    }

    fn transform_ip(&self, buffer: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some((seen, previous)) = self.look(buffer)? else { return Ok(gst::FlowSuccess::Ok) };
        let count = seen.face_count;
        FaceMeta::attach(buffer, Arc::new(seen));
        if count != previous {
            gst::info!(CAT, imp = self, "{count} faces, before {previous}");
            let message =
                gst::Structure::builder("face-count").field("count", count as u32).field("previous", previous as u32);
            video::post(&*self.obj(), message, buffer);
        }
        Ok(gst::FlowSuccess::Ok)
    }
}

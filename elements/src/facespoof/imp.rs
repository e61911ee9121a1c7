use std::sync::{Arc, LazyLock, Mutex};

use glib::prelude::*;
use glib::subclass::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use vision_models::antispoof::{Antispoof, MODEL};

use crate::inference::{ModelSettings, OpenError};
use crate::lock;
use crate::meta::{FaceMeta, FaceSpoof as Score, SpoofMeta};
use crate::video::{self, Watch};

const DEFAULT_INTERVAL: gst::ClockTime = gst::ClockTime::SECOND;

#[derive(Clone, Debug)]
struct Settings {
    models: ModelSettings,
    interval: gst::ClockTime,
}

impl Default for Settings {
    fn default() -> Self {
        Self { models: ModelSettings::default(), interval: DEFAULT_INTERVAL }
    }
}

/// What belongs to the streaming thread.
#[derive(Default)]
struct State {
    antispoof: Option<Antispoof>,
    watch: Watch,
}

#[derive(Default)]
pub struct FaceSpoof {
    settings: Mutex<Settings>,
    state: Mutex<State>,
}

static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("facespoof", gst::DebugColorFlags::empty(), Some("Anti-spoof score")));

impl FaceSpoof {
    /// The score of the face in the picture, if there is one and it is due.
    fn look(&self, buffer: &gst::BufferRef) -> Result<Option<f32>, gst::FlowError> {
        let interval = lock(&self.settings).interval;
        let State { antispoof, watch } = &mut *lock(&self.state);
        watch.tick(&*self.obj(), buffer);
        let seen = FaceMeta::of(buffer).filter(|_| watch.is_due(interval, buffer));
        let (Some(face), Some(antispoof)) = (seen.as_ref().and_then(|seen| seen.first()), antispoof) else {
            return Ok(None);
        };
        let scored = watch.with_picture(buffer, |picture| antispoof.score(picture, face));
        let score = scored.map_err(|error| self.fail(&error))?.map_err(|error| self.fail(&error))?;
        watch.looked(interval);
        Ok(Some(score))
    }

    /// Says on the bus why the stream ends here.
    fn fail(&self, error: &dyn std::error::Error) -> gst::FlowError {
        gst::element_imp_error!(self, gst::StreamError::Failed, ["{error}"]);
        gst::FlowError::Error
    }
}

#[glib::object_subclass]
impl ObjectSubclass for FaceSpoof {
    const NAME: &'static str = "GstVisionFaceSpoof";
    type Type = super::FaceSpoof;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for FaceSpoof {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut properties = ModelSettings::properties();
            properties.extend([glib::ParamSpecUInt64::builder("interval")
                .nick("Interval")
                .blurb("Least time from one score to the next in nanoseconds (0: every analysed face)")
                .default_value(DEFAULT_INTERVAL.nseconds())
                .maximum(i64::MAX as u64)
                .mutable_playing()
                .build()]);
            properties
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        match pspec.name() {
            "interval" => {
                settings.interval = gst::ClockTime::from_nseconds(value.get().expect("type checked upstream"));
            }
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
            "interval" => settings.interval.nseconds().to_value(),
            name => settings.models.get(name).unwrap_or_else(|| unreachable!("no property {name}")),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        // A gap stays one.
        self.obj().set_gap_aware(true);
    }
}

impl GstObjectImpl for FaceSpoof {}

impl ElementImpl for FaceSpoof {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Anti-spoof score",
                "Filter/Analyzer/Video",
                "Says whether the face that faceanalyze found is skin or a picture of skin",
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

impl BaseTransformImpl for FaceSpoof {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let (folder, runtime) = settings.models.open()?;
        let antispoof = Antispoof::load(&runtime, &folder).map_err(OpenError::from)?;
        gst::info!(CAT, imp = self, "network {MODEL}, device {}", runtime.provider());
        *lock(&self.state) = State { antispoof: Some(antispoof), ..State::default() };
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
            lock(&self.state).watch.restart();
        }
        self.parent_sink_event(event)
    }

    fn transform_ip(&self, buffer: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some(score) = self.look(buffer)? else { return Ok(gst::FlowSuccess::Ok) };
        SpoofMeta::attach(buffer, Arc::new(Score { model: MODEL, score }));
        let message = gst::Structure::builder("face-spoof").field("model", MODEL).field("score", score);
        video::post(&*self.obj(), message, buffer);
        Ok(gst::FlowSuccess::Ok)
    }
}

use std::sync::{Arc, LazyLock, Mutex};

use glib::prelude::*;
use glib::subclass::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use vision_models::embedding::{Embedder, Embedding, EmbeddingError};

use crate::inference::{ModelSettings, OpenError};
use crate::lock;
use crate::meta::{EmbeddingMeta, FaceEmbedding, FaceMeta};
use crate::video::{self, Watch};

const DEFAULT_INTERVAL: gst::ClockTime = gst::ClockTime::SECOND;

#[derive(Clone, Debug)]
struct Settings {
    models: ModelSettings,
    /// `None`: the preferred one of those that are there.
    model: Option<String>,
    interval: gst::ClockTime,
}

impl Default for Settings {
    fn default() -> Self {
        Self { models: ModelSettings::default(), model: None, interval: DEFAULT_INTERVAL }
    }
}

/// What belongs to the streaming thread.
#[derive(Default)]
struct State {
    embedder: Option<Embedder>,
    watch: Watch,
}

#[derive(Default)]
pub struct FaceEmbed {
    settings: Mutex<Settings>,
    state: Mutex<State>,
}

static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("faceembed", gst::DebugColorFlags::empty(), Some("Face embedding")));

impl FaceEmbed {
    /// The vector of the face in the picture, if there is one and it is due.
    fn look(&self, buffer: &gst::BufferRef) -> Result<Option<Embedding>, gst::FlowError> {
        let interval = lock(&self.settings).interval;
        let State { embedder, watch } = &mut *lock(&self.state);
        watch.tick(&*self.obj(), buffer);
        let seen = FaceMeta::of(buffer).filter(|_| watch.is_due(interval, buffer));
        let (Some(face), Some(embedder)) = (seen.as_ref().and_then(|seen| seen.first()), embedder) else {
            return Ok(None);
        };
        let embedded = watch.with_picture(buffer, |picture| embedder.embed(picture, face));
        match embedded.map_err(|error| self.fail(&error))? {
            Ok(embedding) => {
                watch.looked(interval);
                Ok(Some(embedding))
            }
            Err(error @ EmbeddingError::Degenerate(_)) => {
                gst::warning!(CAT, imp = self, "{error}");
                Ok(None)
            }
            Err(error) => Err(self.fail(&error)),
        }
    }

    /// Says on the bus why the stream ends here.
    fn fail(&self, error: &dyn std::error::Error) -> gst::FlowError {
        gst::element_imp_error!(self, gst::StreamError::Failed, ["{error}"]);
        gst::FlowError::Error
    }
}

#[glib::object_subclass]
impl ObjectSubclass for FaceEmbed {
    const NAME: &'static str = "GstVisionFaceEmbed";
    type Type = super::FaceEmbed;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for FaceEmbed {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut properties = ModelSettings::properties();
            properties.extend([
                glib::ParamSpecString::builder("model")
                    .nick("Model")
                    .blurb(
                        "Id of the embedding network in the models' manifest (null: the preferred one that is there)",
                    )
                    .mutable_ready()
                    .build(),
                glib::ParamSpecUInt64::builder("interval")
                    .nick("Interval")
                    .blurb("Least time from one vector to the next in nanoseconds (0: every analysed face)")
                    .default_value(DEFAULT_INTERVAL.nseconds())
                    .maximum(i64::MAX as u64)
                    .mutable_playing()
                    .build(),
            ]);
            properties
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        match pspec.name() {
            "model" => settings.model = value.get().expect("type checked upstream"),
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
            "model" => settings.model.to_value(),
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

impl GstObjectImpl for FaceEmbed {}

impl ElementImpl for FaceEmbed {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Face embedding",
                "Filter/Analyzer/Video",
                "Turns the face that faceanalyze found into a vector and attaches it to the picture",
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

impl BaseTransformImpl for FaceEmbed {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let (folder, runtime) = settings.models.open()?;
        let model = match &settings.model {
            Some(id) => folder.resolve(id).map_err(OpenError::from)?,
            None => {
                let mut present = folder.embeddings().into_iter();
                present.next().ok_or_else(|| OpenError::NoEmbedding(folder.path().display().to_string()))?
            }
        };
        let embedder = Embedder::load(&runtime, &model).map_err(OpenError::from)?;
        gst::info!(CAT, imp = self, "network {}, device {}", embedder.model(), runtime.provider());
        *lock(&self.state) = State { embedder: Some(embedder), ..State::default() };
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
        let Some(embedding) = self.look(buffer)? else { return Ok(gst::FlowSuccess::Ok) };
        let message = gst::Structure::builder("face-embedding")
            .field("model", embedding.model())
            .field("dimensions", embedding.values().len() as u32);
        EmbeddingMeta::attach(buffer, Arc::new(FaceEmbedding { embedding }));
        video::post(&*self.obj(), message, buffer);
        Ok(gst::FlowSuccess::Ok)
    }
}

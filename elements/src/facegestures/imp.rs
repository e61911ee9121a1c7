use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use glib::prelude::*;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::subclass::prelude::*;
use vision_core::challenge::{ChallengeError, ChallengePool};
use vision_core::gestures::{Gesture, GestureError, GestureLibrary, GestureSequence, Happening, OnTimeout, Signals};

use super::state::{GestureMeta, GestureState};
use crate::lock;
use crate::meta::FaceMeta;
use crate::video::{post, running_time};

const DEFAULT_GESTURES: &str = "blink,smile,openCloseMouth";
const DEFAULT_COUNT: u32 = 0;

/// Which gesture comes when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstVisionGestureOrder")]
pub enum Order {
    /// As they are listed.
    #[default]
    #[enum_value(name = "As they are listed", nick = "given")]
    Given,
    /// Drawn at random.
    #[enum_value(name = "Drawn at random, each at most once", nick = "random")]
    Random,
}

/// What follows when a gesture's time is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstVisionGestureTimeout")]
pub enum Timeout {
    /// The challenge has failed.
    #[default]
    #[enum_value(name = "The challenge has failed and is over", nick = "fail")]
    Fail,
    /// The next gesture.
    #[enum_value(name = "The next gesture is asked for, the challenge will have failed", nick = "next")]
    Next,
    /// Nothing.
    #[enum_value(name = "Nothing: gestures have no time limit", nick = "wait")]
    Wait,
}

#[derive(Clone, Debug)]
struct Settings {
    gestures: String,
    folder: Option<String>,
    order: Order,
    /// 0: all.
    count: u32,
    mirrored: bool,
    on_timeout: Timeout,
    repeat: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gestures: DEFAULT_GESTURES.to_owned(),
            folder: None,
            order: Order::default(),
            count: DEFAULT_COUNT,
            mirrored: false,
            on_timeout: Timeout::default(),
            repeat: false,
        }
    }
}

struct State {
    pool: ChallengePool,
    /// The challenge that runs; drawn at the first buffer.
    sequence: Option<GestureSequence>,
    /// Running time 0 for the engine, which counts from instants.
    epoch: Instant,
}

/// What no challenge can be made of.
#[derive(Debug, thiserror::Error)]
enum SettingsError {
    #[error(transparent)]
    Gesture(#[from] GestureError),
    #[error("property gestures: {0}")]
    Challenge(#[from] ChallengeError),
}

impl Settings {
    fn pool(&self) -> Result<ChallengePool, SettingsError> {
        let folders: Vec<PathBuf> = self.folder.iter().map(PathBuf::from).collect();
        let mut library = GestureLibrary::load(&folders)?;
        let mut ids = Vec::new();
        for name in self.gestures.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let is_file = name.contains('/') || name.ends_with(".json");
            ids.push(if is_file { library.add(Path::new(name))?.id.clone() } else { name.to_owned() });
        }
        let count = if self.count == 0 { ids.len() } else { self.count as usize };
        Ok(ChallengePool::new(&library, &ids, count)?)
    }

    fn draw(&self, pool: &ChallengePool) -> Result<Vec<Arc<Gesture>>, getrandom::Error> {
        match self.order {
            Order::Given => Ok(pool.gestures().iter().take(pool.count()).cloned().collect()),
            Order::Random => pool.draw(getrandom::fill),
        }
    }

    fn sequence(&self, pool: &ChallengePool) -> Result<Option<GestureSequence>, getrandom::Error> {
        let on_timeout = match self.on_timeout {
            Timeout::Fail => OnTimeout::Fail,
            Timeout::Next => OnTimeout::Next,
            Timeout::Wait => OnTimeout::Wait,
        };
        Ok(GestureSequence::new(self.draw(pool)?, on_timeout))
    }
}

#[derive(Default)]
pub struct FaceGestures {
    settings: Mutex<Settings>,
    state: Mutex<Option<State>>,
}

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("facegestures", gst::DebugColorFlags::empty(), Some("Gestures of a face"))
});

impl FaceGestures {
    /// Shows a buffer to the challenge: what that brought about, and how far it is.
    fn update(
        &self,
        signals: Option<&Signals>,
        time: Duration,
    ) -> Result<Option<(Vec<Happening>, GestureState)>, getrandom::Error> {
        let settings = lock(&self.settings).clone();
        let mut state = lock(&self.state);
        let Some(State { pool, sequence: slot, epoch }) = &mut *state else { return Ok(None) };
        if slot.is_none() {
            *slot = settings.sequence(pool)?;
        }
        let Some(sequence) = slot else { return Ok(None) };
        let mut happened = sequence.update(signals, *epoch + time);
        let shown = sequence.state();
        let is_over = happened.iter().any(|happening| matches!(happening, Happening::Over { .. }));
        if is_over
            && settings.repeat
            && let Some(mut next) = settings.sequence(pool)?
        {
            // The next one begins with the same picture if there is a face, and sees its first signal in the one after.
            if signals.is_some() {
                happened.extend(next.begin(*epoch + time));
            }
            *sequence = next;
        }
        Ok(Some((happened, GestureState { sequence: shown, epoch: *epoch })))
    }

    fn post(&self, happening: &Happening, total: usize, buffer: &gst::BufferRef) {
        let nanoseconds = |time: &Duration| time.as_nanos() as u64;
        let about = |name: &str, gesture: &Gesture, index: usize| {
            gst::info!(CAT, imp = self, "{name}: {}", gesture.id);
            let message = gst::Structure::builder(name).field("gesture", &gesture.id);
            message.field("index", index as u32).field("total", total as u32)
        };
        let message = match happening {
            Happening::Started { gesture, index } => about("gesture-started", gesture, *index),
            Happening::Completed { gesture, index, after } => {
                about("gesture-completed", gesture, *index).field("duration", nanoseconds(after))
            }
            Happening::Expired { gesture, index, after } => about("gesture-failed", gesture, *index)
                .field("duration", nanoseconds(after))
                .field("reason", "timeout"),
            Happening::Over { success, completed, after } => {
                let name = if *success { "challenge-completed" } else { "challenge-failed" };
                gst::info!(CAT, imp = self, "{name}");
                let message = gst::Structure::builder(name).field("total", total as u32);
                message.field("completed", *completed as u32).field("duration", nanoseconds(after))
            }
        };
        post(&*self.obj(), message, buffer);
    }

    fn begin_anew(&self) {
        if let Some(state) = &mut *lock(&self.state) {
            state.sequence = None;
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for FaceGestures {
    const NAME: &'static str = "GstVisionFaceGestures";
    type Type = super::FaceGestures;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for FaceGestures {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let known = GestureLibrary::load(&[])
                .map(|library| library.iter().map(|gesture| gesture.id.as_str()).collect::<Vec<_>>().join(", "));
            let gestures = format!(
                "Gestures to ask for, separated by commas: ids ({}, and those of the folder) or JSON files",
                known.unwrap_or_default()
            );
            vec![
                glib::ParamSpecString::builder("gestures")
                    .nick("Gestures")
                    .blurb(&gestures)
                    .default_value(DEFAULT_GESTURES)
                    .mutable_ready()
                    .build(),
                glib::ParamSpecString::builder("folder")
                    .nick("Folder")
                    .blurb("Folder with further gesture files; one with the id of a built-in gesture takes its place")
                    .mutable_ready()
                    .build(),
                glib::ParamSpecEnum::builder::<Order>("order")
                    .nick("Order")
                    .blurb("Which gesture comes when")
                    .mutable_ready()
                    .build(),
                glib::ParamSpecUInt::builder("count")
                    .nick("Count")
                    .blurb("How many of the gestures are asked for (0: all)")
                    .default_value(DEFAULT_COUNT)
                    .mutable_ready()
                    .build(),
                glib::ParamSpecBoolean::builder("mirrored")
                    .nick("Mirrored")
                    .blurb(
                        "Gestures see left and right as in a mirrored picture, unless their file says otherwise \
                         (the service's challenge.mirror_input)",
                    )
                    .default_value(false)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecEnum::builder::<Timeout>("on-timeout")
                    .nick("On timeout")
                    .blurb("What follows when a gesture's own time limit is over before it is done")
                    .mutable_ready()
                    .build(),
                glib::ParamSpecBoolean::builder("loop")
                    .nick("Loop")
                    .blurb("Begin again when the challenge is over, drawing anew")
                    .default_value(false)
                    .mutable_playing()
                    .build(),
            ]
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        match pspec.name() {
            "gestures" => {
                let gestures: Option<String> = value.get().expect("type checked upstream");
                settings.gestures = gestures.unwrap_or_default();
            }
            "folder" => {
                let folder: Option<String> = value.get().expect("type checked upstream");
                settings.folder = folder.filter(|folder| !folder.is_empty());
            }
            "order" => settings.order = value.get().expect("type checked upstream"),
            "count" => settings.count = value.get().expect("type checked upstream"),
            "mirrored" => settings.mirrored = value.get().expect("type checked upstream"),
            "on-timeout" => settings.on_timeout = value.get().expect("type checked upstream"),
            "loop" => settings.repeat = value.get().expect("type checked upstream"),
            name => unreachable!("no property {name}"),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = lock(&self.settings);
        match pspec.name() {
            "gestures" => settings.gestures.to_value(),
            "folder" => settings.folder.to_value(),
            "order" => settings.order.to_value(),
            "count" => settings.count.to_value(),
            "mirrored" => settings.mirrored.to_value(),
            "on-timeout" => settings.on_timeout.to_value(),
            "loop" => settings.repeat.to_value(),
            name => unreachable!("no property {name}"),
        }
    }
}

impl GstObjectImpl for FaceGestures {}

impl ElementImpl for FaceGestures {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Face gestures",
                "Filter/Analyzer/Video",
                "Asks for gestures of the face that faceanalyze sees, and posts when they are done",
                "The vision-service developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = gst::Caps::builder("video/x-raw").any_features().build();
            [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)]
                .map(|(name, direction)| {
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps)
                        .expect("a template of valid caps")
                })
                .to_vec()
        });
        &TEMPLATES
    }
}

impl BaseTransformImpl for FaceGestures {
    // In place for the meta only: the pixels are never mapped, so a shared frame is not copied.
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let pool = settings.pool().map_err(|error| gst::error_msg!(gst::ResourceError::Settings, ("{error}")))?;
        *lock(&self.state) = Some(State { pool, sequence: None, epoch: Instant::now() });
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.state) = None;
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if event.type_() == gst::EventType::FlushStop {
            self.begin_anew();
        }
        self.parent_sink_event(event)
    }

    fn transform_ip(&self, buffer: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some(time) = running_time(&*self.obj(), buffer).map(Duration::from) else {
            gst::debug!(CAT, imp = self, "a buffer without a time is not looked at");
            return Ok(gst::FlowSuccess::Ok);
        };
        let faces = FaceMeta::of(buffer);
        let mirrored = lock(&self.settings).mirrored;
        let signals = faces.as_ref().and_then(|faces| faces.first()).map(|face| Signals::of(face, mirrored));
        let updated = self.update(signals.as_ref(), time).map_err(|error| {
            gst::element_imp_error!(
                self,
                gst::LibraryError::Failed,
                ["the operating system gives no random numbers to draw gestures with: {error}"]
            );
            gst::FlowError::Error
        })?;
        if let Some((happened, state)) = updated {
            let total = state.sequence.total;
            GestureMeta::attach(buffer, Arc::new(state));
            happened.iter().for_each(|happening| self.post(happening, total, buffer));
        }
        Ok(gst::FlowSuccess::Ok)
    }
}

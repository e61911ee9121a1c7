use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use glib::subclass::prelude::*;
use gst::subclass::prelude::*;
use gst_base::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::subclass::prelude::*;
use vision_core::locales::{Locale, Locales};
use vision_core::picture::PictureMut;
use vision_core::position::Warning;
use vision_core::subject_view::{Composer, Guide, Step, SubjectView};

use super::settings::{Settings, properties};
use super::words;
use crate::canvas::{i420_view, picture_mut, sync_properties};
use crate::facegestures::GestureMeta;
use crate::lock;
use crate::meta::{FaceMeta, Faces, Payload};
use crate::video::{pad_templates, running_time};

const DEFAULT_LANGUAGE: &str = "en";

struct State {
    locale: Arc<Locale>,
    composer: Composer,
    /// Running time 0 for the composer, which counts from instants.
    epoch: Instant,
    /// The running time of the last frame that had one.
    time: Duration,
    /// What was wrong with the last picture that was looked at.
    warning: Option<Warning>,
    /// Where the format is not I420.
    converter: Option<Converter>,
}

/// From the stream's format to I420 and back.
struct Converter {
    to_i420: gst_video::VideoConverter,
    from_i420: gst_video::VideoConverter,
    info: gst_video::VideoInfo,
    /// What is composed from, and what is composed.
    frames: [gst::Buffer; 2],
}

impl Converter {
    fn new(info: &gst_video::VideoInfo) -> Result<Self, glib::BoolError> {
        let builder = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, info.width(), info.height());
        // YUV keeps its own colours, RGB becomes what the composer's colours are.
        let colorimetry =
            if info.is_rgb() { "bt601".parse::<gst_video::VideoColorimetry>()? } else { info.colorimetry() };
        // The converter changes formats only: all else has to agree.
        let builder = builder.fps(info.fps()).par(info.par()).interlace_mode(info.interlace_mode());
        let i420 = builder.colorimetry(&colorimetry).build()?;
        let to_i420 = gst_video::VideoConverter::new(info, &i420, None)?;
        let from_i420 = gst_video::VideoConverter::new(&i420, info, None)?;
        let frames = [gst::Buffer::with_size(i420.size())?, gst::Buffer::with_size(i420.size())?];
        Ok(Self { to_i420, from_i420, info: i420, frames })
    }
}

#[derive(Default)]
pub struct InstructionOverlay {
    settings: Mutex<Settings>,
    state: Mutex<Option<State>>,
    /// When the countdown was set, in running time; `None` until the next frame.
    countdown_set: Mutex<Option<Duration>>,
}

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("instructionoverlay", gst::DebugColorFlags::empty(), Some("What the subject sees"))
});

impl InstructionOverlay {
    /// What is shown over a frame.
    fn view(&self, settings: &Settings, buffer: &gst::BufferRef, state: &mut State) -> SubjectView {
        let mut view = SubjectView::default();
        if settings.follow_gestures {
            if let Some(faces) = FaceMeta::of(buffer) {
                state.warning = words::warning(&faces);
            }
            if let Some(gestures) = GestureMeta::of(buffer) {
                view = words::view(&state.locale, &gestures, state.warning, state.epoch);
            }
        }
        let text = |text: &Option<String>, id: &Option<String>| {
            text.clone().or_else(|| state.locale.get(id.as_deref()?).map(str::to_owned))
        };
        if let Some(message) = text(&settings.message, &settings.message_id) {
            view.message = message;
        }
        if let Some(warning) = text(&settings.warning, &settings.warning_id) {
            view.warning = Some(warning);
        }
        if settings.steps > 0 {
            view.step = Some(Step { current: settings.step as usize, total: settings.steps as usize });
        }
        if settings.countdown >= 0.0 {
            let since = *lock(&self.countdown_set).get_or_insert(state.time);
            view.countdown = words::countdown(settings.countdown, settings.countdown_total, state.epoch + since);
        }
        match settings.guide.into() {
            Guide::Hidden => (),
            guide => view.guide = guide,
        }
        view.outcome = Option::from(settings.outcome).or(view.outcome);
        view.waiting |= settings.waiting;
        view.colour = Some(settings.colour.to_be_bytes()).filter(|[alpha, ..]| *alpha > 0);
        view
    }

    fn compose(
        &self,
        from: &gst_video::VideoFrameRef<&gst::BufferRef>,
        to: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<(), glib::BoolError> {
        let settings = lock(&self.settings).clone();
        let mut state = lock(&self.state);
        let state = state.as_mut().ok_or_else(|| glib::bool_error!("the element is not started"))?;
        state.time = running_time(&*self.obj(), from.buffer()).map_or(state.time, Duration::from);
        let view = self.view(&settings, from.buffer(), state);
        let now = state.epoch + state.time;
        let State { composer, converter, .. } = state;
        composer.set_mirrored(settings.mirror);
        let mut draw = |from: &gst_video::VideoFrameRef<&gst::BufferRef>,
                        to: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>| {
            match (i420_view(from), picture_mut(to)) {
                (Some(from), Some(PictureMut::I420(mut to))) => {
                    composer.compose(Some(from), &view, now, &mut to);
                    Ok(())
                }
                _ => Err(glib::bool_error!("the planes of a frame have unusual strides")),
            }
        };
        let Some(Converter { to_i420, from_i420, info, frames: [plain, composed] }) = converter else {
            return draw(from, to);
        };
        {
            let mut plain = gst_video::VideoFrameRef::from_buffer_ref_writable(plain.make_mut(), info)?;
            to_i420.frame_ref(from, &mut plain);
        }
        let plain = gst_video::VideoFrameRef::from_buffer_ref_readable(plain, info)?;
        let mut composed = gst_video::VideoFrameRef::from_buffer_ref_writable(composed.make_mut(), info)?;
        draw(&plain, &mut composed)?;
        from_i420.frame_ref(&composed, to);
        Ok(())
    }
}

#[glib::object_subclass]
impl ObjectSubclass for InstructionOverlay {
    const NAME: &'static str = "GstVisionInstructionOverlay";
    type Type = super::InstructionOverlay;
    type ParentType = gst_video::VideoFilter;
}

impl ObjectImpl for InstructionOverlay {
    fn properties() -> &'static [glib::ParamSpec] {
        properties()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        lock(&self.settings).set(pspec.name(), value);
        if pspec.name() == "countdown" {
            *lock(&self.countdown_set) = None;
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        lock(&self.settings).get(pspec.name())
    }
}

impl GstObjectImpl for InstructionOverlay {}

impl ElementImpl for InstructionOverlay {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Instruction overlay",
                "Filter/Editor/Video",
                "Shows the subject of a verification their mirrored picture, what to do, how far they are, how it ended",
                "The vision-service developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(pad_templates);
        &TEMPLATES
    }
}

impl BaseTransformImpl for InstructionOverlay {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::NeverInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let folders: Vec<PathBuf> = settings.locale_folder.iter().map(PathBuf::from).collect();
        let locales = Locales::load(&folders, DEFAULT_LANGUAGE)
            .map_err(|error| gst::error_msg!(gst::ResourceError::Settings, ("{error}")))?;
        let requested = settings.language.as_deref().unwrap_or(DEFAULT_LANGUAGE);
        let (locale, is_known) = locales.pick(Some(requested));
        if !is_known {
            gst::warning!(CAT, imp = self, "language {requested} is not known, texts are in {}", locale.language());
        }
        let (locale, epoch) = (locale.clone(), Instant::now());
        let state =
            State { locale, composer: Composer::new(), epoch, time: Duration::ZERO, warning: None, converter: None };
        *lock(&self.state) = Some(state);
        *lock(&self.countdown_set) = None;
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.state) = None;
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if event.type_() == gst::EventType::FlushStop {
            // Running time begins at 0 again, and so does the countdown.
            *lock(&self.countdown_set) = None;
        }
        self.parent_sink_event(event)
    }

    fn before_transform(&self, buffer: &gst::BufferRef) {
        sync_properties(&*self.obj(), buffer);
    }

    fn transform_meta<'a>(
        &self,
        outbuf: &mut gst::BufferRef,
        meta: gst::MetaRef<'a, gst::Meta>,
        inbuf: &'a gst::BufferRef,
    ) -> bool {
        let is_face = meta.try_as_custom_meta().is_some_and(|meta| meta.has_name(<Faces as Payload>::NAME));
        let is_wrong = is_face && lock(&self.settings).mirror;
        !is_wrong && self.parent_transform_meta(outbuf, meta, inbuf)
    }
}

impl VideoFilterImpl for InstructionOverlay {
    fn set_info(
        &self,
        _incaps: &gst::Caps,
        in_info: &gst_video::VideoInfo,
        _outcaps: &gst::Caps,
        _out_info: &gst_video::VideoInfo,
    ) -> Result<(), gst::LoggableError> {
        let converter = if in_info.format() == gst_video::VideoFormat::I420 {
            None
        } else {
            let converter = Converter::new(in_info);
            Some(converter.map_err(|error| gst::loggable_error!(CAT, "{in_info:?} cannot be converted: {error}"))?)
        };
        if let Some(state) = &mut *lock(&self.state) {
            state.converter = converter;
        }
        Ok(())
    }

    fn transform_frame(
        &self,
        from: &gst_video::VideoFrameRef<&gst::BufferRef>,
        to: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.compose(from, to).map_err(|error| {
            gst::element_imp_error!(self, gst::StreamError::Failed, ["{error}"]);
            gst::FlowError::Error
        })?;
        Ok(gst::FlowSuccess::Ok)
    }
}

use std::sync::{LazyLock, Mutex};

use glib::prelude::*;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::subclass::prelude::*;
use vision_core::face::{BLENDSHAPE_NAMES, Face};
use vision_core::face_view::{Bars, FacePainter, Shown};

use crate::canvas::{picture_mut, sync_properties};
use crate::facegestures::GestureMeta;
use crate::lock;
use crate::meta::FaceMeta;
use crate::video::pad_templates;

const DEFAULT_BARS_COUNT: u32 = 8;

#[derive(Clone, Debug)]
struct Settings {
    mesh: bool,
    points: bool,
    bounds: bool,
    axes: bool,
    bars: bool,
    bars_count: u32,
    blendshapes: String,
    gesture: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mesh: true,
            points: false,
            bounds: true,
            axes: true,
            bars: true,
            bars_count: DEFAULT_BARS_COUNT,
            blendshapes: String::new(),
            gesture: true,
        }
    }
}

impl Settings {
    /// The places of the blendshapes that are named; the first name that is none.
    fn chosen(&self) -> Result<Vec<usize>, &str> {
        let names = self.blendshapes.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(|name| BLENDSHAPE_NAMES.iter().position(|known| *known == name).ok_or(name)).collect()
    }

    fn shown(&self) -> Shown {
        let bars = match self.chosen() {
            _ if !self.bars => Bars::Hidden,
            Ok(chosen) if !chosen.is_empty() => Bars::Chosen(chosen),
            _ => Bars::Strongest(self.bars_count as usize),
        };
        let Self { mesh, points, bounds, axes, gesture, .. } = *self;
        Shown { mesh, points, bounds, axes, bars, gesture }
    }
}

#[derive(Default)]
struct State {
    info: Option<gst_video::VideoInfo>,
    painter: FacePainter,
}

#[derive(Default)]
pub struct FaceDraw {
    settings: Mutex<Settings>,
    state: Mutex<State>,
}

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("facedraw", gst::DebugColorFlags::empty(), Some("What is seen of a face"))
});

#[glib::object_subclass]
impl ObjectSubclass for FaceDraw {
    const NAME: &'static str = "GstVisionFaceDraw";
    type Type = super::FaceDraw;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for FaceDraw {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let defaults = Settings::default();
            let switch = |name: &str, nick: &str, blurb: &str, default: bool| {
                glib::ParamSpecBoolean::builder(name)
                    .nick(nick)
                    .blurb(blurb)
                    .default_value(default)
                    .controllable()
                    .mutable_playing()
                    .build()
            };
            vec![
                switch("mesh", "Mesh", "Draw the lines of the mesh", defaults.mesh),
                switch("points", "Points", "Draw the landmarks as dots", defaults.points),
                switch("box", "Box", "Draw the rectangle around the face, and how sure it is that it is one", defaults.bounds),
                switch("axes", "Axes", "Draw the head's axes: x red, y green, z blue, and its angles in degrees", defaults.axes),
                switch("bars", "Bars", "Draw blendshapes of the first face as bars", defaults.bars),
                glib::ParamSpecUInt::builder("bars-count")
                    .nick("Number of bars")
                    .blurb("How many blendshapes are drawn: the strongest ones, as far as there is room")
                    .minimum(1)
                    .maximum(BLENDSHAPE_NAMES.len() as u32)
                    .default_value(defaults.bars_count)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecString::builder("blendshapes")
                    .nick("Blendshapes")
                    .blurb("Which blendshapes are drawn, separated by commas, such as jawOpen,mouthSmileLeft (empty: the strongest)")
                    .default_value("")
                    .mutable_playing()
                    .build(),
                switch("gesture", "Gesture", "Draw the gesture that facegestures asks for", defaults.gesture),
            ]
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = lock(&self.settings);
        match pspec.name() {
            "mesh" => settings.mesh = value.get().expect("type checked upstream"),
            "points" => settings.points = value.get().expect("type checked upstream"),
            "box" => settings.bounds = value.get().expect("type checked upstream"),
            "axes" => settings.axes = value.get().expect("type checked upstream"),
            "bars" => settings.bars = value.get().expect("type checked upstream"),
            "bars-count" => settings.bars_count = value.get().expect("type checked upstream"),
            "blendshapes" => {
                let names: Option<String> = value.get().expect("type checked upstream");
                settings.blendshapes = names.unwrap_or_default();
                if let Err(unknown) = settings.chosen() {
                    gst::warning!(CAT, imp = self, "there is no blendshape \"{unknown}\"");
                }
            }
            "gesture" => settings.gesture = value.get().expect("type checked upstream"),
            name => unreachable!("no property {name}"),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = lock(&self.settings);
        match pspec.name() {
            "mesh" => settings.mesh.to_value(),
            "points" => settings.points.to_value(),
            "box" => settings.bounds.to_value(),
            "axes" => settings.axes.to_value(),
            "bars" => settings.bars.to_value(),
            "bars-count" => settings.bars_count.to_value(),
            "blendshapes" => settings.blendshapes.to_value(),
            "gesture" => settings.gesture.to_value(),
            name => unreachable!("no property {name}"),
        }
    }
}

impl GstObjectImpl for FaceDraw {}

impl ElementImpl for FaceDraw {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Face drawing",
                "Filter/Editor/Video",
                "Draws what faceanalyze and facegestures saw: mesh, box, axes, blendshapes, gesture",
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

// Not a video filter: that would map every frame for writing, and so copy the shared ones, whether or not there is
// something to draw.
impl BaseTransformImpl for FaceDraw {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        lock(&self.settings).chosen().map(|_| ()).map_err(|unknown| {
            gst::error_msg!(
                gst::ResourceError::Settings,
                (
                    "property blendshapes: there is no blendshape \"{unknown}\"; known are {}",
                    BLENDSHAPE_NAMES.join(", ")
                )
            )
        })
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.state) = State::default();
        Ok(())
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = gst_video::VideoInfo::from_caps(incaps)
            .map_err(|_| gst::loggable_error!(CAT, "no video in caps {incaps}"))?;
        lock(&self.state).info = Some(info);
        Ok(())
    }

    fn propose_allocation(
        &self,
        decide_query: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        self.parent_propose_allocation(decide_query, query)?;
        query.add_allocation_meta::<gst_video::VideoMeta>(None);
        Ok(())
    }

    fn before_transform(&self, buffer: &gst::BufferRef) {
        sync_properties(&*self.obj(), buffer);
    }

    fn transform_ip(&self, buffer: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        let shown = lock(&self.settings).shown();
        let (faces, gesture) = (FaceMeta::of(buffer), GestureMeta::of(buffer));
        let faces: &[Face] = faces.as_ref().map_or(&[], |faces| &faces.faces);
        let gesture = gesture.as_ref().map(|gesture| &gesture.sequence).filter(|_| shown.gesture);
        let shows_faces = shown != Shown { gesture: shown.gesture, ..Shown::default() };
        if gesture.is_none() && (faces.is_empty() || !shows_faces) {
            return Ok(gst::FlowSuccess::Ok);
        }
        let mut state = lock(&self.state);
        let State { info, painter } = &mut *state;
        let info = info.as_ref().ok_or(gst::FlowError::NotNegotiated)?;
        let mut frame = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, info).map_err(|_| {
            gst::element_imp_error!(self, gst::ResourceError::Write, ["a frame cannot be mapped"]);
            gst::FlowError::Error
        })?;
        let Some(mut picture) = picture_mut(&mut frame) else {
            gst::element_imp_error!(self, gst::StreamError::Format, ["the planes of a frame have unusual strides"]);
            return Err(gst::FlowError::Error);
        };
        painter.draw(faces, gesture, &shown, &mut picture);
        Ok(gst::FlowSuccess::Ok)
    }
}

use std::sync::{LazyLock, Mutex};

use glib::prelude::*;
use glib::subclass::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;

use super::orientation::{Orientation, URI};
use crate::lock;

const DEFAULT_EXTENSION_ID: u32 = 0;

#[derive(Clone, Debug)]
struct Settings {
    /// 0: out of the caps.
    extension_id: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { extension_id: DEFAULT_EXTENSION_ID }
    }
}

#[derive(Default)]
struct State {
    /// Out of the caps; `None` when they do not name the extension.
    caps_id: Option<u8>,
    /// The orientation last said downstream; `None` before the first, when the picture is upright by default.
    said: Option<Orientation>,
}

#[derive(Default)]
pub struct RtpOrientation {
    settings: Mutex<Settings>,
    state: Mutex<State>,
}

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("rtporientation", gst::DebugColorFlags::empty(), Some("RTP video orientation"))
});

/// The id under which the caps map the extension: `extmap-N` is the URI, or `<direction, URI, attributes>`.
fn id_in_caps(caps: &gst::CapsRef) -> Option<u8> {
    let structure = caps.structure(0)?;
    structure.iter().find_map(|(name, value)| {
        let id = name.as_str().strip_prefix("extmap-")?.parse::<u8>().ok().filter(|id| *id != 0)?;
        let is_ours = match value.get::<&str>() {
            Ok(uri) => uri == URI,
            Err(_) => value
                .get::<gst::ArrayRef>()
                .is_ok_and(|parts| parts.as_slice().get(1).is_some_and(|uri| uri.get::<&str>() == Ok(URI))),
        };
        is_ours.then_some(id)
    })
}

/// The extension's byte, out of a header in either of RFC 8285's forms.
fn byte_in_packet(buffer: &gst::BufferRef, id: u8) -> Option<u8> {
    let packet = gst_rtp::RTPBuffer::from_buffer_readable(buffer).ok()?;
    if !packet.is_extension() {
        return None;
    }
    let short = if id <= 14 { packet.extension_onebyte_header(id, 0) } else { None };
    short.or_else(|| packet.extension_twobytes_header(id, 0).map(|(_, data)| data))?.first().copied()
}

impl RtpOrientation {
    /// The orientation that this packet brings, if it is another than the one said last.
    fn change(&self, buffer: &gst::BufferRef) -> Option<Orientation> {
        let settings = lock(&self.settings).clone();
        let mut state = lock(&self.state);
        let id = u8::try_from(settings.extension_id).ok().filter(|id| *id != 0).or(state.caps_id)?;
        // Senders leave the extension out of most packets: nothing said means nothing changed.
        let orientation = Orientation::from_byte(byte_in_packet(buffer, id)?);
        if orientation == state.said.unwrap_or_default() {
            return None;
        }
        state.said = Some(orientation);
        Some(orientation)
    }
}

#[glib::object_subclass]
impl ObjectSubclass for RtpOrientation {
    const NAME: &'static str = "GstVisionRtpOrientation";
    type Type = super::RtpOrientation;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for RtpOrientation {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            vec![
                glib::ParamSpecUInt::builder("extension-id")
                    .nick("Extension id")
                    .blurb("Id of urn:3gpp:video-orientation in the RTP header (0: the one that the caps name)")
                    .maximum(255)
                    .default_value(DEFAULT_EXTENSION_ID)
                    .mutable_playing()
                    .build(),
            ]
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        match pspec.name() {
            "extension-id" => {
                lock(&self.settings).extension_id = value.get().expect("type checked upstream");
            }
            name => unreachable!("no property {name}"),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "extension-id" => lock(&self.settings).extension_id.to_value(),
            name => unreachable!("no property {name}"),
        }
    }
}

impl GstObjectImpl for RtpOrientation {}

impl ElementImpl for RtpOrientation {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "RTP video orientation",
                "Filter/Network/RTP",
                "Turns urn:3gpp:video-orientation of RTP packets into image-orientation tags",
                "The vision-service developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = gst::Caps::builder("application/x-rtp").field("media", "video").build();
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

impl BaseTransformImpl for RtpOrientation {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = true;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = true;

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let id = id_in_caps(incaps);
        gst::debug!(CAT, imp = self, "extension id in caps: {id:?}");
        lock(&self.state).caps_id = id;
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        // With a new stream whoever turns pictures starts from upright again.
        if let gst::EventView::StreamStart(_) = event.view() {
            lock(&self.state).said = None;
        }
        self.parent_sink_event(event)
    }

    fn transform_ip_passthrough(&self, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        if let Some(orientation) = self.change(buffer) {
            gst::info!(CAT, imp = self, "orientation is now {}", orientation.tag());
            let mut tags = gst::TagList::new();
            tags.get_mut()
                .expect("nobody else holds a new list")
                .add::<gst::tags::ImageOrientation>(&orientation.tag(), gst::TagMergeMode::Replace);
            self.obj().src_pad().push_event(gst::event::Tag::new(tags));
        }
        Ok(gst::FlowSuccess::Ok)
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.state) = State::default();
        Ok(())
    }
}

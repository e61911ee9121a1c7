//! The described bins of `pipelines/`: the service loads the same files that `gst-launch-1.0` runs.
//!
//! A description has no numbers of a call in it; payload types, bit rates and the like are set as properties on its
//! named elements after parsing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_rtp::prelude::*;
use vision_core::picture::Picture as _;

use super::MediaError;
use super::codec::Codec;
use super::description::Description;
use super::encoded;
use super::frame::{FrameTap, VideoPicture};
use super::hardware::{self, Direction};
use super::key_frames;
use super::sdp::{Extension, MID_URI, TRANSPORT_CC_URI};

/// The longest side of a picture that is decoded: 1080p, upright or lying.
pub const MAX_SIDE: i32 = 1920;

fn receive_file(codec: Codec) -> &'static str {
    match codec {
        Codec::Vp8 => "receive-vp8",
        Codec::H264 => "receive-h264",
    }
}

fn send_file(codec: Codec) -> &'static str {
    match codec {
        Codec::Vp8 => "send-vp8",
        Codec::H264 => "send-h264",
    }
}

/// A file of `pipelines/` as a bin with ghost pads for what is left unlinked at its ends; `before` and `after` complete
/// the chain. The hardware's element stands in the place of the one named `coder`, if there is one.
fn load(
    name: &'static str,
    (before, after): (&str, &str),
    coder: &str,
    hardware: Option<&hardware::Element>,
) -> Result<Bin, MediaError> {
    let unusable = |reason: String| MediaError::Description { name, reason };
    let mut words =
        Description::find(name).and_then(|file| file.words()).map_err(|error| unusable(error.to_string()))?;
    if let Some(hardware) = hardware {
        words.set(coder, hardware.description).map_err(|error| unusable(error.to_string()))?;
    }
    let flags = gst::ParseFlags::FATAL_ERRORS;
    let bin = gst::parse::bin_from_description_full(&format!("{before}{words}{after}"), true, None, flags)
        .map_err(|error| unusable(error.to_string()))?
        .downcast::<gst::Bin>()
        .map_err(|_| unusable("a single element, not a chain".into()))?;
    Ok(Bin { name, bin })
}

/// A parsed description, to look up its named elements.
struct Bin {
    name: &'static str,
    bin: gst::Bin,
}

impl Bin {
    fn element(&self, name: &'static str) -> Result<gst::Element, MediaError> {
        self.bin.by_name(name).ok_or_else(|| MediaError::Description {
            name: self.name,
            reason: format!("it has no element named {name}"),
        })
    }

    fn typed<T: IsA<gst::Element>>(&self, name: &'static str) -> Result<T, MediaError> {
        self.element(name)?.downcast().map_err(|element| MediaError::Description {
            name: self.name,
            reason: format!("{name} is a {}", element.type_()),
        })
    }
}

/// A track's packets as caps describe them. `profile` is H264's profile-level-id, where it has to be named.
pub(crate) fn rtp_caps(codec: Codec, payload: u8, extensions: &[Extension], profile: Option<&str>) -> gst::Caps {
    let mut caps = gst::Caps::builder("application/x-rtp")
        .field("media", "video")
        .field("encoding-name", codec.encoding_name())
        .field("clock-rate", 90_000i32)
        .field("payload", i32::from(payload));
    if let Some(profile) = profile {
        caps = caps.field("packetization-mode", "1").field("profile-level-id", profile);
    }
    for Extension { id, uri } in extensions {
        caps = caps.field(format!("extmap-{id}"), uri.as_str());
    }
    caps.build()
}

/// How pictures that come in are turned, besides what their senders say of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// Not at all.
    #[default]
    None,
    /// A quarter, clockwise.
    Clockwise,
    /// A quarter, counter-clockwise.
    CounterClockwise,
}

impl Rotation {
    /// What stands between decoder and sink.
    fn elements(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Clockwise => " ! videoflip video-direction=90r",
            Self::CounterClockwise => " ! videoflip video-direction=90l",
        }
    }
}

/// RTP in, frames out.
pub struct ReceiveBranch {
    bin: gst::Bin,
}

impl ReceiveBranch {
    /// Builds the branch. Frames go to `tap` while `open` is set, as does what they look like encoded; `on_first` is called
    /// after the first of them, with its width and height. Both run on the decoder's thread.
    pub fn new(
        codec: Codec,
        turned: Rotation,
        mut tap: FrameTap,
        open: Arc<AtomicBool>,
        on_first: impl FnOnce((usize, usize)) + Send + 'static,
    ) -> Result<Self, MediaError> {
        let after = format!("{} ! appsink name=frames", turned.elements());
        let hardware = hardware::in_use().hardware(codec, Direction::Decode);
        let parsed = load(receive_file(codec), ("", &after), "decoder", hardware)?;
        refuse_large(&parsed.element("decoder")?);
        let depayloader = parsed.element("depay")?;
        key_frames::insist(&depayloader);
        if let Some(sink) = tap.encoded() {
            encoded::observe(&depayloader, codec, open.clone(), sink);
        }
        if let Some(head) = tap.tape() {
            head.record(&depayloader, codec, open.clone());
        }
        let sink: gst_app::AppSink = parsed.typed("frames")?;
        sink.set_property("sync", false);
        // a sink that waits for its first buffer would keep the whole pipeline from playing
        sink.set_property("async", false);
        sink.set_property("max-buffers", 1u32);
        sink.set_property("drop", true);
        sink.set_property("enable-last-sample", false);
        let mut on_first = Some(on_first);
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Flushing)?;
                    if open.load(Ordering::Acquire)
                        && let Some(picture) = VideoPicture::from_sample(&sample)
                    {
                        let pts = sample.buffer().and_then(|buffer| buffer.pts()).map(Duration::from);
                        let size = (picture.view().width(), picture.view().height());
                        tap.push(Arc::new(picture), pts, Instant::now());
                        if let Some(on_first) = on_first.take() {
                            on_first(size);
                        }
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        Ok(Self { bin: parsed.bin })
    }

    /// Puts the branch behind a pad of `webrtcbin` that has just appeared.
    pub fn attach(&self, pipeline: &gst::Bin, pad: &gst::Pad) -> Result<(), MediaError> {
        let failed = |reason: String| MediaError::element("the receiving branch cannot be attached", reason);
        pipeline.add(&self.bin).map_err(|error| failed(error.to_string()))?;
        // playing before it is linked, else the first packets find it flushing
        self.bin.sync_state_with_parent().map_err(|error| failed(error.to_string()))?;
        let sink = self.bin.static_pad("sink").ok_or_else(|| failed("it has no sink pad".into()))?;
        pad.link(&sink).map_err(|error| failed(error.to_string()))?;
        Ok(())
    }
}

/// Ends a stream whose pictures are larger than [`MAX_SIDE`] before the decoder allocates for them.
fn refuse_large(decoder: &gst::Element) {
    // gstreamer-rs 0.25 drops cleanly on source pads only
    let Some(pad) = decoder.static_pad("sink").and_then(|sink| sink.peer()) else { return };
    let (weak, refused) = (decoder.downgrade(), AtomicBool::new(false));
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view()) {
            let side = |name| caps.caps().structure(0).and_then(|s| s.get::<i32>(name).ok()).unwrap_or(0);
            let (width, height) = (side("width"), side("height"));
            let is_large = width > MAX_SIDE || height > MAX_SIDE;
            refused.store(is_large, Ordering::Relaxed);
            if let Some(decoder) = weak.upgrade().filter(|_| is_large) {
                gst::element_error!(
                    decoder,
                    gst::StreamError::WrongType,
                    ["the video is {width}x{height}; no side may be longer than {MAX_SIDE}"]
                );
            }
        }
        let is_buffer = info.buffer().is_some();
        if is_buffer && refused.load(Ordering::Relaxed) { gst::PadProbeReturn::Drop } else { gst::PadProbeReturn::Ok }
    });
}

/// Header extensions that the payloader writes.
const WRITTEN: [&str; 2] = [MID_URI, TRANSPORT_CC_URI];
/// The name that `webrtcbin` gives to the first video section of its own offers.
const OFFERED_MID: &str = "video0";

/// What a send branch is told about the call.
#[derive(Clone, Debug)]
pub struct SendOptions {
    /// What to encode to.
    pub codec: Codec,
    /// Payload type.
    pub payload: u8,
    /// Bits per second.
    pub bitrate: u32,
    /// Those that were negotiated, or are to be offered.
    pub extensions: Vec<Extension>,
    /// Whether the branch is for an offer, which has to name H264's profile; an answer repeats the offer's.
    pub offers: bool,
}

/// Pictures in, RTP out.
pub struct SendBranch {
    bin: gst::Bin,
    pictures: gst_app::AppSrc,
    encoder: gst::Element,
    payloader: gst::Element,
}

impl SendBranch {
    /// Builds the branch.
    pub fn new(options: &SendOptions) -> Result<Self, MediaError> {
        let around = ("appsrc name=pictures ! ", " ! capssetter name=rtp join=false replace=true");
        let hardware = hardware::in_use().hardware(options.codec, Direction::Encode);
        let parsed = load(send_file(options.codec), around, "encoder", hardware)?;
        let pictures: gst_app::AppSrc = parsed.typed("pictures")?;
        pictures.set_is_live(true);
        pictures.set_format(gst::Format::Time);
        pictures.set_do_timestamp(true);
        pictures.set_max_buffers(2);
        pictures.set_leaky_type(gst_app::AppLeakyType::Downstream);

        let ssrc = glib::random_int().max(1);
        let payloader = parsed.element("payloader")?;
        payloader.set_property("pt", u32::from(options.payload));
        payloader.set_property("ssrc", ssrc);
        for Extension { id, uri } in
            options.extensions.iter().filter(|extension| WRITTEN.contains(&extension.uri.as_str()))
        {
            let written = gst_rtp::RTPHeaderExtension::create_from_uri(uri)
                .ok_or_else(|| MediaError::element("a header extension is not installed", uri))?;
            written.set_id(u32::from(*id));
            if uri == MID_URI {
                written.set_property("mid", OFFERED_MID);
            }
            payloader.emit_by_name::<()>("add-extension", &[&written]);
        }
        // Instead of the payloader's own: H264's name the level of the stream, which is not the level negotiated, and
        // webrtcbin answers only with the header extensions that these caps name.
        let profile = (options.offers && options.codec == Codec::H264).then_some("42e01f");
        let mut caps = rtp_caps(options.codec, options.payload, &options.extensions, profile);
        caps.make_mut().set("ssrc", ssrc);
        parsed.element("rtp")?.set_property("caps", caps);

        let encoder = parsed.element("encoder")?;
        let branch = Self { bin: parsed.bin, pictures, encoder, payloader };
        branch.set_bitrate(options.bitrate);
        Ok(branch)
    }

    /// Where pictures go in; I420 with size and frame rate in its caps.
    pub fn pictures(&self) -> &gst_app::AppSrc {
        &self.pictures
    }

    /// The payloader, for probes.
    pub fn payloader(&self) -> &gst::Element {
        &self.payloader
    }

    /// Bits per second; also in mid-call.
    pub fn set_bitrate(&self, bitrate: u32) {
        if self.encoder.has_property("target-bitrate") {
            // vp8enc
            self.encoder.set_property("target-bitrate", i32::try_from(bitrate).unwrap_or(i32::MAX));
        } else {
            self.encoder.set_property("bitrate", (bitrate / 1000).max(1));
        }
    }

    /// Puts the branch in front of a requested pad of `webrtcbin`.
    pub fn attach(&self, pipeline: &gst::Bin, pad: &gst::Pad) -> Result<(), MediaError> {
        let failed = |reason: String| MediaError::element("the sending branch cannot be attached", reason);
        pipeline.add(&self.bin).map_err(|error| failed(error.to_string()))?;
        let src = self.bin.static_pad("src").ok_or_else(|| failed("it has no source pad".into()))?;
        src.link(pad).map_err(|error| failed(error.to_string()))?;
        self.bin.sync_state_with_parent().map_err(|error| failed(error.to_string()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_takes_the_place_of_one_element_only() {
        for codec in Codec::ALL {
            for (file, name) in [(receive_file(codec), "decoder"), (send_file(codec), "encoder")] {
                let software = Description::find(file).unwrap().words().unwrap();
                let mut hardware = software.clone();
                hardware.set(name, "gpu name=x").unwrap();
                let (before, after) = (software.to_string(), hardware.to_string());
                let (before, after): (Vec<_>, Vec<_>) = (before.split(" ! ").collect(), after.split(" ! ").collect());
                let changed: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
                assert_eq!((before.len(), changed.len()), (after.len(), 1), "{file}");
                assert!(changed[0].0.contains(name) && *changed[0].1 == "gpu name=x", "{changed:?}");
            }
        }
    }
}

//! Which elements decode and encode: those of the hardware (nvcodec, VA-API) where GStreamer's registry has them and a
//! trial shows that they work, else the software's that the descriptions of `pipelines/` name.
//!
//! The registry has hardware elements only where a driver answered. The one with the highest rank is tried first; an
//! element without rank is not for automatic use (`GST_PLUGIN_FEATURE_RANK=vah264dec:MAX` gives it one). Elements are
//! taken only when they hand over, or take, NV12 or I420 in the memory of the processor, where the networks look at the
//! pictures. The choice is made once per process, as the registry is the process's.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use gst::prelude::*;
use serde::Serialize;

use super::codec::Codec;

/// How long a trial may take: drivers load their libraries in it.
const TRIAL_LIMIT: Duration = Duration::from_secs(5);

/// Whether hardware may decode and encode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hardware {
    /// Where it works.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// To pictures, or from pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Direction {
    Decode,
    Encode,
}

/// An element of the hardware, as a part of a description.
#[derive(Debug, PartialEq, Eq)]
pub struct Element {
    codec: Codec,
    direction: Direction,
    /// The name of its factory.
    pub factory: &'static str,
    /// What stands in the description in place of the software's element; `decoder` or `encoder` is in it, and bit rates
    /// of encoders are `bitrate`, in kbit/s.
    pub description: &'static str,
}

const fn decoder(codec: Codec, factory: &'static str, description: &'static str) -> Element {
    Element { codec, direction: Direction::Decode, factory, description }
}

const fn encoder(codec: Codec, factory: &'static str, description: &'static str) -> Element {
    Element { codec, direction: Direction::Encode, factory, description }
}

/// What is known how to use. Encoders as the software's: constant bit rate, no B frames, key frames when asked for.
#[rustfmt::skip]
const KNOWN: &[Element] = &[
    decoder(Codec::Vp8, "nvvp8dec", "nvvp8dec name=decoder"),
    decoder(Codec::Vp8, "vavp8dec", "vavp8dec name=decoder"),
    decoder(Codec::Vp8, "vaapivp8dec", "vaapivp8dec name=decoder"),
    decoder(Codec::H264, "nvh264dec", "nvh264dec name=decoder"),
    decoder(Codec::H264, "vah264dec", "vah264dec name=decoder"),
    decoder(Codec::H264, "vaapih264dec", "vaapih264dec name=decoder"),
    encoder(Codec::Vp8, "vaapivp8enc", "vaapivp8enc name=encoder rate-control=cbr keyframe-period=3000"),
    encoder(Codec::H264, "nvh264enc", "nvh264enc name=encoder preset=low-latency-hp zerolatency=true rc-mode=cbr gop-size=3000"),
    encoder(Codec::H264, "vah264enc", "videoconvert ! vah264enc name=encoder rate-control=cbr b-frames=0 key-int-max=1024"),
    encoder(Codec::H264, "vaapih264enc", "vaapih264enc name=encoder rate-control=cbr max-bframes=0 keyframe-period=3000"),
];

/// The software's element, as in `pipelines/`.
fn software(codec: Codec, direction: Direction) -> &'static str {
    match (codec, direction) {
        (Codec::Vp8, Direction::Decode) => "vp8dec",
        (Codec::Vp8, Direction::Encode) => "vp8enc",
        (Codec::H264, Direction::Decode) => "avdec_h264",
        (Codec::H264, Direction::Encode) => "x264enc",
    }
}

/// Which elements are in use; no entry means the software's.
#[derive(Debug, Default)]
pub struct Elements(Vec<&'static Element>);

impl Elements {
    /// For each codec and direction the known element with the highest rank above 0 that passes its trial. `rank` is that
    /// of a factory, if it is there and takes and gives what is needed.
    pub fn choose(rank: impl Fn(&Element) -> Option<i32>, mut works: impl FnMut(&Element) -> bool) -> Self {
        let mut chosen = Vec::new();
        for (codec, direction) in places() {
            let here = KNOWN.iter().filter(|element| (element.codec, element.direction) == (codec, direction));
            let mut ranked: Vec<_> = here.filter_map(|e| Some((rank(e).filter(|rank| *rank > 0)?, e))).collect();
            ranked.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
            chosen.extend(ranked.into_iter().map(|(_, element)| element).find(|element| works(element)));
        }
        Self(chosen)
    }

    /// The hardware's element, if one is in use.
    pub fn hardware(&self, codec: Codec, direction: Direction) -> Option<&'static Element> {
        self.0.iter().find(|element| (element.codec, element.direction) == (codec, direction)).copied()
    }

    /// The name of what is in use.
    pub fn factory(&self, codec: Codec, direction: Direction) -> &'static str {
        self.hardware(codec, direction).map_or_else(|| software(codec, direction), |element| element.factory)
    }
}

/// What decodes and encodes a codec, for people and programs that ask.
#[derive(Debug, Serialize)]
pub struct CodecElements {
    codec: &'static str,
    decoder: &'static str,
    encoder: &'static str,
}

impl CodecElements {
    /// For every codec, the factories that are in use.
    pub fn in_use() -> Vec<Self> {
        let name = |codec, direction| in_use().factory(codec, direction);
        let elements = |codec: Codec| Self {
            codec: codec.encoding_name(),
            decoder: name(codec, Direction::Decode),
            encoder: name(codec, Direction::Encode),
        };
        Codec::ALL.map(elements).into()
    }
}

/// `VP8 vp8dec vp8enc, H264 avdec_h264 x264enc`.
impl fmt::Display for Elements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, codec) in Codec::ALL.into_iter().enumerate() {
            let [decoder, encoder] = [Direction::Decode, Direction::Encode].map(|way| self.factory(codec, way));
            write!(f, "{}{codec} {decoder} {encoder}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

fn places() -> impl Iterator<Item = (Codec, Direction)> {
    Codec::ALL.into_iter().flat_map(|codec| [(codec, Direction::Decode), (codec, Direction::Encode)])
}

static IN_USE: OnceLock<Elements> = OnceLock::new();

/// Chooses, once per process and after GStreamer has started; later calls tell what was chosen.
pub fn choose(hardware: Hardware) -> &'static Elements {
    IN_USE.get_or_init(|| match hardware {
        Hardware::Off => Elements::default(),
        Hardware::Auto => Elements::choose(registered_rank, |element| match trial(&trial_description(element)) {
            Ok(()) => true,
            Err(reason) => {
                tracing::warn!(element = element.factory, reason, "a hardware codec is there but does not work");
                false
            }
        }),
    })
}

/// What was chosen; the software's elements before that.
pub fn in_use() -> &'static Elements {
    static SOFTWARE: Elements = Elements(Vec::new());
    IN_USE.get().unwrap_or(&SOFTWARE)
}

/// The rank of an element that is registered and fits.
fn registered_rank(element: &Element) -> Option<i32> {
    let factory = gst::ElementFactory::find(element.factory)?;
    let coded = match element.codec {
        Codec::Vp8 => gst::Caps::new_empty_simple("video/x-vp8"),
        Codec::H264 => gst::Caps::builder("video/x-h264").field("profile", "constrained-baseline").build(),
    };
    let pictures = gst::Caps::builder("video/x-raw").field("format", gst::List::new(["I420", "NV12"])).build();
    let (takes, gives) = match element.direction {
        Direction::Decode => (&coded, &pictures),
        Direction::Encode => (&pictures, &coded),
    };
    let fits = factory.can_sink_any_caps(takes) && factory.can_src_any_caps(gives);
    fits.then(|| factory.rank().into())
}

/// A few pictures through the element, from and to the processor's memory.
fn trial_description(element: &Element) -> String {
    let pictures = "videotestsrc num-buffers=5 ! video/x-raw,format=I420,width=640,height=480,framerate=15/1";
    let coded = match element.codec {
        Codec::Vp8 => "video/x-vp8",
        Codec::H264 => "video/x-h264,profile=constrained-baseline ! h264parse",
    };
    let sink = "fakesink sync=false";
    match element.direction {
        Direction::Encode => format!("{pictures} ! {} ! {coded} ! {sink}", element.description),
        Direction::Decode => {
            let encoder = software(element.codec, Direction::Encode);
            let out = "videoconvert ! video/x-raw,format=I420";
            format!("{pictures} ! {encoder} ! {coded} ! {} ! {out} ! {sink}", element.description)
        }
    }
}

/// Runs a description to its end.
fn trial(description: &str) -> Result<(), String> {
    let pipeline = gst::parse::launch_full(description, None, gst::ParseFlags::FATAL_ERRORS);
    let pipeline = pipeline.map_err(|error| error.to_string())?;
    let ended = (|| {
        let bus = pipeline.bus().ok_or("it has no bus")?;
        pipeline.set_state(gst::State::Playing).map_err(|error| error.to_string())?;
        let limit = gst::ClockTime::try_from(TRIAL_LIMIT).map_err(|error| error.to_string())?;
        let message = bus.timed_pop_filtered(limit, &[gst::MessageType::Eos, gst::MessageType::Error]);
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Eos(_)) => Ok(()),
            Some(gst::MessageView::Error(error)) => Err(error.error().to_string()),
            _ => Err(format!("nothing came out within {TRIAL_LIMIT:?}")),
        }
    })();
    pipeline.set_state(gst::State::Null).map_err(|error| error.to_string())?;
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A registry with these ranks.
    fn registry(ranks: &'static [(&'static str, i32)]) -> impl Fn(&Element) -> Option<i32> {
        |element| ranks.iter().find(|(name, _)| *name == element.factory).map(|(_, rank)| *rank)
    }

    #[test]
    fn without_hardware_the_software_is_used() {
        let none = Elements::choose(registry(&[]), |_| panic!("there is nothing to try"));
        assert_eq!(none.to_string(), "VP8 vp8dec vp8enc, H264 avdec_h264 x264enc");
        assert!(places().all(|(codec, direction)| none.hardware(codec, direction).is_none()));
    }

    #[test]
    fn the_highest_rank_is_taken_and_none_is_not_for_us() {
        let ranks = &[("vah264dec", 0), ("vaapih264dec", 256), ("nvh264dec", 300), ("nvh264enc", 256), ("vavp8dec", 0)];
        let chosen = Elements::choose(registry(ranks), |_| true);
        assert_eq!(chosen.to_string(), "VP8 vp8dec vp8enc, H264 nvh264dec nvh264enc");
    }

    #[test]
    fn what_fails_its_trial_is_passed_over() {
        let ranks = &[("vah264dec", 128), ("nvh264dec", 300), ("vah264enc", 300)];
        let chosen = Elements::choose(registry(ranks), |element| element.factory == "vah264dec");
        assert_eq!(chosen.to_string(), "VP8 vp8dec vp8enc, H264 vah264dec x264enc");
    }

    #[test]
    fn a_trial_tells_what_works() {
        gst::init().unwrap();
        // The software's elements stand in for hardware.
        let elements = [
            decoder(Codec::Vp8, "vp8dec", "vp8dec name=decoder"),
            encoder(Codec::Vp8, "vp8enc", "vp8enc name=encoder deadline=1"),
            decoder(Codec::H264, "avdec_h264", "avdec_h264 name=decoder"),
            encoder(Codec::H264, "x264enc", "videoconvert ! x264enc name=encoder"),
        ];
        for element in &elements {
            assert_eq!(trial(&trial_description(element)), Ok(()), "{}", element.factory);
            assert!(registered_rank(element).is_some_and(|rank| rank > 0), "{}", element.factory);
        }
        let broken = encoder(Codec::Vp8, "identity", "identity name=encoder error-after=1");
        assert!(trial(&trial_description(&broken)).is_err());
        let absent = decoder(Codec::Vp8, "nothing", "nothing name=decoder");
        assert!(trial(&trial_description(&absent)).unwrap_err().contains("nothing"));
        assert_eq!(registered_rank(&absent), None);
        let other = decoder(Codec::Vp8, "avdec_h264", "");
        assert_eq!(registered_rank(&other), None, "it takes another codec");
    }

    #[test]
    fn every_known_element_is_named_as_the_branches_look_for_it() {
        for element in KNOWN {
            let name = if element.direction == Direction::Decode { "name=decoder" } else { "name=encoder" };
            assert!(element.description.contains(&format!("{} {name}", element.factory)), "{}", element.factory);
        }
    }
}

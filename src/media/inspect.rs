//! A peer as whoever looks for a fault sees it: statistics as JSON, and its graph. Nothing here keeps a pipeline alive.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use gst::prelude::*;
use serde_json::{Map, Value, json};

use super::{dot, peer};
use crate::lock::lock;

/// Drawing and counting take milliseconds; a pipeline that hangs takes for ever.
const LIMIT: Duration = Duration::from_secs(2);

/// Properties that say how full an element is, and in which unit.
const LEVELS: [(&str, &str); 3] =
    [("current-level-buffers", "buffers"), ("current-level-bytes", "bytes"), ("current-level-time", "time_ns")];

/// A look at one peer. Looking at a peer that has gone shows nothing.
#[derive(Clone)]
pub struct PeerProbe {
    name: String,
    pipeline: glib::WeakRef<gst::Pipeline>,
    webrtc: glib::WeakRef<gst::Element>,
}

impl PeerProbe {
    pub(super) fn new(pipeline: &gst::Pipeline, webrtc: &gst::Element) -> Self {
        Self { name: pipeline.name().into(), pipeline: pipeline.downgrade(), webrtc: webrtc.downgrade() }
    }

    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its graph as Graphviz reads it, without secrets; `None` when it has gone or hangs.
    pub async fn dot(&self) -> Option<String> {
        self.look(|pipeline| dot::redact(&pipeline.debug_to_dot_data(dot::DETAILS))).await
    }

    /// What the pipeline and its `webrtcbin` count; `null` when it has gone or hangs.
    ///
    /// `webrtc` is the answer to `get-stats`, by the names of the W3C's statistics where GStreamer has them.
    pub async fn stats(&self) -> Value {
        let Some(mut seen) = self.look(pipeline_stats).await else { return Value::Null };
        seen["name"] = self.name.as_str().into();
        // The upgraded reference is gone before the wait is over, but for the one that the promise holds.
        let webrtc = match self.webrtc.upgrade() {
            Some(webrtc) => tokio::time::timeout(LIMIT, peer::statistics(&webrtc)).await,
            None => return Value::Null,
        };
        if let Ok(Ok(Some(reply))) = webrtc {
            seen["webrtc"] = structure(&reply);
        }
        seen
    }

    /// Elements take locks: not on a thread that serves sockets.
    async fn look<T: Send + 'static>(&self, look: impl FnOnce(&gst::Pipeline) -> T + Send + 'static) -> Option<T> {
        let pipeline = self.pipeline.clone();
        let looked = tokio::task::spawn_blocking(move || Some(look(&pipeline.upgrade()?)));
        tokio::time::timeout(LIMIT, looked).await.ok()?.ok()?
    }
}

/// Where a room says which peers it has now.
#[derive(Clone, Default)]
pub struct PeerBoard(Arc<Mutex<Vec<PeerProbe>>>);

impl PeerBoard {
    fn lock(&self) -> MutexGuard<'_, Vec<PeerProbe>> {
        lock(&self.0)
    }

    /// These and no others.
    pub fn set(&self, peers: Vec<PeerProbe>) {
        *self.lock() = peers;
    }

    /// Those of now.
    pub fn probes(&self) -> Vec<PeerProbe> {
        self.lock().clone()
    }
}

fn pipeline_stats(pipeline: &gst::Pipeline) -> Value {
    let state = pipeline.current_state();
    let (mut elements, mut elsewhere) = (0, Map::new());
    let (mut queues, mut jitter_buffers) = (Map::new(), Map::new());
    let (mut bitrate, mut latency) = (None, None);
    for element in pipeline.iterate_recurse().into_iter().flatten() {
        let (name, now) = (element.name().to_string(), element.current_state());
        elements += 1;
        if now != state {
            elsewhere.insert(name.clone(), state_name(now).into());
        }
        let levels: Map<String, Value> = LEVELS
            .iter()
            .filter(|(property, _)| element.has_property(property))
            .filter_map(|(property, unit)| Some(((*unit).to_owned(), value(&element.property_value(property))?)))
            .collect();
        if !levels.is_empty() {
            queues.insert(name.clone(), levels.into());
        }
        if element.factory().is_some_and(|factory| factory.name() == "rtpjitterbuffer") {
            let stats: gst::Structure = element.property("stats");
            jitter_buffers.insert(name.clone(), structure(&stats));
        }
        match name.as_str() {
            "encoder" => bitrate = bitrate_of(&element),
            "frames" => latency = latency_before(&element),
            _ => (),
        }
    }
    json!({
        "state": state_name(state),
        "elements": elements,
        "elements_in_other_states": elsewhere,
        "latency": latency,
        "bitrate_target": bitrate,
        "queues": queues,
        "jitter_buffers": jitter_buffers,
    })
}

/// Of everything before a sink; the sink itself waits for nothing.
fn latency_before(sink: &gst::Element) -> Option<Value> {
    let mut query = gst::query::Latency::new();
    if !sink.static_pad("sink")?.peer_query(&mut query) {
        return None;
    }
    let (is_live, least, greatest) = query.result();
    Some(json!({"live": is_live, "min_ms": least.mseconds(), "max_ms": greatest.map(|greatest| greatest.mseconds())}))
}

/// Bits per second; `x264enc` counts in thousands.
fn bitrate_of(encoder: &gst::Element) -> Option<u64> {
    let read = |name| encoder.has_property(name).then(|| value(&encoder.property_value(name))?.as_u64()).flatten();
    read("target-bitrate").or_else(|| read("bitrate").map(|kilobits| kilobits * 1000))
}

fn state_name(state: gst::State) -> &'static str {
    match state {
        gst::State::Null => "null",
        gst::State::Ready => "ready",
        gst::State::Paused => "paused",
        gst::State::Playing => "playing",
        _ => "pending",
    }
}

/// A structure as an object. Values that JSON has no form for (buffers, objects) are left out.
pub fn structure(structure: &gst::StructureRef) -> Value {
    let fields = structure.iter().filter_map(|(name, field)| Some((name.to_string(), value(field)?)));
    Value::Object(fields.collect())
}

fn value(of: &glib::Value) -> Option<Value> {
    fn number<'v, T: glib::value::FromValue<'v> + Into<Value>>(of: &'v glib::Value) -> Option<Value> {
        // a wrong type is the one error that these types have
        of.get::<T>().ok().map(Into::into)
    }
    if let Some((_, variant)) = glib::EnumValue::from_value(of) {
        return Some(variant.nick().into());
    }
    if let Ok(inner) = of.get::<gst::Structure>() {
        return Some(structure(&inner));
    }
    if let Ok(items) = of.get::<gst::Array>() {
        return Some(items.iter().filter_map(|item| value(item)).collect());
    }
    if let Ok(items) = of.get::<gst::List>() {
        return Some(items.iter().filter_map(|item| value(item)).collect());
    }
    if let Ok(items) = of.get::<glib::ValueArray>() {
        return Some(items.iter().filter_map(value).collect());
    }
    number::<bool>(of)
        .or_else(|| number::<i32>(of))
        .or_else(|| number::<u32>(of))
        .or_else(|| number::<i64>(of))
        .or_else(|| number::<u64>(of))
        .or_else(|| number::<f64>(of))
        .or_else(|| of.get::<Option<String>>().ok().map(Into::into))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_become_objects() {
        gst::init().unwrap();
        let inner = gst::Structure::builder("inner").field("packets-lost", -1i32).field("rtt", f64::NAN).build();
        let outer = gst::Structure::builder("outer")
            .field("type", gst_webrtc::WebRTCStatsType::InboundRtp)
            .field("bytes", u64::MAX)
            .field("name", "video")
            .field("key", gst::Buffer::from_slice([1, 2, 3]))
            .field("inner", inner)
            .field("sources", gst::Array::new([true, false]))
            .build();
        assert_eq!(
            structure(&outer),
            json!({"type": "inbound-rtp", "bytes": u64::MAX, "name": "video", "sources": [true, false],
                "inner": {"packets-lost": -1, "rtt": null}})
        );
    }

    #[tokio::test]
    async fn a_pipeline_is_looked_at_and_not_kept() {
        gst::init().unwrap();
        let text = "videotestsrc is-live=true ! queue name=q ! vp8enc name=encoder target-bitrate=300000 ! fakesink";
        let pipeline = gst::parse::launch(text).unwrap().downcast::<gst::Pipeline>().unwrap();
        let webrtc = gst::ElementFactory::make("webrtcbin").build().unwrap();
        let probe = PeerProbe::new(&pipeline, &webrtc);
        let stats = probe.stats().await;
        assert_eq!((&stats["state"], &stats["bitrate_target"]), (&json!("null"), &json!(300_000)), "{stats}");
        assert_eq!(stats["elements"], 4);
        assert_eq!(stats["queues"]["q"]["buffers"], 0, "{stats}");
        let dot = probe.dot().await.unwrap();
        assert!(dot.starts_with("digraph") && dot.contains("encoder"), "{dot}");
        assert!(!dot.contains("300000"), "no properties: {dot}");
        drop((pipeline, webrtc));
        assert_eq!((probe.stats().await, probe.dot().await), (Value::Null, None));
    }
}

//! A described pipeline in this process, with our elements and without `GST_PLUGIN_PATH`.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use gst::prelude::*;

use super::PipelinesError;
use crate::app::stop_signal;
use crate::media::description::Words;

/// For what is written at the end, the index of an MP4 file for one.
const END_LIMIT: Duration = Duration::from_secs(10);

/// How the messages of our elements begin.
const OURS: [&str; 3] = ["face-", "gesture-", "challenge-"];

/// Until the end of its stream, `limit`, Ctrl-C or a failure. Prints what its elements say, and what came out.
pub(super) async fn run(words: &Words, limit: Option<Duration>, out: &mut impl Write) -> Result<(), PipelinesError> {
    let (_, words) = words.split();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let failed = |what: &str| PipelinesError::Failed(what.to_owned());
    let pipeline = gst::parse::launchv(&words)
        .map_err(|error| failed(&format!("the pipeline cannot be built: {error}")))?
        .downcast::<gst::Pipeline>()
        .map_err(|_| failed("a single element is no pipeline"))?;
    let sinks = counters(&pipeline);
    let bus = pipeline.bus().ok_or_else(|| failed("the pipeline has no bus"))?;
    let mut messages = bus.stream();
    let begun = Instant::now();
    let played = pipeline.set_state(gst::State::Playing);
    let done = async {
        if played.is_err() {
            // the bus says more
            return messages.next().await.map_or(Err(failed("it does not start")), |message| match message.view() {
                gst::MessageView::Error(error) => Err(failed(&text(error))),
                _ => Err(failed("it does not start")),
            });
        }
        let limit = async {
            match limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = until_end(&mut messages, out) => return ended,
            () = limit => (),
            () = stop_signal() => (),
        }
        pipeline.send_event(gst::event::Eos::new());
        tokio::time::timeout(END_LIMIT, until_end(&mut messages, out))
            .await
            .unwrap_or_else(|_| Err(failed(&format!("the pipeline does not end within {END_LIMIT:?}"))))
    };
    let done = done.await;
    let stopping = tokio::task::spawn_blocking(move || pipeline.set_state(gst::State::Null));
    let _ = tokio::time::timeout(END_LIMIT, stopping).await;
    done?;
    for (name, count) in sinks {
        writeln!(out, "{name}: {} buffers in {:.1} s", count.load(Ordering::Relaxed), begun.elapsed().as_secs_f32())?;
    }
    Ok(())
}

/// How many buffers each sink gets.
fn counters(pipeline: &gst::Pipeline) -> Vec<(String, Arc<AtomicU64>)> {
    let sinks = pipeline.iterate_sinks().into_iter().flatten();
    let counted = sinks.filter_map(|sink| {
        let count = Arc::new(AtomicU64::new(0));
        let counter = count.clone();
        sink.static_pad("sink")?.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            counter.fetch_add(1, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
        Some((sink.name().to_string(), count))
    });
    counted.collect()
}

async fn until_end(messages: &mut gst::bus::BusStream, out: &mut impl Write) -> Result<(), PipelinesError> {
    while let Some(message) = messages.next().await {
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => return Err(PipelinesError::Failed(text(error))),
            gst::MessageView::Element(element) => {
                // ours say what happens; others use them for whatever they like
                let is_ours = |said: &gst::StructureRef| OURS.iter().any(|kind| said.name().starts_with(kind));
                if let Some(said) = element.structure().filter(|said| is_ours(said)) {
                    let name = element.src().map(|src| src.name().to_string()).unwrap_or_default();
                    writeln!(out, "{name}: {said}")?;
                }
            }
            _ => (),
        }
    }
    Ok(())
}

fn text(error: &gst::message::Error) -> String {
    let path = error.src().map(|src| src.path_string().to_string()).unwrap_or_default();
    format!("{path}: {} ({})", error.error(), error.debug().unwrap_or_default())
}

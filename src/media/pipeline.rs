//! Life and death of a pipeline: its bus as events, its end off the caller's thread.

use std::time::Duration;

use gst::prelude::*;

/// Longer than any healthy pipeline needs to stop (5 to 20 ms).
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// A pipeline that stops when it is told to, or, as a last resort, when it is dropped.
pub struct RunningPipeline {
    /// Taken when it stops.
    pipeline: Option<gst::Pipeline>,
    name: String,
}

impl RunningPipeline {
    /// Takes charge of a pipeline. `on_error` gets errors as text with the element's path; it is called on GStreamer's
    /// threads and must not block.
    pub fn new(pipeline: gst::Pipeline, on_error: impl Fn(String) + Send + Sync + 'static) -> Self {
        let name = pipeline.name().to_string();
        if let Some(bus) = pipeline.bus() {
            let weak = pipeline.downgrade();
            let name = name.clone();
            bus.set_sync_handler(move |_, message| {
                match message.view() {
                    gst::MessageView::Error(error) => {
                        let path = error.src().map(|src| src.path_string().to_string()).unwrap_or_default();
                        let debug = error.debug().map(|debug| debug.to_string()).unwrap_or_default();
                        on_error(format!("{path}: {} ({debug})", error.error()));
                    }
                    gst::MessageView::Warning(warning) => {
                        tracing::debug!(pipeline = name, "{} ({:?})", warning.error(), warning.debug());
                    }
                    gst::MessageView::Latency(_) => {
                        // not on this thread: it may hold locks that the recalculation takes
                        if let Some(pipeline) = weak.upgrade() {
                            pipeline.call_async(|pipeline| {
                                let _ = pipeline.recalculate_latency();
                            });
                        }
                    }
                    _ => (),
                }
                gst::BusSyncReply::Drop
            });
        }
        Self { pipeline: Some(pipeline), name }
    }

    /// Starts it.
    pub fn play(&self) -> Result<(), gst::StateChangeError> {
        self.pipeline
            .as_ref()
            .map_or(Err(gst::StateChangeError), |pipeline| pipeline.set_state(gst::State::Playing).map(|_| ()))
    }

    /// Stops it and waits until it has stopped. One that hangs is left behind and said.
    pub async fn stop(mut self) {
        let Some(pipeline) = self.pipeline.take() else { return };
        let stopping = tokio::task::spawn_blocking(move || shut_down(&pipeline));
        if tokio::time::timeout(STOP_LIMIT, stopping).await.is_err() {
            tracing::error!(
                pipeline = self.name,
                "the pipeline does not stop within {STOP_LIMIT:?}; it is left behind"
            );
        }
    }
}

impl Drop for RunningPipeline {
    fn drop(&mut self) {
        // Stopping waits for streaming threads, and this may be one.
        if let Some(pipeline) = self.pipeline.take() {
            std::thread::spawn(move || shut_down(&pipeline));
        }
    }
}

fn shut_down(pipeline: &gst::Pipeline) {
    let bus = pipeline.bus();
    if let Some(bus) = &bus {
        bus.set_flushing(true);
    }
    if pipeline.set_state(gst::State::Null).is_err() {
        tracing::error!(pipeline = %pipeline.name(), "the pipeline cannot be stopped");
    }
    if let Some(bus) = &bus {
        bus.unset_sync_handler();
    }
}

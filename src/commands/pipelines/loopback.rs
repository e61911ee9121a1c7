//! `loopback-call --run`: a call between two peers in this process. One offers and sends, the other answers and receives,
//! with the branches, the peers and the checks that the service uses; only the server is missing.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;
use tokio::sync::mpsc;
use vision_core::picture::{I420Mut, I420View, PictureView};

use super::PipelinesError;
use crate::app::stop_signal;
use crate::config::Config;
use crate::lock::lock;
use crate::media::branch::{Rotation, SendBranch, SendOptions};
use crate::media::description::Words;
use crate::media::ice::RemoteCandidate;
use crate::media::peer::{Peer, PeerError, PeerEvent};
use crate::media::pipeline::RunningPipeline;
use crate::media::pool::PicturePool;
use crate::media::sdp::{Extension, TRANSPORT_CC_URI};
use crate::media::{Codec, Frame, FrameOutlet, FrameSink, IceOptions};
use crate::subject::SubjectError;
use crate::subject::camera::{Camera, Source};

const JITTER_LATENCY: Duration = Duration::from_millis(100);
const PAYLOAD: u8 = 96;
/// To be connected, and to have a first picture.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// Of the window's caps; pictures are shown as they come.
const FRAMERATE: u32 = 30;
/// Without `--seconds`.
const LENGTH: Duration = Duration::from_secs(10);

struct End {
    peer: Peer,
    events: mpsc::UnboundedReceiver<PeerEvent>,
}

/// Runs the call and prints what it was like.
pub(super) async fn run(
    config: &Config,
    words: &Words,
    limit: Option<Duration>,
    out: &mut impl Write,
) -> Result<(), PipelinesError> {
    let codec = config.media.codecs.first().copied().unwrap_or(Codec::Vp8);
    let (source, window) = ends(words)?;
    let window = Window::open(&window)?;
    let received = Arc::new(AtomicU64::new(0));
    let (counter, sink) = (received.clone(), window.sink());
    let outlet = FrameOutlet::new(Arc::new(move |frame: Frame| {
        counter.fetch_add(1, Ordering::Relaxed);
        sink(frame);
    }));
    let media = &config.media;
    let size = (u32::try_from(media.width).unwrap_or(640), u32::try_from(media.height).unwrap_or(480));
    let camera = Camera::start(Source::Launch(source), Some(size), media.framerate)?;

    let begun = Instant::now();
    let call = async {
        let (mut sender, branch, mut receiver) = connect(codec, media.bitrate, &outlet).await?;
        camera.show_to(branch.pictures());
        let mut connected = None;
        let mut first = None;
        let deadline = tokio::time::sleep(CONNECT_LIMIT);
        tokio::pin!(deadline);
        while first.is_none() {
            let (at_sender, event) = tokio::select! {
                Some(event) = sender.events.recv() => (true, event),
                Some(event) = receiver.events.recv() => (false, event),
                () = &mut deadline => {
                    return Err(PipelinesError::Failed(format!("no picture within {CONNECT_LIMIT:?}")));
                }
            };
            let other = if at_sender { &receiver.peer } else { &sender.peer };
            match event {
                PeerEvent::Candidate { mline, candidate } => {
                    if let Some(candidate) = RemoteCandidate::parse(&candidate) {
                        other.add_candidate(mline, &candidate);
                    }
                }
                PeerEvent::Connected if !at_sender => connected = Some(begun.elapsed()),
                PeerEvent::Connected => (),
                PeerEvent::FirstFrame { size, .. } => first = Some((begun.elapsed(), size)),
                PeerEvent::Failed(failure) => return Err(PipelinesError::Failed(failure.to_string())),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(limit.unwrap_or(LENGTH)) => (),
            () = stop_signal() => (),
        }
        let (sent, got) = tokio::join!(sender.peer.stats(), receiver.peer.stats());
        let (sent, got) = (sent.map_err(SubjectError::from)?, got.map_err(SubjectError::from)?);
        let ms = |time: Option<Duration>| time.map_or_else(|| "-".into(), |time| format!("{} ms", time.as_millis()));
        let (first_after, size) = first.unzip();
        let (width, height) = size.unwrap_or_default();
        writeln!(out, "{codec}, {} kbit/s at most, ICE, DTLS and SRTP on loopback", media.bitrate / 1000)?;
        writeln!(out, "connected after    {}", ms(connected))?;
        writeln!(out, "first picture      {} ({width}x{height})", ms(first_after))?;
        writeln!(out, "pictures received  {}", received.load(Ordering::Relaxed))?;
        let got = got.received.unwrap_or_default();
        writeln!(out, "packets received   {}, {} lost, {} recovered", got.packets, got.lost, got.recovered)?;
        if let Some(round_trip) = sent.sent.and_then(|sent| sent.round_trip) {
            writeln!(out, "round trip         {:.1} ms", round_trip * 1000.0)?;
        }
        tokio::join!(sender.peer.close(), receiver.peer.close());
        Ok(())
    };
    let done = call.await;
    camera.stop().await;
    window.close().await;
    done
}

/// The elements before and after the branches.
fn ends(words: &Words) -> Result<(String, String), PipelinesError> {
    let (_, words) = words.split();
    let missing = |what: &str| PipelinesError::Failed(format!("the pipeline has no {what}"));
    let encoder = words.iter().position(|word| word == "name=encoder").ok_or_else(|| missing("encoder"))?;
    let before = words[..encoder].iter().rposition(|word| word == "!").ok_or_else(|| missing("camera"))?;
    let mut behind = words.iter().enumerate().skip(encoder);
    let end = behind.find(|(_, word)| word.starts_with("video/x-raw,format=I420"));
    let (after, _) = end.ok_or_else(|| missing("window"))?;
    // as gst-launch-1.0 does with its arguments
    let join = |words: &[String]| words.iter().map(|word| word.replace(' ', "\\ ")).collect::<Vec<_>>().join(" ");
    Ok((join(&words[..before]), join(words.get(after + 2..).unwrap_or_default())))
}

/// Both peers, negotiated as far as their first candidates.
async fn connect(codec: Codec, bitrate: u32, outlet: &FrameOutlet) -> Result<(End, SendBranch, End), SubjectError> {
    let tap = outlet.tap();
    let build = tokio::task::spawn_blocking(move || {
        let ice = IceOptions { loopback: true, ..IceOptions::default() };
        let extensions = vec![Extension { id: 3, uri: TRANSPORT_CC_URI.into() }];
        let (sender, at_sender) = Peer::new("loopback-send", &ice, JITTER_LATENCY)?;
        let branch = SendBranch::new(&SendOptions { codec, payload: PAYLOAD, bitrate, extensions, offers: true })?;
        sender.send(&branch, true)?;
        sender.play()?;
        let (receiver, at_receiver) = Peer::new("loopback-receive", &ice, JITTER_LATENCY)?;
        receiver.receive(0, codec, Rotation::None, tap)?;
        receiver.play()?;
        Ok::<_, PeerError>((
            End { peer: sender, events: at_sender },
            branch,
            End { peer: receiver, events: at_receiver },
        ))
    });
    let (sender, branch, receiver) = build
        .await
        .map_err(|error| PeerError::Refused { step: "building the pipelines", reason: error.to_string() })??;
    let offer = sender.peer.offer().await?;
    let answer = receiver.peer.answer(&offer).await?;
    sender.peer.accept(&answer).await?;
    Ok((sender, branch, receiver))
}

/// Where the pictures that come in are shown.
struct Window {
    running: RunningPipeline,
    pictures: gst_app::AppSrc,
}

impl Window {
    fn open(elements: &str) -> Result<Self, PipelinesError> {
        let failed = |reason: String| PipelinesError::Failed(format!("the window cannot be opened: {reason}"));
        let text =
            format!("appsrc name=pictures ! queue leaky=downstream max-size-buffers=2 ! videoconvert ! {elements}");
        let pipeline = gst::parse::launch_full(&text, None, gst::ParseFlags::FATAL_ERRORS)
            .map_err(|error| failed(error.to_string()))?
            .downcast::<gst::Pipeline>()
            .map_err(|_| failed("not a pipeline".into()))?;
        let pictures = pipeline.by_name("pictures").and_downcast::<gst_app::AppSrc>();
        let pictures = pictures.ok_or_else(|| failed("no appsrc".into()))?;
        pictures.set_is_live(true);
        pictures.set_format(gst::Format::Time);
        pictures.set_do_timestamp(true);
        let running = RunningPipeline::new(pipeline, |error| tracing::error!(error, "the window failed"));
        running.play().map_err(|error| failed(error.to_string()))?;
        Ok(Self { running, pictures })
    }

    /// Copies pictures into the window's own buffers: those of a call are read-only.
    fn sink(&self) -> FrameSink {
        let (pictures, pool) = (self.pictures.clone(), Mutex::new(None::<PicturePool>));
        Arc::new(move |frame| {
            let PictureView::I420(from) = frame.picture.view() else { return };
            let size = (from.width, from.height);
            let mut slot = lock(&pool);
            if slot.as_ref().is_none_or(|pool| pool.size() != size) {
                *slot = PicturePool::new(size, FRAMERATE).ok();
                pictures.set_caps(slot.as_ref().map(PicturePool::caps));
            }
            if let Some(mut picture) = slot.as_ref().and_then(|pool| pool.acquire().ok()) {
                copy(&from, &mut picture.view_mut());
                // a window that is closing refuses
                let _ = pictures.push_buffer(picture.into_buffer());
            }
        })
    }

    /// Lets the elements finish their file, if they write one.
    async fn close(self) {
        let _ = self.pictures.end_of_stream();
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.running.stop().await;
    }
}

fn copy(from: &I420View<'_>, to: &mut I420Mut<'_>) {
    let plane = |from: &[u8], from_stride: usize, to: &mut [u8], to_stride: usize, width: usize| {
        for (from, to) in from.chunks(from_stride).zip(to.chunks_mut(to_stride)) {
            if let (Some(from), Some(to)) = (from.get(..width), to.get_mut(..width)) {
                to.copy_from_slice(from);
            }
        }
    };
    let half = from.width.div_ceil(2);
    plane(from.y, from.y_stride, to.y, to.y_stride, from.width);
    plane(from.u, from.uv_stride, to.u, to.uv_stride, half);
    plane(from.v, from.uv_stride, to.v, to.uv_stride, half);
}

//! A decoded picture on its way from GStreamer to whoever looks at it: one buffer, shared, never copied.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst_video::VideoFrameExt as _;
use vision_core::liveness::continuity::encoded::Encoded;
use vision_core::picture::{I420View, Picture, PictureView};

use super::tape::{Tape, TapeHead};
use crate::lock::lock;

/// A buffer of decoded I420 video, mapped for reading for as long as somebody holds it.
pub struct VideoPicture(gst_video::VideoFrame<gst_video::video_frame::Readable>);

impl VideoPicture {
    /// Maps the sample's buffer. `None` when it is not I420 or its two chroma planes have different strides.
    pub fn from_sample(sample: &gst::Sample) -> Option<Self> {
        let info = gst_video::VideoInfo::from_caps(sample.caps()?).ok()?;
        if info.format() != gst_video::VideoFormat::I420 {
            return None;
        }
        let frame = gst_video::VideoFrame::from_buffer_readable(sample.buffer_owned()?, &info).ok()?;
        (frame.plane_stride()[1] == frame.plane_stride()[2]).then_some(Self(frame))
    }
}

impl Picture for VideoPicture {
    fn view(&self) -> PictureView<'_> {
        let [y, u, v, _] = self.0.planes_data();
        let strides = self.0.plane_stride();
        PictureView::I420(I420View {
            y,
            u,
            v,
            y_stride: strides[0].unsigned_abs() as usize,
            uv_stride: strides[1].unsigned_abs() as usize,
            width: self.0.width() as usize,
            height: self.0.height() as usize,
        })
    }
}

/// One picture of the subject.
#[derive(Clone)]
pub struct Frame {
    /// The pixels: upright, not mirrored, I420.
    pub picture: Arc<dyn Picture>,
    /// When it was taken, on the clock of the stream; grows from frame to frame, also from one connection to the next.
    pub timestamp: Duration,
    /// When it was decoded.
    pub received: Instant,
    /// Counts the frames of a flow from 0.
    pub sequence: u64,
}

// Pixels are biometric data.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let view = self.picture.view();
        write!(f, "Frame({} at {:?}, {}x{})", self.sequence, self.timestamp, view.width(), view.height())
    }
}

/// Who gets the frames. Called on a GStreamer thread: it must not block.
pub type FrameSink = Arc<dyn Fn(Frame) + Send + Sync>;

/// Who gets to know what frames look like before they are decoded. Called on a GStreamer thread: it must not block.
pub type EncodedSink = Arc<dyn Fn(Encoded) + Send + Sync>;

/// Who looks at frames before they are decoded, if anybody does.
#[derive(Clone, Default)]
pub struct Observers {
    /// What they look like.
    pub encoded: Option<EncodedSink>,
    /// The frames themselves.
    pub tape: Option<Tape>,
}

/// Numbers and dates the frames of one flow, over all its connections, and hands them to the sink.
#[derive(Clone)]
pub struct FrameOutlet(Arc<Outlet>);

struct Outlet {
    sink: FrameSink,
    observers: Observers,
    /// The number of the newest tap.
    newest: AtomicU64,
    sequence: AtomicU64,
    clock: Mutex<Clock>,
}

#[derive(Default)]
struct Clock {
    /// When the flow's first frame came.
    start: Option<Instant>,
    last: Option<Duration>,
}

impl FrameOutlet {
    /// All frames go to the sink.
    pub fn new(sink: FrameSink) -> Self {
        Self::observed(sink, Observers::default())
    }

    /// All frames go to the sink, and before they are decoded to the observers.
    pub fn observed(sink: FrameSink, observers: Observers) -> Self {
        let (newest, sequence) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Outlet { sink, observers, newest, sequence, clock: Mutex::default() }))
    }

    /// For one connection: its presentation times start anywhere. From now on the taps made before hand nothing on: what
    /// they still get was under way when the connection changed.
    pub fn tap(&self) -> FrameTap {
        let number = self.0.newest.fetch_add(1, Ordering::AcqRel) + 1;
        FrameTap { outlet: self.clone(), number, base: None }
    }

    fn is_newest(&self, number: u64) -> bool {
        number == self.0.newest.load(Ordering::Acquire)
    }

    /// `base`: what has to be added to this connection's times to be on the flow's clock.
    fn date(&self, pts: Option<Duration>, received: Instant, base: &mut Option<(Duration, Duration)>) -> Duration {
        let mut clock = lock(&self.0.clock);
        let arrival = received - *clock.start.get_or_insert(received);
        let timestamp = match pts {
            None => arrival,
            Some(pts) => {
                let (offset, first) = *base.get_or_insert((arrival, pts));
                offset + pts.saturating_sub(first)
            }
        };
        // Networks that follow a face need time to go on.
        let least = clock.last.map_or(Duration::ZERO, |last| last + Duration::from_millis(1));
        let timestamp = timestamp.max(least);
        clock.last = Some(timestamp);
        timestamp
    }
}

/// The frames of one connection.
pub struct FrameTap {
    outlet: FrameOutlet,
    number: u64,
    base: Option<(Duration, Duration)>,
}

impl FrameTap {
    /// Hands one picture on; `pts` is its presentation time on the connection's clock.
    pub fn push(&mut self, picture: Arc<dyn Picture>, pts: Option<Duration>, received: Instant) {
        if !self.outlet.is_newest(self.number) {
            return;
        }
        let timestamp = self.outlet.date(pts, received, &mut self.base);
        let sequence = self.outlet.0.sequence.fetch_add(1, Ordering::Relaxed);
        (self.outlet.0.sink)(Frame { picture, timestamp, received, sequence });
    }

    /// Where this connection's frames go before they are decoded, if anybody wants to know.
    pub fn encoded(&self) -> Option<EncodedSink> {
        let sink = self.outlet.0.observers.encoded.clone()?;
        let (outlet, number) = (self.outlet.clone(), self.number);
        Some(Arc::new(move |frame| {
            if outlet.is_newest(number) {
                sink(frame);
            }
        }))
    }

    /// What records this connection's frames, if anything does.
    pub fn tape(&self) -> Option<TapeHead> {
        self.outlet.0.observers.tape.as_ref().map(|tape| tape.head(self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vision_core::picture::RgbPicture;

    #[test]
    fn time_and_numbers_go_on_over_connections() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        let outlet = FrameOutlet::new(Arc::new(move |frame: Frame| {
            sink.lock().unwrap().push((frame.sequence, frame.timestamp.as_millis()));
        }));
        let picture: Arc<dyn Picture> = Arc::new(RgbPicture { data: vec![0; 3], width: 1, height: 1 });
        let start = Instant::now();
        let ms = Duration::from_millis;

        // the stream's clock starts at 1 h; arrival jitters, the stream's own times do not
        let mut first = outlet.tap();
        for (pts, arrival) in [(3_600_000, 0), (3_600_033, 50), (3_600_066, 60)] {
            first.push(picture.clone(), Some(ms(pts)), start + ms(arrival));
        }
        // a second connection, two seconds later, starts at 0
        let mut second = outlet.tap();
        first.push(picture.clone(), Some(ms(3_600_099)), start + ms(1999));
        for (pts, arrival) in [(0, 2000), (33, 2050), (33, 2060), (10, 2070)] {
            second.push(picture.clone(), Some(ms(pts)), start + ms(arrival));
        }
        second.push(picture, None, start + ms(2100));
        assert_eq!(
            *seen.lock().unwrap(),
            [(0, 0), (1, 33), (2, 66), (3, 2000), (4, 2033), (5, 2034), (6, 2035), (7, 2100)]
        );
    }
}

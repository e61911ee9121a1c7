//! The subject's video as it came, encoded, in memory, for those who keep it. Nothing is decoded for it.
//!
//! Frames are taken behind the depayloader, and copied, a few kB each: they would hold on to their network packets.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gst::prelude::*;

use super::codec::Codec;
use crate::lock::lock;

/// The video of one flow, over all its connections. Cheap to clone.
#[derive(Clone)]
pub struct Tape(Arc<Mutex<Recorded>>);

struct Recorded {
    /// Bytes that still fit.
    room: usize,
    is_cut: bool,
    /// The newest connection; frames of others are not taken.
    newest: u64,
    reels: Vec<Reel>,
    /// Reels so far.
    count: u64,
}

/// What fits into one file: frames of one connection, of one codec and size. The first is a key frame.
pub struct Reel {
    /// What it is encoded with.
    pub codec: Codec,
    /// What GStreamer says of the frames.
    pub caps: gst::Caps,
    /// When the first frame came.
    pub began: Instant,
    /// In order.
    pub frames: Vec<TapedFrame>,
    /// How pictures have to be turned from a time on, as in GStreamer's tag `image-orientation`; not said: not at all.
    pub turned: Vec<(Duration, String)>,
    number: u64,
    connection: u64,
    /// Whether the sender's certificate was the right one in the end.
    is_proven: bool,
}

/// An encoded frame.
pub struct TapedFrame {
    /// Since the reel's first, on the stream's clock.
    pub at: Duration,
    /// Whether it can be decoded without others.
    pub is_key: bool,
    /// What the decoder gets.
    pub bytes: Bytes,
}

/// What was recorded.
pub struct Recording {
    /// In order.
    pub reels: Vec<Reel>,
    /// Whether there was more than fits.
    pub is_cut: bool,
}

impl Tape {
    /// An empty one, for so many bytes of video; what comes later is not taken.
    pub fn new(limit: usize) -> Self {
        let recorded = Recorded { room: limit, is_cut: false, newest: 0, reels: Vec::new(), count: 0 };
        Self(Arc::new(Mutex::new(recorded)))
    }

    /// Records the connection of this number; those of smaller numbers are over.
    pub(super) fn head(&self, connection: u64) -> TapeHead {
        let mut recorded = self.lock();
        recorded.newest = recorded.newest.max(connection);
        TapeHead { tape: self.clone(), connection }
    }

    /// Forgets all connections but the newest.
    pub fn forget_earlier(&self) {
        let mut recorded = self.lock();
        let newest = recorded.newest;
        let freed: usize =
            recorded.reels.extract_if(.., |reel| reel.connection != newest).map(|reel| reel.bytes()).sum();
        recorded.room += freed;
        // a reel that was cut does not go on
        recorded.is_cut &= !recorded.reels.is_empty();
    }

    /// Takes out what was recorded, if anything was. What came from somebody whose certificate was not the right one is not in it.
    pub fn take(&self) -> Option<Recording> {
        let mut recorded = self.lock();
        let mut reels = std::mem::take(&mut recorded.reels);
        reels.retain(|reel| reel.is_proven);
        (!reels.is_empty()).then_some(Recording { reels, is_cut: recorded.is_cut })
    }

    /// A lock whose holder panicked still holds plain data.
    fn lock(&self) -> MutexGuard<'_, Recorded> {
        lock(&self.0)
    }
}

impl Reel {
    fn bytes(&self) -> usize {
        self.frames.iter().map(|frame| frame.bytes.len()).sum()
    }
}

/// Records one connection.
pub struct TapeHead {
    tape: Tape,
    connection: u64,
}

/// What a head knows of its stream.
struct Stream {
    codec: Codec,
    connection: u64,
    caps: Option<gst::Caps>,
    orientation: Option<String>,
    /// The reel that is written, and the time of its first frame.
    reel: Option<(u64, Duration)>,
}

impl TapeHead {
    /// Records every frame that leaves the depayloader. It counts if `open` is set by the last of them.
    pub(super) fn record(self, depayloader: &gst::Element, codec: Codec, open: Arc<AtomicBool>) {
        let Some(pad) = depayloader.static_pad("src") else { return };
        let Self { tape, connection } = self;
        let stream = Mutex::new(Stream { codec, connection, caps: None, orientation: None, reel: None });
        let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(kinds, move |_, info| {
            let mut stream = lock(&stream);
            let mut take = |buffer: &gst::BufferRef| {
                stream.take(&mut tape.lock(), buffer, open.load(Ordering::Acquire), Instant::now());
            };
            match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => take(buffer),
                Some(gst::PadProbeData::BufferList(list)) => list.iter().for_each(take),
                Some(gst::PadProbeData::Event(event)) => match event.view() {
                    gst::EventView::Caps(caps) => stream.caps(caps.caps_owned()),
                    gst::EventView::Tag(tags) => stream.tags(&mut tape.lock(), tags.tag()),
                    _ => {}
                },
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
    }
}

impl Stream {
    /// What comes now needs another file.
    fn caps(&mut self, caps: gst::Caps) {
        if self.caps.as_ref() != Some(&caps) {
            (self.caps, self.reel) = (Some(caps), None);
        }
    }

    fn tags(&mut self, recorded: &mut Recorded, tags: &gst::TagListRef) {
        let Some(orientation) = tags.get::<gst::tags::ImageOrientation>() else { return };
        let orientation = orientation.get().to_owned();
        if let Some(reel) = self.reel(recorded)
            && let Some(last) = reel.frames.last()
        {
            reel.turned.push((last.at, orientation.clone()));
        }
        self.orientation = Some(orientation);
    }

    /// The reel that is written, if it was not forgotten.
    fn reel<'a>(&self, recorded: &'a mut Recorded) -> Option<&'a mut Reel> {
        let (number, _) = self.reel?;
        recorded.reels.last_mut().filter(|reel| reel.number == number)
    }

    fn take(&mut self, recorded: &mut Recorded, buffer: &gst::BufferRef, is_proven: bool, now: Instant) {
        if recorded.is_cut || self.connection != recorded.newest {
            return;
        }
        let (Some(caps), Some(pts)) = (&self.caps, buffer.pts().map(Duration::from)) else { return };
        let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        if self.reel(recorded).is_none() {
            if !is_key {
                return;
            }
            recorded.count += 1;
            self.reel = Some((recorded.count, pts));
            recorded.reels.push(Reel {
                codec: self.codec,
                caps: caps.clone(),
                began: now,
                frames: Vec::new(),
                turned: self.orientation.iter().map(|it| (Duration::ZERO, it.clone())).collect(),
                number: recorded.count,
                connection: self.connection,
                is_proven,
            });
        }
        if buffer.size() > recorded.room {
            recorded.is_cut = true;
            return;
        }
        let mut bytes = vec![0; buffer.size()];
        let (Some((_, begin)), Ok(())) = (self.reel, buffer.copy_to_slice(0, &mut bytes)) else { return };
        recorded.room -= bytes.len();
        if let Some(reel) = self.reel(recorded) {
            reel.is_proven |= is_proven;
            reel.frames.push(TapedFrame { at: pts.saturating_sub(begin), is_key, bytes: bytes.into() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sender {
        stream: Stream,
        tape: Tape,
        pts: u64,
    }

    impl Sender {
        fn new(tape: &Tape, connection: u64) -> Self {
            crate::media::init().unwrap();
            tape.head(connection);
            let stream = Stream { codec: Codec::Vp8, connection, caps: None, orientation: None, reel: None };
            let mut sender = Self { stream, tape: tape.clone(), pts: 3_600_000 };
            sender.size(640);
            sender
        }

        fn size(&mut self, width: i32) {
            self.stream.caps(gst::Caps::builder("video/x-vp8").field("width", width).build());
        }

        fn turn(&mut self, orientation: &str) {
            let mut tags = gst::TagList::new();
            tags.make_mut().add::<gst::tags::ImageOrientation>(&orientation, gst::TagMergeMode::Replace);
            self.stream.tags(&mut self.tape.lock(), &tags);
        }

        /// Frames of 100 bytes: `K` is a key frame, `d` is not.
        fn send(&mut self, frames: &str, is_proven: bool) {
            for frame in frames.chars() {
                let mut buffer = gst::Buffer::from_slice([7; 100]);
                let writable = buffer.get_mut().unwrap();
                writable.set_pts(gst::ClockTime::from_mseconds(self.pts));
                if frame == 'd' {
                    writable.set_flags(gst::BufferFlags::DELTA_UNIT);
                }
                self.pts += 40;
                self.stream.take(&mut self.tape.lock(), &buffer, is_proven, Instant::now());
            }
        }
    }

    /// Frames of each reel: `K0 d40`.
    fn taken(tape: &Tape) -> Vec<String> {
        let tell = |frame: &TapedFrame| format!("{}{}", if frame.is_key { 'K' } else { 'd' }, frame.at.as_millis());
        let reels = tape.take().map(|recording| recording.reels).unwrap_or_default();
        reels.iter().map(|reel| reel.frames.iter().map(tell).collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn a_reel_begins_with_a_key_frame_and_has_one_size() {
        let tape = Tape::new(10_000);
        let mut sender = Sender::new(&tape, 1);
        sender.send("ddKdd", true);
        sender.size(640);
        sender.send("d", true);
        sender.size(320);
        sender.send("dKd", true);
        assert_eq!(taken(&tape), ["K0 d40 d80 d120", "K0 d40"]);
        assert!(tape.take().is_none());
    }

    #[test]
    fn connections_are_kept_apart_and_earlier_ones_can_be_forgotten() {
        let tape = Tape::new(500);
        let mut first = Sender::new(&tape, 1);
        first.send("Kd", true);
        let mut second = Sender::new(&tape, 2);
        second.send("K", true);
        first.send("d", true);
        assert_eq!(tape.lock().reels.len(), 2);
        tape.forget_earlier();
        second.send("dddd", true);
        assert_eq!(taken(&tape), ["K0 d40 d80 d120 d160"], "there is room again");

        // what was cut stays so, unless nothing is left of it
        let tape = Tape::new(250);
        Sender::new(&tape, 1).send("K", true);
        let mut second = Sender::new(&tape, 2);
        second.send("Kdd", true);
        tape.forget_earlier();
        second.send("d", true);
        assert!(tape.lock().is_cut && tape.lock().reels.len() == 1);
        let mut third = Sender::new(&tape, 3);
        third.send("K", true);
        tape.forget_earlier();
        third.send("dKd", true);
        assert_eq!(taken(&tape), ["K0 d40"]);
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_said() {
        let tape = Tape::new(250);
        let mut sender = Sender::new(&tape, 1);
        sender.send("Kddd", true);
        let recording = tape.take().unwrap();
        assert_eq!((recording.is_cut, recording.reels[0].frames.len()), (true, 2));
    }

    #[test]
    fn a_stranger_is_not_recorded() {
        let tape = Tape::new(1000);
        let mut sender = Sender::new(&tape, 1);
        sender.send("Kd", false);
        assert!(taken(&tape).is_empty());
        // the certificate is checked when the first frames are there already
        sender.send("Kd", false);
        sender.send("d", true);
        assert_eq!(taken(&tape), ["K0 d40 d80"]);
    }

    #[test]
    fn how_pictures_are_turned_is_known() {
        let tape = Tape::new(1000);
        let mut sender = Sender::new(&tape, 1);
        sender.turn("rotate-90");
        sender.send("Kd", true);
        sender.turn("rotate-0");
        sender.send("d", true);
        let reel = tape.take().unwrap().reels.remove(0);
        let expected =
            [(0, "rotate-90"), (40, "rotate-0")].map(|(at, how)| (Duration::from_millis(at), how.to_owned()));
        assert_eq!(reel.turned, expected);
    }
}

//! What received frames look like from afar, until it is known what the networks saw in them.
//!
//! Every frame is noted, the networks look at some of them, later. The stream's judge wants them in order, each with what
//! was seen in it. What frames look like before they are decoded waits beside them, unpaired.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use crate::lock::lock;
use vision_core::liveness::continuity::encoded::Encoded;
use vision_core::liveness::continuity::stream::signature::Signature;
use vision_core::picture::PictureView;

/// More frames than this do not wait; the oldest are forgotten.
const MOST: usize = 90;

/// A noted frame.
pub struct Note {
    /// The frame's number.
    pub sequence: u64,
    /// When it was taken, on the stream's clock.
    pub at: Duration,
    /// What it looks like.
    pub signature: Signature,
}

/// Frames of one flow that have been received, oldest first.
#[derive(Default)]
pub struct FrameLog {
    notes: Mutex<VecDeque<Note>>,
    encoded: Mutex<VecDeque<Encoded>>,
}

fn push<T>(queue: &Mutex<VecDeque<T>>, value: T) {
    let mut queue = lock(queue);
    if queue.len() == MOST {
        queue.pop_front();
    }
    queue.push_back(value);
}

impl FrameLog {
    /// A frame was received. Some tens of microseconds.
    pub fn note(&self, picture: &PictureView<'_>, at: Duration, sequence: u64) {
        if let Some(signature) = Signature::of(picture) {
            push(&self.notes, Note { sequence, at, signature });
        }
    }

    /// A frame was received that is not decoded yet.
    pub fn note_encoded(&self, frame: Encoded) {
        push(&self.encoded, frame);
    }

    /// What was received to be decoded since this was last asked, oldest first.
    pub fn take_encoded(&self) -> VecDeque<Encoded> {
        std::mem::take(&mut *lock(&self.encoded))
    }

    /// The frames up to that with this number, which come no more.
    pub fn take_until(&self, sequence: u64) -> Vec<Note> {
        let mut notes = lock(&self.notes);
        let count = notes.partition_point(|note| note.sequence <= sequence);
        notes.drain(..count).collect()
    }

    /// What was received so far is not wanted.
    pub fn clear(&self) {
        lock(&self.notes).clear();
        lock(&self.encoded).clear();
    }
}

#[cfg(test)]
mod tests {
    use vision_core::picture::{Picture as _, RgbPicture};

    use super::*;

    #[test]
    fn frames_wait_for_what_was_seen_in_them() {
        let picture = RgbPicture { data: vec![90; 3 * 64 * 48], width: 64, height: 48 };
        let log = FrameLog::default();
        let taken = |until| log.take_until(until).iter().map(|note| note.sequence).collect::<Vec<_>>();
        for sequence in [3, 4, 7, 8] {
            log.note(&picture.view(), Duration::from_millis(33 * sequence), sequence);
        }
        assert_eq!((taken(2), taken(7), taken(7)), (vec![], vec![3, 4, 7], vec![]));
        for sequence in 9..200 {
            log.note(&picture.view(), Duration::from_millis(33 * sequence), sequence);
        }
        let rest = taken(300);
        assert_eq!((rest.len(), rest[0]), (MOST, 110), "the oldest are forgotten");
        for bytes in 0..100 {
            log.note_encoded(Encoded { bytes, quantiser: None, x264: false });
        }
        let encoded = log.take_encoded();
        assert_eq!((encoded.len(), encoded[0].bytes), (MOST, 10), "so they are here");
        assert!(log.take_encoded().is_empty());
        log.note(&RgbPicture { data: vec![], width: 64, height: 48 }.view(), Duration::ZERO, 200);
        assert_eq!(taken(300), [0; 0], "a picture that is not what it says");
    }
}

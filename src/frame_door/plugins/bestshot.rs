//! `Bestshot`: keeps the frame with the best liveness, for the result.

use bytes::Bytes;
use vision_core::liveness::frame_checks::{BestShot, Thresholds};

use super::{Configured, Opening, Plugin, Seen, Shared, Word};
use crate::frame_door::protocol::SessionId;
use crate::frame_door::settings::reader::Reader;

/// `[MIDDLEWARES.WS.Bestshot]`.
#[derive(Debug)]
pub struct Settings;

impl Configured for Settings {
    fn read(file: &mut Reader) -> Option<Self> {
        file.plugin("WS", "Bestshot", false).map(|_| Self)
    }

    fn open(&self, shared: &Shared) -> Opening {
        let thresholds = shared.thresholds.clone();
        Ok(Some(Box::new(move |_: SessionId| Bestshot::new(&thresholds))))
    }
}

/// The plug-in.
pub struct Bestshot(BestShot<Bytes>);

impl Bestshot {
    /// Nothing kept yet.
    pub fn new(thresholds: &Thresholds) -> Self {
        Self(BestShot::new(thresholds))
    }
}

impl Plugin for Bestshot {
    fn frame(&mut self, seen: &Seen<'_>, so_far: Word) -> Word {
        self.0.offer(seen.status, || seen.file.clone());
        so_far
    }

    fn best_shot(&self) -> Option<&Bytes> {
        self.0.best()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Frames, with_liveness};
    use super::*;

    #[test]
    fn the_livelier_frame_is_kept_as_it_came() {
        let mut plugin = Bestshot::new(&Thresholds::default());
        let frames = Frames::default();
        for (score, quality, name) in [(0.6, 0.9, "a"), (0.9, 0.9, "b"), (0.7, 0.9, "c"), (0.99, 0.4, "d")] {
            let file = Bytes::from_static(name.as_bytes());
            let status = with_liveness(score, quality);
            plugin.frame(&Seen { file: &file, ..frames.seen(&status) }, Word::Content);
        }
        assert_eq!(plugin.best_shot().map(|file| &file[..]), Some(&b"b"[..]));
    }
}

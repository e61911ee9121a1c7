//! What is remembered of a stream from one frame to the next.

use std::time::Duration;

use super::region::NormalizedRegion;
use super::smoothing::Smoothing;

/// How a stream is followed.
#[derive(Clone, Debug)]
pub struct TrackerOptions {
    /// How often, in stream time, the detector looks at the whole picture for further faces while one is followed;
    /// `None`: never, as MediaPipe. It costs about a fifth of an analysis each time.
    pub face_count_interval: Option<Duration>,
}

impl Default for TrackerOptions {
    fn default() -> Self {
        Self { face_count_interval: Some(Duration::from_millis(500)) }
    }
}

/// What is remembered of a stream.
#[derive(Default)]
pub struct Tracker {
    options: TrackerOptions,
    pub(super) region: Option<NormalizedRegion>,
    pub(super) smoothing: Smoothing,
    pub(super) size: (usize, usize),
    pub(super) face_count: usize,
    pub(super) counted: Option<Duration>,
}

impl Tracker {
    /// A stream of which nothing is known.
    pub fn new(options: TrackerOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Forgets the face: the next frame is searched by the detector.
    pub fn reset(&mut self) {
        *self = Self::new(self.options.clone());
    }

    /// Follows nothing any more.
    pub(super) fn lose(&mut self) {
        self.region = None;
        self.smoothing = Smoothing::default();
    }

    /// Whether the detector has to look for further faces.
    pub(super) fn count_is_due(&self, now: Duration) -> bool {
        match (self.options.face_count_interval, self.counted) {
            (None, _) => false,
            (Some(_), None) => true,
            // A stream whose clock went back counts again.
            (Some(interval), Some(counted)) => now.checked_sub(counted).is_none_or(|passed| passed >= interval),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_is_due_at_the_interval() {
        let at = Duration::from_millis;
        let mut tracker = Tracker::new(TrackerOptions { face_count_interval: Some(at(500)) });
        assert!(tracker.count_is_due(at(0)));
        tracker.counted = Some(at(1000));
        assert!(!tracker.count_is_due(at(1499)));
        assert!(tracker.count_is_due(at(1500)));
        assert!(tracker.count_is_due(at(10)), "the clock went back");
        tracker.options.face_count_interval = None;
        assert!(!tracker.count_is_due(at(9999)));
    }
}

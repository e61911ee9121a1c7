//! Lets frames through at a greatest rate, evenly.

use std::time::Duration;

/// How early a frame may come and still be taken: cameras jitter, and a frame dropped for being a millisecond early
/// would halve the rate.
const TOLERANCE: f64 = 0.25;

/// A rate limiter for frames with timestamps.
#[derive(Clone, Debug)]
pub struct Pace {
    interval: Duration,
    due: Option<Duration>,
}

impl Pace {
    /// At most `rate` frames per second.
    pub fn new(rate: f32) -> Self {
        Self { interval: Duration::from_secs_f32(1.0 / rate), due: None }
    }

    /// Whether the frame at `timestamp` is taken.
    pub fn take(&mut self, timestamp: Duration) -> bool {
        match self.due {
            Some(due) if timestamp + self.interval.mul_f64(TOLERANCE) < due && due <= timestamp + 2 * self.interval => {
                false
            }
            // Keep to the beat while the frames do, start a new one after a gap or a jump back.
            Some(due) if due <= timestamp + 2 * self.interval && timestamp < due + self.interval => {
                self.due = Some(due + self.interval);
                true
            }
            _ => {
                self.due = Some(timestamp + self.interval);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames taken out of `seconds` of video at `fps`, each late or early by up to `jitter_ms`.
    fn taken(rate: f32, fps: f64, seconds: f64, jitter_ms: f64) -> usize {
        let mut pace = Pace::new(rate);
        (0..(fps * seconds) as usize)
            .filter(|i| {
                let jitter = jitter_ms * ((i * 7919 % 13) as f64 / 6.0 - 1.0);
                pace.take(Duration::from_secs_f64((1000.0 + *i as f64 * 1000.0 / fps + jitter) / 1000.0))
            })
            .count()
    }

    #[test]
    fn the_rate_is_kept_and_used() {
        assert_eq!(taken(15.0, 30.0, 10.0, 0.0), 150);
        let n = taken(15.0, 30.0, 10.0, 8.0);
        assert!((145..=151).contains(&n), "{n}");
        let n = taken(15.0, 25.0, 10.0, 3.0);
        assert!((120..=151).contains(&n), "{n}");
        assert_eq!(taken(30.0, 15.0, 10.0, 3.0), 150, "a slow camera loses nothing");
    }

    #[test]
    fn gaps_and_jumps_do_not_stop_it() {
        let mut pace = Pace::new(10.0);
        assert!(pace.take(Duration::from_secs(100)));
        assert!(!pace.take(Duration::from_millis(100_010)));
        assert!(pace.take(Duration::from_secs(500)));
        assert!(!pace.take(Duration::from_millis(500_020)), "no burst after a gap");
        assert!(pace.take(Duration::from_secs(3)), "a clock that starts again");
        assert!(pace.take(Duration::from_millis(3_100)));
    }
}

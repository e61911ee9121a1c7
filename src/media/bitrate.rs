//! How many bits a second the network takes: a controller that follows the loss that the receiver reports. Pure.

use std::time::Duration;

/// Above this part of packets lost the rate is halved.
const MUCH_LOSS: f64 = 0.10;
/// Below this part of packets lost the rate grows.
const LITTLE_LOSS: f64 = 0.02;
/// Growth in a second.
const GROWTH: f64 = 1.08;
/// A report says what was lost since the one before: halving twice for one loss helps nobody.
const HALVING_PAUSE: Duration = Duration::from_secs(2);

/// The rate of one track.
#[derive(Debug, Clone)]
pub struct BitrateController {
    least: f64,
    greatest: f64,
    rate: f64,
    since_halved: Duration,
}

impl BitrateController {
    /// Bits per second, from `least` to `greatest`; begins with the greatest.
    pub fn new(least: u32, greatest: u32) -> Self {
        let (least, greatest) = (f64::from(least.min(greatest)), f64::from(greatest));
        Self { least, greatest, rate: greatest, since_halved: HALVING_PAUSE }
    }

    /// Bits per second.
    pub fn rate(&self) -> u32 {
        self.rate.round() as u32
    }

    /// The newest report: the part of packets lost, 0 to 1, and the time since the report before. The new rate comes
    /// back when it has changed.
    pub fn report(&mut self, loss: f64, elapsed: Duration) -> Option<u32> {
        let before = self.rate();
        self.since_halved = self.since_halved.saturating_add(elapsed);
        if loss > MUCH_LOSS && self.since_halved >= HALVING_PAUSE {
            self.rate /= 2.0;
            self.since_halved = Duration::ZERO;
        } else if loss < LITTLE_LOSS {
            self.rate *= GROWTH.powf(elapsed.as_secs_f64().min(5.0));
        }
        self.rate = self.rate.clamp(self.least, self.greatest);
        Some(self.rate()).filter(|rate| *rate != before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn much_loss_halves_and_little_grows() {
        let mut controller = BitrateController::new(100_000, 500_000);
        assert_eq!(controller.report(0.0, SECOND), None, "it is as fast as may be");
        assert_eq!(controller.report(0.05, SECOND), None, "neither much nor little");
        assert_eq!(controller.report(0.11, SECOND), Some(250_000));
        assert_eq!(controller.report(0.5, SECOND), None, "once for one loss");
        assert_eq!(controller.report(0.5, SECOND), Some(125_000));
        assert_eq!(controller.report(0.5, 2 * SECOND), Some(100_000), "never less");
        assert_eq!(controller.report(0.0, SECOND), Some(108_000));
        assert_eq!(controller.report(0.019, SECOND / 2), Some(112_237));
        let mut seconds = 0;
        while controller.rate() < 500_000 {
            controller.report(0.0, SECOND);
            seconds += 1;
        }
        assert_eq!(seconds, 20, "ln(500/112.2) / ln(1.08)");
    }

    #[test]
    fn nonsense_stays_within_the_limits() {
        let mut controller = BitrateController::new(900_000, 500_000);
        for loss in [f64::NAN, -1.0, 2.0, f64::INFINITY] {
            controller.report(loss, Duration::MAX);
            assert_eq!(controller.rate(), 500_000);
        }
    }
}

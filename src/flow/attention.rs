//! Which of the subject's frames the networks look at: only as many as somebody waits for.

use std::time::Duration;

use super::pace::Pace;

/// What has to be known of the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: no frame is looked at.
    Nothing,
    /// Whether somebody is there, and where.
    Presence,
    /// How a gesture goes on.
    Gesture,
}

/// Lets frames through at the rate of what has to be known.
#[derive(Debug)]
pub struct Attention {
    need: Need,
    idle: Pace,
    full: Pace,
}

impl Attention {
    /// Nothing has to be known yet. Rates in frames per second.
    pub fn new(max_rate: f32, idle_rate: f32) -> Self {
        Self { need: Need::Nothing, idle: Pace::new(idle_rate.min(max_rate)), full: Pace::new(max_rate) }
    }

    /// This has to be known from now on.
    pub fn set(&mut self, need: Need) {
        self.need = need;
    }

    /// What has to be known now.
    pub fn need(&self) -> Need {
        self.need
    }

    /// Whether the frame at `timestamp` is looked at.
    pub fn take(&mut self, timestamp: Duration) -> bool {
        match self.need {
            Need::Nothing => false,
            Need::Presence => self.idle.take(timestamp),
            Need::Gesture => self.full.take(timestamp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_need() {
        let mut start = 0;
        let mut per_second = |attention: &mut Attention, need| {
            attention.set(need);
            start += 20_000;
            (0..300).filter(|i| attention.take(Duration::from_millis(start + i * 1000 / 30))).count() / 10
        };
        let mut attention = Attention::new(15.0, 5.0);
        let needs = [Need::Nothing, Need::Presence, Need::Gesture, Need::Presence];
        assert_eq!(needs.map(|need| per_second(&mut attention, need)), [0, 5, 15, 5]);
        assert_eq!(per_second(&mut Attention::new(2.0, 5.0), Need::Presence), 2, "never more than the greatest");
    }
}

//! How often an element that need not look at every frame looks.

use gst::ClockTime;

/// When the next look is due. Looks keep to a grid, so that their rate is right whatever the frame rate is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace(Option<ClockTime>);

impl Pace {
    /// Whether a frame at `now` is looked at. A clock that went back starts afresh.
    pub(crate) fn is_due(&self, interval: ClockTime, now: ClockTime) -> bool {
        self.0.is_none_or(|due| now >= due || now + interval < due)
    }

    /// A frame at `now` was looked at.
    pub(crate) fn looked(&mut self, interval: ClockTime, now: ClockTime) {
        let on_grid = self.0.filter(|due| *due <= now).unwrap_or(now) + interval;
        self.0 = Some(if on_grid > now { on_grid } else { now + interval });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(interval: u64, times: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let interval = ClockTime::from_mseconds(interval);
        let mut pace = Pace::default();
        let mut look = |time: &u64| {
            let now = ClockTime::from_mseconds(*time);
            let due = pace.is_due(interval, now);
            if due {
                pace.looked(interval, now);
            }
            due
        };
        times.into_iter().filter(|time| look(time)).collect()
    }

    #[test]
    fn the_rate_is_right_at_any_frame_rate() {
        // 33 ms from frame to frame: three frames are a millisecond short of the interval, and yet it is ten a second
        assert_eq!(looks(100, (0..61).map(|n| n * 33)).len(), 20);
        assert_eq!(looks(100, [0, 40, 80, 120, 160, 200]), [0, 120, 200]);
        assert_eq!(looks(0, [0, 1, 2]), [0, 1, 2]);
    }

    #[test]
    fn gaps_and_clocks_that_go_back_start_a_new_grid() {
        assert_eq!(looks(100, [0, 1050, 1100, 1149, 1150]), [0, 1050, 1150]);
        assert_eq!(looks(100, [5000, 10, 20, 110]), [5000, 10, 110]);
    }
}

//! A picture that does not move: the same one again and again, or one with nothing but noise on it.

use std::collections::VecDeque;
use std::time::Duration;

use super::signature::{CELLS, Signature};

/// No cell's mean leaves this many levels while a picture is the same one: re-encoding moves it by less, a person who
/// holds still by more within half a second.
const STILL_LEVELS: f32 = 1.5;
/// What is compared to tell motion from noise lies this far back.
const LAG: Duration = Duration::from_secs(1);
/// Time over which changes are averaged.
const MEMORY: f32 = 1.0;
/// The cells that change most; noise is everywhere, motion is not.
const LIVELIEST: usize = 10;
/// Changes within [`LAG`] of a head that moves are this many times those from frame to frame; of noise, once or twice.
const NOISE_RATIO: f32 = 3.0;
/// More than this many levels is not noise.
const NOISE_LEVELS: f32 = 1.5;

/// Watches for pictures that do not move.
#[derive(Clone, Default)]
pub(super) struct Freeze {
    /// The picture that later ones are compared with, and since when they are the same.
    anchor: Option<([f32; CELLS], Duration)>,
    longest: Duration,
    recent: VecDeque<(Duration, [f32; CELLS])>,
    /// Mean change of each cell from frame to frame, and within [`LAG`].
    step: Option<[f32; CELLS]>,
    stride: Option<[f32; CELLS]>,
    /// Since when there is noise only, and its longest time.
    noise_since: Option<Duration>,
    longest_noise: Duration,
}

impl Freeze {
    /// A frame in which there is a face.
    pub(super) fn see(&mut self, frame: &Signature, at: Duration) {
        let cells = &frame.cells;
        match &self.anchor {
            Some((anchor, since)) if changes(cells, anchor).all(|change| change < STILL_LEVELS) => {
                self.longest = self.longest.max(at.saturating_sub(*since));
            }
            _ => self.anchor = Some((*cells, at)),
        }
        self.see_noise(cells, at);
    }

    fn see_noise(&mut self, cells: &[f32; CELLS], at: Duration) {
        if let Some((before, last)) = self.recent.back() {
            let share = (at.saturating_sub(*before).as_secs_f32() / MEMORY).min(1.0);
            average(&mut self.step, changes(cells, last), share);
            while self.recent.get(1).is_some_and(|(time, _)| at.saturating_sub(*time) >= LAG) {
                self.recent.pop_front();
            }
            if let Some((time, then)) = self.recent.front()
                && at.saturating_sub(*time) >= LAG
            {
                average(&mut self.stride, changes(cells, then), share);
            }
        }
        self.recent.push_back((at, *cells));
        let is_noise =
            self.liveliest().is_some_and(|(step, stride)| stride < NOISE_LEVELS && stride < NOISE_RATIO * step);
        self.noise_since = is_noise.then(|| self.noise_since.unwrap_or(at));
        if let Some(since) = self.noise_since {
            self.longest_noise = self.longest_noise.max(at.saturating_sub(since));
        }
    }

    /// Mean changes of the liveliest cells, from frame to frame and within [`LAG`], levels.
    pub(super) fn liveliest(&self) -> Option<(f32, f32)> {
        let (step, stride) = (self.step.as_ref()?, self.stride.as_ref()?);
        Some((liveliest(step), liveliest(stride)))
    }

    /// There is no face, or another picture size: nothing of before is continued.
    pub(super) fn interrupt(&mut self) {
        let (longest, longest_noise) = (self.longest, self.longest_noise);
        *self = Self { longest, longest_noise, ..Self::default() };
    }

    /// The longest time that one picture stood.
    pub(super) fn longest(&self) -> Duration {
        self.longest
    }

    /// The longest time that nothing but noise was seen.
    pub(super) fn longest_noise(&self) -> Duration {
        self.longest_noise
    }
}

fn changes(a: &[f32; CELLS], b: &[f32; CELLS]) -> impl Iterator<Item = f32> {
    a.iter().zip(b).map(|(a, b)| (a - b).abs())
}

fn average(mean: &mut Option<[f32; CELLS]>, changes: impl Iterator<Item = f32>, share: f32) {
    match mean {
        Some(mean) => mean.iter_mut().zip(changes).for_each(|(mean, change)| *mean += (change - *mean) * share),
        None => {
            let first = mean.insert([0.0; CELLS]);
            first.iter_mut().zip(changes).for_each(|(mean, change)| *mean = change);
        }
    }
}

fn liveliest(cells: &[f32; CELLS]) -> f32 {
    let mut cells = *cells;
    let (_, _, top) = cells.select_nth_unstable_by(CELLS - LIVELIEST - 1, f32::total_cmp);
    top.iter().sum::<f32>() / LIVELIEST as f32
}

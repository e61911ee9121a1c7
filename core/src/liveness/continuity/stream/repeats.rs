//! A scene that comes again: a recording in a loop, or one that plays forwards and backwards.
//!
//! Every tenth of a second the signature's change within the last fifth is noted. A stretch of changes that resembles an
//! earlier stretch (its correlation) is a repetition: people move alike, never the same. Time that runs backwards shows
//! as an earlier stretch in reverse with its sign turned round.

use std::collections::VecDeque;
use std::time::Duration;

use super::signature::{CELLS, Signature};

/// Between two notes.
const TICK: Duration = Duration::from_millis(100);
/// A change is that within so many ticks.
const CHANGE: usize = 2;
/// The stretch that is compared, in ticks: forwards and backwards. The longer, the later a loop is noticed, and the seldomer
/// do two motions of a person resemble each other.
const STRETCH: usize = 30;
const REVERSED_STRETCH: usize = 20;
/// Nearer repetitions are motion that goes on.
const LEAST_LAG: usize = 5;
/// The longest loop that is found, ticks.
const MEMORY: usize = 300;
/// Mean square change of a cell, levels squared, below which there is nothing to compare.
const LEAST_ENERGY: f32 = 0.15;
/// A gap in time after which what came before is forgotten.
const GAP: Duration = Duration::from_millis(700);

/// A change, its square, and its products with those before it: `products[lag]`.
#[derive(Clone)]
struct Note {
    change: [f32; CELLS],
    energy: f32,
    products: Vec<f32>,
}

/// Watches for scenes that come again.
#[derive(Clone, Default)]
pub(super) struct Repeats {
    last: Option<(Duration, Signature)>,
    next_tick: Duration,
    pictures: VecDeque<[f32; CELLS]>,
    notes: VecDeque<Note>,
    now: Resemblance,
    closest: Resemblance,
}

/// How much the last seconds resemble earlier ones: correlations, -1..1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resemblance {
    /// With the same order of time.
    pub forwards: f32,
    /// With time reversed.
    pub backwards: f32,
    /// How far back what it resembles most begins.
    pub lag: Duration,
}

impl Repeats {
    /// A frame; of every frame.
    pub(super) fn see(&mut self, frame: &Signature, at: Duration) {
        let Some((before, last)) = self.last.replace((at, frame.clone())) else {
            self.next_tick = at;
            return;
        };
        let gap = at.saturating_sub(before);
        if gap > GAP {
            self.interrupt();
            self.next_tick = at;
            return;
        }
        while self.next_tick <= at {
            let share = self.next_tick.saturating_sub(before).as_secs_f32() / gap.as_secs_f32().max(1e-6);
            self.tick(last.towards(frame, share.min(1.0)));
            self.next_tick += TICK;
        }
    }

    fn tick(&mut self, picture: [f32; CELLS]) {
        self.pictures.push_back(picture);
        if self.pictures.len() <= CHANGE {
            return;
        }
        let Some(before) = self.pictures.pop_front() else { return };
        let mut change: [f32; CELLS] = std::array::from_fn(|i| picture[i] - before[i]);
        let mean = change.iter().sum::<f32>() / CELLS as f32;
        change.iter_mut().for_each(|value| *value -= mean);
        let energy = dot(&change, &change);
        let products =
            std::iter::once(energy).chain(self.notes.iter().rev().map(|note| dot(&change, &note.change))).collect();
        self.notes.push_back(Note { change, energy, products });
        if self.notes.len() > MEMORY + STRETCH {
            self.notes.pop_front();
        }
        // Only those of the stretch are looked at.
        if let Some(old) = self.notes.len().checked_sub(STRETCH + 1) {
            self.notes[old].products = Vec::new();
        }
        self.now = self.compare();
        if self.now.forwards > self.closest.forwards {
            (self.closest.forwards, self.closest.lag) = (self.now.forwards, self.now.lag);
        }
        self.closest.backwards = self.closest.backwards.max(self.now.backwards);
    }

    fn compare(&self) -> Resemblance {
        let mut found = Resemblance::default();
        let notes = &self.notes;
        let energy =
            |newest: usize, length: usize| -> f32 { (newest..newest + length).map(|k| self.back(k).energy).sum() };
        if notes.len() < STRETCH || energy(0, STRETCH) < LEAST_ENERGY * (STRETCH * CELLS) as f32 {
            return found;
        }
        let recent = energy(0, STRETCH);
        for lag in LEAST_LAG..=MEMORY.min(notes.len().saturating_sub(STRETCH)) {
            let product: f32 = (0..STRETCH).filter_map(|k| self.back(k).products.get(lag)).sum();
            let correlation = product / (recent * energy(lag, STRETCH)).sqrt().max(f32::MIN_POSITIVE);
            if correlation > found.forwards {
                (found.forwards, found.lag) = (correlation, TICK * lag as u32);
            }
        }
        if energy(0, REVERSED_STRETCH) < LEAST_ENERGY * (REVERSED_STRETCH * CELLS) as f32 {
            return found;
        }
        let recent = energy(0, REVERSED_STRETCH);
        // The turning point lies where both stretches meet, give or take a few ticks.
        for span in 2 * REVERSED_STRETCH - 1..2 * REVERSED_STRETCH + 4 {
            if span >= notes.len() {
                break;
            }
            let product: f32 = (0..REVERSED_STRETCH).filter_map(|k| self.back(k).products.get(span - 2 * k)).sum();
            let earlier = energy(span + 1 - REVERSED_STRETCH, REVERSED_STRETCH);
            found.backwards = found.backwards.max(-product / (recent * earlier).sqrt().max(f32::MIN_POSITIVE));
        }
        found
    }

    /// The note so many ticks ago.
    fn back(&self, ticks: usize) -> &Note {
        &self.notes[self.notes.len() - 1 - ticks]
    }

    /// Nothing of before is continued.
    pub(super) fn interrupt(&mut self) {
        self.last = None;
        self.pictures.clear();
        self.notes.clear();
        self.now = Resemblance::default();
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let note = |note: &Note| size_of::<Note>() + note.products.capacity() * size_of::<f32>();
        self.notes.iter().map(note).sum()
    }

    pub(super) fn now(&self) -> Resemblance {
        self.now
    }

    /// The closest so far.
    pub(super) fn closest(&self) -> Resemblance {
        self.closest
    }
}

fn dot(a: &[f32; CELLS], b: &[f32; CELLS]) -> f32 {
    // In eight lanes, so that the compiler may use them side by side.
    let mut lanes = [0.0; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum()
}

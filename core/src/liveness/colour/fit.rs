//! How well a sequence of colours explains what was measured, for every delay, and how well others would.
//!
//! A sequence is a sum of its steps, each an indicator of the frames that show it times the colour's chroma. What sums and
//! products need of the steps is computed once for each delay; then any sequence costs a few multiplications.

use super::sequence::{Colour, STEPS, Sequence};
use crate::random::repeatable;

/// Red and blue of every frame.
pub(super) type Series = [Vec<f64>; 2];

/// Delays that are looked at, seconds: what is between a picture that the service sends and the frame in which its light
/// comes back.
const DELAYS: (usize, f64) = (37, 1.2 / 36.0);
/// A camera exposes a frame, and a screen changes, for about so long.
const EXPOSURE: f64 = 0.08;
/// Delays at which any sequence at all is looked for, seconds: one that belongs elsewhere may have begun at any time.
const ANY_DELAYS: (usize, f64, f64) = (160, -3.6, 0.05);
/// It has to show so many of its steps.
const ANY_STEPS: usize = 6;
/// So many other sequences say what chance would have found.
const RIVALS: usize = 256;
/// Logarithms of ratios are not trusted beyond this: the steps of eight bits.
const LEAST_NOISE: f64 = 0.002;
/// What is left of a direction after others were taken out of it, at least, for it to be one of its own.
const OWN_DIRECTION: f64 = 1e-3;

/// What a sequence of colours would look like in the frames of one observation.
pub(super) struct Fit {
    delays: Vec<Delay>,
    any_delays: Vec<Delay>,
    nuisance: Vec<Vec<f64>>,
    rivals: Vec<Coefficients>,
    /// The energy of each rival at each delay.
    rival_energies: Vec<Vec<[f64; 2]>>,
}

/// The chroma of each step, red and blue.
type Coefficients = [[f64; STEPS]; 2];

struct Delay {
    seconds: f64,
    /// For each frame, how much of its exposure each step had.
    steps: Vec<[f64; STEPS]>,
    /// Products of steps, nuisances taken out.
    gram: [[f64; STEPS]; STEPS],
}

/// A sequence at the delay at which it explains most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Match {
    /// Normalised, -1..1.
    pub correlation: f64,
    /// Its place among all delays.
    pub delay: usize,
    /// Chroma measured for each part of chroma shown.
    pub contrast: f64,
}

/// What was measured, ready to be compared.
pub(super) struct Measured {
    /// Without nuisances.
    series: Series,
    /// One over the variance of the noise.
    weights: [f64; 2],
    energy: f64,
}

/// A match, and what chance would have found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan {
    pub best: Match,
    /// Standard deviations (of Fisher's z) above what other sequences reach at their best delays.
    pub significance: f64,
    /// The part of the other sequences that explain as much.
    pub chance: f64,
}

impl Fit {
    /// For frames taken at `times` of a screen whose steps began at `edges` (and ended at the last of them), seconds. `nuisances`:
    /// what may have changed the measured chroma as well, a value for each frame; slow drift is always taken for
    /// one.
    pub(super) fn new(times: &[f64], edges: &[f64; STEPS + 1], nuisances: &[Vec<f64>]) -> Self {
        let middle = (edges[0] + edges[STEPS]) / 2.0;
        let half = (edges[STEPS] - edges[0]) / 2.0;
        let drift = (0..3).map(|power| times.iter().map(|time| ((time - middle) / half).powi(power)).collect());
        let mut nuisance = Vec::new();
        drift.chain(nuisances.iter().cloned()).for_each(|direction| add_direction(&mut nuisance, direction));
        let delay = |i: usize| Delay::new(i as f64 * DELAYS.1, times, edges, &nuisance);
        let delays: Vec<_> = (0..DELAYS.0).map(delay).collect();
        let any_delay = |i: usize| Delay::new(ANY_DELAYS.1 + i as f64 * ANY_DELAYS.2, times, edges, &nuisance);
        let any_delays = (0..ANY_DELAYS.0).map(any_delay).collect();
        let mut random = repeatable(0x5EED);
        let mut rivals = Vec::with_capacity(RIVALS);
        while rivals.len() < RIVALS {
            let Ok(rival) = Sequence::draw(&mut random);
            rivals.push(coefficients(&rival));
        }
        let energies = |rival: &Coefficients| delays.iter().map(|delay| delay.energies(rival)).collect();
        let rival_energies = rivals.iter().map(energies).collect();
        Self { delays, any_delays, nuisance, rivals, rival_energies }
    }

    /// Takes nuisances out of what was measured, and estimates its noise.
    pub(super) fn measured(&self, mut series: Series) -> Measured {
        let weights = [0, 1].map(|channel| noise(&series[channel]).max(LEAST_NOISE).powi(-2));
        series.iter_mut().for_each(|values| take_out(&self.nuisance, values));
        let energy = weights.iter().zip(&series).map(|(weight, values)| weight * dot(values, values)).sum();
        Measured { series, weights, energy }
    }

    /// Compares a sequence with the rest.
    pub(super) fn scan(&self, sequence: &Sequence, measured: &Measured) -> Scan {
        let products: Vec<_> = self.delays.iter().map(|delay| delay.products(&measured.series)).collect();
        let own = coefficients(sequence);
        let energies: Vec<_> = self.delays.iter().map(|delay| delay.energies(&own)).collect();
        let best = best(&own, &energies, &products, measured);
        let rivals = self.rivals.iter().zip(&self.rival_energies);
        let others: Vec<f64> = rivals
            .map(|(rival, energies)| fisher(super::fit::best(rival, energies, &products, measured).correlation))
            .collect();
        let count = others.len() as f64;
        let mean = others.iter().sum::<f64>() / count;
        let variance = others.iter().map(|other| (other - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let own = fisher(best.correlation);
        let significance = (own - mean) / variance.sqrt().max(1e-6);
        Scan { best, significance, chance: others.iter().filter(|other| **other >= own).count() as f64 / count }
    }

    /// The correlation of that sequence of colours which explains most of what was measured, whichever it is and whenever it began.
    pub(super) fn any(&self, measured: &Measured) -> f64 {
        let delays = self.delays.iter().chain(&self.any_delays);
        delays.filter_map(|delay| delay.read(measured)).fold(0.0, f64::max)
    }

    /// How much of a sequence is in a series, at the delay of a match and with the weights of what was measured.
    pub(super) fn contrast(&self, sequence: &Sequence, at: &Match, measured: &Measured, mut series: Series) -> f64 {
        series.iter_mut().for_each(|values| take_out(&self.nuisance, values));
        let (delay, own) = (&self.delays[at.delay], coefficients(sequence));
        let other = Measured { series, weights: measured.weights, energy: measured.energy };
        compare(&own, &delay.energies(&own), &delay.products(&other.series), &other).1
    }

    /// Adds the reflection of a sequence to a series, after a delay that is about a part 0..1 of the longest.
    pub(super) fn add(&self, sequence: &Sequence, contrast: f64, part: f64, series: &mut Series) {
        let delay = &self.delays[(part * (self.delays.len() - 1) as f64) as usize];
        for (values, own) in series.iter_mut().zip(coefficients(sequence)) {
            for (value, steps) in values.iter_mut().zip(&delay.steps) {
                *value += contrast * steps.iter().zip(own).map(|(step, chroma)| step * chroma).sum::<f64>();
            }
        }
    }

    /// The delay of a match in seconds.
    pub(super) fn delay(&self, found: &Match) -> f64 {
        self.delays[found.delay].seconds
    }
}

impl Delay {
    fn new(seconds: f64, times: &[f64], edges: &[f64; STEPS + 1], nuisance: &[Vec<f64>]) -> Self {
        let exposure = |time: &f64| {
            let (from, to) = (time - seconds - EXPOSURE / 2.0, time - seconds + EXPOSURE / 2.0);
            std::array::from_fn(|i| (to.min(edges[i + 1]) - from.max(edges[i])).max(0.0) / EXPOSURE)
        };
        let steps: Vec<[f64; STEPS]> = times.iter().map(exposure).collect();
        let mut gram = [[0.0; STEPS]; STEPS];
        let mut add = |vector: [f64; STEPS], sign: f64| {
            for (row, a) in gram.iter_mut().zip(vector).filter(|(_, a)| *a != 0.0) {
                row.iter_mut().zip(vector).for_each(|(sum, b)| *sum += sign * a * b);
            }
        };
        steps.iter().for_each(|frame| add(*frame, 1.0));
        for direction in nuisance {
            let mut shared = [0.0; STEPS];
            for (value, frame) in direction.iter().zip(&steps) {
                shared.iter_mut().zip(frame).for_each(|(sum, step)| *sum += value * step);
            }
            add(shared, -1.0);
        }
        Self { seconds, steps, gram }
    }

    fn products(&self, series: &Series) -> [[f64; STEPS]; 2] {
        [0, 1].map(|channel| {
            let mut products = [0.0; STEPS];
            for (value, frame) in series[channel].iter().zip(&self.steps) {
                products.iter_mut().zip(frame).for_each(|(sum, step)| *sum += value * step);
            }
            products
        })
    }

    /// Reads the colours off: each step is the colour that explains most, given the others.
    fn read(&self, measured: &Measured) -> Option<f64> {
        let visible = |step: usize| self.steps.iter().any(|frame| frame[step] > 0.5);
        if (0..STEPS).filter(|step| visible(*step)).count() < ANY_STEPS {
            return None;
        }
        let products = self.products(&measured.series);
        let chroma = Colour::PALETTE.map(|colour| colour.chroma().map(f64::from));
        let mut read = [[0.0; STEPS]; 2];
        let correlation = |read: &Coefficients| compare(read, &self.energies(read), &products, measured).0;
        let mut best = 0.0;
        for _ in 0..2 {
            for step in 0..STEPS {
                for colour in chroma {
                    let mut other = read;
                    other.iter_mut().zip(colour).for_each(|(channel, chroma)| channel[step] = chroma);
                    let reached = correlation(&other);
                    if reached > best {
                        (best, read) = (reached, other);
                    }
                }
            }
        }
        Some(best)
    }

    fn energies(&self, sequence: &Coefficients) -> [f64; 2] {
        sequence.map(|own| self.gram.iter().zip(own).map(|(row, a)| a * dot(row, &own)).sum())
    }
}

/// Correlation and contrast at one delay.
fn compare(own: &Coefficients, energies: &[f64; 2], products: &[[f64; STEPS]; 2], measured: &Measured) -> (f64, f64) {
    let (mut shared, mut shown) = (0.0, 0.0);
    for channel in 0..2 {
        shared += measured.weights[channel] * dot(&own[channel], &products[channel]);
        shown += measured.weights[channel] * energies[channel];
    }
    if shown <= 0.0 || measured.energy <= 0.0 {
        return (0.0, 0.0);
    }
    (shared / (shown * measured.energy).sqrt(), shared / shown)
}

fn best(own: &Coefficients, energies: &[[f64; 2]], products: &[[[f64; STEPS]; 2]], measured: &Measured) -> Match {
    let mut best = Match { correlation: f64::MIN, delay: 0, contrast: 0.0 };
    for (delay, (energies, products)) in energies.iter().zip(products).enumerate() {
        let (correlation, contrast) = compare(own, energies, products, measured);
        if correlation > best.correlation {
            best = Match { correlation, delay, contrast };
        }
    }
    best
}

fn coefficients(sequence: &Sequence) -> Coefficients {
    [0, 1].map(|channel| sequence.colours().map(|colour| f64::from(colour.chroma()[channel])))
}

/// Fisher's transformation: the errors of its values do not depend on them.
fn fisher(correlation: f64) -> f64 {
    correlation.clamp(-0.999, 0.999).atanh()
}

/// The standard deviation of what differs from frame to frame, by second differences: what is slower, such as the colours
/// themselves, leaves their median alone.
fn noise(values: &[f64]) -> f64 {
    let mut differences: Vec<f64> =
        values.windows(3).map(|three| (three[0] - 2.0 * three[1] + three[2]).abs()).collect();
    if differences.is_empty() {
        return 0.0;
    }
    let middle = differences.len() / 2;
    let (_, median, _) = differences.select_nth_unstable_by(middle, f64::total_cmp);
    // Of a normal distribution the median is 0.6745 standard deviations; a second difference has six times the variance.
    *median / 0.6745 / 6_f64.sqrt()
}

/// Makes a direction orthogonal to the others and of length 1; leaves it out where it has nothing of its own.
fn add_direction(directions: &mut Vec<Vec<f64>>, mut direction: Vec<f64>) {
    let before = dot(&direction, &direction).sqrt();
    take_out(directions, &mut direction);
    take_out(directions, &mut direction);
    let length = dot(&direction, &direction).sqrt();
    if length > OWN_DIRECTION * before && length.is_finite() {
        direction.iter_mut().for_each(|value| *value /= length);
        directions.push(direction);
    }
}

fn take_out(directions: &[Vec<f64>], values: &mut [f64]) {
    for direction in directions {
        let part = dot(direction, values);
        values.iter_mut().zip(direction).for_each(|(value, direction)| *value -= part * direction);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

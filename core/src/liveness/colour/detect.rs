//! Was the light of the screen on the face?
//!
//! *Found*: the sequence explains the face's chroma (less the background's) far better than other sequences do, at some
//! delay, and the same in several places of the face. *Absent*: it does not, and the weakest reflection that there could have been
//! would have been found, had it been added to what was measured; or another sequence is read off the face; or the background shows it as much as the face, as a print
//! and another screen do. Everything else cannot be told.

use std::time::Duration;

use serde::Serialize;

use super::{
    fit::{Fit, Measured, Scan, Series},
    sequence::{STEPS, Sequence},
    signal::{CELLS, Chroma, MOTIONS, SKIN, Sample, ZONES, Zone},
};
use crate::liveness::{Finding, Verdict};

/// Standard deviations above other sequences from which on a sequence is found.
pub const FOUND: f64 = 4.0;
/// A correlation below this is not found, however rare.
pub const LEAST_CORRELATION: f64 = 0.4;
/// Below so many standard deviations there is no sign of it.
pub const NO_SIGN: f64 = 2.5;
/// What the sequence leaves unexplained may be so many times what the best of all sequences does.
const UNEXPLAINED: f64 = 2.0;
/// A sequence can be read off the face when it correlates with what was measured by this. The light that motion and rooms change
/// looks like none.
const READABLE: f64 = 0.85;
/// The least contrast of a screen against surroundings of 500 lux, a laptop's at arm's length or a phone's in the hand: see
/// [`judge`](super::Observer::judge).
pub const LEAST_CONTRAST: f32 = 0.04;
/// Parts of the face have to agree: at least two of forehead and cheeks have this part of the whole contrast.
const AGREEMENT: f64 = 0.3;
/// Where more of the background than this is clipped there is much light, from outside perhaps.
const BRIGHT: f32 = 0.25;

/// Frames a second that are needed.
const LEAST_RATE: f64 = 8.0;
/// Longest time without a frame that shows the face.
const LONGEST_GAP: f64 = 0.7;
/// Cells of background that are needed.
const LEAST_CELLS: usize = 3;
/// A part of the face, or a cell, is used when it was seen in this part of the frames.
const SEEN: f64 = 0.8;
/// The longest delay, seconds.
const LONGEST_DELAY: f64 = 1.2;
/// Frames from so long before the first colour on are used, seconds.
const BEFORE: f64 = 0.35;

/// What came of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The colours were on the face.
    Found,
    /// They were not, and would have been seen.
    Absent,
    /// The face was seen too seldom, or not long enough at a time.
    FaceLost,
    /// Skin or background are clipped or cannot be seen.
    NothingToCompare,
    /// Too much else happened, or the surroundings are too bright for the screen.
    Unclear,
}

/// What was seen of a sequence. Nothing biometric: it may be told and logged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// What came of it.
    pub outcome: Outcome,
    /// 0..1: 0.5 and more are found.
    pub score: Option<f32>,
    /// What was measured, when something could be.
    pub evidence: Option<Evidence>,
}

/// Numbers behind a judgement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// Frames that were used.
    pub frames: usize,
    /// Correlation of what was shown and what was seen, -1..1, at the best delay.
    pub correlation: f32,
    /// Standard deviations above what other sequences reach.
    pub significance: f32,
    /// The correlation of that sequence, of all there are, which is most like what was seen.
    pub any: f32,
    /// The part of other sequences that reach as much.
    pub chance: f32,
    /// From the picture sent to the frame that shows its light.
    pub delay: Duration,
    /// Light of the screen for each part of light of the surroundings, on the face more than behind it.
    pub contrast: f32,
    /// The same of the background alone.
    pub background: f32,
    /// The same of each [`Zone`], less the background; none where it was not seen.
    pub zones: [Option<f32>; ZONES],
    /// The significance that the least credible reflection would have had.
    pub least: f32,
}

impl Judgement {
    fn without(outcome: Outcome) -> Self {
        Self { outcome, score: None, evidence: None }
    }

    /// As the other checks' findings.
    pub fn finding(&self) -> Finding {
        let verdict = match self.outcome {
            Outcome::Found => Verdict::Passed,
            Outcome::Absent => Verdict::Failed,
            Outcome::FaceLost | Outcome::NothingToCompare | Outcome::Unclear => Verdict::Inconclusive,
        };
        Finding { verdict, score: self.score }
    }
}

/// Judges frames, oldest first, against a sequence whose colours began at `edges` (and ended at the last of them), seconds.
pub(super) fn judge(
    samples: &[Sample],
    sequence: &Sequence,
    edges: &[f64; STEPS + 1],
    least_contrast: f32,
) -> Judgement {
    let (from, to) = (edges[0] - BEFORE, edges[STEPS] + LONGEST_DELAY);
    let samples: Vec<&Sample> = samples.iter().filter(|sample| (from..=to).contains(&sample.time)).collect();
    let times: Vec<f64> = samples.iter().map(|sample| sample.time).collect();
    if !is_enough(&times, edges) {
        return Judgement::without(Outcome::FaceLost);
    }
    let Some(seen) = Seen::of(&samples).filter(|seen| is_enough(&seen.times, edges)) else {
        return Judgement::without(Outcome::NothingToCompare);
    };
    let Some(background) = seen.background() else { return Judgement::without(Outcome::NothingToCompare) };

    let fit = Fit::new(&seen.times, edges, &seen.motion());
    let face = difference(&seen.face(), &background);
    let measured = fit.measured(face.clone());
    let scan = fit.scan(sequence, &measured);
    let least = least_significance(&fit, sequence, &face, least_contrast);
    let zone =
        |zone: usize| Some(contrast(&fit, sequence, &scan, &measured, difference(&seen.zone(zone)?, &background)));
    let zones: [Option<f64>; ZONES] = std::array::from_fn(zone);
    let behind = fit.scan(sequence, &fit.measured(background));
    let everywhere = behind.significance >= FOUND && behind.best.contrast > scan.best.contrast;

    let any = fit.any(&measured).max(scan.best.correlation);
    let unexplained = (1.0 - scan.best.correlation.max(0.0).powi(2)) / (1.0 - any.powi(2)).max(1e-6);
    let other = any >= READABLE && unexplained > UNEXPLAINED && scan.significance < FOUND;

    let agree = agreement(&zones, scan.best.contrast) && unexplained <= UNEXPLAINED && !everywhere;
    let sign = if agree { scan.significance } else { scan.significance.min(NO_SIGN) };
    let would_be_seen = sign < NO_SIGN && least >= FOUND && seen.clipped() < BRIGHT;
    let outcome = if sign >= FOUND && scan.best.correlation >= LEAST_CORRELATION {
        Outcome::Found
    } else if everywhere || other || would_be_seen {
        Outcome::Absent
    } else {
        Outcome::Unclear
    };
    let score = logistic(sign - FOUND).min(if outcome == Outcome::Found { 1.0 } else { 0.499 });
    let evidence = Evidence {
        frames: seen.times.len(),
        correlation: scan.best.correlation as f32,
        significance: scan.significance as f32,
        any: any as f32,
        chance: scan.chance as f32,
        delay: Duration::from_secs_f64(fit.delay(&scan.best)),
        contrast: scan.best.contrast as f32,
        background: behind.best.contrast as f32,
        zones: zones.map(|zone| zone.map(|contrast| contrast as f32)),
        least: least as f32,
    };
    Judgement { outcome, score: Some(score as f32), evidence: Some(evidence) }
}

/// The frames that show enough of the face, and what of it they show.
struct Seen<'a> {
    samples: Vec<&'a Sample>,
    times: Vec<f64>,
    skin: Vec<usize>,
}

impl<'a> Seen<'a> {
    fn of(samples: &[&'a Sample]) -> Option<Self> {
        let seen = |zone: usize| samples.iter().filter(|sample| sample.zones[zone].is_some()).count() as f64;
        let enough = SEEN * samples.len() as f64;
        let skin: Vec<usize> =
            SKIN.map(|zone| zone as usize).into_iter().filter(|zone| seen(*zone) >= enough).collect();
        if skin.len() < 2 {
            return None;
        }
        let whole = |sample: &&Sample| skin.iter().all(|zone| sample.zones[*zone].is_some());
        let samples: Vec<_> = samples.iter().copied().filter(whole).collect();
        let times = samples.iter().map(|sample| sample.time).collect();
        Some(Self { samples, times, skin })
    }

    fn series(&self, chroma: impl Fn(&Sample) -> Chroma) -> Series {
        [0, 1].map(|channel| self.samples.iter().map(|sample| f64::from(chroma(sample)[channel])).collect())
    }

    /// The mean of all skin.
    fn face(&self) -> Series {
        let count = self.skin.len() as f32;
        self.series(|sample| {
            let zones = self.skin.iter().filter_map(|zone| sample.zones[*zone]);
            zones.fold([0.0; 2], |sum, zone| [sum[0] + zone[0] / count, sum[1] + zone[1] / count])
        })
    }

    /// One zone; where it is not seen it stays as it was.
    fn zone(&self, zone: usize) -> Option<Series> {
        let seen = self.samples.iter().filter(|sample| sample.zones[zone].is_some()).count() as f64;
        if seen < SEEN * self.samples.len() as f64 {
            return None;
        }
        let mut last = self.samples.iter().find_map(|sample| sample.zones[zone])?;
        let values: Vec<Chroma> = self
            .samples
            .iter()
            .map(|sample| {
                last = sample.zones[zone].unwrap_or(last);
                last
            })
            .collect();
        Some([0, 1].map(|channel| values.iter().map(|value| f64::from(value[channel])).collect()))
    }

    /// The median of what the cells of background differ from their own means: somebody who walks by, a window or a
    /// television are in some of them.
    fn background(&self) -> Option<Series> {
        let frames = self.samples.len() as f64;
        let mut cells: Vec<(usize, Chroma)> = Vec::new();
        for cell in 0..CELLS {
            let values: Vec<Chroma> = self.samples.iter().filter_map(|sample| sample.background[cell]).collect();
            if values.len() as f64 >= SEEN * frames {
                let mean =
                    |channel: usize| values.iter().map(|value| value[channel]).sum::<f32>() / values.len() as f32;
                cells.push((cell, [mean(0), mean(1)]));
            }
        }
        if cells.len() < LEAST_CELLS {
            return None;
        }
        let mut all = Vec::with_capacity(cells.len());
        let mut last = [0.0; 2];
        let mut series: Series = Default::default();
        for sample in &self.samples {
            for channel in 0..2 {
                all.clear();
                all.extend(
                    cells.iter().filter_map(|(cell, mean)| Some(sample.background[*cell]?[channel] - mean[channel])),
                );
                last[channel] = median(&mut all).unwrap_or(last[channel]);
                series[channel].push(f64::from(last[channel]));
            }
        }
        Some(series)
    }

    fn motion(&self) -> Vec<Vec<f64>> {
        let motion = |i: usize| self.samples.iter().map(|sample| f64::from(sample.motion[i])).collect();
        (0..MOTIONS).map(motion).collect()
    }

    fn clipped(&self) -> f32 {
        self.samples.iter().map(|sample| sample.clipped).sum::<f32>() / self.samples.len().max(1) as f32
    }
}

/// Are there frames all along the sequence?
fn is_enough(times: &[f64], edges: &[f64; STEPS + 1]) -> bool {
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return false };
    let length = edges[STEPS] - edges[0];
    let gap = times.windows(2).map(|two| two[1] - two[0]).fold(0.0, f64::max);
    let covered = *first <= edges[0] + LONGEST_GAP && *last >= edges[STEPS] - LONGEST_GAP;
    covered && gap <= LONGEST_GAP && times.len() as f64 >= LEAST_RATE * length
}

/// The significance that a reflection of the least contrast would have, added to what was measured, after the delay at which
/// it would have least.
fn least_significance(fit: &Fit, sequence: &Sequence, face: &Series, least_contrast: f32) -> f64 {
    let with_delay = |part: f64| {
        let mut series = face.clone();
        fit.add(sequence, f64::from(least_contrast), part, &mut series);
        fit.scan(sequence, &fit.measured(series)).significance
    };
    [0.1, 0.4, 0.7].map(with_delay).into_iter().fold(f64::MAX, f64::min)
}

fn contrast(fit: &Fit, sequence: &Sequence, scan: &Scan, measured: &Measured, series: Series) -> f64 {
    fit.contrast(sequence, &scan.best, measured, series)
}

/// Do forehead and cheeks show it, most of them?
fn agreement(zones: &[Option<f64>; ZONES], whole: f64) -> bool {
    let parts = [Zone::Forehead, Zone::LeftCheek, Zone::RightCheek].map(|zone| zones[zone as usize]);
    parts.into_iter().flatten().filter(|contrast| *contrast >= AGREEMENT * whole).count() >= 2
}

fn difference(a: &Series, b: &Series) -> Series {
    [0, 1].map(|channel| a[channel].iter().zip(&b[channel]).map(|(a, b)| a - b).collect())
}

fn median(values: &mut [f32]) -> Option<f32> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

fn logistic(value: f64) -> f64 {
    1.0 / (1.0 + (-value).exp())
}

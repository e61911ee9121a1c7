//! Curves from values to evidence, fitted on people.

use vision_core::liveness::passive::CUES;
use vision_core::liveness::passive::fusion::{Calibration, Evidence, calibration, limits};

use super::samples::Sample;

/// A curve per cue, in the order of [`CUES`].
pub type Curves = [Calibration; CUES.len()];

/// Fits every cue alone: logistic regression on its own values, real clips and attacks of equal weight in sum.
/// A curve may not run against what the cue means (the sign in use); a cue that would is left without any.
pub fn fit<'a>(samples: impl Iterator<Item = &'a Sample> + Clone) -> Curves {
    std::array::from_fn(|cue| {
        let told: Vec<_> = samples.clone().filter_map(|s| Some((s.values[cue]?, s.real))).collect();
        let [for_live, against] = limits(CUES[cue]);
        let sign = calibration(CUES[cue]).slope.signum();
        let (middle, slope) = logistic(&told);
        let slope = if slope * sign > 0.0 { slope } else { 0.0 };
        Calibration { middle, slope, for_live, against }
    })
}

/// The middle and the slope of the most likely logistic curve, with a little pull of the slope towards 0 (as if it were
/// drawn from a normal distribution, of standard deviation 3 per standard deviation of the values): so few people
/// separate too well.
fn logistic(told: &[(f32, bool)]) -> (f32, f32) {
    let count = told.len().max(1) as f32;
    let mean = told.iter().map(|(v, _)| v).sum::<f32>() / count;
    let deviation = (told.iter().map(|(v, _)| (v - mean).powi(2)).sum::<f32>() / count).sqrt().max(1e-6);
    let reals = told.iter().filter(|(_, real)| *real).count() as f32;
    let weight = |real: bool| 0.5 / if real { reals } else { count - reals }.max(1.0);
    let (mut offset, mut slope) = (0.0_f32, 0.0_f32);
    // Gradient ascent: two numbers, a hundred values, nothing to hurry.
    for _ in 0..4000 {
        let (mut by_offset, mut by_slope) = (0.0, -slope / (9.0 * count));
        for (value, real) in told {
            let x = (value - mean) / deviation;
            let error = f32::from(u8::from(*real)) - 1.0 / (1.0 + (-(offset + slope * x)).exp());
            by_offset += weight(*real) * error;
            by_slope += weight(*real) * error * x;
        }
        offset += 2.0 * by_offset;
        slope += 2.0 * by_slope;
    }
    (mean - offset / slope * deviation, slope / deviation)
}

/// The curves that the service uses.
pub fn in_use() -> Curves {
    CUES.map(calibration)
}

/// What the cues say about a sample; `but`: cues that are left out, by index.
pub fn evidence(curves: &Curves, sample: &Sample, but: &[usize]) -> [Evidence; CUES.len()] {
    std::array::from_fn(|cue| {
        let value = sample.values[cue].filter(|_| !but.contains(&cue));
        curves[cue].evidence(CUES[cue], value)
    })
}

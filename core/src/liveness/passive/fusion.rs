//! From what the cues measured to a verdict.
//!
//! Evidence is a log-likelihood ratio, live against attack, in nepers: `clamp(slope * (value - middle), -against,
//! for_live)`, a logistic curve per cue, cut off so that no cue claims more certainty than a handful of clips can give.
//! The sum over cues is the total (they are taken as independent, as in naive Bayes); the score is `1 / (1 +
//! exp(-total))`.
//!
//! The rule that no cue decides alone:
//!
//! * **Failed** only if the total is at most [`FAIL`] and stays below 0 without the cue that speaks strongest against
//!   the subject;
//! * **Passed** only if the total is at least [`PASS`], two cues or more could tell, and the total does not fall below
//!   0 without the cue that speaks strongest for them;
//! * else **Inconclusive**.
//!
//! So whatever one cue (the network is one) says, it neither fails a subject for whom the others sum up to 0 or more,
//! nor passes one against whom they sum up to less than 0.

use serde::Serialize;

use super::Cue;
use crate::liveness::{Finding, Verdict};

/// Total evidence at which a subject fails; a score of 0.18.
pub const FAIL: f32 = -1.5;
/// Total evidence at which a subject passes; a score of 0.73.
pub const PASS: f32 = 1.0;

/// What a cue contributes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// Which cue.
    pub cue: Cue,
    /// What it measured, by its own formula; none where it cannot tell.
    pub value: Option<f32>,
    /// Log-likelihood ratio in nepers; positive is live, 0 where it cannot tell.
    pub evidence: f32,
}

/// From a cue's value to its evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// The value that says nothing.
    pub middle: f32,
    /// Nepers per unit of the value; negative where more is worse.
    pub slope: f32,
    /// Most evidence for a living subject.
    pub for_live: f32,
    /// Most evidence against.
    pub against: f32,
}

/// The curve in use.
///
/// Of the cues as `evaluate passive` fits it on all people there; what is printed of them there is judged with curves
/// fitted on the others. The network's is set by hand around its authors' clear case: a simulation need not look to it
/// as attacks do.
pub fn calibration(cue: Cue) -> Calibration {
    let [middle, slope] = match cue {
        Cue::Spectrum => [0.0, -5.3],
        Cue::Texture => [0.12, -6.2],
        Cue::Colour => [1.2, 0.8],
        Cue::Borders => [0.23, -5.1],
        Cue::Motion => [0.65, 5.0],
        Cue::Network => [5.0, 0.3],
    };
    let [for_live, against] = limits(cue);
    Calibration { middle, slope, for_live, against }
}

/// Most evidence for a living subject, and against.
///
/// That there is no moire proves nothing, and that there is no border proves little, since a good attack shows none.
/// Texture depends on skin and light as much as on the medium: little evidence either way.
pub fn limits(cue: Cue) -> [f32; 2] {
    match cue {
        Cue::Spectrum => [0.0, 2.0],
        Cue::Borders => [0.5, 2.0],
        Cue::Texture => [1.0, 1.0],
        Cue::Colour | Cue::Motion | Cue::Network => [2.0, 2.0],
    }
}

impl Calibration {
    /// What a value says.
    pub fn evidence(&self, cue: Cue, value: Option<f32>) -> Evidence {
        let value = value.filter(|value| value.is_finite());
        let evidence =
            value.map_or(0.0, |value| (self.slope * (value - self.middle)).clamp(-self.against, self.for_live));
        Evidence { cue, value, evidence }
    }
}

/// Sums evidence up, by the rule above. The score is none where no cue could tell.
pub fn judge(cues: &[Evidence]) -> Finding {
    let told: Vec<f32> = cues.iter().filter(|cue| cue.value.is_some()).map(|cue| cue.evidence).collect();
    let total: f32 = told.iter().sum();
    // Not the total less that cue: what is left must not depend on how large it was.
    let without = |strongest: Option<usize>| -> f32 {
        told.iter().enumerate().filter(|(index, _)| Some(*index) != strongest).map(|(_, evidence)| evidence).sum()
    };
    let order = |a: &usize, b: &usize| told[*a].total_cmp(&told[*b]);
    let without_most_against = without((0..told.len()).min_by(order));
    let without_most_for = without((0..told.len()).max_by(order));
    let verdict = if total <= FAIL && without_most_against < 0.0 {
        Verdict::Failed
    } else if total >= PASS && told.len() > 1 && without_most_for >= 0.0 {
        Verdict::Passed
    } else {
        Verdict::Inconclusive
    };
    Finding { verdict, score: (!told.is_empty()).then(|| 1.0 / (1.0 + (-total).exp())) }
}

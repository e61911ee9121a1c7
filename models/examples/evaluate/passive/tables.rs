//! The tables of the documentation.

use vision_core::liveness::Verdict;
use vision_core::liveness::passive::fusion::{calibration, judge};
use vision_core::liveness::passive::{CUES, Cue};

use super::calibration::{Curves, evidence, fit, in_use};
use super::samples::Sample;
use crate::attacks::SPECIES;
use crate::attacks::real::CONDITIONS;
use crate::footage::CLIPS;

/// What the cues are without the network.
const NETWORK: usize = CUES.len() - 1;

/// Curves that were fitted on everybody but a person, for each person.
pub fn folds(samples: &[Sample]) -> Vec<Curves> {
    (0..CLIPS.len()).map(|person| fit(samples.iter().filter(move |sample| sample.person != person))).collect()
}

/// How well every cue alone puts real clips before attacks: no threshold, nothing fitted.
pub fn alone(samples: &[Sample]) {
    println!(
        "Share of pairs of a real clip and an attack in which the real one looks more real (0.5 is chance), and of how"
    );
    println!("many attacks the cue could tell:\n");
    header("cue", &["real, told"]);
    for (index, cue) in CUES.iter().enumerate() {
        let sign = calibration(*cue).slope.signum();
        let values = |of: &dyn Fn(&Sample) -> bool| -> (Vec<f32>, usize) {
            let those = samples.iter().filter(|sample| of(sample));
            (those.clone().filter_map(|s| s.values[index]).map(|v| sign * v).collect(), those.count())
        };
        let (real, reals) = values(&|sample| sample.real);
        print!("| {} | {:.0} % |", cue.as_str(), percent(real.len(), reals));
        for (species, _) in SPECIES {
            let (attacks, count) = values(&|sample| sample.kind == species);
            let pairs = real.iter().flat_map(|r| attacks.iter().map(move |a| (r, a)));
            let won: f32 = pairs
                .map(|(r, a)| {
                    if r > a {
                        1.0
                    } else if r == a {
                        0.5
                    } else {
                        0.0
                    }
                })
                .sum();
            match real.len() * attacks.len() {
                0 => print!(" - |"),
                pairs => print!(" {:.2} ({:.0} %) |", won / pairs as f32, percent(attacks.len(), count)),
            }
        }
        println!();
    }
}

/// The curves: in use, fitted on everybody, and how they vary when a person is missing.
pub fn curves(samples: &[Sample]) {
    println!("\nCurves from a value to evidence:\n");
    println!("| cue | in use: middle, slope | all people | slope without one person |\n|---|---|---|---|");
    let (all, folds) = (fit(samples.iter()), folds(samples));
    for (index, cue) in CUES.iter().enumerate() {
        let used = calibration(*cue);
        let slopes = folds.iter().map(|curves| curves[index].slope);
        let (low, high) = slopes.fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
        let fitted = all[index];
        println!(
            "| {} | {:.2}, {:.2} | {:.2}, {:.2} | {low:.2} to {high:.2} |",
            cue.as_str(),
            used.middle,
            used.slope,
            fitted.middle,
            fitted.slope
        );
    }
}

/// Verdicts per condition and species, with and without the network.
pub fn verdicts(samples: &[Sample]) {
    println!(
        "\nVerdicts, failed / inconclusive / passed. Left: the person that is judged was not fitted on. Right: the"
    );
    println!("curves in use:\n");
    println!("| | samples | all cues | without the network | in use | in use, without | network alone, below 0 |");
    println!("|{}", "---|".repeat(7));
    let (folds, in_use) = (folds(samples), vec![in_use(); CLIPS.len()]);
    let kinds = CONDITIONS.iter().map(|(kind, _)| *kind).chain(SPECIES.iter().map(|(kind, _)| *kind));
    for kind in kinds {
        let those: Vec<_> = samples.iter().filter(|sample| sample.kind == kind).collect();
        let split = |curves: &[Curves], but: &[usize]| {
            let verdicts: Vec<_> = those.iter().map(|s| judge(&evidence(&curves[s.person], s, but)).verdict).collect();
            let share = |verdict| percent(verdicts.iter().filter(|v| **v == verdict).count(), verdicts.len());
            let [failed, unsure, passed] = [Verdict::Failed, Verdict::Inconclusive, Verdict::Passed].map(share);
            format!("{failed:.0} / {unsure:.0} / {passed:.0} %")
        };
        let spoof = those.iter().filter(|s| s.values[NETWORK].is_some_and(|logit| logit < 0.0)).count();
        let name = if those.first().is_some_and(|s| s.real) { format!("real, {kind}") } else { kind.to_owned() };
        let [all, without] = [split(&folds, &[]), split(&folds, &[NETWORK])];
        let [used, used_without] = [split(&in_use, &[]), split(&in_use, &[NETWORK])];
        let (count, alone) = (those.len(), percent(spoof, those.len()));
        println!("| {name} | {count} | {all} | {without} | {used} | {used_without} | {alone:.0} % |");
    }
}

/// Errors with each cue left out.
pub fn left_out(samples: &[Sample]) {
    println!("\nErrors when Failed refuses and all else is let through: BPCER of real clips, APCER per species:\n");
    header("left out", &["BPCER"]);
    let folds = folds(samples);
    let network = [("network", vec![NETWORK])];
    let ways = CUES.iter().enumerate().filter(|(_, cue)| **cue != Cue::Network).map(|(i, cue)| (cue.as_str(), vec![i]));
    for (name, but) in [("nothing", vec![])].into_iter().chain(network).chain(ways) {
        let failed = |of: &dyn Fn(&Sample) -> bool| {
            let those: Vec<_> = samples.iter().filter(|sample| of(sample)).collect();
            let failed =
                those.iter().filter(|s| judge(&evidence(&folds[s.person], s, &but)).verdict == Verdict::Failed);
            percent(failed.count(), those.len())
        };
        print!("| {name} | {:.0} % |", failed(&|sample| sample.real));
        for (species, _) in SPECIES {
            print!(" {:.0} % |", 100.0 - failed(&|sample| sample.kind == species));
        }
        println!();
    }
}

fn header(first: &str, more: &[&str]) {
    let columns: Vec<_> = [first].iter().chain(more).copied().chain(SPECIES.map(|(name, _)| name)).collect();
    println!("| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len()));
}

fn percent(part: usize, whole: usize) -> f32 {
    100.0 * part as f32 / whole.max(1) as f32
}

//! What AGS is worth: how far degraded frames are from a good one of the same person, and what dropping them brings.

use vision_core::liveness::frame_checks::Thresholds;
use vision_core::liveness::quality::{AlignedFace, Appearance};
use vision_core::picture::Picture;
use vision_models::embedding::{Embedder, Embedding};

use super::{STEP, Seen, find, frames, median, share};
use crate::damage;
use crate::{AnyError, Context};

/// What AGS says about matching: distances of degraded frames to a frame of the same clip, with every embedding.
pub fn table(context: &mut Context, clips: &[Seen]) -> Result<(), AnyError> {
    let studio = &mut context.studio;
    let mut embedders = Vec::new();
    for resolved in studio.models.embeddings() {
        embedders.push(Embedder::load(&studio.runtime, &resolved)?);
    }
    // Damage, AGS, and the distance that each embedding sees, as a share of its threshold.
    let mut probes: Vec<(usize, f32, Vec<f32>)> = Vec::new();
    for seen in clips {
        let mut reference: Option<Vec<Embedding>> = None;
        for (picture, face) in frames(seen, 3 * STEP) {
            let rgb = picture.view().to_rgb();
            let Some(reference) = &reference else {
                let all = embedders.iter_mut().map(|embedder| embedder.embed(&rgb.view(), face));
                reference = Some(all.collect::<Result<_, _>>()?);
                continue;
            };
            for (index, damage) in damage::MATCHING.iter().enumerate() {
                let Some(picture) = damage.apply(&rgb, face) else { continue };
                let Some(face) = find(&mut studio.landmarker, &picture)? else { continue };
                let view = picture.view();
                let Some(aligned) = AlignedFace::new(&view, &face) else { continue };
                let ags = Appearance::of(&aligned, &face).ags;
                let mut distances = Vec::new();
                for (embedder, reference) in embedders.iter_mut().zip(reference) {
                    let threshold = embedder.threshold();
                    distances.push(embedder.embed(&view, &face)?.distance(reference)? / threshold);
                }
                probes.push((index, ags, distances));
            }
        }
    }
    let names: Vec<&str> = embedders.iter().map(Embedder::model).collect();
    println!(
        "### AGS of degraded frames, and their distance to an undegraded frame of the same clip (medians; 1 is the threshold)\n"
    );
    println!("| damage | frames | AGS | passes | {} |", names.join(" | "));
    println!("|---|---|---|---|{}", "---|".repeat(names.len()));
    let threshold = Thresholds::default().ags;
    for (index, damage) in damage::MATCHING.iter().enumerate() {
        let of: Vec<_> = probes.iter().filter(|probe| probe.0 == index).collect();
        let mut scores: Vec<f32> = of.iter().map(|probe| probe.1).collect();
        let passing = scores.iter().filter(|score| **score >= threshold).count();
        let distances: Vec<String> = (0..names.len())
            .map(|e| format!("{:.2}", median(&mut of.iter().map(|probe| probe.2[e]).collect::<Vec<_>>())))
            .collect();
        let score = median(&mut scores);
        println!("| {damage} | {} | {score:.2} | {} | {} |", of.len(), share(passing, of.len()), distances.join(" | "));
    }
    println!(
        "\n### Error versus discard: frames of the same person that do not match, when those with the lowest AGS are dropped\n"
    );
    println!("| dropped | lowest AGS left | {} |", names.join(" | "));
    println!("|---|---|{}", "---|".repeat(names.len()));
    probes.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
    let below = probes.iter().filter(|probe| probe.1 < threshold).count();
    let rates = |dropped: usize| -> Vec<f64> {
        let left = &probes[dropped..];
        (0..names.len())
            .map(|e| 100.0 * left.iter().filter(|p| p.2[e] >= 1.0).count() as f64 / left.len().max(1) as f64)
            .collect()
    };
    let cuts = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5].map(|part: f64| (part * probes.len() as f64) as usize);
    for dropped in cuts.into_iter().chain([below]) {
        let cells: Vec<String> = rates(dropped).iter().map(|rate| format!("{rate:.1} %")).collect();
        let least = probes.get(dropped).map_or(f32::NAN, |probe| probe.1);
        let note = if dropped == below { " (AGS below 0.8)" } else { "" };
        println!("| {}{note} | {least:.2} | {} |", share(dropped, probes.len()), cells.join(" | "));
    }
    println!("\n### Rank correlation of AGS and distance (-1: a perfect predictor, 0: none)\n");
    println!("| frames | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(names.len()));
    let undamaged: Vec<_> = probes.iter().filter(|probe| probe.0 == 0).collect();
    for (what, probes) in [("all", probes.iter().collect()), ("undamaged only", undamaged)] {
        let scores: Vec<f32> = probes.iter().map(|probe| probe.1).collect();
        let correlation = |e: usize| spearman(&scores, &probes.iter().map(|probe| probe.2[e]).collect::<Vec<_>>());
        let cells: Vec<String> = (0..names.len()).map(|e| format!("{:.2}", correlation(e))).collect();
        println!("| {what} ({}) | {} |", probes.len(), cells.join(" | "));
    }
    println!();
    Ok(())
}

fn spearman(a: &[f32], b: &[f32]) -> f64 {
    let ranks = |values: &[f32]| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|i, j| values[*i].total_cmp(&values[*j]));
        let mut ranks = vec![0.0; values.len()];
        order.iter().enumerate().for_each(|(rank, index)| ranks[*index] = rank as f64);
        ranks
    };
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let product: f64 = a.iter().zip(&b).map(|(a, b)| (a - mean) * (b - mean)).sum();
    let square: f64 = a.iter().map(|a| (a - mean) * (a - mean)).sum();
    product / square
}

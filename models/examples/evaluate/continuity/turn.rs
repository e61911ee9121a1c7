//! Heads that turn, and pictures that are turned.

use vision_core::face::FrameAnalysis;
use vision_core::liveness::Verdict;
use vision_core::liveness::continuity::head_turn::HeadTurn;

use super::video::{self, GOOD};
use super::{Call, paper, percentile};
use crate::{AnyError, Context};

/// Every two seconds of a video, a third of a second apart: the turns in them, and what came of those.
fn report(name: &str, analyses: &[FrameAnalysis], rate: f64) {
    let (window, step) = ((2.0 * rate) as usize, (rate / 3.0) as usize);
    let (mut turns, mut widest, mut verdicts) = (Vec::new(), 0.0_f32, [0; 3]);
    for start in (0..analyses.len().saturating_sub(window)).step_by(step.max(1)) {
        let mut turn = HeadTurn::new();
        for analysis in &analyses[start..start + window] {
            if let Some(face) = &analysis.face {
                turn.see(face, analysis.width, analysis.height);
            }
        }
        let Some(seen) = turn.turn() else { continue };
        widest = widest.max(seen.yaw);
        let finding = turn.finding();
        verdicts[match finding.verdict {
            Verdict::Passed => 0,
            Verdict::Failed => 1,
            Verdict::Inconclusive => 2,
        }] += 1;
        if finding.score.is_some() {
            turns.push(seen.parallax / seen.yaw);
        }
    }
    turns.sort_by(f32::total_cmp);
    let ratios = match turns.is_empty() {
        true => "-".to_owned(),
        false => [0.0, 50.0, 100.0].map(|p| format!("{:.3}", percentile(&turns, p))).join(", "),
    };
    let [passed, failed, inconclusive] = verdicts;
    println!("| {name} | {widest:.2} | {} | {ratios} | {passed} | {failed} | {inconclusive} |", turns.len());
}

/// Prints the table.
pub fn run(context: &mut Context, calls: &[Call]) -> Result<(), AnyError> {
    println!("\nTurns: every two seconds of video, a third of a second apart\n");
    println!(
        "| video | widest turn | of 0.25 and more | parallax per radian: least, median, most | passed | failed | inconclusive |"
    );
    println!("|---|---|---|---|---|---|---|");
    for call in calls {
        report(call.name, &call.analyses, call.received.rate);
    }
    let studio = &mut context.studio;
    for file in ["astronaut.png", "fr_biden.jpg", "fr_obama.jpg"] {
        let video = video::through_call(&paper::animated(studio, file, &["turnLeft", "turnRight"])?, GOOD)?;
        report(&format!("{file}, animated"), &studio.analyse(&video)?, video.rate);
    }
    for call in calls.iter().filter(|call| ["lp_d0.mp4", "lp_d3.mp4", "lp_d12.mp4", "lp_d18.mp4"].contains(&call.name))
    {
        let yaw = |analysis: &FrameAnalysis| analysis.face.as_ref().map_or(9.0, |face| face.angles().yaw.abs());
        let straight =
            (0..call.analyses.len()).min_by(|a, b| yaw(&call.analyses[*a]).total_cmp(&yaw(&call.analyses[*b])));
        let frame = &call.original.frames[straight.ok_or("no frames")?];
        for (angle, bend) in [(0.5, 0.0), (0.8, 0.0), (0.7, 0.6), (0.6, 1.2)] {
            let video = video::through_call(&paper::turned(frame, 4.0, 2.0, angle, bend), GOOD)?;
            let name = format!("{} on paper, {angle} rad, bent by {bend}", call.name);
            report(&name, &studio.analyse(&video)?, video.rate);
        }
    }
    Ok(())
}

//! Frozen pictures, cuts, loops.

use std::path::Path;
use std::time::Duration;

use vision_core::face::FrameAnalysis;
use vision_core::liveness::Verdict;
use vision_core::liveness::continuity::stream::signature::Signature;
use vision_core::liveness::continuity::stream::{Stream, StreamLimits, StreamMeasures};
use vision_core::picture::Picture as _;
use vision_core::plot::{self, Series, Threshold};

use super::Call;
use super::video::{self, BAD, GOOD};
use crate::footage::Footage;
use crate::{AnyError, Context};

/// What came of a video.
struct Outcome {
    measures: StreamMeasures,
    /// Seconds until each check failed, if it did.
    frozen: Option<f64>,
    cuts_and_loops: Option<f64>,
    /// Least ratio of slow to fast changes among moments with little motion.
    noise_ratio: f32,
}

/// Shows a video to the checks; with landmarks in every frame where there are any.
fn watch(footage: &Footage, analyses: Option<&[FrameAnalysis]>) -> Outcome {
    let mut stream = Stream::new(StreamLimits::default());
    let (mut frozen, mut cuts_and_loops, mut noise_ratio) = (None, None, f32::MAX);
    for (index, frame) in footage.frames.iter().enumerate() {
        let at = footage.time(index);
        let Some(signature) = Signature::of(&frame.view()) else { continue };
        stream.see(&signature, analyses.map(|analyses| analyses[index].face.as_ref()), at);
        let failed = |known: &mut Option<f64>, verdict| {
            if known.is_none() && verdict == Verdict::Failed {
                *known = Some(at.as_secs_f64());
            }
        };
        failed(&mut frozen, stream.frozen().verdict);
        failed(&mut cuts_and_loops, stream.cuts_and_loops().verdict);
        if at > Duration::from_secs(2)
            && let Some((step, stride)) = stream.liveliest()
            && stride < 1.5
        {
            noise_ratio = noise_ratio.min(stride / step.max(1e-3));
        }
    }
    Outcome { measures: stream.measures(), frozen, cuts_and_loops, noise_ratio }
}

fn row(name: &str, outcome: &Outcome) {
    let measures = &outcome.measures;
    let seconds = |time: Option<f64>| time.map_or("-".to_owned(), |time| format!("{time:.1} s"));
    let ratio = if outcome.noise_ratio == f32::MAX { "-".to_owned() } else { format!("{:.1}", outcome.noise_ratio) };
    println!(
        "| {name} | {:.2} s | {:.2} s, {ratio} | {:.2} | {:.2} | {:.1} | {} | {} |",
        measures.frozen.as_secs_f32(),
        measures.noise.as_secs_f32(),
        measures.closest.forwards,
        measures.closest.backwards,
        measures.sharpest,
        seconds(outcome.frozen),
        seconds(outcome.cuts_and_loops),
    );
}

fn head(title: &str) {
    println!("\n{title}\n");
    println!(
        "| video | one picture | noise only, least ratio | loop | reversed | cut | frozen found | cut or loop found |"
    );
    println!("|---|---|---|---|---|---|---|---|");
}

/// Prints the tables.
pub fn run(context: &mut Context, calls: &[Call]) -> Result<(), AnyError> {
    let studio = &mut context.studio;
    head(&format!("Real clips through VP8, {GOOD} and {BAD} kbit/s, and at half the frame rate"));
    for Call { name, original: clip, received, analyses } in calls {
        row(&format!("{name}, {GOOD}"), &watch(received, Some(analyses)));
        row(&format!("{name}, {BAD}"), &watch(&video::through_call(clip, BAD)?, None));
        let slow = video::through_call(&video::halved(clip), GOOD)?;
        let analyses = studio.analyse(&slow)?;
        row(&format!("{name}, {GOOD}, half"), &watch(&slow, Some(&analyses)));
    }
    head("One picture, from the second second on");
    for Call { name, original: clip, .. } in calls {
        for levels in [0, 10] {
            let frames = [&video::piece(clip, 0.0, 2.0), &video::still(clip, (2.0 * clip.rate) as usize, 6.0, levels)];
            let call = video::through_call(&video::joined(&frames), GOOD)?;
            row(&format!("{name}, noise {levels}"), &watch(&call, None));
        }
    }
    head("Loops, and loops forwards and backwards, through VP8");
    for Call { name, original: clip, .. } in calls {
        for length in [2.2, 3.05] {
            let piece = video::piece(clip, 0.4, 0.4 + length);
            if video::seconds(&piece) < length - 0.1 {
                continue;
            }
            row(
                &format!("{name}, loop of {length} s"),
                &watch(&video::through_call(&video::looped(&piece, 3), GOOD)?, None),
            );
            let turned = video::back_and_forth(&piece, 1);
            row(&format!("{name}, {length} s and back"), &watch(&video::through_call(&turned, GOOD)?, None));
        }
    }
    head("Cuts");
    for (i, Call { name, original: clip, .. }) in calls.iter().enumerate() {
        let length = video::seconds(clip);
        for share in [0.2, 0.6] {
            let (start, skip) = (share * length, 1.3);
            if start + skip + 2.0 > length {
                continue;
            }
            let parts = [
                &video::piece(clip, start - 1.5_f64.min(start), start),
                &video::piece(clip, start + skip, start + skip + 2.0),
            ];
            let call = video::through_call(&video::joined(&parts), GOOD)?;
            let analyses = studio.analyse(&call)?;
            let outcome = watch(&call, Some(&analyses));
            row(&format!("{name}, {skip} s left out at {start:.1} s"), &outcome);
        }
        for other in [1, 3] {
            let Call { name: next_name, original: next, .. } = &calls[(i + other) % calls.len()];
            if next.frames[0].data.len() != clip.frames[0].data.len() {
                continue;
            }
            let parts = [&video::piece(clip, 0.0, 1.5), &video::piece(next, 0.5, 2.5)];
            let call = video::through_call(&video::joined(&parts), GOOD)?;
            let analyses = studio.analyse(&call)?;
            row(&format!("{name}, then {next_name}"), &watch(&call, Some(&analyses)));
        }
    }
    match &context.plots {
        Some(folder) => draw(&folder.join("continuity.svg"), calls),
        None => Ok(()),
    }
}

/// How much the last seconds resemble earlier ones, over time: a clip, the clip in a loop, forwards and backwards.
fn draw(file: &Path, calls: &[Call]) -> Result<(), AnyError> {
    let call = calls.iter().find(|call| call.name == "lp_d13.mp4").ok_or("no clip")?;
    let piece = video::piece(&call.original, 0.4, 4.0);
    let limits = StreamLimits::default();
    let videos = [
        ("a clip: resemblance to earlier seconds", call.received.clone(), false),
        ("a loop of 3.6 s", video::through_call(&video::looped(&piece, 3), GOOD)?, false),
        ("3.6 s forwards and backwards", video::through_call(&video::back_and_forth(&piece, 1), GOOD)?, true),
    ];
    let series = videos.map(|(name, footage, backwards)| {
        let mut stream = Stream::new(limits);
        let mut points = Vec::new();
        for (index, frame) in footage.frames.iter().enumerate() {
            let at = footage.time(index);
            if let Some(signature) = Signature::of(&frame.view()) {
                stream.see(&signature, None, at);
            }
            // Ten values a second are all there are.
            if index % 3 == 0 {
                let resemblance = stream.measures().resemblance;
                let value = if backwards { resemblance.backwards } else { resemblance.forwards };
                points.push((at.as_secs_f64() * 1e3, f64::from(value)));
            }
        }
        let value = f64::from(if backwards { limits.reversed } else { limits.loops });
        let thresholds = vec![Threshold { value, label: format!("comes again > {value:.2}") }];
        Series { name: name.to_owned(), points, thresholds, events: Vec::new() }
    });
    std::fs::write(file, plot::svg("Scenes that come again", &series))?;
    Ok(())
}

//! One person or two.

use vision_core::liveness::Verdict;
use vision_core::liveness::continuity::identity::{Embedding, Identity, Seen};
use vision_core::picture::Picture as _;
use vision_models::embedding::Embedder;
use vision_models::manifest::Metric;

use super::video::GOOD;
use super::{Call, percentile, processor_time};
use crate::footage::Frame;
use crate::{AnyError, Context};

/// Embeddings a second that are made of the clips.
const RATE: f64 = 10.0;
/// Embeddings before another person takes the place of the first.
const BEFORE: usize = 5;

/// One clip: its embeddings, and those of the same frames blurred.
struct Person {
    sharp: Vec<Vec<f32>>,
    blurred: Vec<Vec<f32>>,
}

/// Prints the tables.
pub fn run(context: &mut Context, calls: &[Call]) -> Result<(), AnyError> {
    let studio = &context.studio;
    println!(
        "\nIdentity: {} people, clips through VP8 at {GOOD} kbit/s, distances in thresholds of the network\n",
        calls.len()
    );
    println!(
        "| network | ms | same person to template: 50, 99, 100 % | others to template: 0, 1, 50 % | changed, same person, at 1/s, 2/s, 10/s, as in a call | doubtful | with every 4th frame blurred | swaps found | embeddings until then: 50, 100 % |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for resolved in studio.models.embeddings() {
        let mut embedder = Embedder::load(&studio.runtime, &resolved)?;
        let metric = resolved.model.embedding.as_ref().ok_or("no embedding")?.metric;
        let (mut people, mut costs) = (Vec::new(), Vec::new());
        for Call { received: clip, analyses, .. } in calls {
            let step = (clip.rate / RATE).round() as usize;
            let mut person = Person { sharp: Vec::new(), blurred: Vec::new() };
            for (frame, analysis) in clip.frames.iter().zip(analyses).step_by(step) {
                let Some(face) = &analysis.face else { continue };
                let start = processor_time();
                person.sharp.push(embedder.embed(&frame.view(), face)?.values().to_vec());
                costs.push((processor_time() - start).as_secs_f32() * 1e3);
                person.blurred.push(embedder.embed(&blurred(frame).view(), face)?.values().to_vec());
            }
            people.push(person);
        }
        costs.sort_by(f32::total_cmp);
        report(embedder.model(), metric, embedder.threshold(), percentile(&costs, 50.0), &people);
    }
    Ok(())
}

fn report(model: &str, metric: Metric, threshold: f32, cost: f32, people: &[Person]) {
    let distance = move |a: &[f32], b: &[f32]| metric.distance(a, b);
    let watch = || Identity::new(distance, threshold);
    let see = |identity: &mut Identity, values: &Vec<f32>| {
        Embedding::new(values.clone()).map_or(Seen::Doubtful, |embedding| identity.see(embedding))
    };
    // Distances to the mean of all that came before, and to that of somebody else.
    let mean = |values: &[Vec<f32>]| -> Vec<f32> {
        (0..values[0].len()).map(|i| values.iter().map(|v| v[i]).sum::<f32>() / values.len() as f32).collect()
    };
    let (mut same, mut others) = (Vec::new(), Vec::new());
    for (i, person) in people.iter().enumerate() {
        for (at, values) in person.sharp.iter().enumerate().skip(3) {
            same.push(distance(values, &mean(&person.sharp[..at])) / threshold);
        }
        for other in people.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, other)| mean(&other.sharp)) {
            others.extend(person.sharp.iter().map(|values| distance(values, &other) / threshold));
        }
    }
    same.sort_by(f32::total_cmp);
    others.sort_by(f32::total_cmp);
    // The same person all the time, from every first frame on.
    let (mut doubtful, mut seen) = (0, 0);
    let mut changed = Vec::new();
    // How far it is to the next embedding, and to the next while there is a doubt.
    for (step, urgent) in [(10, 10), (5, 5), (1, 1), (10, 1)] {
        let (mut runs, mut failed) = (0, 0);
        for person in people {
            for phase in 0..person.sharp.len().min(10) {
                let mut identity = watch();
                let mut at = phase;
                while let Some(values) = person.sharp.get(at) {
                    doubtful += usize::from(see(&mut identity, values) == Seen::Doubtful);
                    seen += 1;
                    at += if identity.is_urgent() { urgent } else { step };
                }
                runs += 1;
                failed += usize::from(identity.finding().verdict == Verdict::Failed);
            }
        }
        changed.push(format!("{failed} of {runs}"));
    }
    let (mut runs, mut spoilt) = (0, 0);
    for person in people {
        for phase in 0..person.sharp.len().min(10) {
            let mut identity = watch();
            for (at, (sharp, blurred)) in person.sharp.iter().zip(&person.blurred).enumerate().skip(phase).step_by(5) {
                see(&mut identity, if at / 5 % 4 == 3 { blurred } else { sharp });
            }
            runs += 1;
            spoilt += usize::from(identity.finding().verdict == Verdict::Failed);
        }
    }
    // Somebody else from the sixth embedding on; a second of every clip is passed over between two embeddings.
    let (mut swaps, mut until) = (0, Vec::new());
    for (i, person) in people.iter().enumerate() {
        for (j, other) in people.iter().enumerate().filter(|(j, _)| *j != i) {
            for phase in 0..10 {
                let mut identity = watch();
                for values in person.sharp.iter().skip(phase).step_by(5).take(BEFORE) {
                    see(&mut identity, values);
                }
                let mut later = other.sharp.iter().cycle().skip(phase + j).step_by(10).take(10);
                swaps += 1;
                if let Some(at) = later.position(|values| see(&mut identity, values) == Seen::Changed) {
                    until.push((at + 1) as f32);
                }
            }
        }
    }
    until.sort_by(f32::total_cmp);
    println!(
        "| {model} | {cost:.1} | {:.2}, {:.2}, {:.2} | {:.2}, {:.2}, {:.2} | {} | {:.1} % | {spoilt} of {runs} | {} of {swaps} | {}, {} |",
        percentile(&same, 50.0),
        percentile(&same, 99.0),
        percentile(&same, 100.0),
        percentile(&others, 0.0),
        percentile(&others, 1.0),
        percentile(&others, 50.0),
        changed.join(", "),
        100.0 * doubtful as f32 / seen as f32,
        until.len(),
        percentile(&until, 50.0),
        percentile(&until, 100.0),
    );
}

/// A frame out of focus: every plane averaged over squares of a 64th of its width each way, twice.
fn blurred(frame: &Frame) -> Frame {
    let (width, height) = (frame.width, frame.height);
    let mut data = frame.data.clone();
    let (y, chroma) = data.split_at_mut(width * height);
    let (u, v) = chroma.split_at_mut(width * height / 4);
    for (plane, width) in [(y, width), (u, width / 2), (v, width / 2)] {
        let radius = width / 64;
        for _ in 0..2 {
            let rows = plane.len() / width;
            smooth(plane, rows, width, 1, width, radius);
            smooth(plane, width, rows, width, 1, radius);
        }
    }
    Frame { data, width, height }
}

/// Averages `lines` of `length` values, `step` apart, over `radius` on either side.
fn smooth(plane: &mut [u8], lines: usize, length: usize, step: usize, next: usize, radius: usize) {
    let mut line = vec![0_u32; length];
    for start in (0..lines).map(|line| line * next) {
        line.iter_mut().enumerate().for_each(|(i, value)| *value = u32::from(plane[start + i * step]));
        for i in 0..length {
            let around = &line[i.saturating_sub(radius)..(i + radius + 1).min(length)];
            plane[start + i * step] = (around.iter().sum::<u32>() / around.len() as u32) as u8;
        }
    }
}

//! What each check costs.

use std::hint::black_box;
use std::time::Duration;

use vision_core::liveness::continuity::head_turn::HeadTurn;
use vision_core::liveness::continuity::identity::{Embedding, Identity};
use vision_core::liveness::continuity::stream::signature::Signature;
use vision_core::liveness::continuity::stream::{Stream, StreamLimits};
use vision_core::picture::Picture as _;

use super::{Call, processor_time};
use crate::AnyError;

/// Median processor time of a call in microseconds.
fn microseconds(times: usize, mut call: impl FnMut(usize)) -> f64 {
    let mut each: Vec<Duration> = (0..times)
        .map(|index| {
            let start = processor_time();
            call(index);
            processor_time() - start
        })
        .collect();
    each.sort_unstable();
    each[each.len() / 2].as_secs_f64() * 1e6
}

/// Prints the table.
pub fn run(calls: &[Call]) -> Result<(), AnyError> {
    let call = calls.iter().max_by_key(|call| call.received.frames.len()).ok_or("no clips")?;
    let frames = &call.received.frames;
    let signatures: Vec<_> = frames.iter().filter_map(|frame| Signature::of(&frame.view())).collect();
    let signature = microseconds(2000, |index| {
        black_box(Signature::of(&frames[index % frames.len()].view()));
    });
    // Forty seconds first, so that the longest loop is looked for.
    let mut stream = Stream::new(StreamLimits::default());
    let at = |index: usize| Duration::from_secs_f64(index as f64 / 30.0);
    (0..1200).for_each(|index| stream.see(&signatures[index % signatures.len()], None, at(index)));
    let start = processor_time();
    (1200..2400).for_each(|index| stream.see(&signatures[index % signatures.len()], None, at(index)));
    let watched = (processor_time() - start).as_secs_f64() * 1e6 / 1200.0;
    let mut turn = HeadTurn::new();
    let faces: Vec<_> = call.analyses.iter().filter_map(|analysis| analysis.face.as_ref()).collect();
    let seen = microseconds(500, |index| turn.see(faces[index % faces.len()], 480, 480));
    let judged = microseconds(500, |_| {
        black_box(turn.finding());
    });
    let mut identity = Identity::new(|a, b| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt(), 1.0);
    let vectors: Vec<Vec<f32>> = (0..8).map(|i| (0..256).map(|j| ((i + j) % 17) as f32).collect()).collect();
    let compared = microseconds(500, |index| {
        if let Some(embedding) = Embedding::new(vectors[index % vectors.len()].clone()) {
            identity.see(embedding);
        }
    });
    let (width, height) = (frames[0].width, frames[0].height);
    println!("\nProcessor time, microseconds\n\n| what | how often | us |\n|---|---|---|");
    println!("| signature of a frame {width}x{height} | every frame | {signature:.0} |");
    println!("| freezes, cuts, loops, 30 s in memory, mean | every frame | {watched:.0} |");
    println!("| a view of a turn | frames of a turn | {seen:.1} |");
    println!("| the judgement of a turn | once | {judged:.0} |");
    println!("| an embedding of 256 numbers compared | about once a second | {compared:.1} |");
    Ok(())
}

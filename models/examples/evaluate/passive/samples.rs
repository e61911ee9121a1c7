//! What the cues measure in every clip and every attack, and what that takes.

use std::hint::black_box;
use std::time::Duration;

use fastrand::Rng;
use rustix::time::{ClockId, clock_gettime};
use vision_core::face::FrameAnalysis;
use vision_core::liveness::passive::{CUES, Cue, Passive};
use vision_core::picture::Picture as _;
use vision_models::antispoof::Antispoof;

use crate::AnyError;
use crate::attacks::call::through_a_call;
use crate::attacks::real::CONDITIONS;
use crate::attacks::{SPECIES, Victim};
use crate::footage::{CLIPS, Footage, Studio};

/// Frames of a sample: four seconds at 15 a second.
const FRAMES: usize = 60;
/// The service analyses so many frames a second at most.
const RATE: f64 = 15.0;
/// The network looks at every third frame.
const NETWORK_EVERY: usize = 3;
/// Attacks of a species on one person, each with other chances.
const ATTEMPTS: usize = 2;

/// One presentation.
pub struct Sample {
    /// Index in [`CLIPS`].
    pub person: usize,
    /// Not an attack.
    pub real: bool,
    /// The camera's condition, or the attack's species.
    pub kind: &'static str,
    /// What the cues measured, in the order of [`CUES`].
    pub values: [Option<f32>; CUES.len()],
}

/// Everything that is judged.
pub fn gather(studio: &mut Studio) -> Result<Vec<Sample>, AnyError> {
    let mut network = Antispoof::load(&studio.runtime, &studio.models)?;
    let mut samples = Vec::new();
    for (person, name) in CLIPS.iter().enumerate() {
        eprintln!("  {name}");
        let footage = paced(studio.clip(name)?);
        let analyses = studio.analyse(&footage)?;
        let victim = Victim { footage: &footage, analyses: &analyses };
        for (index, (kind, condition)) in CONDITIONS.into_iter().enumerate() {
            let mut random = Rng::with_seed((1000 * person + 10 * index) as u64);
            let values = measure(studio, &mut network, condition(&footage, &mut random))?;
            samples.push(Sample { person, real: true, kind, values });
        }
        for (index, (kind, attack)) in SPECIES.into_iter().enumerate() {
            for attempt in 0..ATTEMPTS {
                let mut random = Rng::with_seed((1000 * person + 10 * (CONDITIONS.len() + index) + attempt) as u64);
                let values = measure(studio, &mut network, attack(&victim, &mut random)?)?;
                samples.push(Sample { person, real: false, kind, values });
            }
        }
    }
    Ok(samples)
}

/// The first frames, as often as the service looks.
fn paced(mut footage: Footage) -> Footage {
    let step = (footage.rate / RATE).round().max(1.0) as usize;
    footage.frames = footage.frames.into_iter().step_by(step).take(FRAMES).collect();
    footage.rate /= step as f64;
    footage
}

/// Through a call, and past the cues.
fn measure(
    studio: &mut Studio,
    network: &mut Antispoof,
    footage: Footage,
) -> Result<[Option<f32>; CUES.len()], AnyError> {
    let footage = through_a_call(&footage)?;
    let analyses = studio.analyse(&footage)?;
    let mut passive = Passive::new();
    for (index, (frame, analysis)) in footage.frames.iter().zip(&analyses).enumerate() {
        let Some(face) = &analysis.face else { continue };
        let logit = index.is_multiple_of(NETWORK_EVERY).then(|| network.score(&frame.view(), face)).transpose()?;
        passive.observe(&frame.view(), face, logit);
    }
    Ok(CUES.map(|cue| passive.value(cue)))
}

/// Prints processor time per frame, each cue alone and all together, on a clip scaled to 640x480.
pub fn cost(studio: &mut Studio) -> Result<(), AnyError> {
    let footage = paced(studio.clip("lp_d12.mp4")?);
    let frames: Vec<_> = footage.frames.iter().map(|frame| frame.widened(640)).collect();
    let footage = Footage { rate: footage.rate, frames };
    let analyses = studio.analyse(&footage)?;
    println!("\n| cue | ms per frame of 640x480 |\n|---|---|");
    let alone = CUES.into_iter().filter(|cue| *cue != Cue::Network).map(|cue| (cue.as_str(), vec![cue]));
    for (name, cues) in alone.chain([("all without the network", CUES.to_vec())]) {
        println!("| {name} | {:.2} |", milliseconds(&footage, &analyses, &cues));
    }
    Ok(())
}

/// Median over rounds of a clip.
fn milliseconds(footage: &Footage, analyses: &[FrameAnalysis], cues: &[Cue]) -> f64 {
    let mut rounds: Vec<_> = (0..9)
        .map(|_| {
            let mut passive = Passive::of(cues);
            let start = processor_time();
            for (frame, analysis) in footage.frames.iter().zip(analyses) {
                if let Some(face) = &analysis.face {
                    passive.observe(&frame.view(), face, None);
                }
            }
            black_box(passive.report());
            (processor_time() - start).as_secs_f64() * 1e3 / footage.frames.len() as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

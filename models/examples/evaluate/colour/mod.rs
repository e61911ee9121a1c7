//! The colour challenge: found where a screen's light is on the face, absent on recordings.

mod roc;
mod takes;

use std::time::{Duration, Instant};

use takes::{Conditions, Disturbance, Light, Subject, random};
use vision_core::liveness::colour::simulation::Scene;
use vision_core::liveness::colour::{Judgement, Observer, Outcome, Sequence};

use super::footage::CLIPS;
use super::{AnyError, Context};

/// Lux of the surroundings.
const AMBIENT: [f32; 7] = [30.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0];
/// Sequences of other flows that each recording is judged by.
const OTHERS: usize = 25;

/// A recorded challenge.
struct Trial {
    row: String,
    sequence: Sequence,
    observer: Observer,
    delay: f64,
}

/// Counts of a row of a table.
#[derive(Default)]
struct Tally {
    outcomes: [usize; 3],
    scores: Vec<f32>,
    least: f32,
}

impl Tally {
    fn add(&mut self, judged: &Judgement) {
        let at = match judged.outcome {
            Outcome::Found => 0,
            Outcome::Absent => 1,
            _ => 2,
        };
        self.outcomes[at] += 1;
        self.scores.push(judged.evidence.map_or(0.0, |evidence| evidence.significance));
    }

    fn print(&self, name: &str) {
        let count = self.scores.len() as f32;
        let [found, absent, unclear] = self.outcomes.map(|n| 100.0 * n as f32 / count);
        let mut scores = self.scores.clone();
        scores.sort_by(f32::total_cmp);
        let (low, middle, high) = (scores[0], scores[scores.len() / 2], scores[scores.len() - 1]);
        println!(
            "| {name} | {count} | {found:.0} % | {absent:.0} % | {unclear:.0} % | {low:.1} | {middle:.1} | {high:.1} |"
        );
    }
}

const HEAD: &str =
    "| | recordings | found | absent | unclear | least z | median z | most z |\n|---|---|---|---|---|---|---|---|";

/// Prints the tables.
pub fn run(context: &mut Context) -> Result<(), AnyError> {
    let clips: Vec<&'static str> = match std::env::var("COLOUR_CLIPS") {
        Ok(n) => CLIPS[..n.parse()?].to_vec(),
        _ => CLIPS.to_vec(),
    };
    let mut draw = drawing(1);
    let mut trials = Vec::new();
    for name in clips {
        let subject = Subject::of(&mut context.studio, name)?;
        for (row, conditions) in conditions() {
            let mut numbers = random(trials.len() as u32 + 77);
            let delay = 0.1 + 0.7 * numbers();
            let seed = trials.len() as u32 + 1;
            let sequence = draw();
            let conditions = Conditions { delay, seed, ..conditions };
            let t = Instant::now();
            let observer = subject.record(&sequence, &conditions)?;
            let judged = observer.judge(&sequence, &Sequence::times(Duration::ZERO));
            eprintln!("{name} {row} {delay:.2} {:.1?}: {:?} {:.3?}", t.elapsed(), judged.outcome, judged.evidence);
            trials.push(Trial { row, sequence, observer, delay });
        }
    }
    println!("{HEAD}");
    let mut rows: Vec<String> = Vec::new();
    for trial in &trials {
        if !rows.contains(&trial.row) {
            rows.push(trial.row.clone())
        }
    }
    let times = Sequence::times(Duration::ZERO);
    for row in &rows {
        let mut own = Tally::default();
        let mut others = Tally::default();
        for trial in trials.iter().filter(|trial| trial.row == *row) {
            own.add(&trial.observer.judge(&trial.sequence, &times));
            for _ in 0..OTHERS {
                others.add(&trial.observer.judge(&draw(), &times));
            }
        }
        own.print(row);
        others.print(&format!("{row}, judged by other sequences"));
    }
    let _ = trials.iter().map(|trial| trial.delay).sum::<f64>();
    Ok(())
}

fn conditions() -> Vec<(String, Conditions)> {
    let plain = |scene| Conditions { scene, light: Light::Face, disturbance: Disturbance::None, delay: 0.0, seed: 0 };
    let mut all = Vec::new();
    for ambient in AMBIENT {
        all.push((format!("laptop, {ambient} lux"), plain(Scene::laptop(ambient))));
    }
    for ambient in [200.0, 500.0] {
        all.push((format!("phone, {ambient} lux"), plain(Scene::phone(ambient))));
    }
    let room = plain(Scene::laptop(200.0));
    all.push(("changing light, 200 lux".into(), Conditions { disturbance: Disturbance::Room, ..room }));
    all.push(("television, 200 lux".into(), Conditions { disturbance: Disturbance::Television, ..room }));
    all.push(("replay".into(), Conditions { light: Light::None, ..room }));
    all.push((
        "replay, changing light".into(),
        Conditions { light: Light::None, disturbance: Disturbance::Room, ..room },
    ));
    all.push((
        "replay, television".into(),
        Conditions { light: Light::None, disturbance: Disturbance::Television, ..room },
    ));
    for ambient in [50.0, 200.0] {
        all.push((format!("flat, {ambient} lux"), Conditions { light: Light::Flat, ..plain(Scene::laptop(ambient)) }));
    }
    all
}

fn drawing(seed: u32) -> impl FnMut() -> Sequence {
    let mut numbers = random(seed);
    move || {
        let drawn = Sequence::draw(|bytes: &mut [u8]| {
            bytes.fill_with(|| (numbers() * 256.0) as u8);
            Ok::<_, std::convert::Infallible>(())
        });
        let Ok(sequence) = drawn;
        sequence
    }
}

//! The colour challenge: found where a screen's light is on the face, absent on recordings.

mod roc;
mod takes;

use std::time::Duration;

use roc::Curve;
use takes::{Conditions, Disturbance, Light, Recording, Subject, processor_time, random};
use vision_core::liveness::colour::simulation::Scene;
use vision_core::liveness::colour::{Judgement, LEAST_CONTRAST, Outcome, Sequence};

use super::footage::CLIPS;
use super::{AnyError, Context};

/// Lux of the surroundings.
const AMBIENT: [f32; 6] = [30.0, 100.0, 200.0, 500.0, 1000.0, 3000.0];
/// Sequences of other flows that each recording is judged by.
const OTHERS: usize = 25;

/// A recorded challenge.
struct Trial {
    setting: Setting,
    sequence: Sequence,
    delay: f64,
    recording: Recording,
}

/// A row of the tables.
#[derive(Clone)]
struct Setting {
    name: String,
    conditions: Conditions,
    /// The screen's own light is on the face, in time.
    genuine: bool,
}

/// What came of the recordings of a row.
#[derive(Default)]
struct Tally {
    outcomes: [usize; 3],
    significance: Vec<f32>,
    scores: Vec<f32>,
}

impl Tally {
    fn add(&mut self, judged: &Judgement) {
        let at = match judged.outcome {
            Outcome::Found => 0,
            Outcome::Absent => 1,
            _ => 2,
        };
        self.outcomes[at] += 1;
        self.significance.push(judged.evidence.map_or(0.0, |evidence| evidence.significance));
        self.scores.push(judged.score.unwrap_or(0.0));
    }

    fn print(&self, name: &str) {
        let count = self.scores.len();
        let [found, absent, unclear] = self.outcomes.map(|n| 100.0 * n as f64 / count.max(1) as f64);
        let mut sorted = self.significance.clone();
        sorted.sort_by(f32::total_cmp);
        let at = |part: usize| sorted.get(part * count.saturating_sub(1) / 2).copied().unwrap_or_default();
        println!(
            "| {name} | {count} | {found:.1} % | {absent:.1} % | {unclear:.1} % | {:.1} | {:.1} | {:.1} |",
            at(0),
            at(1),
            at(2)
        );
    }
}

/// Prints the tables; writes the plot.
pub fn run(context: &mut Context) -> Result<(), AnyError> {
    let mut draw = drawing(1);
    let trials = record(context, &mut draw)?;
    let times = Sequence::times(Duration::ZERO);
    let head = |first: &str| {
        println!("\n| {first} | recordings | found | absent | unclear | least z | median z | most z |");
        println!("|---|---|---|---|---|---|---|---|");
    };

    head("what is recorded");
    // One for each brightness: they come first, and more lines could not be told apart.
    let mut curves: Vec<Curve> = Vec::new();
    let mut attacks = Vec::new();
    for rows in trials.chunk_by(|a, b| a.setting.name == b.setting.name) {
        let mut own = Tally::default();
        rows.iter().for_each(|trial| own.add(&trial.recording.observer.judge(&trial.sequence, &times, LEAST_CONTRAST)));
        own.print(&rows[0].setting.name);
        if rows[0].setting.genuine && curves.len() < AMBIENT.len() {
            curves.push(Curve { name: rows[0].setting.name.clone(), genuine: own.scores });
        } else if !rows[0].setting.genuine {
            attacks.extend(own.scores);
        }
    }

    head(&format!("recordings of other flows, each judged by {OTHERS} other sequences"));
    let mut all = Tally::default();
    let (mut similar, mut cost) = (Vec::new(), Duration::ZERO);
    for rows in trials.chunk_by(|a, b| a.setting.name == b.setting.name) {
        let mut others = Tally::default();
        for trial in rows {
            for _ in 0..OTHERS {
                let before = processor_time();
                let judged = trial.recording.observer.judge(&draw(), &times, LEAST_CONTRAST);
                cost += processor_time() - before;
                others.add(&judged);
                all.add(&judged);
                let strong = trial.setting.genuine && trial.setting.conditions.scene.ambient <= 200.0;
                similar.extend(judged.evidence.filter(|_| strong).map(|evidence| evidence.correlation));
            }
        }
        others.print(&rows[0].setting.name);
    }
    all.print("all");
    attacks.extend(&all.scores);

    similar.sort_by(f32::total_cmp);
    let part =
        |limit: f32| similar.iter().filter(|other| **other >= limit).count() as f64 / similar.len().max(1) as f64;
    println!("\nOther sequences and a clear recording (at most 200 lux), at the best delay: the correlation is");
    println!("{:.2} in the median,", similar.get(similar.len() / 2).copied().unwrap_or_default());
    println!(
        "0.5 or more for {:.1} %, 0.6 for {:.2} %, 0.7 for {:.2} %, 0.8 for {:.2} %.",
        100.0 * part(0.5),
        100.0 * part(0.6),
        100.0 * part(0.7),
        100.0 * part(0.8)
    );
    let frame = trials.iter().map(|trial| trial.recording.cost).sum::<Duration>() / trials.len().max(1) as u32;
    let once = cost / all.scores.len().max(1) as u32;
    println!("\nProcessor time: {frame:.1?} a frame, {once:.1?} for judging a challenge.");
    print_delays(&trials);
    print_least(&trials);
    if let Some(folder) = &context.plots {
        let title = "Colour challenge: found, and found by mistake";
        std::fs::write(folder.join("colour-roc.svg"), roc::svg(title, &curves, &attacks, 0.5)?)?;
    }
    Ok(())
}

/// All recordings, setting by setting.
fn record(context: &mut Context, draw: &mut impl FnMut() -> Sequence) -> Result<Vec<Trial>, AnyError> {
    let settings = settings();
    let mut trials = Vec::new();
    for (number, name) in CLIPS.into_iter().enumerate() {
        eprintln!("  {name}");
        let subject = Subject::of(&mut context.studio, name)?;
        for setting in &settings {
            let seed = trials.len() as u32 + 1;
            let delay =
                if setting.conditions.delay > 0.0 { setting.conditions.delay } else { 0.1 + 0.7 * random(seed)() };
            let sequence = draw();
            let recording = subject.record(&sequence, &Conditions { delay, seed, ..setting.conditions })?;
            let judged = recording.observer.judge(&sequence, &Sequence::times(Duration::ZERO), LEAST_CONTRAST);
            if std::env::var_os("EVALUATE_VERBOSE").is_some() {
                eprintln!("{number} {} after {delay:.2} s: {:?} {:.3?}", setting.name, judged.outcome, judged.evidence);
            }
            trials.push(Trial { setting: setting.clone(), sequence, delay, recording });
        }
    }
    let place = |trial: &Trial| settings.iter().position(|setting| setting.name == trial.setting.name);
    trials.sort_by_key(place);
    Ok(trials)
}

/// How well the delay is measured.
fn print_delays(trials: &[Trial]) {
    let times = Sequence::times(Duration::ZERO);
    let mut errors: Vec<f64> = Vec::new();
    for trial in trials.iter().filter(|trial| trial.setting.genuine) {
        let judged = trial.recording.observer.judge(&trial.sequence, &times, LEAST_CONTRAST);
        let found = judged.evidence.filter(|_| judged.outcome == Outcome::Found);
        errors.extend(found.map(|evidence| (evidence.delay.as_secs_f64() - trial.delay).abs()));
    }
    errors.sort_by(f64::total_cmp);
    if let (Some(middle), Some(most)) = (errors.get(errors.len() / 2), errors.last()) {
        println!(
            "Delays of 100 to 800 ms are found within {:.0} ms in the median, {:.0} ms at most.",
            1e3 * middle,
            1e3 * most
        );
    }
}

/// What the least contrast that is expected decides.
fn print_least(trials: &[Trial]) {
    let times = Sequence::times(Duration::ZERO);
    let levels = [0.0, 0.02, 0.04, 0.08];
    println!(
        "\n| taken for absent, if the least contrast is | {} |",
        levels.map(|level| level.to_string()).join(" | ")
    );
    println!("|---|---|---|---|---|");
    for rows in trials.chunk_by(|a, b| a.setting.name == b.setting.name) {
        let absent = levels.map(|level| {
            let judged = rows.iter().map(|trial| trial.recording.observer.judge(&trial.sequence, &times, level));
            let count = judged.filter(|judged| judged.outcome == Outcome::Absent).count();
            format!("{:.0} %", 100.0 * count as f64 / rows.len() as f64)
        });
        println!("| {} | {} |", rows[0].setting.name, absent.join(" | "));
    }
}

fn settings() -> Vec<Setting> {
    let plain = |scene| Conditions { scene, light: Light::Face, disturbance: Disturbance::None, delay: 0.0, seed: 0 };
    let genuine = |name: String, conditions| Setting { name, conditions, genuine: true };
    let attack = |name: &str, conditions| Setting { name: name.into(), conditions, genuine: false };
    let mut all: Vec<Setting> = AMBIENT
        .map(|ambient| genuine(format!("laptop, {ambient} lux"), plain(Scene::laptop(ambient))))
        .into_iter()
        .chain([200.0, 500.0].map(|ambient| genuine(format!("phone, {ambient} lux"), plain(Scene::phone(ambient)))))
        .collect();
    let room = plain(Scene::laptop(200.0));
    let bulb = Scene { ambient_colour: [1.5, 0.95, 0.45], depth: 0.5, ..Scene::laptop(200.0) };
    let (changing, television) = (Disturbance::Room, Disturbance::Television);
    all.push(genuine("laptop, 200 lux of bulbs, wall at 0.5 m".into(), plain(bulb)));
    all.push(genuine("laptop, 200 lux, changing".into(), Conditions { disturbance: changing, ..room }));
    all.push(genuine("laptop, 200 lux, television".into(), Conditions { disturbance: television, ..room }));
    let replay = Conditions { light: Light::None, ..room };
    all.push(attack("replay", replay));
    all.push(attack("replay, changing light", Conditions { disturbance: changing, ..replay }));
    all.push(attack("replay, television", Conditions { disturbance: television, ..replay }));
    for ambient in [50.0, 200.0] {
        let flat = Conditions { light: Light::Flat, ..plain(Scene::laptop(ambient)) };
        all.push(attack(&format!("flat, {ambient} lux"), flat));
    }
    all.push(attack("the right sequence, 2 s late", Conditions { delay: 2.0, ..room }));
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

//! Frame checks: how many frames of people pass each, what degraded frames score, mouths, glasses, AGS, and the costs.

mod matching;

use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use vision_core::face::Face;
use vision_core::liveness::frame_checks::{FrameChecks, Liveness, Models, Position, Thresholds};
use vision_core::liveness::quality::glasses::{Glasses, GlassesCues, GlassesVote};
use vision_core::liveness::quality::mouth::{Mouth, lip_contrast};
use vision_core::liveness::quality::{AlignedFace, Appearance, Measures, Quality};
use vision_core::picture::{Picture, RgbPicture};
use vision_core::plot::{self, Series, Threshold};
use vision_models::glasses::{GlassesDetector, LIMIT};
use vision_models::landmarker::Landmarker;

use super::damage::{self, Damage};
use super::footage::{CLIPS, Footage};
use super::{AnyError, Context};

/// Pictures with one face that fills enough of them.
const PICTURES: [&str; 8] = [
    "angelina1.jpeg",
    "angelina2.jpeg",
    "astronaut.png",
    "fr_biden.jpg",
    "fr_obama.jpg",
    "fr_obama2.jpg",
    "salma.jpeg",
    "sf_image_T1.jpg",
];
/// The clips in which somebody wears glasses.
const WITH_GLASSES: [&str; 3] = ["lp_d12.mp4", "lp_d13.mp4", "lp_d19.mp4"];
/// Every how many frames the slower tables look at one.
const STEP: usize = 15;

/// A clip with what is seen in it.
struct Seen {
    name: &'static str,
    footage: Footage,
    faces: Vec<Option<Face>>,
}

/// Prints every table.
pub fn run(context: &mut Context) -> Result<(), AnyError> {
    let fitted = see(context, false)?;
    let original = see(context, true)?;
    passing("fit into 640x480", &fitted)?;
    passing("of the original size", &original)?;
    drop(original);
    if let Some(folder) = &context.plots {
        draw(folder, &fitted)?;
    }
    degraded(context, &fitted)?;
    mouths(context, &fitted)?;
    glasses(context, &fitted)?;
    matching::table(context, &fitted)?;
    costs(&fitted)
}

fn see(context: &mut Context, original: bool) -> Result<Vec<Seen>, AnyError> {
    let mut seen = Vec::new();
    for name in CLIPS {
        let footage = if original { context.studio.original(name)? } else { context.studio.clip(name)? };
        let analyses = context.studio.analyse(&footage)?;
        let faces = analyses.into_iter().map(|analysis| analysis.face).collect();
        seen.push(Seen { name, footage, faces });
    }
    Ok(seen)
}

/// Every `step`th frame that shows a face.
fn frames(seen: &Seen, step: usize) -> impl Iterator<Item = (&dyn Picture, &Face)> {
    let pairs = seen.footage.frames.iter().zip(&seen.faces).step_by(step);
    pairs.filter_map(|(frame, face)| Some((&**frame as &dyn Picture, face.as_ref()?)))
}

/// Looks at everything, and never refuses.
struct NoModels;

impl Models for NoModels {
    fn glasses(&mut self, _face: &Face, aligned: &AlignedFace<'_>) -> Option<Glasses> {
        GlassesCues::of(aligned).glasses()
    }

    fn liveness(&mut self, _face: &Face, _aligned: &AlignedFace<'_>) -> Option<Liveness> {
        None
    }
}

fn share(count: usize, of: usize) -> String {
    format!("{:.0} %", 100.0 * count as f64 / of.max(1) as f64)
}

/// The scores of one clip over time.
fn draw(folder: &Path, clips: &[Seen]) -> Result<(), AnyError> {
    let limits = Thresholds::default();
    let names = [("blur", limits.blur), ("mouth closed and visible", limits.mouth), ("AGS", limits.ags)];
    for seen in clips.iter().filter(|seen| seen.name == "lp_d12.mp4") {
        let mut series = names.map(|(name, limit)| Series {
            name: name.to_owned(),
            points: vec![],
            thresholds: vec![Threshold { value: f64::from(limit), label: format!("at least {limit}") }],
            events: vec![],
        });
        for (index, (frame, face)) in seen.footage.frames.iter().zip(&seen.faces).enumerate() {
            let Some(face) = face else { continue };
            let view = frame.view();
            let Some(aligned) = AlignedFace::new(&view, face) else { continue };
            let Appearance { quality, mouth, ags, .. } = Appearance::of(&aligned, face);
            let ms = seen.footage.time(index).as_secs_f64() * 1e3;
            let scores = [quality.blur, mouth.closed_and_visible(), ags];
            series.iter_mut().zip(scores).for_each(|(series, score)| series.points.push((ms, f64::from(score))));
        }
        let title = format!("{}: scores of the frame checks", seen.name);
        std::fs::write(folder.join("frame-checks.svg"), plot::svg(&title, &series))?;
    }
    Ok(())
}

/// How many frames pass each check by itself, at the default thresholds.
fn passing(what: &str, clips: &[Seen]) -> Result<(), AnyError> {
    println!("### Frames of people that pass each check, {what}\n");
    println!(
        "| clip | frontal frames | blur | light | darkness | illumination | specularity | width, height | margin | mouth | glasses | AGS | all but size |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let (mut totals, mut all) = ([0; 11], 0);
    for seen in clips {
        let (mut counts, mut frontal) = ([0; 11], 0);
        for (picture, face) in frames(seen, 1) {
            let Some(passes) = passes(picture, face) else { continue };
            frontal += 1;
            passes.iter().zip(&mut counts).for_each(|(pass, count)| *count += usize::from(*pass));
        }
        row(seen.name, frontal, &counts);
        counts.iter().zip(&mut totals).for_each(|(count, total)| *total += count);
        all += frontal;
    }
    row("**all**", all, &totals);
    println!();
    Ok(())
}

fn row(name: &str, frontal: usize, counts: &[usize; 11]) {
    let cells: Vec<String> = counts.iter().map(|count| share(*count, frontal)).collect();
    println!("| {name} | {frontal} | {} |", cells.join(" | "));
}

/// Which checks a frontal frame passes; `None` for others.
fn passes(picture: &dyn Picture, face: &Face) -> Option<[bool; 11]> {
    let limits = Thresholds::default();
    let angles = face.angles();
    let within = |radians: f32, limit: f32| radians.to_degrees().abs() <= limit;
    if !(within(angles.yaw, 20.0) && within(angles.pitch, 20.0) && within(angles.roll, 20.0)) {
        return None;
    }
    let view = picture.view();
    let aligned = AlignedFace::new(&view, face)?;
    let Appearance { quality, mouth, cues, ags } = Appearance::of(&aligned, face);
    let glasses = cues.glasses();
    let Position { face_rect, margins, .. } = Position::of(face, view.width(), view.height());
    let small = Thresholds { face_width: 0.0, face_height: 0.0, ..limits.clone() };
    let status = FrameChecks::new(small).evaluate(&view, std::slice::from_ref(face), &mut NoModels);
    Some([
        quality.blur >= limits.blur,
        quality.light >= limits.light,
        quality.darkness >= limits.dark,
        quality.illumination <= limits.illumination,
        quality.specularity <= limits.specularity,
        face_rect.width >= limits.face_width && face_rect.height >= limits.face_height,
        margins.iter().all(|margin| *margin >= limits.frame_margin),
        mouth.closed_and_visible() >= limits.mouth,
        glasses.is_none_or(|glasses| limits.glasses.contains(&glasses)),
        ags >= limits.ags,
        status.is_ok,
    ])
}

/// A face in a damaged frame, as the networks find it there.
fn find(landmarker: &mut Landmarker, picture: &RgbPicture) -> Result<Option<Face>, AnyError> {
    Ok(landmarker.picture(&picture.view(), 1)?.into_iter().next())
}

/// Median scores of degraded frames of all clips.
fn degraded(context: &mut Context, clips: &[Seen]) -> Result<(), AnyError> {
    println!("### Scores of degraded frames (median; the share that passes at the default threshold)\n");
    println!("| damage | blur | light | darkness | illumination | specularity | no face found |");
    println!("|---|---|---|---|---|---|---|");
    let limits = Thresholds::default();
    for damage in damage::QUALITY {
        let (mut found, mut lost) = (Vec::<Quality>::new(), 0);
        for seen in clips {
            for (picture, face) in frames(seen, 4 * STEP) {
                let Some(picture) = damage.apply(&picture.view().to_rgb(), face) else { continue };
                match find(&mut context.studio.landmarker, &picture)? {
                    Some(face) => {
                        found.extend(AlignedFace::new(&picture.view(), &face).map(|a| Measures::of(&a).quality()));
                    }
                    None => lost += 1,
                }
            }
        }
        let cell = |score: &dyn Fn(&Quality) -> f32, pass: &dyn Fn(f32) -> bool| {
            let mut scores: Vec<f32> = found.iter().map(score).collect();
            let passing = scores.iter().filter(|score| pass(**score)).count();
            format!("{:.2} ({})", median(&mut scores), share(passing, found.len()))
        };
        println!(
            "| {damage} | {} | {} | {} | {} | {} | {lost} of {} |",
            cell(&|q| q.blur, &|s| s >= limits.blur),
            cell(&|q| q.light, &|s| s >= limits.light),
            cell(&|q| q.darkness, &|s| s >= limits.dark),
            cell(&|q| q.illumination, &|s| s <= limits.illumination),
            cell(&|q| q.specularity, &|s| s <= limits.specularity),
            found.len() + lost,
        );
    }
    println!();
    Ok(())
}

fn median(values: &mut [f32]) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f32::NAN)
}

/// Whether hidden mouths are noticed.
fn mouths(context: &mut Context, clips: &[Seen]) -> Result<(), AnyError> {
    println!("### Mouths: frames in which `occluded` is above 0.5, and that fail the check\n");
    println!("| mouth | frames | lip contrast, 5 % to 95 % | occluded | check fails | no face found |");
    println!("|---|---|---|---|---|---|");
    let limit = Thresholds::default().mouth;
    let kinds = [None].into_iter().chain(damage::MOUTHS.iter().map(Some));
    for kind in kinds {
        let (mut contrasts, mut hidden, mut failing, mut lost) = (Vec::new(), 0, 0, 0);
        for seen in clips {
            for (picture, face) in frames(seen, 2 * STEP) {
                let rgb = picture.view().to_rgb();
                let (picture, face) = match kind {
                    None => (rgb, Some(face.clone())),
                    Some(damage) => {
                        let Some(picture) = damage.apply(&rgb, face) else { continue };
                        let face = find(&mut context.studio.landmarker, &picture)?;
                        (picture, face)
                    }
                };
                let view = picture.view();
                let Some((aligned, face)) = face.as_ref().and_then(|f| Some((AlignedFace::new(&view, f)?, f))) else {
                    lost += 1;
                    continue;
                };
                let mouth = Mouth::of(&aligned, face);
                contrasts.push(lip_contrast(&aligned));
                hidden += usize::from(mouth.occluded > 0.5);
                failing += usize::from(mouth.closed_and_visible() < limit);
            }
        }
        let frames = contrasts.len();
        contrasts.sort_unstable_by(f32::total_cmp);
        let at = |part: f32| contrasts.get((part * frames as f32) as usize).copied().unwrap_or(f32::NAN);
        let name = kind.map_or_else(|| "as it is".to_owned(), Damage::to_string);
        println!(
            "| {name} | {frames} | {:.2} to {:.2} | {} | {} | {lost} |",
            at(0.05),
            at(0.95),
            share(hidden, frames),
            share(failing, frames)
        );
    }
    println!();
    Ok(())
}

/// Glasses, by the picture alone and by the network.
fn glasses(context: &mut Context, clips: &[Seen]) -> Result<(), AnyError> {
    let studio = &mut context.studio;
    let mut network = match GlassesDetector::load(&studio.runtime, &studio.models) {
        Ok(network) => Some(network),
        Err(reason) => {
            println!("The network is left out: {reason}\n");
            None
        }
    };
    println!(
        "### Glasses: right answers and wrong ones; the rest cannot be told. Vote: the majority of 9 frames. Limit of the logit: {LIMIT}\n"
    );
    println!("| | wears | without a network | vote | network | its vote | logit, 5 % to 95 % |");
    println!("|---|---|---|---|---|---|---|");
    let sunglasses = damage::SUNGLASSES;
    for wanted in [false, true] {
        for seen in clips {
            let truth = match (wanted, WITH_GLASSES.contains(&seen.name)) {
                (true, _) => Glasses::SunGlasses,
                (_, true) => Glasses::EyeGlasses,
                _ => Glasses::NoGlasses,
            };
            let mut tally = Tally::new(truth);
            for (picture, face) in frames(seen, if wanted { 8 } else { 5 }) {
                let rgb = picture.view().to_rgb();
                let Some(rgb) = (if wanted { sunglasses.apply(&rgb, face) } else { Some(rgb) }) else { continue };
                tally.look(&rgb, face, network.as_mut())?;
            }
            tally.print(if wanted { "sunglasses drawn onto " } else { "" }, seen.name);
        }
    }
    let mut tally = Tally::new(Glasses::NoGlasses);
    for name in PICTURES {
        let picture = studio.original(name)?.frames[0].view().to_rgb();
        if let Some(face) = find(&mut studio.landmarker, &picture)? {
            tally.look(&picture, &face, network.as_mut())?;
        }
    }
    tally.print("", "8 pictures of 6 people");
    println!();
    Ok(())
}

/// Right answers about one clip.
struct Tally {
    truth: Glasses,
    votes: [GlassesVote; 2],
    frames: usize,
    voted: [usize; 2],
    right: [usize; 2],
    wrong: [usize; 2],
    right_votes: [usize; 2],
    wrong_votes: [usize; 2],
    logits: Vec<f32>,
}

impl Tally {
    fn new(truth: Glasses) -> Self {
        let votes = [GlassesVote::new(9), GlassesVote::new(9)];
        let [voted, right, wrong, right_votes, wrong_votes] = [[0; 2]; 5];
        Self { truth, votes, frames: 0, voted, right, wrong, right_votes, wrong_votes, logits: vec![] }
    }

    fn look(
        &mut self,
        picture: &RgbPicture,
        face: &Face,
        network: Option<&mut GlassesDetector>,
    ) -> Result<(), AnyError> {
        let view = picture.view();
        let Some(aligned) = AlignedFace::new(&view, face) else { return Ok(()) };
        let cues = GlassesCues::of(&aligned);
        let mut answers = [cues.glasses(), None];
        if let Some(network) = network {
            self.logits.push(network.score(&view, face)?);
            answers[1] = Some(network.glasses(&view, face, &cues)?);
        }
        self.frames += 1;
        for (index, answer) in answers.into_iter().enumerate() {
            self.right[index] += usize::from(answer == Some(self.truth));
            self.wrong[index] += usize::from(answer.is_some_and(|answer| answer != self.truth));
            self.votes[index].add(answer);
            if self.frames >= 9 {
                self.voted[index] += 1;
                let vote = self.votes[index].result();
                self.right_votes[index] += usize::from(vote == Some(self.truth));
                self.wrong_votes[index] += usize::from(vote.is_some_and(|vote| vote != self.truth));
            }
        }
        Ok(())
    }

    fn print(mut self, what: &str, name: &str) {
        self.logits.sort_unstable_by(f32::total_cmp);
        let at = |part: f32| self.logits.get((part * self.logits.len() as f32) as usize).copied().unwrap_or(f32::NAN);
        let answers = |index: usize| match index {
            1 if self.logits.is_empty() => "-".to_owned(),
            _ => format!("{}, {}", share(self.right[index], self.frames), share(self.wrong[index], self.frames)),
        };
        let votes = |index: usize| match self.voted[index] {
            _ if index == 1 && self.logits.is_empty() => "-".to_owned(),
            0 => "-".to_owned(),
            voted => format!("{}, {}", share(self.right_votes[index], voted), share(self.wrong_votes[index], voted)),
        };
        println!(
            "| {what}{name} | {:?} | {} | {} | {} | {} | {:.1} to {:.1} |",
            self.truth,
            answers(0),
            votes(0),
            answers(1),
            votes(1),
            at(0.05),
            at(0.95)
        );
    }
}

/// Processor time of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Milliseconds of processor time per frame.
fn costs(clips: &[Seen]) -> Result<(), AnyError> {
    println!("### Cost per frame, processor time\n\n| step | ms |\n|---|---|");
    let seen: Vec<_> = clips.iter().flat_map(|seen| frames(seen, STEP)).collect();
    let print = |what: &str, took: Duration| {
        println!("| {what} | {:.2} |", took.as_secs_f64() * 1e3 / seen.len() as f64);
    };
    let mut kept = 0.0_f32;
    let mut time = |work: &mut dyn FnMut(&AlignedFace<'_>, &Face) -> f32| -> Duration {
        let mut total = Duration::ZERO;
        for (picture, face) in &seen {
            let view = picture.view();
            let Some(aligned) = AlignedFace::new(&view, face) else { continue };
            let started = processor_time();
            kept += work(&aligned, face);
            total += processor_time() - started;
        }
        total
    };
    let measures = time(&mut |aligned, _| Measures::of(aligned).detail);
    let mouth = time(&mut |aligned, face| Mouth::of(aligned, face).opened);
    let glasses = time(&mut |aligned, _| GlassesCues::of(aligned).bridge);
    let started = processor_time();
    for (picture, face) in &seen {
        kept += AlignedFace::new(&picture.view(), face).map_or(0.0, |aligned| aligned.eye_distance());
    }
    print("the face cut out", processor_time() - started);
    print("quality", measures);
    print("mouth", mouth);
    print("glasses, without a network", glasses);
    let checks = FrameChecks::new(Thresholds { face_width: 0.0, face_height: 0.0, ..Thresholds::default() });
    let started = processor_time();
    for (picture, face) in &seen {
        kept += f32::from(checks.evaluate(&picture.view(), std::slice::from_ref(face), &mut NoModels).is_ok);
    }
    print("all frame checks, networks not counted", processor_time() - started);
    // What was computed is used, so that it is not left out.
    if kept.is_nan() {
        return Err("a score is not a number".into());
    }
    println!();
    Ok(())
}

//! The threshold of every embedding that is present, measured over all people of the shared test data.
//!
//!     cargo run --release -p vision-models --example calibrate
//!
//! People are the pictures of `assets/` and fifteen frames spread over each of its clips. Every pair of two different
//! people is an impostor pair, every pair of two pictures of one person a genuine one. Printed is the largest threshold
//! at which at most one impostor pair in a thousand is accepted, and the share of genuine pairs that it rejects.

#![allow(clippy::unwrap_used, reason = "a tool that stops at the first thing that is wrong")]

#[allow(dead_code, reason = "shared with the tests")]
#[path = "../tests/integration/support.rs"]
mod support;

use std::io::Write;
use std::path::Path;

use support::{Clip, landmarker, models, picture, runtime, shared};
use vision_core::face::Face;
use vision_core::picture::{Picture, RgbPicture};
use vision_models::embedding::{Embedder, Embedding};

/// Files in which one person is seen, one line per person.
const PEOPLE: [&[&str]; 14] = [
    &["angelina1.jpeg", "angelina2.jpeg"],
    &["astronaut.png"],
    &["fr_biden.jpg"],
    &["fr_obama.jpg", "fr_obama2.jpg"],
    &["salma.jpeg"],
    &["sf_image_T1.jpg"],
    &["lp_d0.mp4"],
    &["lp_d10.mp4"],
    &["lp_d12.mp4"],
    &["lp_d13.mp4"],
    &["lp_d18.mp4"],
    &["lp_d19.mp4"],
    &["lp_d3.mp4"],
    &["lp_s20.mp4"],
];
const FRAMES_PER_CLIP: usize = 15;
const FALSE_MATCH_RATE: f64 = 0.001;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(shared) = shared("calibrate") else { return Ok(()) };
    let assets = shared.join("assets");
    let models = models();
    let runtime = runtime(&models);
    let mut landmarker = landmarker();

    let mut people: Vec<Vec<(RgbPicture, Face)>> = Vec::new();
    for (index, files) in PEOPLE.iter().enumerate() {
        progress(&format!("faces: person {} of {}", index + 1, PEOPLE.len()));
        let mut faces = Vec::new();
        for picture in files.iter().flat_map(|file| pictures(&assets.join(file))) {
            if let Some(face) = landmarker.picture(&picture.view(), 1)?.pop() {
                faces.push((picture, face));
            }
        }
        people.push(faces);
    }

    let pictures: usize = people.iter().map(Vec::len).sum();
    let mut rows = Vec::new();
    for resolved in models.embeddings() {
        let mut embedder = Embedder::load(&runtime, &resolved)?;
        let mut embeddings: Vec<Vec<Embedding>> = Vec::new();
        for (index, faces) in people.iter().enumerate() {
            progress(&format!("{}: person {} of {}", embedder.model(), index + 1, people.len()));
            let person = faces.iter().map(|(picture, face)| embedder.embed(&picture.view(), face));
            embeddings.push(person.collect::<Result<_, _>>()?);
        }
        let (genuine, impostor) = distances(&embeddings)?;
        rows.push((embedder.model(), embedder.threshold(), genuine, impostor));
    }
    progress("");

    println!("{} people, {pictures} pictures; at a false-match rate of at most {FALSE_MATCH_RATE}:\n", people.len());
    println!(
        "{:<16} {:>9} {:>14} {:>9} {:>9} {:>9} {:>9} | manifest: {:>9} {:>11} {:>14}",
        "embedding",
        "threshold",
        "non-match rate",
        "genuine",
        "farthest",
        "impostor",
        "nearest",
        "threshold",
        "match rate",
        "non-match rate"
    );
    for (model, chosen, genuine, impostor) in rows {
        // Accepted is what lies below the threshold: with the k-th smallest as threshold, k are.
        let threshold = impostor[(FALSE_MATCH_RATE * impostor.len() as f64) as usize];
        let below = |distances: &[f32], threshold: f32| {
            distances.iter().filter(|d| **d < threshold).count() as f64 / distances.len() as f64
        };
        println!(
            "{model:<16} {threshold:>9.3} {:>14.4} {:>9} {:>9.3} {:>9} {:>9.3} |           {chosen:>9.3} {:>11.5} {:>14.4}",
            1.0 - below(&genuine, threshold),
            genuine.len(),
            genuine.last().copied().unwrap_or_default(),
            impostor.len(),
            impostor[0],
            below(&impostor, chosen),
            1.0 - below(&genuine, chosen),
        );
    }
    Ok(())
}

/// Sorted distances of all pairs of one person, and of two.
fn distances(people: &[Vec<Embedding>]) -> Result<(Vec<f32>, Vec<f32>), Box<dyn std::error::Error>> {
    let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
    for (i, person) in people.iter().enumerate() {
        for (j, a) in person.iter().enumerate() {
            for b in &person[j + 1..] {
                genuine.push(a.distance(b)?);
            }
            for b in people[i + 1..].iter().flatten() {
                impostor.push(a.distance(b)?);
            }
        }
    }
    genuine.sort_by(f32::total_cmp);
    impostor.sort_by(f32::total_cmp);
    Ok((genuine, impostor))
}

/// A picture file, or frames spread over a clip.
fn pictures(path: &Path) -> Vec<RgbPicture> {
    if path.extension().is_none_or(|ending| ending != "mp4") {
        return vec![picture(path)];
    }
    let clip = Clip::open(path);
    let wanted: Vec<usize> = (0..FRAMES_PER_CLIP).map(|i| (2 * i + 1) * clip.frames / (2 * FRAMES_PER_CLIP)).collect();
    clip.enumerate().filter(|(index, _)| wanted.contains(index)).map(|(_, frame)| frame).collect()
}

/// One line on standard error that replaces itself.
fn progress(text: &str) {
    eprint!("\r{text:<60}");
    std::io::stderr().flush().ok();
}

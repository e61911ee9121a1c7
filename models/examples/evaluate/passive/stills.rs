//! The few real pictures: one print in front of a camera, one person in front of the same, portraits.

use vision_core::liveness::passive::{CUES, Passive};
use vision_core::picture::{Picture as _, RgbPicture};
use vision_models::antispoof::Antispoof;

use crate::AnyError;
use crate::footage::Studio;

/// File, and what it is.
const PICTURES: [(&str, &str); 8] = [
    ("sf_image_F1.jpg", "print"),
    ("sf_image_T1.jpg", "real"),
    ("astronaut.png", "real"),
    ("fr_biden.jpg", "real"),
    ("fr_obama.jpg", "real"),
    ("fr_obama2.jpg", "real"),
    ("angelina1.jpeg", "real, small"),
    ("salma.jpeg", "real, small"),
];

/// Prints what the cues see in each, as a flow of one frame.
pub fn table(studio: &mut Studio) -> Result<(), AnyError> {
    let mut network = Antispoof::load(&studio.runtime, &studio.models)?;
    println!(
        "\nReal pictures, one frame each, curves in use (no spectrum, borders and motion: those need more frames):\n"
    );
    println!("| picture | what | texture | colour | network | score |\n|---|---|---|---|---|---|");
    for (file, what) in PICTURES {
        let rgb = image::open(studio.shared.join("assets").join(file))?.to_rgb8();
        let (width, height) = (rgb.width() as usize, rgb.height() as usize);
        let picture = RgbPicture { data: rgb.into_raw(), width, height };
        let faces = studio.landmarker.picture(&picture.view(), 1)?;
        let Some(face) = faces.first() else {
            println!("| {file} | {what} | no face | | | |");
            continue;
        };
        let mut passive = Passive::new();
        passive.observe(&picture.view(), face, Some(network.score(&picture.view(), face)?));
        let [_, texture, colour, _, _, logit] =
            CUES.map(|cue| passive.value(cue).map_or("-".into(), |v| format!("{v:.2}")));
        let score = passive.report().finding.score.unwrap_or(0.5);
        println!("| {file} | {what} | {texture} | {colour} | {logit} | {score:.2} |");
    }
    Ok(())
}

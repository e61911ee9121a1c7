//! Embeddings tell one person from others, each network that is present; the anti-spoof network tells skin from print.

use vision_core::picture::{Picture, RgbPicture};
use vision_models::antispoof::Antispoof;
use vision_models::embedding::{Embedder, Embedding};
use vision_models::landmarker::Landmarker;

use crate::support::{Clip, landmarker, models, picture, runtime, shared, skipped};

fn embed(landmarker: &mut Landmarker, embedder: &mut Embedder, picture: &RgbPicture) -> Embedding {
    let faces = landmarker.picture(&picture.view(), 1).unwrap();
    embedder.embed(&picture.view(), &faces[0]).unwrap()
}

#[test]
fn one_person_is_near_and_different_people_are_far() {
    let Some(shared) = shared("one_person_is_near_and_different_people_are_far") else { return };
    let assets = shared.join("assets");
    let models = models();
    let runtime = runtime(&models);
    let mut landmarker = landmarker();
    let load = |names: &[&str]| names.iter().map(|name| picture(&assets.join(name))).collect::<Vec<_>>();
    let frames = |name: &str, which: [usize; 3]| {
        let frames: Vec<_> = Clip::open(&assets.join(name)).collect();
        which.map(|index| frames[index].clone()).to_vec()
    };
    let people = [
        load(&["angelina1.jpeg", "angelina2.jpeg"]),
        load(&["fr_obama.jpg", "fr_obama2.jpg"]),
        load(&["fr_biden.jpg"]),
        load(&["salma.jpeg"]),
        load(&["astronaut.png"]),
        frames("lp_d12.mp4", [0, 60, 160]),
        frames("lp_d18.mp4", [0, 90, 200]),
        frames("lp_d10.mp4", [0, 100, 300]),
    ];
    let present = models.embeddings();
    assert!(!present.is_empty(), "at least the default embedding is there");
    for resolved in &present {
        let mut embedder = Embedder::load(&runtime, resolved).unwrap();
        let threshold = embedder.threshold();
        let people: Vec<Vec<Embedding>> = people
            .iter()
            .map(|pictures| pictures.iter().map(|p| embed(&mut landmarker, &mut embedder, p)).collect())
            .collect();
        let (mut farthest_same, mut nearest_other) = (0.0_f32, f32::MAX);
        for (i, person) in people.iter().enumerate() {
            for (j, a) in person.iter().enumerate() {
                assert!(a.distance(a).unwrap().abs() < 1e-5);
                for b in &person[j + 1..] {
                    farthest_same = farthest_same.max(a.distance(b).unwrap());
                }
                for b in people[i + 1..].iter().flatten() {
                    nearest_other = nearest_other.min(a.distance(b).unwrap());
                }
            }
        }
        let id = embedder.model();
        eprintln!("{id}: same person up to {farthest_same:.3}, others from {nearest_other:.3}, threshold {threshold}");
        assert!(farthest_same < threshold && threshold < nearest_other, "{id}");
    }
}

#[test]
fn skin_and_print_have_different_scores() {
    let Some(shared) = shared("skin_and_print_have_different_scores") else { return };
    let models = models();
    let mut antispoof = match Antispoof::load(&runtime(&models), &models) {
        Ok(antispoof) => antispoof,
        Err(reason) => return skipped("skin_and_print_have_different_scores", &reason.to_string()),
    };
    let mut landmarker = landmarker();
    let mut score = |name: &str| {
        let picture = picture(&shared.join("assets").join(name));
        let face = landmarker.picture(&picture.view(), 1).unwrap().remove(0);
        antispoof.score(&picture.view(), &face).unwrap()
    };
    let (real, print) = (score("sf_image_T1.jpg"), score("sf_image_F1.jpg"));
    eprintln!("anti-spoof: real {real:.2}, print {print:.2}");
    assert!(real > 4.0, "real: {real}");
    assert!(print < -3.0, "print: {print}");
}

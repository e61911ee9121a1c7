//! Continuity and interactions on real clips: the same person stays, another one is noticed; cameras' video passes, what
//! is made of it does not; turns are to the subject's own sides.

use std::time::Duration;

use vision_core::face::Face;
use vision_core::liveness::Verdict;
use vision_core::liveness::continuity::identity::{Embedding, Identity, Seen};
use vision_core::liveness::continuity::stream::signature::Signature;
use vision_core::liveness::continuity::stream::{Stream, StreamLimits};
use vision_core::liveness::interactions::{Interaction, Interactions, Settings};
use vision_core::picture::Picture as _;
use vision_models::embedding::Embedder;
use vision_models::landmarker::{Tracker, TrackerOptions};

use crate::support::{Clip, landmarker, models, runtime, shared};

#[test]
fn another_person_is_noticed_and_the_same_one_is_not() {
    let Some(shared) = shared("another_person_is_noticed_and_the_same_one_is_not") else { return };
    let (models, mut landmarker) = (models(), landmarker());
    let runtime = runtime(&models);
    // Every half second, eyes closed and mouth open included.
    let mut people = ["lp_d12.mp4", "lp_d18.mp4"].map(|name| {
        let frames = Clip::open(&shared.join("assets").join(name)).step_by(14);
        let faces = frames.filter_map(|frame| Some((landmarker.picture(&frame.view(), 1).unwrap().pop()?, frame)));
        faces.collect::<Vec<_>>()
    });
    for resolved in &models.embeddings() {
        let mut embedder = Embedder::load(&runtime, resolved).unwrap();
        let metric = resolved.model.embedding.as_ref().unwrap().metric;
        for _ in 0..2 {
            let mut identity = Identity::new(move |a, b| metric.distance(a, b), embedder.threshold());
            let mut see = |(face, frame): &(Face, _)| {
                let frame: &vision_core::picture::RgbPicture = frame;
                let values = embedder.embed(&frame.view(), face).unwrap().values().to_vec();
                identity.see(Embedding::new(values).unwrap())
            };
            assert!(people[0].iter().all(|taken| see(taken) != Seen::Changed));
            let noticed = people[1].iter().position(|taken| see(taken) == Seen::Changed);
            assert!(noticed.is_some_and(|after| after <= 2), "{}: {noticed:?}", embedder.model());
            assert_eq!(identity.finding().verdict, Verdict::Failed);
            people.reverse();
        }
    }
}

#[test]
fn a_camera_passes_and_a_loop_and_a_still_do_not() {
    let Some(shared) = shared("a_camera_passes_and_a_loop_and_a_still_do_not") else { return };
    let clip: Vec<_> =
        Clip::open(&shared.join("assets/lp_d18.mp4")).map(|frame| Signature::of(&frame.view()).unwrap()).collect();
    let watch = |frames: &mut dyn Iterator<Item = &Signature>| {
        let mut stream = Stream::new(StreamLimits::default());
        for (index, frame) in frames.enumerate() {
            stream.see(frame, None, Duration::from_secs(1) * index as u32 / 30);
        }
        (stream.frozen().verdict, stream.cuts_and_loops().verdict, stream.measures())
    };
    let (frozen, again, measures) = watch(&mut clip.iter());
    assert_eq!((frozen, again), (Verdict::Passed, Verdict::Passed), "{measures:?}");
    let piece = &clip[12..90];
    let (frozen, again, measures) = watch(&mut piece.iter().chain(piece).chain(piece));
    assert_eq!((frozen, again), (Verdict::Passed, Verdict::Failed), "{measures:?}");
    let (frozen, _, measures) = watch(&mut clip[..60].iter().chain(std::iter::repeat_n(&clip[60], 75)));
    assert_eq!(frozen, Verdict::Failed, "{measures:?}");
}

#[test]
fn interactions_are_to_the_subjects_own_sides() {
    let Some(shared) = shared("interactions_are_to_the_subjects_own_sides") else { return };
    let (mut landmarker, mut tracker) = (landmarker(), Tracker::new(TrackerOptions { face_count_interval: None }));
    // A man who turns his head to both sides by 16 degrees, and blinks.
    let clip = Clip::open(&shared.join("assets/lp_d12.mp4"));
    let wanted = [Interaction::YawLeft, Interaction::YawRight, Interaction::Blink];
    let mut machines = wanted.map(|interaction| {
        let settings = Settings {
            interactions: vec![interaction],
            interactions_count: 1,
            yaw_start_deg: 5.0,
            yaw_threshold_deg: 11.0,
            ..Settings::default()
        };
        let Ok(drawn) = Interactions::draw(settings, |_| Ok::<(), std::convert::Infallible>(()));
        drawn.unwrap()
    });
    let mut completed = Vec::new();
    for (index, frame) in clip.enumerate() {
        let now = Duration::from_millis(40) * index as u32;
        let Some(face) = landmarker.frame(&mut tracker, &frame.view(), now).unwrap().face else { continue };
        for machine in &mut machines {
            if let Some(interaction) = machine.update(&face).completed {
                // The nose against the edges of the cheeks: 0 at the picture's left one, which is the subject's right.
                let x = |index: usize| face.landmarks[index][0];
                let nose = (x(1) - x(234)) / (x(454) - x(234));
                match interaction {
                    Interaction::YawLeft => assert!(nose > 0.55, "{nose}"),
                    Interaction::YawRight => assert!(nose < 0.45, "{nose}"),
                    _ => {}
                }
                completed.push(interaction);
            }
        }
    }
    assert!(wanted.iter().all(|interaction| completed.contains(interaction)), "{completed:?}");
}

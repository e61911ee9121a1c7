//! The demonstration's subject, seen by the networks: each gesture that is acted out completes and no other does; the
//! person stays who they are.

use std::path::Path;
use std::time::{Duration, Instant};

use vision_core::face::Face;
use vision_core::gestures::{GestureLibrary, GestureWatch, Signals};
use vision_core::picture::{I420Mut, I420View, Picture, PictureView, RgbPicture};
use vision_core::portrait::{Expression, Performance, Portrait, alive};
use vision_models::embedding::Embedder;
use vision_models::landmarker::{Landmarker, Tracker, TrackerOptions};

use crate::support::{landmarker, models, picture, runtime};

const WIDTH: usize = Portrait::SIZE[0];
const HEIGHT: usize = Portrait::SIZE[1];

/// The gestures that are told apart here. Those of the eyes, whose signals move with lids and head, complete beside a
/// blink or a nod with people, too; `updown` and `downup` are parts of each other.
const WATCHED: [&str; 6] = ["blink", "smile", "openCloseMouth", "turnLeft", "turnRight", "nod"];

fn astronaut() -> RgbPicture {
    picture(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/astronaut.png")))
}

fn portrait(picture: &RgbPicture, landmarker: &mut Landmarker) -> Portrait {
    let PictureView::Rgb(view) = picture.view() else { unreachable!("an RgbPicture lends RGB") };
    Portrait::new(view, &landmarker.picture(&picture.view(), 1).unwrap()[0]).unwrap()
}

struct Frame {
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl Frame {
    fn new() -> Self {
        let chroma = vec![0; WIDTH * HEIGHT / 4];
        Self { y: vec![0; WIDTH * HEIGHT], u: chroma.clone(), v: chroma }
    }

    fn draw(&mut self, portrait: &mut Portrait, expression: &Expression) {
        let Self { y, u, v } = self;
        let (y_stride, uv_stride, width, height) = (WIDTH, WIDTH / 2, WIDTH, HEIGHT);
        portrait.render(expression, &mut I420Mut { y, u, v, y_stride, uv_stride, width, height }).unwrap();
    }

    fn mirror(&mut self) {
        self.y.chunks_mut(WIDTH).for_each(<[u8]>::reverse);
        [&mut self.u, &mut self.v].into_iter().flat_map(|p| p.chunks_mut(WIDTH / 2)).for_each(<[u8]>::reverse);
    }

    fn view(&self) -> PictureView<'_> {
        let (y_stride, uv_stride, width, height) = (WIDTH, WIDTH / 2, WIDTH, HEIGHT);
        PictureView::I420(I420View { y: &self.y, u: &self.u, v: &self.v, y_stride, uv_stride, width, height })
    }
}

/// Plays `ids` one after another and calls `seen` with the gesture that is being acted out, the frame's face, and the
/// gestures that complete on it.
fn play(fps: u32, mirror: bool, ids: &[&str], mut seen: impl FnMut(&str, &Frame, &Face, Vec<String>)) {
    let mut landmarker = landmarker();
    let mut portrait = portrait(&astronaut(), &mut landmarker);
    let library = GestureLibrary::load(&[]).unwrap();
    let watched: Vec<_> =
        library.iter().filter(|g| WATCHED.contains(&&*g.id) || ids.contains(&&*g.id)).cloned().collect();
    let start = Instant::now();
    let mut watch = GestureWatch::new(watched, start);
    let mut tracker = Tracker::new(TrackerOptions { face_count_interval: None });
    let mut frame = Frame::new();
    let mut now = Duration::ZERO;
    for id in ids {
        let performance = Performance::gesture(id).unwrap();
        let began = now;
        while now - began < performance.duration() {
            frame.draw(&mut portrait, &alive(performance.at(now - began), now));
            if mirror {
                frame.mirror();
            }
            let face = landmarker.frame(&mut tracker, &frame.view(), now).unwrap().face.expect("a face on every frame");
            // As the networks see the frame: in a mirrored one, left is right.
            let completed = watch.update(&Signals::of(&face, false), start + now);
            seen(id, &frame, &face, completed.into_iter().map(|g| g.id.clone()).collect());
            now += Duration::from_secs(1) / fps;
        }
    }
}

#[test]
fn what_is_acted_out_completes_and_nothing_else() {
    for (fps, mirror) in [(30, false), (15, false), (15, true)] {
        let mut completed: Vec<(String, Vec<String>)> = WATCHED.map(|id| (id.to_owned(), Vec::new())).to_vec();
        play(fps, mirror, &WATCHED, |id, _, _, ids| {
            completed.iter_mut().find(|(acted, _)| acted == id).unwrap().1.extend(ids);
        });
        for (acted, completed) in completed {
            let expected = match acted.as_str() {
                "turnLeft" if mirror => "turnRight",
                "turnRight" if mirror => "turnLeft",
                other => other,
            };
            assert_eq!(completed, [expected], "{acted} at {fps} frames/s, mirrored: {mirror}");
        }
    }
}

#[test]
fn looking_up_and_down_completes() {
    for id in ["updown", "downup"] {
        let mut completed = Vec::new();
        play(15, false, &[id], |_, _, _, ids| completed.extend(ids));
        assert!(completed.iter().any(|c| c == id), "{id}: {completed:?}");
        assert!(!completed.iter().any(|c| ["blink", "smile", "openCloseMouth"].contains(&&**c)), "{id}: {completed:?}");
    }
}

#[test]
fn at_rest_the_smile_is_gone() {
    let mut landmarker = landmarker();
    let mut portrait = portrait(&astronaut(), &mut landmarker);
    let mut frame = Frame::new();
    let mut score = |expression: Expression, name: &str| {
        frame.draw(&mut portrait, &expression);
        let face = landmarker.picture(&frame.view(), 1).unwrap().remove(0);
        let index = vision_core::face::BLENDSHAPE_NAMES.iter().position(|n| *n == name).unwrap();
        face.blendshapes[index]
    };
    for name in ["mouthSmileLeft", "mouthSmileRight"] {
        assert!(score(Expression::default(), name) < 0.1, "{name}");
        assert!(score(Expression { smile: 1.0, ..Expression::default() }, name) > 0.8, "{name}");
    }
    let closed = Expression { blink_right: 1.0, blink_left: 1.0, ..Expression::default() };
    for name in ["eyeBlinkLeft", "eyeBlinkRight"] {
        assert!(score(Expression::default(), name) < 0.2, "{name}");
        assert!(score(closed, name) > 0.55, "{name}");
    }
}

#[test]
fn the_person_stays_the_same() {
    let models = models();
    let runtime = runtime(&models);
    let picture = astronaut();
    let original = landmarker().picture(&picture.view(), 1).unwrap().remove(0);
    let mut embedders: Vec<_> = models.embeddings().iter().map(|m| Embedder::load(&runtime, m).unwrap()).collect();
    let references: Vec<_> = embedders.iter_mut().map(|e| e.embed(&picture.view(), &original).unwrap()).collect();
    let mut distances: Vec<Vec<f32>> = vec![Vec::new(); embedders.len()];
    // A flow takes its pictures where gestures complete.
    play(15, false, &WATCHED, |acted, frame, face, completed| {
        if completed.iter().any(|id| id == acted) {
            for ((embedder, reference), distances) in embedders.iter_mut().zip(&references).zip(&mut distances) {
                let taken = embedder.embed(&frame.view(), face).unwrap();
                distances.push(reference.distance(&taken).unwrap());
            }
        }
    });
    for (embedder, distances) in embedders.iter().zip(distances) {
        let (id, threshold) = (embedder.model(), embedder.threshold());
        eprintln!("{id}, threshold {threshold}: {distances:.3?} at the ends of {WATCHED:?}");
        assert_eq!(distances.len(), WATCHED.len(), "{id}");
        assert!(distances.iter().all(|d| *d < threshold), "{id}: {distances:?}");
        let mean_of_default = distances[..3].iter().sum::<f32>() / 3.0;
        assert!(mean_of_default < 0.85 * threshold, "{id}: {mean_of_default}");
    }
}

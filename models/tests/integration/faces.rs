//! What the landmarker does besides agreeing with MediaPipe.

use std::time::Duration;

use vision_core::picture::{Picture, RgbPicture};
use vision_models::landmarker::{Tracker, TrackerOptions};

use crate::support::{Clip, I420Clip, empty_room, landmarker, picture, shared};

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn every_face_of_a_picture_is_found() {
    let Some(shared) = shared("every_face_of_a_picture_is_found") else { return };
    let mut landmarker = landmarker();
    let two = picture(&shared.join("assets/fr_two_people.jpg"));
    assert_eq!(landmarker.picture(&two.view(), 5).unwrap().len(), 2);
    assert_eq!(landmarker.picture(&two.view(), 1).unwrap().len(), 1);
    let one = picture(&shared.join("assets/fr_obama.jpg"));
    assert_eq!(landmarker.picture(&one.view(), 5).unwrap().len(), 1);
}

#[test]
fn a_picture_without_a_face_has_none() {
    let mut landmarker = landmarker();
    assert!(landmarker.picture(&empty_room(640, 480).view(), 5).unwrap().is_empty());
    let mut tracker = Tracker::default();
    let analysis = landmarker.frame(&mut tracker, &empty_room(640, 480).view(), at(0)).unwrap();
    assert!(analysis.face.is_none());
    assert_eq!((analysis.face_count, analysis.width, analysis.height), (0, 640, 480));
}

#[test]
fn a_picture_that_lies_about_its_size_is_an_error() {
    let mut landmarker = landmarker();
    let short = RgbPicture { data: vec![0; 100], width: 64, height: 64 };
    assert!(landmarker.picture(&short.view(), 1).is_err());
    assert!(landmarker.frame(&mut Tracker::default(), &short.view(), at(0)).is_err());
}

#[test]
fn a_second_face_is_counted_at_the_interval() {
    let Some(shared) = shared("a_second_face_is_counted_at_the_interval") else { return };
    let mut landmarker = landmarker();
    let two = picture(&shared.join("assets/fr_two_people.jpg"));
    // The same picture with one half painted over: first one face, then the second one appears.
    let mut one = two.clone();
    let faces = landmarker.picture(&two.view(), 5).unwrap();
    let left_first = faces[0].bounding_box().x < faces[1].bounding_box().x;
    let middle = faces.iter().map(|f| f.bounding_box()).map(|b| b.x + b.width / 2.0).sum::<f32>() / 2.0;
    for (index, pixel) in one.data.chunks_mut(3).enumerate() {
        let x = (index % two.width) as f32 / two.width as f32;
        if (x > middle) == left_first {
            pixel.fill(90);
        }
    }
    let count = |interval: Option<Duration>| {
        let mut landmarker = crate::support::landmarker();
        let mut tracker = Tracker::new(TrackerOptions { face_count_interval: interval });
        let frames = [(&one, 0), (&one, 33), (&two, 66), (&two, 499), (&two, 500), (&one, 600), (&one, 1000)];
        frames.map(|(picture, ms)| landmarker.frame(&mut tracker, &picture.view(), at(ms)).unwrap().face_count)
    };
    assert_eq!(count(Some(at(500))), [1, 1, 1, 1, 2, 2, 1]);
    assert_eq!(count(Some(Duration::ZERO)), [1, 1, 2, 2, 2, 1, 1]);
    assert_eq!(count(None), [1; 7]);
}

#[test]
fn a_lost_face_is_found_again() {
    let Some(shared) = shared("a_lost_face_is_found_again") else { return };
    let mut landmarker = landmarker();
    let mut tracker = Tracker::default();
    let face = picture(&shared.join("assets/fr_biden.jpg"));
    let room = empty_room(face.width, face.height);
    let turned = RgbPicture { data: face.data.clone(), width: face.width, height: face.height / 2 };
    let mut seen = Vec::new();
    for (index, picture) in [&face, &face, &room, &room, &face, &face, &turned, &face].into_iter().enumerate() {
        let analysis = landmarker.frame(&mut tracker, &picture.view(), at(index as u64 * 33)).unwrap();
        seen.push((analysis.face.is_some(), analysis.face_count));
    }
    let (yes, no) = ((true, 1), (false, 0));
    assert_eq!(seen[..6], [yes, yes, no, no, yes, yes]);
    assert_eq!(seen[7], yes, "after a change of size the detector looks at once");
}

#[test]
fn video_is_seen_as_its_rgb_conversion_is() {
    let Some(shared) = shared("video_is_seen_as_its_rgb_conversion_is") else { return };
    let mut landmarker = landmarker();
    let clip = shared.join("assets/lp_d18.mp4");
    let (mut rgb_tracker, mut i420_tracker) = (Tracker::default(), Tracker::default());
    let (mut pixels, mut score) = (0.0_f32, 0.0_f32);
    for (index, (rgb, i420)) in Clip::open(&clip).zip(I420Clip::open(&clip)).take(60).enumerate() {
        let time = at(index as u64 * 33);
        let a = landmarker.frame(&mut rgb_tracker, &rgb.view(), time).unwrap().face.unwrap();
        let b = landmarker.frame(&mut i420_tracker, &i420.view(), time).unwrap().face.unwrap();
        for (a, b) in a.landmarks.iter().zip(b.landmarks.iter()) {
            pixels = pixels.max((a[0] - b[0]).hypot(a[1] - b[1]) * rgb.width as f32);
        }
        score = a.blendshapes.iter().zip(b.blendshapes).map(|(a, b)| (a - b).abs()).fold(score, f32::max);
    }
    eprintln!("I420 against RGB: largest difference {pixels:.3} px, {score:.4} score");
    assert!(pixels < 2.0 && score < 0.1, "{pixels} px, {score}");
}

#[test]
fn angles_mean_what_their_names_say() {
    let Some(shared) = shared("angles_mean_what_their_names_say") else { return };
    let mut landmarker = landmarker();
    // The woman of this clip turns her head at 8.8 s.
    let frame = Clip::open(&shared.join("assets/lp_d3.mp4")).nth((8.85 * 30.0) as usize).unwrap();
    let face = landmarker.picture(&frame.view(), 1).unwrap().remove(0);
    let x = |index: usize| face.landmarks[index][0];
    let (nose, left_cheek, right_cheek) = (x(1), x(234), x(454));
    assert!(left_cheek < right_cheek, "234 is on the left side of the picture");
    let shift = (nose - (left_cheek + right_cheek) / 2.0) / (right_cheek - left_cheek);
    let angles = face.angles();
    eprintln!("yaw {:.3}, the nose is {shift:.3} face widths to the right of the middle", angles.yaw);
    assert!(angles.yaw > 0.3);
    assert!(shift > 0.1, "positive yaw: the nose points to the right side of the picture");

    // Mirrored, yaw and roll change their sign.
    let mut mirrored = frame.clone();
    for row in mirrored.data.chunks_exact_mut(3 * frame.width) {
        let pixels: Vec<[u8; 3]> = row.as_chunks().0.iter().rev().copied().collect();
        row.copy_from_slice(pixels.as_flattened());
    }
    let other = landmarker.picture(&mirrored.view(), 1).unwrap().remove(0).angles();
    assert!((other.yaw + angles.yaw).abs() < 0.06, "{} {}", other.yaw, angles.yaw);
    assert!((other.roll + angles.roll).abs() < 0.06 && (other.pitch - angles.pitch).abs() < 0.06);
}

#[test]
fn positive_roll_lifts_the_eye_on_the_right_side_of_the_picture() {
    let Some(shared) = shared("positive_roll_lifts_the_eye_on_the_right_side_of_the_picture") else { return };
    let mut landmarker = landmarker();
    for name in ["fr_biden", "sf_image_F1", "sf_image_T1", "lp_d30"] {
        let picture = picture(&shared.join(format!("reference/landmarker/images/{name}.png")));
        let face = landmarker.picture(&picture.view(), 1).unwrap().remove(0);
        let [left, right] = [33, 263].map(|index| face.landmarks[index]);
        let rise = (left[1] - right[1]) * picture.height as f32;
        let run = (right[0] - left[0]) * picture.width as f32;
        let roll = face.angles().roll;
        assert!(roll < -0.1 && (rise.atan2(run) - roll).abs() < 0.15, "{name}: {roll} {}", rise.atan2(run));
    }
}

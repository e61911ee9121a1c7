//! Frame checks on real people, and the glasses network where it is present.

use std::time::Duration;

use vision_core::face::Face;
use vision_core::liveness::frame_checks::{BestShot, FrameChecks, Liveness, Models, Thresholds};
use vision_core::liveness::quality::AlignedFace;
use vision_core::liveness::quality::glasses::{Glasses, GlassesCues};
use vision_core::picture::Picture;
use vision_models::glasses::{GlassesDetector, LIMIT};
use vision_models::landmarker::Tracker;

use crate::support::{I420Clip, landmarker, models, runtime, shared, skipped};

/// Glasses as the picture shows them; everybody is alive.
struct Cues;

impl Models for Cues {
    fn glasses(&mut self, _face: &Face, aligned: &AlignedFace<'_>) -> Option<Glasses> {
        GlassesCues::of(aligned).glasses()
    }

    fn liveness(&mut self, _face: &Face, _aligned: &AlignedFace<'_>) -> Option<Liveness> {
        Some(Liveness { score: 0.9, quality_score: 0.9 })
    }
}

#[test]
fn people_in_front_of_their_camera_pass_the_frame_checks() {
    let Some(shared) = shared("people_in_front_of_their_camera_pass_the_frame_checks") else { return };
    let mut landmarker = landmarker();
    let checks = FrameChecks::new(Thresholds::default());
    for (name, at_least) in [("lp_d18.mp4", 55), ("lp_d19.mp4", 54)] {
        let mut tracker = Tracker::default();
        let mut best = BestShot::new(checks.thresholds());
        let mut passed = 0;
        for (index, picture) in I420Clip::open(&shared.join("assets").join(name)).take(60).enumerate() {
            let timestamp = Duration::from_millis(1000 * index as u64 / 30);
            let analysis = landmarker.frame(&mut tracker, &picture.view(), timestamp).unwrap();
            let faces: Vec<Face> = analysis.face.into_iter().collect();
            let status = checks.evaluate(&picture.view(), &faces, &mut Cues);
            passed += usize::from(status.is_ok);
            best.offer(&status, || index);
        }
        eprintln!("{name}: {passed} of 60 frames pass");
        assert!(passed >= at_least, "{name}: {passed} of 60");
        assert!(best.best().is_some());
    }
}

#[test]
fn the_network_sees_thin_frames() {
    let Some(shared) = shared("the_network_sees_thin_frames") else { return };
    let models = models();
    let mut network = match GlassesDetector::load(&runtime(&models), &models) {
        Ok(network) => network,
        Err(reason) => return skipped("the_network_sees_thin_frames", &reason.to_string()),
    };
    let mut landmarker = landmarker();
    for (name, glasses) in
        [("lp_d12.mp4", true), ("lp_d13.mp4", true), ("lp_d19.mp4", true), ("lp_d10.mp4", false), ("lp_d18.mp4", false)]
    {
        let picture = I420Clip::open(&shared.join("assets").join(name)).next().unwrap();
        let face = landmarker.picture(&picture.view(), 1).unwrap().remove(0);
        let score = network.score(&picture.view(), &face).unwrap();
        eprintln!("{name}: {score:.1}");
        assert_eq!(score < LIMIT, glasses, "{name}: {score}");
    }
}

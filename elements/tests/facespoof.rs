//! `facespoof`: the network's own score on every format, at the interval, on the bus and on the picture.
#![allow(clippy::unwrap_used)]

mod support;

use gst_video::VideoFormat;
use gstvision::meta::{FaceMeta, SpoofMeta};
use support::{FORMATS, FRAME, Video, harness, messages, models, runtime, segment, start_error};
use vision_core::picture::{Picture, RgbPicture};
use vision_models::antispoof::{Antispoof, MODEL};

const LINE: &str = "faceanalyze device=cpu ! facespoof device=cpu interval=0";

/// The network, or the name of the test that cannot run without this recommended model.
fn network(test: &str) -> Option<Antispoof> {
    use std::io::Write as _;
    match Antispoof::load(&runtime(), &models()) {
        Ok(network) => Some(network),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {error}");
            None
        }
    }
}

#[test]
fn every_format_gives_the_networks_own_score() {
    let Some(mut network) = network("every_format_gives_the_networks_own_score") else { return };
    let video = Video::face(VideoFormat::I420, 401, 333);
    let (mut harness, bus) = harness(LINE, &video.caps());
    let mut scores = Vec::new();
    for (n, format) in FORMATS.into_iter().enumerate() {
        let video = video.convert(format, 401, 333);
        harness.set_src_caps(video.caps());
        let out = harness.push_and_pull(video.at(FRAME * n as u64)).unwrap();
        let spoof = SpoofMeta::of(&out).unwrap();
        assert_eq!(spoof.model, MODEL);
        scores.push(spoof.score);
        if format == VideoFormat::Rgb {
            let map = out.map_readable().unwrap();
            let stride = video.info.stride()[0] as usize;
            let data = map.chunks(stride).flat_map(|row| &row[..3 * 401]).copied().collect();
            let picture = RgbPicture { data, width: 401, height: 333 };
            let seen = FaceMeta::of(&out).unwrap();
            assert_eq!(spoof.score, network.score(&picture.view(), seen.first().unwrap()).unwrap());
        }
    }
    // Logits, of which a clear case has more than 5: colours rounded once more move them by little.
    assert!(scores.iter().all(|score| (score - scores[0]).abs() < 0.5), "{scores:?}");
    let said = messages(&bus, "face-spoof");
    let said_scores = said.iter().map(|it| it.get::<f32>("score").unwrap()).collect::<Vec<_>>();
    assert_eq!(said_scores, scores);
    assert_eq!(said[2].get::<String>("model").unwrap(), MODEL);
    assert_eq!(said[2].get::<gst::ClockTime>("timestamp"), Ok(FRAME * 2));
}

#[test]
fn the_interval_waits_for_a_face() {
    if network("the_interval_waits_for_a_face").is_none() {
        return;
    }
    let (face, nobody) = (Video::face(VideoFormat::Nv12, 240, 240), Video::black(VideoFormat::Nv12, 240, 240));
    let line = "faceanalyze device=cpu ! facespoof device=cpu interval=100000000";
    let (mut harness, _bus) = harness(line, &face.caps());
    let mut carried = |harness: &mut gst_check::Harness, n: u64, video: &Video| {
        SpoofMeta::of(&harness.push_and_pull(video.at(FRAME * n)).unwrap()).is_some()
    };
    assert!(!carried(&mut harness, 0, &nobody));
    assert_eq!([1, 2, 3, 5].map(|n| carried(&mut harness, n, &face)), [true, false, false, true]);
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    assert!(harness.push_event(segment()));
    assert!(carried(&mut harness, 6, &face));
    assert!(harness.push_event(gst::event::Eos::new()));
}

#[test]
fn without_its_network_it_does_not_start_and_says_what_to_do() {
    // A folder that has everything but the recommended model.
    let folder = support::EmptyFolder::new("facespoof");
    for id in ["onnxruntime", "face_detector"] {
        let file = models().resolve(id).unwrap().path;
        std::os::unix::fs::symlink(std::path::absolute(&file).unwrap(), folder.0.join(file.file_name().unwrap()))
            .unwrap();
    }
    let (message, kind) = start_error(&format!("facespoof device=cpu models={}", folder.0.display()));
    assert_eq!(kind, Some(gst::ResourceError::NotFound), "{message}");
    assert!(message.contains(MODEL) && message.contains("Run `make"), "{message}");
}

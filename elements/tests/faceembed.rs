//! `faceembed`: the embedder's own vectors on every format, at the interval, and never in a message.
#![allow(clippy::unwrap_used)]

mod support;

use gst_video::VideoFormat;
use gstvision::meta::{EmbeddingMeta, FaceMeta};
use support::{EmptyFolder, FORMATS, FRAME, Video, harness, messages, models, runtime, segment, start_error};
use vision_core::picture::{Picture, RgbPicture};
use vision_models::embedding::Embedder;

const LINE: &str = "faceanalyze device=cpu ! faceembed device=cpu interval=0";

#[test]
fn every_format_gives_the_vector_of_the_same_person() {
    let preferred = models().embeddings().remove(0);
    let mut embedder = Embedder::load(&runtime(), &preferred).unwrap();
    let mut of_planar = None;
    let video = Video::face(VideoFormat::I420, 401, 333);
    let (mut harness, bus) = harness(LINE, &video.caps());
    for (n, format) in FORMATS.into_iter().enumerate() {
        let video = video.convert(format, 401, 333);
        harness.set_src_caps(video.caps());
        let out = harness.push_and_pull(video.at(FRAME * n as u64)).unwrap();
        let embedding = EmbeddingMeta::of(&out).unwrap().embedding.clone();
        assert_eq!(embedding.model(), preferred.model.id);
        match format {
            VideoFormat::I420 => of_planar = Some(embedding.clone()),
            // The followed face is smoothed from frame to frame; of the same person is far below the threshold (0.4 up).
            _ => assert!(embedding.distance(of_planar.as_ref().unwrap()).unwrap() < 0.02, "{format:?}"),
        }
        if format == VideoFormat::Rgb {
            // Exactly the embedder's numbers on the same pixels and the same face.
            let map = out.map_readable().unwrap();
            let stride = video.info.stride()[0] as usize;
            let data = map.chunks(stride).flat_map(|row| &row[..3 * 401]).copied().collect();
            let picture = RgbPicture { data, width: 401, height: 333 };
            let seen = FaceMeta::of(&out).unwrap();
            let expected = embedder.embed(&picture.view(), seen.first().unwrap()).unwrap();
            assert_eq!(embedding.values(), expected.values());
        }
    }
    let said = messages(&bus, "face-embedding");
    assert_eq!(said.len(), 3);
    assert_eq!(said[0].get::<String>("model").unwrap(), preferred.model.id);
    assert_eq!(said[0].get::<u32>("dimensions").unwrap() as usize, of_planar.unwrap().values().len());
    let fields = said[0].fields().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(fields, ["model", "dimensions", "timestamp", "running-time"], "and no vector");
}

#[test]
fn the_interval_waits_for_a_face() {
    let (face, nobody) = (Video::face(VideoFormat::I420, 240, 240), Video::black(VideoFormat::I420, 240, 240));
    let line = "faceanalyze device=cpu ! faceembed device=cpu interval=200000000";
    let (mut harness, _bus) = harness(line, &face.caps());
    // 6 frames are 200 ms
    let shown = [&nobody, &nobody, &face, &face, &face, &face, &face, &face, &face, &nobody];
    let mut carried = |(n, video): (usize, &&Video)| {
        EmbeddingMeta::of(&harness.push_and_pull(video.at(FRAME * n as u64)).unwrap()).is_some()
    };
    let embedded = shown.iter().enumerate().map(&mut carried).collect::<Vec<_>>();
    assert_eq!(embedded, [false, false, true, false, false, false, false, false, true, false]);
    // A flush starts anew; a picture that nobody analysed has no face.
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    assert!(harness.push_event(segment()));
    assert!(EmbeddingMeta::of(&harness.push_and_pull(face.at(FRAME * 11)).unwrap()).is_some());
    assert!(harness.push_event(gst::event::Eos::new()));
    let (mut alone, bus) = support::harness("faceembed device=cpu interval=0", &face.caps());
    assert!(EmbeddingMeta::of(&alone.push_and_pull(face.at(FRAME)).unwrap()).is_none());
    assert!(messages(&bus, "face-embedding").is_empty());
}

#[test]
fn the_picture_may_be_scaled_after_it_was_analysed() {
    let video = Video::face(VideoFormat::I420, 512, 512);
    let line = "faceanalyze device=cpu ! videoscale ! video/x-raw,width=333,height=301 ! videoconvert \
                ! video/x-raw,format=NV12 ! faceembed device=cpu interval=0";
    let (mut scaled, _bus) = harness(line, &video.caps());
    let (mut whole, _other) = harness(LINE, &video.caps());
    let [one, other] = [&mut scaled, &mut whole]
        .map(|harness| EmbeddingMeta::of(&harness.push_and_pull(video.at(FRAME)).unwrap()).unwrap().embedding.clone());
    let distance = one.distance(&other).unwrap();
    assert!(distance < 0.1, "{distance}: another person is above 0.4");
}

#[test]
fn models_that_are_not_there_or_not_embeddings_are_resource_errors() {
    let empty = EmptyFolder::new("faceembed");
    for (line, expected) in [
        (format!("faceembed models={}", empty.0.display()), gst::ResourceError::NotFound),
        ("faceembed model=no_such_model".to_owned(), gst::ResourceError::Settings),
        ("faceembed model=face_landmarks".to_owned(), gst::ResourceError::Settings),
    ] {
        let (message, kind) = start_error(&line);
        assert_eq!(kind, Some(expected), "{line}: {message}");
        assert!(message.contains("make models") || message.contains("manifest"), "{line}: {message}");
    }
}

#[test]
fn the_network_can_be_chosen() {
    let video = Video::face(VideoFormat::I420, 320, 240);
    for model in models().embeddings() {
        let (mut harness, bus) = harness(&format!("{LINE} model={}", model.model.id), &video.caps());
        let out = harness.push_and_pull(video.at(FRAME)).unwrap();
        assert_eq!(EmbeddingMeta::of(&out).unwrap().embedding.model(), model.model.id);
        assert_eq!(messages(&bus, "face-embedding").len(), 1);
    }
}

//! Real WebRTC in one process: a subject's pictures come in, composed ones go out.

use std::time::{Duration, Instant};

use vision_core::picture::{I420Mut, I420View, PictureView};
use vision_service::media::{Codec, Frame};
use vision_service::room::RoomEvent;
use vision_service::subject::SubjectEvent;
use vision_service::subject::camera::Source;

use crate::support::assets::asset;
use crate::support::call::{House, LIMIT, subject_event};

/// How soon pictures have to flow on loopback, with other tests beside it.
const PROMPT: Duration = Duration::from_secs(5);

fn view(frame: &Frame) -> I420View<'_> {
    match frame.picture.view() {
        PictureView::I420(view) => view,
        _ => panic!("video is I420"),
    }
}

fn size(frame: &Frame) -> (usize, usize) {
    (frame.picture.view().width(), frame.picture.view().height())
}

async fn round_trip(codec: Codec) {
    let house = House::open().await;
    let mut call = house.join("r");
    let start = Instant::now();
    let (mut subject, seen) =
        house.subject_with("r", "videotestsrc is-live=true pattern=ball", |options| options.codec = codec).await;
    call.media().await;
    subject_event(&mut subject, |event| *event == SubjectEvent::FirstFrame).await;
    assert!(start.elapsed() < PROMPT, "{codec}: pictures flow after {:?}", start.elapsed());

    let (first, before_out) = (call.frames.newest().unwrap(), seen.count());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let last = call.frames.newest().unwrap();
    let (came, sent) = (last.sequence - first.sequence, seen.count() - before_out);
    // a machine that is busy loses some, none is made up
    assert!((20..=70).contains(&came), "{codec}: {came} frames in 2 s at 30/s");
    assert!((8..=36).contains(&sent), "{codec}: {sent} pictures in 2 s at 15/s");
    let span = last.timestamp - first.timestamp;
    assert!((1000..3000).contains(&span.as_millis()), "{codec}: timestamps span {span:?}");
    assert!(call.screen.first_text_after().unwrap() < PROMPT);
    subject.leave().await;
    call.link.leave().await;
}

#[tokio::test]
async fn vp8_goes_both_ways() {
    round_trip(Codec::Vp8).await;
}

#[tokio::test]
async fn h264_goes_both_ways() {
    round_trip(Codec::H264).await;
}

#[tokio::test]
async fn a_real_clip_is_looped() {
    let Some(clip) = asset("a_real_clip_is_looped", "lp_d0.mp4") else { return };
    let house = House::open().await;
    let mut call = house.join("r");
    let (subject, _) = house
        .subject_with("r", "", |options| {
            options.source = Source::Clip(clip);
            options.size = None;
            options.framerate = 25;
        })
        .await;
    call.media().await;
    assert_eq!(size(&call.frames.newest().unwrap()), (512, 512));
    // it is 3.1 s long and starts again
    for second in 0..5 {
        let before = call.frames.count();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(call.frames.count() > before, "the clip stands still in second {second}");
    }
    subject.leave().await;
    call.link.leave().await;
}

#[tokio::test]
async fn the_picture_may_change_its_size_in_mid_call() {
    for codec in Codec::ALL {
        let house = House::open().await;
        let mut call = house.join("r");
        let (subject, seen) =
            house.subject_with("r", "videotestsrc is-live=true", |options| options.codec = codec).await;
        call.media().await;
        for (input, output) in
            [((320, 240), (320, 240)), ((1280, 720), (640, 360)), ((270, 480), (270, 480)), ((720, 1280), (360, 640))]
        {
            subject.camera().set_size(input);
            let wanted = (input.0 as usize, input.1 as usize);
            call.frames.until(&format!("of {codec} at {wanted:?}"), |frame| size(frame) == wanted).await;
            seen.until(&format!("composed for {codec} at {wanted:?}"), |frame| size(frame) == output).await;
        }
        subject.leave().await;
        call.link.leave().await;
    }
}

#[tokio::test]
async fn a_picture_that_is_too_large_ends_the_connection() {
    let house = House::open().await;
    let mut call = house.join("r");
    let (mut subject, _) = house.subject_with("r", "videotestsrc is-live=true", |_| ()).await;
    call.media().await;
    subject_event(&mut subject, |event| *event == SubjectEvent::FirstFrame).await;
    subject.camera().set_size((2048, 64));
    // the service hangs up and asks for another connection
    subject_event(&mut subject, |event| matches!(event, SubjectEvent::Message(_))).await;
    assert!(call.frames.newest().is_none_or(|frame| size(&frame).0 <= 1920));
    subject.camera().set_size((320, 240));
    call.media().await;
    subject.leave().await;
    call.link.leave().await;
}

/// Four quarters of different brightness: 40 and 100 above, 160 and 220 below.
fn quarters(_: Duration, out: &mut I420Mut<'_>) {
    for y in 0..out.height {
        for x in 0..out.width {
            let quarter = usize::from(x >= out.width / 2) + 2 * usize::from(y >= out.height / 2);
            out.y[y * out.y_stride + x] = [40, 100, 160, 220][quarter];
        }
    }
    out.u.fill(128);
    out.v.fill(128);
}

/// The brightness of the quarters, in steps: `[0, 1, 2, 3]` is upright.
fn steps(frame: &Frame) -> [u8; 4] {
    let picture = view(frame);
    let (w, h) = (picture.width, picture.height);
    [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| (picture.y[y * h / 4 * picture.y_stride + x * w / 4] - 10) / 60)
}

#[tokio::test]
async fn a_turned_phone_turns_the_picture() {
    use gstvision::rtporientation::Orientation;
    for codec in Codec::ALL {
        let house = House::open().await;
        let mut call = house.join("r");
        let (subject, seen) = house
            .subject_with("r", "", |options| {
                options.source = Source::Painted { size: (320, 160), paint: Box::new(quarters) };
                options.codec = codec;
            })
            .await;
        call.media().await;
        for (quarter_turns, flip, expected_size, expected) in [
            (0, false, (320, 160), [0, 1, 2, 3]),
            (1, false, (160, 320), [2, 0, 3, 1]),
            (2, false, (320, 160), [3, 2, 1, 0]),
            (3, false, (160, 320), [1, 3, 0, 2]),
            (0, true, (320, 160), [1, 0, 3, 2]),
            (0, false, (320, 160), [0, 1, 2, 3]),
        ] {
            subject.camera().set_orientation(Some(Orientation { quarter_turns, flip }));
            let what = format!("of {codec} turned by {quarter_turns} quarters, flip {flip}");
            call.frames.until(&what, |frame| size(frame) == expected_size && steps(frame) == expected).await;
            // what goes back is mirrored
            let [a, b, c, d] = expected;
            seen.until(&what, |frame| size(frame) == expected_size && steps(frame) == [b, a, d, c]).await;
        }
        subject.leave().await;
        call.link.leave().await;
    }
}

/// Loses three packets and so many requests for a key frame, and waits for pictures.
async fn lose_a_picture(requests: usize) {
    for codec in Codec::ALL {
        let house = House::open().await;
        let mut call = house.join("r");
        let (mut subject, seen) =
            house.subject_with("r", "videotestsrc is-live=true pattern=ball", |options| options.codec = codec).await;
        subject_event(&mut subject, |event| *event == SubjectEvent::FirstFrame).await;
        call.media().await;
        // key frames that the connection's beginning has asked for are through
        seen.until("at the beginning", |frame| frame.sequence > 10).await;
        // regular key frames are minutes apart, and the decoder shows nothing before the next
        subject.lose(3, requests);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let before = seen.count();
        let start = Instant::now();
        while seen.count() < before + 5 {
            assert!(start.elapsed() < LIMIT, "{codec}: no picture after a loss");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        subject.leave().await;
        call.link.leave().await;
    }
}

#[tokio::test]
async fn a_lost_picture_is_asked_for_again() {
    lose_a_picture(0).await;
}

/// The request for a key frame is a packet that can be lost itself, or come too soon after the one before.
#[tokio::test]
async fn a_lost_request_for_a_picture_is_repeated() {
    lose_a_picture(2).await;
}

/// A camera that adjusts to the light stops for longer than the jitter buffer waits. What comes afterwards is not late.
#[tokio::test]
async fn what_a_camera_sends_after_a_pause_is_not_taken_for_lost() {
    let house = House::open().await;
    let mut call = house.join("r");
    let (subject, _) = house.subject("r", "videotestsrc is-live=true").await;
    call.media().await;
    for _ in 0..5 {
        subject.camera().cover(true);
        tokio::time::sleep(Duration::from_millis(300)).await;
        subject.camera().cover(false);
        let seen = call.frames.count() as u64;
        call.frames.until("after a pause", |frame| frame.sequence > seen + 5).await;
    }
    let [probe] = &call.peers.probes()[..] else { panic!("one peer") };
    let stats = probe.stats().await.to_string();
    let lost: Vec<_> = stats.split("\"num-lost\":").skip(1).filter_map(|rest| rest.split([',', '}']).next()).collect();
    assert!(!lost.is_empty() && lost.iter().all(|lost| *lost == "0"), "lost: {lost:?} in {stats}");
    subject.leave().await;
    call.link.leave().await;
}

#[tokio::test]
async fn a_covered_camera_is_not_a_lost_connection() {
    let house = House::open().await;
    let mut call = house.join("r");
    let (subject, seen) = house.subject("r", "videotestsrc is-live=true").await;
    call.media().await;
    subject.camera().cover(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (came, sent) = (call.frames.count(), seen.count());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(call.frames.count(), came, "no frames come");
    seen.until("the screen goes on", |frame| frame.sequence > sent as u64 + 5).await;
    subject.camera().cover(false);
    call.frames.until("after the cover", |frame| frame.sequence > came as u64).await;
    let nothing = tokio::time::timeout(Duration::from_millis(50), call.link.next_event()).await;
    assert_eq!(nothing.ok(), None, "no event");
    subject.leave().await;
    assert_eq!(call.link.next_event().await, RoomEvent::SubjectLeft);
    call.link.leave().await;
}

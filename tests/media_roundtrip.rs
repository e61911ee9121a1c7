//! Real WebRTC in one process: a subject's pictures come in, composed ones go out.

use std::time::{Duration, Instant};

use vision_service::media::Codec;
use vision_service::subject::SubjectEvent;

use crate::support::call::{House, subject_event};

async fn round_trip(codec: Codec) {
    let house = House::open().await;
    let mut call = house.join("r");
    let start = Instant::now();
    let (mut subject, seen) =
        house.subject_with("r", "videotestsrc is-live=true pattern=ball", |options| options.codec = codec).await;
    call.media().await;
    eprintln!("{codec}: first frame in after {:?}", start.elapsed());
    subject_event(&mut subject, |event| *event == SubjectEvent::FirstFrame).await;
    eprintln!("{codec}: first frame out after {:?}", start.elapsed());
    let (before_in, before_out) = (call.frames.count(), seen.count());
    tokio::time::sleep(Duration::from_secs(2)).await;
    eprintln!("{codec}: in {} out {} in 2 s", call.frames.count() - before_in, seen.count() - before_out);
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

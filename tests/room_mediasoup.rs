//! Rooms on a real mediasoup server.

use std::sync::Arc;
use std::time::Duration;

use vision_core::subject_view::SubjectView as View;
use vision_service::config::Mediasoup;
use vision_service::media::screen::ScreenOptions;
use vision_service::media::{Codec, Frame, Screen};
use vision_service::room::{Plugs, RoomError, RoomEvent, RoomOptions, RoomUrl, Rooms};
use vision_service::subject::camera::Source;
use vision_service::subject::{GstSubject, RoomKind, SubjectEvent, SubjectOptions};

use crate::support::call::{Call, Frames, loopback, subject_event};
use crate::support::room_server::{RoomServer, RoomServerOptions};

const BALL: &str = "videotestsrc is-live=true pattern=ball";

fn options(codecs: &[Codec]) -> RoomOptions {
    RoomOptions { ice: loopback(), codecs: codecs.to_vec(), bitrate: 500_000, mediasoup: Mediasoup::default() }
}

async fn server(options: RoomServerOptions) -> RoomServer {
    let logs = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env());
    let _ = logs.with_test_writer().try_init();
    vision_service::media::init().unwrap();
    RoomServer::start(options).await
}

/// Joins as a flow does, with a screen that shows the input, mirrored.
async fn join(url: &str, options: RoomOptions) -> Result<Call, RoomError> {
    let frames = Frames::default();
    let screen = Screen::start(ScreenOptions::default());
    screen.show(View { message: "Hello".into(), ..View::default() });
    let sinks = [screen.sink(), frames.sink()];
    let on_frame = Arc::new(move |frame: Frame| sinks.iter().for_each(|sink| sink(frame.clone())));
    let plugs = Plugs { on_frame, screen: screen.outlet(), lang: "en".into() };
    let link = Rooms::new().join(&RoomUrl::parse(url).unwrap(), plugs, options).await?;
    Ok(Call { link, screen, frames })
}

async fn subject(url: String, codec: Codec) -> (GstSubject, Frames) {
    let frames = Frames::default();
    let mut options = SubjectOptions::new(url, Source::Launch(BALL.into()));
    options.room = RoomKind::Mediasoup;
    options.on_frame = Some(frames.sink());
    options.size = Some((320, 240));
    options.codec = codec;
    (GstSubject::join(options).await.unwrap(), frames)
}

async fn round_trip(codec: Codec) {
    let server = server(RoomServerOptions::default()).await;
    let mut call = join(&server.url("r", "vision"), options(&[codec])).await.unwrap();
    let (mut visitor, seen) = subject(server.url("r", "subject"), codec).await;
    assert_eq!(call.link.next_event().await, RoomEvent::SubjectJoined);
    call.media().await;
    subject_event(&mut visitor, |event| *event == SubjectEvent::FirstFrame).await;
    let (came, sent) = (call.frames.count(), seen.count());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (came, sent) = (call.frames.count() - came, seen.count() - sent);
    // a machine that is busy loses some, none is made up
    assert!((20..=70).contains(&came), "{codec}: {came} frames in 2 s at 30/s");
    assert!((8..=36).contains(&sent), "{codec}: {sent} pictures in 2 s at 15/s");
    visitor.leave().await;
    assert_eq!(call.link.next_event().await, RoomEvent::SubjectLeft);
    call.link.leave().await;
    assert!(server.peer("r", "vision").await.is_null(), "the service is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn vp8_goes_both_ways() {
    round_trip(Codec::Vp8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h264_goes_both_ways() {
    round_trip(Codec::H264).await;
}

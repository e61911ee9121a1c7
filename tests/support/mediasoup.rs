//! Rooms on a real mediasoup server: the service's side without a flow, and subjects.

use std::time::Duration;

use vision_service::config::Mediasoup;
use vision_service::media::Codec;
use vision_service::room::{InputOptions, RoomError, RoomOptions, RoomUrl, Rooms};
use vision_service::subject::camera::Source;
use vision_service::subject::{GstSubject, RoomKind, SubjectOptions};

use super::call::{Call, Frames, loopback, mirror};
use super::room_server::{RoomServer, RoomServerOptions};

pub const BALL: &str = "videotestsrc is-live=true pattern=ball";

pub fn options(codecs: &[Codec]) -> RoomOptions {
    let input = InputOptions::default();
    RoomOptions { ice: loopback(), codecs: codecs.to_vec(), bitrate: 500_000, mediasoup: Mediasoup::default(), input }
}

pub async fn server(options: RoomServerOptions) -> RoomServer {
    let logs = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env());
    let _ = logs.with_test_writer().try_init();
    vision_service::media::init().unwrap();
    RoomServer::start(options).await
}

/// Joins as a flow does, with a screen that shows the input, mirrored.
pub async fn join(url: &str, options: RoomOptions) -> Result<Call, RoomError> {
    vision_service::media::init().unwrap();
    let (screen, frames, plugs) = mirror();
    let peers = plugs.peers.clone();
    let link = Rooms::new().join(&RoomUrl::parse(url).unwrap(), plugs, options).await?;
    Ok(Call { link, screen, frames, peers })
}

pub async fn join_vision(server: &RoomServer) -> Call {
    join(&server.url("r", "vision"), options(&Codec::ALL)).await.unwrap()
}

pub async fn visit(server: &RoomServer, peer: &str) -> (GstSubject, Frames) {
    subject(server.url("r", peer), Codec::Vp8).await
}

/// Nothing happens to the call for a while, and frames keep coming.
pub async fn assert_undisturbed(call: &mut Call) {
    let before = call.frames.count();
    let event = tokio::time::timeout(Duration::from_secs(1), call.link.next_event()).await;
    assert_eq!(event.ok(), None, "an event");
    assert!(call.frames.count() > before + 5, "the frames stopped");
}

pub async fn subject(url: String, codec: Codec) -> (GstSubject, Frames) {
    let frames = Frames::default();
    let mut options = SubjectOptions::new(url, Source::Launch(BALL.into()));
    options.room = RoomKind::Mediasoup;
    options.on_frame = Some(frames.sink());
    options.size = Some((320, 240));
    options.codec = codec;
    (GstSubject::join(options).await.unwrap(), frames)
}

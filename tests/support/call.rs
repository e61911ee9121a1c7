//! A built-in room on a port of loopback, a flow's side without a flow, and subjects.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use vision_core::subject_view::SubjectView as View;
use vision_service::config::Mediasoup;
use vision_service::media::inspect::PeerBoard;
use vision_service::media::screen::ScreenOptions;
use vision_service::media::{Codec, Frame, FrameSink, IceOptions, Observers, Screen};
use vision_service::room::direct::{self, DirectRooms};
use vision_service::room::{InputOptions, Plugs, RoomError, RoomEvent, RoomLink, RoomOptions};
use vision_service::subject::camera::Source;
use vision_service::subject::{GstSubject, SubjectEvent, SubjectOptions};

/// No step of a call on loopback takes longer.
pub const LIMIT: Duration = Duration::from_secs(30);

pub fn loopback() -> IceOptions {
    IceOptions { loopback: true, ..IceOptions::default() }
}

/// The service's side of the rooms, served on a free port.
pub struct House {
    pub rooms: DirectRooms,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
}

impl House {
    pub async fn open() -> Self {
        // RUST_LOG=debug shows what happens
        let logs = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env());
        let _ = logs.with_test_writer().try_init();
        vision_service::media::init().unwrap();
        let rooms = DirectRooms::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = warp::serve(direct::filter(rooms.clone())).incoming(listener).graceful(async {
            let _ = stopped.await;
        });
        tokio::spawn(server.run());
        Self { rooms, address, stop: Some(stop) }
    }

    pub fn url(&self, room: &str) -> String {
        format!("ws://{}/call/{room}/ws", self.address)
    }

    /// Joins as a flow does, with a screen that shows the input, mirrored.
    pub fn join(&self, room: &str) -> Call {
        self.join_with(room, loopback(), &Codec::ALL)
    }

    pub fn join_with(&self, room: &str, ice: IceOptions, codecs: &[Codec]) -> Call {
        self.try_join(room, ice, codecs).unwrap()
    }

    pub fn try_join(&self, room: &str, ice: IceOptions, codecs: &[Codec]) -> Result<Call, RoomError> {
        self.try_join_with(room, ice, codecs, |_| ())
    }

    pub fn try_join_with(
        &self,
        room: &str,
        ice: IceOptions,
        codecs: &[Codec],
        change: impl FnOnce(&mut Plugs),
    ) -> Result<Call, RoomError> {
        let (screen, frames, mut plugs) = mirror();
        change(&mut plugs);
        let peers = plugs.peers.clone();
        let input = InputOptions::default();
        let options =
            RoomOptions { ice, codecs: codecs.to_vec(), bitrate: 500_000, mediasoup: Mediasoup::default(), input };
        let link = self.rooms.join(room, plugs, options)?;
        Ok(Call { link, screen, frames, peers })
    }

    pub async fn subject(&self, room: &str, source: &str) -> (GstSubject, Frames) {
        self.subject_with(room, source, |_| ()).await
    }

    pub async fn subject_with(
        &self,
        room: &str,
        source: &str,
        change: impl FnOnce(&mut SubjectOptions),
    ) -> (GstSubject, Frames) {
        let frames = Frames::default();
        let mut options = SubjectOptions::new(self.url(room), Source::Launch(source.into()));
        options.on_frame = Some(frames.sink());
        options.size = Some((320, 240));
        change(&mut options);
        (GstSubject::join(options).await.unwrap(), frames)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

/// A screen that shows the input, mirrored, and the frames that come in, with the plugs of both.
pub fn mirror() -> (Screen, Frames, Plugs) {
    let frames = Frames::default();
    let screen = Screen::start(ScreenOptions::default());
    screen.show(View { message: "Hello".into(), ..View::default() }, None);
    let sinks = [screen.sink(), frames.sink()];
    let on_frame = Arc::new(move |frame: Frame| sinks.iter().for_each(|sink| sink(frame.clone())));
    let plugs = Plugs {
        on_frame,
        observers: Observers::default(),
        screen: screen.outlet(),
        lang: "en".into(),
        peers: PeerBoard::default(),
        dots: None,
    };
    (screen, frames, plugs)
}

/// A flow's side.
pub struct Call {
    pub link: RoomLink,
    pub screen: Screen,
    pub frames: Frames,
    pub peers: PeerBoard,
}

impl Call {
    /// Waits for an event, passing over others.
    pub async fn wait(&mut self, wanted: impl Fn(&RoomEvent) -> bool) -> RoomEvent {
        tokio::time::timeout(LIMIT, async {
            loop {
                let event = self.link.next_event().await;
                if wanted(&event) {
                    return event;
                }
                assert_ne!(event, RoomEvent::Closed, "the room ended");
            }
        })
        .await
        .expect("the event did not come in time")
    }

    pub async fn media(&mut self) {
        self.wait(|event| *event == RoomEvent::MediaStarted).await;
    }
}

/// Waits for something that happens to a subject, passing over other things.
pub async fn subject_event(subject: &mut GstSubject, wanted: impl Fn(&SubjectEvent) -> bool) -> SubjectEvent {
    tokio::time::timeout(LIMIT, async {
        loop {
            let event = subject.next().await.expect("the subject ended");
            if wanted(&event) {
                return event;
            }
        }
    })
    .await
    .expect("the event did not come in time")
}

/// Counts frames and keeps the newest.
#[derive(Clone, Default)]
pub struct Frames(Arc<Mutex<(usize, Option<Frame>)>>);

impl Frames {
    pub fn sink(&self) -> FrameSink {
        let frames = self.clone();
        Arc::new(move |frame| {
            let mut frames = frames.0.lock().unwrap();
            frames.0 += 1;
            frames.1 = Some(frame);
        })
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap().0
    }

    pub fn newest(&self) -> Option<Frame> {
        self.0.lock().unwrap().1.clone()
    }

    /// Waits until a frame fits.
    pub async fn until(&self, what: &str, fits: impl Fn(&Frame) -> bool) -> Frame {
        let start = Instant::now();
        loop {
            if let Some(frame) = self.newest().filter(&fits) {
                return frame;
            }
            assert!(start.elapsed() < LIMIT, "no frame {what} within {LIMIT:?}; the newest: {:?}", self.newest());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

//! The demo's subject: a portrait that does what it is asked to, after the moment that people take to react.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use vision_core::picture::{I420Mut, Picture, PictureView};
use vision_core::portrait::{Performer, Portrait, PortraitError};
use vision_models::engine::{Engine, EngineError};
use vision_models::picture_file::{PictureError, PictureLimits, decode_picture};

use crate::lock::lock;
use crate::media::FrameSink;
use crate::subject::camera::Source;
use crate::subject::{GstSubject, RoomKind, SubjectError, SubjectOptions};

/// From reading an instruction to following it.
const REACTION: Duration = Duration::from_millis(800);

/// Why there is no actor.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each wraps the error of the part that it names
pub enum ActorError {
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error(transparent)]
    Portrait(#[from] PortraitError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("no face is seen in the picture to animate")]
    NoFace,
    #[error(transparent)]
    Subject(#[from] SubjectError),
}

/// What the actor has been asked, and when it will begin.
#[derive(Default)]
struct Directions {
    performer: Performer,
    next: Option<(Instant, Option<String>)>,
}

/// A simulated subject.
pub struct Actor {
    subject: GstSubject,
    directions: Arc<Mutex<Directions>>,
}

impl Actor {
    /// Animates `picture` and goes to the room at `url`, which is of the kind `room`.
    pub async fn join(
        url: &str,
        room: RoomKind,
        picture: &'static [u8],
        engine: Arc<Engine>,
        sees: FrameSink,
    ) -> Result<Self, ActorError> {
        // Landmarks and textures take a tenth of a second: not on a thread that serves sockets.
        let mut portrait = tokio::task::spawn_blocking(move || portrait(picture, &engine))
            .await
            .unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()))?;
        let directions: Arc<Mutex<Directions>> = Arc::default();
        let followed = directions.clone();
        let [width, height] = portrait.size();
        let paint = Box::new(move |now: Duration, out: &mut I420Mut<'_>| {
            let expression = {
                let mut directions = lock(&followed);
                if let Some((_, id)) = directions.next.take_if(|(at, _)| *at <= Instant::now()) {
                    directions.performer.ask(id.as_deref());
                }
                directions.performer.expression(now)
            };
            // The frame has the portrait's own size, so that this cannot fail.
            let _ = portrait.render(&expression, out);
        });
        let mut options = SubjectOptions::new(url, Source::Painted { size: (width, height), paint });
        options.room = room;
        options.on_frame = Some(sees);
        Ok(Self { subject: GstSubject::join(options).await?, directions })
    }

    /// What the service asks for now; nothing: rest.
    pub fn ask(&self, gesture: Option<&str>) {
        let delay = if gesture.is_some() { REACTION } else { Duration::ZERO };
        lock(&self.directions).next = Some((Instant::now() + delay, gesture.map(str::to_owned)));
    }

    /// Leaves the call.
    pub async fn leave(self) {
        self.subject.leave().await;
    }
}

fn portrait(picture: &[u8], engine: &Engine) -> Result<Portrait, ActorError> {
    let picture = Arc::new(decode_picture(picture, &PictureLimits::default())?);
    let faces = engine.analyze_picture(picture.clone())?;
    let PictureView::Rgb(view) = picture.view() else { return Err(ActorError::NoFace) };
    Ok(Portrait::new(view, faces.first().ok_or(ActorError::NoFace)?)?)
}

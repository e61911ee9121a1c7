//! `FaceMatcher`: the person of the first frame is the person of all others. Another one ends the session.
//!
//! The seed of this service, LUNA PASS 1.7, had no such plug-in, 1.9 has: without it one person could be live and another
//! one on the best shot. It is on unless `[MIDDLEWARES.WS.FaceMatcher] isEnabled = 0`, and rests where there is no
//! embedding network.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use vision_core::liveness::continuity::identity::{Embedding, Identity, Seen as Verdict};
use vision_core::liveness::frame_checks::Code;
use vision_models::engine::Engine;

use super::{Configured, Opening, Plugin, Seen, Shared, Word};
use crate::frame_door::protocol::SessionId;
use crate::frame_door::settings::reader::Reader;
use crate::matching::engine::identity;

/// 103: another face than before. LUNA PASS has no code for it that is known.
pub const ANOTHER_FACE: u16 = 103;

/// How often a face is looked at; always when the frame may end the session.
const INTERVAL: Duration = Duration::from_millis(500);
/// With these the face is still good enough to be recognised.
const HARMLESS: [Code; 4] = [Code::Liveness, Code::LivenessQuality, Code::LowAgs, Code::Mouth];

/// `[MIDDLEWARES.WS.FaceMatcher]`.
#[derive(Debug)]
pub struct Settings;

impl Configured for Settings {
    fn read(file: &mut Reader) -> Option<Self> {
        file.plugin("WS", "FaceMatcher", true).map(|_| Self)
    }

    fn open(&self, shared: &Shared) -> Opening {
        let engine = shared.engine.clone();
        let Some(identity) = engine.info().embeddings.first().map(identity) else { return Ok(None) };
        Ok(Some(Box::new(move |_: SessionId| FaceMatcher::new(engine.clone(), identity.clone()))))
    }
}

/// The plug-in.
pub struct FaceMatcher {
    engine: Arc<Engine>,
    identity: Identity,
    last: Option<Duration>,
    seen: u32,
    changed: bool,
}

impl FaceMatcher {
    /// `identity`: nobody seen yet, for the engine's embedding.
    pub fn new(engine: Arc<Engine>, identity: Identity) -> Self {
        Self { engine, identity, last: None, seen: 0, changed: false }
    }
}

impl Plugin for FaceMatcher {
    fn frame(&mut self, seen: &Seen<'_>, so_far: Word) -> Word {
        if self.changed {
            return Word::Refuse(ANOTHER_FACE);
        }
        // also while another plug-in has the subject do something
        let due = self.last.is_none_or(|last| seen.since_begin >= last + INTERVAL) || so_far == Word::Content;
        let Some(face) = seen.face.filter(|_| due && Word::of(seen.status).is_only(&HARMLESS)) else { return so_far };
        let embedding = self.engine.embed(seen.picture.clone(), face, None);
        let embedding = embedding.map_err(|error| tracing::warn!(%error, "a frame has no embedding")).ok();
        let Some(embedding) = embedding.and_then(|embedding| Embedding::new(embedding.values().to_vec())) else {
            return so_far;
        };
        self.last = Some(seen.since_begin);
        self.seen += 1;
        match self.identity.see(embedding) {
            Verdict::Changed => {
                self.changed = true;
                Word::Refuse(ANOTHER_FACE)
            }
            // nobody succeeds with a face that is doubted
            Verdict::Doubtful if so_far == Word::Content => Word::Wait(vec![super::CONTINUE]),
            Verdict::Same | Verdict::Doubtful => so_far,
        }
    }

    fn finding(&self) -> Option<(&'static str, Value)> {
        Some(("faceMatcher", json!({ "frames": self.seen, "same": !self.changed })))
    }
}

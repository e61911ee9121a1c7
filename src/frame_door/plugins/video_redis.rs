//! `VideoRedis`: hands every frame to those who make a video of the session ([`crate::session_video`]).

use super::{Ended, Plugin, Seen, Word};
use crate::frame_door::protocol::SessionId;
use crate::session_video::recorder::Recorder;

/// The plug-in.
pub struct VideoRedis {
    recorder: Recorder,
    session: SessionId,
}

impl VideoRedis {
    /// For one session.
    pub fn new(recorder: Recorder, session: SessionId) -> Self {
        Self { recorder, session }
    }
}

impl Plugin for VideoRedis {
    fn frame(&mut self, seen: &Seen<'_>, so_far: Word) -> Word {
        self.recorder.frame(self.session, seen.since_begin, seen.file.clone());
        so_far
    }

    fn ended(&mut self, ended: &Ended<'_>) {
        self.recorder.ended(self.session, ended.best_shot.is_some());
    }
}

//! `VideoRedis`: hands every frame to those who make a video of the session ([`crate::session_video`]).

use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::SecretString;

use super::{Configured, Ended, Failure, Opened, Opening, Plugin, Seen, Shared, Word};
use crate::frame_door::protocol::SessionId;
use crate::frame_door::settings::reader::Reader;
use crate::frame_door::settings::value::{Limit, Time, YEAR};
use crate::session_video::recorder::Recorder;

/// `[MIDDLEWARES.WS.VideoRedis]`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `args.connectionString`; may hold a password.
    pub address: SecretString,
    /// `args.queueName`.
    pub queue: String,
    /// `args.resultTtl`: how long the outcome of a job is kept.
    pub result_ttl: Duration,
    /// `args.failureTtl`: how long a failed job is kept.
    pub failure_ttl: Duration,
    /// `args.sessionTimeout`: how long after its end a session without a best shot becomes a video.
    pub session_timeout: Duration,
    /// `args.workerTask`: what the worker does with a job.
    pub task: String,
    /// `args.framesLimit`: the last so many frames; none: all.
    pub frames_limit: Option<u32>,
}

impl Configured for Settings {
    fn read(file: &mut Reader) -> Option<Self> {
        let args = file.plugin("WS", "VideoRedis", false)?;
        let mut time = |key: &str, default: Duration| file.get(&args, key).map_or(default, |time: Time| time.0);
        Some(Self {
            result_ttl: time("resultTtl", Duration::from_secs(500)),
            session_timeout: time("sessionTimeout", Duration::from_secs(300)),
            failure_ttl: time("failureTtl", YEAR),
            address: file.get(&args, "connectionString").unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned()).into(),
            queue: file.get(&args, "queueName").unwrap_or_else(|| "default".into()),
            task: file.get(&args, "workerTask").unwrap_or_else(|| "task.run".into()),
            frames_limit: file.get::<Limit>(&args, "framesLimit").and_then(|limit| limit.0).filter(|n| *n > 0),
        })
    }

    fn open(&self, _: &Shared) -> Opening {
        Ok(Some(Box::new(Recorder::start(self)?)))
    }
}

impl Opened for Recorder {
    fn begin(&self, session: SessionId) -> Result<Box<dyn Plugin>, Failure> {
        Ok(Box::new(VideoRedis::new(self.clone(), session)))
    }

    fn close(&self, grace: Duration) -> BoxFuture<'_, ()> {
        Box::pin(self.close(grace))
    }
}

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

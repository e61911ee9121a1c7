//! Videos of sessions: the service hands frames to Redis, a worker makes one file of each session.
//!
//! ```text
//! session -> Recorder --(bounded, never waits)--> Redis -> Worker -> Film (GStreamer) -> SESSION.mp4 -> task's command
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`queue`] | what is in Redis, and every change of it |
//! | [`recorder`] | the service's side |
//! | [`worker`] | takes jobs, until it is stopped |
//! | [`job`] | one job: reads the frames, builds the video, runs the task |
//! | [`build`] | frames in, a video file out |
//! | [`draft`] | the file until it is complete, for this program's user alone |
//! | [`settings`] | `lunapassvideo.config.toml` |
//!
//! A session's job is there from its first frame on, due at the session's end or when nobody has come back for long enough;
//! so that a service that is killed loses nothing that Redis has. A worker has a job for the time of a lease, which it prolongs;
//! one that is killed loses the job to another. Frames stay until some time after the video was built: who comes back gets
//! the whole session into the same file.

pub mod build;
pub mod draft;
pub mod job;
pub mod queue;
pub mod recorder;
pub mod settings;
pub mod worker;

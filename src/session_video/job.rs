//! One job: reads the frames, builds the video under a name of its own, puts it in its place, runs the task's command.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::sync::mpsc;

use super::build::{BuildError, Codec, Film, Video};
use super::draft::{Draft, make_folder};
use super::queue::{Job, Queue, StoredFrame};
use super::settings::{BUILT_IN, CommandLine, Settings};
use super::worker::Retry;
use crate::frame_door::protocol::SessionId;

/// What is read of Redis at once, as far as it can be told beforehand: twice as much is in memory at most.
const CHUNK_BYTES: usize = 8 << 20;
const CHUNK_FRAMES: usize = 64;
/// What files that are being built end with; they begin with a dot.
const UNFINISHED: &str = ".part";

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// There is no video.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The video is there, its task is not.
    #[error("this worker has no task {0}: add it to [WORKER.TASKS]")]
    UnknownTask(String),
    /// The video is there; the program is not, or may not be run.
    #[error("the command of the task {0} cannot be run: {1}")]
    NoCommand(String, std::io::Error),
    /// The video is there; the program says that it failed.
    #[error("the command of the task {0} failed: {1}")]
    Command(String, ExitStatus),
    /// The video is there; the program was ended.
    #[error("the command of the task {0} was not done within {1:?}")]
    CommandTimeout(String, Duration),
    /// Another worker has the job.
    #[error("another worker has taken the job")]
    Lost,
    /// A thread of this program panicked.
    #[error("the thread that builds the video ended unexpectedly")]
    Thread,
}

impl JobError {
    /// Whether another attempt would fail in the same way.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Build(BuildError::NoPicture(_)) | Self::UnknownTask(_))
    }
}

/// A job that is done.
#[derive(Clone, Debug)]
pub struct Done {
    /// Where the video is.
    pub file: PathBuf,
    /// What is in it.
    pub video: Video,
    /// Number of the last frame that was read.
    pub read: u64,
}

impl Done {
    /// For the job's record.
    pub fn fields(&self, codec: Codec) -> [(&'static str, String); 7] {
        [
            ("file", self.file.display().to_string()),
            ("codec", codec.name().to_owned()),
            ("pictures", self.video.pictures.to_string()),
            ("left_out", self.video.left_out.to_string()),
            ("width", self.video.width.to_string()),
            ("height", self.video.height.to_string()),
            ("duration_ms", self.video.duration.as_millis().to_string()),
        ]
    }
}

/// Works on a job. May be dropped at any time: then nothing unfinished stays.
///
/// # Errors
/// [`JobError`]; from the task on the video is in its place nevertheless.
pub async fn run(queue: &Queue, settings: &Settings, job: &Job) -> Result<Done, JobError> {
    let folder = &settings.folder;
    let failed = |error| BuildError::File(folder.clone(), error);
    make_folder(folder).await.map_err(failed)?;
    remove(folder, &format!(".{}.", job.session), UNFINISHED).await.map_err(failed)?;
    let unfinished = folder.join(format!(".{}.{}{UNFINISHED}", job.session, job.token));
    let built = tokio::time::timeout(settings.timeout, build(queue, settings, job.session, &unfinished)).await;
    let (video, draft, read) = built.map_err(|_| BuildError::Timeout(settings.timeout))??;
    let file = folder.join(format!("{}.{}", job.session, settings.codec.extension()));
    if !Retry::default().run(queue, || queue.prolong(job, settings.lease)).await {
        return Err(JobError::Lost);
    }
    draft.keep_as(&file).await.map_err(|error| BuildError::File(file.clone(), error))?;
    // of another codec, from before the settings were changed
    for other in Codec::ALL.map(Codec::extension).into_iter().filter(|other| *other != settings.codec.extension()) {
        let _ = tokio::fs::remove_file(folder.join(format!("{}.{other}", job.session))).await;
    }
    if job.task != BUILT_IN {
        let command = settings.tasks.get(&job.task).ok_or_else(|| JobError::UnknownTask(job.task.clone()))?;
        run_command(command, &job.task, &file, job.session, settings.timeout).await?;
    }
    Ok(Done { file, video, read })
}

/// What a worker left that was killed.
async fn remove(folder: &Path, begin: &str, end: &str) -> std::io::Result<()> {
    let mut entries = tokio::fs::read_dir(folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(begin) && name.ends_with(end)) {
            let _ = tokio::fs::remove_file(entry.path()).await;
        }
    }
    Ok(())
}

enum Chunk {
    Frames(Vec<StoredFrame>),
    End,
}

/// The video, its file, and the number of the last frame in it.
async fn build(
    queue: &Queue,
    settings: &Settings,
    session: SessionId,
    file: &Path,
) -> Result<(Video, Draft, u64), JobError> {
    let (sender, receiver) = mpsc::channel(1);
    let film = Film::new(settings.codec, file, settings.timeout);
    let building = tokio::task::spawn_blocking(move || film_chunks(film, receiver));
    let read = send_chunks(queue, session, sender).await;
    let built = building.await.map_err(|_| JobError::Thread)??;
    let (video, draft) = built.ok_or(JobError::Thread)?;
    Ok((video, draft, read))
}

/// Until the end; none when whoever sends is gone before it.
fn film_chunks(mut film: Film, mut chunks: mpsc::Receiver<Chunk>) -> Result<Option<(Video, Draft)>, BuildError> {
    loop {
        match chunks.blocking_recv() {
            Some(Chunk::Frames(frames)) => {
                frames.into_iter().try_for_each(|frame| film.push(frame.at, &frame.file))?;
            }
            Some(Chunk::End) => return film.finish().map(Some),
            None => return Ok(None),
        }
    }
}

/// Sends all frames, for as long as somebody wants them. Answers the number of the last.
async fn send_chunks(queue: &Queue, session: SessionId, chunks: mpsc::Sender<Chunk>) -> u64 {
    let (mut read, mut largest, mut count) = (0, 1, 1);
    loop {
        let frames = Retry::default().run(queue, || queue.read(session, read + 1, count)).await;
        let Some(last) = frames.last() else { break };
        read = last.number;
        largest = frames.iter().map(|frame| frame.file.len()).fold(largest, usize::max);
        count = (CHUNK_BYTES / largest).clamp(1, CHUNK_FRAMES);
        if chunks.send(Chunk::Frames(frames)).await.is_err() {
            return read;
        }
    }
    // when nobody listens any more, they know why
    let _ = chunks.send(Chunk::End).await;
    read
}

/// Without a shell. What it prints goes where this program's own log goes.
async fn run_command(
    command: &CommandLine,
    task: &str,
    video: &Path,
    session: SessionId,
    timeout: Duration,
) -> Result<(), JobError> {
    let no_command = |error| JobError::NoCommand(task.to_owned(), error);
    let mut child = tokio::process::Command::new(&command.program)
        .args(&command.arguments)
        .arg(video)
        .arg(session.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(no_command)?;
    let status = tokio::time::timeout(timeout, child.wait()).await;
    let status = status.map_err(|_| JobError::CommandTimeout(task.to_owned(), timeout))?.map_err(no_command)?;
    if status.success() { Ok(()) } else { Err(JobError::Command(task.to_owned(), status)) }
}

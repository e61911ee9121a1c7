//! Takes jobs, until it is stopped.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use redis::RedisError;
use tokio_util::sync::CancellationToken;

use super::build::{self, BuildError};
use super::job::{self, Done, JobError};
use super::queue::{Claim, Job, Queue, QueueError, reason};
use super::settings::Settings;
use crate::redact::shorten;

/// Between two questions for a job.
const POLL: Duration = Duration::from_millis(500);
/// How long a job may go on once the worker is to stop; then it is given back. systemd waits for 90 s.
const GRACE: Duration = Duration::from_secs(60);
/// How long a worker that is to stop tries to tell Redis what became of its job.
const LAST_WORDS: Duration = Duration::from_secs(5);
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// The longest time between two attempts.
const LONGEST_RETRY: Duration = Duration::from_secs(3600);

/// Why a worker cannot work.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Its queue cannot be opened.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// It cannot build videos.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A claim needs a name of its own.
    #[error("the operating system has no randomness: {0}")]
    Random(#[from] getrandom::Error),
    /// A worker that does not wait.
    #[error("Redis at {address} cannot be reached: {}", reason(error))]
    Redis {
        /// Host and port.
        address: String,
        /// What it says.
        error: RedisError,
    },
}

/// Jobs that came to their end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Videos.
    pub built: u64,
    /// Attempts that failed.
    pub failed: u64,
}

/// A worker: one queue, one folder.
pub struct Worker {
    queue: Queue,
    settings: Settings,
    /// Redis did not answer last time.
    away: AtomicBool,
}

impl Worker {
    /// Checks that videos can be built; does not need Redis yet.
    ///
    /// # Errors
    /// [`WorkerError`]: the codec's elements are missing, or the queue cannot be opened.
    pub fn open(settings: Settings) -> Result<Self, WorkerError> {
        build::check(settings.codec)?;
        let queue = Queue::open(settings.redis.clone(), &settings.queue)?;
        Ok(Self { queue, settings, away: AtomicBool::new(false) })
    }

    /// Works on as many jobs at a time as `concurrency` says, until `stop`; with `once`, until no job is due.
    ///
    /// # Errors
    /// [`WorkerError`]; with `once` also when Redis cannot be reached.
    pub async fn run(&self, concurrency: usize, once: bool, stop: &CancellationToken) -> Result<Totals, WorkerError> {
        let lanes = (0..concurrency.max(1)).map(|_| self.lane(once, stop));
        let lanes = futures_util::future::try_join_all(lanes).await?;
        let add = |a: Totals, b: Totals| Totals { built: a.built + b.built, failed: a.failed + b.failed };
        Ok(lanes.into_iter().fold(Totals::default(), add))
    }

    async fn lane(&self, once: bool, stop: &CancellationToken) -> Result<Totals, WorkerError> {
        let mut totals = Totals::default();
        let mut delays = backoff();
        while !stop.is_cancelled() {
            let mut token = [0; 8];
            getrandom::fill(&mut token)?;
            let claim = self.queue.claim(&hex::encode(token), self.settings.lease, self.settings.attempts).await;
            self.tell(&claim);
            let pause = match claim {
                Ok(Claim::Job(job)) => {
                    match self.work(&job, stop).await {
                        Some(true) => totals.built += 1,
                        Some(false) => totals.failed += 1,
                        None => (),
                    }
                    delays = backoff();
                    continue;
                }
                Ok(Claim::None(_)) if once => break,
                Ok(Claim::None(next)) => {
                    delays = backoff();
                    next.map_or(POLL, |next| next.min(POLL))
                }
                Err(error) if once => {
                    return Err(WorkerError::Redis { address: self.queue.address().to_string(), error });
                }
                Err(_) => delays.next().unwrap_or(LONGEST_DELAY),
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => (),
                () = stop.cancelled() => (),
            }
        }
        Ok(totals)
    }

    /// Says when Redis goes and when it comes.
    fn tell<T>(&self, answer: &Result<T, RedisError>) {
        let address = self.queue.address();
        match (answer, self.away.swap(answer.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => {
                tracing::warn!("Redis at {address} cannot be reached, trying again: {}", reason(error))
            }
            (Ok(_), true) => tracing::info!("Redis at {address} is back"),
            _ => (),
        }
    }

    /// Works on a job and tells Redis what came of it. Whether there is a video; none when it is not this worker's any more.
    async fn work(&self, job: &Job, stop: &CancellationToken) -> Option<bool> {
        let session = job.session;
        tracing::debug!(?session, attempt = job.attempt, "building the video of a session");
        let begun = tokio::time::Instant::now();
        let result = tokio::select! {
            result = job::run(&self.queue, &self.settings, job) => result,
            () = self.keep(job) => Err(JobError::Lost),
            () = async { stop.cancelled().await; tokio::time::sleep(GRACE).await } => {
                tracing::warn!(?session, "the video was not done in time, its job is given back");
                let release = Retry::default();
                let _ = tokio::time::timeout(LAST_WORDS, release.run(&self.queue, || self.queue.release(job))).await;
                return None;
            }
        };
        let is_mine = tokio::select! {
            is_mine = self.report(job, &result) => is_mine,
            () = async { stop.cancelled().await; tokio::time::sleep(LAST_WORDS).await } => false,
        };
        match result {
            _ if !is_mine => {
                tracing::warn!(?session, "the job went to another worker");
                None
            }
            Ok(Done { video, .. }) => {
                let seconds = begun.elapsed().as_secs_f32();
                tracing::info!(?session, pictures = video.pictures, left_out = video.left_out, seconds, "video built");
                Some(true)
            }
            Err(error) => {
                let id = session.to_string();
                let error = error.to_string().replace(&id, &shorten(&id));
                tracing::error!(?session, attempt = job.attempt, "the job of a session failed: {error}");
                Some(false)
            }
        }
    }

    /// Whether the job was this worker's until its end.
    async fn report(&self, job: &Job, result: &Result<Done, JobError>) -> bool {
        let (queue, settings) = (&self.queue, &self.settings);
        match result {
            Ok(done) => {
                let fields = done.fields(settings.codec);
                Retry::default().run(queue, || queue.built(job, done.read, &fields)).await
            }
            Err(JobError::Lost) => false,
            Err(error) => {
                let attempts = if error.is_final() { 0 } else { settings.attempts };
                let factor = 4u32.saturating_pow(job.attempt.saturating_sub(1));
                let delay = settings.retry_delay.saturating_mul(factor).min(LONGEST_RETRY);
                let reason = error.to_string();
                Retry::default().run(queue, || queue.failed(job, &reason, attempts, delay)).await
            }
        }
    }

    /// Prolongs the lease, for as long as the job is this worker's.
    async fn keep(&self, job: &Job) {
        loop {
            tokio::time::sleep(self.settings.lease / 3).await;
            if !Retry::default().run(&self.queue, || self.queue.prolong(job, self.settings.lease)).await {
                return;
            }
        }
    }
}

fn backoff() -> ExponentialBackoff {
    let backoff = ExponentialBuilder::default().with_min_delay(FIRST_DELAY).with_max_delay(LONGEST_DELAY);
    backoff.with_jitter().without_max_times().build()
}

/// Asks Redis until it answers.
pub(super) struct Retry(ExponentialBackoff);

impl Default for Retry {
    fn default() -> Self {
        Self(backoff())
    }
}

impl Retry {
    pub(super) async fn run<T, F: Future<Output = Result<T, RedisError>>>(
        mut self,
        queue: &Queue,
        ask: impl Fn() -> F,
    ) -> T {
        loop {
            match ask().await {
                Ok(answer) => return answer,
                Err(error) => {
                    tracing::debug!("Redis at {} does not answer: {}", queue.address(), reason(&error));
                    tokio::time::sleep(self.0.next().unwrap_or(LONGEST_DELAY)).await;
                }
            }
        }
    }
}

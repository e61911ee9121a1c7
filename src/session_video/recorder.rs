//! The service's side: takes what sessions have to say, at once, and brings it to Redis when it can.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::queue::{Address, Message, News, Queue, QueueError, Terms, reason};
use crate::frame_door::protocol::SessionId;
use crate::frame_door::settings::VideoRedis;
use crate::lock::lock;

/// What waits for Redis: bytes of pictures, and messages. The oldest frames beyond are dropped.
const MAX_BYTES: usize = 64 << 20;
const MAX_MESSAGES: usize = 16_384;
/// What is sent at once.
const BATCH_BYTES: usize = 4 << 20;
const BATCH_MESSAGES: usize = 64;
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// Why there is no recorder.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// Its queue cannot be opened.
    #[error("MIDDLEWARES.WS.VideoRedis: {0}")]
    Queue(#[from] QueueError),
    /// A writer needs a name of its own.
    #[error("the operating system has no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

/// Brings frames to Redis. Clones are the same recorder; with the last one it ends, after what it could send.
#[derive(Clone)]
pub struct Recorder(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Something came, or it is time to close.
    news: Notify,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Message>,
    bytes: usize,
    /// Of messages so far.
    number: u64,
    /// Since Redis took messages last.
    dropped: u64,
    closing: bool,
    /// Nobody waits for the end any more.
    abandoned: bool,
}

fn size(message: &Message) -> usize {
    match &message.news {
        News::Frame { file, .. } => file.len(),
        News::Ended { .. } => 0,
    }
}

impl Waiting {
    /// Puts a message at the end. Answers whether this is the first that others were dropped for.
    fn push(&mut self, session: SessionId, news: News) -> bool {
        self.number += 1;
        let message = Message { session, number: self.number, news };
        self.bytes += size(&message);
        self.messages.push_back(message);
        let before = self.dropped;
        while (self.bytes > MAX_BYTES || self.messages.len() > MAX_MESSAGES) && self.drop_oldest() {}
        before == 0 && self.dropped > 0
    }

    /// A frame, where there is one: an end is what makes a video of the others.
    fn drop_oldest(&mut self) -> bool {
        let frame = self.messages.iter().position(|message| matches!(message.news, News::Frame { .. }));
        let oldest = self.messages.remove(frame.unwrap_or(0));
        self.bytes -= oldest.as_ref().map_or(0, size);
        self.dropped += u64::from(oldest.is_some());
        oldest.is_some()
    }

    fn batch(&mut self) -> Vec<Message> {
        let mut bytes = 0;
        let fits = self.messages.iter().take(BATCH_MESSAGES).take_while(|message| {
            let first = bytes == 0;
            bytes += size(message);
            first || bytes <= BATCH_BYTES
        });
        let count = fits.count();
        let batch: Vec<Message> = self.messages.drain(..count).collect();
        self.bytes -= batch.iter().map(size).sum::<usize>();
        batch
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }

    fn close(&self) {
        self.lock().closing = true;
        self.news.notify_one();
    }
}

impl Recorder {
    /// Starts the task that talks to Redis, which need not be there yet.
    ///
    /// # Errors
    /// [`RecorderError`]: the connection string cannot be used, or there is no tokio runtime.
    pub fn start(settings: &VideoRedis) -> Result<Self, RecorderError> {
        let queue = Queue::open(Address::read(&settings.address)?, &settings.queue)?;
        let terms = Terms {
            frames_limit: settings.frames_limit,
            session_timeout: settings.session_timeout,
            result_ttl: settings.result_ttl,
            failure_ttl: settings.failure_ttl,
            task: settings.task.clone(),
        };
        let mut name = [0; 8];
        getrandom::fill(&mut name)?;
        let shared = Arc::new(Shared::default());
        let writer = Writer { queue, terms, name: hex::encode(name), shared: shared.clone() };
        let task = Mutex::new(Some(tokio::spawn(writer.run())));
        Ok(Self(Arc::new(Handle { shared, task })))
    }

    /// A frame of a session: a picture file, and when it came. Never waits.
    pub fn frame(&self, session: SessionId, since_begin: Duration, file: Bytes) {
        self.push(session, News::Frame { at: since_begin, file });
    }

    /// The session is over, or nobody comes back to it. Never waits.
    pub fn ended(&self, session: SessionId, has_best_shot: bool) {
        self.push(session, News::Ended { has_best_shot });
    }

    fn push(&self, session: SessionId, news: News) {
        if self.0.shared.lock().push(session, news) {
            tracing::warn!(
                "session video: {} MiB wait for Redis, the oldest frames are dropped from now on",
                MAX_BYTES >> 20
            );
        }
        self.0.shared.news.notify_one();
    }

    /// Sends what waits, for as long as `grace`, and ends.
    pub async fn close(&self, grace: Duration) {
        let task = lock(&self.0.task).take();
        let Some(mut task) = task else { return };
        self.0.shared.close();
        if tokio::time::timeout(grace, &mut task).await.is_err() {
            task.abort();
            // what was under way is gone as well
            let _ = task.await;
            tracing::warn!(
                "session video: Redis did not take everything within {grace:?}, frames of sessions are lost"
            );
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.lock().abandoned = true;
        self.shared.close();
    }
}

/// The task.
struct Writer {
    queue: Queue,
    terms: Terms,
    name: String,
    shared: Arc<Shared>,
}

impl Writer {
    async fn run(self) {
        loop {
            let (batch, closing) = {
                let mut waiting = self.shared.lock();
                (waiting.batch(), waiting.closing)
            };
            if !batch.is_empty() {
                self.send(&batch).await;
            } else if closing {
                return;
            } else {
                self.shared.news.notified().await;
            }
        }
    }

    /// Until it is done, or nobody waits for it.
    async fn send(&self, batch: &[Message]) {
        let backoff = ExponentialBuilder::default().with_min_delay(FIRST_DELAY).with_max_delay(LONGEST_DELAY);
        let mut delays = backoff.with_jitter().without_max_times().build();
        let mut failed = false;
        while let Err(error) = self.queue.write(&self.name, &self.terms, batch).await {
            if !failed {
                tracing::warn!(
                    "session video: Redis at {} does not take frames, which wait: {}",
                    self.queue.address(),
                    reason(&error)
                );
            }
            failed = true;
            if self.shared.lock().abandoned {
                return;
            }
            tokio::time::sleep(delays.next().unwrap_or(LONGEST_DELAY)).await;
        }
        if failed {
            let dropped = std::mem::take(&mut self.shared.lock().dropped);
            tracing::info!(dropped, "session video: Redis takes frames again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u8) -> SessionId {
        format!("{number:032x}").parse().unwrap()
    }

    fn frame(bytes: usize) -> News {
        News::Frame { at: Duration::ZERO, file: vec![0; bytes].into() }
    }

    #[test]
    fn the_oldest_frames_are_dropped_and_ends_are_not() {
        let mut waiting = Waiting::default();
        assert!(!waiting.push(session(1), News::Ended { has_best_shot: true }));
        for number in 0..4 {
            assert!(!waiting.push(session(number), frame(MAX_BYTES / 4)));
        }
        assert!(waiting.push(session(9), frame(1)), "the first that is too much is told");
        assert!(!waiting.push(session(9), frame(MAX_BYTES / 4)), "and told once");
        let left: Vec<(u64, usize)> = waiting.messages.iter().map(|message| (message.number, size(message))).collect();
        let quarter = MAX_BYTES / 4;
        assert_eq!(left, [(1, 0), (4, quarter), (5, quarter), (6, 1), (7, quarter)]);
        assert_eq!((waiting.dropped, waiting.bytes), (2, 3 * quarter + 1));
        for _ in 0..MAX_MESSAGES {
            waiting.push(session(9), frame(1));
        }
        assert_eq!(waiting.messages.len(), MAX_MESSAGES);
    }

    #[test]
    fn batches_are_bounded_and_in_order() {
        let mut waiting = Waiting::default();
        for bytes in [BATCH_BYTES + 1, 1, BATCH_BYTES, 1] {
            waiting.push(session(1), frame(bytes));
        }
        let mut numbers = || waiting.batch().iter().map(|message| message.number).collect::<Vec<_>>();
        assert_eq!([numbers(), numbers(), numbers(), numbers()], [vec![1], vec![2], vec![3], vec![4]]);
        for _ in 0..=BATCH_MESSAGES {
            waiting.push(session(1), frame(1));
        }
        assert_eq!(waiting.batch().len(), BATCH_MESSAGES);
        assert_eq!((waiting.batch().len(), waiting.bytes), (1, 0));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_redis_that_is_not_there() {
        let settings = VideoRedis {
            address: "redis://me:secret@127.0.0.1:1/".to_owned().into(),
            queue: "q".into(),
            result_ttl: Duration::ZERO,
            failure_ttl: Duration::ZERO,
            session_timeout: Duration::ZERO,
            task: "task.run".into(),
            frames_limit: None,
        };
        let recorder = Recorder::start(&settings).unwrap();
        recorder.frame(session(1), Duration::ZERO, Bytes::from_static(b"picture"));
        recorder.ended(session(1), false);
        recorder.close(Duration::from_millis(300)).await;
        // a second one has nothing to do
        recorder.close(Duration::from_secs(60)).await;
    }

    #[test]
    fn an_address_is_told_without_its_password() {
        let address = Address::read(&"redis://me:secret@host:7/2".to_owned().into()).unwrap();
        assert_eq!(format!("{address} {address:?}"), "host:7 host:7");
        let error = Address::read(&"http://me:secret@host".to_owned().into()).unwrap_err().to_string();
        assert!(error.contains("redis://") && !error.contains("secret"), "{error}");
        let error = Address::read(&"rediss://me:secret@host/#insecure".to_owned().into()).unwrap_err().to_string();
        assert!(error.contains("SSL_CERT_FILE") && !error.contains("me:secret"), "{error}");
    }
}

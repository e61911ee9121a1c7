//! Threads around a [`Schedule`]: each has a worker of its own (networks are not shared), all serve the same line.
//!
//! Where several frames can be worked on together, a thread that has one waits a moment for those of other streams. One
//! thread does so at a time: what comes meanwhile belongs to it.
//!
//! A panic in a worker's code ends that frame or job and nothing else. Closing ends all threads; what waits is dropped.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::schedule::{Batch, Schedule, StreamId, Turn};

/// What a thread of the pool does.
pub trait Worker: Send + 'static {
    /// What is kept of a stream.
    type Stream: Send + Sync + 'static;
    /// What a stream submits.
    type Frame: Send + 'static;

    /// Works on frames, each of another stream. Never called for one stream from two threads at once.
    fn frames(&mut self, batch: Vec<(Arc<Self::Stream>, Self::Frame)>);
}

/// How many frames are worked on together.
#[derive(Clone, Copy, Debug)]
pub struct Batching {
    /// At most so many, at least one.
    pub most: usize,
    /// How long the first one waits for others.
    pub wait: Duration,
}

type Job<W> = Box<dyn FnOnce(&mut W) + Send>;

/// Why a job has no result.
#[derive(Debug, PartialEq, Eq)]
pub enum NoResult {
    /// The pool is closed.
    Closed,
    /// The job panicked.
    Panicked,
    /// Asked from a thread of the pool, which would wait for itself.
    InsidePool,
}

struct State<W: Worker> {
    schedule: Schedule<W::Frame, Job<W>>,
    streams: HashMap<StreamId, Arc<W::Stream>>,
    /// A thread has a batch that is not full, and waits for more.
    gathering: bool,
    closed: bool,
}

impl<W: Worker> State<W> {
    /// Wakes another thread for who still stands in the line: nobody was woken for them while a thread gathered.
    fn pass_on(&self, shared: &Shared<W>) {
        if self.schedule.is_waiting() {
            shared.work.notify_one();
        }
    }
}

struct Shared<W: Worker> {
    state: Mutex<State<W>>,
    batching: Batching,
    /// For idle threads.
    work: Condvar,
    /// For the thread that gathers.
    more: Condvar,
}

impl<W: Worker> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        // Nothing that can panic happens under the lock, so a poisoned one is sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever has to look at the line.
    fn notify(&self, is_gathering: bool) {
        if is_gathering { self.more.notify_one() } else { self.work.notify_one() }
    }
}

thread_local! {
    static INSIDE_POOL: Cell<bool> = const { Cell::new(false) };
}

/// The threads. Dropping it closes it.
pub struct Pool<W: Worker> {
    shared: Arc<Shared<W>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl<W: Worker> Pool<W> {
    /// One thread per worker, named after `name`.
    pub fn start(name: &str, workers: Vec<W>, batching: Batching) -> std::io::Result<Self> {
        let state = State { schedule: Schedule::default(), streams: HashMap::new(), gathering: false, closed: false };
        let (state, work, more) = (Mutex::new(state), Condvar::new(), Condvar::new());
        let pool = Self { shared: Arc::new(Shared { state, batching, work, more }), threads: Mutex::default() };
        for (index, worker) in workers.into_iter().enumerate() {
            let shared = Arc::clone(&pool.shared);
            // On an error the pool is dropped, which ends the threads that there are.
            let thread =
                thread::Builder::new().name(format!("{name}-{index}")).spawn(move || serve(&shared, worker))?;
            pool.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(pool)
    }

    /// A new stream. After [`Pool::close`] it takes frames and drops them.
    pub fn open(&self, stream: W::Stream) -> PoolStream<W> {
        let mut state = self.shared.lock();
        let id = state.schedule.open();
        state.streams.insert(id, Arc::new(stream));
        PoolStream { shared: Arc::clone(&self.shared), id, dropped: AtomicU64::new(0) }
    }

    /// Runs `job` on a thread of the pool when its turn comes, and waits for its result.
    pub fn run<R: Send + 'static>(&self, job: impl FnOnce(&mut W) -> R + Send + 'static) -> Result<R, NoResult> {
        if INSIDE_POOL.get() {
            return Err(NoResult::InsidePool);
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let is_gathering = {
            let mut state = self.shared.lock();
            if state.closed {
                return Err(NoResult::Closed);
            }
            state.schedule.add_job(Box::new(move |worker| {
                // Whoever asked may be gone.
                sender.send(job(worker)).ok();
            }));
            state.gathering
        };
        self.shared.notify(is_gathering);
        // Without a result the job was dropped: unrun when the pool closed, else in the middle, by a panic.
        receiver.recv().map_err(|_| if self.shared.lock().closed { NoResult::Closed } else { NoResult::Panicked })
    }

    /// Ends the threads: work that has begun is finished, what waits is dropped. From a thread of the pool it does not
    /// wait for that thread.
    pub fn close(&self) {
        let waiting = {
            let mut state = self.shared.lock();
            state.closed = true;
            state.schedule.clear()
        };
        drop(waiting);
        self.shared.work.notify_all();
        self.shared.more.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.thread().id() != thread::current().id() && thread.join().is_err() {
                tracing::error!("a thread of the engine ended by a panic");
            }
        }
    }
}

impl<W: Worker> Drop for Pool<W> {
    fn drop(&mut self) {
        self.close();
    }
}

fn serve<W: Worker>(shared: &Shared<W>, mut worker: W) {
    INSIDE_POOL.set(true);
    while let Some(work) = wait(shared) {
        match work {
            Work::Job(job) => {
                if catch_unwind(AssertUnwindSafe(|| job(&mut worker))).is_err() {
                    tracing::error!("a job of the engine panicked");
                }
            }
            Work::Frames(ids, batch) => {
                if catch_unwind(AssertUnwindSafe(|| worker.frames(batch))).is_err() {
                    tracing::error!("work on a frame panicked");
                }
                let mut state = shared.lock();
                let waiting = ids.into_iter().filter(|id| state.schedule.done(*id)).count();
                let is_gathering = state.gathering;
                drop(state);
                // This thread takes one of them itself.
                (0..waiting).for_each(|_| shared.notify(is_gathering));
            }
        }
    }
}

enum Work<W: Worker> {
    Job(Job<W>),
    /// With the streams that they belong to, all of which are to be told as done.
    Frames(Vec<StreamId>, Vec<(Arc<W::Stream>, W::Frame)>),
}

/// What to do next; `None` when the pool is closed.
fn wait<W: Worker>(shared: &Shared<W>) -> Option<Work<W>> {
    let mut state = shared.lock();
    loop {
        if state.closed {
            return None;
        }
        // What waits now belongs to the thread that gathers.
        let turn = if state.gathering { None } else { state.schedule.next(shared.batching.most) };
        match turn {
            Some(Turn::Job(job)) => {
                state.pass_on(shared);
                return Some(Work::Job(job));
            }
            Some(Turn::Frames(batch)) => {
                let (state, batch) = gather(shared, state, batch);
                let ids = batch.iter().map(|(id, _)| *id).collect();
                let open = batch.into_iter().filter_map(|(id, frame)| Some((state.streams.get(&id)?.clone(), frame)));
                return Some(Work::Frames(ids, open.collect()));
            }
            None => state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// Waits until a batch is full, its time is over, or nothing more can come.
fn gather<'a, W: Worker>(
    shared: &Shared<W>,
    mut state: MutexGuard<'a, State<W>>,
    mut batch: Batch<W::Frame>,
) -> (MutexGuard<'a, State<W>>, Batch<W::Frame>) {
    let Batching { most, wait } = shared.batching;
    let deadline = Instant::now() + wait;
    state.gathering = true;
    while state.schedule.fill(&mut batch, most) && !state.closed {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        (state, _) = shared.more.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
    }
    state.gathering = false;
    state.pass_on(shared);
    (state, batch)
}

/// One stream of a pool. Dropping it forgets the stream: its waiting frame is dropped; work that has begun on a frame
/// goes on to its end.
pub struct PoolStream<W: Worker> {
    shared: Arc<Shared<W>>,
    id: StreamId,
    dropped: AtomicU64,
}

impl<W: Worker> PoolStream<W> {
    /// Puts a frame in the place of the one that waits, if any. Never blocks.
    pub fn submit(&self, frame: W::Frame) {
        let (replaced, is_gathering) = {
            let mut state = self.shared.lock();
            let replaced = if state.closed { Some(frame) } else { state.schedule.submit(self.id, frame) };
            (replaced, state.gathering)
        };
        if replaced.is_some() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            self.shared.notify(is_gathering);
        }
    }

    /// Frames that were replaced by a newer one before their turn came, or came after the end.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl<W: Worker> Drop for PoolStream<W> {
    fn drop(&mut self) {
        // What they own is dropped outside the lock.
        let (_frame, _stream) = {
            let mut state = self.shared.lock();
            (state.schedule.close(self.id), state.streams.remove(&self.id))
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    /// A worker whose every frame waits until the test lets it go. It tells how many come together.
    struct Gated(Option<Sender<usize>>);

    struct Stream {
        gate: Mutex<Receiver<()>>,
        log: Sender<&'static str>,
        inside: AtomicUsize,
    }

    impl Worker for Gated {
        type Stream = Stream;
        type Frame = &'static str;

        fn frames(&mut self, batch: Vec<(Arc<Stream>, &'static str)>) {
            if let Some(sizes) = &self.0 {
                sizes.send(batch.len()).ok();
            }
            for (stream, frame) in batch {
                Self::frame(&stream, frame);
            }
        }
    }

    impl Gated {
        fn frame(stream: &Stream, frame: &'static str) {
            assert_eq!(stream.inside.fetch_add(1, Ordering::SeqCst), 0, "two threads in one stream");
            stream.log.send(frame).ok();
            stream.gate.lock().unwrap().recv_timeout(SOON).ok();
            stream.inside.fetch_sub(1, Ordering::SeqCst);
            assert_ne!(frame, "panic", "as the test wants it");
        }
    }

    struct Test {
        stream: PoolStream<Gated>,
        go: Sender<()>,
        log: Receiver<&'static str>,
    }

    fn open(pool: &Pool<Gated>) -> Test {
        let ((go, gate), (log, read)) = (channel(), channel());
        let stream = pool.open(Stream { gate: Mutex::new(gate), log, inside: AtomicUsize::new(0) });
        Test { stream, go, log: read }
    }

    fn pool(threads: usize) -> Pool<Gated> {
        let batching = Batching { most: 1, wait: Duration::ZERO };
        Pool::start("test", (0..threads).map(|_| Gated(None)).collect(), batching).unwrap()
    }

    #[test]
    fn newest_wins_and_one_thread_per_stream() {
        let pool = pool(3);
        let test = open(&pool);
        test.stream.submit("first");
        assert_eq!(test.log.recv_timeout(SOON), Ok("first"));
        for frame in ["a", "b", "newest"] {
            test.stream.submit(frame);
        }
        assert!(test.log.recv_timeout(Duration::from_millis(50)).is_err(), "two idle threads leave the stream alone");
        test.go.send(()).unwrap();
        assert_eq!(test.log.recv_timeout(SOON), Ok("newest"));
        assert_eq!(test.stream.dropped(), 2);
        test.go.send(()).unwrap();
    }

    #[test]
    fn a_panic_ends_one_frame_only() {
        let pool = pool(1);
        let test = open(&pool);
        for frame in ["panic", "after", "panic", "again"] {
            test.stream.submit(frame);
            assert_eq!(test.log.recv_timeout(SOON), Ok(frame));
            test.go.send(()).unwrap();
            pool.run(|_| ()).unwrap();
        }
        assert_eq!(pool.run(|_| -> u32 { panic!("as the test wants it") }), Err(NoResult::Panicked));
        assert_eq!(pool.run(|_| 7), Ok(7));
    }

    #[test]
    fn a_dropped_stream_is_forgotten_in_the_middle_of_its_work() {
        let pool = pool(1);
        let Test { stream, go, log } = open(&pool);
        stream.submit("first");
        assert_eq!(log.recv_timeout(SOON), Ok("first"));
        stream.submit("never");
        drop(stream);
        go.send(()).unwrap();
        assert_eq!(pool.run(|_| 1), Ok(1), "the thread is free again");
        assert!(log.recv_timeout(SOON).is_err(), "and the stream's own data is gone");
    }

    #[test]
    fn closing_finishes_begun_work_and_drops_the_rest() {
        let pool = Arc::new(pool(1));
        let test = open(&pool);
        test.stream.submit("first");
        assert_eq!(test.log.recv_timeout(SOON), Ok("first"));
        test.stream.submit("waiting");
        let job = thread::spawn({
            let pool = Arc::clone(&pool);
            move || pool.run(|_| 1)
        });
        while pool.shared.lock().schedule.waiting_jobs() == 0 {
            thread::yield_now();
        }
        let closer = thread::spawn({
            let pool = Arc::clone(&pool);
            move || pool.close()
        });
        while !pool.shared.lock().closed {
            thread::yield_now();
        }
        test.go.send(()).unwrap();
        closer.join().unwrap();
        assert_eq!(job.join().unwrap(), Err(NoResult::Closed));
        assert!(test.log.try_recv().is_err());
        assert_eq!(pool.run(|_| 1), Err(NoResult::Closed));
        test.stream.submit("late");
        assert_eq!(test.stream.dropped(), 1);
        pool.close();
    }

    #[test]
    fn a_thread_of_the_pool_cannot_wait_for_itself() {
        let pool = Arc::new(pool(1));
        let inner = Arc::clone(&pool);
        assert_eq!(pool.run(move |_| inner.run(|_| 1)), Ok(Err(NoResult::InsidePool)));
        // The last owner may be a thread of the pool.
        let (inner, (done, wait)) = (Arc::clone(&pool), channel());
        pool.run(move |_| {
            inner.close();
            done.send(()).ok();
        })
        .ok();
        assert_eq!(wait.recv_timeout(SOON), Ok(()));
    }

    #[test]
    fn frames_that_wait_together_are_worked_on_together() {
        let (sizes, told) = channel();
        let workers = (0..2).map(|_| Gated(Some(sizes.clone()))).collect();
        let pool = Pool::start("test", workers, Batching { most: 3, wait: SOON }).unwrap();
        let tests: Vec<_> = (0..4).map(|_| open(&pool)).collect();
        tests.iter().for_each(|test| (0..9).for_each(|_| test.go.send(()).unwrap()));
        // A full batch goes at once, whatever the wait: here it would be longer than the test's own.
        tests[..3].iter().for_each(|test| test.stream.submit("frame"));
        assert_eq!(told.recv_timeout(SOON), Ok(3));
        tests[..3].iter().for_each(|test| assert_eq!(test.log.recv_timeout(SOON), Ok("frame")));
        // So does one that a job stands behind.
        tests[3].stream.submit("alone");
        assert_eq!(pool.run(|_| 1), Ok(1));
        assert_eq!(told.recv_timeout(SOON), Ok(1));
    }

    #[test]
    fn a_batch_waits_no_longer_than_it_may_and_not_for_nobody() {
        let (sizes, told) = channel();
        let start = |wait| Pool::start("test", vec![Gated(Some(sizes.clone()))], Batching { most: 8, wait }).unwrap();
        let pool = start(Duration::from_millis(5));
        let tests: Vec<_> = (0..2).map(|_| open(&pool)).collect();
        tests[0].go.send(()).unwrap();
        tests[0].stream.submit("frame");
        assert_eq!(told.recv_timeout(SOON), Ok(1), "the other stream sends nothing");

        let pool = start(SOON);
        let only = open(&pool);
        only.go.send(()).unwrap();
        only.stream.submit("frame");
        assert_eq!(told.recv_timeout(SOON / 2), Ok(1), "there is no other stream");
    }

    #[test]
    fn closing_ends_the_wait_for_more() {
        let (sizes, told) = channel();
        let pool = Pool::start("test", vec![Gated(Some(sizes))], Batching { most: 2, wait: SOON }).unwrap();
        let (first, _second) = (open(&pool), open(&pool));
        first.go.send(()).unwrap();
        first.stream.submit("frame");
        while !pool.shared.lock().gathering {
            thread::yield_now();
        }
        pool.close();
        assert_eq!(told.try_recv(), Ok(1), "what has begun is finished");
    }
}

//! What the subject sees: one thread per flow that composes the newest frame and the newest view at a steady rate, and
//! hands the picture to whichever connection there is.
//!
//! A view that changes is composed at once instead of at the next tick, so that an instruction does not wait. Frames and
//! views that come faster than the screen composes are replaced unseen; nothing queues.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use vision_core::picture::{I420View, PictureView};
use vision_core::subject_view::{Composer, SubjectView, output_size};

use super::frame::{Frame, FrameSink};
use super::pool::PicturePool;
use crate::lock::lock;

/// A camera that has been quiet for this long is shown as black: the picture would lie.
const STALE: Duration = Duration::from_secs(3);

/// Sees every composed picture, on the screen's thread.
pub type Observer = Box<dyn FnMut(&I420View<'_>, &SubjectView) + Send>;

/// What a screen is like.
pub struct ScreenOptions {
    /// Pictures per second.
    pub framerate: u32,
    /// Greatest width and height, for a picture that lies; one that stands swaps them.
    pub limit: (usize, usize),
    /// For contact sheets and tests. A screen with an observer composes also while nobody is connected.
    pub observer: Option<Observer>,
}

impl Default for ScreenOptions {
    fn default() -> Self {
        Self { framerate: 15, limit: (640, 480), observer: None }
    }
}

/// The subject's screen. Its thread ends when the last handle is dropped.
pub struct Screen {
    shared: Arc<Shared>,
}

struct Shared {
    slot: Mutex<Slot>,
    changed: Condvar,
}

/// What the next picture is made of.
#[derive(Default)]
struct Slot {
    frame: Option<Frame>,
    view: Arc<SubjectView>,
    /// The view is new: compose now.
    hurry: bool,
    /// What the new view answers happened then.
    cause: Option<Instant>,
    /// How long the last view with a cause took from there to its connection.
    reaction: Option<Duration>,
    target: Option<gst_app::AppSrc>,
    /// When the first frame came in.
    first_frame: Option<Instant>,
    /// When the first picture with words on it was handed to a connection.
    first_text: Option<Instant>,
    stop: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        lock(&self.slot)
    }
}

/// Draws one picture with words on it, which loads the fonts: the first subject would wait for them otherwise.
pub fn warm_up(size: (usize, usize)) -> Result<(), glib::BoolError> {
    let view = SubjectView { message: "?".into(), ..SubjectView::default() };
    let mut picture = PicturePool::new(size, 1)?.acquire()?;
    Composer::new().compose(None, &view, Instant::now(), &mut picture.view_mut());
    Ok(())
}

impl Screen {
    /// Starts a screen's thread. Where the machine has no thread left, nothing will be shown, which is said in the log.
    pub fn start(options: ScreenOptions) -> Self {
        let shared = Arc::new(Shared { slot: Mutex::default(), changed: Condvar::new() });
        let worker = shared.clone();
        let thread =
            std::thread::Builder::new().name("screen".into()).spawn(move || Worker::new(worker, options).run());
        if let Err(error) = thread {
            tracing::error!(%error, "a subject's screen has no thread");
        }
        Self { shared }
    }

    /// Where frames go in. Holds no handle on the screen.
    pub fn sink(&self) -> FrameSink {
        let shared: Weak<Shared> = Arc::downgrade(&self.shared);
        Arc::new(move |frame| {
            let Some(shared) = shared.upgrade() else { return };
            let mut slot = shared.lock();
            slot.first_frame.get_or_insert(frame.received);
            let old = slot.frame.replace(frame);
            drop(slot);
            drop(old);
        })
    }

    /// Where a room connects its subject.
    pub fn outlet(&self) -> Arc<dyn PictureSource> {
        Arc::new(ScreenOutlet { shared: Arc::downgrade(&self.shared) })
    }

    /// Shows another view from now on. `cause` is when that happened which it answers, for
    /// [`Screen::take_reaction`].
    pub fn show(&self, view: SubjectView, cause: Option<Instant>) {
        let mut slot = self.shared.lock();
        slot.view = Arc::new(view);
        slot.hurry = true;
        slot.cause = cause;
        self.shared.changed.notify_one();
    }

    /// How long it took from the cause of a view to the moment at which the first picture with that view was handed to the
    /// subject's connection. Said once for each view that has a cause and was not replaced before.
    pub fn take_reaction(&self) -> Option<Duration> {
        self.shared.lock().reaction.take()
    }

    /// How long after the first frame came in the first picture with that frame and any words on it was handed to the
    /// subject's connection.
    pub fn first_text_after(&self) -> Option<Duration> {
        let slot = self.shared.lock();
        Some(slot.first_text?.saturating_duration_since(slot.first_frame?))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_one();
    }
}

/// What makes the pictures that a call sends.
pub trait PictureSource: Send + Sync {
    /// Its pictures go into this connection from now on, in place of an earlier one.
    fn attach(&self, pictures: &gst_app::AppSrc);

    /// Nobody is connected any more.
    fn detach(&self);
}

/// A room's end of a screen. Does not keep it alive.
#[derive(Clone)]
struct ScreenOutlet {
    shared: Weak<Shared>,
}

impl PictureSource for ScreenOutlet {
    fn attach(&self, pictures: &gst_app::AppSrc) {
        let Some(shared) = self.shared.upgrade() else { return };
        shared.lock().target = Some(pictures.clone());
        shared.changed.notify_one();
    }

    /// Forgets the connection and the last frame.
    fn detach(&self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let mut slot = shared.lock();
        let old = (slot.target.take(), slot.frame.take());
        drop(slot);
        drop(old);
    }
}

struct Worker {
    shared: Arc<Shared>,
    observer: Option<Observer>,
    composer: Composer,
    framerate: u32,
    limit: (usize, usize),
    /// The size of the last picture: kept while no frame comes.
    size: (usize, usize),
    pool: Option<PicturePool>,
}

impl Worker {
    fn new(shared: Arc<Shared>, options: ScreenOptions) -> Self {
        let ScreenOptions { framerate, limit, observer } = options;
        let composer = Composer::new();
        Self { shared, observer, composer, framerate: framerate.max(1), limit, size: limit, pool: None }
    }

    fn run(mut self) {
        let mut beat = Beat::new(self.framerate, Instant::now());
        while let Some(work) = self.wait(&beat) {
            let now = Instant::now();
            if let Err(error) = self.compose(&work, now) {
                tracing::warn!(%error, "a picture for the subject could not be made");
            }
            beat.composed(now);
        }
    }

    /// Until the next picture is due; `None` when the screen is gone.
    fn wait(&self, beat: &Beat) -> Option<Work> {
        let mut slot = self.shared.lock();
        loop {
            if slot.stop {
                return None;
            }
            let rest = beat.due(slot.hurry).saturating_duration_since(Instant::now());
            slot = if slot.target.is_none() && self.observer.is_none() {
                self.shared.changed.wait(slot).unwrap_or_else(PoisonError::into_inner)
            } else if !rest.is_zero() {
                self.shared.changed.wait_timeout(slot, rest).unwrap_or_else(PoisonError::into_inner).0
            } else {
                slot.hurry = false;
                let cause = slot.cause.take();
                let (frame, view, target) = (slot.frame.clone(), slot.view.clone(), slot.target.clone());
                return Some(Work { frame, view, target, cause });
            };
        }
    }

    fn compose(&mut self, work: &Work, now: Instant) -> Result<(), glib::BoolError> {
        let frame = work.frame.as_ref().filter(|frame| now.saturating_duration_since(frame.received) < STALE);
        let input = frame.and_then(|frame| match frame.picture.view() {
            PictureView::I420(view) => Some(view),
            PictureView::Rgb(_) | PictureView::Nv12(_) => None,
        });
        if let Some(input) = &input {
            self.size = output_size((input.width, input.height), self.limit);
        }
        let pool = match self.pool.take() {
            Some(pool) if pool.size() == self.size => pool,
            _ => PicturePool::new(self.size, self.framerate)?,
        };
        let pool = &*self.pool.insert(pool);

        let mut picture = pool.acquire()?;
        self.composer.compose(input, &work.view, now, &mut picture.view_mut());
        if let Some(observer) = &mut self.observer {
            observer(&picture.view(), &work.view);
        }
        let mut pushed = false;
        if let Some(target) = &work.target {
            if target.caps().as_ref() != Some(pool.caps()) {
                target.set_caps(Some(pool.caps()));
            }
            // a connection that is just closing refuses; it will be detached
            pushed = target.push_buffer(picture.into_buffer()).is_ok();
        }
        if pushed {
            let done = Instant::now();
            let mut slot = self.shared.lock();
            if input.is_some() && has_words(&work.view) {
                slot.first_text.get_or_insert(done);
            }
            if let Some(cause) = work.cause {
                slot.reaction = Some(done.saturating_duration_since(cause));
            }
        }
        Ok(())
    }
}

fn has_words(view: &SubjectView) -> bool {
    !view.message.is_empty() || view.warning.is_some()
}

/// What one picture is made of.
struct Work {
    frame: Option<Frame>,
    view: Arc<SubjectView>,
    target: Option<gst_app::AppSrc>,
    cause: Option<Instant>,
}

/// When pictures are due.
struct Beat {
    interval: Duration,
    next: Instant,
    last: Option<Instant>,
}

impl Beat {
    fn new(framerate: u32, now: Instant) -> Self {
        Self { interval: Duration::from_secs(1) / framerate.max(1), next: now, last: None }
    }

    /// When the next picture is due; sooner in a `hurry`, but at three times the rate at most.
    fn due(&self, hurry: bool) -> Instant {
        match self.last {
            Some(last) if hurry => self.next.min(last + self.interval / 3),
            _ => self.next,
        }
    }

    /// Goes on in the same beat, unless this picture came early or more than one was missed.
    fn composed(&mut self, now: Instant) {
        let is_in_beat = (self.next..self.next + self.interval).contains(&now);
        self.next = if is_in_beat { self.next } else { now } + self.interval;
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beat_is_kept_and_hurry_is_bounded() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut beat = Beat::new(10, start);
        assert_eq!((beat.due(false), beat.due(true)), (at(0), at(0)));
        beat.composed(at(2));
        // a little late does not shift the beat
        assert_eq!((beat.due(false), beat.due(true)), (at(100), at(2) + beat.interval / 3));
        beat.composed(at(40));
        // an early one does
        assert_eq!((beat.due(false), beat.due(true)), (at(140), at(40) + beat.interval / 3));
        beat.composed(at(140));
        beat.composed(at(999));
        // what was missed is not made up for
        assert_eq!(beat.due(false), at(1099));
    }
}

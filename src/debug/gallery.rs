//! Pictures that were saved to be looked at: in memory, the newest few, for a while. Nothing is written to a disk, so that
//! nothing of them is left when the service stops.
//!
//! One thread turns them into JPEG and throws away what is too old. Whoever saves a picture never waits: one that finds
//! the thread busy is left out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use vision_core::picture::{I420View, Picture, PictureView};

use crate::lock::lock;
use crate::matching::encode;

/// Pictures that wait to be encoded. All pairs of a comparison come at once.
const QUEUE: usize = 32;
/// All pictures together, in bytes: references may be large.
const MAX_BYTES: usize = 64 << 20;

/// See the module. Its thread ends when it is dropped.
pub struct Gallery {
    shelf: Arc<Mutex<Shelf>>,
    queue: SyncSender<(String, Arc<dyn Picture>)>,
    matches: AtomicU64,
}

/// A picture on the shelf.
struct Saved {
    name: String,
    jpeg: Bytes,
    since: Instant,
}

/// What is kept: the oldest first.
struct Shelf {
    saved: VecDeque<Saved>,
    bytes: usize,
    kept: usize,
    lifetime: Duration,
}

impl Shelf {
    fn put(&mut self, name: String, jpeg: Bytes, now: Instant) {
        self.bytes += jpeg.len();
        self.saved.push_back(Saved { name, jpeg, since: now });
        self.tidy(now);
    }

    /// Throws away what is too old or too much.
    fn tidy(&mut self, now: Instant) {
        while let Some(oldest) = self.saved.front() {
            let is_old = now.saturating_duration_since(oldest.since) >= self.lifetime;
            if !is_old && self.saved.len() <= self.kept && self.bytes <= MAX_BYTES {
                break;
            }
            self.bytes -= oldest.jpeg.len();
            self.saved.pop_front();
        }
    }
}

impl Gallery {
    /// An empty one: at most `kept` pictures, each for `lifetime`.
    pub fn start(kept: usize, lifetime: Duration) -> Self {
        let shelf = Arc::new(Mutex::new(Shelf { saved: VecDeque::new(), bytes: 0, kept, lifetime }));
        let (queue, waiting) = sync_channel(QUEUE);
        let worker = shelf.clone();
        let thread =
            std::thread::Builder::new().name("gallery".into()).spawn(move || work(&worker, &waiting, lifetime));
        if let Err(error) = thread {
            tracing::error!(%error, "the debug gallery has no thread: no picture will be saved");
        }
        Self { shelf, queue, matches: AtomicU64::new(0) }
    }

    /// Saves a picture as soon as there is time for it. Never blocks.
    pub fn save(&self, name: String, picture: Arc<dyn Picture>) {
        if self.queue.try_send((name, picture)).is_err() {
            tracing::debug!("a picture for the debug gallery is left out: its thread is busy");
        }
    }

    /// Names of what is there, the newest first.
    pub fn names(&self) -> Vec<String> {
        let mut shelf = lock(&self.shelf);
        shelf.tidy(Instant::now());
        shelf.saved.iter().rev().map(|saved| saved.name.clone()).collect()
    }

    /// A picture by its name, as JPEG.
    pub fn get(&self, name: &str) -> Option<Bytes> {
        let mut shelf = lock(&self.shelf);
        shelf.tidy(Instant::now());
        shelf.saved.iter().find(|saved| saved.name == name).map(|saved| saved.jpeg.clone())
    }

    /// Throws all away.
    pub fn clear(&self) {
        let mut shelf = lock(&self.shelf);
        shelf.saved.clear();
        shelf.bytes = 0;
    }

    /// Counts comparisons from 0.
    pub fn next_match(&self) -> u64 {
        self.matches.fetch_add(1, Ordering::Relaxed)
    }
}

fn work(shelf: &Mutex<Shelf>, waiting: &Receiver<(String, Arc<dyn Picture>)>, lifetime: Duration) {
    let rest = (lifetime / 10).clamp(Duration::from_millis(100), Duration::from_secs(10));
    loop {
        match waiting.recv_timeout(rest) {
            Ok((name, picture)) => match encode::jpeg(picture.view()) {
                Ok(jpeg) => lock(shelf).put(name, jpeg.into(), Instant::now()),
                Err(error) => tracing::debug!(%error, "a picture for the debug gallery cannot be encoded"),
            },
            Err(RecvTimeoutError::Timeout) => lock(shelf).tidy(Instant::now()),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Says once for each second of the clock that it has begun.
#[derive(Default)]
pub struct SecondHand(AtomicU64);

impl SecondHand {
    /// The second, for whoever asks first in it.
    pub fn turn(&self) -> Option<u64> {
        let now = unix_seconds();
        (self.0.swap(now, Ordering::Relaxed) != now).then_some(now)
    }
}

/// Seconds since 1970.
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A copy of somebody else's picture.
pub struct OwnedI420 {
    planes: [Vec<u8>; 3],
    strides: [usize; 2],
    size: (usize, usize),
}

impl OwnedI420 {
    /// Copies the planes as they are.
    pub fn copy(of: &I420View<'_>) -> Self {
        Self {
            planes: [of.y.to_vec(), of.u.to_vec(), of.v.to_vec()],
            strides: [of.y_stride, of.uv_stride],
            size: (of.width, of.height),
        }
    }
}

impl Picture for OwnedI420 {
    fn view(&self) -> PictureView<'_> {
        let ([y, u, v], [y_stride, uv_stride], (width, height)) = (&self.planes, self.strides, self.size);
        PictureView::I420(I420View { y, u, v, y_stride, uv_stride, width, height })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vision_core::picture::RgbPicture;

    fn shelf(kept: usize, lifetime: Duration) -> Shelf {
        Shelf { saved: VecDeque::new(), bytes: 0, kept, lifetime }
    }

    #[test]
    fn the_newest_few_are_kept_for_a_while() {
        let start = Instant::now();
        let mut shelf = shelf(3, Duration::from_secs(10));
        for second in 0..5 {
            shelf.put(second.to_string(), vec![0; 100].into(), start + Duration::from_secs(second));
        }
        let names = |shelf: &Shelf| shelf.saved.iter().map(|saved| saved.name.clone()).collect::<Vec<_>>();
        assert_eq!((names(&shelf), shelf.bytes), (vec!["2".into(), "3".into(), "4".into()], 300));
        shelf.tidy(start + Duration::from_secs(13));
        assert_eq!((names(&shelf), shelf.bytes), (vec!["4".to_owned()], 100));
        shelf.put("large".into(), vec![0; MAX_BYTES].into(), start + Duration::from_secs(13));
        assert_eq!(names(&shelf), ["large"]);
        shelf.tidy(start + Duration::from_secs(30));
        assert_eq!((shelf.saved.len(), shelf.bytes), (0, 0));
    }

    #[test]
    fn pictures_are_encoded_beside_and_go_by_themselves() {
        let gallery = Gallery::start(10, Duration::from_millis(600));
        let until = |what: &str, done: &dyn Fn() -> bool| {
            let start = Instant::now();
            while !done() {
                assert!(start.elapsed() < Duration::from_secs(10), "{what}");
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        gallery.save("a.jpg".into(), Arc::new(RgbPicture { data: vec![90; 12], width: 2, height: 2 }));
        until("it is saved", &|| gallery.get("a.jpg").is_some());
        let decoded = image::load_from_memory(&gallery.get("a.jpg").unwrap()).unwrap();
        assert_eq!((decoded.width(), decoded.height()), (2, 2));
        assert!(gallery.get("../a.jpg").is_none() && gallery.get("").is_none());
        // nobody asks, and it goes all the same
        until("it goes", &|| lock(&gallery.shelf).saved.is_empty());

        gallery.save("b.jpg".into(), Arc::new(RgbPicture { data: vec![90; 12], width: 2, height: 2 }));
        until("it is saved", &|| gallery.names() == ["b.jpg"]);
        gallery.clear();
        assert!(gallery.names().is_empty());
    }

    #[test]
    fn a_second_is_told_once() {
        let hand = SecondHand::default();
        let told = (0..100).filter_map(|_| hand.turn()).count();
        assert!((1..=2).contains(&told), "{told}");
    }

    #[test]
    fn a_copy_is_the_same_picture() {
        let (y, u, v) = ([1, 2, 3, 4, 5, 6, 7, 8], [9, 10], [11, 12]);
        let view = I420View { y: &y, u: &u, v: &v, y_stride: 4, uv_stride: 2, width: 3, height: 2 };
        let copy = OwnedI420::copy(&view);
        assert_eq!(copy.view().to_rgb().data, PictureView::I420(view).to_rgb().data);
    }
}

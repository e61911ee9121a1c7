//! What the subject saw at each step, as it came out of their decoder, on one sheet.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use image::RgbImage;
use vision_core::contact_sheet::{self, ContactSheetError};
use vision_core::picture::RgbPicture;

use crate::lock::lock;
use crate::media::{Frame, FrameSink};

/// How long after a step has begun its picture is taken: when it has been encoded, sent and decoded, and the subject has begun
/// to follow it.
const DELAY: Duration = Duration::from_millis(1500);
/// A step that was shown for less time than this has no page: what the subject saw was the step before.
const GLIMPSE: Duration = Duration::from_millis(400);

/// The sheet cannot be made.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each wraps the error of the part that it names
pub enum AlbumError {
    #[error(transparent)]
    Sheet(#[from] ContactSheetError),
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, image::ImageError),
}

#[derive(Default)]
struct Pages {
    /// The step now shown, until its picture is taken.
    open: Option<(Instant, String)>,
    /// The newest picture of the step now shown, in case it ends early.
    newest: Option<Frame>,
    done: Vec<(String, RgbPicture)>,
}

/// Pictures with captions.
#[derive(Clone, Default)]
pub struct Album(Arc<Mutex<Pages>>);

impl Album {
    /// Takes what the subject sees.
    pub fn sink(&self) -> FrameSink {
        let album = self.clone();
        Arc::new(move |frame| album.see(frame))
    }

    fn see(&self, frame: Frame) {
        let mut pages = self.lock();
        if let Some((_, caption)) = pages.open.take_if(|(since, _)| since.elapsed() >= DELAY) {
            pages.done.push((caption, frame.picture.view().to_rgb()));
        }
        pages.newest = Some(frame);
    }

    /// Another step begins.
    pub fn turn(&self, caption: &str) {
        let mut pages = self.lock();
        if let (Some((since, caption)), Some(frame)) = (pages.open.take(), pages.newest.take())
            && since.elapsed() >= GLIMPSE
        {
            pages.done.push((caption, frame.picture.view().to_rgb()));
        }
        pages.open = Some((Instant::now(), caption.to_owned()));
    }

    /// Writes the sheet.
    pub fn write(&self, path: &Path, title: &str) -> Result<(), AlbumError> {
        let sheet = contact_sheet::draw(title, &self.lock().done)?;
        let (width, height) = (sheet.width as u32, sheet.height as u32);
        let image = RgbImage::from_raw(width, height, sheet.data).expect("a sheet has its size's bytes");
        image.save(path).map_err(|e| AlbumError::Write(path.to_owned(), e))
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        lock(&self.0)
    }
}

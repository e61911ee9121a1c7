//! From what a door filmed to files that players know.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::fs::{MemfdFlags, memfd_create};
use serde::Serialize;

use crate::media::remux::{self, RemuxError, remux};
use crate::media::tape::{Recording, Reel};
use crate::session_video::build::{self, BuildError, Codec, Film};

/// A video of pictures has to be encoded.
const LIMIT: Duration = Duration::from_secs(120);
const CODEC: Codec = Codec::H264;

/// What a door filmed. Big: handed over, never copied.
pub enum Footage {
    /// The stream of a call as it came.
    Stream {
        /// When the flow began.
        accepted: Instant,
        /// What was recorded.
        recording: Recording,
    },
    /// The pictures of a session.
    Pictures(Flipbook),
}

/// A file, as `record.json` tells it.
#[derive(Serialize)]
pub struct RecordVideo {
    /// Its name in the package.
    pub file: String,
    /// When it begins, in milliseconds since the beginning.
    pub at_ms: u64,
    /// How long it is, in milliseconds.
    pub duration_ms: u64,
    /// Pictures in it.
    pub pictures: u64,
    /// `VP8`, `H264`: as it came. `H264, encoded here`: of single pictures.
    pub codec: &'static str,
    /// Milliseconds since it begins, and how pictures have to be turned from then on (`rotate-90`: clockwise).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub turned: Vec<(u64, String)>,
    /// Media type.
    #[serde(skip)]
    pub media_type: &'static str,
    /// The file.
    #[serde(skip)]
    pub bytes: Bytes,
}

/// All of a flow or session.
#[derive(Serialize, Default)]
pub struct Videos {
    /// In order: a stream that changes its size, or breaks off, goes on in another file.
    pub videos: Vec<RecordVideo>,
    /// There was more than `evidence.video_limit` allows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub videos_cut: bool,
}

/// Why a video is missing.
#[derive(Debug, thiserror::Error)]
pub enum VideoError {
    /// A file in memory cannot be made.
    #[error("a file in memory cannot be used: {0}")]
    Memory(#[from] io::Error),
    /// A stream cannot be written.
    #[error(transparent)]
    Remux(#[from] RemuxError),
    /// Pictures cannot be encoded.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// Whether videos can be made here.
///
/// # Errors
/// [`VideoError`] names what is missing.
pub fn check() -> Result<(), VideoError> {
    build::check(CODEC)?;
    for codec in crate::media::Codec::ALL {
        remux::check(codec)?;
    }
    MemoryFile::new().map(drop)
}

/// Pictures as they came, up to a number of bytes: when they are too many, every other one is left out, and from then on
/// every other one that comes.
pub struct Flipbook {
    limit: usize,
    bytes: usize,
    /// Of so many that come one is kept.
    step: u64,
    count: u64,
    pictures: Vec<(Duration, Bytes)>,
}

impl Flipbook {
    /// Empty.
    pub fn new(limit: usize) -> Self {
        Self { limit, bytes: 0, step: 1, count: 0, pictures: Vec::new() }
    }

    /// A picture file, and when it came, since the beginning.
    pub fn push(&mut self, at: Duration, file: Bytes) {
        let due = self.count.is_multiple_of(self.step);
        self.count += 1;
        if !due || file.len() > self.limit {
            return;
        }
        self.bytes += file.len();
        self.pictures.push((at, file));
        while self.bytes > self.limit {
            let mut number = 0;
            self.pictures.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.step *= 2;
            self.bytes = self.pictures.iter().map(|(_, file)| file.len()).sum();
        }
    }
}

impl Footage {
    /// Makes the files. What fails is missing, and said in the log: the rest of the evidence is worth no less. Takes its
    /// time, and a processor.
    pub(super) fn videos(&self) -> Videos {
        let missing = |error: VideoError| tracing::error!("a video is missing in the evidence: {error}");
        match self {
            Self::Stream { accepted, recording } => {
                let reels = recording.reels.iter().enumerate();
                let videos = reels.filter_map(|(number, reel)| film(number + 1, reel, *accepted).map_err(missing).ok());
                Videos { videos: videos.collect(), videos_cut: recording.is_cut }
            }
            Self::Pictures(flipbook) if flipbook.pictures.is_empty() => Videos::default(),
            Self::Pictures(flipbook) => {
                let videos = encode(&flipbook.pictures).map_err(missing);
                Videos { videos: videos.into_iter().collect(), videos_cut: flipbook.step > 1 }
            }
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn name(number: usize, ending: &str) -> String {
    format!("videos/{number:02}.{ending}")
}

fn film(number: usize, reel: &Reel, accepted: Instant) -> Result<RecordVideo, VideoError> {
    let file = MemoryFile::new()?;
    remux(reel, file.as_ref())?;
    let (media_type, ending) = remux::kind(reel.codec);
    let last = reel.frames.last().map(|frame| frame.at).unwrap_or_default();
    Ok(RecordVideo {
        file: name(number, ending),
        at_ms: milliseconds(reel.began.saturating_duration_since(accepted)),
        duration_ms: milliseconds(last),
        pictures: reel.frames.len() as u64,
        codec: reel.codec.encoding_name(),
        turned: reel.turned.iter().map(|(at, how)| (milliseconds(*at), how.clone())).collect(),
        media_type,
        bytes: file.read()?,
    })
}

fn encode(pictures: &[(Duration, Bytes)]) -> Result<RecordVideo, VideoError> {
    let mut film = Film::new(CODEC, MemoryFile::new()?, LIMIT);
    for (at, picture) in pictures {
        film.push(*at, picture)?;
    }
    let (video, file) = film.finish()?;
    Ok(RecordVideo {
        file: name(1, CODEC.extension()),
        at_ms: pictures.first().map(|(at, _)| milliseconds(*at)).unwrap_or_default(),
        duration_ms: milliseconds(video.duration),
        pictures: video.pictures,
        codec: "H264, encoded here",
        turned: Vec::new(),
        media_type: "video/mp4",
        bytes: file.read()?,
    })
}

/// A file that is on no disk: what is sealed later was never readable.
struct MemoryFile {
    file: File,
    /// For those who open a file by its name, as GStreamer does.
    path: PathBuf,
}

impl MemoryFile {
    fn new() -> Result<Self, VideoError> {
        let file = File::from(memfd_create(c"evidence", MemfdFlags::CLOEXEC).map_err(io::Error::from)?);
        Ok(Self { path: format!("/proc/self/fd/{}", file.as_raw_fd()).into(), file })
    }

    fn read(mut self) -> Result<Bytes, VideoError> {
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }
}

impl AsRef<Path> for MemoryFile {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(flipbook: &Flipbook) -> Vec<u64> {
        flipbook.pictures.iter().map(|(at, _)| milliseconds(*at)).collect()
    }

    #[test]
    fn pictures_become_rarer_and_never_more_than_allowed() {
        let mut flipbook = Flipbook::new(400);
        for at in 0..20 {
            flipbook.push(Duration::from_millis(at), Bytes::from_static(&[0; 100]));
            assert!(flipbook.bytes <= 400);
        }
        assert_eq!(kept(&flipbook), [0, 8, 16]);
        flipbook.push(Duration::from_millis(20), Bytes::from(vec![0; 500]));
        assert_eq!(kept(&flipbook), [0, 8, 16], "one that never fits drives out nobody");
    }

    #[test]
    fn pictures_become_a_video() {
        crate::media::init().unwrap();
        check().unwrap();
        let mut flipbook = Flipbook::new(1 << 20);
        for at in [500, 600, 700] {
            flipbook.push(Duration::from_millis(at), crate::evidence::testing::jpeg().into());
        }
        let told = Footage::Pictures(flipbook).videos();
        let [video] = &told.videos[..] else { panic!("{} videos", told.videos.len()) };
        assert_eq!((video.at_ms, video.pictures, video.duration_ms), (500, 3, 300));
        assert_eq!((video.file.as_str(), &video.bytes[4..8]), ("videos/01.mp4", &b"ftyp"[..]));
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
        let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        assert!(!targets.into_iter().any(|target| target.to_string_lossy().contains("memfd:evidence")), "closed");
    }

    #[test]
    fn what_is_no_picture_is_no_reason_to_lose_the_rest() {
        crate::media::init().unwrap();
        let mut flipbook = Flipbook::new(100);
        flipbook.push(Duration::ZERO, Bytes::from_static(b"nothing"));
        assert!(Footage::Pictures(flipbook).videos().videos.is_empty());
    }
}

//! `FileLogger`: every picture and what was found in it, a folder per session.
//!
//! For trying out, and where the law demands it: these are biometric data, kept until somebody deletes them. Folders and
//! files are for the service's user alone.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::json;
use vision_models::picture_file;

use super::{Configured, Opening, Plugin, Seen, Shared, Word};
use crate::frame_door::protocol::SessionId;
use crate::frame_door::settings::reader::Reader;

/// `[MIDDLEWARES.WS.FileLogger]`.
#[derive(Debug)]
pub struct Settings {
    /// `args.path`: every picture and what was found in it go to this folder.
    pub path: PathBuf,
}

impl Configured for Settings {
    fn read(file: &mut Reader) -> Option<Self> {
        let args = file.plugin("WS", "FileLogger", false)?;
        Some(Self { path: file.get(&args, "path").unwrap_or_else(|| "./LOGS".to_owned()).into() })
    }

    fn open(&self, _: &Shared) -> Opening {
        let path = self.path.clone();
        Ok(Some(Box::new(move |session: SessionId| FileLogger::new(&path, session))))
    }
}

/// The plug-in.
pub struct FileLogger {
    folder: PathBuf,
    has_failed: bool,
}

impl FileLogger {
    /// Writes to `path`/the session's id.
    pub fn new(path: &Path, session: SessionId) -> Self {
        Self { folder: path.join(session.to_string()), has_failed: false }
    }

    fn write(&self, seen: &Seen<'_>) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let file = |extension: &str| {
            let path = self.folder.join(format!("{:06}.{extension}", seen.number));
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
        };
        file(picture_file::kind(seen.file).1)?.write_all(seen.file)?;
        let estimates =
            json!({ "frame": seen.number, "seconds": seen.since_begin.as_secs_f32(), "status": seen.status });
        file("json")?.write_all(estimates.to_string().as_bytes())
    }
}

impl Plugin for FileLogger {
    fn frame(&mut self, seen: &Seen<'_>, so_far: Word) -> Word {
        if let Err(error) = self.write(seen)
            && !self.has_failed
        {
            self.has_failed = true;
            tracing::error!(%error, folder = %self.folder.display(), "FileLogger cannot write: pictures of this session are missing");
        }
        so_far
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::testing::{Frames, with_liveness};
    use super::*;

    #[test]
    fn pictures_and_estimates_are_written_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let session = SessionId::random().unwrap();
        let mut plugin = FileLogger::new(folder.path(), session);
        let (frames, status) = (Frames::default(), with_liveness(0.3, 0.9));
        let seen = frames.seen(&status);
        assert_eq!(plugin.frame(&Seen { number: 7, ..seen }, Word::Content), Word::Content);
        let folder = folder.path().join(session.to_string());
        let picture = std::fs::read(folder.join("000007.jpg")).unwrap();
        assert!(picture.starts_with(b"\xff\xd8\xff"));
        let estimates: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("000007.json")).unwrap()).unwrap();
        assert_eq!(estimates["status"]["errors"], json!([32]));
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(std::fs::metadata(folder.join("000007.jpg")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_full_disk_stops_nobody() {
        let mut plugin = FileLogger::new(Path::new("/dev/null/nowhere"), SessionId::random().unwrap());
        let (frames, status) = (Frames::default(), with_liveness(0.9, 0.9));
        assert_eq!(plugin.frame(&frames.seen(&status), Word::Content), Word::Content);
    }
}

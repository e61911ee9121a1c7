//! Files for this program's user alone: they are pictures of people, whatever the umask says.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Makes a folder, and those above it, where there is none. One that is there stays as it is.
///
/// # Errors
/// The system's.
pub async fn make_folder(path: &Path) -> io::Result<()> {
    tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).await
}

/// A video that is being built. Dropped before it is put in its place, it is removed.
#[derive(Debug)]
pub struct Draft(PathBuf);

impl Draft {
    /// Makes an empty file. It is there before GStreamer opens it, which makes files for everybody.
    ///
    /// # Errors
    /// The system's; also when there is one.
    pub fn create(path: &Path) -> io::Result<Self> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Self(path.to_owned()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Puts it in its place, and what was there away.
    ///
    /// # Errors
    /// The system's.
    pub async fn keep_as(self, path: &Path) -> io::Result<()> {
        tokio::fs::rename(&self.0, path).await
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // nothing is there when it was put in its place
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_draft_is_put_in_its_place_or_gone() {
        let folder = std::env::temp_dir().join(format!("vision-draft-{}", std::process::id()));
        make_folder(&folder.join("deeper")).await.unwrap();
        let [part, video] = [".part", "video"].map(|name| folder.join("deeper").join(name));
        let draft = Draft::create(&part).unwrap();
        assert!(Draft::create(&part).is_err(), "there is one");
        drop(draft);
        assert!(!part.exists());
        fs::write(&video, "before").unwrap();
        let draft = Draft::create(&part).unwrap();
        fs::write(draft.path(), "after").unwrap();
        draft.keep_as(&video).await.unwrap();
        assert_eq!((fs::read_to_string(&video).unwrap(), part.exists()), ("after".into(), false));
        fs::remove_dir_all(folder).unwrap();
    }
}

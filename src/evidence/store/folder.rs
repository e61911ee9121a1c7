//! A folder of this machine, which only its owner can read: a folder for each package.
//!
//! A package is written under another name and then renamed, so that it is there as a whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::{StoreError, told};
use crate::evidence::manifest::{MANIFEST, Manifest, SIGNATURE};
use crate::evidence::package::Package;
use crate::evidence::record::EvidenceId;

/// A package that is being written is `.ID.writing`.
const WRITING: &str = ".writing";
/// What is being written for so long is left over from a service that was killed.
const LEFT_OVER: Duration = Duration::from_secs(3600);
/// Largest manifest that is read.
const MOST_MANIFEST: u64 = 1 << 20;

/// The folder.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Uses `root`; makes it if it is not there.
    ///
    /// # Errors
    /// [`StoreError::Folder`] when it cannot be made or written to.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let folder = Self { root: root.to_owned() };
        make_folders(root).map_err(at(root))?;
        let trial = root.join(format!(".{}.trial", std::process::id()));
        write(&trial, b"").and_then(|()| fs::remove_file(&trial)).map_err(at(root))?;
        Ok(folder)
    }

    fn place(&self, id: &EvidenceId) -> PathBuf {
        self.root.join(id.as_str())
    }

    /// See [`Store::put`](super::Store::put).
    pub(super) fn put(&self, package: &Package) -> Result<(), StoreError> {
        let id = &package.manifest.id;
        let writing = self.root.join(format!(".{id}{WRITING}"));
        let write_all = || {
            if writing.is_dir() {
                fs::remove_dir_all(&writing)?;
            }
            for file in &package.files {
                let path = writing.join(&file.name);
                path.parent().map_or(Ok(()), make_folders)?;
                write(&path, &file.bytes)?;
            }
            File::open(&writing)?.sync_all()?;
            match fs::rename(&writing, self.place(id)) {
                // It was stored before, and the answer got lost.
                Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => fs::remove_dir_all(&writing),
                renamed => renamed,
            }?;
            File::open(&self.root)?.sync_all()
        };
        write_all().map_err(at(&writing))
    }

    /// See [`Store::read`](super::Store::read).
    pub(super) fn read(&self, id: &EvidenceId, name: &str) -> Result<Option<Bytes>, StoreError> {
        let path = self.place(id).join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(e) => Err(at(&path)(e)),
        }
    }

    /// See [`Store::sweep`](super::Store::sweep).
    pub(super) fn sweep(&self, now: SystemTime) -> Result<Vec<EvidenceId>, StoreError> {
        let mut deleted = Vec::new();
        let mut failed = None;
        for entry in fs::read_dir(&self.root).map_err(at(&self.root))? {
            let entry = entry.map_err(at(&self.root))?;
            match self.sweep_entry(&entry, now) {
                Ok(gone) => deleted.extend(gone),
                // The others are looked at all the same.
                Err(e) => failed = Some(at(&entry.path())(e)),
            }
        }
        told(deleted, failed)
    }

    fn sweep_entry(&self, entry: &fs::DirEntry, now: SystemTime) -> io::Result<Option<EvidenceId>> {
        let name = entry.file_name();
        // Links are not followed: `file_type` is that of the link.
        let Some(name) = name.to_str().filter(|_| entry.file_type().is_ok_and(|kind| kind.is_dir())) else {
            return Ok(None);
        };
        let left_over = name.strip_prefix('.').and_then(|name| name.strip_suffix(WRITING));
        if left_over.is_some_and(|id| id.parse::<EvidenceId>().is_ok()) {
            let changed = entry.metadata()?.modified()?;
            if now.duration_since(changed).is_ok_and(|age| age > LEFT_OVER) {
                fs::remove_dir_all(entry.path())?;
            }
            return Ok(None);
        }
        let Ok(id) = name.parse::<EvidenceId>() else { return Ok(None) };
        let Some(manifest) = own_manifest(&entry.path(), &id) else { return Ok(None) };
        if manifest.delete_after > now {
            return Ok(None);
        }
        remove(&entry.path(), &manifest)?;
        Ok(Some(id))
    }
}

/// The manifest of a folder that is ours.
fn own_manifest(place: &Path, id: &EvidenceId) -> Option<Manifest> {
    let path = place.join(MANIFEST);
    let metadata = path.symlink_metadata().ok().filter(|metadata| metadata.is_file())?;
    let json = (metadata.len() <= MOST_MANIFEST).then(|| fs::read(&path).ok()).flatten()?;
    Manifest::parse(&json).ok().filter(|manifest| manifest.id == *id)
}

/// Deletes what the manifest lists, itself at last: what was interrupted goes on the next time. What somebody else put
/// there stays, and with it the folder.
fn remove(place: &Path, manifest: &Manifest) -> io::Result<()> {
    let listed = manifest.files.iter().map(|file| file.name.as_str());
    for name in listed.clone().chain([SIGNATURE, MANIFEST]) {
        gone(fs::remove_file(place.join(name)))?;
    }
    let mut folders: Vec<_> = listed.filter_map(|name| Some(name.split_once('/')?.0)).collect();
    folders.dedup();
    for folder in folders.iter().map(|folder| place.join(folder)).chain([place.to_owned()]) {
        match gone(fs::remove_dir(folder)) {
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            removed => removed?,
        }
    }
    Ok(())
}

/// What is not there need not be removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        removed => removed,
    }
}

fn make_folders(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn at(path: &Path) -> impl Fn(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::Folder { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::evidence::testing::{RETENTION, package, then};

    /// A folder that is removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("vision-evidence-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn id(text: &str) -> EvidenceId {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_owner_can_read_and_a_package_can_be_stored_once_more() {
        let scratch = Scratch::new("put");
        let folder = Folder::open(&scratch.0.join("deep/er")).unwrap();
        let package = package("f1");
        folder.put(&package).unwrap();
        folder.put(&package).unwrap();
        let place = folder.place(&id("f1"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for path in [&folder.root, &place, &place.join("pictures")] {
            assert_eq!(mode(path), 0o700, "{}", path.display());
        }
        for file in &package.files {
            assert_eq!(mode(&place.join(&file.name)), 0o600, "{}", file.name);
            assert_eq!(folder.read(&id("f1"), &file.name).unwrap(), Some(file.bytes.clone()));
        }
        assert_eq!(fs::read_dir(&folder.root).unwrap().count(), 1, "nothing is left over");
        assert_eq!(folder.read(&id("f2"), MANIFEST).unwrap(), None);
    }

    #[test]
    fn what_is_over_is_deleted_in_time_and_nothing_else() {
        let scratch = Scratch::new("sweep");
        let folder = Folder::open(&scratch.0).unwrap();
        for name in ["old", "guarded"] {
            folder.put(&package(name)).unwrap();
        }
        // Not ours: a folder with somebody's file among ours, folders without our manifest, a manifest of another id, a
        // link to a package elsewhere.
        fs::write(scratch.0.join("guarded/notes.txt"), "mine").unwrap();
        fs::create_dir(scratch.0.join("photos")).unwrap();
        fs::write(scratch.0.join("photos/a.jpg"), "mine").unwrap();
        fs::write(scratch.0.join("file"), "mine").unwrap();
        let copy = |to: &Path| {
            fs::create_dir_all(to).unwrap();
            fs::copy(scratch.0.join("old").join(MANIFEST), to.join(MANIFEST)).unwrap();
            fs::write(to.join("record.json"), "mine").unwrap();
        };
        copy(&scratch.0.join("moved"));
        let elsewhere = Scratch::new("elsewhere");
        copy(&elsewhere.0.join("old2"));
        std::os::unix::fs::symlink(elsewhere.0.join("old2"), scratch.0.join("link")).unwrap();

        assert!(folder.sweep(then() + RETENTION - Duration::from_secs(1)).unwrap().is_empty());
        assert!(folder.read(&id("old"), "report.html").unwrap().is_some());

        let mut deleted = folder.sweep(then() + RETENTION).unwrap();
        deleted.sort();
        assert_eq!(deleted, [id("guarded"), id("old")]);
        assert!(!scratch.0.join("old").exists());
        assert_eq!(fs::read_dir(scratch.0.join("guarded")).unwrap().count(), 1, "the notes stay");
        for kept in ["guarded/notes.txt", "photos/a.jpg", "file", "moved/record.json", "link/record.json"] {
            assert!(scratch.0.join(kept).exists(), "{kept}");
        }
        assert!(folder.sweep(then() + 2 * RETENTION).unwrap().is_empty());
    }

    #[test]
    fn what_a_killed_service_was_writing_does_not_stay() {
        let scratch = Scratch::new("writing");
        let folder = Folder::open(&scratch.0).unwrap();
        let writing = scratch.0.join(".f1.writing");
        fs::create_dir(&writing).unwrap();
        fs::write(writing.join("record.json"), "half").unwrap();
        folder.sweep(SystemTime::now()).unwrap();
        assert!(writing.exists(), "it may still be written");
        folder.sweep(SystemTime::now() + 2 * LEFT_OVER).unwrap();
        assert!(!writing.exists());
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_said_at_once() {
        let scratch = Scratch::new("file");
        fs::write(&scratch.0, "").unwrap();
        let error = Folder::open(&scratch.0.join("x")).unwrap_err().to_string();
        assert!(error.contains("vision-evidence"), "{error}");
        fs::remove_file(&scratch.0).unwrap();
    }
}

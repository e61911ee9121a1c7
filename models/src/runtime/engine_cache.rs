//! The folder in which TensorRT keeps the engines that it has built: building them takes minutes, loading them seconds.
//!
//! A cached engine is code that the process runs. So it lies in a folder of this user alone, made and checked here,
//! inside the one that the configuration names (which may be a volume that everybody can write to).

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// The folder of this user inside the configured one.
const FOLDER: &str = "tensorrt-engines";

/// Where engines are kept when nobody says where: the user's cache folder.
pub fn default_folder() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("vision-service"))
}

/// Makes the folder for engines inside `folder`, or checks the one that is there: it has to belong to this user, to be
/// writable for them and for nobody else.
///
/// # Errors
/// What is wrong with it, as a sentence without the path.
pub fn prepare(folder: &Path) -> Result<PathBuf, String> {
    let own = folder.join(FOLDER);
    fs::create_dir_all(folder).map_err(|error| format!("it cannot be made: {error}"))?;
    match fs::DirBuilder::new().mode(0o700).create(&own) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(format!("it cannot be made: {error}"))?,
        _ => (),
    }
    // Not what a link points to: whoever can write to the outer folder could point it anywhere.
    let found = fs::symlink_metadata(&own).map_err(|error| error.to_string())?;
    let user = fs::metadata("/proc/self").map_err(|error| error.to_string())?.uid();
    if !found.is_dir() {
        return Err("it is not a folder".to_owned());
    }
    if found.uid() != user {
        return Err(format!("it belongs to user {} and not to {user}, who runs this", found.uid()));
    }
    if found.mode() & 0o022 != 0 {
        return Err("other users can write to it; remove it, or take that right from them".to_owned());
    }
    let trial = own.join(format!(".trial-{}", std::process::id()));
    fs::write(&trial, b"").map_err(|error| format!("it cannot be written to: {error}"))?;
    fs::remove_file(&trial).ok();
    Ok(own)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A folder of this test's own, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("vision-engine-cache-{test}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).ok();
        }
    }

    #[test]
    fn the_folder_is_for_this_user_alone_and_used_again() {
        let scratch = Scratch::new("own");
        // As a volume that everybody can write to.
        fs::set_permissions(&scratch.0, Permissions::from_mode(0o777)).unwrap();
        let own = prepare(&scratch.0.join("deeper")).unwrap();
        assert_eq!(fs::metadata(&own).unwrap().mode() & 0o777, 0o700);
        fs::write(own.join("an.engine"), b"x").unwrap();
        assert_eq!(prepare(&scratch.0.join("deeper")), Ok(own.clone()));
        assert_eq!(fs::read_dir(own).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn what_others_can_change_is_refused() {
        let scratch = Scratch::new("shared");
        let own = prepare(&scratch.0).unwrap();
        fs::set_permissions(&own, Permissions::from_mode(0o770)).unwrap();
        assert!(prepare(&scratch.0).unwrap_err().contains("other users"));
        fs::remove_dir(&own).unwrap();
        let elsewhere = scratch.0.join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &own).unwrap();
        assert!(prepare(&scratch.0).unwrap_err().contains("not a folder"));
        fs::remove_file(&own).unwrap();
        fs::write(&own, b"").unwrap();
        assert!(prepare(&scratch.0).unwrap_err().contains("not a folder"));
        assert!(prepare(Path::new("/proc/nowhere")).unwrap_err().contains("cannot be made"));
    }
}

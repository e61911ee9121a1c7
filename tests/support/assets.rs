//! Data that tests need and that the repository does not have.

use std::path::PathBuf;

/// A file of `VISION_TEST_ASSETS`, or of `../shared` beside the repository; says when it is not there.
pub fn file(path: &str, test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("VISION_TEST_ASSETS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")), PathBuf::from);
    let file = folder.join(path);
    if file.exists() {
        return Some(file);
    }
    eprintln!("SKIPPED {test}: needs shared data (set VISION_TEST_ASSETS)");
    None
}

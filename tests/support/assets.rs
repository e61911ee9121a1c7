//! Clips and pictures of real faces, which the repository does not carry.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;

/// The folder with test data: `VISION_TEST_ASSETS`, or `../shared` beside the repository.
fn root() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let root = std::env::var_os("VISION_TEST_ASSETS").map_or_else(beside, PathBuf::from);
    root.join("assets").is_dir().then_some(root)
}

/// Says that a test cannot run here. Past the test runner, which keeps what passing tests print to itself.
pub fn skipped(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
}

/// A file of the test data; `None`, said by name, when the data is not there. A file missing in data that is there is a
/// failure.
pub fn asset(test: &str, name: &str) -> Option<PathBuf> {
    let Some(root) = root() else {
        skipped(test, "needs shared data (set VISION_TEST_ASSETS)");
        return None;
    };
    let path = root.join("assets").join(name);
    assert!(path.is_file(), "{} is missing", path.display());
    Some(path)
}

/// A picture file as a data URL.
pub fn data_url(path: &Path) -> String {
    let kind = if path.extension().is_some_and(|e| e == "png") { "png" } else { "jpeg" };
    let data = base64::engine::general_purpose::STANDARD.encode(std::fs::read(path).unwrap());
    format!("data:image/{kind};base64,{data}")
}

/// A frame of a clip, as a data URL: the reference image of the person in it.
pub fn frame_of(clip: &Path, seconds: f32) -> String {
    let output = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-ss", &seconds.to_string(), "-i"])
        .arg(clip)
        .args(["-frames:v", "1", "-c:v", "png", "-f", "image2pipe", "-"])
        .output()
        .expect("ffmpeg runs (Debian package ffmpeg)");
    assert!(output.status.success() && !output.stdout.is_empty());
    format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(output.stdout))
}

/// A folder for a test's own files, removed at its end.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vision-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

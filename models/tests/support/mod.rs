//! What the tests on recorded data share: where the data is, pictures, clips decoded by ffmpeg.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "tests stop at the first thing that is wrong")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use sha2::{Digest, Sha256};
use vision_core::picture::RgbPicture;
use vision_models::landmarker::Landmarker;
use vision_models::manifest::ModelFolder;
use vision_models::runtime::{Provider, Runtime};

/// The folder with `assets/`, `reference/`: named by `VISION_TEST_ASSETS`, or `shared` beside the repository.
pub fn shared(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("VISION_TEST_ASSETS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    if folder.join("reference/landmarker").is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED {test}: needs shared data (set VISION_TEST_ASSETS)");
    None
}

/// The models that the set-up made.
pub fn models() -> ModelFolder {
    ModelFolder::find(None).expect("tests need the models: run `make models`")
}

/// ONNX Runtime on the processor.
pub fn runtime(models: &ModelFolder) -> Runtime {
    let path = |id| models.resolve(id).unwrap().path;
    Runtime::open(&path("onnxruntime"), Provider::Cpu, &path("face_detector")).unwrap()
}

pub fn landmarker() -> Landmarker {
    let models = models();
    Landmarker::load(&runtime(&models), &models).unwrap()
}

/// A picture file as RGB.
pub fn picture(path: &Path) -> RgbPicture {
    let rgb = image::open(path)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        .to_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    RgbPicture {
        data: rgb.into_raw(),
        width,
        height,
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The frames of a clip as raw RGB, by Debian's ffmpeg without any scaler flag.
pub struct Clip {
    child: Child,
    output: ChildStdout,
    pub width: usize,
    pub height: usize,
}

impl Clip {
    pub fn open(path: &Path) -> Self {
        let probe = Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-select_streams",
                "v:0",
                "-show_entries",
                "stream=width,height",
                "-of",
                "csv=p=0",
            ])
            .arg(path)
            .output()
            .expect("ffprobe is installed (Debian package ffmpeg)");
        let text = String::from_utf8(probe.stdout).unwrap();
        let (width, height) = text
            .trim()
            .split_once(',')
            .expect("ffprobe prints width,height");
        let mut child = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(path)
            .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("ffmpeg is installed");
        let output = child.stdout.take().unwrap();
        Self {
            child,
            output,
            width: width.parse().unwrap(),
            height: height.parse().unwrap(),
        }
    }
}

impl Iterator for Clip {
    type Item = RgbPicture;

    fn next(&mut self) -> Option<RgbPicture> {
        let mut data = vec![0; 3 * self.width * self.height];
        self.output.read_exact(&mut data).ok()?;
        Some(RgbPicture {
            data,
            width: self.width,
            height: self.height,
        })
    }
}

impl Drop for Clip {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

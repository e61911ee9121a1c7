//! What the tests on recorded data share: where the data is, pictures, clips decoded by ffmpeg.

use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use sha2::{Digest, Sha256};
use vision_core::picture::{I420View, Picture, PictureView, RgbPicture};
use vision_models::landmarker::Landmarker;
use vision_models::manifest::ModelFolder;
use vision_models::runtime::{Provider, Runtime};

/// The folder with `assets/`, `reference/`: named by `VISION_TEST_ASSETS`, or `shared` beside the repository.
pub fn shared(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("VISION_TEST_ASSETS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")), PathBuf::from);
    if folder.join("reference/landmarker").is_dir() {
        return Some(folder);
    }
    skipped(test, "needs shared data (set VISION_TEST_ASSETS)");
    None
}

/// Says that a test cannot run here. Past the harness, which keeps to itself what a test that passes prints.
pub fn skipped(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
}

/// The models that the set-up made.
pub fn models() -> ModelFolder {
    ModelFolder::find(None).expect("tests need the models: run `make models`")
}

/// ONNX Runtime on the processor.
pub fn runtime(models: &ModelFolder) -> Runtime {
    Runtime::in_folder(models, Provider::Cpu, None).unwrap()
}

pub fn landmarker() -> Landmarker {
    let models = models();
    Landmarker::load(&runtime(&models), &models).unwrap()
}

/// A picture file as RGB.
pub fn picture(path: &Path) -> RgbPicture {
    let rgb = image::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).to_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    RgbPicture { data: rgb.into_raw(), width, height }
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
    pub frames: usize,
}

impl Clip {
    pub fn open(path: &Path) -> Self {
        Self::with_pixels(path, "rgb24")
    }

    fn with_pixels(path: &Path, format: &str) -> Self {
        let probe = Command::new("ffprobe")
            .args(["-v", "error", "-select_streams", "v:0", "-of", "csv=p=0"])
            .args(["-show_entries", "stream=width,height,nb_frames"])
            .arg(path)
            .output()
            .expect("ffprobe is installed (Debian package ffmpeg)");
        let text = String::from_utf8(probe.stdout).unwrap();
        let numbers: Vec<usize> = text.trim().split(',').map(|n| n.parse().unwrap()).collect();
        let [width, height, frames] = numbers[..] else {
            panic!("ffprobe says {text:?} about {}", path.display());
        };
        let mut child = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(path)
            .args(["-f", "rawvideo", "-pix_fmt", format, "-"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("ffmpeg is installed");
        let output = child.stdout.take().unwrap();
        Self { child, output, width, height, frames }
    }

    fn read(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let mut data = vec![0; bytes];
        self.output.read_exact(&mut data).ok()?;
        Some(data)
    }
}

impl Iterator for Clip {
    type Item = RgbPicture;

    fn next(&mut self) -> Option<RgbPicture> {
        let (width, height) = (self.width, self.height);
        Some(RgbPicture { data: self.read(3 * width * height)?, width, height })
    }
}

impl Drop for Clip {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The frames of a clip as a video decoder gives them.
pub struct I420Clip(Clip);

impl I420Clip {
    pub fn open(path: &Path) -> Self {
        Self(Clip::with_pixels(path, "yuv420p"))
    }
}

impl Iterator for I420Clip {
    type Item = I420Picture;

    fn next(&mut self) -> Option<I420Picture> {
        let (width, height) = (self.0.width, self.0.height);
        let bytes = width * height + 2 * width.div_ceil(2) * height.div_ceil(2);
        Some(I420Picture { data: self.0.read(bytes)?, width, height })
    }
}

/// Three planes, one behind the other.
#[derive(Clone)]
pub struct I420Picture {
    pub data: Vec<u8>,
    pub width: usize,
    pub height: usize,
}

impl Picture for I420Picture {
    fn view(&self) -> PictureView<'_> {
        let (width, height, chroma_width) = (self.width, self.height, self.width.div_ceil(2));
        let (y, chroma) = self.data.split_at(width * height);
        let (u, v) = chroma.split_at(chroma_width * height.div_ceil(2));
        PictureView::I420(I420View { y, u, v, y_stride: width, uv_stride: chroma_width, width, height })
    }
}

/// A picture without any face.
pub fn empty_room(width: usize, height: usize) -> RgbPicture {
    let data = (0..width * height).flat_map(|i| [(i / width / 4) as u8, 120, (i % width / 4) as u8]).collect();
    RgbPicture { data, width, height }
}

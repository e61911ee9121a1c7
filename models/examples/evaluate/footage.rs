//! Clips as a call has them, with what the networks see in every frame.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use vision_core::face::FrameAnalysis;
use vision_core::picture::{I420View, Picture, PictureView};
use vision_models::landmarker::{Landmarker, Tracker, TrackerOptions};
use vision_models::manifest::ModelFolder;
use vision_models::runtime::{Provider, Runtime};

use super::AnyError;

/// Real recordings of people, one person each (`assets/README.md`).
pub const CLIPS: [&str; 8] =
    ["lp_d0.mp4", "lp_d3.mp4", "lp_d10.mp4", "lp_d12.mp4", "lp_d13.mp4", "lp_d18.mp4", "lp_d19.mp4", "lp_s20.mp4"];
/// The size that fits into a call.
const CALL: [f64; 2] = [640.0, 480.0];
/// BT.601, as untagged video in a call.
const COLOURS: &str = "out_color_matrix=bt601:out_range=tv";

/// Reads clips and analyses them.
pub struct Studio {
    /// The folder with `assets/`.
    pub shared: PathBuf,
    /// The models.
    pub models: ModelFolder,
    /// ONNX Runtime, on the processor.
    pub runtime: Runtime,
    /// The landmark networks.
    pub landmarker: Landmarker,
}

impl Studio {
    /// Loads the networks.
    pub fn open(shared: &Path) -> Result<Self, AnyError> {
        if !shared.join("assets").is_dir() {
            return Err(format!("{} has no folder assets", shared.display()).into());
        }
        let models = ModelFolder::find(None)?;
        let runtime = Runtime::in_folder(&models, Provider::Cpu, None)?;
        let landmarker = Landmarker::load(&runtime, &models)?;
        Ok(Self { shared: shared.to_owned(), models, runtime, landmarker })
    }

    /// The frames of one of [`CLIPS`].
    pub fn clip(&self, name: &str) -> Result<Footage, AnyError> {
        Footage::read(&self.shared.join("assets").join(name), Some(CALL))
    }

    /// The frames of one of [`CLIPS`], or the one of a picture, in the size that the file has.
    pub fn original(&self, name: &str) -> Result<Footage, AnyError> {
        Footage::read(&self.shared.join("assets").join(name), None)
    }

    /// What the networks see in the frames, followed as in a call.
    pub fn analyse(&mut self, footage: &Footage) -> Result<Vec<FrameAnalysis>, AnyError> {
        let mut tracker = Tracker::new(TrackerOptions { face_count_interval: None });
        let mut analyses = Vec::with_capacity(footage.frames.len());
        for (index, frame) in footage.frames.iter().enumerate() {
            analyses.push(self.landmarker.frame(&mut tracker, &frame.view(), footage.time(index))?);
        }
        Ok(analyses)
    }
}

/// A clip in memory.
#[derive(Clone)]
pub struct Footage {
    /// Frames a second.
    pub rate: f64,
    /// Its frames, all of one size.
    pub frames: Vec<Arc<Frame>>,
}

impl Footage {
    /// Decodes a file, made to fit into a size.
    fn read(path: &Path, fit: Option<[f64; 2]>) -> Result<Self, AnyError> {
        let probe = Command::new("ffprobe")
            .args(["-v", "error", "-select_streams", "v:0", "-of", "csv=p=0", "-show_entries"])
            .arg("stream=width,height,r_frame_rate")
            .arg(path)
            .output()?;
        let text = String::from_utf8(probe.stdout)?;
        let fields: Vec<_> = text.trim().split([',', '/']).collect();
        let [width, height, over, under] = fields[..] else {
            return Err(format!("ffprobe says {text:?} about {}", path.display()).into());
        };
        let (width, height): (f64, f64) = (width.parse()?, height.parse()?);
        let rate = over.parse::<f64>()? / under.parse::<f64>()?;
        let shrink = fit.map_or(1.0, |[w, h]| (w / width).min(h / height));
        let even = |side: f64| 2 * ((side * shrink) as usize).div_ceil(2);
        let (width, height) = (even(width), even(height));
        let filter = format!("scale={width}:{height}:{COLOURS}");
        let mut child = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(path)
            .args(["-vf", &filter, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut output = child.stdout.take().ok_or("ffmpeg has no output")?;
        let bytes = width * height * 3 / 2;
        let mut frames = Vec::new();
        loop {
            let mut data = vec![0; bytes];
            if output.read_exact(&mut data).is_err() {
                break;
            }
            frames.push(Arc::new(Frame { data, width, height }));
        }
        child.wait()?;
        if frames.is_empty() {
            return Err(format!("{} has no frames", path.display()).into());
        }
        Ok(Self { rate, frames })
    }

    /// When a frame was taken.
    pub fn time(&self, index: usize) -> Duration {
        Duration::from_secs_f64(index as f64 / self.rate)
    }
}

/// An I420 picture of even size, its planes one behind the other.
pub struct Frame {
    /// `width * height * 3 / 2` bytes.
    pub data: Vec<u8>,
    /// Pixels, even.
    pub width: usize,
    /// Pixels, even.
    pub height: usize,
}

impl Picture for Frame {
    fn view(&self) -> PictureView<'_> {
        let (width, height) = (self.width, self.height);
        let (y, chroma) = self.data.split_at(width * height);
        let (u, v) = chroma.split_at(width * height / 4);
        PictureView::I420(I420View { y, u, v, y_stride: width, uv_stride: width / 2, width, height })
    }
}

impl Frame {
    /// The same with grey on the right, up to a width.
    pub fn widened(&self, width: usize) -> Arc<Self> {
        let width = width.max(self.width) & !1;
        let (luma, chroma) = self.data.split_at(self.width * self.height);
        let mut data = Vec::with_capacity(width * self.height * 3 / 2);
        for (plane, from, to) in [(luma, self.width, width), (chroma, self.width / 2, width / 2)] {
            for row in plane.chunks_exact(from) {
                data.extend_from_slice(row);
                data.resize(data.len() + to - from, 128);
            }
        }
        Arc::new(Self { data, width, height: self.height })
    }
}

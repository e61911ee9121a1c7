//! A person in front of a screen that really shines on them: a recording, lit by the pictures that the service sends.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vision_core::face::Face;
use vision_core::liveness::colour::simulation::{Camera, Falloff, Lamp, Scene};
use vision_core::picture::{I420Mut, I420View, PictureView};
use vision_models::landmarker::{Landmarker, Tracker, TrackerOptions};
use vision_models::manifest::ModelFolder;
use vision_models::runtime::{Provider, Runtime};
use vision_service::media::FrameSink;
use vision_service::subject::camera::Source;

/// Width and height.
const SIDE: usize = 480;
/// Pictures per second of the recording.
const RATE: f64 = 25.0;

/// The recording, and the screen before it.
pub struct Lit {
    frames: Vec<(Vec<u8>, Option<Face>)>,
    /// The screen's light now, linear.
    screen: Arc<Mutex<[f32; 3]>>,
}

impl Lit {
    /// Reads a square clip of 25 pictures a second.
    pub fn read(clip: &Path) -> Self {
        let size = format!("scale={SIDE}:{SIDE}:out_color_matrix=bt601:out_range=tv");
        let mut child = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(clip)
            .args(["-vf", &size, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("ffmpeg runs (Debian package ffmpeg)");
        let mut video = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut video).unwrap();
        assert!(child.wait().unwrap().success());

        let models = ModelFolder::find(None).unwrap();
        let runtime = Runtime::in_folder(&models, Provider::Cpu, None).unwrap();
        let mut landmarker = Landmarker::load(&runtime, &models).unwrap();
        let mut tracker = Tracker::new(TrackerOptions { face_count_interval: None });
        let frames = video.chunks_exact(SIDE * SIDE * 3 / 2).enumerate().map(|(index, data)| {
            let (y, chroma) = data.split_at(SIDE * SIDE);
            let (u, v) = chroma.split_at(SIDE * SIDE / 4);
            let view = I420View { y, u, v, y_stride: SIDE, uv_stride: SIDE / 2, width: SIDE, height: SIDE };
            let time = Duration::from_secs_f64(index as f64 / RATE);
            let face = landmarker.frame(&mut tracker, &PictureView::I420(view), time).unwrap().face;
            (data.to_vec(), face)
        });
        Self { frames: frames.collect(), screen: Arc::default() }
    }

    /// The screen: takes the pictures that the service sends, and shines.
    pub fn screen(&self) -> FrameSink {
        let screen = self.screen.clone();
        Arc::new(move |frame| {
            let PictureView::I420(view) = frame.picture.view() else { return };
            *screen.lock().unwrap() = mean_light(&view);
        })
    }

    /// The camera above the screen.
    pub fn camera(self, scene: Scene) -> Source {
        let mut camera = Camera::new(scene.ambient, 7);
        let mut last = Duration::ZERO;
        let paint = move |at: Duration, picture: &mut I420Mut<'_>| {
            let (data, face) = &self.frames[(at.as_secs_f64() * RATE) as usize % self.frames.len()];
            let (y, chroma) = data.split_at(SIDE * SIDE);
            let (u, v) = chroma.split_at(SIDE * SIDE / 4);
            copy(y, SIDE, picture.y, picture.y_stride);
            copy(u, SIDE / 2, picture.u, picture.uv_stride);
            copy(v, SIDE / 2, picture.v, picture.uv_stride);
            let Some(face) = face else { return };
            let falloff = Falloff::of(SIDE, SIDE, face, &scene);
            let colour = *self.screen.lock().unwrap();
            let contrast = scene.contrast();
            let light = std::array::from_fn(|i| colour[i] * contrast[i]);
            let seconds = (at - std::mem::replace(&mut last, at)).as_secs_f32();
            camera.shoot(picture, [1.0; 3], &[Lamp { falloff: &falloff, light, colour }], seconds);
        };
        Source::Painted { size: (SIDE, SIDE), paint: Box::new(paint) }
    }
}

fn copy(from: &[u8], width: usize, to: &mut [u8], stride: usize) {
    for (from, to) in from.chunks_exact(width).zip(to.chunks_mut(stride)) {
        to[..width].copy_from_slice(from);
    }
}

/// Mean linear light of a picture, of every eighth pixel.
fn mean_light(view: &I420View<'_>) -> [f32; 3] {
    let linear = |value: f32| if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) };
    let (mut sum, mut count) = ([0.0; 3], 0.0);
    for row in (0..view.height).step_by(8) {
        for column in (0..view.width).step_by(8) {
            let chroma = row / 2 * view.uv_stride + column / 2;
            let y = 1.164 * (f32::from(view.y[row * view.y_stride + column]) - 16.0);
            let (u, v) = (f32::from(view.u[chroma]) - 128.0, f32::from(view.v[chroma]) - 128.0);
            let rgb = [y + 1.596 * v, y - 0.392 * u - 0.813 * v, y + 2.017 * u];
            for (sum, value) in sum.iter_mut().zip(rgb) {
                *sum += linear((value / 255.0).clamp(0.0, 1.0));
            }
            count += 1.0;
        }
    }
    sum.map(|sum| sum / count)
}

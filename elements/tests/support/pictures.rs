//! Pictures of a face in every format and size, and what comes out of elements.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use gst_video::prelude::*;
use gst_video::{VideoConverter, VideoFormat, VideoFrameRef, VideoInfo};
use gstvision::meta::{FaceMeta, Faces};
use vision_core::face::{BLENDSHAPE_NAMES, BLENDSHAPES, Face, LANDMARKS};

/// What cameras deliver, and what nobody does.
pub const SIZES: [(u32, u32); 5] = [(640, 480), (480, 640), (320, 240), (321, 243), (1280, 720)];

pub fn info(format: VideoFormat, (width, height): (u32, u32)) -> VideoInfo {
    super::init();
    let info = VideoInfo::builder(format, width, height);
    let info = if format == VideoFormat::Rgb { info } else { info.colorimetry(&"bt601".parse().unwrap()) };
    info.build().unwrap()
}

fn demo() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo")
}

/// The demonstration's portrait, stretched to a size, at so many milliseconds.
pub fn portrait(info: &VideoInfo, ms: u64) -> gst::Buffer {
    super::init();
    static PICTURE: LazyLock<image::RgbImage> =
        LazyLock::new(|| image::open(demo().join("astronaut.png")).unwrap().to_rgb8());
    let picture = PICTURE.clone();
    let from = VideoInfo::builder(VideoFormat::Rgb, picture.width(), picture.height()).build().unwrap();
    let mut buffer = convert(&gst::Buffer::from_slice(picture.into_raw()), &from, info);
    let writable = buffer.get_mut().unwrap();
    writable.set_pts(gst::ClockTime::from_mseconds(ms));
    writable.set_duration(gst::ClockTime::from_mseconds(40));
    buffer
}

/// Its face, with some scores.
pub fn face(scores: &[(&str, f32)]) -> Face {
    let data = std::fs::read_to_string(demo().join("astronaut-landmarks.json")).unwrap();
    let data: serde_json::Value = serde_json::from_str(&data).unwrap();
    let list: Vec<[f32; 3]> = serde_json::from_value(data["landmarks"].clone()).unwrap();
    let mut landmarks = Box::new([[0.0; 3]; LANDMARKS]);
    landmarks.copy_from_slice(&list);
    let mut blendshapes = [0.0; BLENDSHAPES];
    for (name, score) in scores {
        blendshapes[BLENDSHAPE_NAMES.iter().position(|known| known == name).unwrap()] = *score;
    }
    let (sin, cos) = 0.2_f32.sin_cos();
    let matrix = [[cos, 0.0, sin, 0.0], [0.0, 1.0, 0.0, 0.0], [-sin, 0.0, cos, -40.0], [0.0, 0.0, 0.0, 1.0]];
    Face { landmarks, blendshapes, matrix, presence: 0.97 }
}

/// Attaches faces as `faceanalyze` does.
pub fn attach(buffer: &mut gst::Buffer, faces: Vec<Face>) {
    let face_count = faces.len();
    let faces = Faces { faces, face_count, width: 512, height: 512, ..Faces::default() };
    FaceMeta::attach(buffer.make_mut(), Arc::new(faces));
}

pub fn convert(buffer: &gst::BufferRef, from: &VideoInfo, to: &VideoInfo) -> gst::Buffer {
    let converter = VideoConverter::new(from, to, None).unwrap();
    // Padding too is the same in every picture.
    let mut converted = gst::Buffer::from_mut_slice(vec![0; to.size()]);
    {
        let source = VideoFrameRef::from_buffer_ref_readable(buffer, from).unwrap();
        let mut target = VideoFrameRef::from_buffer_ref_writable(converted.get_mut().unwrap(), to).unwrap();
        converter.frame_ref(&source, &mut target);
    }
    converted
}

/// RGB without padding.
#[derive(PartialEq)]
pub struct Rgb {
    pub width: usize,
    pub height: usize,
    pub data: Vec<u8>,
}

impl Rgb {
    pub fn of(buffer: &gst::BufferRef, info: &VideoInfo) -> Self {
        let (width, height) = (info.width() as usize, info.height() as usize);
        let rgb = VideoInfo::builder(VideoFormat::Rgb, info.width(), info.height()).fps(info.fps()).par(info.par());
        let rgb = rgb.interlace_mode(info.interlace_mode()).build().unwrap();
        let converted = convert(buffer, info, &rgb);
        let frame = VideoFrameRef::from_buffer_ref_readable(&converted, &rgb).unwrap();
        let stride = frame.plane_stride()[0] as usize;
        let rows = frame.plane_data(0).unwrap().chunks(stride).take(height);
        Self { width, height, data: rows.flat_map(|row| row[..3 * width].to_vec()).collect() }
    }

    pub fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let i = 3 * (y * self.width + x);
        [self.data[i], self.data[i + 1], self.data[i + 2]]
    }

    /// Where it differs visibly from another picture: x and y as parts of width and height.
    pub fn differences(&self, other: &Self) -> Vec<(f32, f32)> {
        let differs = |i: &usize| (0..3).any(|k| self.data[3 * i + k].abs_diff(other.data[3 * i + k]) > 24);
        let place =
            |i: usize| ((i % self.width) as f32 / self.width as f32, (i / self.width) as f32 / self.height as f32);
        (0..self.width * self.height).filter(differs).map(place).collect()
    }

    /// Writes a picture to look at into the folder `VISION_TEST_PICTURES`, where there is one.
    pub fn keep(&self, name: &str) {
        if let Some(folder) = std::env::var_os("VISION_TEST_PICTURES") {
            let picture = image::RgbImage::from_raw(self.width as u32, self.height as u32, self.data.clone()).unwrap();
            picture.save(Path::new(&folder).join(format!("{name}.png"))).unwrap();
        }
    }
}

/// The bytes of a buffer.
pub fn bytes(buffer: &gst::BufferRef) -> Vec<u8> {
    buffer.map_readable().unwrap().to_vec()
}

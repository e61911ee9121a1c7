//! Writes what the debugging picture looks like in a few sizes as PNG files, and prints what drawing costs.
//!
//! `cargo run --release -p vision-core --example face_view -- OUT_FOLDER`

use std::{error::Error, path::Path, time::Instant};

use image::{RgbImage, imageops};
use vision_core::{
    face::{BLENDSHAPES, Face, LANDMARKS},
    face_view::{Bars, FacePainter, Shown},
    gestures::{GestureLibrary, GestureSequence, OnTimeout, Signals},
    picture::{I420Mut, Nv12Mut, PictureMut, RgbMut},
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("give a folder to write to")?;
    std::fs::create_dir_all(&folder)?;
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo");
    let picture = image::open(assets.join("astronaut.png"))?.to_rgb8();
    let everything =
        Shown { mesh: true, points: false, bounds: true, axes: true, bars: Bars::Strongest(10), gesture: true };
    let library = GestureLibrary::load(&[])?;
    let gestures = ["smile", "turnLeft"].iter().filter_map(|id| library.get(id).cloned()).collect();
    let mut sequence = GestureSequence::new(gestures, OnTimeout::Fail).ok_or("there are no gestures")?;
    for (width, height) in [(320, 240), (640, 480), (480, 640), (1280, 720), (1920, 1080)] {
        let part = cover(&picture, width, height);
        let face = face(&assets, &picture, width, height)?;
        sequence.update(Some(&Signals::of(&face, false)), Instant::now());
        let state = sequence.state();
        let mut painter = FacePainter::new();
        let mut data = part.clone().into_raw();
        let mut draw = |data: &mut [u8], shown: &Shown| {
            let mut out = PictureMut::Rgb(RgbMut { data, width, height, stride: 3 * width });
            painter.draw([&face], Some(&state), shown, &mut out);
        };
        draw(&mut data, &everything);
        let drawn = RgbImage::from_raw(width as u32, height as u32, data.clone()).ok_or("a size")?;
        drawn.save(Path::new(&folder).join(format!("{width}x{height}.png")))?;

        let off = Shown::default();
        let parts = [
            ("everything", everything.clone()),
            ("mesh", Shown { mesh: true, ..off.clone() }),
            ("points", Shown { points: true, ..off.clone() }),
            ("box", Shown { bounds: true, ..off.clone() }),
            ("axes", Shown { axes: true, ..off.clone() }),
            ("bars", Shown { bars: Bars::Strongest(10), ..off.clone() }),
            ("gesture", Shown { gesture: true, ..off }),
        ];
        for (name, shown) in parts {
            print!("{width}x{height}, {name}: {:.2} ms in RGB", timed(|| draw(&mut data, &shown)));
            let (y_stride, uv_stride) = (width, width / 2);
            let (mut y, mut u, mut v) =
                (vec![99; width * height], vec![128; width * height / 4], vec![128; width * height / 4]);
            let mut uv = vec![128; width * height / 2];
            let i420 = timed(|| {
                let (y, u, v) = (&mut y, &mut u, &mut v);
                let out = I420Mut { y, u, v, y_stride, uv_stride, width, height };
                painter_draw(&face, &state, &shown, &mut PictureMut::I420(out));
            });
            let nv12 = timed(|| {
                let out = Nv12Mut { y: &mut y, uv: &mut uv, y_stride, uv_stride: width, width, height };
                painter_draw(&face, &state, &shown, &mut PictureMut::Nv12(out));
            });
            println!(", {i420:.2} in I420, {nv12:.2} in NV12");
        }
    }
    Ok(())
}

thread_local! {
    static PAINTER: std::cell::RefCell<FacePainter> = std::cell::RefCell::new(FacePainter::new());
}

fn painter_draw(face: &Face, state: &vision_core::gestures::SequenceState, shown: &Shown, out: &mut PictureMut) {
    PAINTER.with_borrow_mut(|painter| painter.draw([face], Some(state), shown, out));
}

/// The part of the picture that covers a size, around the face.
fn cover(picture: &RgbImage, width: usize, height: usize) -> RgbImage {
    let (x, y, w, h) = window(picture, width, height);
    let part = imageops::crop_imm(picture, x, y, w, h).to_image();
    imageops::resize(&part, width as u32, height as u32, imageops::FilterType::Triangle)
}

fn window(picture: &RgbImage, width: usize, height: usize) -> (u32, u32, u32, u32) {
    let scale = (width as f64 / f64::from(picture.width())).max(height as f64 / f64::from(picture.height()));
    let (w, h) = ((width as f64 / scale) as u32, (height as f64 / scale) as u32);
    ((picture.width() - w) / 2, 0, w, h)
}

/// The picture's face in that part, with made-up scores.
fn face(assets: &Path, picture: &RgbImage, width: usize, height: usize) -> Result<Face, Box<dyn Error>> {
    let data: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(assets.join("astronaut-landmarks.json"))?)?;
    let list: Vec<[f32; 3]> = serde_json::from_value(data["landmarks"].clone())?;
    let (x, y, w, h) = window(picture, width, height);
    let (scale_x, scale_y) = (picture.width() as f32 / w as f32, picture.height() as f32 / h as f32);
    let (left, top) = (x as f32 / picture.width() as f32, y as f32 / picture.height() as f32);
    let mut landmarks = Box::new([[0.0; 3]; LANDMARKS]);
    for (to, [x, y, z]) in landmarks.iter_mut().zip(list) {
        *to = [(x - left) * scale_x, (y - top) * scale_y, z * scale_x];
    }
    let mut blendshapes = [0.0; BLENDSHAPES];
    blendshapes.iter_mut().enumerate().for_each(|(i, score)| *score = (i * 37 % 101) as f32 / 100.0);
    let (sin, cos) = 0.25_f32.sin_cos();
    let matrix = [[cos, 0.05, sin, 0.0], [-0.05, 1.0, 0.1, 0.0], [-sin, -0.1, cos, -40.0], [0.0, 0.0, 0.0, 1.0]];
    Ok(Face { landmarks, blendshapes, matrix, presence: 0.99 })
}

/// Processor milliseconds of a call: the mean of the quickest of five rounds, since neighbours on the machine only add.
fn timed(mut call: impl FnMut()) -> f64 {
    let round = |_| {
        let before = processor_time();
        (0..40).for_each(|_| call());
        (processor_time() - before) / 40.0 / 1e6
    };
    (0..5).map(round).fold(f64::MAX, f64::min)
}

/// Nanoseconds that this thread has run (Linux).
fn processor_time() -> f64 {
    let read = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    read.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0.0)
}

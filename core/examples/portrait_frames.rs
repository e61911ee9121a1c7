//! Writes the demonstration's subject with every expression, and each gesture as a strip, as PNG files to look at; prints
//! what a frame costs.
//!
//! `cargo run --release -p vision-core --example portrait_frames -- OUT_FOLDER`

use std::{
    error::Error,
    path::Path,
    time::{Duration, Instant},
};

use image::{RgbImage, imageops};
use vision_core::{
    face::{BLENDSHAPES, Face, LANDMARKS},
    picture::{I420Mut, RgbView},
    portrait::{Expression, Performance, Portrait},
};

const WIDTH: usize = Portrait::SIZE[0];
const HEIGHT: usize = Portrait::SIZE[1];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("give a folder to write to")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let assets = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
    let picture = image::open(assets.join("astronaut.png"))?.to_rgb8();
    let face = face(&assets.join("astronaut-landmarks.json"))?;
    let [width, height] = [picture.width(), picture.height()].map(|v| v as usize);
    let view = RgbView { data: &picture, width, height, stride: 3 * width };
    let began = Instant::now();
    let mut portrait = Portrait::new(view, &face)?;
    println!("prepared in {:.0?}", began.elapsed());

    let rest = Expression::default();
    let expressions = [
        ("as-pictured", Expression { smile: 1.0, ..rest }),
        ("rest", rest),
        ("half-smile", Expression { smile: 0.5, ..rest }),
        ("blink", Expression { blink_right: 1.0, blink_left: 1.0, ..rest }),
        ("wink-left", Expression { blink_left: 1.0, smile: 1.0, ..rest }),
        ("mouth-open", Expression { jaw_open: 1.0, ..rest }),
        ("mouth-open-smiling", Expression { jaw_open: 0.5, smile: 0.7, ..rest }),
        ("turned-left", Expression { yaw: 0.38, ..rest }),
        ("turned-right", Expression { yaw: -0.38, ..rest }),
        ("chin-down", Expression { pitch: -0.25, smile: -0.3, ..rest }),
        ("looking-up", Expression { pitch: 0.42, ..rest }),
        ("tilted", Expression { roll: 0.1, ..rest }),
    ];
    for (name, expression) in expressions {
        draw(&mut portrait, &expression)?.save(folder.join(format!("{name}.png")))?;
    }
    for id in Performance::GESTURES {
        let performance = Performance::gesture(id).ok_or("a gesture that is listed but not acted out")?;
        strip(&mut portrait, &performance)?.save(folder.join(format!("gesture-{id}.png")))?;
    }
    println!("pictures in {}", folder.display());

    let mut frame = Frame::new();
    let frames = 300u32;
    let began = Instant::now();
    for i in 0..frames {
        portrait.render(&Expression { yaw: 0.001 * i as f32, ..rest }, &mut frame.view())?;
    }
    println!("{:.2?} a frame of {WIDTH}x{HEIGHT}", began.elapsed() / frames);
    Ok(())
}

/// Eight moments of a performance side by side, at half size.
fn strip(portrait: &mut Portrait, performance: &Performance) -> Result<RgbImage, Box<dyn Error>> {
    let (w, h) = (WIDTH as u32 / 2, HEIGHT as u32 / 2);
    let mut strip = RgbImage::new(4 * w, 2 * h);
    for i in 0..8u32 {
        let moment: Duration = performance.duration() * (i + 1) / 9;
        let frame = draw(portrait, &performance.at(moment))?;
        let small = imageops::resize(&frame, w, h, imageops::FilterType::Triangle);
        imageops::replace(&mut strip, &small, i64::from(i % 4 * w), i64::from(i / 4 * h));
    }
    Ok(strip)
}

struct Frame {
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl Frame {
    fn new() -> Self {
        let chroma = vec![0; WIDTH * HEIGHT / 4];
        Self { y: vec![0; WIDTH * HEIGHT], u: chroma.clone(), v: chroma }
    }

    fn view(&mut self) -> I420Mut<'_> {
        I420Mut {
            y: &mut self.y,
            u: &mut self.u,
            v: &mut self.v,
            y_stride: WIDTH,
            uv_stride: WIDTH / 2,
            width: WIDTH,
            height: HEIGHT,
        }
    }
}

fn draw(portrait: &mut Portrait, expression: &Expression) -> Result<RgbImage, Box<dyn Error>> {
    let mut frame = Frame::new();
    portrait.render(expression, &mut frame.view())?;
    Ok(RgbImage::from_fn(WIDTH as u32, HEIGHT as u32, |x, y| {
        let (x, y) = (x as usize, y as usize);
        let chroma = y / 2 * (WIDTH / 2) + x / 2;
        // BT.601, limited range.
        let luma = 1.164 * (f32::from(frame.y[y * WIDTH + x]) - 16.0);
        let [cb, cr] = [&frame.u, &frame.v].map(|plane| f32::from(plane[chroma]) - 128.0);
        image::Rgb([luma + 1.596 * cr, luma - 0.392 * cb - 0.813 * cr, luma + 2.017 * cb].map(|v| v as u8))
    }))
}

fn face(landmarks: &Path) -> Result<Face, Box<dyn Error>> {
    let data: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(landmarks)?)?;
    let points: Vec<[f32; 3]> = serde_json::from_value(data["landmarks"].clone())?;
    let landmarks: [[f32; 3]; LANDMARKS] = points.try_into().map_err(|_| "478 landmarks were expected")?;
    Ok(Face { landmarks: Box::new(landmarks), blendshapes: [0.0; BLENDSHAPES], matrix: [[0.0; 4]; 4], presence: 1.0 })
}

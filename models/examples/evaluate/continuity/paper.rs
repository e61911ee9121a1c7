//! Pictures of people before a camera: on paper that is turned, flat or bent, and animated.

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

use vision_core::picture::{I420Mut, Picture as _, PictureView};
use vision_core::portrait::{Performance, Portrait, alive};
use vision_models::picture_file::{PictureLimits, decode_picture};

use crate::AnyError;
use crate::footage::{Footage, Frame, Studio};

const WIDTH: usize = 640;
const HEIGHT: usize = 480;
const RATE: f64 = 30.0;
/// Distance of the paper from the camera, in heights of the paper; it just fills the picture.
const DISTANCE: f64 = 1.6;

/// A frame on paper, turned to one side and back, then to the other, within `period` seconds each: by up to `angle`
/// radians. `bend`: depth of the paper at its edges, in its heights, over the square of half its width.
pub fn turned(paper: &Frame, seconds: f64, period: f64, angle: f64, bend: f64) -> Footage {
    let frames = (0..(seconds * RATE) as usize).map(|index| {
        let t = index as f64 / RATE;
        let side = if ((t / period) as usize).is_multiple_of(2) { 1.0 } else { -1.0 };
        let yaw = side * angle * (1.0 - (TAU * t / period).cos()) / 2.0;
        // A hand is never still.
        let sway = [0.02 * (1.3 * t).sin(), 0.015 * (1.9 * t + 1.0).sin(), 0.02 * (0.9 * t).sin()];
        Arc::new(draw(paper, yaw, bend, sway))
    });
    Footage { rate: RATE, frames: frames.collect() }
}

fn draw(paper: &Frame, yaw: f64, bend: f64, sway: [f64; 3]) -> Frame {
    let aspect = paper.width as f64 / paper.height as f64;
    let focal = DISTANCE * HEIGHT as f64;
    let (sin, cos) = yaw.sin_cos();
    // The paper is bent about its upright axis alone: which column of it a column of the picture shows, and how far
    // away that is, does not depend on the row. The nearest of several hides the others.
    let mut columns: Vec<Option<(f64, f64)>> = vec![None; WIDTH];
    let steps = 6000;
    for u in (0..=steps).map(|step| (f64::from(step) / f64::from(steps) - 0.5) * aspect) {
        let depth = bend * u * u;
        let z = DISTANCE + sway[2] - u * sin + depth * cos;
        let x = (focal * (u * cos + depth * sin + sway[0]) / z + WIDTH as f64 / 2.0).round();
        if (0.0..WIDTH as f64).contains(&x) {
            let column = &mut columns[x as usize];
            if column.is_none_or(|(_, nearest)| z < nearest) {
                *column = Some((u, z));
            }
        }
    }
    let mut data = vec![110; WIDTH * HEIGHT];
    data.resize(WIDTH * HEIGHT * 3 / 2, 128);
    let (mut from, mut to) = (&paper.data[..], &mut data[..]);
    for shrink in [1, 2, 2] {
        let (width, height) = (WIDTH / shrink, HEIGHT / shrink);
        let (paper_width, paper_height) = (paper.width / shrink, paper.height / shrink);
        let (plane, rest) = to.split_at_mut(width * height);
        let (texture, texture_rest) = from.split_at(paper_width * paper_height);
        for x in 0..width {
            let Some((u, z)) = columns[x * shrink] else { continue };
            for y in 0..height {
                let v = ((y as f64 + 0.5) * shrink as f64 - HEIGHT as f64 / 2.0) * z / focal + sway[1] + 0.5;
                if (0.0..1.0).contains(&v) {
                    let place = [(u / aspect + 0.5) * paper_width as f64, v * paper_height as f64];
                    plane[y * width + x] = sample(texture, paper_width, paper_height, place);
                }
            }
        }
        (from, to) = (texture_rest, rest);
    }
    Frame { data, width: WIDTH, height: HEIGHT }
}

/// Bilinear; beyond the edge the nearest pixel.
fn sample(plane: &[u8], width: usize, height: usize, [x, y]: [f64; 2]) -> u8 {
    let (x, y) = ((x - 0.5).clamp(0.0, width as f64 - 1.001), (y - 0.5).clamp(0.0, height as f64 - 1.001));
    let (column, row) = (x as usize, y as usize);
    let (right, down) = (x - column as f64, y - row as f64);
    let at = |column: usize, row: usize| f64::from(plane[row * width + column]);
    let upper = at(column, row) * (1.0 - right) + at(column + 1, row) * right;
    let lower = at(column, row + 1) * (1.0 - right) + at(column + 1, row + 1) * right;
    (upper * (1.0 - down) + lower * down).round() as u8
}

/// A picture file, animated: these gestures one after another.
pub fn animated(studio: &mut Studio, file: &str, gestures: &[&str]) -> Result<Footage, AnyError> {
    let bytes = std::fs::read(studio.shared.join("assets").join(file))?;
    let picture = decode_picture(&bytes, &PictureLimits::default())?;
    let face = studio.landmarker.picture(&picture.view(), 1)?.pop().ok_or("no face")?;
    let PictureView::Rgb(view) = picture.view() else { return Err("no RGB".into()) };
    let mut portrait = Portrait::new(view, &face)?;
    let performance = Performance::in_turn(gestures.iter().copied());
    let mut frames = Vec::new();
    for index in 0..(performance.duration().as_secs_f64() * RATE) as usize {
        let now = Duration::from_secs_f64(index as f64 / RATE);
        let mut data = vec![0; WIDTH * HEIGHT * 3 / 2];
        let (y, chroma) = data.split_at_mut(WIDTH * HEIGHT);
        let (u, v) = chroma.split_at_mut(WIDTH * HEIGHT / 4);
        let mut out = I420Mut { y, u, v, y_stride: WIDTH, uv_stride: WIDTH / 2, width: WIDTH, height: HEIGHT };
        portrait.render(&alive(performance.at(now), now), &mut out)?;
        frames.push(Arc::new(Frame { data, width: WIDTH, height: HEIGHT }));
    }
    Ok(Footage { rate: RATE, frames })
}

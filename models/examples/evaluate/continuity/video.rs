//! Clips tampered with, and sent through a call's encoder.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::AnyError;
use crate::footage::{Footage, Frame};

/// Kilobits a second of a call in good and in bad conditions.
pub const GOOD: u32 = 800;
pub const BAD: u32 = 300;

/// Encodes with VP8 as browsers do (real time, no frames held back, key frames on demand only) and decodes again.
pub fn through_call(footage: &Footage, kilobits: u32) -> Result<Footage, AnyError> {
    let first = footage.frames.first().ok_or("no frames")?;
    let (width, height) = (first.width, first.height);
    let mut encoder = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p"])
        .args(["-s", &format!("{width}x{height}"), "-r", &footage.rate.to_string(), "-i", "-"])
        .args(["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-lag-in-frames", "0"])
        .args(["-error-resilient", "1", "-g", "3000", "-b:v", &format!("{kilobits}k"), "-f", "ivf", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let encoded = encoder.stdout.take().ok_or("no output")?;
    let mut decoder = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "ivf", "-i", "-", "-fps_mode", "passthrough"])
        .args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
        .stdin(encoded)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = encoder.stdin.take().ok_or("no input")?;
    let frames = footage.frames.clone();
    let writer = std::thread::spawn(move || frames.iter().try_for_each(|frame| input.write_all(&frame.data)));
    let mut output = decoder.stdout.take().ok_or("no output")?;
    let mut frames = Vec::with_capacity(footage.frames.len());
    loop {
        let mut data = vec![0; width * height * 3 / 2];
        if output.read_exact(&mut data).is_err() {
            break;
        }
        frames.push(Arc::new(Frame { data, width, height }));
    }
    writer.join().map_err(|_| "writing to ffmpeg failed")??;
    encoder.wait()?;
    decoder.wait()?;
    Ok(Footage { rate: footage.rate, frames })
}

/// Frames from one second to another.
pub fn piece(footage: &Footage, from: f64, to: f64) -> Footage {
    let at = |seconds: f64| ((seconds * footage.rate).round() as usize).min(footage.frames.len());
    Footage { rate: footage.rate, frames: footage.frames[at(from)..at(to)].to_vec() }
}

/// How long it is, seconds.
pub fn seconds(footage: &Footage) -> f64 {
    footage.frames.len() as f64 / footage.rate
}

/// One after another, at the rate of the first.
pub fn joined(pieces: &[&Footage]) -> Footage {
    let frames = pieces.iter().flat_map(|piece| piece.frames.iter().cloned()).collect();
    Footage { rate: pieces.first().map_or(30.0, |piece| piece.rate), frames }
}

/// Again and again.
pub fn looped(footage: &Footage, times: usize) -> Footage {
    joined(&vec![footage; times])
}

/// Forwards and backwards, again and again.
pub fn back_and_forth(footage: &Footage, times: usize) -> Footage {
    let mut backwards = footage.clone();
    backwards.frames.reverse();
    looped(&joined(&[footage, &backwards]), times)
}

/// Every second frame.
pub fn halved(footage: &Footage) -> Footage {
    Footage { rate: footage.rate / 2.0, frames: footage.frames.iter().step_by(2).cloned().collect() }
}

/// One frame for a time, with noise of up to `levels` luma levels that is another one in every frame.
pub fn still(footage: &Footage, frame: usize, seconds: f64, levels: i32) -> Footage {
    let picture = &footage.frames[frame.min(footage.frames.len() - 1)];
    let count = (seconds * footage.rate) as usize;
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let frames = (0..count).map(|_| {
        let mut data = picture.data.clone();
        if levels > 0 {
            for value in &mut data[..picture.width * picture.height] {
                state ^= state >> 12;
                state ^= state << 25;
                state ^= state >> 27;
                let noise = (state >> 33) as i32 % (2 * levels + 1) - levels;
                *value = (i32::from(*value) + noise).clamp(0, 255) as u8;
            }
        }
        Arc::new(Frame { data, width: picture.width, height: picture.height })
    });
    Footage { rate: footage.rate, frames: frames.collect() }
}

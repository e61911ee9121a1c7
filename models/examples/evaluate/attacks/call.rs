//! The way of a video through a call: VP8 at 500 kbit/s, as real-time encoders do it.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::AnyError;
use crate::footage::{Footage, Frame};

/// Encodes and decodes.
pub fn through_a_call(footage: &Footage) -> Result<Footage, AnyError> {
    let first = footage.frames.first().ok_or("a call needs frames")?;
    let (width, height) = (first.width, first.height);
    let (size, rate) = (format!("{width}x{height}"), footage.rate.to_string());
    let raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p"];
    let encoder = ["-c:v", "libvpx", "-b:v", "500k", "-maxrate", "600k", "-bufsize", "500k", "-deadline", "realtime"];
    // A negative number is a speed; a positive one would follow the machine's, and no run be as the last.
    let settings = ["-cpu-used", "-6", "-lag-in-frames", "0", "-threads", "1", "-f", "ivf", "-"];
    let mut encode = Command::new("ffmpeg");
    encode.args(["-v", "error"]).args(raw).args(["-s", &size, "-r", &rate, "-i", "-"]).args(encoder).args(settings);
    let ivf = through(&mut encode, footage.frames.iter().flat_map(|frame| frame.data.iter().copied()).collect())?;
    let mut decode = Command::new("ffmpeg");
    decode.args(["-v", "error", "-f", "ivf", "-i", "-", "-vsync", "passthrough"]).args(raw).arg("-");
    let decoded = through(&mut decode, ivf)?;
    let frames: Vec<_> = decoded
        .chunks_exact(width * height * 3 / 2)
        .map(|data| Arc::new(Frame { data: data.to_vec(), width, height }))
        .collect();
    if frames.len() != footage.frames.len() {
        return Err(format!("{} frames went into the call, {} came out", footage.frames.len(), frames.len()).into());
    }
    Ok(Footage { rate: footage.rate, frames })
}

/// What a program makes of its input.
fn through(command: &mut Command, input: Vec<u8>) -> Result<Vec<u8>, AnyError> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut to = child.stdin.take().ok_or("ffmpeg has no input")?;
    let writer = std::thread::spawn(move || to.write_all(&input));
    let mut output = Vec::new();
    child.stdout.take().ok_or("ffmpeg has no output")?.read_to_end(&mut output)?;
    writer.join().map_err(|_| "the writer to ffmpeg panicked")??;
    child.wait()?;
    Ok(output)
}

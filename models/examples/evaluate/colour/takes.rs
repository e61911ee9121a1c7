//! Recordings of a challenge: real clips with a screen's light added, taken by a simulated camera, sent by a real VP8 encoder.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use vision_core::face::Face;
use vision_core::liveness::colour::simulation::{Camera, Falloff, Lamp, Scene};
use vision_core::liveness::colour::{Colour, Observer, Sequence};
use vision_core::picture::{I420Mut, Picture as _};

use super::super::AnyError;
use super::super::footage::{Footage, Frame, Studio};

/// Frames a second: as many as a flow looks at.
pub const RATE: f64 = 15.0;
/// The camera runs for so long before the first grey, seconds: exposure settles.
const LEAD: f64 = 0.6;
/// What a call gives to 15 pictures of 640x480 a second.
const BITRATE: &str = "400k";

/// A clip at the rate of a challenge and as long as one; shorter clips run to and fro.
pub struct Subject {
    frames: Vec<(usize, Option<Face>)>,
    footage: Footage,
}

/// What happens while a subject is recorded.
#[derive(Clone, Copy)]
pub struct Conditions {
    /// Who sits where.
    pub scene: Scene,
    /// Does the screen's light reach the face?
    pub light: Light,
    /// What else changes.
    pub disturbance: Disturbance,
    /// From a picture sent to the frame that shows its light, seconds.
    pub delay: f64,
    /// Of noise and disturbances.
    pub seed: u32,
}

/// How the screen's light comes back.
#[derive(Clone, Copy, PartialEq)]
pub enum Light {
    /// Not at all: a recording is played into the call.
    None,
    /// By a face in a room.
    Face,
    /// By something flat that fills the picture: a print, another screen.
    Flat,
}

/// What else there is in the room.
#[derive(Clone, Copy, PartialEq)]
pub enum Disturbance {
    /// Nothing.
    None,
    /// Lamps and clouds: the light changes by a half, at random, several times, a little in colour too.
    Room,
    /// A television beside the screen: changes of colour at random times, half as bright as the screen.
    Television,
}

/// What was seen of a recording.
pub struct Recording {
    /// All frames of it.
    pub observer: Observer,
    /// Processor time that looking at a frame took.
    pub cost: Duration,
}

impl Subject {
    /// Analyses a clip.
    pub fn of(studio: &mut Studio, name: &str) -> Result<Self, AnyError> {
        let footage = studio.clip(name)?;
        let analyses = studio.analyse(&footage)?;
        let count = ((LEAD + Sequence::LENGTH.as_secs_f64() + Observer::AFTERGLOW.as_secs_f64()) * RATE) as usize;
        let last = footage.frames.len() - 1;
        let frames = (0..count).map(|i| {
            let at = (i as f64 / RATE * footage.rate) as usize % (2 * last);
            let at = if at > last { 2 * last - at } else { at };
            (at, analyses[at].face.clone())
        });
        Ok(Self { frames: frames.collect(), footage })
    }

    /// Records a challenge, and what an observer sees of it. The first grey is shown at zero.
    pub fn record(&self, sequence: &Sequence, conditions: &Conditions) -> Result<Recording, AnyError> {
        let sent = through_vp8(&self.shoot(sequence, conditions))?;
        let (mut observer, mut cost) = (Observer::default(), Duration::ZERO);
        let mut jitter = random(conditions.seed ^ 0x9E37);
        for (i, (frame, (_, face))) in sent.iter().zip(&self.frames).enumerate() {
            let time = i as f64 / RATE + 0.012 * jitter();
            if let (Some(face), true) = (face, time >= LEAD) {
                let before = processor_time();
                observer.frame(&frame.view(), face, Duration::from_secs_f64(time - LEAD));
                cost += processor_time() - before;
            }
        }
        let cost = cost / observer.frames().max(1) as u32;
        Ok(Recording { observer, cost })
    }

    /// The frames before they are sent.
    pub fn shoot(&self, sequence: &Sequence, conditions: &Conditions) -> Vec<Frame> {
        let Conditions { scene, light, disturbance, delay, seed } = *conditions;
        let mut camera = Camera::new(scene.ambient, seed);
        let mut room = Walk::new(seed ^ 0x5151, 0.7);
        let mut television = Walk::new(seed ^ 0x7777, 0.35);
        let contrast = scene.contrast();
        let mut falloff = None;
        let shoot = |(i, (at, face)): (usize, &(usize, Option<Face>))| {
            let source = &self.footage.frames[*at];
            let mut frame = Frame { data: source.data.clone(), width: source.width, height: source.height };
            if let Some(face) = face {
                falloff = Some(match light {
                    Light::Flat => Falloff::even(frame.width, frame.height),
                    _ => Falloff::of(frame.width, frame.height, face, &scene),
                });
            }
            let time = i as f64 / RATE;
            let shown = Duration::try_from_secs_f64(time - LEAD - delay).ok();
            let colour = shown.and_then(|shown| sequence.colour_at(shown)).unwrap_or(Colour::Grey).light();
            let mut lamps = Vec::new();
            if let (Some(falloff), true) = (&falloff, light != Light::None) {
                let light = [0, 1, 2].map(|part| contrast[part] * colour[part]);
                lamps.push(Lamp { falloff, light, colour });
            }
            let other = television.at(time);
            if let (Some(falloff), Disturbance::Television) = (&falloff, disturbance) {
                let light = [0, 1, 2].map(|part| 0.5 * contrast[part] * other[part]);
                lamps.push(Lamp { falloff, light, colour: [0.0; 3] });
            }
            let changed = room.at(time);
            let surroundings = match disturbance {
                // Brightness by up to a half, colour by up to a twentieth.
                Disturbance::Room => changed.map(|part| (1.25 - 0.5 * changed[0]) * (0.975 + 0.05 * part)),
                _ => [1.0; 3],
            };
            let (width, height) = (frame.width, frame.height);
            let (y, chroma) = frame.data.split_at_mut(width * height);
            let (u, v) = chroma.split_at_mut(width * height / 4);
            let mut picture = I420Mut { y, u, v, y_stride: width, uv_stride: width / 2, width, height };
            camera.shoot(&mut picture, surroundings, &lamps, (1.0 / RATE) as f32);
            frame
        };
        self.frames.iter().enumerate().map(shoot).collect()
    }
}

/// Of this thread.
pub fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Three numbers that jump at random times.
struct Walk {
    random: Box<dyn FnMut() -> f64>,
    mean: f64,
    next: f64,
    now: [f32; 3],
}

impl Walk {
    fn new(seed: u32, mean: f64) -> Self {
        Self { random: Box::new(random(seed)), mean, next: 0.0, now: [0.5; 3] }
    }

    fn at(&mut self, time: f64) -> [f32; 3] {
        while time >= self.next {
            self.now = [0; 3].map(|_| (self.random)() as f32);
            self.next += self.mean * (0.5 + (self.random)());
        }
        self.now
    }
}

/// Numbers 0..1 that can be repeated.
pub fn random(seed: u32) -> impl FnMut() -> f64 {
    let mut state = (u64::from(seed) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Codes and decodes frames as a browser in a call would.
pub fn through_vp8(frames: &[Frame]) -> Result<Vec<Frame>, AnyError> {
    let Some(first) = frames.first() else { return Ok(Vec::new()) };
    let (width, height) = (first.width, first.height);
    let mut encoder = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", &format!("{width}x{height}")])
        .args(["-r", &RATE.to_string(), "-i", "-", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8"])
        .args(["-b:v", BITRATE, "-minrate", BITRATE, "-maxrate", BITRATE, "-bufsize", BITRATE, "-qmin", "4"])
        .args(["-qmax", "56", "-lag-in-frames", "0", "-auto-alt-ref", "0", "-static-thresh", "1", "-g", "3000"])
        .args(["-threads", "1", "-f", "ivf", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let coded = encoder.stdout.take().ok_or("ffmpeg has no output")?;
    let mut decoder = Command::new("ffmpeg")
        .args(["-v", "error", "-threads", "1", "-f", "ivf", "-i", "-", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
        .stdin(coded)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = encoder.stdin.take().ok_or("ffmpeg has no input")?;
    let mut output = decoder.stdout.take().ok_or("ffmpeg has no output")?;
    let mut decoded = Vec::new();
    std::thread::scope(|scope| -> Result<(), AnyError> {
        let writer = scope.spawn(move || frames.iter().try_for_each(|frame| input.write_all(&frame.data)));
        output.read_to_end(&mut decoded)?;
        writer.join().map_err(|_| "the encoder's writer broke")??;
        Ok(())
    })?;
    encoder.wait()?;
    decoder.wait()?;
    let sent: Vec<_> =
        decoded.chunks_exact(first.data.len()).map(|data| Frame { data: data.to_vec(), width, height }).collect();
    if sent.len() != frames.len() {
        return Err(format!("{} of {} frames came through VP8", sent.len(), frames.len()).into());
    }
    Ok(sent)
}

//! A print, held in a hand: paper white and ink black, ink's gamut, halftone, a sheet that bends and shines.
//!
//! Black ink on plain paper reflects about 4 to 9 % of the light, the paper 75 to 90 %; a print holds neither the depth
//! nor the saturation of its original. The raster is that of a laser printer (106 to 150 lines an inch, cyan, magenta,
//! yellow at 15, 75 and 0 degrees) or, half of the time, so fine that no camera here resolves it (ink jet, photo
//! paper).

use std::f32::consts::TAU;

use fastrand::Rng;

use super::camera::Camera;
use super::light::{Light, LightPicture, luminance};
use super::pose::{Hand, Pose, coverage};
use super::room::room;
use super::{Victim, frames};
use crate::AnyError;
use crate::footage::{Footage, Frame};

/// Width of a printed face in millimetres.
const FACE: f32 = 130.0;
/// Directions of cyan, magenta and yellow dots, which take red, green and blue away.
const RASTER: [f32; 3] = [15.0, 75.0, 0.0];

/// The whole sheet is seen, in front of a room.
pub fn with_border(victim: &Victim<'_>, random: &mut Rng) -> Result<Footage, AnyError> {
    held(victim, random, false)
}

/// The sheet is larger than what the camera sees.
pub fn filling(victim: &Victim<'_>, random: &mut Rng) -> Result<Footage, AnyError> {
    held(victim, random, true)
}

fn held(victim: &Victim<'_>, random: &mut Rng, filling: bool) -> Result<Footage, AnyError> {
    let (frame, _) = victim.photograph()?;
    let size = if filling { [frame.width, frame.height] } else { [640, 480] };
    let sheet = Sheet::new(victim, random)?;
    let fit = 0.86 * size[1] as f32 / frame.height as f32;
    let scale = if filling { 1.12 + 0.2 * random.f32() } else { fit * (0.85 + 0.15 * random.f32()) };
    let held = Held::new(random, size, scale);
    let mut camera = Camera::new(random);
    let rate = victim.footage.rate;
    frames(victim.footage.frames.len(), rate, |index| {
        held.picture(&sheet, &mut camera, index as f32 / rate as f32, |_, light| light)
    })
}

/// A sheet of paper with a face on it.
pub struct Sheet {
    /// The print, as light that comes back from it; 1 is a perfect white.
    print: LightPicture,
    paper: f32,
    /// Units of the raster per pixel of the picture; none when it is too fine.
    raster: Option<f32>,
    /// Empty paper around the picture, in its pixels.
    margin: f32,
    /// Bend across and along, as parts of the size.
    bend: [f32; 2],
    shine: ([f32; 2], f32),
}

impl Sheet {
    /// Prints the best frame of a clip.
    pub fn new(victim: &Victim<'_>, random: &mut Rng) -> Result<Self, AnyError> {
        let (frame, face) = victim.photograph()?;
        let mut print = LightPicture::of(frame);
        let (ink, paper) = (0.04 + 0.05 * random.f32(), 0.75 + 0.15 * random.f32());
        let (saturation, gain) = (0.7 + 0.25 * random.f32(), 0.85 + 0.3 * random.f32());
        let warm = 0.04 * random.f32();
        for value in &mut print.data {
            let grey = luminance(*value);
            *value = [0, 1, 2].map(|c| {
                let wanted = (grey + saturation * (value[c] - grey)).clamp(0.0, 1.0).powf(gain);
                (ink + (paper - ink) * wanted) * (1.0 + warm * (1.0 - c as f32))
            });
        }
        let pixel = FACE / (face.bounding_box().width * frame.width as f32);
        let lines = 106.0 + 44.0 * random.f32();
        Ok(Self {
            print,
            paper,
            raster: random.bool().then_some(pixel * lines / 25.4),
            margin: frame.width as f32 * (0.02 + 0.06 * random.f32()),
            bend: [0.08 * (random.f32() - 0.5), 0.08 * (random.f32() - 0.5)],
            shine: ([random.f32(), random.f32()], 0.12 * random.f32() * random.f32()),
        })
    }

    /// Pixels of the picture.
    pub fn size(&self) -> [f32; 2] {
        [self.print.width as f32, self.print.height as f32]
    }

    /// A point of the flat sheet, where the bent one is seen.
    fn unbent(&self, point: [f32; 2]) -> [f32; 2] {
        let size = self.size();
        let [s, t] = [0, 1].map(|i| 2.0 * point[i] / size[i] - 1.0);
        let s2 = s + self.bend[0] * s * (1.0 - s * s);
        let t2 = t + self.bend[1] * (1.0 - s * s);
        [(s2 + 1.0) / 2.0 * size[0], (t2 + 1.0) / 2.0 * size[1]]
    }

    /// Light that comes back from a point, with the raster as `camera` sees it from pixel `at`.
    fn light(&self, point: [f32; 2], steps: [[f32; 2]; 2], at: [f32; 2], camera: &Camera) -> Light {
        let size = self.size();
        let printed = coverage(point, [0.0; 2], size, 1.0);
        let mut light =
            self.print.at(point[0] - 0.5, point[1] - 0.5).map(|v| printed * v + (1.0 - printed) * self.paper);
        if let Some(raster) = self.raster {
            for (c, v) in light.iter_mut().enumerate() {
                let (sin, cos) = RASTER[c].to_radians().sin_cos();
                let white = (*v / self.paper).clamp(0.0, 1.0);
                // Dots in rows of two directions: first harmonics, strongest where half of the paper is covered.
                for [ex, ey] in [[cos, sin], [-sin, cos]] {
                    let cycles = steps.map(|step| raster * (step[0] * ex + step[1] * ey));
                    let (a, p) = camera.wave(cycles, c, at[0], at[1]);
                    let phase = raster * (point[0] * ex + point[1] * ey) + p;
                    *v += 2.4 * self.paper * white * (1.0 - white) * a * 0.5 * (TAU * phase).cos();
                }
            }
        }
        let (centre, strength) = self.shine;
        let far = [0, 1].map(|i| point[i] / size[i] - centre[i]);
        let shade = 1.0 + 3.0 * self.bend[0] * (2.0 * point[0] / size[0] - 1.0);
        let shine = strength * (-(far[0] * far[0] + far[1] * far[1]) / 0.04).exp();
        light.map(|v| v * shade + shine)
    }
}

/// A sheet in a hand, in a lit room.
pub struct Held {
    size: [usize; 2],
    scale: f32,
    hand: Hand,
    tilt: [f32; 2],
    seen: [f32; 2],
    behind: LightPicture,
    lamp: Light,
}

impl Held {
    /// By chance.
    pub fn new(random: &mut Rng, size: [usize; 2], scale: f32) -> Self {
        let steadiness = 0.7 + 0.6 * random.f32();
        let hand = Hand::new(random, steadiness);
        let warm = 0.3 * random.f32();
        Self {
            size,
            scale,
            hand,
            tilt: [0.2 * (random.f32() - 0.5), 0.2 * (random.f32() - 0.5)],
            seen: size.map(|v| v as f32 / 2.0),
            behind: room(random, size[0], size[1]),
            lamp: [0.6 * (1.0 + warm), 0.6, 0.6 * (1.0 - warm)],
        }
    }

    /// One frame. `through` may replace what is seen at a point of the sheet: holes.
    pub fn picture(
        &self,
        sheet: &Sheet,
        camera: &mut Camera,
        seconds: f32,
        through: impl Fn([f32; 2], Light) -> Light,
    ) -> Result<Frame, AnyError> {
        let Self { size, scale, .. } = *self;
        let focus = sheet.size().map(|v| v / 2.0);
        let pose =
            Pose::new(focus, self.seen, scale, size, self.hand.at(seconds), self.tilt).ok_or("seen from the side")?;
        let (low, high) = ([-sheet.margin; 2], sheet.size().map(|v| v + sheet.margin));
        let mut data = Vec::with_capacity(size[0] * size[1]);
        for y in 0..size[1] {
            for x in 0..size[0] {
                let at = [x as f32, y as f32];
                let point = sheet.unbent(pose.point(at[0], at[1]));
                let paper = coverage(point, low, high, 1.0 / scale);
                let room = self.behind.data[y * size[0] + x];
                if paper == 0.0 {
                    data.push(room);
                    continue;
                }
                let light = sheet.light(point, pose.steps(at[0], at[1]), at, camera);
                let light = through(point, [0, 1, 2].map(|c| light[c] * self.lamp[c]));
                data.push([0, 1, 2].map(|c| paper * light[c] + (1.0 - paper) * room[c]));
            }
        }
        Ok(camera.take(LightPicture { width: size[0], height: size[1], data }))
    }
}

//! Attacks, simulated on real clips: what a camera would see of a screen, a print, a mask. Every species has a file.
//!
//! All of them end in [`camera`], and like the clips themselves in [`call`]. Chance is seeded: a run can be repeated.

pub mod call;
pub mod camera;
mod cutout;
mod light;
mod portrait;
mod pose;
mod print;
pub mod real;
mod room;
mod screen;

use std::sync::Arc;

use fastrand::Rng;
use vision_core::face::{Face, FrameAnalysis};

use crate::AnyError;
use crate::footage::{Footage, Frame};

/// Whom an attack shows: a clip with what the networks see in it.
pub struct Victim<'a> {
    /// The clip.
    pub footage: &'a Footage,
    /// As many as it has frames.
    pub analyses: &'a [FrameAnalysis],
}

impl Victim<'_> {
    /// The frame that makes the best photograph: frontal, eyes open.
    pub fn photograph(&self) -> Result<(&Arc<Frame>, &Face), AnyError> {
        let blink = |face: &Face| face.blendshapes[9].max(face.blendshapes[10]);
        let bad = |face: &Face| face.angles().yaw.abs() + face.angles().pitch.abs() + 2.0 * blink(face);
        let faces = self.footage.frames.iter().zip(self.analyses).filter_map(|(f, a)| Some((f, a.face.as_ref()?)));
        faces.min_by(|a, b| bad(a.1).total_cmp(&bad(b.1))).ok_or_else(|| "the clip shows no face".into())
    }
}

/// What an attack looks like to the service.
pub type Attack = fn(&Victim<'_>, &mut Rng) -> Result<Footage, AnyError>;

/// Every species.
pub const SPECIES: [(&str, Attack); 6] = [
    ("screen", screen::with_bezel),
    ("screen, filling the picture", screen::filling),
    ("print", print::with_border),
    ("print, filling the picture", print::filling),
    ("cut-out mask", cutout::mask),
    ("animated portrait", portrait::injected),
];

/// Calls `render` for every frame's index.
fn frames(
    count: usize,
    rate: f64,
    mut render: impl FnMut(usize) -> Result<Frame, AnyError>,
) -> Result<Footage, AnyError> {
    let frames = (0..count).map(|index| render(index).map(Arc::new)).collect::<Result<_, _>>()?;
    Ok(Footage { rate, frames })
}

//! The colour challenge: the screen shows colours that nobody could know before; on a face in front of it they are seen
//! again, on a recording of a face they are not.
//!
//! | module | what |
//! |---|---|
//! | [`sequence`] | which colours, drawn at random; why they are harmless |
//! | `signal` | the light of skin, eyes and background in a frame |
//! | [`observer`] | collects what the frames show, and judges it |
//! | `detect` | was it on the face, and would it have been seen |
//! | `fit` | how well a sequence explains what was measured, and how well others do |
//! | [`simulation`] | a screen's light on recorded faces, and the camera that takes it: for tests and simulated subjects |
//!
//! # What is looked for
//!
//! Skin returns `albedo * (surroundings + screen)` of each colour of light. In the logarithm of red over green (and of blue
//! over green) the albedo and the camera's exposure become constants, white balance becomes a constant or a slow change that
//! the background has as well, and what remains is, for a screen that gives the face the part `c` of the light that
//! the surroundings do, about `c * (red - green)` of the colour shown. That is fitted to the difference of face and background; `c` is
//! called the *contrast* here.

mod detect;
mod fit;
pub mod observer;
#[cfg(test)]
mod safety;
pub mod sequence;
mod signal;
pub mod simulation;
#[cfg(test)]
mod tests;

pub use detect::{Evidence, Judgement, LEAST_CONTRAST, Outcome};
pub use observer::Observer;
pub use sequence::{Colour, Sequence};
pub use signal::Zone;

use super::Mode;

/// Is a subject to be shown colours? Not where the check is off, nor where they or the configuration ask for a still screen.
pub fn wanted(mode: Mode, reduced_flash: bool) -> bool {
    mode != Mode::Off && !reduced_flash
}

//! What a screen's light does to recorded faces, and what a camera makes of it: for tests, figures and simulated subjects.
//!
//! A recorded pixel is taken for `albedo * surroundings`, in linear light. A screen adds `albedo * screen`, so that the pixel is
//! multiplied by `1 + screen / surroundings`, for each of red, green and blue. [`scene`] has the quotient for every pixel, by
//! distances, angles and brightness; [`camera`] adapts, adds noise and makes the pixel a sample again.

pub mod camera;
pub mod scene;

pub use camera::{Camera, Lamp};
pub use scene::{Falloff, Scene};

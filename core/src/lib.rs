//! The pure centre of vision-service: what a face is, what a gesture is, which challenge a subject gets, which words
//! they read and what they see. Nothing in here knows tokio, GStreamer, files on the network or the clock: time is an
//! argument, pictures are borrowed, and every behaviour is tested by data.
//!
//! | module | what |
//! |---|---|
//! | [`picture`] | borrowed pictures: RGB and I420, with stride |
//! | [`face`] | one analysed face: landmarks, blendshapes, matrix, angles |

pub mod face;
pub mod picture;

//! The pure centre of vision-service: what a face is, what a gesture is, which challenge a subject gets, which words
//! they read and what they see. Nothing in here knows tokio, GStreamer, files on the network or the clock: time is an
//! argument, pictures are borrowed, and every behaviour is tested by data.
//!
//! | module | what |
//! |---|---|
//! | [`picture`] | borrowed pictures: RGB and I420, with stride |
//! | [`face`] | one analysed face: landmarks, blendshapes, matrix, angles |
//! | [`gestures`] | gesture files, and the engine that says when a gesture is completed |
//! | [`challenge`] | which gestures a subject is asked for |
//! | [`portrait`] | one picture that blinks, smiles and turns: the simulated subject |
//! | [`liveness`] | the checks: is this a living person, the same one all the time |
//! | [`position`] | is the face where it should be |
//! | [`locales`] | what is said, in five languages and more |
//! | [`contact_sheet`] | pictures side by side with captions |
//! | [`subject_view`] | what the subject sees, composed onto I420 |
//! | [`face_view`] | what the networks see, drawn over the picture |
//! | [`plot`] | signals over time as an SVG picture |

pub mod challenge;
pub mod contact_sheet;
mod drawing;
pub mod face;
pub mod face_view;
pub mod gestures;
pub mod liveness;
pub mod locales;
pub mod picture;
pub mod plot;
pub mod portrait;
pub mod position;
mod random;
pub mod subject_view;
mod topology;

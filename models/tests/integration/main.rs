//! Tests that need the models, and most of them the shared data as well.
//!
//! | module | what |
//! |---|---|
//! | `parity` | the landmarker against MediaPipe's own answers |
//! | `gestures` | every gesture of the clips, at the frame where MediaPipe completes it |
//! | `faces` | several faces, none, lost and found, I420, which way is which |
//! | `matching` | one person and different people, with every embedding that is present; the anti-spoof network |
//! | `passive` | passive liveness on a person, and on a print of them |
//! | `portrait` | the demonstration's subject: its gestures complete, it stays the same person |
//! | `continuity` | the same person or another one, loops and stills, interactions to either side |
//! | `quality` | the frame checks on people; the glasses network |
//! | `batches` | several inputs at once give what each gives alone |
//! | `colour` | a screen's light on a real face, coded as a call codes it, and its absence |
//! | `engine` | streams, pictures and embeddings through the engine, with its real networks |

#![allow(clippy::unwrap_used, reason = "tests stop at the first thing that is wrong")]

mod batches;
mod colour;
mod continuity;
mod engine;
mod faces;
mod gestures;
mod matching;
mod parity;
mod passive;
mod portrait;
mod quality;
mod support;

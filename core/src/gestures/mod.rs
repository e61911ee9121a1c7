//! Gestures: what a person is asked to do, and when they have done it.
//!
//! A gesture is a JSON file in the format of 2060-io's liveness detector: a *signal* (a blendshape score, a head angle)
//! has to pass a sequence of *steps*, each a threshold to cross or a range to stay in.
//!
//! | module | what |
//! |---|---|
//! | [`signal`] | the signals that a face gives, as seen or mirrored |
//! | [`definition`] | one gesture file: its fields, and what makes it invalid |
//! | [`library`] | the built-in gestures, and folders with more |
//! | [`engine`] | a gesture being performed, frame by frame |
//! | [`sequence`] | several gestures, one after the other |

pub mod definition;
pub mod engine;
pub mod library;
pub mod sequence;
pub mod signal;

pub use definition::{Gesture, GestureError};
pub use engine::{GestureRun, GestureWatch, Progress};
pub use library::{GestureLibrary, ORIGINAL_GESTURES};
pub use sequence::{GestureSequence, Happening, OnTimeout, Phase, SequenceState};
pub use signal::{Signal, Signals};

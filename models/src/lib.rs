//! The networks of vision-service, with the code that belongs to each of them.
//!
//! Most callers want [`engine::Engine`]: the one inference engine of a process. It follows a face through a video without
//! ever blocking ([`Engine::stream`](engine::Engine::stream)), finds every face of a picture and turns faces into
//! embeddings that can be compared. A command-line tool that goes through a file frame by frame uses
//! [`landmarker::Landmarker`] without threads:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let frames: Vec<(vision_core::picture::RgbPicture, std::time::Duration)> = vec![];
//! use vision_core::picture::Picture;
//! use vision_models::{landmarker::{Landmarker, Tracker}, manifest::ModelFolder, runtime::{Provider, Runtime}};
//!
//! let folder = ModelFolder::find(None)?;
//! let runtime = Runtime::in_folder(&folder, Provider::Auto, None)?;
//! let mut landmarker = Landmarker::load(&runtime, &folder)?;
//! let mut tracker = Tracker::default();
//! for (picture, timestamp) in &frames {
//!     let analysis = landmarker.frame(&mut tracker, &picture.view(), *timestamp)?;
//!     println!("{} faces", analysis.face_count);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`manifest`] | which models there are, where their files lie, whether they are the right ones |
//! | [`runtime`] | ONNX Runtime: loaded once, execution providers, one loaded network |
//! | [`picture_file`] | picture files from outside as RGB, within limits |
//! | [`crop`] | a region of an RGB, I420 or NV12 picture as a network's input |
//! | [`landmarker`] | MediaPipe's face landmarker: detector, mesh, smoothing, blendshapes, head pose |
//! | [`embedding`] | a face as a vector, the distance of two faces |
//! | [`antispoof`] | whether a picture shows skin, or a print or screen |
//! | [`glasses`] | whether a face wears glasses: an optional network |
//! | [`engine`] | all of it on worker threads, shared fairly by every flow |
//!
//! Everything but [`engine`] and [`runtime`] is pure computation; nothing knows tokio, GStreamer or the network. Pictures,
//! landmarks and embeddings never appear in `Debug` output, errors or logs.

pub mod antispoof;
pub mod crop;
pub mod embedding;
pub mod engine;
pub mod glasses;
pub mod landmarker;
pub mod manifest;
pub mod picture_file;
pub mod runtime;

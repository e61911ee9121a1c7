//! The networks of vision-service, with the code that belongs to each of them.

pub mod antispoof;
pub mod crop;
pub mod embedding;
pub mod engine;
pub mod landmarker;
pub mod manifest;
pub mod picture_file;
pub mod runtime;

//! The networks of vision-service, with the code that belongs to each of them.

pub mod crop;
pub mod landmarker;
pub mod manifest;
pub mod runtime;

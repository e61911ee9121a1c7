//! models

pub mod manifest;

//! map
pub mod config;
pub mod media;
pub mod room;
pub mod subject;

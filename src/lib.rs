//! map
pub mod config;

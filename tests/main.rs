//! Integration tests, one binary.
#![allow(clippy::unwrap_used)]

mod media_roundtrip;
mod room_direct;
mod support;

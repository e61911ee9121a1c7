//! Integration tests, one binary.
#![allow(clippy::unwrap_used)]

mod media_roundtrip;
mod support;
mod web_pages;

//! What the tests of several elements share.
#![allow(dead_code, clippy::unwrap_used)]

pub mod pictures;

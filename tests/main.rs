//! Integration tests, one binary.
#![allow(clippy::unwrap_used, missing_docs)]

mod browser;
mod browser_mediasoup;
mod cli;
mod debug_endpoints;
mod evidence;
mod frame_door;
mod fuzz;
mod http_api;
mod leaks_mediasoup;
mod liveness;
mod media_roundtrip;
mod pipelines;
mod process;
mod room_direct;
mod room_mediasoup;
mod room_mediasoup_network;
mod room_server;
mod selfie;
mod selfie_page;
mod session_video;
mod session_video_failures;
mod support;
mod verification;
mod verification_mediasoup;
mod web_pages;

//! # vision-service
//!
//! Verifies, in a WebRTC video call, that a person is live and is who they claim to be.
//!
//! A *controller* posts `/join-call`. The service starts a *flow*: it joins the call as a peer, shows the *subject*
//! instructions inside the video that it sends back, watches their face, compares it with the controller's reference
//! images, and calls `success` or `failure`, exactly one of them.
//!
//! ## The way of a frame
//!
//! ```text
//! subject's camera
//!    | RTP
//! room (webrtcbin) -> media::branch (depay, decode, orient) -> Frame
//!                                                               |  \
//!                                            newest frame only  |   \ newest frame only
//!                                                               v    v
//!                          vision_models::Engine (landmarks)      media::screen (mirror, draw the instruction)
//!                                       |                            ^            |
//!                                       v                            |            v
//!                              flow (state machine) -- what to show -+      media::branch (encode, pay) -> room
//! ```
//!
//! ## Where things are
//!
//! | module | what |
//! |---|---|
//! | [`cli`], `main.rs` | arguments -> [`config::Config`] -> [`app::Application`]; nothing else |
//! | [`config`] | every setting, typed, validated once |
//! | [`app`] | builds the parts, runs until stopped, drains |
//! | [`http`] | warp: one file per resource |
//! | [`flow`] | one verification: an owner task around a pure state machine |
//! | [`room`] | how the service joins a call: the built-in room, rooms on a mediasoup server |
//! | [`media`] | GStreamer: pipelines, frames in, the subject's screen out |
//! | [`controller`] | callbacks, reference images; the controller for trying things out |
//! | [`outbound`] | HTTP that the service itself sends: clients, limits, retries |
//! | [`matching`] | are these two faces the same person: embedded and remote matcher |
//! | [`debug`] | statistics, graphs and pictures of running flows, when they are switched on |
//! | [`subject`], [`demo`] | a simulated subject, and the demo that uses it |
//! | [`frame_door`] | the other way in: pictures over a WebSocket, a signed result |
//! | [`session_video`] | videos of the frame door's sessions: through Redis to a worker that builds them |
//! | [`commands`] | the other subcommands: `analyze`, `match`, `models`, `pipelines`, `controller`, `verify-jwt`, `verify-evidence`, `worker` |
//! | [`memory`], [`environment`] | how the allocator and the libraries are set up |
//! | [`evidence`] | what was seen of flows and sessions, kept for reviewers where that is configured |
//! | [`token`], [`signing`] | results as signed tokens: signs and verifies them; in the service's name |
//! | [`telemetry`], [`redact`] | logs, and what of tokens and addresses they may show |
//!
//! The pure centre is in `vision-core` (gestures, challenge, words, drawing), the networks in `vision-models`, the
//! GStreamer elements in `gst-plugin-vision`; none of them knows this crate.
//!
//! ## Rules of the house
//!
//! One owner task per flow; everything else reaches it by channel. GStreamer threads only send, they never wait. Every
//! wait has a named limit. A flow ends with exactly one outcome, whatever fails. No picture, embedding or full token is
//! logged.

pub mod app;
pub mod cli;
pub mod commands;
pub mod config;
pub mod controller;
pub mod debug;
pub mod demo;
pub mod environment;
pub mod evidence;
pub mod flow;
pub mod frame_door;
pub mod http;
mod lock;
pub mod matching;
pub mod media;
pub mod memory;
pub mod outbound;
pub mod redact;
pub mod room;
pub mod session_video;
pub mod signing;
pub mod subject;
pub mod telemetry;
pub mod token;

//! What the service answers over HTTP. One file per resource; each builds its own warp filter.
//!
//! | path | file | what |
//! |---|---|---|
//! | `POST /join-call`, `GET /flows/{id}` | [`join_call`], `flows` | starts a flow, tells about one |
//! | `GET /health` | `health` | tells about the service |
//! | `POST /face_match` | [`face_match`] | compares two pictures, in the original matcher's format |
//! | `GET /call/{room}`, `GET /demo` | [`pages`] | the built-in pages; the room's WebSocket is [`crate::room::direct`] |
//! | `POST /demo/start` | [`demo`] | verify yourself against a picture that you upload |
//!
//! [`serve`] is a listener, plain or TLS; [`tls`] the certificate; `auth` stands before all resources; [`reply`] and
//! [`body`] hold what they share.

mod auth;
pub mod body;
pub mod demo;
pub mod face_match;
pub mod join_call;
pub mod pages;
pub mod reply;
pub mod serve;
pub mod tls;

//! What the service answers over HTTP, one file per resource.
//!
//! | file | what |
//! |---|---|
//! | [`serve`] | a listener: plain or TLS, WebSocket upgrades, graceful shutdown |
//! | [`tls`] | the certificate: from files or self-signed |
//! | [`pages`] | the built-in pages of `assets/web` |
//! | [`demo`] | `/demo`: verify yourself against a picture that you upload |
//! | [`face_match`] | `POST /face_match`, in the original matcher's format |

pub mod body;
pub mod demo;
pub mod face_match;
pub mod pages;
pub mod reply;
pub mod serve;
pub mod tls;

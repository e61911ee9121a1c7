//! The frame door: sessions in which a client sends pictures over a WebSocket and each is answered, as LUNA PASS does it.
//!
//! | module | what |
//! |---|---|
//! | [`settings`] | what its configuration files say |
//!
//! Only the settings are here so far; the door itself does not open yet.

pub mod settings;

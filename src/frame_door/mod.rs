//! The frame door: sessions in which a client sends pictures over a WebSocket and each is answered, as LUNA PASS does it.
//!
//! | module | what |
//! |---|---|
//! | [`settings`] | what its configuration files say |
//! | [`token`] | the result of a session, signed |
//!
//! The parts are here, the door itself does not open yet.

pub mod settings;
pub mod token;

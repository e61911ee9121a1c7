//! The frame door: sessions in which a client sends pictures over a WebSocket and each is answered, as LUNA PASS does it.
//!
//! | module | what |
//! |---|---|
//! | [`settings`] | what its configuration files say |
//! | [`protocol`] | the messages of a session |
//! | [`judge`] | one frame: picture in, errors and scores out |
//!
//! The result is a [`crate::token`].
//!
//! The parts are here, the door itself does not open yet.

pub mod judge;
pub mod protocol;
pub mod settings;

//! wip
pub mod capabilities;
pub mod messages;
pub mod protoo;
pub mod sdp;
pub mod subject;
pub mod transport;

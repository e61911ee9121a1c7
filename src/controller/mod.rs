//! The controller: the system that asks for a verification, lends the reference images and is told the outcome.
//!
//! | file | what |
//! |---|---|
//! | [`client`] | its callbacks: `list`, `success`, `failure` |
//! | [`references`] | from an entry of its list to a picture |
//! | [`server`] | the test controller of the walk-through |
//!
//! A controller is trusted: whoever may start flows names the addresses that the service then asks, also on private
//! networks. Who must not reach those must not be given the API token.

pub mod client;
pub mod references;
pub mod server;

pub use client::{ControllerClient, ControllerOptions, Verdict};
pub use references::{ReferenceLimits, ReferenceLoader};

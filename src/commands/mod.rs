//! The subcommands that are not the service itself. One file each.

pub mod analyze;
pub mod compare;
pub mod controller;
pub mod models;
pub mod pipelines;
pub mod verify_evidence;
pub mod verify_jwt;
pub mod worker;

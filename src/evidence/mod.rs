//! Evidence: what was seen of a flow or session, kept for whoever has to decide about it later.
//!
//! Off unless a store is configured. A door gathers a [`Record`] and hands it to the [`Keeper`], which makes a [`Package`] of
//! it (record, report for people, pictures, videos, signed manifest; sealed to a public key where one is configured), stores it, and
//! deletes it when its time is over.
//!
//! ```text
//! flow, session -> Record -> Keeper --queue--> package (report, seal, manifest) -> Store (folder, S3)
//!                                                                                    ^        |
//!                                                     GET /flows/{id}/evidence ------+    sweep: delete what is over
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`record`] | what a door hands over; knows neither flows nor sessions |
//! | [`video`] | what a door filmed, and the files of it |
//! | [`manifest`] | what a package says of itself, and whether that is true |
//! | [`package`] | from a record to files |
//! | `report`, `plot` | the page that people read |
//! | [`keeper`] | the queue, its one task, and the way back to what was kept |
//! | [`store`] | a folder, or a bucket of an S3-compatible server |
//!
//! Records are biometric data: nothing here has a `Debug` that shows a picture, and errors name ids only.

pub mod keeper;
pub mod manifest;
pub mod package;
mod plot;
pub mod record;
mod report;
pub mod store;
#[cfg(test)]
pub(crate) mod testing;
pub mod video;

pub use keeper::{Keeper, Missing};
pub use manifest::Manifest;
pub use package::Package;
pub use record::{Door, EvidenceId, Record, RecordPicture, Role, Series, Step, Threshold};
pub use video::{Flipbook, Footage};

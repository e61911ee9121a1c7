//! Where packages are kept.
//!
//! Both kinds lay a package out in the same way: a folder, or a prefix, by its id. What is deleted is what a manifest of ours
//! lists there, and nothing else.

pub mod folder;
pub mod s3;

use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use bytes::Bytes;

use self::folder::Folder;
use self::s3::S3;
use super::package::Package;
use super::record::EvidenceId;
use crate::outbound::ClientError;

/// A store.
#[derive(Clone)]
pub enum Store {
    /// Of this machine.
    Folder(Folder),
    /// Somewhere else.
    S3(S3),
}

/// Why something was not stored, read or deleted.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder does not let us.
    #[error("{path}: {source}")]
    Folder {
        /// Folder or file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The server does not answer, or refuses.
    #[error("the S3 server at {place}: {reason}")]
    S3 {
        /// Endpoint and bucket.
        place: String,
        /// Status, or why there was no answer.
        reason: String,
        /// Another try would bring the same.
        for_good: bool,
        /// It was said of this file; others may do.
        only_this: bool,
    },
    /// No bucket of this name or address.
    #[error("the S3 bucket cannot be addressed: {0}")]
    Bucket(String),
    /// No client for it.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl StoreError {
    /// Whether another try would bring the same.
    pub fn is_for_good(&self) -> bool {
        matches!(self, Self::S3 { for_good: true, .. })
    }
}

impl Store {
    /// Keeps a package; it may be the same once more.
    ///
    /// # Errors
    /// [`StoreError`]: nothing, or a part of it, was stored.
    pub async fn put(&self, package: Package) -> Result<(), StoreError> {
        match self {
            Self::Folder(folder) => blocking(folder, move |folder| folder.put(&package)).await,
            Self::S3(s3) => s3.put(&package).await,
        }
    }

    /// A file of a package; none where there is none. `name` has to be one that a manifest lists, or the manifest's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(&self, id: &EvidenceId, name: &str) -> Result<Option<Bytes>, StoreError> {
        match self {
            Self::Folder(folder) => {
                let (id, name) = (id.clone(), name.to_owned());
                blocking(folder, move |folder| folder.read(&id, &name)).await
            }
            Self::S3(s3) => s3.read(id, name).await,
        }
    }

    /// Deletes every package whose time is over at `now`; answers their ids.
    ///
    /// # Errors
    /// [`StoreError`]: not all could be looked at, and none was deleted.
    pub async fn sweep(&self, now: SystemTime) -> Result<Vec<EvidenceId>, StoreError> {
        match self {
            Self::Folder(folder) => blocking(folder, move |folder| folder.sweep(now)).await,
            Self::S3(s3) => s3.sweep(now).await,
        }
    }
}

/// What came of a sweep: what was deleted is told, whatever else failed.
fn told(deleted: Vec<EvidenceId>, failed: Option<StoreError>) -> Result<Vec<EvidenceId>, StoreError> {
    match failed {
        Some(error) if deleted.is_empty() => Err(error),
        Some(error) => {
            tracing::warn!(%error, "evidence could not be deleted; it will be tried again");
            Ok(deleted)
        }
        None => Ok(deleted),
    }
}

/// Runs something where it may wait for the disk.
async fn blocking<T: Send + 'static>(
    folder: &Folder,
    run: impl FnOnce(&Folder) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let folder = folder.clone();
    let result = tokio::task::spawn_blocking(move || run(&folder)).await;
    result.unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()))
}

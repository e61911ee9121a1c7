//! From a record to the files that are stored.
//!
//! | file | in it |
//! |---|---|
//! | `manifest.json`, `manifest.jws` | hashes, times, versions; signed. Always readable |
//! | `record.json` | what was decided, found and measured |
//! | `report.html` | the same for people, with pictures and plots; needs nothing else |
//! | `pictures/*.jpg` | what was seen |
//!
//! With a recipient all but the first two are in `evidence.tar.age`, which only the recipient's private key opens.

use std::time::{Duration, SystemTime};

use age::x25519::Recipient;
use bytes::Bytes;

use super::manifest::{FORMAT, FileEntry, MANIFEST, Manifest, SIGNATURE};
use super::record::{Record, Role};
use super::report;
use crate::token::{KeyError, Signer};

/// The sealed files.
const SEALED: &str = "evidence.tar.age";

/// How packages are made.
pub struct Terms {
    /// Signs manifests.
    pub signer: Signer,
    /// Whom files are encrypted to.
    pub recipient: Option<Recipient>,
    /// How long they are kept.
    pub retention: Duration,
}

/// A file.
#[derive(Clone)]
pub struct File {
    /// Within the package.
    pub name: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What is stored of a record. Cheap to clone.
#[derive(Clone)]
pub struct Package {
    /// What it says of itself.
    pub manifest: Manifest,
    /// All files, `manifest.json` and `manifest.jws` first.
    pub files: Vec<File>,
}

/// Why a package could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It could not be encrypted.
    #[error("it cannot be encrypted: {0}")]
    Encrypt(#[from] age::EncryptError),
    /// It could not be written as JSON or as a tar file.
    #[error("it cannot be written: {0}")]
    Write(#[from] std::io::Error),
}

impl Package {
    /// Makes the files of `record`, kept at `now`. Tens of milliseconds: not for a thread that serves sockets.
    ///
    /// # Errors
    /// [`PackageError`].
    pub fn build(record: &Record, terms: &Terms, now: SystemTime) -> Result<Self, PackageError> {
        let mut files = contents(record)?;
        if let Some(recipient) = &terms.recipient {
            let sealed = age::encrypt(recipient, &tar(&files, now)?)?;
            files = vec![(SEALED.to_owned(), "application/age", sealed.into())];
        }
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            id: record.id.clone(),
            door: record.door,
            began: record.began,
            ended: record.ended,
            kept: now,
            delete_after: now + terms.retention,
            service: env!("CARGO_PKG_VERSION").to_owned(),
            models: record.models.clone(),
            recipient: terms.recipient.as_ref().map(ToString::to_string),
            files: files.iter().map(|(name, media_type, bytes)| FileEntry::of(name, media_type, bytes)).collect(),
        };
        let (json, signature) = manifest.sign(&terms.signer)?;
        let own = [(MANIFEST.to_owned(), json.into()), (SIGNATURE.to_owned(), signature.into())];
        let files = own.into_iter().chain(files.into_iter().map(|(name, _, bytes)| (name, bytes)));
        Ok(Self { manifest, files: files.map(|(name, bytes)| File { name, bytes }).collect() })
    }
}

type Content = (String, &'static str, Bytes);

/// The files before they are sealed: name, media type, bytes.
fn contents(record: &Record) -> Result<Vec<Content>, PackageError> {
    let json = serde_json::to_vec_pretty(record).map_err(std::io::Error::other)?;
    let mut files = vec![
        ("record.json".to_owned(), "application/json", json.into()),
        ("report.html".to_owned(), "text/html; charset=utf-8", report::page(record).into()),
    ];
    for (number, picture) in record.pictures.iter().enumerate() {
        let what = match picture.role {
            Role::BestShot => "best-shot".to_owned(),
            Role::Gesture => format!("gesture-{}", plain(picture.gesture.as_deref().unwrap_or_default())),
        };
        let name = format!("pictures/{:02}-{what}.jpg", number + 1);
        files.push((name, "image/jpeg", Bytes::copy_from_slice(&picture.jpeg)));
    }
    Ok(files)
}

/// Only what every file system takes; names of gestures (`vision_core::gestures`) have nothing else.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(64).collect()
}

fn tar(files: &[Content], now: SystemTime) -> std::io::Result<Vec<u8>> {
    archive(files.iter().map(|(name, _, bytes)| (name.as_str(), bytes.as_ref())), now)
}

/// A tar file that only its owner can read.
///
/// # Errors
/// A name that a tar file cannot hold.
pub fn archive<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    modified: SystemTime,
) -> std::io::Result<Vec<u8>> {
    let modified = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(modified);
        tar.append_data(&mut header, name, bytes)?;
    }
    tar.into_inner()
}

//! What a package says of itself: its files with their hashes, signed.
//!
//! `manifest.jws` is a compact JWS (RFC 7515) whose payload is `manifest.json`, byte for byte. It has no `exp`, so that it
//! can be taken for no [result](crate::token).

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::record::{Door, EvidenceId, seconds};
use crate::token::{KeyError, Signer, TokenError, Verifier};

/// What `format` says.
pub const FORMAT: &str = "vision-service-evidence/1";
/// The manifest.
pub const MANIFEST: &str = "manifest.json";
/// Its signature.
pub const SIGNATURE: &str = "manifest.jws";

/// A package's own description. Nothing in it is biometric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// The flow or session.
    pub id: EvidenceId,
    /// Which way it came in.
    pub door: Door,
    /// When it began.
    #[serde(with = "seconds")]
    pub began: SystemTime,
    /// When it was over.
    #[serde(with = "seconds")]
    pub ended: SystemTime,
    /// When this was written.
    #[serde(with = "seconds")]
    pub kept: SystemTime,
    /// When it is deleted.
    #[serde(with = "seconds")]
    pub delete_after: SystemTime,
    /// The service's version.
    pub service: String,
    /// The networks that were used, with their versions.
    pub models: BTreeMap<String, String>,
    /// The public key that the files are encrypted to; absent where they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// All others.
    pub files: Vec<FileEntry>,
}

/// A file of the package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Within the package; at most one folder deep.
    pub name: String,
    /// Media type.
    pub media_type: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// Why a package cannot be believed.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The signature is not worth anything.
    #[error("{SIGNATURE}: {0}")]
    Signature(#[from] TokenError),
    /// The manifest beside the signature is another one.
    #[error("{MANIFEST} is not the one that was signed")]
    Manifest,
    /// The manifest is none of this service.
    #[error("{MANIFEST} is no manifest of this service: {0}")]
    Format(String),
    /// A file is not there.
    #[error("{0} is missing")]
    Missing(String),
    /// A file is another one.
    #[error("{0} was changed")]
    Changed(String),
}

impl FileEntry {
    /// Describes a file.
    pub fn of(name: &str, media_type: &str, bytes: &[u8]) -> Self {
        let sha256 = hex::encode(Sha256::digest(bytes));
        Self { name: name.to_owned(), media_type: media_type.to_owned(), size: bytes.len() as u64, sha256 }
    }

    /// Whether these are the bytes that were described.
    pub fn fits(&self, bytes: &[u8]) -> bool {
        *self == Self::of(&self.name, &self.media_type, bytes)
    }
}

impl Manifest {
    /// The manifest as it is stored, and its signature.
    ///
    /// # Errors
    /// [`KeyError`] when the key cannot sign.
    pub fn sign(&self, signer: &Signer) -> Result<(Vec<u8>, String), KeyError> {
        let signature = signer.sign(self)?;
        Ok((payload(&signature).unwrap_or_default(), signature))
    }

    /// Reads a manifest. Names that lead out of the package are refused: whoever can write to the store could have put
    /// them there.
    ///
    /// # Errors
    /// [`VerifyError::Format`].
    pub fn parse(json: &[u8]) -> Result<Self, VerifyError> {
        let manifest: Self = serde_json::from_slice(json).map_err(|e| VerifyError::Format(e.to_string()))?;
        if manifest.format != FORMAT {
            return Err(VerifyError::Format(format!("its format is not {FORMAT}")));
        }
        match manifest.files.iter().find(|file| !is_inside(&file.name)) {
            Some(file) => Err(VerifyError::Format(format!("{:?} is no name of a file", file.name))),
            None => Ok(manifest),
        }
    }

    /// Whether a package is what was signed; `read` brings its files.
    ///
    /// # Errors
    /// [`VerifyError`] says what is wrong.
    pub fn verify(verifier: &Verifier, mut read: impl FnMut(&str) -> Option<Vec<u8>>) -> Result<Self, VerifyError> {
        let mut file = |name: &str| read(name).ok_or_else(|| VerifyError::Missing(name.to_owned()));
        let (json, signature) = (file(MANIFEST)?, file(SIGNATURE)?);
        let signature = String::from_utf8_lossy(&signature);
        verifier.verify_document::<serde_json::Value>(&signature)?;
        if payload(signature.trim()).as_ref() != Some(&json) {
            return Err(VerifyError::Manifest);
        }
        let manifest = Self::parse(&json)?;
        for entry in &manifest.files {
            if !entry.fits(&file(&entry.name)?) {
                return Err(VerifyError::Changed(entry.name.clone()));
            }
        }
        Ok(manifest)
    }
}

/// What a compact JWS carries.
fn payload(jws: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(jws.split('.').nth(1)?).ok()
}

/// Whether a name is one of a package: one or two plain parts.
fn is_inside(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
    };
    name.split('/').count() <= 2 && name.split('/').all(plain) && !matches!(name, MANIFEST | SIGNATURE)
}

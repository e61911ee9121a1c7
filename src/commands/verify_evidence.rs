//! `vision-service verify-evidence`: whether a package is what the service signed.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::evidence::Manifest;
use crate::evidence::manifest::VerifyError as PackageError;
use crate::token::{Algorithm, KeyError, Verifier};

/// What to verify.
pub struct Arguments {
    /// Folder with the package.
    pub folder: PathBuf,
    /// File with the key.
    pub key_file: PathBuf,
    /// How it has to be signed.
    pub algorithm: Algorithm,
}

/// Why a package was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file that cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, std::io::Error),
    /// A key of another kind.
    #[error("{0}: {1}")]
    Key(PathBuf, KeyError),
    /// A package that is not what was signed.
    #[error("the evidence is worth nothing: {0}")]
    Package(#[from] PackageError),
    /// The result cannot be written.
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

/// Prints what was verified.
///
/// # Errors
/// [`VerifyError`]: nothing is printed then.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), VerifyError> {
    let Arguments { folder, key_file, algorithm } = arguments;
    let key = std::fs::read(key_file).map_err(|error| VerifyError::Read(key_file.clone(), error))?;
    let verifier = Verifier::new(*algorithm, key.trim_ascii_end(), None)
        .map_err(|error| VerifyError::Key(key_file.clone(), error))?;
    let manifest = verify(&verifier, folder)?;
    writeln!(out, "{}: signed and unchanged", manifest.id)?;
    writeln!(out, "began {}", humantime::format_rfc3339_seconds(manifest.began))?;
    writeln!(out, "delete after {}", humantime::format_rfc3339_seconds(manifest.delete_after))?;
    for file in &manifest.files {
        writeln!(out, "{} {}", file.sha256, file.name)?;
    }
    Ok(())
}

/// Whether the package in `folder` is what was signed.
///
/// # Errors
/// [`PackageError`].
pub fn verify(verifier: &Verifier, folder: &Path) -> Result<Manifest, PackageError> {
    Manifest::verify(verifier, |name| std::fs::read(folder.join(name)).ok())
}

//! What can go wrong between the manifest and a verified file.

use std::{io, path::PathBuf};

use super::folder::FOLDER_VARIABLE;

/// What can go wrong between the manifest and a verified file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The manifest is not TOML of the expected form.
    #[error("models/manifest.toml: {0}")]
    Parse(#[from] toml::de::Error),
    /// The manifest contradicts itself.
    #[error("models/manifest.toml: {0}")]
    Invalid(String),
    /// No folder of the search path holds a model.
    #[error(
        "no folder with models found; looked in {searched}. Run `make models`, or name the folder in {FOLDER_VARIABLE}"
    )]
    FolderNotFound {
        /// The folders, in the order of the search.
        searched: String,
    },
    /// A folder that was named explicitly does not exist.
    #[error(
        "the models folder {path} (from {origin}) is not a folder. Run `make models`, or name another one"
    )]
    NotAFolder {
        /// The folder that was named.
        path: PathBuf,
        /// Who named it.
        origin: &'static str,
    },
    /// The manifest has no model of this id.
    #[error("models/manifest.toml has no model `{0}`")]
    UnknownModel(String),
    /// The file is not in the folder.
    #[error("model `{model}`: {path} is missing. Run `{remedy}`")]
    Missing {
        /// Id of the model.
        model: String,
        /// Where the file should be.
        path: PathBuf,
        /// The command that brings it.
        remedy: String,
    },
    /// The file has another size than the manifest says.
    #[error(
        "model `{model}`: {path} has {actual} bytes and must have {expected}: it is not the file that the manifest \
         names. Run `{remedy}`"
    )]
    WrongSize {
        /// Id of the model.
        model: String,
        /// The file.
        path: PathBuf,
        /// Bytes by the manifest.
        expected: u64,
        /// Bytes on disk.
        actual: u64,
        /// The command that replaces it.
        remedy: String,
    },
    /// The file has another SHA-256 than the manifest says.
    #[error(
        "model `{model}`: {path} has the SHA-256 {actual} and must have {expected}: it is damaged or another file. \
         Run `{remedy}`"
    )]
    WrongHash {
        /// Id of the model.
        model: String,
        /// The file.
        path: PathBuf,
        /// SHA-256 by the manifest, in hexadecimal.
        expected: String,
        /// SHA-256 of the file, in hexadecimal.
        actual: String,
        /// The command that replaces it.
        remedy: String,
    },
    /// The file is there and cannot be read.
    #[error("model `{model}`: cannot read {path}: {source}. Check its permissions")]
    Read {
        /// Id of the model.
        model: String,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

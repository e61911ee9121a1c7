//! The folder with the model files: finding it, verifying what is in it, listing it.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Kind, Manifest, ManifestError, Model, Need};

/// Environment variable that names the folder with the model files.
pub const FOLDER_VARIABLE: &str = "VISION_MODELS_DIR";
/// Written by the set-up into the folder: where each file came from, by model id.
const ORIGINS_FILE: &str = "origins.json";

/// A model whose file has been verified.
#[derive(Clone, Debug)]
pub struct ResolvedModel {
    /// What the manifest says about it.
    pub model: &'static Model,
    /// The file.
    pub path: PathBuf,
}

/// Whether the file of a model can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "problem")]
pub enum State {
    /// Size and SHA-256 are right.
    Present,
    /// There is no file.
    Missing,
    /// There is a file, and it is not the right one or cannot be read; the text says why.
    Bad(String),
}

/// One line of [`ModelFolder::list`].
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    /// Id of the model.
    pub id: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// What it is for.
    pub kind: Kind,
    /// What happens without it.
    pub need: Need,
    /// SHA-256 of the right file, hexadecimal: its version.
    pub sha256: &'static str,
    /// State of its file.
    #[serde(flatten)]
    pub state: State,
    /// Where the set-up took it from; `None` when it was put there by other means.
    pub origin: Option<String>,
    /// Licence as an SPDX expression.
    pub licence: &'static str,
    /// What else there is to know about the licence; may be empty.
    pub licence_note: &'static str,
    /// Whether the service uses it: of the embeddings the preferred one, of the others those that are required.
    pub in_use: bool,
}

/// A folder with model files.
#[derive(Debug)]
pub struct ModelFolder {
    manifest: &'static Manifest,
    path: PathBuf,
    /// Files that have been hashed and found right, with their time of change then.
    verified: Mutex<BTreeMap<&'static str, Option<SystemTime>>>,
}

impl ModelFolder {
    /// Finds the folder: `configured`, else `VISION_MODELS_DIR`, else the first that holds a model of `models/files`
    /// below the current folder, the places of a build tree and of an installation beside the executable,
    /// `/usr/share/vision-service/models` and the source tree that the program was built from.
    ///
    /// # Errors
    /// [`ManifestError::NotAFolder`] when one was named and does not exist, [`ManifestError::FolderNotFound`] when none
    /// was named and none found.
    pub fn find(configured: Option<&Path>) -> Result<Self, ManifestError> {
        let variable = env::var_os(FOLDER_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        let named = configured.map(|path| (path.to_owned(), "the configuration"));
        match named.or(variable.map(|path| (path, FOLDER_VARIABLE))) {
            Some((path, _)) if path.is_dir() => Ok(Self::open(path)),
            Some((path, origin)) => Err(ManifestError::NotAFolder { path, origin }),
            None => Self::search(usual_places()),
        }
    }

    fn search(places: Vec<PathBuf>) -> Result<Self, ManifestError> {
        let models = &Manifest::embedded().models;
        let holds_a_model = |place: &&PathBuf| models.iter().any(|model| place.join(&model.file).is_file());
        if let Some(place) = places.iter().find(holds_a_model) {
            return Ok(Self::open(place));
        }
        let searched = places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ");
        Err(ManifestError::FolderNotFound { searched })
    }

    /// Uses this folder, whatever it holds.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        Self::with_manifest(path, Manifest::embedded())
    }

    /// Uses this folder by another manifest.
    pub fn with_manifest(path: impl Into<PathBuf>, manifest: &'static Manifest) -> Self {
        Self { manifest, path: path.into(), verified: Mutex::default() }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of a model, after its size and SHA-256 were found right. A file is hashed once, unless it changes.
    ///
    /// # Errors
    /// [`ManifestError::UnknownModel`], [`Missing`](ManifestError::Missing), [`WrongSize`](ManifestError::WrongSize),
    /// [`WrongHash`](ManifestError::WrongHash) or [`Read`](ManifestError::Read).
    pub fn resolve(&self, id: &str) -> Result<ResolvedModel, ManifestError> {
        let model = self.manifest.model(id).ok_or_else(|| ManifestError::UnknownModel(id.to_owned()))?;
        self.verify(model)
    }

    /// The embeddings whose files are right, the preferred one first.
    pub fn embeddings(&self) -> Vec<ResolvedModel> {
        let mut present: Vec<_> = self
            .manifest
            .models
            .iter()
            .filter_map(|model| Some((model.embedding.as_ref()?.preference, self.verify(model).ok()?)))
            .collect();
        present.sort_by_key(|&(preference, _)| preference);
        present.into_iter().map(|(_, resolved)| resolved).collect()
    }

    /// Every model of the manifest with the state of its file.
    pub fn list(&self) -> Vec<Listing> {
        let origins = self.origins();
        let preferred = self.embeddings().first().map(|resolved| resolved.model.id.as_str());
        let listing = |model: &'static Model| {
            let state = match self.verify(model) {
                Ok(_) => State::Present,
                Err(ManifestError::Missing { .. }) => State::Missing,
                Err(error) => State::Bad(error.to_string()),
            };
            let chosen = match model.kind {
                Kind::Embedding => preferred == Some(&model.id),
                _ => model.need == Need::Required,
            };
            Listing {
                id: &model.id,
                title: &model.title,
                kind: model.kind,
                need: model.need,
                sha256: &model.sha256,
                in_use: chosen && state == State::Present,
                state,
                origin: origins.get(&model.id).cloned(),
                licence: &model.licence,
                licence_note: &model.licence_note,
            }
        };
        self.manifest.models.iter().map(listing).collect()
    }

    /// What the set-up wrote about its sources. A convenience: without it the models work all the same.
    fn origins(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.path.join(ORIGINS_FILE)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn verify(&self, model: &'static Model) -> Result<ResolvedModel, ManifestError> {
        let path = self.path.join(&model.file);
        let unreadable = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => {
                ManifestError::Missing { model: model.id.clone(), path: path.clone(), remedy: model.remedy() }
            }
            _ => ManifestError::Read { model: model.id.clone(), path: path.clone(), source },
        };
        let mut file = File::open(&path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.len() != model.size {
            return Err(ManifestError::WrongSize {
                model: model.id.clone(),
                expected: model.size,
                actual: metadata.len(),
                remedy: model.remedy(),
                path,
            });
        }
        // Held while hashing: a second caller for the same file then waits instead of hashing it too.
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = metadata.modified().ok();
        if verified.get(model.id.as_str()) != Some(&changed) {
            let actual = sha256(&mut file).map_err(unreadable)?;
            if actual != model.sha256 {
                return Err(ManifestError::WrongHash {
                    model: model.id.clone(),
                    expected: model.sha256.clone(),
                    remedy: model.remedy(),
                    path,
                    actual,
                });
            }
            verified.insert(&model.id, changed);
        }
        drop(verified);
        Ok(ResolvedModel { model, path })
    }
}

/// Where the files lie when nobody names a folder, in the order of the search.
fn usual_places() -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from("models/files")];
    if let Some(beside) = env::current_exe().ok().as_deref().and_then(Path::parent) {
        // target/release/vision-service, target/release/deps/some_test, /opt/vision-service/bin/vision-service
        for relative in ["../../models/files", "../../../models/files", "../share/vision-service/models"] {
            places.push(beside.join(relative));
        }
    }
    places.push(PathBuf::from("/usr/share/vision-service/models"));
    places.push(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/files")));
    places
}

/// SHA-256 of what is left to read, in hexadecimal.
fn sha256(file: &mut File) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex::encode(digest.finalize())),
            Ok(read) => digest.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests;

//! Which models there are, where their files lie, and the proof that a file is the right one.
//!
//! `models/manifest.toml` is compiled in. The set-up (`make models`) fills a folder by it; [`ModelFolder`] finds that
//! folder again at run time, and [`ModelFolder::resolve`] hands out a path only after size and SHA-256 of the file
//! have been checked, so that nothing else in this crate ever loads an unknown file.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fmt,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The only manifest format that this version reads.
const FORMAT: u32 = 1;
/// Environment variable that names the folder with the model files.
pub const FOLDER_VARIABLE: &str = "VISION_MODELS_DIR";
/// Written by the set-up into the folder: where each file came from, by model id.
const ORIGINS_FILE: &str = "origins.json";

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
    #[error("the models folder {path} (from {origin}) is not a folder. Run `make models`, or name another one")]
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

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Finds faces in a picture.
    Detector,
    /// Finds 478 points on a face.
    Landmarks,
    /// Turns points into 52 expression coefficients.
    Blendshapes,
    /// Canonical face and weights for the head pose; no network.
    Geometry,
    /// Turns a face into a vector that is compared with others.
    Embedding,
    /// Tells a live face from a picture of one.
    Antispoof,
    /// Tells whether the face wears glasses.
    Glasses,
    /// The ONNX Runtime library.
    Runtime,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Detector => "detector",
            Self::Landmarks => "landmarks",
            Self::Blendshapes => "blendshapes",
            Self::Geometry => "geometry",
            Self::Embedding => "embedding",
            Self::Antispoof => "antispoof",
            Self::Glasses => "glasses",
            Self::Runtime => "runtime",
        })
    }
}

/// What happens when a model is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// The service does not start.
    Required,
    /// The service works with its defaults and says so.
    Recommended,
    /// Fetched only when somebody asks for it by name.
    Optional,
}

/// One place from which the set-up may take a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Source {
    /// A file of the local mirror folder.
    Mirror {
        /// Its name there.
        file: String,
    },
    /// A wheel of the Python package registry.
    Pypi {
        /// Name of the package.
        package: String,
        /// Its version.
        version: String,
        /// Platform tag of the wheel.
        platform: String,
        /// Python version of the wheel where it has one per version.
        python: Option<String>,
    },
    /// A package of the npm registry.
    Npm {
        /// Name of the package, with its scope.
        package: String,
        /// Its version.
        version: String,
    },
    /// The publisher's own address.
    Url {
        /// Where the file is published.
        url: String,
    },
    /// A member of another artifact.
    Archive {
        /// Id of the artifact, a zip or tar file.
        archive: String,
        /// Path inside.
        path: String,
    },
    /// Made from other artifacts.
    Convert {
        /// Module below `models/setup/converters`.
        converter: String,
        /// Ids of the artifacts it reads, in its order.
        from: Vec<String>,
    },
}

impl Source {
    fn artifacts(&self) -> Vec<&str> {
        match self {
            Self::Archive { archive, .. } => vec![archive],
            Self::Convert { from, .. } => from.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// A file that the set-up fetches on the way to a model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Name of the file.
    pub file: String,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Where it is taken from, in order.
    pub sources: Vec<Source>,
}

/// Order of the axes of a picture tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Layout {
    /// Batch, height, width, channel.
    #[serde(rename = "NHWC")]
    Nhwc,
    /// Batch, channel, height, width.
    #[serde(rename = "NCHW")]
    Nchw,
}

/// Order of the channels of a picture tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Colour {
    /// Red first.
    #[serde(rename = "RGB")]
    Rgb,
    /// Blue first.
    #[serde(rename = "BGR")]
    Bgr,
}

/// How a picture becomes the input tensor.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureInput {
    /// Order of the axes.
    pub layout: Layout,
    /// Order of the channels.
    pub colour: Colour,
    /// What the byte values 0 and 255 become; linear between them.
    pub range: [f32; 2],
}

/// The input tensor of a network.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its name in the graph.
    pub name: String,
    /// Its shape with a batch of one.
    pub shape: Vec<usize>,
    /// Present where the input is a picture.
    pub picture: Option<PictureInput>,
}

impl Input {
    /// Width and height in pixels, where the input is a picture.
    pub fn picture_size(&self) -> Option<(usize, usize)> {
        match (self.picture?.layout, self.shape.as_slice()) {
            (Layout::Nhwc, &[_, height, width, _]) | (Layout::Nchw, &[_, _, height, width]) => Some((width, height)),
            _ => None,
        }
    }
}

/// An output tensor of a network.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Its name in the graph.
    pub name: String,
    /// Its shape with a batch of one.
    pub shape: Vec<usize>,
    /// What the numbers are.
    pub meaning: String,
}

/// How a face is cut out for an embedding network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Alignment {
    /// dlib's face chip of 150 pixels with 25 % padding.
    DlibChip,
    /// Similarity transform of eye centres, nose and mouth corners to the usual five-point template.
    FivePoints,
}

/// How two embeddings are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Metric {
    /// Euclidean distance.
    L2,
    /// 1 - cosine similarity.
    Cosine,
}

/// What matching has to know about an embedding network.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    /// The present one with the lowest number is used.
    pub preference: u32,
    /// How the face is cut out.
    pub alignment: Alignment,
    /// How two embeddings are compared.
    pub metric: Metric,
    /// Two faces are the same person when their distance is below this.
    pub threshold: f32,
    /// The command that measured the threshold.
    pub measured_by: Option<String>,
}

/// What lies beyond the picture's edge when a crop reaches over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Border {
    /// Mirrored without repeating the edge pixel (OpenCV's `BORDER_REFLECT_101`).
    Reflect,
}

/// Which part of the picture a network looks at.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// Side of the crop over the longer side of the landmarks' bounding box.
    pub scale: f32,
    /// What lies beyond the edge.
    pub border: Border,
}

/// One model of the manifest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Name by which code asks for it.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// What it is for.
    pub kind: Kind,
    /// What happens without it.
    pub need: Need,
    /// Name of the file in the models folder.
    pub file: String,
    /// Size of the file in bytes.
    pub size: u64,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
    /// Licence as an SPDX expression.
    pub licence: String,
    /// What else there is to know about the licence.
    #[serde(default)]
    pub licence_note: String,
    /// Where the set-up takes it from, in order.
    pub sources: Vec<Source>,
    /// The input tensor, where the model is a network.
    pub input: Option<Input>,
    /// The output tensors.
    #[serde(default)]
    pub outputs: Vec<Output>,
    /// Present on embeddings.
    pub embedding: Option<Embedding>,
    /// Present where the crop is not the business of an alignment.
    pub crop: Option<Crop>,
}

impl Model {
    /// The command that brings the file.
    fn remedy(&self) -> String {
        match self.need {
            Need::Optional => format!("make models WITH={}", self.id),
            Need::Required | Need::Recommended => "make models".to_owned(),
        }
    }
}

/// `models/manifest.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the form of the file.
    pub format: u32,
    /// What the set-up fetches on the way, by id.
    #[serde(rename = "artifact", default)]
    pub artifacts: BTreeMap<String, Artifact>,
    /// The models, in the order of the file.
    #[serde(rename = "model")]
    pub models: Vec<Model>,
}

static EMBEDDED: LazyLock<Manifest> = LazyLock::new(|| {
    Manifest::parse(include_str!("../manifest.toml")).expect("the tests parse the same text that is compiled in")
});

impl Manifest {
    /// The manifest that this program was built with.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`ManifestError::Parse`] when it is no TOML of this form, [`ManifestError::Invalid`] when it contradicts itself.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text)?;
        manifest.check().map_err(ManifestError::Invalid)?;
        Ok(manifest)
    }

    /// The model with this id.
    pub fn model(&self, id: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.id == id)
    }

    fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("format {} is not known; this program reads {FORMAT}", self.format));
        }
        let mut names = BTreeSet::new();
        for model in &self.models {
            let id = &model.id;
            if !names.insert(id) || !names.insert(&model.file) {
                return Err(format!("model `{id}`: its id or its file `{}` is used twice", model.file));
            }
            if (model.kind == Kind::Embedding) != model.embedding.is_some() {
                return Err(format!("model `{id}`: embeddings, and only they, have an `embedding` table"));
            }
            if model.input.as_ref().is_some_and(|input| input.picture.is_some() && input.picture_size().is_none()) {
                return Err(format!("model `{id}`: a picture input has four dimensions"));
            }
        }
        let models = self.models.iter().map(|model| (&model.id, &model.file, &model.sha256, &model.sources));
        let artifacts = self.artifacts.iter().map(|(id, it)| (id, &it.file, &it.sha256, &it.sources));
        for (id, file, sha256, sources) in models.chain(artifacts) {
            if sha256.len() != 64 || !sha256.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
                return Err(format!("`{id}`: sha256 is 64 hexadecimal digits in lower case"));
            }
            if Path::new(file).file_name() != Some(file.as_ref()) {
                return Err(format!("`{id}`: `{file}` is not a plain file name"));
            }
            if sources.is_empty() {
                return Err(format!("`{id}`: it has no source"));
            }
            for artifact in sources.iter().flat_map(Source::artifacts) {
                if !self.artifacts.contains_key(artifact) {
                    return Err(format!("`{id}`: its source names the artifact `{artifact}`, which does not exist"));
                }
            }
        }
        Ok(())
    }
}

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

//! Which models there are, where their files lie, and the proof that a file is the right one.
//!
//! `models/manifest.toml` is compiled in; this file is its form in Rust. The set-up (`make models`) fills a folder by
//! it; [`ModelFolder`] finds that folder again at run time, and [`ModelFolder::resolve`] hands out a path only after
//! size and SHA-256 of the file have been checked, so that nothing else in this crate ever loads an unknown file.

mod error;
mod folder;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
    sync::LazyLock,
};

use serde::{Deserialize, Serialize};

pub use self::{
    error::ManifestError,
    folder::{FOLDER_VARIABLE, Listing, ModelFolder, ResolvedModel, State},
};

/// The only manifest format that this version reads.
const FORMAT: u32 = 1;

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
    /// Similarity transform of eye centres, nose and mouth corners to Open Model Zoo's five points.
    FivePoints,
    /// The same to ArcFace's five points: a narrower cut.
    #[serde(rename = "arcface")]
    ArcFace,
}

/// How two embeddings are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

#[cfg(test)]
mod tests;

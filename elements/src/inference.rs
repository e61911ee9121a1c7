//! What the elements with networks share: where the models are, what runs them, and what is said when they do not open.

use std::path::Path;

use glib::prelude::*;
use gst::prelude::*;
use vision_models::antispoof::AntispoofError;
use vision_models::embedding::EmbeddingError;
use vision_models::landmarker::LandmarkerError;
use vision_models::manifest::{ManifestError, ModelFolder};
use vision_models::runtime::{Provider, Runtime, RuntimeError};

/// What runs the networks, as a property.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstVisionDevice")]
pub enum Device {
    /// CUDA where it really loads, else the processor.
    #[default]
    #[enum_value(name = "CUDA where it really loads, else the processor", nick = "auto")]
    Auto,
    /// The processor.
    #[enum_value(name = "The processor", nick = "cpu")]
    Cpu,
    /// An NVIDIA GPU through CUDA and cuDNN.
    #[enum_value(name = "An NVIDIA GPU through CUDA and cuDNN", nick = "cuda")]
    Cuda,
    /// An NVIDIA GPU through TensorRT.
    #[enum_value(name = "An NVIDIA GPU through TensorRT", nick = "tensorrt")]
    TensorRt,
}

impl From<Device> for Provider {
    fn from(device: Device) -> Self {
        match device {
            Device::Auto => Self::Auto,
            Device::Cpu => Self::Cpu,
            Device::Cuda => Self::Cuda,
            Device::TensorRt => Self::TensorRt,
        }
    }
}

/// The properties `models` and `device`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelSettings {
    /// `None`: the usual places.
    models: Option<String>,
    device: Device,
}

impl ModelSettings {
    pub(crate) fn properties() -> Vec<glib::ParamSpec> {
        vec![
            glib::ParamSpecString::builder("models")
                .nick("Models folder")
                .blurb("Folder with the model files (null: VISION_MODELS_DIR, else the usual places)")
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder::<Device>("device")
                .nick("Device")
                .blurb("What runs the networks; one that does not work here is an error, except for auto")
                .mutable_ready()
                .build(),
        ]
    }

    /// Takes the value of one of [`ModelSettings::properties`]; false: it is another property.
    pub(crate) fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        match name {
            "models" => self.models = value.get().expect("type checked upstream"),
            "device" => self.device = value.get().expect("type checked upstream"),
            _ => return false,
        }
        true
    }

    pub(crate) fn get(&self, name: &str) -> Option<glib::Value> {
        match name {
            "models" => Some(self.models.to_value()),
            "device" => Some(self.device.to_value()),
            _ => None,
        }
    }

    pub(crate) fn open(&self) -> Result<(ModelFolder, Runtime), OpenError> {
        let folder = ModelFolder::find(self.models.as_deref().map(Path::new))?;
        let runtime = Runtime::in_folder(&folder, self.device.into(), None)?;
        Ok((folder, runtime))
    }
}

/// Why an element cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Landmarker(#[from] LandmarkerError),
    #[error(transparent)]
    Embedding(#[from] EmbeddingError),
    #[error(transparent)]
    Antispoof(#[from] AntispoofError),
    #[error("the folder {0} holds no embedding network. Run `make models`, or name another folder")]
    NoEmbedding(String),
}

impl OpenError {
    fn code(&self) -> gst::ResourceError {
        match self {
            Self::Manifest(error)
            | Self::Runtime(RuntimeError::Manifest(error))
            | Self::Landmarker(LandmarkerError::Manifest(error))
            | Self::Antispoof(AntispoofError::Manifest(error)) => match error {
                ManifestError::FolderNotFound { .. }
                | ManifestError::NotAFolder { .. }
                | ManifestError::Missing { .. } => gst::ResourceError::NotFound,
                ManifestError::UnknownModel(_) => gst::ResourceError::Settings,
                _ => gst::ResourceError::OpenRead,
            },
            Self::NoEmbedding(_) => gst::ResourceError::NotFound,
            Self::Runtime(RuntimeError::Provider { .. }) => gst::ResourceError::Settings,
            Self::Embedding(EmbeddingError::Unusable { .. }) => gst::ResourceError::Settings,
            _ => gst::ResourceError::OpenRead,
        }
    }
}

// The errors' own words name the remedy.
impl From<OpenError> for gst::ErrorMessage {
    fn from(error: OpenError) -> Self {
        gst::error_msg!(error.code(), ["{error}"])
    }
}

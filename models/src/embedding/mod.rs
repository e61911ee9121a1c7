//! Face embeddings: a face becomes a vector, two vectors have a distance, below a threshold they are one person.
//!
//! Which networks there are, how they want the face cut out ([`alignment`]), how their vectors compare and at which
//! threshold stands in the manifest; `cargo run --release -p vision-models --example calibrate` measured the thresholds.

pub mod alignment;

use std::fmt;
use std::sync::Arc;

use vision_core::face::Face;
use vision_core::picture::PictureView;

use crate::crop::{self, Border, Channels, PictureLayoutError};
use crate::manifest::{Alignment, Colour, Layout, Metric, ResolvedModel};
use crate::runtime::{Network, Runtime, RuntimeError};

/// Why there is no embedding, or no distance between two.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingError {
    /// The network does not load or run.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The manifest describes an input that this code cannot make.
    #[error("models/manifest.toml: `{model}` is no embedding that can be used: {reason}")]
    Unusable {
        /// Id of the model.
        model: &'static str,
        /// What is missing or unknown.
        reason: &'static str,
    },
    /// The picture is not what it says.
    #[error(transparent)]
    Picture(#[from] PictureLayoutError),
    /// The face has no extent, or the network's answer is no vector.
    #[error("the embedding `{0}` of this face is not finite")]
    Degenerate(&'static str),
    /// Vectors of different networks have no distance.
    #[error("embeddings of `{0}` and `{1}` cannot be compared")]
    Incomparable(&'static str, &'static str),
}

/// A face as a vector. Biometric data: `Debug` shows the network's name only.
#[derive(Clone)]
pub struct Embedding {
    model: &'static str,
    metric: Metric,
    values: Arc<[f32]>,
}

impl Embedding {
    /// Id of the network that made it.
    pub fn model(&self) -> &'static str {
        self.model
    }

    /// The vector, as the network gave it.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// How far apart two faces are: Euclidean for dlib, 1 - cosine similarity (0..2) for the others.
    ///
    /// # Errors
    /// [`EmbeddingError::Incomparable`] when they come from different networks.
    pub fn distance(&self, other: &Self) -> Result<f32, EmbeddingError> {
        if self.model != other.model {
            return Err(EmbeddingError::Incomparable(self.model, other.model));
        }
        Ok(self.metric.distance(&self.values, &other.values))
    }
}

impl Metric {
    /// How far apart two vectors of a network with this metric are: Euclidean, or 1 - cosine similarity (0..2).
    pub fn distance(self, a: &[f32], b: &[f32]) -> f32 {
        let pairs = || a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        match self {
            Self::L2 => pairs().map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt() as f32,
            Self::Cosine => {
                let dot: f64 = pairs().map(|(a, b)| a * b).sum();
                (1.0 - dot / (norm(a) * norm(b))) as f32
            }
        }
    }
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt()
}

impl fmt::Debug for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embedding({})", self.model)
    }
}

/// An embedding network with its buffers.
pub struct Embedder {
    network: Network,
    model: &'static str,
    alignment: Alignment,
    metric: Metric,
    threshold: f32,
    size: usize,
    channels: Channels,
    scale: f32,
    pixels: Vec<u8>,
    input: Vec<f32>,
    values: usize,
}

impl Embedder {
    /// Loads an embedding network as its entry in the manifest says.
    ///
    /// # Errors
    /// [`EmbeddingError::Unusable`] when the entry is no embedding or asks for another input than a square picture in
    /// planes from 0 upwards; [`EmbeddingError::Runtime`] when the network does not load.
    pub fn load(runtime: &Runtime, resolved: &ResolvedModel) -> Result<Self, EmbeddingError> {
        let model = resolved.model;
        let unusable = |reason| EmbeddingError::Unusable { model: &model.id, reason };
        let embedding = model.embedding.as_ref().ok_or_else(|| unusable("it has no `embedding`"))?;
        let input = model.input.as_ref().ok_or_else(|| unusable("it has no `input`"))?;
        let picture = input.picture.ok_or_else(|| unusable("its input is no picture"))?;
        let (width, height) = input.picture_size().unwrap_or_default();
        if picture.layout != Layout::Nchw || picture.range[0] != 0.0 || width != height || width == 0 {
            return Err(unusable("its input is not a square NCHW picture whose range starts at 0"));
        }
        let values: usize = model.outputs.first().map(|output| output.shape.iter().product()).unwrap_or_default();
        Ok(Self {
            network: runtime.network(&resolved.path, &input.shape, &[values])?,
            model: &model.id,
            alignment: embedding.alignment,
            metric: embedding.metric,
            threshold: embedding.threshold,
            size: width,
            channels: match picture.colour {
                Colour::Rgb => Channels::Rgb,
                Colour::Bgr => Channels::Bgr,
            },
            scale: picture.range[1] / 255.0,
            pixels: vec![0; 3 * width * width],
            input: vec![0.0; 3 * width * width],
            values,
        })
    }

    /// Id of the network.
    pub fn model(&self) -> &'static str {
        self.model
    }

    /// Two faces are one person when their distance is below this.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// The vector of a face in a picture.
    ///
    /// # Errors
    /// [`EmbeddingError::Picture`] and [`EmbeddingError::Degenerate`] about the input, [`EmbeddingError::Runtime`] when
    /// the network fails.
    pub fn embed(&mut self, picture: &PictureView<'_>, face: &Face) -> Result<Embedding, EmbeddingError> {
        crop::check_layout(picture)?;
        let warp = alignment::warp(self.alignment, face, picture.width(), picture.height(), self.size)
            .ok_or(EmbeddingError::Degenerate(self.model))?;
        crop::crop_smooth(picture, &warp, self.size, Border::Zero, &mut self.pixels);
        crop::to_planes(&self.pixels, self.channels, self.scale, &mut self.input);
        let mut values = vec![0.0; self.values];
        self.network.run(&self.input, &mut [&mut values])?;
        let length = norm(&values);
        if !length.is_finite() || length == 0.0 {
            return Err(EmbeddingError::Degenerate(self.model));
        }
        Ok(Embedding { model: self.model, metric: self.metric, values: values.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedding(model: &'static str, metric: Metric, values: &[f32]) -> Embedding {
        Embedding { model, metric, values: values.into() }
    }

    #[test]
    fn distances_follow_the_metric() {
        let of = |metric, a: &[f32], b: &[f32]| embedding("m", metric, a).distance(&embedding("m", metric, b)).unwrap();
        assert_eq!(of(Metric::L2, &[0.0, 3.0], &[4.0, 0.0]), 5.0);
        assert_eq!(of(Metric::L2, &[1.0, 2.0], &[1.0, 2.0]), 0.0);
        assert_eq!(of(Metric::Cosine, &[2.0, 0.0], &[5.0, 0.0]), 0.0);
        assert_eq!(of(Metric::Cosine, &[2.0, 0.0], &[0.0, 1.0]), 1.0);
        assert_eq!(of(Metric::Cosine, &[2.0, 0.0], &[-1.0, 0.0]), 2.0);
    }

    #[test]
    fn vectors_of_different_networks_have_no_distance() {
        let error = embedding("a", Metric::L2, &[1.0]).distance(&embedding("b", Metric::L2, &[1.0])).unwrap_err();
        assert!(error.to_string().contains("`a` and `b`"));
    }

    #[test]
    fn no_numbers_in_debug_output() {
        assert_eq!(format!("{:?}", embedding("face", Metric::L2, &[0.25, 0.5])), "Embedding(face)");
    }
}

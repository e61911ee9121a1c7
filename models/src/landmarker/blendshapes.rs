//! Blendshapes: 52 scores of facial expression, out of 146 points of the mesh.
//!
//! MediaPipe's `face_blendshapes_graph.cc`; names and order in `vision_core::face::BLENDSHAPE_NAMES`.

use std::path::Path;

use vision_core::face::{BLENDSHAPES, LANDMARKS};

use crate::runtime::{Network, Runtime, RuntimeError};

/// The points that the network sees (`kLandmarksSubsetIdxs`).
#[rustfmt::skip]
const SUBSET: [usize; 146] = [
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66,
    67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144,
    145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173,
    176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284,
    285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332,
    334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386,
    387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473,
    474, 475, 476, 477,
];

/// The blendshape network with its buffers.
pub struct BlendshapeNetwork {
    network: Network,
    input: Vec<f32>,
}

impl BlendshapeNetwork {
    /// Loads the network.
    pub fn load(runtime: &Runtime, file: &Path) -> Result<Self, RuntimeError> {
        let network = runtime.network(file, &[1, SUBSET.len(), 2], &[BLENDSHAPES])?;
        Ok(Self { network, input: vec![0.0; 2 * SUBSET.len()] })
    }

    /// Scores 0..1 of a normalised mesh in a picture of this size.
    pub fn run(
        &mut self,
        points: &[[f32; 3]; LANDMARKS],
        width: usize,
        height: usize,
    ) -> Result<[f32; BLENDSHAPES], RuntimeError> {
        for (pair, index) in self.input.chunks_exact_mut(2).zip(SUBSET) {
            let [x, y, _] = points[index];
            pair.copy_from_slice(&[x * width as f32, y * height as f32]);
        }
        let mut scores = [0.0; BLENDSHAPES];
        self.network.run(&self.input, &mut [&mut scores])?;
        Ok(scores)
    }
}

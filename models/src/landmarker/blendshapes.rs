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

/// A normalised mesh and the width and height of its picture.
pub type SizedMesh<'a> = (&'a [[f32; 3]; LANDMARKS], usize, usize);

/// The blendshape network with its buffers.
pub struct BlendshapeNetwork {
    network: Network,
    input: Vec<f32>,
    scores: Vec<f32>,
}

impl BlendshapeNetwork {
    /// Loads the network.
    pub fn load(runtime: &Runtime, file: &Path) -> Result<Self, RuntimeError> {
        let network = runtime.batched(file, "points", &[1, SUBSET.len(), 2], &[BLENDSHAPES])?;
        let most = network.max_batch();
        Ok(Self { network, input: vec![0.0; most * 2 * SUBSET.len()], scores: vec![0.0; most * BLENDSHAPES] })
    }

    /// Scores 0..1 of each mesh.
    pub fn run(&mut self, meshes: &[SizedMesh<'_>]) -> Result<Vec<[f32; BLENDSHAPES]>, RuntimeError> {
        let mut found = Vec::with_capacity(meshes.len());
        for batch in meshes.chunks(self.network.max_batch()) {
            for ((points, width, height), input) in batch.iter().zip(self.input.chunks_exact_mut(2 * SUBSET.len())) {
                for (pair, index) in input.chunks_exact_mut(2).zip(SUBSET) {
                    let [x, y, _] = points[index];
                    pair.copy_from_slice(&[x * *width as f32, y * *height as f32]);
                }
            }
            let input = &self.input[..batch.len() * 2 * SUBSET.len()];
            let scores = &mut self.scores[..batch.len() * BLENDSHAPES];
            self.network.run(input, &mut [&mut *scores])?;
            found.extend(scores.as_chunks().0);
        }
        Ok(found)
    }
}

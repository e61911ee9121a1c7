//! The face mesh: 478 points out of a square around the face.
//!
//! MediaPipe's `face_landmarks_detector_graph.cc`, `tensors_to_landmarks_calculator.cc` and
//! `landmark_projection_calculator.cc`.

use std::path::Path;

use vision_core::face::{LANDMARKS, Rect};
use vision_core::picture::PictureView;

use super::detector::sigmoid;
use super::region::NormalizedRegion;
use crate::crop::{self, Border, Warp};
use crate::runtime::{Network, Runtime, RuntimeError};

/// The network's input is a square of this many pixels, its output is in these units.
pub const INPUT: usize = 256;
/// Outer corner of the viewer's left eye and of the right one.
const EYES: [usize; 2] = [33, 263];

/// Points of one face, normalised by the picture's width (x, z) and height (y).
pub struct Mesh {
    /// 478 x (x, y, z).
    pub points: Box<[[f32; 3]; LANDMARKS]>,
    /// Probability 0..1 that the region holds a face.
    pub presence: f32,
}

impl Mesh {
    /// Smallest and largest x and y: x0, y0, x1, y1.
    fn bounds(&self) -> [f32; 4] {
        let start = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        self.points.iter().fold(start, |[x0, y0, x1, y1], [x, y, _]| [x0.min(*x), y0.min(*y), x1.max(*x), y1.max(*y)])
    }

    /// The smallest upright rectangle around the points.
    pub fn bounding_box(&self) -> Rect {
        let [x0, y0, x1, y1] = self.bounds();
        Rect { x: x0, y: y0, width: x1 - x0, height: y1 - y0 }
    }

    /// Where to look for this face in the next frame.
    pub fn region(&self, width: usize, height: usize) -> NormalizedRegion {
        let eyes = EYES.map(|index| [self.points[index][0], self.points[index][1]]);
        NormalizedRegion::around_points(self.bounds(), eyes, width, height)
    }
}

/// The landmark network with its buffers.
pub struct MeshNetwork {
    network: Network,
    pixels: Vec<u8>,
    input: Vec<f32>,
    points: Vec<f32>,
    logits: Vec<f32>,
}

impl MeshNetwork {
    /// Loads the network.
    pub fn load(runtime: &Runtime, file: &Path) -> Result<Self, RuntimeError> {
        // The third output, tongue_out, is not used.
        let network = runtime.batched(file, "input", &[1, INPUT, INPUT, 3], &[3 * LANDMARKS, 1])?;
        let most = network.max_batch();
        Ok(Self {
            network,
            pixels: vec![0; 3 * INPUT * INPUT],
            input: vec![0.0; most * 3 * INPUT * INPUT],
            points: vec![0.0; most * 3 * LANDMARKS],
            logits: vec![0.0; most],
        })
    }

    /// The points that the network sees in each region, whether a face is there or not: that is [`Mesh::presence`].
    pub fn run(&mut self, regions: &[(PictureView<'_>, NormalizedRegion)]) -> Result<Vec<Mesh>, RuntimeError> {
        let mut meshes = Vec::with_capacity(regions.len());
        for batch in regions.chunks(self.network.max_batch()) {
            for ((picture, region), input) in batch.iter().zip(self.input.chunks_exact_mut(3 * INPUT * INPUT)) {
                let region = region.to_pixels(picture.width(), picture.height());
                crop::crop(picture, &Warp::from_region(&region, INPUT), INPUT, Border::Replicate, &mut self.pixels);
                crop::to_interleaved(&self.pixels, 1.0 / 255.0, 0.0, input);
            }
            let input = &self.input[..batch.len() * 3 * INPUT * INPUT];
            let points = &mut self.points[..batch.len() * 3 * LANDMARKS];
            let logits = &mut self.logits[..batch.len()];
            self.network.run(input, &mut [&mut *points, &mut *logits])?;

            let outputs = points.chunks_exact(3 * LANDMARKS).zip(logits);
            meshes.extend(batch.iter().zip(outputs).map(|((picture, region), (points, logit))| Mesh {
                points: project(points, region, picture.width(), picture.height()),
                presence: sigmoid(f64::from(*logit)) as f32,
            }));
        }
        Ok(meshes)
    }
}

/// From the network's square to the picture.
fn project(values: &[f32], region: &NormalizedRegion, width: usize, height: usize) -> Box<[[f32; 3]; LANDMARKS]> {
    let region = region.to_pixels(width, height);
    let (w, h) = (width as f64, height as f64);
    let (sin, cos) = region.rotation.sin_cos();
    let depth = (region.width * cos / w).hypot(region.width * sin / h);
    let mut points = Box::new([[0.0; 3]; LANDMARKS]);
    for (point, values) in points.iter_mut().zip(values.chunks_exact(3)) {
        let [x, y, z] = [0, 1, 2].map(|axis| f64::from(values[axis]) / INPUT as f64);
        let (a, b) = ((x - 0.5) * region.width, (y - 0.5) * region.height);
        let projected = [(region.cx + a * cos - b * sin) / w, (region.cy + a * sin + b * cos) / h, z * depth];
        *point = projected.map(|value| value as f32);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_region_is_around_all_points_and_level_with_the_eyes() {
        let mut points = Box::new([[0.5, 0.5, 0.0]; LANDMARKS]);
        points[0] = [0.25, 0.5, 0.0];
        points[477] = [0.75, 0.75, 0.0];
        points[33] = [0.4, 0.5, 0.0];
        points[263] = [0.5, 0.6, 0.0];
        let mesh = Mesh { points, presence: 1.0 };
        let region = mesh.region(100, 100);
        assert_eq!((region.cx, region.cy), (0.5, 0.625));
        assert_eq!((region.width, region.height), (0.75, 0.75));
        assert!((region.rotation - std::f32::consts::FRAC_PI_4).abs() < 1e-6);
        assert_eq!(mesh.bounding_box(), Rect { x: 0.25, y: 0.5, width: 0.5, height: 0.25 });
    }
}

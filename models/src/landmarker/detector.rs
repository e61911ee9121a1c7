//! BlazeFace short range: where faces are, roughly, with six key points each.
//!
//! MediaPipe's `face_detector_graph.cc` with the constants it uses for a model without detector metadata,
//! `ssd_anchors_calculator.cc`, `tensors_to_detections_calculator.cc`, `non_max_suppression_calculator.cc` and
//! `detection_projection_calculator.cc`.

use std::path::Path;

use vision_core::face::Rect;
use vision_core::picture::PictureView;

use super::MIN_CONFIDENCE;
use super::region::NormalizedRegion;
use crate::crop::{self, Border, Region, Warp};
use crate::runtime::{Network, Runtime, RuntimeError};

/// The network's input is a square of this many pixels.
pub const INPUT: usize = 128;
/// 16x16 cells with two anchors each, 8x8 cells with six.
const ANCHORS: usize = 16 * 16 * 2 + 8 * 8 * 6;
/// Per anchor: box centre and size, six key points.
const VALUES: usize = 16;
const KEY_POINTS: usize = 6;
/// Detections that overlap more than this are merged.
const SAME_FACE: f64 = 0.5;

/// A detected face, normalised by the picture's width and height.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// Probability 0..1.
    pub score: f64,
    /// x0, y0, x1, y1.
    pub bounds: [f64; 4],
    /// Viewer's left eye, viewer's right eye, nose, mouth, viewer's left and right ear.
    pub key_points: [[f64; 2]; KEY_POINTS],
}

impl Detection {
    /// What the landmark network should look at.
    pub fn region(&self, width: usize, height: usize) -> NormalizedRegion {
        let eyes = [self.key_points[0], self.key_points[1]].map(|point| point.map(|v| v as f32));
        NormalizedRegion::around_detection(self.bounds.map(|v| v as f32), eyes, width, height)
    }

    /// The box.
    pub fn bounding_box(&self) -> Rect {
        let [x0, y0, x1, y1] = self.bounds.map(|v| v as f32);
        Rect { x: x0, y: y0, width: x1 - x0, height: y1 - y0 }
    }

    fn overlap(&self, other: &Self) -> f64 {
        let [ax0, ay0, ax1, ay1] = self.bounds;
        let [bx0, by0, bx1, by1] = other.bounds;
        let shared = (ax1.min(bx1) - ax0.max(bx0)).max(0.0) * (ay1.min(by1) - ay0.max(by0)).max(0.0);
        let union = (ax1 - ax0) * (ay1 - ay0) + (bx1 - bx0) * (by1 - by0) - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }
}

/// The detector network with its buffers.
pub struct Detector {
    network: Network,
    pixels: Vec<u8>,
    input: Vec<f32>,
    boxes: Vec<f32>,
    scores: Vec<f32>,
    anchors: Vec<[f64; 2]>,
}

impl Detector {
    /// Loads the network.
    pub fn load(runtime: &Runtime, file: &Path) -> Result<Self, RuntimeError> {
        let network = runtime.batched(file, "input", &[1, INPUT, INPUT, 3], &[ANCHORS * VALUES, ANCHORS])?;
        let most = network.max_batch();
        Ok(Self {
            network,
            pixels: vec![0; 3 * INPUT * INPUT],
            input: vec![0.0; most * 3 * INPUT * INPUT],
            boxes: vec![0.0; most * ANCHORS * VALUES],
            scores: vec![0.0; most * ANCHORS],
            anchors: anchors(),
        })
    }

    /// All faces of each picture, best first.
    pub fn detect(&mut self, pictures: &[PictureView<'_>]) -> Result<Vec<Vec<Detection>>, RuntimeError> {
        let mut found = Vec::with_capacity(pictures.len());
        for batch in pictures.chunks(self.network.max_batch()) {
            for (picture, input) in batch.iter().zip(self.input.chunks_exact_mut(3 * INPUT * INPUT)) {
                // The whole picture in a centred square on its longer side.
                let (width, height) = (picture.width() as f64, picture.height() as f64);
                let side = width.max(height);
                let region = Region { cx: 0.5 * width, cy: 0.5 * height, width: side, height: side, rotation: 0.0 };
                crop::crop(picture, &Warp::from_region(&region, INPUT), INPUT, Border::Zero, &mut self.pixels);
                crop::to_interleaved(&self.pixels, 2.0 / 255.0, -1.0, input);
            }
            let input = &self.input[..batch.len() * 3 * INPUT * INPUT];
            let boxes = &mut self.boxes[..batch.len() * ANCHORS * VALUES];
            let scores = &mut self.scores[..batch.len() * ANCHORS];
            self.network.run(input, &mut [&mut *boxes, &mut *scores])?;

            let outputs = boxes.chunks_exact(ANCHORS * VALUES).zip(scores.chunks_exact(ANCHORS));
            found.extend(batch.iter().zip(outputs).map(|(picture, (boxes, scores))| {
                let (width, height) = (picture.width() as f64, picture.height() as f64);
                let side = width.max(height);
                let mut faces = merge(decode(boxes, scores, &self.anchors));
                for detection in &mut faces {
                    project(detection, [side / width, side / height]);
                }
                faces
            }));
        }
        Ok(found)
    }
}

/// Centres of the anchors, row by row, those of a cell next to each other; all are 1 x 1.
fn anchors() -> Vec<[f64; 2]> {
    let mut anchors = Vec::with_capacity(ANCHORS);
    for (grid, copies) in [(16, 2), (8, 6)] {
        let centre = |index: usize| (index as f64 + 0.5) / grid as f64;
        for cell in 0..grid * grid {
            anchors.extend(std::iter::repeat_n([centre(cell % grid), centre(cell / grid)], copies));
        }
    }
    anchors
}

/// Anchors whose score is at least [`MIN_CONFIDENCE`], in coordinates of the network's square.
fn decode(boxes: &[f32], scores: &[f32], anchors: &[[f64; 2]]) -> Vec<Detection> {
    let mut detections = Vec::new();
    for ((values, raw), [ax, ay]) in boxes.chunks_exact(VALUES).zip(scores).zip(anchors) {
        let score = sigmoid(f64::from(raw.clamp(-100.0, 100.0)));
        if score < f64::from(MIN_CONFIDENCE) {
            continue;
        }
        let at = |index: usize| f64::from(values[index]) / INPUT as f64;
        let (cx, cy, w, h) = (at(0) + ax, at(1) + ay, at(2), at(3));
        if w < 0.0 || h < 0.0 {
            continue;
        }
        let key_points = std::array::from_fn(|k| [at(4 + 2 * k) + ax, at(5 + 2 * k) + ay]);
        let bounds = [cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0];
        detections.push(Detection { score, bounds, key_points });
    }
    detections
}

/// Weighted non-maximum suppression: each best detection becomes the score-weighted mean of those that overlap it.
fn merge(mut rest: Vec<Detection>) -> Vec<Detection> {
    rest.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut merged = Vec::new();
    while let Some(best) = rest.first().cloned() {
        let before = rest.len();
        let (same, other): (Vec<_>, Vec<_>) = rest.into_iter().partition(|d| best.overlap(d) > SAME_FACE);
        rest = other;
        merged.push(if same.is_empty() { best } else { mean(&same, best.score) });
        // A box without area overlaps nothing, not even itself.
        if rest.len() == before {
            break;
        }
    }
    merged
}

fn mean(detections: &[Detection], score: f64) -> Detection {
    let total: f64 = detections.iter().map(|d| d.score).sum();
    let weighted =
        |value: &dyn Fn(&Detection) -> f64| detections.iter().map(|d| value(d) * d.score).sum::<f64>() / total;
    Detection {
        score,
        bounds: std::array::from_fn(|i| weighted(&|d| d.bounds[i])),
        key_points: std::array::from_fn(|k| std::array::from_fn(|axis| weighted(&|d| d.key_points[k][axis]))),
    }
}

/// From the square to the picture; `scale` is the square's side in widths and heights of the picture.
fn project(detection: &mut Detection, scale: [f64; 2]) {
    let to_picture = |value: f64, axis: usize| (value - 0.5) * scale[axis] + 0.5;
    for (index, value) in detection.bounds.iter_mut().enumerate() {
        *value = to_picture(*value, index % 2);
    }
    for point in &mut detection.key_points {
        *point = [to_picture(point[0], 0), to_picture(point[1], 1)];
    }
}

/// Logistic function.
pub(super) fn sigmoid(value: f64) -> f64 {
    1.0 / (1.0 + (-value).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detection(score: f64, x: f64, size: f64) -> Detection {
        Detection { score, bounds: [x, 0.0, x + size, size], key_points: [[x, 0.0]; KEY_POINTS] }
    }

    #[test]
    fn anchors_are_laid_out_as_in_mediapipe() {
        let anchors = anchors();
        assert_eq!(anchors.len(), 896);
        assert_eq!(anchors[0], [0.5 / 16.0, 0.5 / 16.0]);
        assert_eq!(anchors[1], anchors[0]);
        assert_eq!(anchors[2], [1.5 / 16.0, 0.5 / 16.0]);
        assert_eq!(anchors[32], [0.5 / 16.0, 1.5 / 16.0]);
        assert_eq!(anchors[512], [0.5 / 8.0, 0.5 / 8.0]);
        assert_eq!(anchors[518], [1.5 / 8.0, 0.5 / 8.0]);
        assert_eq!(anchors[895], [7.5 / 8.0, 7.5 / 8.0]);
    }

    #[test]
    fn decoding_keeps_confident_boxes_with_a_size() {
        let mut boxes = vec![0.0; 3 * VALUES];
        boxes[0] = 12.8;
        boxes[2..4].fill(25.6);
        boxes[4] = -6.4;
        boxes[VALUES + 2] = -1.0;
        let anchors = [[0.5, 0.5]; 3];
        let found = decode(&boxes, &[1.0, 5.0, -0.01], &anchors);
        assert_eq!(found.len(), 1, "negative sizes and scores below one half are dropped");
        let expected = [0.5, 0.4, 0.7, 0.6];
        assert!(found[0].bounds.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", found[0].bounds);
        assert!((found[0].key_points[0][0] - 0.45).abs() < 1e-6);
    }

    #[test]
    fn overlapping_detections_become_their_weighted_mean() {
        let merged = merge(vec![detection(0.6, 0.1, 1.0), detection(0.9, 0.0, 1.0), detection(0.8, 5.0, 1.0)]);
        assert_eq!(merged.len(), 2);
        assert_eq!(merged[0].score, 0.9);
        assert!((merged[0].bounds[0] - 0.1 * 0.6 / 1.5).abs() < 1e-12);
        assert!((merged[0].key_points[3][0] - 0.1 * 0.6 / 1.5).abs() < 1e-12);
        assert!((merged[1].bounds[0] - 5.0).abs() < 1e-12);
    }

    #[test]
    fn boxes_without_area_end_the_merging() {
        assert_eq!(merge(vec![detection(0.9, 0.0, 0.0), detection(0.8, 0.0, 0.0)]).len(), 1);
    }

    #[test]
    fn projection_undoes_the_padding() {
        // A 200x100 picture: the square has bars above and below.
        let mut found = detection(1.0, 0.5, 0.25);
        found.bounds = [0.5, 0.25, 0.75, 0.5];
        project(&mut found, [1.0, 2.0]);
        assert_eq!(found.bounds, [0.5, 0.0, 0.75, 0.5]);
        assert_eq!(found.key_points[0], [0.5, -0.5]);
    }
}

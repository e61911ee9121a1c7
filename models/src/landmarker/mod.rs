//! MediaPipe's face landmarker (google-ai-edge/mediapipe, `tasks/cc/vision/face_landmarker`), around its own networks.
//!
//! | step | file |
//! |---|---|
//! | where is a face: anchors, decoding, weighted non-maximum suppression | [`detector`] |
//! | which square of the picture goes into the landmark network | [`region`] |
//! | 478 points out of that square | [`landmarks`] |
//! | One Euro filter over points, stream mode | [`smoothing`] |
//! | 52 scores out of 146 points | [`blendshapes`] |
//! | canonical face to camera, the head pose | [`geometry`] |
//!
//! [`Landmarker`] holds the networks and does the steps; it belongs to one thread. [`Tracker`] is what a stream
//! remembers from one frame to the next; it belongs to the stream and may meet another `Landmarker` at every frame.
//!
//! Picture mode ([`Landmarker::picture`]) looks with the detector and finds every face. Stream mode
//! ([`Landmarker::frame`]) follows one face: the detector runs only when none is followed, the region comes from the
//! previous frame's points, and points are smoothed before scores and pose are computed from them.

pub mod blendshapes;
pub mod detector;
pub mod geometry;
pub mod landmarks;
pub mod region;
pub mod smoothing;

use std::time::Duration;

use vision_core::face::{Face, FrameAnalysis, Rect};
use vision_core::picture::{Picture as _, PictureView, RgbPicture};

use crate::crop::{self, PictureLayoutError};
use crate::manifest::{ManifestError, ModelFolder};
use crate::runtime::{Runtime, RuntimeError};
use blendshapes::BlendshapeNetwork;
use detector::{Detection, Detector};
use geometry::{Geometry, GeometryError};
use landmarks::{Mesh, MeshNetwork};
use region::NormalizedRegion;
use smoothing::Smoothing;

/// Least probability for a detection to count and for a region to hold a face (MediaPipe's default).
pub const MIN_CONFIDENCE: f32 = 0.5;
/// Detections beyond these are not looked at: nobody needs the exact number of faces in a crowd.
pub const MAX_FACES: usize = 5;
/// Two faces whose boxes overlap more than this (intersection over union) are the same face.
const SAME_FACE: f32 = 0.5;

/// Why a picture could not be analysed.
#[derive(Debug, thiserror::Error)]
pub enum LandmarkerError {
    /// A file is missing or not the right one.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A network does not load or run.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The canonical face is missing or broken.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// The picture is not what it says.
    #[error(transparent)]
    Picture(#[from] PictureLayoutError),
}

/// How a stream is followed.
#[derive(Clone, Debug)]
pub struct TrackerOptions {
    /// How often, in stream time, the detector looks at the whole picture for further faces while one is followed;
    /// `None`: never, as MediaPipe. It costs about a fifth of an analysis each time.
    pub face_count_interval: Option<Duration>,
}

impl Default for TrackerOptions {
    fn default() -> Self {
        Self { face_count_interval: Some(Duration::from_millis(500)) }
    }
}

/// What is remembered of a stream.
#[derive(Default)]
pub struct Tracker {
    options: TrackerOptions,
    region: Option<NormalizedRegion>,
    smoothing: Smoothing,
    size: (usize, usize),
    face_count: usize,
    counted: Option<Duration>,
}

impl Tracker {
    /// A stream of which nothing is known.
    pub fn new(options: TrackerOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Forgets the face: the next frame is searched by the detector.
    pub fn reset(&mut self) {
        *self = Self::new(self.options.clone());
    }

    fn lose(&mut self) {
        self.region = None;
        self.smoothing = Smoothing::default();
    }

    fn count_is_due(&self, now: Duration) -> bool {
        match (self.options.face_count_interval, self.counted) {
            (None, _) => false,
            (Some(_), None) => true,
            // A stream whose clock went back counts again.
            (Some(interval), Some(counted)) => now.checked_sub(counted).is_none_or(|passed| passed >= interval),
        }
    }
}

/// The face landmarker's networks with what belongs to them.
pub struct Landmarker {
    detector: Detector,
    mesh: MeshNetwork,
    blendshapes: BlendshapeNetwork,
    geometry: Geometry,
}

impl Landmarker {
    /// Loads the networks, verified, out of a model folder.
    pub fn load(runtime: &Runtime, folder: &ModelFolder) -> Result<Self, LandmarkerError> {
        let file = |id| folder.resolve(id).map(|model| model.path);
        Ok(Self {
            detector: Detector::load(runtime, &file("face_detector")?)?,
            mesh: MeshNetwork::load(runtime, &file("face_landmarks")?)?,
            blendshapes: BlendshapeNetwork::load(runtime, &file("face_blendshapes")?)?,
            geometry: Geometry::load(&file("face_geometry")?)?,
        })
    }

    /// Runs every network once, on grey: the first run of each sets its memory up (and, on a GPU, chooses its kernels).
    pub fn warm_up(&mut self) -> Result<(), LandmarkerError> {
        const SIDE: usize = 64;
        let grey = RgbPicture { data: vec![128; 3 * SIDE * SIDE], width: SIDE, height: SIDE };
        self.detector.detect(&grey.view())?;
        let whole = NormalizedRegion { cx: 0.5, cy: 0.5, width: 1.0, height: 1.0, rotation: 0.0 };
        let mesh = self.mesh.run(&grey.view(), &whole)?;
        self.face(mesh, SIDE, SIDE)?;
        Ok(())
    }

    /// Every face of a single picture, best detection first, at most `max_faces` (and never more than [`MAX_FACES`]).
    pub fn picture(&mut self, picture: &PictureView<'_>, max_faces: usize) -> Result<Vec<Face>, LandmarkerError> {
        crop::check_layout(picture)?;
        let (width, height) = (picture.width(), picture.height());
        let detections = self.detector.detect(picture)?;
        let mut faces: Vec<Face> = Vec::new();
        for detection in detections.iter().take(max_faces.min(MAX_FACES)) {
            let mesh = self.mesh.run(picture, &detection.region(width, height))?;
            if mesh.presence <= MIN_CONFIDENCE {
                continue;
            }
            let face = self.face(mesh, width, height)?;
            let here = face.bounding_box();
            if faces.iter().all(|other| overlap(&other.bounding_box(), &here) <= SAME_FACE) {
                faces.push(face);
            }
        }
        Ok(faces)
    }

    /// The next frame of a stream. `timestamp` grows from frame to frame (smoothing needs it), with one exception: a frame
    /// that was left out may come after the next one. Any other frame whose timestamp does not grow is not smoothed.
    pub fn frame(
        &mut self,
        tracker: &mut Tracker,
        picture: &PictureView<'_>,
        timestamp: Duration,
    ) -> Result<FrameAnalysis, LandmarkerError> {
        crop::check_layout(picture)?;
        let (width, height) = (picture.width(), picture.height());
        if tracker.size != (width, height) {
            // Turned or rescaled in mid-stream: what was known lies elsewhere now.
            tracker.lose();
            tracker.size = (width, height);
        }

        let (region, detections) = match tracker.region {
            Some(region) => (Some(region), None),
            None => {
                let detections = self.detector.detect(picture)?;
                (detections.first().map(|best| best.region(width, height)), Some(detections))
            }
        };
        let mesh = match region {
            Some(region) => Some(self.mesh.run(picture, &region)?).filter(|mesh| mesh.presence > MIN_CONFIDENCE),
            None => None,
        };
        let Some(mut mesh) = mesh else {
            tracker.lose();
            tracker.face_count = 0;
            tracker.counted = None;
            return Ok(FrameAnalysis { face: None, face_count: 0, width, height });
        };

        let late = tracker.smoothing.is_late(timestamp);
        if !late {
            // The next region comes from the points as they are, before smoothing.
            tracker.region = Some(mesh.region(width, height));
        }
        if detections.is_some() || !late && tracker.count_is_due(timestamp) {
            tracker.face_count = self.count(picture, detections, &mesh)?;
            tracker.counted = Some(timestamp);
        }
        tracker.smoothing.apply(&mut mesh.points, width, height, timestamp);
        let face = self.face(mesh, width, height)?;
        Ok(FrameAnalysis { face: Some(face), face_count: tracker.face_count.max(1), width, height })
    }

    /// How many faces there are besides the one that is followed, itself included. A detection counts only when the
    /// landmark network agrees that there is a face, as it would with MediaPipe's `num_faces`.
    fn count(
        &mut self,
        picture: &PictureView<'_>,
        detections: Option<Vec<Detection>>,
        followed: &Mesh,
    ) -> Result<usize, LandmarkerError> {
        let (width, height) = (picture.width(), picture.height());
        let detections = match detections {
            Some(detections) => detections,
            None => self.detector.detect(picture)?,
        };
        let mut boxes = vec![followed.bounding_box()];
        for detection in detections.iter().take(MAX_FACES) {
            // The detector's box is a little larger than the mesh's.
            if boxes.iter().any(|known| overlap(known, &detection.bounding_box()) > 0.3) {
                continue;
            }
            let mesh = self.mesh.run(picture, &detection.region(width, height))?;
            let here = mesh.bounding_box();
            if mesh.presence > MIN_CONFIDENCE && boxes.iter().all(|known| overlap(known, &here) <= SAME_FACE) {
                boxes.push(here);
            }
        }
        Ok(boxes.len())
    }

    fn face(&mut self, mesh: Mesh, width: usize, height: usize) -> Result<Face, LandmarkerError> {
        let blendshapes = self.blendshapes.run(&mesh.points, width, height)?;
        let matrix = self.geometry.pose(&mesh.points, width, height);
        Ok(Face { landmarks: mesh.points, blendshapes, matrix, presence: mesh.presence })
    }

    /// Runs the detector alone; for measurements.
    pub fn detect(&mut self, picture: &PictureView<'_>) -> Result<usize, LandmarkerError> {
        crop::check_layout(picture)?;
        Ok(self.detector.detect(picture)?.len())
    }
}

/// Intersection over union.
fn overlap(a: &Rect, b: &Rect) -> f32 {
    let side = |start: f32, length: f32, other: f32, other_length: f32| {
        ((start + length).min(other + other_length) - start.max(other)).max(0.0)
    };
    let shared = side(a.x, a.width, b.x, b.width) * side(a.y, a.height, b.y, b.height);
    let union = a.width * a.height + b.width * b.height - shared;
    if union > 0.0 { shared / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_is_intersection_over_union() {
        let square = |x: f32| Rect { x, y: 0.0, width: 1.0, height: 1.0 };
        assert_eq!(overlap(&square(0.0), &square(0.0)), 1.0);
        assert_eq!(overlap(&square(0.0), &square(0.5)), 0.5 / 1.5);
        assert_eq!(overlap(&square(0.0), &square(2.0)), 0.0);
        assert_eq!(overlap(&Rect::default(), &Rect::default()), 0.0);
    }

    #[test]
    fn counting_is_due_at_the_interval() {
        let at = Duration::from_millis;
        let mut tracker = Tracker::new(TrackerOptions { face_count_interval: Some(at(500)) });
        assert!(tracker.count_is_due(at(0)));
        tracker.counted = Some(at(1000));
        assert!(!tracker.count_is_due(at(1499)));
        assert!(tracker.count_is_due(at(1500)));
        assert!(tracker.count_is_due(at(10)), "the clock went back");
        tracker.options.face_count_interval = None;
        assert!(!tracker.count_is_due(at(9999)));
    }
}

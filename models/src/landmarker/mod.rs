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
//! [`Landmarker::frames`] does so for frames of several streams at once, each network running once for all of them.

pub mod blendshapes;
pub mod detector;
pub mod geometry;
pub mod landmarks;
pub mod region;
pub mod smoothing;
mod tracker;

use std::time::Duration;

use vision_core::face::{BLENDSHAPES, Face, FrameAnalysis, Rect};
use vision_core::picture::{Picture as _, PictureView, RgbPicture};

use crate::crop::{self, PictureLayoutError};
use crate::manifest::{ManifestError, ModelFolder};
use crate::runtime::{Runtime, RuntimeError};
use blendshapes::BlendshapeNetwork;
use detector::{Detection, Detector};
use geometry::{Geometry, GeometryError};
use landmarks::{Mesh, MeshNetwork};
use region::NormalizedRegion;
pub use tracker::{Tracker, TrackerOptions};

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

/// The face landmarker's networks with what belongs to them.
pub struct Landmarker {
    detector: Detector,
    mesh: MeshNetwork,
    blendshapes: BlendshapeNetwork,
    geometry: Geometry,
    scores: bool,
    max_batch: usize,
}

/// The next frame of a stream.
pub struct StreamFrame<'a> {
    /// What is remembered of the stream.
    pub tracker: &'a mut Tracker,
    /// The frame.
    pub picture: PictureView<'a>,
    /// Its time in the stream.
    pub timestamp: Duration,
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
            scores: true,
            max_batch: runtime.info().max_batch,
        })
    }

    /// Whether blendshapes are computed, as they are unless told otherwise. Without them a frame costs a fifth less and
    /// every score is 0.
    pub fn set_blendshapes(&mut self, on: bool) {
        self.scores = on;
    }

    /// Runs every network on grey, once for every size of batch: the first run of each sets its memory up (and, on a
    /// GPU, chooses its kernels).
    pub fn warm_up(&mut self) -> Result<(), LandmarkerError> {
        const SIDE: usize = 64;
        let grey = RgbPicture { data: vec![128; 3 * SIDE * SIDE], width: SIDE, height: SIDE };
        let whole = NormalizedRegion { cx: 0.5, cy: 0.5, width: 1.0, height: 1.0, rotation: 0.0 };
        for batch in 1..=self.max_batch {
            self.detector.detect(&vec![grey.view(); batch])?;
            let meshes = self.mesh.run(&vec![(grey.view(), whole); batch])?;
            self.faces(meshes.into_iter().map(|mesh| (mesh, SIDE, SIDE)).collect())?;
        }
        Ok(())
    }

    /// Every face of a single picture, best detection first, at most `max_faces` (and never more than [`MAX_FACES`]).
    pub fn picture(&mut self, picture: &PictureView<'_>, max_faces: usize) -> Result<Vec<Face>, LandmarkerError> {
        crop::check_layout(picture)?;
        let (width, height) = (picture.width(), picture.height());
        let detections = self.detector.detect(&[*picture])?.concat();
        let regions = detections.iter().take(max_faces.min(MAX_FACES)).map(|found| found.region(width, height));
        let mut meshes: Vec<Mesh> = Vec::new();
        for mesh in self.mesh.run(&regions.map(|region| (*picture, region)).collect::<Vec<_>>())? {
            let here = mesh.bounding_box();
            if mesh.presence > MIN_CONFIDENCE
                && meshes.iter().all(|other| overlap(&other.bounding_box(), &here) <= SAME_FACE)
            {
                meshes.push(mesh);
            }
        }
        self.faces(meshes.into_iter().map(|mesh| (mesh, width, height)).collect())
    }

    /// The next frame of a stream. `timestamp` grows from frame to frame (smoothing needs it); a frame whose
    /// timestamp does not is not smoothed.
    pub fn frame(
        &mut self,
        tracker: &mut Tracker,
        picture: &PictureView<'_>,
        timestamp: Duration,
    ) -> Result<FrameAnalysis, LandmarkerError> {
        Ok(self.frames(&mut [StreamFrame { tracker, picture: *picture, timestamp }])?.swap_remove(0))
    }

    /// The next frames of several streams, in their order: each network runs once for all of them (once for as many as
    /// it takes at a time). After an error all of them can be given again.
    pub fn frames(&mut self, frames: &mut [StreamFrame<'_>]) -> Result<Vec<FrameAnalysis>, LandmarkerError> {
        for frame in frames.iter() {
            crop::check_layout(&frame.picture)?;
        }
        for StreamFrame { tracker, picture, .. } in frames.iter_mut() {
            let size = (picture.width(), picture.height());
            if tracker.size != size {
                // Turned or rescaled in mid-stream: what was known lies elsewhere now.
                tracker.lose();
                tracker.size = size;
            }
        }

        let searched = frames.iter().map(|frame| frame.tracker.region.is_none().then_some(frame.picture));
        let detections = sparse(searched, |pictures| self.detector.detect(&pictures))?;
        let regions = frames.iter().zip(&detections).map(|(StreamFrame { tracker, picture, .. }, detections)| {
            let region = match detections {
                Some(found) => found.first().map(|best| best.region(picture.width(), picture.height())),
                None => tracker.region,
            };
            Some((*picture, region?))
        });
        let mut meshes = sparse(regions, |regions| self.mesh.run(&regions))?;

        for (StreamFrame { tracker, picture, .. }, mesh) in frames.iter_mut().zip(&mut meshes) {
            mesh.take_if(|mesh| mesh.presence <= MIN_CONFIDENCE);
            match mesh {
                // The next region comes from the points as they are, before smoothing.
                Some(mesh) => tracker.region = Some(mesh.region(picture.width(), picture.height())),
                None => {
                    tracker.lose();
                    tracker.face_count = 0;
                    tracker.counted = None;
                }
            }
        }
        self.count(frames, detections, &meshes)?;

        let followed = frames.iter_mut().zip(meshes).map(|(frame, mesh)| {
            let (mut mesh, width, height) = (mesh?, frame.picture.width(), frame.picture.height());
            frame.tracker.smoothing.apply(&mut mesh.points, width, height, frame.timestamp);
            Some((mesh, width, height))
        });
        let faces = sparse(followed, |meshes| self.faces(meshes))?;
        Ok(frames
            .iter()
            .zip(faces)
            .map(|(StreamFrame { tracker, picture, .. }, face)| FrameAnalysis {
                face_count: if face.is_some() { tracker.face_count.max(1) } else { 0 },
                face,
                width: picture.width(),
                height: picture.height(),
            })
            .collect())
    }

    /// How many faces there are besides those that are followed, themselves included, where that is to be known. A
    /// detection counts only when the landmark network agrees that there is a face, as it would with MediaPipe's
    /// `num_faces`.
    fn count(
        &mut self,
        frames: &mut [StreamFrame<'_>],
        detections: Vec<Option<Vec<Detection>>>,
        followed: &[Option<Mesh>],
    ) -> Result<(), LandmarkerError> {
        let searched = frames.iter().zip(&detections).zip(followed).map(|((frame, detections), followed)| {
            let is_due = followed.is_some() && detections.is_none() && frame.tracker.count_is_due(frame.timestamp);
            is_due.then_some(frame.picture)
        });
        let looked = sparse(searched, |pictures| self.detector.detect(&pictures))?;

        // The detector's box is a little larger than the mesh's.
        let is_known = |known: &Rect, detection: &Detection| overlap(known, &detection.bounding_box()) > 0.3;
        let mut others: Vec<(usize, Detection)> = Vec::new();
        for (index, found) in detections.into_iter().zip(looked).map(|(first, second)| first.or(second)).enumerate() {
            let (Some(found), Some(followed)) = (found, &followed[index]) else { continue };
            let StreamFrame { tracker, timestamp, .. } = &mut frames[index];
            tracker.face_count = 1;
            tracker.counted = Some(*timestamp);
            let here = followed.bounding_box();
            let others_of_this = found.into_iter().take(MAX_FACES).filter(|detection| !is_known(&here, detection));
            others.extend(others_of_this.map(|detection| (index, detection)));
        }
        let regions: Vec<_> = others
            .iter()
            .map(|(index, detection)| {
                let picture = frames[*index].picture;
                (picture, detection.region(picture.width(), picture.height()))
            })
            .collect();
        let meshes = self.mesh.run(&regions)?;

        let mut boxes: Vec<Vec<Rect>> =
            followed.iter().map(|mesh| mesh.iter().map(Mesh::bounding_box).collect()).collect();
        for ((index, detection), mesh) in others.iter().zip(meshes) {
            let (known, here) = (&mut boxes[*index], mesh.bounding_box());
            if mesh.presence > MIN_CONFIDENCE
                && !known.iter().any(|known| is_known(known, detection))
                && known.iter().all(|known| overlap(known, &here) <= SAME_FACE)
            {
                known.push(here);
                frames[*index].tracker.face_count = known.len();
            }
        }
        Ok(())
    }

    /// Scores and pose of meshes, each with the width and height of its picture.
    fn faces(&mut self, meshes: Vec<(Mesh, usize, usize)>) -> Result<Vec<Face>, LandmarkerError> {
        let sized: Vec<_> = meshes.iter().map(|(mesh, width, height)| (&*mesh.points, *width, *height)).collect();
        let scores = if self.scores { self.blendshapes.run(&sized)? } else { vec![[0.0; BLENDSHAPES]; sized.len()] };
        let faces = meshes.into_iter().zip(scores).map(|((mesh, width, height), blendshapes)| Face {
            matrix: self.geometry.pose(&mesh.points, width, height),
            landmarks: mesh.points,
            blendshapes,
            presence: mesh.presence,
        });
        Ok(faces.collect())
    }

    /// Runs the detector alone; for measurements.
    pub fn detect(&mut self, picture: &PictureView<'_>) -> Result<usize, LandmarkerError> {
        crop::check_layout(picture)?;
        Ok(self.detector.detect(&[*picture])?.concat().len())
    }
}

/// Runs on those that are there, all together, and puts the results where they belong.
fn sparse<T, R, E>(
    items: impl Iterator<Item = Option<T>>,
    run: impl FnOnce(Vec<T>) -> Result<Vec<R>, E>,
) -> Result<Vec<Option<R>>, E> {
    let (there, items): (Vec<bool>, Vec<Option<T>>) = items.map(|item| (item.is_some(), item)).unzip();
    let mut results = run(items.into_iter().flatten().collect())?.into_iter();
    Ok(there.into_iter().map(|is_there| is_there.then(|| results.next()).flatten()).collect())
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
    fn results_come_back_to_their_places() {
        let items = [Some(1), None, Some(3), None];
        let doubled = |items: Vec<i32>| Ok::<_, ()>(items.into_iter().map(|item| 2 * item).collect());
        assert_eq!(sparse(items.into_iter(), doubled), Ok(vec![Some(2), None, Some(6), None]));
        assert_eq!(sparse([None::<i32>].into_iter(), |_| Err::<Vec<i32>, _>("failed")), Err("failed"));
    }

    #[test]
    fn overlap_is_intersection_over_union() {
        let square = |x: f32| Rect { x, y: 0.0, width: 1.0, height: 1.0 };
        assert_eq!(overlap(&square(0.0), &square(0.0)), 1.0);
        assert_eq!(overlap(&square(0.0), &square(0.5)), 0.5 / 1.5);
        assert_eq!(overlap(&square(0.0), &square(2.0)), 0.0);
        assert_eq!(overlap(&Rect::default(), &Rect::default()), 0.0);
    }
}

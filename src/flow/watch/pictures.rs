//! What is told of the pictures that are compared: how fit they are for it. Neither the pictures nor anything biometric.

use serde::Serialize;
use vision_core::face::FrameAnalysis;
use vision_core::liveness::continuity::identity::Seen;
use vision_core::liveness::frame_checks::{PixelRect, Position};
use vision_core::liveness::quality::Quality;

use super::inspection::Appearance;

/// A picture taken for the comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PictureStatus {
    /// The face's size in pixels: that of the box around its mesh. Zero where no face was found.
    pub face_width: u32,
    /// As [`face_width`](Self::face_width).
    pub face_height: u32,
    /// Absent until it is measured, and where the face is not to be measured.
    #[serde(flatten)]
    pub scores: Option<Scores>,
    /// Whether the face is that of the frames before; absent where nobody wants to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Seen>,
}

/// Scores 0..1 to two digits. Of illumination and specularity 0 is good, of the others 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// How fit the picture is for matching.
    pub ags: f32,
    /// What may be wrong with it.
    #[serde(flatten)]
    pub quality: Quality,
}

impl Scores {
    pub(in crate::flow) fn of(Appearance { quality, ags, .. }: &Appearance) -> Self {
        let digits = |score: f32| (score * 100.0).round() / 100.0;
        let Quality { blur, light, darkness, illumination, specularity } = *quality;
        let quality = Quality {
            blur: digits(blur),
            light: digits(light),
            darkness: digits(darkness),
            illumination: digits(illumination),
            specularity: digits(specularity),
        };
        Self { ags: digits(*ags), quality }
    }
}

/// The pictures of the present subject.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    taken: Vec<PictureStatus>,
    /// Pictures of subjects before: numbers go on, so that a late result is not taken for that of another picture.
    before: usize,
}

impl Pictures {
    /// A picture was taken; its number.
    pub fn add(&mut self, analysis: &FrameAnalysis) -> usize {
        let rect = analysis.face.as_ref().map(|face| Position::of(face, analysis.width, analysis.height).face_rect);
        let size = rect.map(|PixelRect { width, height, .. }| [width, height].map(|side| side.round() as u32));
        let [face_width, face_height] = size.unwrap_or_default();
        self.taken.push(PictureStatus { face_width, face_height, ..PictureStatus::default() });
        self.before + self.taken.len() - 1
    }

    /// A picture was looked at.
    pub fn inspected(&mut self, number: usize, appearance: Option<&Appearance>, identity: Option<Seen>) {
        let index = number.checked_sub(self.before);
        if let Some(picture) = index.and_then(|index| self.taken.get_mut(index)) {
            picture.scores = appearance.map(Scores::of);
            picture.identity = identity;
        }
    }

    /// The pictures are thrown away.
    pub fn clear(&mut self) {
        self.before += self.taken.len();
        self.taken.clear();
    }

    /// Those that were taken, in their order.
    pub fn list(&self) -> &[PictureStatus] {
        &self.taken
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn appearance(ags: f32) -> Appearance {
        let quality =
            Quality { blur: 0.987_654, light: 1.0, darkness: 0.996, illumination: 0.0312, specularity: 0.000_1 };
        Appearance { quality, ags, glasses: None }
    }

    #[test]
    fn a_late_result_is_not_taken_for_that_of_another_picture() {
        let empty = FrameAnalysis { face: None, face_count: 0, width: 640, height: 480 };
        let mut pictures = Pictures::default();
        let first = [pictures.add(&empty), pictures.add(&empty)];
        pictures.inspected(first[1], Some(&appearance(0.5)), Some(Seen::Doubtful));
        assert_eq!(pictures.list()[0], PictureStatus::default());
        let told = serde_json::to_string(&pictures.list()).unwrap();
        let expected = json!([{"face_width": 0, "face_height": 0}, {
            "face_width": 0, "face_height": 0, "ags": 0.5, "blur": 0.99, "light": 1.0, "darkness": 1.0,
            "illumination": 0.03, "specularity": 0.0, "identity": "doubtful",
        }]);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&told).unwrap(), expected);
        pictures.clear();
        assert!(pictures.list().is_empty());
        let second = pictures.add(&empty);
        pictures.inspected(first[0], Some(&appearance(0.5)), None);
        assert_eq!(pictures.list(), [PictureStatus::default()]);
        pictures.inspected(second, Some(&appearance(0.9)), None);
        assert_eq!(pictures.list()[0].scores.unwrap().ags, 0.9);
    }
}

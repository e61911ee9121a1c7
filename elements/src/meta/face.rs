//! What `faceanalyze` attaches.

use glib::prelude::*;
use vision_core::face::{BLENDSHAPE_NAMES, Face};

use super::{Payload, memory};

/// What a face carries in its plain fields besides its box, its angles and its presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outputs {
    /// The 478 points.
    pub landmarks: bool,
    /// The 52 scores. Where they are left out they are not computed either: the payload's are 0.
    pub blendshapes: bool,
}

impl Default for Outputs {
    fn default() -> Self {
        Self { landmarks: true, blendshapes: true }
    }
}

/// What `faceanalyze` saw in a picture.
///
/// The meta `VisionFaceMeta` has these fields. Lengths are normalised by the picture's width (x) and height (y), angles are
/// in degrees and signed as [`Angles`](vision_core::face::Angles) says.
///
/// | field | type | |
/// |---|---|---|
/// | `face-count` | guint | how many faces are in the picture |
/// | `width`, `height` | guint | size in pixels of the picture that was analysed |
/// | `faces` | GstValueArray of GstStructure `face` | the analysed faces, the first is the one that matters |
///
/// A `face` has
///
/// | field | type | |
/// |---|---|---|
/// | `x`, `y`, `box-width`, `box-height` | gfloat | the smallest upright rectangle around the mesh |
/// | `yaw`, `pitch`, `roll` | gfloat | degrees |
/// | `presence` | gfloat | probability 0..1 that there is a face |
/// | `matrix` | GstValueArray of 16 gfloat | row-major, canonical face to camera, centimetres |
/// | `blendshapes` | GstStructure of 52 gfloat | scores 0..1 by MediaPipe's names (`jawOpen`, `eyeBlinkLeft`, ...) |
/// | `landmarks` | GstMemory | 478 times x, y, z as 32-bit floats in the machine's byte order; z in the scale of x |
///
/// The last two can be switched off by properties of `faceanalyze`.
#[derive(Clone, Debug, Default)]
pub struct Faces {
    /// The analysed faces. In stream mode at most one, the one that is followed; in picture mode all, best first.
    pub faces: Vec<Face>,
    /// How many faces are in the picture. In stream mode the detector counts twice a second, not in every frame.
    pub face_count: usize,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// What the plain fields carry.
    pub outputs: Outputs,
}

impl Faces {
    /// The face that matters: the one that is followed, or the best detection.
    pub fn first(&self) -> Option<&Face> {
        self.faces.first()
    }
}

impl Payload for Faces {
    const NAME: &'static str = "VisionFaceMeta";

    fn describe(&self, structure: &mut gst::StructureRef) {
        structure.set("face-count", self.face_count as u32);
        structure.set("width", self.width as u32);
        structure.set("height", self.height as u32);
        structure.set("faces", gst::Array::new(self.faces.iter().map(|face| describe_face(face, self.outputs))));
    }
}

fn describe_face(face: &Face, outputs: Outputs) -> gst::Structure {
    let (bounds, angles) = (face.bounding_box(), face.angles());
    let mut described = gst::Structure::builder("face")
        .field("x", bounds.x)
        .field("y", bounds.y)
        .field("box-width", bounds.width)
        .field("box-height", bounds.height)
        .field("yaw", angles.yaw.to_degrees())
        .field("pitch", angles.pitch.to_degrees())
        .field("roll", angles.roll.to_degrees())
        .field("presence", face.presence)
        .field("matrix", gst::Array::new(face.matrix.as_flattened().iter().copied()))
        .build();
    if outputs.blendshapes {
        let scores = BLENDSHAPE_NAMES.into_iter().zip(face.blendshapes.iter().map(ToSendValue::to_send_value));
        described.set("blendshapes", gst::Structure::from_iter("blendshapes", scores));
    }
    if outputs.landmarks {
        described.set("landmarks", memory(face.landmarks.as_flattened()));
    }
    described
}

//! A portrait that moves: one picture of a smiling face that blinks, closes its mouth, smiles, opens its mouth, turns and
//! nods. It stands in for a subject with a camera in demonstrations, tests and benchmarks.
//!
//! It is a presentation attack by construction: a liveness check that passes it has only seen what was asked for.
//!
//! | module | what |
//! |---|---|
//! | `mesh` | that mesh, and rings around it that end in the resting picture |
//! | `deform` | where its points go: the shapes of expressions, the pose of the head |
//! | `canvas` | the picture at the video's size, and what it hides made up: the inside of the mouth |
//! | `warp` | textured triangles, drawn |
//! | `script` | gestures over time: [`Performance`], [`Performer`] |
//!
//! The mesh carries the picture as skin. Where eyes and mouth open, the drawing shows a second picture through the holes
//! that turns with the head but does not take part in the expression: teeth stay where they are when lips move over them,
//! and lids slide over the eyes. Everything is worked out once; a frame costs the drawing of about 1,400 triangles.

mod canvas;
mod deform;
mod mesh;
mod script;
#[cfg(test)]
mod tests;
mod warp;

use thiserror::Error;

use crate::face::Face;
use crate::picture::{I420Mut, RgbView};
use crate::topology::{FOREHEAD_AND_CHIN, LEFT_EYE, LOWER_LIP, RIGHT_EYE, UPPER_LIP};
use canvas::{Canvas, Crop, Texture};
use deform::Shapes;
use mesh::Mesh;
pub use script::{Performance, Performer, alive};
use warp::{Corner, Target};

/// What the face does. The default is at rest: eyes open, mouth closed, head as pictured. Right and left are the
/// subject's own. Values beyond their range are clamped, what is not a number is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expression {
    /// Right eye: 0 as pictured, 1 closed.
    pub blink_right: f32,
    /// Left eye: 0 as pictured, 1 closed.
    pub blink_left: f32,
    /// 0 mouth at rest, 1 the pictured smile; down to -0.3: lips pressed together.
    pub smile: f32,
    /// 0 closed, 1 wide open.
    pub jaw_open: f32,
    /// Turn in radians, -0.6 to 0.6, beside the pictured one; positive towards the subject's left, the picture's right.
    pub yaw: f32,
    /// Nod in radians, -0.5 to 0.5; positive looks up.
    pub pitch: f32,
    /// Tilt in radians, -0.3 to 0.3; positive towards the subject's right shoulder.
    pub roll: f32,
    /// Shift of the head to the picture's right and down, in distances between the outer corners of the eyes, up to 0.3.
    pub shift: [f32; 2],
}

impl Expression {
    fn clamped(&self) -> Self {
        let keep = |v: f32, low: f32, high: f32| if v.is_nan() { 0.0 } else { v.clamp(low, high) };
        Self {
            blink_right: keep(self.blink_right, 0.0, 1.0),
            blink_left: keep(self.blink_left, 0.0, 1.0),
            smile: keep(self.smile, -0.3, 1.0),
            jaw_open: keep(self.jaw_open, 0.0, 1.0),
            yaw: keep(self.yaw, -0.6, 0.6),
            pitch: keep(self.pitch, -0.5, 0.5),
            roll: keep(self.roll, -0.3, 0.3),
            shift: self.shift.map(|v| keep(v, -0.3, 0.3)),
        }
    }
}

/// Why a portrait cannot be made or drawn.
#[derive(Debug, Error)]
pub enum PortraitError {
    /// The picture's memory ends before its last row does.
    #[error(
        "the portrait's picture of {width}x{height} pixels has rows of {stride} bytes but only {bytes} bytes in all"
    )]
    PictureTooShort {
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
        /// Bytes from one row to the next.
        stride: usize,
        /// Bytes there are.
        bytes: usize,
    },
    /// The landmarks do not make a face within the picture.
    #[error("no face to animate: the landmarks are not those of a face of at least 32 pixels inside the picture")]
    NoFace,
    /// A frame's size is not that of the portrait, or cannot be drawn.
    #[error("the portrait is drawn at {expected:?} pixels (at least 64x64), but the frame has {found:?}")]
    Size {
        /// Width and height of the portrait.
        expected: [usize; 2],
        /// Width and height that were asked for.
        found: [usize; 2],
    },
    /// A frame's planes or strides are too small for its size.
    #[error("a plane of the frame is smaller than its {width}x{height} pixels need")]
    FrameTooShort {
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
    },
}

/// An animated picture. [`Portrait::render`] is a pure function of the expression; what it keeps is memory to work in.
pub struct Portrait {
    size: [usize; 2],
    background: Texture,
    skin: Texture,
    inside: Texture,
    mesh: Mesh,
    shapes: Shapes,
    /// The points with the frame's expression: before, and after the head has moved.
    formed: Vec<[f32; 3]>,
    posed: Vec<[f32; 3]>,
    /// Triangles of the face with their depth; whether they fill an opening.
    order: Vec<(f32, bool, [u16; 3])>,
    softened: Vec<(usize, u8)>,
}

impl Portrait {
    /// Width and height of a portrait's frames unless other ones are asked for.
    pub const SIZE: [usize; 2] = [640, 480];

    /// Prepares `picture`, whose smiling face has the landmarks of `face`, for frames of [`Portrait::SIZE`].
    pub fn new(picture: RgbView<'_>, face: &Face) -> Result<Self, PortraitError> {
        Self::with_size(picture, face, Self::SIZE)
    }

    /// As [`Portrait::new`], for frames of another size. The picture is cut so that the face, from forehead to chin, is
    /// about half as high as the frame.
    pub fn with_size(picture: RgbView<'_>, face: &Face, size: [usize; 2]) -> Result<Self, PortraitError> {
        if size.iter().any(|&v| !(64..=8192).contains(&v)) {
            return Err(PortraitError::Size { expected: Self::SIZE, found: size });
        }
        let landmarks = landmarks_in(&picture, face)?;
        let ends = FOREHEAD_AND_CHIN.map(|i| [landmarks[i][0], landmarks[i][1]]);
        let crop = Crop::around(ends, [picture.width, picture.height], size);
        let points: Vec<_> = landmarks.iter().map(|&p| crop.point(p)).collect();
        let canvas = Canvas::new(&picture, crop, size)?;
        let mesh = Mesh::new(&points, size.map(|v| v as f32));
        let unit = mesh.frame.unit;
        Ok(Self {
            size,
            background: canvas.texture(),
            skin: canvas.closed(&points, unit).texture(),
            inside: canvas.open(&points, unit).texture(),
            shapes: Shapes::new(&mesh),
            mesh,
            formed: Vec::new(),
            posed: Vec::new(),
            order: Vec::new(),
            softened: Vec::new(),
        })
    }

    /// Width and height of the frames.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Draws the face with an expression; every pixel of `out` is written.
    pub fn render(&mut self, expression: &Expression, out: &mut I420Mut<'_>) -> Result<(), PortraitError> {
        check_frame(self.size, out)?;
        self.background.copy_to(out);
        self.draw(&expression.clamped(), out);
        Ok(())
    }

    /// Draws the mesh: everything inside its border.
    fn draw(&mut self, expression: &Expression, out: &mut I420Mut<'_>) {
        self.shapes.apply(&self.mesh, expression, &mut self.formed);
        self.posed.clone_from(&self.formed);
        deform::pose(&self.mesh, expression, &mut self.posed);
        self.sort_by_depth();

        let [width, height] = self.size;
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        let mut luma = [Target { data: out.y, stride: out.y_stride, width, height }];
        let mut chroma = [&mut *out.u, &mut *out.v].map(|data| Target {
            data,
            stride: out.uv_stride,
            width: half_width,
            height: half_height,
        });
        let rings = self.mesh.rings.iter().map(|t| (false, t));
        for (opening, triangle) in rings.chain(self.order.iter().map(|(_, opening, t)| (*opening, t))) {
            let corners = triangle.map(usize::from);
            // Where the expression changes nothing the picture itself is shown, without what was made up at the openings.
            let undisturbed = corners.iter().all(|&i| self.formed[i] == self.mesh.points[i]);
            let texture = match (undisturbed, opening) {
                (true, _) => &self.background,
                (false, false) => &self.skin,
                (false, true) => &self.inside,
            };
            let texture_points = if opening { &self.formed } else { &self.mesh.points };
            let corners = corners.map(|i| Corner { at: flat(self.posed[i]), from: flat(texture_points[i]) });
            // What faces away is hidden by what faces the viewer: the mesh has no holes, so neither has the drawing.
            if warp::area(&corners) < 0.0 {
                warp::triangle(&corners, 1.0, [&texture.y], &mut luma);
                warp::triangle(&corners, 0.5, [&texture.u, &texture.v], &mut chroma);
            }
        }
        let [luma] = &mut luma;
        warp::soften(luma, edges(&self.mesh, &self.formed, &self.posed), &mut self.softened);
    }

    /// Triangles of the face, farthest first.
    fn sort_by_depth(&mut self) {
        let depth = |t: &[u16; 3]| t.iter().map(|&i| self.posed[usize::from(i)][2]).sum::<f32>();
        self.order.clear();
        self.order.extend(self.mesh.skin.iter().map(|t| (depth(t), false, *t)));
        self.order.extend(self.mesh.openings.iter().map(|t| (depth(t), true, *t)));
        self.order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    }
}

fn flat([x, y, _]: [f32; 3]) -> [f32; 2] {
    [x, y]
}

/// The pieces of the edges of lips and lids that have left their place: there skin and inside meet anew.
fn edges<'a>(
    mesh: &'a Mesh,
    formed: &'a [[f32; 3]],
    posed: &'a [[f32; 3]],
) -> impl Iterator<Item = [[f32; 2]; 2]> + 'a {
    let lines: [&[usize]; 6] =
        [&UPPER_LIP[3], &LOWER_LIP[3], &RIGHT_EYE.upper, &RIGHT_EYE.lower, &LEFT_EYE.upper, &LEFT_EYE.lower];
    let moved = |i: usize| (formed[i][0] - mesh.points[i][0]).hypot(formed[i][1] - mesh.points[i][1]) > 0.25;
    lines.into_iter().flat_map(|line| line.windows(2)).filter_map(move |ends| {
        let &[a, b] = ends else { return None };
        (moved(a) || moved(b)).then(|| [flat(posed[a]), flat(posed[b])])
    })
}

/// The face's landmarks in picture pixels (z likewise), if they can be used.
fn landmarks_in(picture: &RgbView<'_>, face: &Face) -> Result<Vec<[f32; 3]>, PortraitError> {
    let [width, height] = [picture.width as f32, picture.height as f32];
    let landmarks: Vec<[f32; 3]> = face.landmarks.iter().map(|l| [l[0] * width, l[1] * height, l[2] * width]).collect();
    let sane = landmarks.iter().flatten().all(|v| v.is_finite() && v.abs() < 1e5);
    let [top, chin] = FOREHEAD_AND_CHIN.map(|i| landmarks[i]);
    let centre = [(top[0] + chin[0]) / 2.0, (top[1] + chin[1]) / 2.0];
    let inside = (1.0..width - 1.0).contains(&centre[0]) && (1.0..height - 1.0).contains(&centre[1]);
    let eyes = landmarks[LEFT_EYE.corners[0]][0] - landmarks[RIGHT_EYE.corners[0]][0];
    if sane && inside && chin[1] - top[1] >= 32.0 && eyes >= 8.0 { Ok(landmarks) } else { Err(PortraitError::NoFace) }
}

fn check_frame(size: [usize; 2], out: &I420Mut<'_>) -> Result<(), PortraitError> {
    let [width, height] = size;
    if [out.width, out.height] != size {
        return Err(PortraitError::Size { expected: size, found: [out.width, out.height] });
    }
    let fits = |bytes: usize, stride: usize, width: usize, height: usize| {
        stride >= width && bytes >= stride * (height - 1) + width
    };
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let chroma =
        [out.u.len(), out.v.len()].into_iter().all(|bytes| fits(bytes, out.uv_stride, half_width, half_height));
    if fits(out.y.len(), out.y_stride, width, height) && chroma {
        Ok(())
    } else {
        Err(PortraitError::FrameTooShort { width, height })
    }
}

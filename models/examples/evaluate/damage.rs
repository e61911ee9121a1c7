//! Frames made worse in known ways. Lengths are in distances of the eyes; nothing random that is not repeated.

use std::fmt;

use image::{RgbImage, imageops};
use vision_core::face::Face;
use vision_core::picture::{I420Mut, I420View, PictureView, RgbPicture, RgbView};
use vision_core::portrait::{Expression, Portrait};

/// One way to make a frame worse.
#[derive(Clone, Copy, Debug)]
pub enum Damage {
    /// As it is.
    None,
    /// Gaussian blur of this radius.
    Blur(f32),
    /// So few pixels that the eyes are this many apart.
    Small(f32),
    /// All values times this, with a little noise, as a camera has it in the dark.
    Gain(f32),
    /// Light from one side: times 1 plus this at the one side of the face, 1 less this at the other.
    Side(f32),
    /// White spots of this radius on forehead, cheeks and chin.
    Spots(f32),
    /// A head that is turned by so many degrees, drawn by the animated portrait.
    Turned(f32),
    /// A mask of this colour.
    Mask(&'static str, [f32; 3]),
    /// A hand before the mouth, made out of the forehead's skin.
    Hand,
    /// A black thing before the mouth.
    Thing,
    /// Dark lenses.
    Sunglasses,
}

use Damage::{Blur, Gain, Hand, Mask, Side, Small, Spots, Sunglasses, Thing, Turned};

/// For the quality measures.
pub const QUALITY: &[Damage] = &[
    Damage::None,
    Blur(0.02),
    Blur(0.05),
    Blur(0.1),
    Small(30.0),
    Small(15.0),
    Gain(0.5),
    Gain(0.3),
    Gain(0.15),
    Gain(1.5),
    Gain(2.2),
    Side(0.3),
    Side(0.6),
    Spots(0.1),
    Spots(0.2),
];
/// For the mouth.
pub const MOUTHS: &[Damage] = &[
    Mask("blue", [150.0, 190.0, 215.0]),
    Mask("white", [230.0, 228.0, 225.0]),
    Mask("black", [38.0, 38.0, 40.0]),
    Hand,
    Thing,
];
/// For glasses.
pub const SUNGLASSES: Damage = Sunglasses;
/// For matching.
pub const MATCHING: &[Damage] = &[
    Damage::None,
    Blur(0.03),
    Blur(0.06),
    Blur(0.1),
    Small(24.0),
    Small(12.0),
    Gain(0.5),
    Gain(0.2),
    Gain(0.1),
    Gain(1.6),
    Gain(2.4),
    Side(0.4),
    Side(0.8),
    Turned(17.0),
    Turned(34.0),
    Mask("blue", [150.0, 190.0, 215.0]),
    Hand,
];

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(f, "none"),
            Blur(radius) => write!(f, "blur, radius {radius} of the eyes' distance"),
            Small(pixels) => write!(f, "eyes {pixels} pixels apart"),
            Gain(gain) => write!(f, "brightness x {gain}"),
            Side(share) => write!(f, "light from one side, +-{:.0} %", 100.0 * share),
            Spots(radius) => write!(f, "highlights, radius {radius}"),
            Turned(degrees) => write!(f, "turned by {degrees} degrees more (animated)"),
            Mask(colour, _) => write!(f, "{colour} mask"),
            Hand => write!(f, "hand before the mouth"),
            Thing => write!(f, "black thing before the mouth"),
            Sunglasses => write!(f, "sunglasses"),
        }
    }
}

/// Outline of a mask, from cheek to cheek below the face and over the nose.
const MASK: [usize; 23] =
    [234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 347, 195, 118];

/// The face as the damages need it, in pixels.
struct Place {
    points: Vec<[f32; 2]>,
    between: [f32; 2],
    distance: f32,
}

impl Place {
    fn new(face: &Face, width: f32, height: f32) -> Self {
        let points: Vec<[f32; 2]> = face.landmarks.iter().map(|[x, y, _]| [x * width, y * height]).collect();
        let middle = |a: [f32; 2], b: [f32; 2]| [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
        let (right, left) = (middle(points[33], points[133]), middle(points[362], points[263]));
        let distance = (left[0] - right[0]).hypot(left[1] - right[1]);
        Self { between: middle(right, left), distance, points }
    }

    /// From the middle between the eyes, in distances of the eyes.
    fn of(&self, x: f32, y: f32) -> [f32; 2] {
        [(x - self.between[0]) / self.distance, (y - self.between[1]) / self.distance]
    }
}

impl Damage {
    /// A damaged copy; `None` where the animated portrait cannot turn this face.
    pub fn apply(&self, picture: &RgbPicture, face: &Face) -> Option<RgbPicture> {
        let (width, height) = (picture.width, picture.height);
        let place = Place::new(face, width as f32, height as f32);
        Some(match *self {
            Self::None => picture.clone(),
            Blur(radius) => filtered(picture, |image| imageops::blur(image, radius * place.distance)),
            Small(pixels) => {
                let part = (pixels / place.distance).min(1.0);
                let size = [width, height].map(|side| (side as f32 * part).round().max(2.0) as u32);
                filtered(picture, |image| imageops::resize(image, size[0], size[1], imageops::FilterType::Triangle))
            }
            Turned(degrees) => return turned(picture, face, degrees),
            Gain(gain) => painted(picture, |rgb, x, y| rgb.map(|v| gain * v + noise(x, y))),
            Side(share) => painted(picture, |rgb, x, y| {
                let [x, _] = place.of(x, y);
                rgb.map(|v| v * (1.0 + share * x.clamp(-1.0, 1.0)))
            }),
            Spots(radius) => {
                let spots = [[-0.5, -0.5], [0.4, -0.55], [-0.45, 0.6], [0.5, 0.65], [0.0, 1.4]];
                painted(picture, |rgb, x, y| {
                    let [x, y] = place.of(x, y);
                    let near = spots.iter().map(|[a, b]| (x - a).hypot(y - b)).fold(f32::MAX, f32::min);
                    let part = (1.5 - near / radius).clamp(0.0, 1.0);
                    rgb.map(|v| v + (255.0 - v) * part)
                })
            }
            Mask(_, colour) => {
                let outline: Vec<_> = MASK.iter().map(|index| place.points[*index]).collect();
                painted(picture, |rgb, x, y| {
                    // Folds, and the noise of a camera.
                    let shade = 0.9 + 0.1 * (12.0 * place.of(x, y)[1]).sin();
                    if inside(&outline, x, y) { colour.map(|v| v * shade + noise(x, y)) } else { rgb }
                })
            }
            Hand => {
                let forehead = place.points[151];
                let mouth = place.points[13];
                painted(picture, |rgb, x, y| {
                    let [dx, dy] = [(x - mouth[0]) / place.distance, (y - mouth[1]) / place.distance - 0.05];
                    if (dx / 0.65).hypot(dy / 0.42) > 1.0 {
                        return rgb;
                    }
                    // Between the fingers it is darker.
                    let finger = 1.0 - 0.3 * (-((dy * 5.0).rem_euclid(1.0) - 0.5).powi(2) / 0.005).exp();
                    let source = [forehead[0] + 0.35 * dx * place.distance, forehead[1] + 0.25 * dy * place.distance];
                    pixel(picture, source).map(|v| 0.92 * finger * v)
                })
            }
            Thing => {
                let mouth = place.points[13];
                painted(picture, |rgb, x, y| {
                    let [dx, dy] = [(x - mouth[0]) / place.distance, (y - mouth[1]) / place.distance];
                    if dx.abs() < 0.45 && (-0.3..0.5).contains(&dy) { [30.0 + noise(x, y); 3] } else { rgb }
                })
            }
            Sunglasses => painted(picture, |rgb, x, y| {
                let [x, y] = place.of(x, y);
                let lens = ((x.abs() - 0.5) / 0.38).hypot((y - 0.06) / 0.33) < 1.0;
                let bridge = x.abs() < 0.15 && (y - 0.02).abs() < 0.035;
                if lens || bridge { rgb.map(|v| 8.0 + 0.12 * v) } else { rgb }
            }),
        })
    }
}

fn pixel(picture: &RgbPicture, [x, y]: [f32; 2]) -> [f32; 3] {
    let at = |value: f32, size: usize| (value.max(0.0) as usize).min(size - 1);
    let index = 3 * (at(y, picture.height) * picture.width + at(x, picture.width));
    [0, 1, 2].map(|channel| f32::from(picture.data[index + channel]))
}

/// About -4 to 4, the same for the same pixel.
fn noise(x: f32, y: f32) -> f32 {
    let value = ((x * 12.9898 + y * 78.233).sin() * 43_758.547).fract();
    8.0 * (value.abs() - 0.5)
}

fn painted(picture: &RgbPicture, paint: impl Fn([f32; 3], f32, f32) -> [f32; 3]) -> RgbPicture {
    let mut out = picture.clone();
    for (index, rgb) in out.data.chunks_exact_mut(3).enumerate() {
        let (x, y) = ((index % picture.width) as f32, (index / picture.width) as f32);
        let painted = paint([0, 1, 2].map(|c| f32::from(rgb[c])), x, y);
        rgb.iter_mut().zip(painted).for_each(|(byte, value)| *byte = value.round().clamp(0.0, 255.0) as u8);
    }
    out
}

fn filtered(picture: &RgbPicture, filter: impl Fn(&RgbImage) -> RgbImage) -> RgbPicture {
    let image = RgbImage::from_raw(picture.width as u32, picture.height as u32, picture.data.clone());
    let Some(image) = image.map(|image| filter(&image)) else { return picture.clone() };
    let (width, height) = (image.width() as usize, image.height() as usize);
    RgbPicture { data: image.into_raw(), width, height }
}

/// Even-odd rule.
fn inside(outline: &[[f32; 2]], x: f32, y: f32) -> bool {
    let edges = outline.iter().zip(outline.iter().cycle().skip(1));
    let crossed = |(a, b): &(&[f32; 2], &[f32; 2])| {
        (a[1] <= y) != (b[1] <= y) && a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]) > x
    };
    edges.filter(crossed).count() % 2 == 1
}

/// The face turned in depth; `None` where it does not fill enough of the frame.
fn turned(picture: &RgbPicture, face: &Face, degrees: f32) -> Option<RgbPicture> {
    let (width, height) = (picture.width, picture.height);
    let view = RgbView { data: &picture.data, width, height, stride: 3 * width };
    let mut portrait = Portrait::new(view, face).ok()?;
    let [width, height] = portrait.size();
    let (mut y, mut u, mut v) = (vec![0; width * height], vec![0; width * height / 4], vec![0; width * height / 4]);
    let expression = Expression { smile: 1.0, yaw: degrees.to_radians(), ..Expression::default() };
    let (y_stride, uv_stride) = (width, width / 2);
    let mut out = I420Mut { y: &mut y, u: &mut u, v: &mut v, y_stride, uv_stride, width, height };
    portrait.render(&expression, &mut out).ok()?;
    let view = I420View { y: &y, u: &u, v: &v, y_stride, uv_stride, width, height };
    Some(PictureView::I420(view).to_rgb())
}

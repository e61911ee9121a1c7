//! The light of skin, eyes and background in one frame, as two numbers each: how much red and how much blue there is for
//! each part of green. What changes the brightness of a picture or of a region alone (auto-exposure, shadows, a lamp that flickers)
//! leaves them as they are.

use std::{sync::LazyLock, time::Duration};

use super::sequence::linear;
use crate::{
    face::Face,
    picture::{I420View, Nv12View, PictureView, RgbView},
};

/// Parts of the face that are looked at, by where they are in the picture (not mirrored).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// Between brows and hair.
    Forehead,
    /// The subject's right cheek.
    LeftCheek,
    /// The subject's left cheek.
    RightCheek,
    /// The bridge of the nose.
    Nose,
    /// Both irises, with what is mirrored in them.
    Eyes,
}

/// How many zones there are.
pub(super) const ZONES: usize = 5;
/// Those of skin.
pub(super) const SKIN: [Zone; 4] = [Zone::Forehead, Zone::LeftCheek, Zone::RightCheek, Zone::Nose];
/// The picture is divided into cells, some of which show the background.
pub(super) const COLUMNS: usize = 8;
const ROWS: usize = 6;
/// How many cells there are.
pub(super) const CELLS: usize = COLUMNS * ROWS;
/// How a face can move: turn, nod, place (2), size.
pub(super) const MOTIONS: usize = 5;

/// Blocks of 2x2 pixels with a channel beyond these (of 255) are clipped, or too dark to have a colour.
const USABLE: [i32; 2] = [10, 248];
/// A region has to have this part of its blocks usable.
const USABLE_PART: f32 = 0.25;
/// No more blocks than about so many are read in each region.
const ENOUGH_BLOCKS: usize = 144;

/// The logarithms of red over green and of blue over green, of linear light.
pub(super) type Chroma = [f32; 2];

/// What is kept of a frame: nothing by which anybody could be recognised.
#[derive(Clone)]
pub(super) struct Sample {
    /// When the frame was taken, seconds.
    pub time: f64,
    /// In the order of [`Zone`]; none where it cannot be seen.
    pub zones: [Option<Chroma>; ZONES],
    /// Cells of background, row by row; none where the head or the body is, and where nothing can be seen.
    pub background: [Option<Chroma>; CELLS],
    /// How the face is held.
    pub motion: [f32; MOTIONS],
    /// The part of the background that is clipped.
    pub clipped: f32,
}

impl Sample {
    /// Looks at a frame: some tens of microseconds.
    pub(super) fn of(picture: &PictureView, face: &Face, time: Duration) -> Self {
        let frame = Frame { width: picture.width() as f32, height: picture.height() as f32, face };
        let chroma = |area: Option<Region>| Some(mean(picture, &area?)?.chroma());
        let mut zones = [None; ZONES];
        for zone in SKIN {
            zones[zone as usize] = chroma(frame.skin(zone));
        }
        let irises = [468, 473].map(|iris| mean(picture, &frame.iris(iris)));
        if let [Some(left), Some(right)] = irises {
            zones[Zone::Eyes as usize] = Some(left.and(right).chroma());
        }
        let (mut background, mut clipped, mut cells) = ([None; CELLS], 0.0, 0.0_f32);
        for (at, cell) in background.iter_mut().enumerate() {
            let Some(region) = frame.cell(at) else { continue };
            let Some(light) = read(picture, &region) else { continue };
            cells += 1.0;
            clipped += light.clipped / light.blocks;
            *cell = light.usable().map(Light::chroma);
        }
        Self { time: time.as_secs_f64(), zones, background, motion: frame.motion(), clipped: clipped / cells.max(1.0) }
    }
}

/// A rectangle in pixels: left, top, right, bottom.
type Region = [f32; 4];

/// Where things are in a frame.
struct Frame<'a> {
    width: f32,
    height: f32,
    face: &'a Face,
}

impl Frame<'_> {
    fn point(&self, landmark: usize) -> [f32; 2] {
        let [x, y, _] = self.face.landmarks[landmark];
        [x * self.width, y * self.height]
    }

    /// The distance of the outer corners of the eyes in pixels, whichever way the head is turned.
    fn unit(&self) -> f32 {
        let ([ax, ay, az], [bx, by, bz]) = (self.face.landmarks[33], self.face.landmarks[263]);
        let (x, y, z) = ((ax - bx) * self.width, (ay - by) * self.height, (az - bz) * self.width);
        (x * x + y * y + z * z).sqrt()
    }

    fn around(&self, landmarks: &[usize], width: f32, height: f32) -> Region {
        let sum =
            landmarks.iter().map(|landmark| self.point(*landmark)).fold([0.0; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
        let [x, y] = sum.map(|part| part / landmarks.len() as f32);
        let (half_width, half_height) = (width * self.unit() / 2.0, height * self.unit() / 2.0);
        [x - half_width, y - half_height, x + half_width, y + half_height]
    }

    /// `None` for [`Zone::Eyes`], which are two.
    fn skin(&self, zone: Zone) -> Option<Region> {
        match zone {
            Zone::Forehead => Some(self.around(&[151, 108, 337], 0.6, 0.2)),
            Zone::LeftCheek => Some(self.around(&[50, 101, 205], 0.26, 0.26)),
            Zone::RightCheek => Some(self.around(&[280, 330, 425], 0.26, 0.26)),
            Zone::Nose => Some(self.around(&[5, 195], 0.16, 0.24)),
            Zone::Eyes => None,
        }
    }

    fn iris(&self, centre: usize) -> Region {
        self.around(&[centre], 0.13, 0.13)
    }

    /// A cell, unless the head, hair or body may be in it.
    fn cell(&self, at: usize) -> Option<Region> {
        let (width, height) = (self.width / COLUMNS as f32, self.height / ROWS as f32);
        let (left, top) = ((at % COLUMNS) as f32 * width, (at / COLUMNS) as f32 * height);
        let region = [left, top, left + width, top + height];
        let face = self.face.bounding_box();
        let (x, w) = (face.x * self.width, face.width * self.width);
        let (y, h) = (face.y * self.height, face.height * self.height);
        let beside = region[2] < x - 0.2 * w || region[0] > x + 1.2 * w;
        let above = region[3] < y - 0.45 * h;
        let over_the_shoulders = region[3] < y + 0.85 * h;
        (above || (beside && over_the_shoulders)).then_some(region)
    }

    fn motion(&self) -> [f32; MOTIONS] {
        let angles = self.face.angles();
        let [x, y] = self.point(168);
        let unit = self.unit().max(1.0);
        [angles.yaw, angles.pitch, x / unit, y / unit, unit.ln()]
    }
}

/// Light of a region.
#[derive(Clone, Copy, Default)]
struct Light {
    /// The sums of usable blocks.
    sum: [f32; 3],
    /// How many those are.
    count: f32,
    /// Of so many.
    blocks: f32,
    /// So many of which are too bright.
    clipped: f32,
}

impl Light {
    fn add(&mut self, quarters: [i32; 3]) {
        self.blocks += 1.0;
        let [darkest, brightest] = USABLE;
        if quarters.iter().any(|part| *part > 4 * brightest) {
            self.clipped += 1.0;
        } else if quarters.iter().all(|part| *part >= 4 * darkest) {
            self.count += 1.0;
            self.sum.iter_mut().zip(quarters).for_each(|(sum, part)| *sum += LIGHT[part as usize]);
        }
    }

    fn and(self, other: Self) -> Self {
        let sum = [0, 1, 2].map(|i| self.sum[i] + other.sum[i]);
        Self { sum, count: self.count + other.count, ..self }
    }

    fn usable(self) -> Option<Self> {
        (self.count > 0.0 && self.count >= USABLE_PART * self.blocks).then_some(self)
    }

    fn chroma(self) -> Chroma {
        let [r, g, b] = self.sum.map(f32::ln);
        [r - g, b - g]
    }
}

/// Linear light of quarters of the 255 steps of a sample.
static LIGHT: LazyLock<[f32; 4 * 255 + 1]> = LazyLock::new(|| std::array::from_fn(|i| linear(i as f32 / 1020.0)));

fn mean(picture: &PictureView, region: &Region) -> Option<Light> {
    read(picture, region)?.usable()
}

/// The light of the blocks of 2x2 pixels in a region. `None` where the region is not inside the picture, or the picture is
/// shorter than it says.
fn read(picture: &PictureView, region: &Region) -> Option<Light> {
    let [left, top, right, bottom] = region.map(|edge| edge / 2.0);
    let (columns, rows) = (picture.width() / 2, picture.height() / 2);
    // Not a number fails too.
    if !(left >= 0.0 && top >= 0.0 && right <= columns as f32 && bottom <= rows as f32) {
        return None;
    }
    let (left, top) = (left as usize, top as usize);
    let (right, bottom) = ((right.ceil() as usize).min(columns), (bottom.ceil() as usize).min(rows));
    let blocks = right.checked_sub(left)? * bottom.checked_sub(top)?;
    let step = (blocks as f32 / ENOUGH_BLOCKS as f32).sqrt().ceil().max(1.0) as usize;
    let mut light = Light::default();
    for row in (top..bottom).step_by(step) {
        let columns = (left..right).step_by(step);
        match picture {
            PictureView::I420(view) => i420_row(view, row, columns, &mut light)?,
            PictureView::Nv12(view) => nv12_row(view, row, columns, &mut light)?,
            PictureView::Rgb(view) => rgb_row(view, row, columns, &mut light)?,
        }
    }
    (light.blocks > 0.0).then_some(light)
}

type Columns = std::iter::StepBy<std::ops::Range<usize>>;

fn i420_row(view: &I420View, row: usize, columns: Columns, light: &mut Light) -> Option<()> {
    let (upper, lower) = (view.y.get(2 * row * view.y_stride..)?, view.y.get((2 * row + 1) * view.y_stride..)?);
    let (u, v) = (view.u.get(row * view.uv_stride..)?, view.v.get(row * view.uv_stride..)?);
    for x in columns {
        let luma = sum(upper.get(2 * x..2 * x + 2)?, lower.get(2 * x..2 * x + 2)?);
        light.add(quarters(luma, *u.get(x)?, *v.get(x)?));
    }
    Some(())
}

fn nv12_row(view: &Nv12View, row: usize, columns: Columns, light: &mut Light) -> Option<()> {
    let (upper, lower) = (view.y.get(2 * row * view.y_stride..)?, view.y.get((2 * row + 1) * view.y_stride..)?);
    let chroma = view.uv.get(row * view.uv_stride..)?;
    for x in columns {
        let luma = sum(upper.get(2 * x..2 * x + 2)?, lower.get(2 * x..2 * x + 2)?);
        light.add(quarters(luma, *chroma.get(2 * x)?, *chroma.get(2 * x + 1)?));
    }
    Some(())
}

fn rgb_row(view: &RgbView, row: usize, columns: Columns, light: &mut Light) -> Option<()> {
    let (upper, lower) = (view.data.get(2 * row * view.stride..)?, view.data.get((2 * row + 1) * view.stride..)?);
    for x in columns {
        let (upper, lower) = (upper.get(6 * x..6 * x + 6)?, lower.get(6 * x..6 * x + 6)?);
        light.add(
            [0, 1, 2]
                .map(|part| [upper[part], upper[part + 3], lower[part], lower[part + 3]].map(i32::from).iter().sum()),
        );
    }
    Some(())
}

fn sum(upper: &[u8], lower: &[u8]) -> i32 {
    upper.iter().chain(lower).map(|sample| i32::from(*sample)).sum()
}

/// Red, green and blue in quarters of a step, of the sum of four luma samples and their chroma: BT.601, limited range, in
/// 16.16 fixed point.
fn quarters(luma: i32, u: u8, v: u8) -> [i32; 3] {
    let y = 76_309 * (luma - 64) + 32_768;
    let (u, v) = (4 * (i32::from(u) - 128), 4 * (i32::from(v) - 128));
    [y + 104_597 * v, y - 25_675 * u - 53_279 * v, y + 132_201 * u].map(|part| (part >> 16).clamp(0, 4 * 255))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{liveness::colour::tests::astronaut, picture::PictureView};

    const SIZE: usize = 320;

    /// A face of one colour before a background of another, some of both too bright.
    struct Scene {
        y: Vec<u8>,
        u: Vec<u8>,
        v: Vec<u8>,
    }

    impl Scene {
        fn new() -> Self {
            let chroma = SIZE / 2;
            let face = astronaut().bounding_box();
            let is_face = |x: usize, y: usize| {
                let (x, y) = (x as f32 / SIZE as f32, y as f32 / SIZE as f32);
                (face.x..face.x + face.width).contains(&x) && (face.y..face.y + face.height).contains(&y)
            };
            let luma =
                |at: usize| if is_face(at % SIZE, at / SIZE) { 130 + (at % 7) as u8 } else { 90 + (at % 11) as u8 };
            let plane = |skin: u8, wall: u8| {
                let sample = |at: usize| if is_face(2 * (at % chroma), 2 * (at / chroma)) { skin } else { wall };
                (0..chroma * chroma).map(sample).collect::<Vec<u8>>()
            };
            Self { y: (0..SIZE * SIZE).map(luma).collect(), u: plane(110, 140), v: plane(150, 118) }
        }

        fn view(&self) -> PictureView<'_> {
            let Self { y, u, v } = self;
            PictureView::I420(I420View { y, u, v, y_stride: SIZE, uv_stride: SIZE / 2, width: SIZE, height: SIZE })
        }
    }

    fn close(a: &Sample, b: &Sample, tolerance: f32) -> bool {
        let same = |a: &Option<Chroma>, b: &Option<Chroma>| match (a, b) {
            (Some(a), Some(b)) => a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance),
            (a, b) => a.is_none() && b.is_none(),
        };
        a.zones.iter().zip(&b.zones).all(|(a, b)| same(a, b))
            && a.background.iter().zip(&b.background).all(|(a, b)| same(a, b))
    }

    #[test]
    fn every_format_measures_the_same() {
        let (scene, face) = (Scene::new(), astronaut());
        let planar = Sample::of(&scene.view(), &face, Duration::ZERO);
        let uv: Vec<u8> = scene.u.iter().zip(&scene.v).flat_map(|(u, v)| [*u, *v]).collect();
        let view = Nv12View { y: &scene.y, uv: &uv, y_stride: SIZE, uv_stride: SIZE, width: SIZE, height: SIZE };
        assert!(close(&planar, &Sample::of(&PictureView::Nv12(view), &face, Duration::ZERO), 0.0));
        let rgb = scene.view().to_rgb();
        let view = RgbView { data: &rgb.data, width: SIZE, height: SIZE, stride: 3 * SIZE };
        assert!(close(&planar, &Sample::of(&PictureView::Rgb(view), &face, Duration::ZERO), 0.01));
        assert!(planar.zones.iter().all(Option::is_some));
        assert!(planar.background.iter().flatten().count() >= 5);
    }

    #[test]
    fn light_is_linear_and_exposure_cancels() {
        // Grey at two levels: no chroma. Red light twice as strong: its logarithm.
        for luma in [60, 180] {
            let [r, g, b] = quarters(4 * luma, 128, 128).map(|part| LIGHT[part as usize]);
            assert!((r / g).ln().abs() < 1e-6 && (b / g).ln().abs() < 1e-6);
        }
        let code = |light: f32| (1055.0 * light.powf(1.0 / 2.4) - 55.0) * 1.02;
        let mut light = Light::default();
        light.add([code(0.4), code(0.2), code(0.1)].map(|part| part.round() as i32));
        let [red, blue] = light.chroma();
        assert!((red - 2_f32.ln()).abs() < 0.01 && (blue + 2_f32.ln()).abs() < 0.02, "{red} {blue}");
    }

    #[test]
    fn regions_follow_the_face() {
        let (scene, face) = (Scene::new(), astronaut());
        let here = Sample::of(&scene.view(), &face, Duration::ZERO);
        let mut moved = face.clone();
        moved.landmarks.iter_mut().for_each(|point| point[0] += 0.3);
        let there = Sample::of(&scene.view(), &moved, Duration::ZERO);
        // Where the face is not there is wall, which is bluer.
        let blue = |sample: &Sample| sample.zones[Zone::Nose as usize].unwrap()[1];
        assert!(blue(&there) > blue(&here) + 0.5, "{} {}", blue(&there), blue(&here));
        moved.landmarks.iter_mut().for_each(|point| point[0] += 1.0);
        assert!(Sample::of(&scene.view(), &moved, Duration::ZERO).zones.iter().all(Option::is_none));
        moved.landmarks.iter_mut().for_each(|point| point[0] = f32::NAN);
        assert!(Sample::of(&scene.view(), &moved, Duration::ZERO).zones.iter().all(Option::is_none));
    }

    #[test]
    fn what_is_clipped_says_nothing() {
        let (mut scene, face) = (Scene::new(), astronaut());
        scene.y.fill(235);
        let bright = Sample::of(&scene.view(), &face, Duration::ZERO);
        assert!(bright.zones.iter().all(Option::is_none) && bright.background.iter().all(Option::is_none));
        assert_eq!(bright.clipped, 1.0);
        scene.y.fill(17);
        let dark = Sample::of(&scene.view(), &face, Duration::ZERO);
        assert!(dark.zones.iter().all(Option::is_none) && dark.clipped == 0.0);
    }

    #[test]
    fn broken_pictures_are_no_panic() {
        let (scene, face) = (Scene::new(), astronaut());
        let (y, u, v) = (&scene.y[..500], &scene.u[..20], &scene.v[..7]);
        let (y_stride, uv_stride, width, height) = (SIZE, SIZE / 2, SIZE, SIZE);
        let short = PictureView::I420(I420View { y, u, v, y_stride, uv_stride, width, height });
        assert!(Sample::of(&short, &face, Duration::ZERO).zones.iter().all(Option::is_none));
        let empty = PictureView::Rgb(RgbView { data: &[], width: 0, height: 0, stride: 0 });
        assert!(Sample::of(&empty, &face, Duration::ZERO).zones.iter().all(Option::is_none));
    }
}

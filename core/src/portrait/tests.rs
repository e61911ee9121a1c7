//! The whole portrait, on the demonstration's picture.

use super::*;
use crate::face::{BLENDSHAPES, LANDMARKS};

pub(super) const SMILING: Expression = Expression {
    smile: 1.0,
    blink_right: 0.0,
    blink_left: 0.0,
    jaw_open: 0.0,
    yaw: 0.0,
    pitch: 0.0,
    roll: 0.0,
    shift: [0.0; 2],
};

/// The picture, RGB, and its side in pixels.
fn picture() -> (Vec<u8>, usize) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/astronaut.png");
    let picture = image::open(file).unwrap().to_rgb8();
    assert_eq!(picture.width(), picture.height());
    (picture.to_vec(), picture.width() as usize)
}

pub(super) fn face() -> Face {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/astronaut-landmarks.json");
    let data: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let list: Vec<[f32; 3]> = serde_json::from_value(data["landmarks"].clone()).unwrap();
    let mut landmarks = Box::new([[0.0; 3]; LANDMARKS]);
    landmarks.copy_from_slice(&list);
    Face { landmarks, blendshapes: [0.0; BLENDSHAPES], matrix: [[0.0; 4]; 4], presence: 1.0 }
}

fn view(data: &[u8], side: usize) -> RgbView<'_> {
    RgbView { data, width: side, height: side, stride: 3 * side }
}

fn portrait(size: [usize; 2]) -> Portrait {
    let (data, side) = picture();
    Portrait::with_size(view(&data, side), &face(), size).unwrap()
}

/// A frame with gaps at the ends of its rows.
#[derive(Clone, PartialEq)]
struct Frame {
    size: [usize; 2],
    planes: [Vec<u8>; 3],
}

const GAP: usize = 5;

impl Frame {
    fn filled(size: [usize; 2], value: u8) -> Self {
        let [width, height] = size;
        let plane = |w: usize, h: usize| vec![value; (w + GAP) * h];
        let chroma = plane(width.div_ceil(2), height.div_ceil(2));
        Self { size, planes: [plane(width, height), chroma.clone(), chroma] }
    }

    fn view(&mut self) -> I420Mut<'_> {
        let [width, height] = self.size;
        let [y, u, v] = &mut self.planes;
        I420Mut { y, u, v, y_stride: width + GAP, uv_stride: width.div_ceil(2) + GAP, width, height }
    }

    fn of(portrait: &mut Portrait, expression: &Expression) -> Self {
        let mut frame = Self::filled(portrait.size(), 0);
        portrait.render(expression, &mut frame.view()).unwrap();
        frame
    }

    fn luma(&self, x: usize, y: usize) -> i32 {
        i32::from(self.planes[0][y * (self.size[0] + GAP) + x])
    }

    /// Mean and greatest difference of luma.
    fn difference(&self, other: &Self) -> (f64, i32) {
        let all = || {
            let [width, height] = self.size;
            (0..width * height).map(move |i| (self.luma(i % width, i / width) - other.luma(i % width, i / width)).abs())
        };
        (all().map(f64::from).sum::<f64>() / all().count() as f64, all().max().unwrap())
    }
}

fn extremes() -> Vec<Expression> {
    let mut all = vec![Expression::default(), SMILING];
    for bits in 0..32 {
        let pick = |bit: u32, low: f32, high: f32| if bits >> bit & 1 == 1 { high } else { low };
        all.push(Expression {
            blink_right: pick(0, 0.0, 1.0),
            blink_left: pick(0, 1.0, 0.0),
            smile: pick(1, -9.0, 9.0),
            jaw_open: pick(2, 0.0, 9.0),
            yaw: pick(3, -9.0, 9.0),
            pitch: pick(4, -9.0, 9.0),
            roll: pick(1, 9.0, -9.0),
            shift: [pick(2, -9.0, 9.0), pick(3, 9.0, -9.0)],
        });
    }
    all.push(Expression { yaw: f32::NAN, smile: f32::INFINITY, shift: [f32::NAN, f32::NEG_INFINITY], ..SMILING });
    all
}

#[test]
fn every_pixel_is_written_and_none_between_the_rows() {
    let mut portrait = portrait([161, 123]);
    for expression in extremes() {
        let [mut dark, mut bright] = [0, 255].map(|value| Frame::filled(portrait.size(), value));
        portrait.render(&expression, &mut dark.view()).unwrap();
        portrait.render(&expression, &mut bright.view()).unwrap();
        let widths = [161, 81, 81];
        for ((a, b), width) in dark.planes.iter().zip(&bright.planes).zip(widths) {
            for (a, b) in a.chunks(width + GAP).zip(b.chunks(width + GAP)) {
                assert_eq!(a[..width], b[..width], "{expression:?}");
                assert!(a[width..].iter().all(|&v| v == 0) && b[width..].iter().all(|&v| v == 255), "{expression:?}");
            }
        }
    }
}

#[test]
fn the_mesh_never_tears() {
    let mut portrait = portrait([320, 240]);
    let flat_texture = |value: u8| {
        let plane = |w: usize, h: usize| warp::Plane::new(&vec![value; w * h], w);
        Texture { y: plane(320, 240), u: plane(160, 120), v: plane(160, 120) }
    };
    (portrait.background, portrait.skin, portrait.inside) = (flat_texture(9), flat_texture(9), flat_texture(9));
    let points = &portrait.mesh.points;
    let border: Vec<_> = points[points.len() - 36..].iter().map(|&p| flat(p)).collect();
    let within: Vec<_> = (0..320 * 240)
        .map(|i| (i % 320, i / 320))
        .filter(|&(x, y)| canvas::inside_distance(&border, [x as f32 + 0.5, y as f32 + 0.5]) > 1.0)
        .collect();
    assert!(within.len() > 320 * 240 / 3);
    for expression in extremes() {
        let mut frame = Frame::filled([320, 240], 200);
        portrait.draw(&expression.clamped(), &mut frame.view());
        let holes = within.iter().filter(|&&(x, y)| frame.luma(x, y) != 9).count();
        assert_eq!(holes, 0, "{expression:?}");
    }
}

#[test]
fn a_frame_depends_on_its_expression_only() {
    let mut portrait = portrait([320, 240]);
    let first: Vec<_> = extremes().iter().map(|e| Frame::of(&mut portrait, e)).collect();
    let second: Vec<_> = extremes().iter().rev().map(|e| Frame::of(&mut portrait, e)).collect();
    assert!(first.iter().zip(second.iter().rev()).all(|(a, b)| a == b));
}

#[test]
fn the_pictured_expression_is_the_picture() {
    let mut portrait = portrait(Portrait::SIZE);
    let mut picture = Frame::filled(Portrait::SIZE, 0);
    portrait.background.copy_to(&mut picture.view());
    assert!(Frame::of(&mut portrait, &SMILING) == picture);
}

#[test]
fn expressions_change_what_they_are_about_and_nothing_else() {
    let mut portrait = portrait(Portrait::SIZE);
    let rest = Frame::of(&mut portrait, &Expression::default());
    let unit = portrait.mesh.frame.unit;
    let at = |portrait: &Portrait, i: usize| flat(portrait.mesh.points[i]);
    let eyes = [RIGHT_EYE.corners[0], LEFT_EYE.corners[0]].map(|i| at(&portrait, i));
    let mouth = at(&portrait, LOWER_LIP[0][5]);
    let cases = [
        ("blink", Expression { blink_right: 1.0, blink_left: 1.0, ..Expression::default() }, true, false),
        ("smile", SMILING, false, true),
        ("jaw", Expression { jaw_open: 1.0, ..Expression::default() }, false, true),
    ];
    for (name, expression, eyes_move, mouth_moves) in cases {
        let frame = Frame::of(&mut portrait, &expression);
        let changed = |centre: [f32; 2], reach: f32| {
            let pixels = (0..640 * 480usize).map(|i| (i % 640, i / 640));
            let near = pixels.filter(|&(x, y)| (x as f32 - centre[0]).hypot(y as f32 - centre[1]) < reach * unit);
            near.filter(|&(x, y)| (frame.luma(x, y) - rest.luma(x, y)).abs() > 12).count()
        };
        for eye in eyes {
            assert_eq!(changed(eye, 0.35) > 100, eyes_move, "{name}");
        }
        assert_eq!(changed(mouth, 0.5) > 500, mouth_moves, "{name}");
        let far = (0..640 * 480usize)
            .map(|i| (i % 640, i / 640))
            .filter(|&(x, y)| y < 90 || !(100..540).contains(&x))
            .filter(|&(x, y)| frame.luma(x, y) != rest.luma(x, y));
        assert_eq!(far.count(), 0, "{name}");
    }
}

#[test]
fn a_turn_leaves_the_frames_edge_alone() {
    let mut portrait = portrait(Portrait::SIZE);
    let rest = Frame::of(&mut portrait, &Expression::default());
    for (yaw, pitch) in [(0.4, 0.0), (-0.4, 0.0), (0.0, 0.4), (0.0, -0.3)] {
        let turned = Frame::of(&mut portrait, &Expression { yaw, pitch, ..Expression::default() });
        assert!(turned.difference(&rest).0 > 2.0, "yaw {yaw} pitch {pitch}: nothing moved");
        for i in 0..640 {
            assert_eq!(turned.luma(i, 479), rest.luma(i, 479));
            assert_eq!(
                turned.luma(if i % 2 == 0 { 0 } else { 639 }, i % 480),
                rest.luma(if i % 2 == 0 { 0 } else { 639 }, i % 480)
            );
        }
    }
}

#[test]
fn the_nose_goes_where_the_turn_goes() {
    let mut portrait = portrait(Portrait::SIZE);
    let nose = 1;
    let mut moved = |expression: Expression| {
        portrait.shapes.apply(&portrait.mesh, &expression, &mut portrait.formed);
        let mut posed = portrait.formed.clone();
        deform::pose(&portrait.mesh, &expression, &mut posed);
        [0, 1].map(|axis| posed[nose][axis] - portrait.mesh.points[nose][axis])
    };
    assert!(moved(Expression { yaw: 0.3, ..SMILING })[0] > 20.0, "positive yaw: the picture's right");
    assert!(moved(Expression { yaw: -0.3, ..SMILING })[0] < -20.0);
    assert!(moved(Expression { pitch: 0.3, ..SMILING })[1] < -20.0, "positive pitch: up");
    assert!(moved(Expression { pitch: -0.3, ..SMILING })[1] > 20.0);
    assert_eq!(moved(SMILING), [0.0, 0.0]);
}

#[test]
fn any_size_and_any_place_of_the_face_can_be_drawn() {
    let (data, side) = picture();
    for size in [[64, 64], [65, 99], [480, 640], [1280, 720], [1000, 64]] {
        let mut portrait = portrait(size);
        for expression in extremes().iter().step_by(5) {
            Frame::of(&mut portrait, expression);
        }
    }
    // Cut so that the face reaches beyond every border in turn.
    for (x, y, w, h) in [(210, 20, 200, 200), (100, 20, 140, 180), (150, 115, 150, 120), (150, 20, 150, 115)] {
        let crop: Vec<u8> = (y..y + h).flat_map(|y| &data[3 * (y * side + x)..][..3 * w]).copied().collect();
        let mut face = face();
        for point in face.landmarks.iter_mut() {
            let scale = side as f32;
            *point = [
                (point[0] * scale - x as f32) / w as f32,
                (point[1] * scale - y as f32) / h as f32,
                point[2] * scale / w as f32,
            ];
        }
        let picture = RgbView { data: &crop, width: w, height: h, stride: 3 * w };
        let mut portrait = Portrait::new(picture, &face).unwrap();
        for expression in extremes() {
            Frame::of(&mut portrait, &expression);
        }
    }
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let (data, side) = picture();
    let new = |data: &[u8], face: &Face, size| Portrait::with_size(view(data, side), face, size).err().unwrap();
    assert!(matches!(new(&data[1..], &face(), [640, 480]), PortraitError::PictureTooShort { width: 512, .. }));
    assert!(matches!(new(&data, &face(), [63, 480]), PortraitError::Size { found: [63, 480], .. }));
    for spoil in [
        |f: &mut Face| f.landmarks[3][1] = f32::NAN,
        |f: &mut Face| {
            f.landmarks.iter_mut().for_each(|p| p[0] += 2.0);
        },
        |f: &mut Face| f.landmarks.iter_mut().for_each(|p| *p = p.map(|v| v / 50.0)),
    ] {
        let mut face = face();
        spoil(&mut face);
        assert!(matches!(new(&data, &face, [640, 480]), PortraitError::NoFace));
    }

    let mut portrait = portrait([320, 240]);
    let mut other = Frame::filled([240, 320], 0);
    let error = portrait.render(&SMILING, &mut other.view()).unwrap_err();
    assert!(matches!(error, PortraitError::Size { expected: [320, 240], found: [240, 320] }), "{error}");
    for plane in 0..3 {
        let mut short = Frame::filled([320, 240], 0);
        let bytes = short.planes[plane].len();
        short.planes[plane].truncate(bytes - GAP - 1);
        let error = portrait.render(&SMILING, &mut short.view()).unwrap_err();
        assert!(matches!(error, PortraitError::FrameTooShort { width: 320, height: 240 }), "{error}");
    }
}

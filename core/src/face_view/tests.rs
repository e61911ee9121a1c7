use super::*;
use crate::{
    face::{BLENDSHAPE_NAMES, LANDMARKS},
    gestures::{GestureLibrary, GestureSequence, OnTimeout, Signals},
    picture::{PictureView, RgbMut},
    subject_view::{OwnedI420, fonts_available},
};

const SIZES: [(usize, usize); 6] = [(640, 480), (480, 640), (320, 240), (321, 243), (1280, 720), (64, 48)];

/// The demonstration's face, in the middle of the picture.
fn face() -> Face {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/astronaut-landmarks.json");
    let data: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let list: Vec<[f32; 3]> = serde_json::from_value(data["landmarks"].clone()).unwrap();
    let mut landmarks = Box::new([[0.0; 3]; LANDMARKS]);
    for (to, [x, y, z]) in landmarks.iter_mut().zip(list) {
        *to = [x + 0.1, y + 0.2, z];
    }
    let mut blendshapes = [0.0; BLENDSHAPES];
    (blendshapes[25], blendshapes[44], blendshapes[45]) = (0.9, 0.6, 0.5);
    let matrix = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -40.0], [0.0, 0.0, 0.0, 1.0]];
    Face { landmarks, blendshapes, matrix, presence: 0.9 }
}

fn state() -> SequenceState {
    let library = GestureLibrary::load(&[]).unwrap();
    let gestures = ["smile", "blink"].map(|id| library.get(id).unwrap().clone());
    let mut sequence = GestureSequence::new(gestures.to_vec(), OnTimeout::Fail).unwrap();
    sequence.update(Some(&Signals::of(&face(), false)), std::time::Instant::now());
    sequence.state()
}

fn everything() -> Shown {
    Shown { mesh: true, points: true, bounds: true, axes: true, bars: Bars::Strongest(5), gesture: true }
}

/// Grey RGB with this drawn onto it.
fn drawn(shown: &Shown, (width, height): (usize, usize)) -> Vec<u8> {
    let mut data = vec![99; 3 * width * height];
    let mut out = PictureMut::Rgb(RgbMut { data: &mut data, width, height, stride: 3 * width });
    FacePainter::new().draw([&face()], Some(&state()), shown, &mut out);
    data
}

/// Where pixels were changed: left, top, right, bottom as parts of the size, and how many.
fn changed(data: &[u8], (width, height): (usize, usize)) -> ([f32; 4], usize) {
    let places: Vec<_> = (0..width * height).filter(|i| data[3 * i..3 * i + 3] != [99; 3]).collect();
    let (x, y) = (|i: &usize| i % width, |i: &usize| i / width);
    let low = |values: &mut dyn Iterator<Item = usize>, side: usize| values.min().unwrap_or(side) as f32 / side as f32;
    let high = |values: &mut dyn Iterator<Item = usize>, side: usize| values.max().unwrap_or(0) as f32 / side as f32;
    let edges = [
        low(&mut places.iter().map(x), width),
        low(&mut places.iter().map(y), height),
        high(&mut places.iter().map(x), width),
        high(&mut places.iter().map(y), height),
    ];
    (edges, places.len())
}

#[test]
fn each_part_is_drawn_where_it_belongs() {
    assert!(fonts_available(), "tests need fonts (Debian package fonts-dejavu-core or fonts-noto-core)");
    let bounds = face().bounding_box();
    let (right, bottom) = (bounds.x + bounds.width, bounds.y + bounds.height);
    let face_area = [bounds.x, bounds.y, right, bottom];
    let off = Shown::default();
    for size in SIZES {
        let near = 3.0 / size.1.min(size.0) as f32 + 0.01;
        let check = |name: &str, shown: Shown, [x0, y0, x1, y1]: [f32; 4], room: f32, least: usize| {
            let (edges, count) = changed(&drawn(&shown, size), size);
            let inside =
                edges[0] >= x0 - room && edges[1] >= y0 - room && edges[2] <= x1 + room && edges[3] <= y1 + room;
            assert!(inside && count >= least, "{name} at {size:?}: {count} pixels in {edges:?}");
            edges
        };
        let pixels = (bounds.width * bounds.height * (size.0 * size.1) as f32) as usize;
        check("mesh", Shown { mesh: true, ..off.clone() }, face_area, near, pixels / 3);
        check("points", Shown { points: true, ..off.clone() }, face_area, near, 300.min(pixels / 3));
        // Words above and below need room, which a thumbnail does not have.
        let words = if size.1 > 100 { 0.25 } else { 1.0 };
        let edges = check("box", Shown { bounds: true, ..off.clone() }, face_area, words, 40);
        assert!((edges[2] - right).abs() < 0.1 || size.1 < 100, "{size:?} {edges:?}");
        assert!((edges[3] - bottom).abs() < near, "{size:?} {edges:?}");
        check("axes", Shown { axes: true, ..off.clone() }, face_area, words + 0.1, 40);
        if size.1 > 100 {
            check("bars", Shown { bars: Bars::Strongest(5), ..off.clone() }, [0.0, 0.0, 0.63, 0.7], 0.0, 500);
        }
        check(
            "gesture",
            Shown { gesture: true, ..off.clone() },
            [0.0, if size.1 > 100 { 0.6 } else { 0.0 }, 1.0, 1.0],
            0.0,
            500,
        );
    }
}

#[test]
fn nothing_shown_is_nothing_written() {
    for size in SIZES {
        assert!(drawn(&Shown::default(), size).iter().all(|sample| *sample == 99));
    }
    let mut data = vec![99; 3 * 64 * 48];
    let mut out = PictureMut::Rgb(RgbMut { data: &mut data, width: 64, height: 48, stride: 192 });
    FacePainter::new().draw([], None, &everything(), &mut out);
    let mut broken = face();
    broken.landmarks[3][0] = f32::NAN;
    FacePainter::new().draw([&broken], None, &everything(), &mut out);
    assert!(data.iter().all(|sample| *sample == 99));
}

#[test]
fn formats_show_the_same_picture() {
    let (width, height) = (640, 480);
    let rgb = drawn(&everything(), (width, height));
    // Luma 101 of limited range is grey 99.
    let mut yuv = OwnedI420::filled(width, height, [101, 128, 128]);
    FacePainter::new().draw([&face()], Some(&state()), &everything(), &mut PictureMut::I420(yuv.as_mut()));
    let shown = PictureView::I420(yuv.view()).to_rgb();
    // Colours of single pixels are those of blocks of four in I420: the brightness has to agree.
    let luma = |p: &[u8]| 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]);
    let pixels = rgb.chunks(3).zip(shown.data.chunks(3));
    let off = pixels.filter(|(a, b)| (luma(a) - luma(b)).abs() > 12.0).count();
    assert!(off < width * height / 200, "{off}");
}

#[test]
fn axes_are_red_green_and_blue() {
    let size = (640, 480);
    let data = drawn(&Shown { axes: true, ..Shown::default() }, size);
    let face = face();
    let [x, y, _] = face.landmarks[4];
    let length = 0.5 * face.bounding_box().height * 480.0;
    let at = |dx: f32, dy: f32| {
        let i = (y * 480.0 + dy * length) as usize * 640 + (x * 640.0 + dx * length) as usize;
        [data[3 * i], data[3 * i + 1], data[3 * i + 2]]
    };
    let strongest = |p: [u8; 3]| (0..3).max_by_key(|i| p[*i]).unwrap();
    // An unturned head: x to the right, y up, z towards the camera, which is a dot.
    assert_eq!([at(0.9, 0.0), at(0.0, -0.9), at(0.0, 0.0)].map(strongest), [0, 1, 2]);
    assert_eq!(at(-0.9, 0.0), [99; 3]);
}

#[test]
fn the_strongest_stay_for_a_while() {
    let name = |places: Vec<usize>| places.into_iter().map(|place| BLENDSHAPE_NAMES[place]).collect::<Vec<_>>();
    let mut painter = FacePainter::new();
    let mut face = face();
    face.blendshapes[0] = 1.0;
    painter.note(&face);
    let strongest = |painter: &FacePainter, count| name(bars::choose(&Bars::Strongest(count), &painter.peaks));
    assert_eq!(strongest(&painter, 3), ["jawOpen", "mouthSmileLeft", "mouthSmileRight"]);
    face.blendshapes[25] = 0.0;
    face.blendshapes[9] = 0.55;
    painter.note(&face);
    assert_eq!(strongest(&painter, 2), ["jawOpen", "mouthSmileLeft"]);
    for _ in 0..60 {
        painter.note(&face);
    }
    assert_eq!(strongest(&painter, 2), ["eyeBlinkLeft", "mouthSmileLeft"]);
    assert_eq!(bars::choose(&Bars::Chosen(vec![25, 99, 1]), &painter.peaks), [25, 1]);
    assert_eq!(bars::choose(&Bars::Hidden, &painter.peaks), [0; 0]);
}

#[test]
fn bars_keep_out_of_the_way() {
    assert_eq!(Side::Left.beside(0.2), Side::Right);
    assert_eq!(Side::Right.beside(0.5), Side::Right);
    assert_eq!(Side::Right.beside(0.8), Side::Left);
}

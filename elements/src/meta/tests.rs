use vision_core::face::{BLENDSHAPES, Face, LANDMARKS};

use super::*;

fn faces(presence: f32) -> Arc<Faces> {
    let mut landmarks = Box::new([[0.25, 0.5, 0.125]; LANDMARKS]);
    landmarks[7] = [0.5, 0.75, -0.0625];
    let mut blendshapes = [0.0; BLENDSHAPES];
    blendshapes[25] = 0.375;
    let mut matrix = [[0.0; 4]; 4];
    (matrix[0][0], matrix[1][1], matrix[2][2], matrix[2][3]) = (1.0, 1.0, 1.0, -42.0);
    let face = Face { landmarks, blendshapes, matrix, presence };
    Arc::new(Faces { faces: vec![face], face_count: 2, width: 640, height: 480, ..Default::default() })
}

fn buffer() -> gst::Buffer {
    gst::init().unwrap();
    gst::Buffer::new()
}

fn structure(buffer: &gst::BufferRef) -> gst::Structure {
    CustomMeta::from_buffer(buffer, "VisionFaceMeta").unwrap().structure().to_owned()
}

#[test]
fn other_languages_read_plain_fields() {
    let mut buffer = buffer();
    FaceMeta::attach(buffer.get_mut().unwrap(), faces(0.75));
    let structure = structure(&buffer);
    assert_eq!(structure.name(), "VisionFaceMeta");
    assert_eq!(structure.get::<u32>("face-count"), Ok(2));
    assert_eq!((structure.get::<u32>("width"), structure.get::<u32>("height")), (Ok(640), Ok(480)));
    let faces = structure.get::<gst::Array>("faces").unwrap();
    let face = faces.as_slice()[0].get::<gst::Structure>().unwrap();
    let number = |name: &str| face.get::<f32>(name).unwrap();
    assert_eq!(["x", "y", "box-width", "box-height"].map(number), [0.25, 0.5, 0.25, 0.25]);
    assert_eq!(["yaw", "pitch", "roll", "presence"].map(number), [0.0, 0.0, 0.0, 0.75]);
    let matrix = face.get::<gst::Array>("matrix").unwrap();
    assert_eq!((matrix.len(), matrix.as_slice()[11].get::<f32>()), (16, Ok(-42.0)));
    let blendshapes = face.get::<gst::Structure>("blendshapes").unwrap();
    assert_eq!((blendshapes.n_fields(), blendshapes.get::<f32>("jawOpen")), (BLENDSHAPES, Ok(0.375)));
    let landmarks = face.get::<gst::Memory>("landmarks").unwrap().into_mapped_memory_readable().unwrap();
    assert_eq!(landmarks.len(), LANDMARKS * 3 * 4);
    assert_eq!(landmarks[(7 * 3 + 2) * 4..][..4], (-0.0625f32).to_ne_bytes());
}

#[test]
fn outputs_are_left_out() {
    let mut payload = Faces::clone(&faces(0.5));
    payload.outputs = Outputs { landmarks: false, blendshapes: false };
    let mut buffer = buffer();
    FaceMeta::attach(buffer.get_mut().unwrap(), Arc::new(payload));
    let face = structure(&buffer).get::<gst::Array>("faces").unwrap().as_slice()[0].get::<gst::Structure>().unwrap();
    let there = ["matrix", "blendshapes", "landmarks"].map(|name| face.has_field(name));
    assert_eq!(there, [true, false, false]);
}

#[test]
fn rust_reads_the_very_same_payload() {
    let mut buffer = buffer();
    assert!(FaceMeta::of(&buffer).is_none());
    let attached = faces(0.5);
    FaceMeta::attach(buffer.get_mut().unwrap(), attached.clone());
    assert!(SpoofMeta::of(&buffer).is_none());
    assert!(Arc::ptr_eq(&FaceMeta::of(&buffer).unwrap(), &attached));
    let copy = buffer.copy();
    assert!(Arc::ptr_eq(&FaceMeta::of(&copy).unwrap(), &attached));
    // a second one takes the place of the first
    FaceMeta::attach(buffer.get_mut().unwrap(), faces(0.25));
    assert_eq!(buffer.iter_meta::<gst::Meta>().count(), 1);
    assert_eq!(FaceMeta::of(&buffer).unwrap().first().unwrap().presence, 0.25);
    assert_eq!(FaceMeta::of(&copy).unwrap().first().unwrap().presence, 0.5);
}

#[test]
fn logs_do_not_depend_on_landmarks() {
    let logged = |faces: Faces| {
        let mut buffer = buffer();
        FaceMeta::attach(buffer.get_mut().unwrap(), Arc::new(faces));
        let structure = structure(&buffer);
        let debug = format!("{structure:?}");
        let before_the_address = debug.split("payload").next().unwrap().to_owned();
        [structure.to_string(), before_the_address, format!("{:?}", FaceMeta::of(&buffer))]
    };
    let one = Faces::clone(&faces(0.5));
    let mut other = one.clone();
    other.faces[0].landmarks[9][2] = 0.5;
    assert_eq!(logged(one), logged(other));
}

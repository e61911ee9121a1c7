//! Head pose: the matrix that carries the canonical face onto the mesh, in centimetres before the camera.
//!
//! MediaPipe's `face_geometry/libs/geometry_pipeline.cc` and `procrustes_solver.cc`, with the camera of
//! `face_geometry_from_landmarks_graph.cc`: vertical field of view 63 degrees, near plane at 1 cm, origin top left.
//! The canonical face is read from MediaPipe's own file, a protocol buffer.

use std::path::{Path, PathBuf};

use nalgebra::{Matrix3, Vector3};
use vision_core::face::LANDMARKS;

use protobuf::Field;

/// Vertices of the canonical face: the mesh without the iris points.
const VERTICES: usize = 468;
/// Height of the near plane in centimetres: `2 * tan(63 degrees / 2)`.
const NEAR_HEIGHT: f64 = 1.225_601_576_279_864;

/// The canonical face cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the canonical face {file}: {reason}. Run `make models`")]
pub struct GeometryError {
    file: PathBuf,
    reason: String,
}

/// The canonical face, with the weights of the points that count for the pose.
#[derive(Debug)]
pub struct Geometry {
    /// (index in the mesh, canonical vertex in centimetres, square root of its weight).
    anchors: Vec<(usize, Vector3<f64>, f64)>,
    total_weight: f64,
    /// Weighted canonical points around their weighted centre.
    centred: Vec<Vector3<f64>>,
    spread: f64,
}

/// A scaled rotation and a shift.
struct Similarity {
    scaled_rotation: Matrix3<f64>,
    shift: Vector3<f64>,
}

impl Similarity {
    fn scale(&self) -> f64 {
        self.scaled_rotation.column(0).norm()
    }
}

impl Geometry {
    /// Reads `geometry_pipeline_metadata_landmarks.binarypb`.
    ///
    /// # Errors
    /// When the file cannot be read or does not hold 468 vertices and positive weights.
    pub fn load(file: &Path) -> Result<Self, GeometryError> {
        let failed = |reason: String| GeometryError { file: file.to_owned(), reason };
        let bytes = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
        Self::parse(&bytes).map_err(|reason| failed(reason.to_owned()))
    }

    fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let (vertices, weights) = canonical_face(bytes)?;
        if vertices.len() != VERTICES {
            return Err("it does not have 468 vertices");
        }
        let mut anchors = Vec::new();
        for (index, weight) in weights {
            let vertex = vertices.get(index).ok_or("a weight is for a vertex that does not exist")?;
            anchors.push((index, *vertex, f64::from(weight).sqrt()));
        }
        let total_weight: f64 = anchors.iter().map(|(_, _, root)| root * root).sum();
        if anchors.len() < 3 || !total_weight.is_finite() || total_weight <= 0.0 {
            return Err("it does not have the weights of three points");
        }
        let centre: Vector3<f64> =
            anchors.iter().map(|(_, vertex, root)| vertex * (root * root)).sum::<Vector3<f64>>() / total_weight;
        let centred: Vec<_> = anchors.iter().map(|(_, vertex, root)| (vertex - centre) * *root).collect();
        let spread = centred.iter().zip(&anchors).map(|(c, (_, vertex, root))| c.dot(&(vertex * *root))).sum();
        Ok(Self { anchors, total_weight, centred, spread })
    }

    /// Canonical face to camera, row-major, of a normalised mesh in a picture of this size.
    pub fn pose(&self, points: &[[f32; 3]; LANDMARKS], width: usize, height: usize) -> [[f32; 4]; 4] {
        // On the near plane, x to the right, y up, z away from the camera and in the scale of x.
        let near = [NEAR_HEIGHT * width as f64 / height as f64, NEAR_HEIGHT];
        let screen: Vec<Vector3<f64>> = points[..VERTICES]
            .iter()
            .map(|point| {
                let [x, y, z] = point.map(f64::from);
                Vector3::new((x - 0.5) * near[0], (0.5 - y) * near[1], z * near[0])
            })
            .collect();
        let mean_depth = screen.iter().map(|point| point.z).sum::<f64>() / VERTICES as f64;

        // The face's scale on screen tells its distance; done twice, since depth changes with it.
        let first = self.fit(|index| {
            let point = screen[index];
            Vector3::new(point.x, point.y, -point.z)
        });
        let unproject = |scale: f64| {
            let screen = &screen;
            move |index: usize| {
                let point = screen[index];
                let depth = (point.z - mean_depth + 1.0) / scale;
                Vector3::new(point.x * depth, point.y * depth, -depth)
            }
        };
        let second = self.fit(unproject(first.scale()));
        let pose = self.fit(unproject(first.scale() * second.scale()));

        let (r, t) = (pose.scaled_rotation, pose.shift);
        let row = |i: usize| [r[(i, 0)] as f32, r[(i, 1)] as f32, r[(i, 2)] as f32, t[i] as f32];
        [row(0), row(1), row(2), [0.0, 0.0, 0.0, 1.0]]
    }

    /// Weighted orthogonal Procrustes: the similarity that carries the canonical points onto `target`.
    fn fit(&self, target: impl Fn(usize) -> Vector3<f64>) -> Similarity {
        let weighted = || self.anchors.iter().map(|(index, _, root)| target(*index) * *root);
        let mut design = Matrix3::zeros();
        for (target, source) in weighted().zip(&self.centred) {
            design += target * source.transpose();
        }
        let rotation = rotation(design);
        let scale = weighted().zip(&self.centred).map(|(t, s)| (rotation * s).dot(&t)).sum::<f64>() / self.spread;
        let scaled_rotation = rotation * scale;
        let shift = self
            .anchors
            .iter()
            .map(|(index, vertex, root)| (target(*index) - scaled_rotation * vertex) * (root * root))
            .sum::<Vector3<f64>>()
            / self.total_weight;
        Similarity { scaled_rotation, shift }
    }
}

/// The rotation nearest to `design`: `U V^T`, its last axis turned round where that would be a reflection.
fn rotation(design: Matrix3<f64>) -> Matrix3<f64> {
    let svd = design.svd(true, true);
    let (Some(mut u), Some(v_t)) = (svd.u, svd.v_t) else {
        return Matrix3::identity();
    };
    if u.determinant() * v_t.determinant() < 0.0 {
        // Singular values come sorted: the last column belongs to the smallest.
        u.column_mut(2).neg_mut();
    }
    u * v_t
}

/// Vertices and (index, weight) pairs out of a `GeometryPipelineMetadata` message.
///
/// `geometry_pipeline_metadata.proto`: canonical_mesh = 1, procrustes_landmark_basis = 2 (landmark_id = 1, weight = 2);
/// `mesh_3d.proto`: vertex_buffer = 3, five floats (x, y, z, u, v) per vertex.
#[allow(clippy::type_complexity)]
fn canonical_face(bytes: &[u8]) -> Result<(Vec<Vector3<f64>>, Vec<(usize, f32)>), &'static str> {
    let mut floats: Vec<f32> = Vec::new();
    let mut weights = Vec::new();
    for field in protobuf::fields(bytes) {
        match field? {
            (1, Field::Bytes(mesh)) => {
                for field in protobuf::fields(mesh) {
                    match field? {
                        (3, Field::Bytes(packed)) => {
                            floats.extend(packed.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
                        }
                        (3, Field::Fixed32(bytes)) => floats.push(f32::from_le_bytes(bytes)),
                        _ => {}
                    }
                }
            }
            (2, Field::Bytes(landmark)) => {
                let (mut index, mut weight) = (0, 0.0);
                for field in protobuf::fields(landmark) {
                    match field? {
                        (1, Field::Varint(value)) => index = usize::try_from(value).unwrap_or(usize::MAX),
                        (2, Field::Fixed32(bytes)) => weight = f32::from_le_bytes(bytes),
                        _ => {}
                    }
                }
                weights.push((index, weight));
            }
            _ => {}
        }
    }
    if floats.iter().any(|value| !value.is_finite()) || weights.iter().any(|(_, w)| !w.is_finite() || *w < 0.0) {
        return Err("a number is not finite, or a weight is negative");
    }
    let vertex = |v: &[f32; 5]| Vector3::new(f64::from(v[0]), f64::from(v[1]), f64::from(v[2]));
    Ok((floats.as_chunks().0.iter().map(vertex).collect(), weights))
}

/// As much of the protocol buffers' wire format as one file needs.
mod protobuf {
    pub enum Field<'a> {
        Varint(u64),
        Fixed64,
        Fixed32([u8; 4]),
        Bytes(&'a [u8]),
    }

    const CUT: &str = "it ends in the middle of a field";

    /// The fields of a message: number and value.
    pub fn fields(mut rest: &[u8]) -> impl Iterator<Item = Result<(u64, Field<'_>), &'static str>> {
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let field = field(&mut rest);
            if field.is_err() {
                rest = &[];
            }
            Some(field)
        })
    }

    fn field<'a>(rest: &mut &'a [u8]) -> Result<(u64, Field<'a>), &'static str> {
        let key = varint(rest)?;
        let value = match key & 7 {
            0 => Field::Varint(varint(rest)?),
            1 => take(rest, 8).map(|_| Field::Fixed64)?,
            2 => {
                let length = usize::try_from(varint(rest)?).map_err(|_| CUT)?;
                Field::Bytes(take(rest, length)?)
            }
            5 => Field::Fixed32(take(rest, 4)?.try_into().map_err(|_| CUT)?),
            _ => return Err("it has a field of an unknown type"),
        };
        Ok((key >> 3, value))
    }

    fn varint(rest: &mut &[u8]) -> Result<u64, &'static str> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = take(rest, 1)? else {
                return Err(CUT);
            };
            value |= u64::from(byte & 127) << shift;
            if *byte < 128 {
                return Ok(value);
            }
        }
        Err("it has a number of more than 64 bits")
    }

    fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, left) = rest.split_at_checked(count).ok_or(CUT)?;
        *rest = left;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 128 {
            bytes.push(value as u8 | 128);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    fn bytes_field(number: u64, bytes: &[u8]) -> Vec<u8> {
        [varint(number << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
    }

    /// A face of 468 points on a bent sheet, four of them weighted.
    fn metadata() -> Vec<u8> {
        let vertices: Vec<u8> = (0..VERTICES).flat_map(vertex).flat_map(f32::to_le_bytes).collect();
        let mut bytes = bytes_field(1, &bytes_field(3, &vertices));
        for index in [0_u64, 25, 300, 467] {
            let weight = [varint(1 << 3), varint(index), varint(2 << 3 | 5), 0.5_f32.to_le_bytes().to_vec()];
            bytes.extend(bytes_field(2, &weight.concat()));
        }
        bytes
    }

    fn vertex(index: usize) -> [f32; 5] {
        let (x, y) = ((index % 26) as f32 - 13.0, (index / 26) as f32 - 9.0);
        [0.5 * x, 0.7 * y, 6.0 - 0.05 * x * x - 0.02 * y * y, 0.0, 0.0]
    }

    #[test]
    fn the_file_is_read() {
        let geometry = Geometry::parse(&metadata()).unwrap();
        assert_eq!(geometry.anchors.len(), 4);
        assert_eq!(geometry.anchors[1].0, 25);
        assert_eq!(geometry.anchors[1].1.x, f64::from(vertex(25)[0]));
        assert!((geometry.total_weight - 2.0).abs() < 1e-12);
    }

    #[test]
    fn broken_files_are_errors() {
        let whole = metadata();
        for length in [1, 2, 100, whole.len() - 1] {
            assert!(Geometry::parse(&whole[..length]).is_err(), "{length} bytes");
        }
        assert!(Geometry::parse(&[]).is_err());
        assert!(Geometry::parse(&[0xff; 64]).is_err());
    }

    #[test]
    fn a_pose_is_found_again() {
        let geometry = Geometry::parse(&metadata()).unwrap();
        let angle: f64 = 0.3;
        let (sin, cos) = angle.sin_cos();
        let turn = Matrix3::new(cos, 0.0, sin, 0.0, 1.0, 0.0, -sin, 0.0, cos);
        let place = Vector3::new(3.0, -2.0, -50.0);
        let placed = |index: usize| {
            let [x, y, z, ..] = vertex(index).map(f64::from);
            turn * Vector3::new(x, y, z) + place
        };
        let fitted = geometry.fit(placed);
        assert!((fitted.scaled_rotation - turn).norm() < 1e-9);
        assert!((fitted.shift - place).norm() < 1e-9);

        // Through the camera: weak perspective is an approximation, so the pose is near, not equal.
        let (width, height) = (640, 480);
        let mut points = [[0.5_f32, 0.5, 0.0]; LANDMARKS];
        let mean = (0..VERTICES).map(|i| -placed(i).z).sum::<f64>() / VERTICES as f64;
        let near_width = NEAR_HEIGHT * width as f64 / height as f64;
        for (index, point) in points[..VERTICES].iter_mut().enumerate() {
            let p = placed(index);
            let depth = -p.z;
            *point = [
                (p.x / depth / near_width + 0.5) as f32,
                (0.5 - p.y / depth / NEAR_HEIGHT) as f32,
                ((depth - mean) / mean / near_width) as f32,
            ];
        }
        let matrix = geometry.pose(&points, width, height);
        let yaw = matrix[0][2].atan2(matrix[2][2]);
        assert!((f64::from(yaw) - angle).abs() < 0.05, "{yaw}");
        assert!((f64::from(matrix[2][3]) + 50.0).abs() < 5.0, "{matrix:?}");
        assert_eq!(matrix[3], [0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn reflections_are_not_rotations() {
        let mirrored = Matrix3::from_diagonal(&Vector3::new(3.0, 2.0, -1.0));
        assert!((rotation(mirrored).determinant() - 1.0).abs() < 1e-12);
    }
}

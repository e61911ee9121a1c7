//! Who sits where: how much light a screen gives to each part of a picture.

use crate::face::Face;

/// A subject in front of a screen.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// The screen's width and height in metres.
    pub screen: [f32; 2],
    /// How bright it is when it shows white, cd/m².
    pub luminance: f32,
    /// From the screen to the face, metres.
    pub distance: f32,
    /// From the face to what is behind it, metres.
    pub depth: f32,
    /// Light of the surroundings on the face, lux.
    pub ambient: f32,
    /// Its red, green and blue, for a white of the screen (D65) of 1, 1, 1.
    pub ambient_colour: [f32; 3],
}

impl Scene {
    /// A laptop of 14 inches at arm's length, 250 cd/m², a wall 1.5 m behind, neutral light of so many lux.
    pub const fn laptop(ambient: f32) -> Self {
        Self { screen: [0.31, 0.17], luminance: 250.0, distance: 0.5, depth: 1.5, ambient, ambient_colour: [1.0; 3] }
    }

    /// A phone that is held at 35 cm, 450 cd/m².
    pub const fn phone(ambient: f32) -> Self {
        Self { screen: [0.068, 0.14], luminance: 450.0, distance: 0.35, ..Self::laptop(ambient) }
    }

    /// Illuminance in lux that the screen gives to a face that looks at it, when it shows white.
    pub fn illuminance(&self) -> f32 {
        // The screen is small enough to be taken for a Lambertian point, for faces that are not nearer than it is wide.
        self.luminance * self.screen[0] * self.screen[1] / (self.distance * self.distance)
    }

    /// Light of the screen for each part of light of the surroundings: red, green, blue.
    pub fn contrast(&self) -> [f32; 3] {
        self.ambient_colour.map(|colour| self.illuminance() / (self.ambient * colour))
    }
}

/// How much of the light that a face gets which looks at the screen each part of a picture gets: a factor for each block of
/// 2x2 pixels.
#[derive(Clone)]
pub struct Falloff {
    columns: usize,
    /// Row by row.
    pub(super) blocks: Vec<f32>,
    /// What mirrors the screen itself: block, and linear light of the picture for white.
    pub(super) glints: Vec<(usize, f32)>,
}

/// The grid on which the face's surface is computed.
const GRID: usize = 32;
/// Outer corners of the eyes are so far apart, metres.
const EYE_CORNERS: f32 = 0.09;
/// Reflectance of a cornea.
const CORNEA: f32 = 0.025;
/// A typical albedo of skin, and linear light of well exposed skin: what a highlight is compared with.
const SKIN: [f32; 2] = [0.4, 0.3];

impl Falloff {
    /// The same everywhere: on a flat thing that fills the picture.
    pub fn even(width: usize, height: usize) -> Self {
        Self { columns: width / 2, blocks: vec![1.0; (width / 2) * (height / 2)], glints: Vec::new() }
    }

    /// Of a face in a picture of this size, its hair and body, and what is behind.
    pub fn of(width: usize, height: usize, face: &Face, scene: &Scene) -> Self {
        let (columns, rows) = (width / 2, height / 2);
        let place = Place::of(columns as f32, rows as f32, face);
        let behind = (scene.distance / (scene.distance + scene.depth)).powi(2);
        let surface = place.surface(face, scene);
        let mut blocks = Vec::with_capacity(columns * rows);
        for row in 0..rows {
            for column in 0..columns {
                let point = [column as f32 + 0.5, row as f32 + 0.5];
                let light = place.on_grid(point).and_then(|cell| surface[cell]);
                blocks.push(light.unwrap_or_else(|| if place.is_person(point) { 0.5 } else { behind }));
            }
        }
        let mut glints = Vec::new();
        let strength = CORNEA * scene.luminance * SKIN[1] * std::f32::consts::PI / (SKIN[0] * scene.ambient);
        for iris in [468, 473] {
            let [x, y] = place.point(face.landmarks[iris]);
            let radius = 0.013 * place.unit;
            for row in (y - radius).max(0.0) as usize..=((y + radius) as usize).min(rows.saturating_sub(1)) {
                for column in (x - radius).max(0.0) as usize..=((x + radius) as usize).min(columns.saturating_sub(1)) {
                    glints.push((row * columns + column, strength));
                }
            }
        }
        Self { columns, blocks, glints }
    }

    /// At a pixel of the picture; nothing outside of it.
    pub fn at(&self, x: usize, y: usize) -> f32 {
        let inside = x / 2 < self.columns;
        self.blocks.get(y / 2 * self.columns + x / 2).copied().filter(|_| inside).unwrap_or(0.0)
    }
}

/// The face in blocks.
struct Place {
    columns: f32,
    rows: f32,
    /// Left, top, width and height.
    bounds: [f32; 4],
    /// The distance of the outer corners of the eyes.
    unit: f32,
}

impl Place {
    fn of(columns: f32, rows: f32, face: &Face) -> Self {
        let bounds = face.bounding_box();
        let bounds = [bounds.x * columns, bounds.y * rows, bounds.width * columns, bounds.height * rows];
        let ([ax, ay, az], [bx, by, bz]) = (face.landmarks[33], face.landmarks[263]);
        let (x, y, z) = ((ax - bx) * columns, (ay - by) * rows, (az - bz) * columns);
        Self { columns, rows, bounds, unit: (x * x + y * y + z * z).sqrt().max(1.0) }
    }

    fn point(&self, [x, y, _]: [f32; 3]) -> [f32; 2] {
        [x * self.columns, y * self.rows]
    }

    fn on_grid(&self, [x, y]: [f32; 2]) -> Option<usize> {
        let [left, top, width, height] = self.bounds;
        let cell = |at: f32, length: f32| {
            let cell = (at / length * GRID as f32).floor();
            (0.0..GRID as f32).contains(&cell).then_some(cell as usize)
        };
        Some(cell(y - top, height)? * GRID + cell(x - left, width)?)
    }

    /// Hair, neck and shoulders.
    fn is_person(&self, [x, y]: [f32; 2]) -> bool {
        let [left, top, width, height] = self.bounds;
        let (dx, dy) = ((x - left - width / 2.0) / width, (y - top - height * 0.38) / height);
        let head = (dx / 0.62).powi(2) + (dy / 0.72).powi(2) < 1.0;
        let below = (y - top - height * 0.85) / height;
        let body = below > 0.0 && dx.abs() < (0.4 + 2.0 * (below - 0.1).max(0.0)).min(1.3);
        head || body
    }

    /// Cosines and squared distances for the cells of a grid over the face's bounds; none outside of the face. The surface is the
    /// landmarks' depth, smoothed; its normals are those of its slopes.
    fn surface(&self, face: &Face, scene: &Scene) -> Vec<Option<f32>> {
        let [left, top, width, height] = self.bounds;
        let (step_x, step_y) = (width / GRID as f32, height / GRID as f32);
        let reach = 0.11 * self.unit.max(1.0);
        let points: Vec<[f32; 3]> = face
            .landmarks
            .iter()
            .map(|landmark| {
                let [x, y] = self.point(*landmark);
                [x, y, landmark[2] * self.columns]
            })
            .collect();
        let depth = |column: usize, row: usize| {
            let (x, y) = (left + (column as f32 + 0.5) * step_x, top + (row as f32 + 0.5) * step_y);
            let (mut sum, mut weights, mut near) = (0.0, 0.0, false);
            for [px, py, pz] in &points {
                let distance = ((px - x).powi(2) + (py - y).powi(2)) / (reach * reach);
                if distance > 9.0 {
                    continue;
                }
                near |= distance < 1.5;
                let weight = (-distance).exp();
                sum += weight * pz;
                weights += weight;
            }
            near.then(|| sum / weights)
        };
        let depths: Vec<Option<f32>> = (0..GRID * GRID).map(|cell| depth(cell % GRID, cell / GRID)).collect();
        let metres = EYE_CORNERS / self.unit;
        let light = |cell: usize| {
            let (column, row) = (cell % GRID, cell / GRID);
            let z = depths[cell]?;
            let at = |column: usize, row: usize| depths[row * GRID + column].unwrap_or(z);
            let (west, east) = (column.saturating_sub(1), (column + 1).min(GRID - 1));
            let (north, south) = (row.saturating_sub(1), (row + 1).min(GRID - 1));
            let slope_x = (at(east, row) - at(west, row)) / ((east - west) as f32 * step_x);
            let slope_y = (at(column, south) - at(column, north)) / ((south - north) as f32 * step_y);
            let (x, y) =
                ((column as f32 + 0.5 - GRID as f32 / 2.0) * step_x, (row as f32 + 0.5 - GRID as f32 / 2.0) * step_y);
            let point = [x * metres, y * metres, scene.distance + z * metres];
            Some(irradiance(point, [slope_x, slope_y], scene))
        };
        (0..GRID * GRID).map(light).collect()
    }
}

/// For a point with these slopes, as seen from the screen's middle, of what a point gets that looks at the screen.
fn irradiance([x, y, z]: [f32; 3], [slope_x, slope_y]: [f32; 2], scene: &Scene) -> f32 {
    let length = (1.0 + slope_x * slope_x + slope_y * slope_y).sqrt();
    // Depth grows away from the screen; the normal looks at it.
    let normal = [slope_x / length, slope_y / length, -1.0 / length];
    let [width, height] = scene.screen;
    let corner = |sx: f32, sy: f32| {
        let to = [sx * width - x, sy * height - y, -z];
        let squared = to.iter().map(|part| part * part).sum::<f32>();
        let distance = squared.sqrt();
        let towards = to.iter().zip(normal).map(|(to, normal)| to * normal).sum::<f32>() / distance;
        let from_screen = z / distance;
        towards.max(0.0) * from_screen * scene.distance * scene.distance / squared
    };
    [(-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25)].map(|(x, y)| corner(x, y)).iter().sum::<f32>() / 4.0
}

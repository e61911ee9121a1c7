//! Regions of interest: which rotated rectangle of the picture the landmark network sees.
//!
//! MediaPipe's `detections_to_rects_calculator.cc` (centre, size, rotation from two points) and
//! `rect_transformation_calculator.cc` (enlarged by half; made square when it comes from landmarks, not when it comes
//! from a detection). Normalised by the picture's width and height.

use crate::crop::{Region, wrap_angle};

/// How much larger than the face the region is.
const SCALE: f32 = 1.5;

/// A rotated rectangle; centre and size normalised by the picture's width and height, rotation in radians in pixels.
/// Single precision, as MediaPipe's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormalizedRegion {
    /// Centre.
    pub cx: f32,
    /// Centre.
    pub cy: f32,
    /// Size along its own x axis.
    pub width: f32,
    /// Size along its own y axis.
    pub height: f32,
    /// Clockwise, radians.
    pub rotation: f32,
}

impl NormalizedRegion {
    /// Around a detection: its box (x0, y0, x1, y1) enlarged, turned so that the eyes lie level.
    pub fn around_detection(bounds: [f32; 4], eyes: [[f32; 2]; 2], width: usize, height: usize) -> Self {
        let [x0, y0, x1, y1] = bounds;
        let (w, h) = (x1 - x0, y1 - y0);
        let rotation = level(eyes, width, height);
        Self { cx: x0 + w / 2.0, cy: y0 + h / 2.0, width: w * SCALE, height: h * SCALE, rotation }
    }

    /// Around all points of a mesh: a square in pixels on the longer side of their box, enlarged.
    pub fn around_points(bounds: [f32; 4], eyes: [[f32; 2]; 2], width: usize, height: usize) -> Self {
        let [x0, y0, x1, y1] = bounds;
        let (w, h) = (x1 - x0, y1 - y0);
        let side = (w * width as f32).max(h * height as f32);
        Self {
            cx: x0 + w / 2.0,
            cy: y0 + h / 2.0,
            width: side / width as f32 * SCALE,
            height: side / height as f32 * SCALE,
            rotation: level(eyes, width, height),
        }
    }

    /// In pixels of a picture.
    pub fn to_pixels(self, width: usize, height: usize) -> Region {
        let (w, h) = (width as f32, height as f32);
        Region {
            cx: f64::from(self.cx * w),
            cy: f64::from(self.cy * h),
            width: f64::from(self.width * w),
            height: f64::from(self.height * h),
            rotation: f64::from(self.rotation),
        }
    }
}

/// The angle of the line from the viewer's left eye to the right one.
fn level([left, right]: [[f32; 2]; 2], width: usize, height: usize) -> f32 {
    let along = |axis: usize, size: usize| (f64::from(right[axis]) - f64::from(left[axis])) * size as f64;
    let (dx, dy) = (along(0, width), along(1, height));
    wrap_angle(-(-dy).atan2(dx)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mesh_gives_a_square_in_pixels() {
        let region = NormalizedRegion::around_points([0.4, 0.2, 0.6, 0.8], [[0.45, 0.5], [0.55, 0.5]], 640, 480);
        let pixels = region.to_pixels(640, 480);
        assert!((pixels.width - pixels.height).abs() < 1e-3);
        assert!((pixels.height - 0.6 * 480.0 * 1.5).abs() < 1e-3);
        assert_eq!(pixels.rotation, 0.0);
        assert!((pixels.cx - 320.0).abs() < 1e-3 && (pixels.cy - 240.0).abs() < 1e-3);
    }

    #[test]
    fn a_tilted_head_turns_the_region_with_it() {
        // 45 degrees in pixels, not in normalised coordinates; the viewer's right eye lower: clockwise, positive.
        let eyes = [[0.4, 0.4], [0.4 + 0.1, 0.4 + 0.2]];
        let region = NormalizedRegion::around_detection([0.3, 0.3, 0.6, 0.7], eyes, 640, 320);
        assert!((region.rotation - std::f32::consts::FRAC_PI_4).abs() < 1e-6);
        assert!((region.width - 0.45).abs() < 1e-6 && (region.height - 0.6).abs() < 1e-6);
    }
}

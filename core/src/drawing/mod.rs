//! What everything that draws shares: places, cairo with our colours, text, and what is drawn blended onto pictures.
//!
//! | module | what |
//! |---|---|
//! | `layer` | something drawn for one frame, blended as it is onto I420, NV12 or RGB |
//! | `patch` | something drawn for many frames: run-length coded alpha, Y, U and V, blended onto I420 in integers |
//! | `text` | text shaped, wrapped and fitted by pango |

use std::f64::consts::FRAC_PI_2;

use cairo::{Context, Format, ImageSurface, LineCap, LineJoin};

pub(crate) mod layer;
pub(crate) mod patch;
pub(crate) mod text;

/// A rectangle in pixels. Edges are even, so that a part covers whole chroma samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Area {
    /// Left edge.
    pub x: usize,
    /// Top edge.
    pub y: usize,
    /// Width.
    pub width: usize,
    /// Height.
    pub height: usize,
}

impl Area {
    /// Do they share a pixel?
    pub fn overlaps(&self, other: &Self) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }

    /// Is `other` inside?
    pub fn contains(&self, other: &Self) -> bool {
        other.x >= self.x
            && other.y >= self.y
            && other.x + other.width <= self.x + self.width
            && other.y + other.height <= self.y + self.height
    }
}

/// Red, green, blue, alpha, each 0..1.
pub(crate) type Colour = [f64; 4];

pub(crate) const CARD: Colour = [0.05, 0.08, 0.11, 0.70];
pub(crate) const WHITE: Colour = [1.0, 1.0, 1.0, 1.0];
pub(crate) const AMBER: Colour = [1.0, 0.80, 0.28, 1.0];
pub(crate) const GREEN: Colour = [0.18, 0.72, 0.42, 1.0];
pub(crate) const RED: Colour = [0.86, 0.30, 0.28, 1.0];
pub(crate) const SHADE: Colour = [0.02, 0.04, 0.06, 1.0];

pub(crate) fn with_alpha([r, g, b, _]: Colour, alpha: f64) -> Colour {
    [r, g, b, alpha]
}

/// Draws into a new transparent surface. Cairo fails for lack of memory only.
pub(crate) fn surface(
    area: Area,
    paint: impl FnOnce(&Context) -> Result<(), cairo::Error>,
) -> Result<ImageSurface, cairo::Error> {
    let surface = ImageSurface::create(Format::ARgb32, area.width as i32, area.height as i32)?;
    paint(&Context::new(&surface)?)?;
    Ok(surface)
}

pub(crate) fn source(cr: &Context, [r, g, b, a]: Colour) {
    cr.set_source_rgba(r, g, b, a);
}

pub(crate) fn fill(cr: &Context, colour: Colour) -> Result<(), cairo::Error> {
    source(cr, colour);
    cr.fill()
}

pub(crate) fn stroke(cr: &Context, colour: Colour, width: f64) -> Result<(), cairo::Error> {
    source(cr, colour);
    cr.set_line_width(width);
    cr.set_line_cap(LineCap::Round);
    cr.set_line_join(LineJoin::Round);
    cr.stroke()
}

pub(crate) fn rounded(cr: &Context, x: f64, y: f64, width: f64, height: f64, radius: f64) {
    cr.new_sub_path();
    cr.arc(x + width - radius, y + radius, radius, -FRAC_PI_2, 0.0);
    cr.arc(x + width - radius, y + height - radius, radius, 0.0, FRAC_PI_2);
    cr.arc(x + radius, y + height - radius, radius, FRAC_PI_2, 2.0 * FRAC_PI_2);
    cr.arc(x + radius, y + radius, radius, 2.0 * FRAC_PI_2, 3.0 * FRAC_PI_2);
    cr.close_path();
}

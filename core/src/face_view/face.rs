//! One face: mesh, points, box and axes.

use std::sync::LazyLock;

use cairo::{Antialias, Context};

use super::{Scale, Shown, label::Labels, paint};
use crate::{
    drawing::{AMBER, Colour, GREEN, SHADE, WHITE, fill, rounded, stroke, with_alpha},
    face::Face,
    picture::PictureMut,
    topology::{BROWS, EyeLines, IRISES, LEFT_EYE, LOWER_LIP, OVAL, RIGHT_EYE, TRIANGLES, UPPER_LIP},
};

const X: Colour = [0.98, 0.30, 0.28, 1.0];
const Y: Colour = [0.30, 0.85, 0.38, 1.0];
const Z: Colour = [0.32, 0.60, 1.00, 1.0];
const EYES: Colour = [0.36, 0.86, 0.96, 1.0];
const LIPS: Colour = [1.00, 0.47, 0.55, 1.0];
/// Where the axes begin: the tip of the nose.
const NOSE: usize = 4;

/// The sides of the mesh's triangles, each once.
static SIDES: LazyLock<Vec<[u16; 2]>> = LazyLock::new(|| {
    let sides = |[a, b, c]: [u16; 3]| [[a, b], [b, c], [c, a]].map(|[a, b]| [a.min(b), a.max(b)]);
    let mut all: Vec<_> = TRIANGLES.into_iter().flat_map(sides).collect();
    all.sort_unstable();
    all.dedup();
    all
});

type Points = Vec<[f64; 2]>;

pub(super) fn draw(face: &Face, shown: &Shown, scale: &Scale, labels: &mut Labels, out: &mut PictureMut) {
    let (width, height) = (scale.width as f64, scale.height as f64);
    let place = |[x, y, _]: &[f32; 3]| [f64::from(*x) * width, f64::from(*y) * height];
    let points: Points = face.landmarks.iter().map(place).collect();
    let edge = |k: usize, pick: fn(f64, f64) -> f64| points.iter().map(|p| p[k]).reduce(pick).unwrap_or_default();
    let bounds = [edge(0, f64::min), edge(1, f64::min), edge(0, f64::max), edge(1, f64::max)];
    let axes = axes(face, &points, bounds);

    let ends = |k: usize| axes.iter().map(move |(end, _)| end[k]);
    let room = 4.0 * scale.line + 2.0;
    let (mut x0, mut y0, mut x1, mut y1) = (bounds[0], bounds[1], bounds[2], bounds[3]);
    if shown.axes {
        (x0, y0) = (ends(0).fold(x0, f64::min), ends(1).fold(y0, f64::min));
        (x1, y1) = (ends(0).fold(x1, f64::max), ends(1).fold(y1, f64::max));
    }
    if shown.mesh || shown.points || shown.bounds || shown.axes {
        paint(scale.area(x0 - room, y0 - room, x1 + room, y1 + room), out, |cr| {
            if shown.mesh {
                mesh(cr, &points, bounds[2] - bounds[0], scale)?;
            }
            if shown.points {
                dots(cr, &points, scale)?;
            }
            if shown.bounds {
                frame(cr, bounds, scale)?;
            }
            if shown.axes {
                arrows(cr, points[NOSE], &axes, scale)?;
            }
            Ok(())
        });
    }
    if shown.bounds {
        let text = format!("{:.2}", face.presence);
        pills(&[(text, WHITE)], bounds[0], bounds[1] - 1.7 * scale.font, scale, labels, out);
    }
    if shown.axes {
        let angles = face.angles();
        let degrees = |name: &str, angle: f32| format!("{name} {:+.0}°", angle.to_degrees());
        let texts =
            [(degrees("pitch", angles.pitch), X), (degrees("yaw", angles.yaw), Y), (degrees("roll", angles.roll), Z)];
        pills(&texts, bounds[0], bounds[3] + 0.4 * scale.font, scale, labels, out);
    }
}

/// The lines of the mesh, faint; those that expressions are made of, strong.
fn mesh(cr: &Context, points: &Points, width: f64, scale: &Scale) -> Result<(), cairo::Error> {
    let line = |line: &mut dyn Iterator<Item = usize>, closed: bool| {
        cr.new_sub_path();
        line.for_each(|i| cr.line_to(points[i][0], points[i][1]));
        if closed {
            cr.close_path();
        }
    };
    let thin = (width / 340.0).clamp(0.35, scale.line);
    // Lines this thin look the same with the coarser and faster of cairo's ways.
    cr.set_antialias(Antialias::Fast);
    for sides in SIDES.chunks(64) {
        sides.iter().for_each(|side| line(&mut side.iter().map(|i| usize::from(*i)), false));
        stroke(cr, with_alpha(WHITE, 0.34), thin)?;
    }
    cr.set_antialias(Antialias::Default);

    let strong = (width / 150.0).clamp(0.8, 1.5 * scale.line);
    line(&mut OVAL.into_iter(), true);
    stroke(cr, with_alpha(WHITE, 0.85), strong)?;
    BROWS.iter().for_each(|brow| line(&mut brow.iter().copied(), true));
    stroke(cr, AMBER, strong)?;
    for lip in [[UPPER_LIP[0], LOWER_LIP[0]], [UPPER_LIP[3], LOWER_LIP[3]]] {
        line(&mut lip[0].into_iter().chain(lip[1].into_iter().rev()), true);
    }
    stroke(cr, LIPS, strong)?;
    for EyeLines { upper, lower, corners: [outer, inner], .. } in [&RIGHT_EYE, &LEFT_EYE] {
        let upper = [*outer].into_iter().chain(*upper).chain([*inner]);
        line(&mut upper.chain(lower.iter().rev().copied()), true);
    }
    IRISES.iter().for_each(|iris| line(&mut iris.iter().copied(), true));
    stroke(cr, EYES, strong)
}

fn dots(cr: &Context, points: &Points, scale: &Scale) -> Result<(), cairo::Error> {
    let side = 1.4 * scale.line;
    for [x, y] in points {
        cr.rectangle(x - side / 2.0, y - side / 2.0, side, side);
    }
    fill(cr, EYES)
}

/// A rectangle with strong corners.
fn frame(cr: &Context, [x0, y0, x1, y1]: [f64; 4], scale: &Scale) -> Result<(), cairo::Error> {
    cr.rectangle(x0, y0, x1 - x0, y1 - y0);
    stroke(cr, with_alpha(GREEN, 0.7), scale.line)?;
    let arm = 0.14 * (x1 - x0).min(y1 - y0);
    for (x, y, dx, dy) in [(x0, y0, arm, arm), (x1, y0, -arm, arm), (x1, y1, -arm, -arm), (x0, y1, arm, -arm)] {
        cr.move_to(x + dx, y);
        cr.line_to(x, y);
        cr.line_to(x, y + dy);
    }
    stroke(cr, GREEN, 3.0 * scale.line)
}

/// Ends of the head's axes and their colours, the farthest first: where unit vectors of the canonical face point in the
/// picture, without perspective.
fn axes(face: &Face, points: &Points, bounds: [f64; 4]) -> [([f64; 2], Colour); 3] {
    let m = &face.matrix;
    let length = 0.55 * (bounds[3] - bounds[1]);
    let mut axes = [X, Y, Z].map(|colour| (0.0, [0.0; 2], colour));
    for (k, (depth, end, _)) in axes.iter_mut().enumerate() {
        let [x, y, z] = [m[0][k], m[1][k], m[2][k]].map(f64::from);
        let size = (x * x + y * y + z * z).sqrt();
        let unit = if size.is_normal() { length / size } else { 0.0 };
        *depth = z * unit;
        *end = [points[NOSE][0] + x * unit, points[NOSE][1] - y * unit];
    }
    axes.sort_by(|a, b| a.0.total_cmp(&b.0));
    axes.map(|(_, end, colour)| (end, colour))
}

fn arrows(cr: &Context, [x, y]: [f64; 2], axes: &[([f64; 2], Colour); 3], scale: &Scale) -> Result<(), cairo::Error> {
    for ([to_x, to_y], colour) in axes {
        for (colour, width) in [(with_alpha(SHADE, 0.55), 3.6), (*colour, 2.0)] {
            cr.move_to(x, y);
            cr.line_to(*to_x, *to_y);
            stroke(cr, colour, width * scale.line)?;
        }
        cr.arc(*to_x, *to_y, 2.2 * scale.line, 0.0, std::f64::consts::TAU);
        fill(cr, *colour)?;
    }
    Ok(())
}

/// Texts on a dark card, one beside the other, as near to a place as the picture allows.
fn pills(texts: &[(String, Colour)], x: f64, y: f64, scale: &Scale, labels: &mut Labels, out: &mut PictureMut) {
    let Scale { font, margin, .. } = *scale;
    let size = 0.85 * font;
    let gap = 0.7 * size;
    let widths: Vec<f64> = texts.iter().map(|(text, colour)| labels.get(text, size, *colour).width).collect();
    let width = widths.iter().map(|width| width + gap).sum::<f64>() + gap * 0.6;
    let height = 1.4 * size;
    let x = x.min(scale.width as f64 - width - margin / 2.0).max(margin / 2.0);
    let y = y.min(scale.height as f64 - height - margin / 2.0).max(margin / 2.0);
    paint(scale.area(x, y, x + width, y + height), out, |cr| {
        rounded(cr, x, y, width, height, 0.3 * height);
        fill(cr, with_alpha(SHADE, 0.6))
    });
    let mut at = x + 0.8 * gap;
    for ((text, colour), width) in texts.iter().zip(widths) {
        let label = labels.get(text, size, *colour);
        label.blend(at, y + (height - label.height) / 2.0, out);
        at += width + gap;
    }
}

//! Blendshapes as bars, with name and value.

use super::{Bars, Scale, Side, label::Labels, paint};
use crate::{
    drawing::{CARD, GREEN, WHITE, fill, rounded, with_alpha},
    face::{BLENDSHAPE_NAMES, BLENDSHAPES, Face},
    picture::PictureMut,
};

/// The blendshapes to draw, in the network's order. `_neutral` says nothing and is never among the strongest.
pub(super) fn choose(bars: &Bars, peaks: &[f32; BLENDSHAPES]) -> Vec<usize> {
    match bars {
        Bars::Hidden => Vec::new(),
        Bars::Chosen(places) => places.iter().copied().filter(|place| *place < BLENDSHAPES).collect(),
        Bars::Strongest(count) => {
            let mut places: Vec<usize> = (1..BLENDSHAPES).collect();
            places.sort_by(|a, b| peaks[*b].total_cmp(&peaks[*a]));
            places.truncate(*count);
            places.sort_unstable();
            places
        }
    }
}

pub(super) fn draw(
    face: &Face,
    places: &[usize],
    side: Side,
    scale: &Scale,
    labels: &mut Labels,
    out: &mut PictureMut,
) {
    let Scale { font, margin, .. } = *scale;
    let size = 0.85 * font;
    let even = |value: f64| 2.0 * (value / 2.0).round();
    let (row, pad, gap, margin) = (even(1.35 * size), even(0.5 * font), 0.5 * font, even(margin));
    // The rest belongs to the gesture.
    let fitting = ((0.7 * scale.height as f64 - margin - 2.0 * pad) / row).max(0.0) as usize;
    let places = &places[..places.len().min(fitting)];
    if places.is_empty() {
        return;
    }
    let text = |place: usize| (BLENDSHAPE_NAMES[place], format!("{:.2}", face.blendshapes[place]));
    let names = places.iter().map(|place| labels.get(text(*place).0, size, WHITE).width).fold(0.0, f64::max);
    let numbers = labels.get("0.00", size, WHITE).width;
    let track = (6.0 * font).min(0.12 * scale.width as f64);
    let width = pad + names + gap + track + gap + numbers + pad;
    let height = 2.0 * pad + row * places.len() as f64;
    let left = match side {
        Side::Left => margin,
        Side::Right => even(scale.width as f64 - margin - width).max(0.0),
    };
    let tracks = left + pad + names + gap;
    let top = |i: usize| margin + pad + row * i as f64;
    paint(scale.area(left, margin, left + width, margin + height), out, |cr| {
        rounded(cr, left, margin, width, height, 0.5 * font);
        fill(cr, CARD)?;
        for (i, place) in places.iter().enumerate() {
            let (thickness, y) = (0.5 * row, top(i) + 0.25 * row);
            rounded(cr, tracks, y, track, thickness, thickness / 2.0);
            fill(cr, with_alpha(WHITE, 0.16))?;
            let score = f64::from(face.blendshapes[*place]).clamp(0.0, 1.0);
            if score > 0.0 {
                // A round end, also of a bar that is shorter than it is thick.
                cr.save()?;
                rounded(cr, tracks, y, track, thickness, thickness / 2.0);
                cr.clip();
                cr.rectangle(tracks, y, track * score, thickness);
                fill(cr, GREEN)?;
                cr.restore()?;
            }
        }
        Ok(())
    });
    for (i, place) in places.iter().enumerate() {
        let (name, number) = text(*place);
        let middle = |height: f64| top(i) + (row - height) / 2.0;
        let name = labels.get(name, size, WHITE);
        name.blend(left + pad, middle(name.height), out);
        let number = labels.get(&number, size, WHITE);
        number.blend(tracks + track + gap + numbers - number.width, middle(number.height), out);
    }
}

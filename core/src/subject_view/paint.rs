//! The parts of the view, drawn with cairo into [`Patch`]es.

use std::{cmp::Ordering, f64::consts::TAU};

use cairo::Context;

use super::{Guide, OutcomeView, Step, layout::Layout};
use crate::drawing::{
    AMBER, Area, CARD, Colour, GREEN, RED, SHADE, WHITE, fill,
    patch::Patch,
    rounded, source, stroke, surface,
    text::{Fitted, with_fonts},
    with_alpha,
};

/// The message on its card. An empty patch for an empty text.
pub(super) fn message(layout: &Layout, text: &str) -> Patch {
    card(layout.message, Edge::Top, text, layout.message_font, (WHITE, Some(CARD)))
}

/// The message in dark letters, for a bright ground. An empty patch for an empty text.
pub(super) fn dark_message(layout: &Layout, text: &str) -> Patch {
    card(layout.message, Edge::Top, text, layout.message_font, (SHADE, None))
}

/// The warning on its card, which is as wide as its text.
pub(super) fn warning(layout: &Layout, text: &str) -> Patch {
    card(layout.warning, Edge::Bottom, text, layout.warning_font, (AMBER, Some(CARD)))
}

/// The edge of the largest card that the card stays at.
#[derive(Clone, Copy, PartialEq)]
enum Edge {
    Top,
    Bottom,
}

fn card(largest: Area, edge: Edge, text: &str, font: f64, (ink, ground): (Colour, Option<Colour>)) -> Patch {
    let text = text.to_owned();
    with_fonts(move || {
        let (pad_x, pad_y) = (font * 0.5, font * 0.3);
        let (width, height) = (largest.width as f64, largest.height as f64);
        let Some(text) = Fitted::new(&text, font, width - 2.0 * pad_x, height - 2.0 * pad_y) else {
            return Patch::default();
        };
        let even = |value: f64, limit: usize| (2 * (value / 2.0).ceil() as usize).min(limit);
        let card_height = even(text.height + 2.0 * pad_y, largest.height);
        // A message fills the width, so that it does not jump from one to the next; a warning is as wide as it is long.
        let card_width = match edge {
            Edge::Top => largest.width,
            Edge::Bottom => even(text.width + 2.0 * pad_x, largest.width),
        };
        let area = Area {
            x: largest.x + (largest.width - card_width) / 2 / 2 * 2,
            y: if edge == Edge::Top { largest.y } else { largest.y + largest.height - card_height },
            width: card_width,
            height: card_height,
        };
        draw(area, |cr| {
            let (width, height) = (area.width as f64, area.height as f64);
            if let Some(ground) = ground {
                rounded(cr, 0.0, 0.0, width, height, (font * 0.5).min(height / 2.0));
                fill(cr, ground)?;
            }
            source(cr, ink);
            text.draw(cr, (width - text.width) / 2.0, (height - text.height) / 2.0);
            Ok(())
        })
    })
}

/// The oval, and everything around it a little darker.
pub(super) fn guide(layout: &Layout, guide: Guide) -> Patch {
    let Some(colour) = ring(guide) else { return Patch::default() };
    let area = Area { x: 0, y: 0, width: layout.width & !1, height: layout.height & !1 };
    draw(area, |cr| {
        around_oval(cr, layout, area, with_alpha(SHADE, 0.25))?;
        draw_ring(cr, layout, colour)
    })
}

/// Everything but the oval in one colour, and the oval's ring.
pub(super) fn light(layout: &Layout, [red, green, blue]: [u8; 3], guide: Guide) -> Patch {
    let (width, height) = (layout.width.next_multiple_of(2), layout.height.next_multiple_of(2));
    let area = Area { x: 0, y: 0, width, height };
    let part = |part: u8| f64::from(part) / 255.0;
    draw(area, |cr| {
        around_oval(cr, layout, area, [part(red), part(green), part(blue), 1.0])?;
        ring(guide).map_or(Ok(()), |colour| draw_ring(cr, layout, colour))
    })
}

fn ring(guide: Guide) -> Option<Colour> {
    match guide {
        Guide::Hidden => None,
        Guide::Neutral => Some(with_alpha(WHITE, 0.9)),
        Guide::Good => Some(GREEN),
        Guide::Warning => Some(AMBER),
    }
}

/// The width of the ring.
fn line(layout: &Layout) -> f64 {
    (layout.guide.height as f64 / 70.0).max(1.5)
}

fn oval(cr: &Context, layout: &Layout) -> Result<(), cairo::Error> {
    let (oval, line) = (layout.guide, line(layout));
    cr.save()?;
    cr.translate(oval.x as f64 + oval.width as f64 / 2.0, oval.y as f64 + oval.height as f64 / 2.0);
    cr.scale(oval.width as f64 / 2.0 - line, oval.height as f64 / 2.0 - line);
    cr.new_sub_path();
    cr.arc(0.0, 0.0, 1.0, 0.0, TAU);
    cr.restore()
}

fn around_oval(cr: &Context, layout: &Layout, area: Area, colour: Colour) -> Result<(), cairo::Error> {
    cr.set_fill_rule(cairo::FillRule::EvenOdd);
    cr.rectangle(0.0, 0.0, area.width as f64, area.height as f64);
    oval(cr, layout)?;
    fill(cr, colour)
}

fn draw_ring(cr: &Context, layout: &Layout, colour: Colour) -> Result<(), cairo::Error> {
    let line = line(layout);
    oval(cr, layout)?;
    stroke(cr, with_alpha(SHADE, 0.35), line * 1.8)?;
    oval(cr, layout)?;
    stroke(cr, colour, line)
}

/// A tick or a cross on a disc, the picture behind it darker.
pub(super) fn outcome(layout: &Layout, outcome: OutcomeView) -> Patch {
    let area = Area { x: 0, y: 0, width: layout.width & !1, height: layout.height & !1 };
    draw(area, |cr| {
        cr.rectangle(0.0, 0.0, area.width as f64, area.height as f64);
        fill(cr, with_alpha(SHADE, 0.45))?;
        let icon = layout.icon;
        let radius = icon.width.min(icon.height) as f64 / 2.0;
        cr.translate((icon.x + icon.width / 2) as f64, (icon.y + icon.height / 2) as f64);
        cr.scale(radius, radius);
        cr.arc(0.0, 0.0, 0.97, 0.0, TAU);
        fill(cr, if outcome == OutcomeView::Success { GREEN } else { RED })?;
        match outcome {
            OutcomeView::Success => {
                cr.move_to(-0.44, 0.04);
                cr.line_to(-0.13, 0.35);
                cr.line_to(0.46, -0.30);
            }
            OutcomeView::Failure => {
                cr.move_to(-0.33, -0.33);
                cr.line_to(0.33, 0.33);
                cr.move_to(0.33, -0.33);
                cr.line_to(-0.33, 0.33);
            }
        }
        stroke(cr, WHITE, 0.16)
    })
}

/// A dot for each step (the current one long), and "1 / 2" where that can be read.
pub(super) fn step(layout: &Layout, step: Step) -> Patch {
    let area = layout.step;
    with_fonts(move || {
        let height = area.height as f64;
        let number = format!("{} / {}", step.current, step.total);
        let font = height * 0.8;
        let number = (font >= 9.0).then(|| Fitted::new(&number, font, area.width as f64 / 3.0, height * 1.2)).flatten();
        draw(area, |cr| paint_step(cr, area, step, number.as_ref()))
    })
}

fn paint_step(cr: &Context, area: Area, step: Step, number: Option<&Fitted>) -> Result<(), cairo::Error> {
    let height = area.height as f64;
    // More dots than these say less than the number.
    let dots = if step.total <= 6 { step.total } else { 0 };
    let (dot, gap, pad) = (height * 0.42, height * 0.36, height * 0.5);
    let width_of = |i: usize| if i + 1 == step.current { dot * 2.6 } else { dot };
    let dots_width: f64 = (0..dots).map(|i| width_of(i) + gap).sum::<f64>() - gap;
    let width = dots_width + number.map_or(0.0, |number| 2.0 * gap + number.width);
    let mut x = (area.width as f64 - width) / 2.0;
    rounded(cr, x - pad, 0.0, width + 2.0 * pad, height, height / 2.0);
    fill(cr, with_alpha(CARD, 0.55))?;
    for i in 0..dots {
        let colour = match (i + 1).cmp(&step.current) {
            Ordering::Less => GREEN,
            Ordering::Equal => WHITE,
            Ordering::Greater => with_alpha(WHITE, 0.4),
        };
        rounded(cr, x, (height - dot) / 2.0, width_of(i), dot, dot / 2.0);
        fill(cr, colour)?;
        x += width_of(i) + gap;
    }
    if let Some(number) = number {
        source(cr, WHITE);
        number.draw(cr, x + gap, (height - number.height) / 2.0);
    }
    Ok(())
}

/// The bar of time left at its full length; `urgent` when little is left.
pub(super) fn bar(layout: &Layout, urgent: bool) -> Patch {
    pill(layout.countdown, if urgent { AMBER } else { with_alpha(WHITE, 0.95) })
}

/// What the bar of time left runs on.
pub(super) fn track(layout: &Layout) -> Patch {
    pill(layout.countdown, with_alpha(SHADE, 0.55))
}

fn pill(area: Area, colour: Colour) -> Patch {
    draw(area, |cr| {
        let (width, height) = (area.width as f64, area.height as f64);
        rounded(cr, 0.0, 0.0, width, height, height / 2.0);
        fill(cr, colour)
    })
}

/// What lies over the picture while there is nothing to do.
pub(super) fn veil(layout: &Layout) -> Patch {
    let area = Area { x: 0, y: 0, width: layout.width & !1, height: layout.height & !1 };
    draw(area, |cr| {
        cr.rectangle(0.0, 0.0, area.width as f64, area.height as f64);
        fill(cr, with_alpha(SHADE, 0.45))
    })
}

/// One phase of the pulsing dot: `size` 0..1.
pub(super) fn pulse(layout: &Layout, size: f64) -> Patch {
    let area = layout.pulse;
    draw(area, |cr| {
        let radius = area.width.min(area.height) as f64 / 2.0;
        cr.translate(area.width as f64 / 2.0, area.height as f64 / 2.0);
        cr.arc(0.0, 0.0, radius * (0.5 + 0.48 * size), 0.0, TAU);
        fill(cr, with_alpha(GREEN, 0.40 * (1.0 - 0.7 * size)))?;
        cr.arc(0.0, 0.0, radius * (0.34 + 0.06 * size), 0.0, TAU);
        fill(cr, GREEN)
    })
}

/// Draws into an area. Cairo fails for lack of memory only; then nothing is shown.
fn draw(area: Area, paint: impl FnOnce(&Context) -> Result<(), cairo::Error>) -> Patch {
    let Ok(mut surface) = surface(area, paint) else { return Patch::default() };
    let stride = surface.stride() as usize;
    surface.data().map_or_else(|_| Patch::default(), |data| Patch::from_argb(area, &data, stride))
}

//! How far a sequence of gestures is: name, steps, and the signal beside the thresholds that it has to pass.

use super::{Scale, label::Labels, paint};
use crate::{
    drawing::{AMBER, CARD, Colour, GREEN, RED, WHITE, fill, rounded, with_alpha},
    gestures::{Phase, SequenceState, definition::Condition},
    picture::PictureMut,
};

pub(super) fn draw(state: &SequenceState, scale: &Scale, labels: &mut Labels, out: &mut PictureMut) {
    let Scale { font, margin, .. } = *scale;
    let small = 0.85 * font;
    let (pad, title_row, row) = (0.5 * font, 1.5 * font, 1.35 * small);
    let width = (24.0 * font).min(scale.width as f64 - 2.0 * margin);
    let height = 2.0 * pad + title_row + row + 0.8 * font;
    let (left, top) = ((scale.width as f64 - width) / 2.0, scale.height as f64 - margin - height);
    let (inner, track_top) = (width - 2.0 * pad, top + height - pad - 0.6 * font);

    let [low, high] = state.gesture.signal.scale().map(f64::from);
    let along = |value: f64| (left + pad) + ((value - low) / (high - low)).clamp(0.0, 1.0) * inner;
    let condition = state.gesture.steps.get(state.step).map(|step| step.condition);
    let colour = match state.phase {
        Phase::Completed => GREEN,
        Phase::Failed => RED,
        Phase::Waiting | Phase::Running => WHITE,
    };
    let steps = state.gesture.steps.len();
    let (dot, dot_gap) = (0.5 * font, 0.4 * font);
    paint(scale.area(left, top, left + width, top + height), out, |cr| {
        rounded(cr, left, top, width, height, 0.5 * font);
        fill(cr, CARD)?;
        for i in 0..steps.min(8) {
            let x = left + width - pad - (steps.min(8) - i) as f64 * (dot + dot_gap) + dot_gap;
            rounded(cr, x, top + pad + (title_row - dot) / 2.0, dot, dot, dot / 2.0);
            fill(cr, if i < state.step { GREEN } else { with_alpha(WHITE, if i == state.step { 1.0 } else { 0.3 }) })?;
        }
        let track = |x0: f64, x1: f64, colour: Colour| {
            cr.rectangle(x0, track_top, x1 - x0, 0.6 * font);
            fill(cr, colour)
        };
        track(left + pad, left + pad + inner, with_alpha(WHITE, 0.16))?;
        // Where the signal has to go.
        let (from, to) = match condition {
            Some(Condition::Higher(value)) => (along(value), left + pad + inner),
            Some(Condition::Lower(value)) => (left + pad, along(value)),
            Some(Condition::Range { min, max, .. }) => (along(min), along(max)),
            None => (left + pad, left + pad),
        };
        track(from, to, with_alpha(GREEN, 0.45))?;
        if let Some(value) = state.value {
            let (x, thickness) = (along(f64::from(value)), 0.3 * font);
            cr.rectangle(x - thickness / 2.0, track_top - 0.15 * font, thickness, 0.9 * font);
            fill(cr, AMBER)?;
        }
        Ok(())
    });

    let title = format!("{}  {} / {}", state.gesture.id, state.index + 1, state.total);
    let title = labels.get(&title, 1.1 * font, colour);
    title.blend(left + pad, top + pad + (title_row - title.height) / 2.0, out);
    let wanted = match condition {
        Some(Condition::Higher(value)) => format!("> {value}"),
        Some(Condition::Lower(value)) => format!("< {value}"),
        Some(Condition::Range { min, max, .. }) => format!("{min} … {max}"),
        None => String::new(),
    };
    let texts = [state.gesture.signal.key().to_owned(), wanted];
    let line = top + pad + title_row;
    let number = state.value.map(|value| format!("{value:.2}")).unwrap_or_default();
    let number = labels.get(&number, small, AMBER);
    number.blend(left + width - pad - number.width, line + (row - number.height) / 2.0, out);
    let mut x = left + pad;
    for (text, colour) in texts.iter().zip([with_alpha(WHITE, 0.75), GREEN]) {
        let label = labels.get(text, small, colour);
        label.blend(x, line + (row - label.height) / 2.0, out);
        x += label.width + 0.7 * font;
    }
}

//! Short texts, drawn once and blended wherever they are needed.

use std::collections::HashMap;

use crate::{
    drawing::{
        Area, Colour,
        layer::Layer,
        source, surface,
        text::{Fitted, with_fonts},
    },
    picture::PictureMut,
};

/// More texts than these are not kept: numbers come and go.
const KEPT: usize = 256;

/// Texts by what they say, the height of their letters and their colour.
#[derive(Default)]
pub(super) struct Labels(HashMap<(String, u64, [u64; 4]), Label>);

/// A drawn text.
#[derive(Default)]
pub(super) struct Label {
    /// Width of the letters in pixels.
    pub width: f64,
    /// Height of the line in pixels.
    pub height: f64,
    size: (usize, usize),
    argb: Vec<u8>,
    stride: usize,
}

impl Labels {
    /// A text with letters of `font` pixels. Empty where the system has no fonts.
    pub(super) fn get(&mut self, text: &str, font: f64, colour: Colour) -> &Label {
        if self.0.len() >= KEPT {
            self.0.clear();
        }
        let key = (text.to_owned(), font.to_bits(), colour.map(f64::to_bits));
        self.0.entry(key).or_insert_with(|| Label::new(text, font, colour))
    }
}

impl Label {
    fn new(text: &str, font: f64, colour: Colour) -> Self {
        let text = text.to_owned();
        with_fonts(move || {
            let Some(fitted) = Fitted::new(&text, font, 4000.0, 4.0 * font) else { return Self::default() };
            let even = |side: f64| (side.ceil() as usize).next_multiple_of(2);
            let area = Area { x: 0, y: 0, width: even(fitted.width), height: even(fitted.height) };
            let drawn = surface(area, |cr| {
                source(cr, colour);
                fitted.draw(cr, 0.0, 0.0);
                Ok(())
            });
            let Ok(mut surface) = drawn else { return Self::default() };
            let stride = surface.stride() as usize;
            let Ok(argb) = surface.data().map(|data| data.to_vec()) else { return Self::default() };
            let (width, height) = (fitted.width, fitted.height);
            Self { width, height, size: (area.width, area.height), argb, stride }
        })
    }

    /// Blends the text with its upper left corner at a place.
    pub(super) fn blend(&self, x: f64, y: f64, out: &mut PictureMut) {
        let even = |value: f64| 2 * (value.max(0.0) / 2.0).round() as usize;
        let area = Area { x: even(x), y: even(y), width: self.size.0, height: self.size.1 };
        Layer { area, argb: &self.argb, stride: self.stride }.blend(out);
    }
}

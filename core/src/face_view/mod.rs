//! What the networks see, drawn over the picture: the picture for people who look for a fault.
//!
//! | module | what |
//! |---|---|
//! | `face` | mesh, points, box and the axes of the head |
//! | `bars` | blendshapes as bars |
//! | `gesture` | how far a sequence of gestures is |
//! | `label` | short texts, kept from frame to frame |
//!
//! Everything but the texts is drawn anew for every frame, and only where something is drawn the picture is written.

mod bars;
mod face;
mod gesture;
mod label;

use cairo::Context;

use self::label::Labels;
use crate::{
    drawing::{Area, layer::Layer, surface},
    face::{BLENDSHAPES, Face},
    gestures::SequenceState,
    picture::PictureMut,
};

/// What is drawn. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    /// The lines of the mesh; those of eyes, brows, lips and outline stronger.
    pub mesh: bool,
    /// The landmarks as dots.
    pub points: bool,
    /// The rectangle around the mesh, with the probability that it is a face.
    pub bounds: bool,
    /// The head's axes (x red, y green, z blue) and its angles in degrees.
    pub axes: bool,
    /// Blendshapes of the first face.
    pub bars: Bars,
    /// The gesture that is asked for.
    pub gesture: bool,
}

/// Which blendshapes are drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Bars {
    /// None.
    #[default]
    Hidden,
    /// So many: those that were the strongest in the last seconds.
    Strongest(usize),
    /// These, by their place in [`BLENDSHAPE_NAMES`](crate::face::BLENDSHAPE_NAMES).
    Chosen(Vec<usize>),
}

/// Draws faces; keeps texts, and how strong blendshapes were. Belongs to one stream.
pub struct FacePainter {
    labels: Labels,
    peaks: [f32; BLENDSHAPES],
    side: Side,
}

/// Where the bars are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Side {
    #[default]
    Left,
    Right,
}

impl Side {
    /// The side with more room beside a face whose middle is at `x`, 0..1; the same as before where it makes no difference.
    fn beside(self, x: f32) -> Self {
        match x {
            _ if x > 0.55 => Self::Left,
            _ if x < 0.45 => Self::Right,
            _ => self,
        }
    }
}

/// Sizes that follow the picture's.
#[derive(Clone, Copy)]
struct Scale {
    width: usize,
    height: usize,
    /// Height of letters in pixels.
    font: f64,
    /// Thickness of a thin line in pixels.
    line: f64,
    margin: f64,
}

impl Scale {
    fn of((width, height): (usize, usize)) -> Self {
        let unit = (height as f64 / 14.0).min(width as f64 / 13.0);
        let font = (unit * 0.42).clamp(9.0, 24.0);
        Self { width, height, font, line: (unit / 26.0).clamp(0.8, 2.4), margin: (unit * 0.4).max(3.0) }
    }

    /// The pixels that a rectangle touches, within the picture.
    fn area(&self, x0: f64, y0: f64, x1: f64, y1: f64) -> Area {
        let low = |value: f64| value.max(0.0) as usize & !1;
        let high = |value: f64, limit: usize| (value.ceil().max(0.0) as usize).min(limit).next_multiple_of(2);
        let (x, y) = (low(x0), low(y0));
        let (right, bottom) = (high(x1, self.width), high(y1, self.height));
        Area { x, y, width: right.saturating_sub(x), height: bottom.saturating_sub(y) }
    }
}

impl Default for FacePainter {
    fn default() -> Self {
        Self { labels: Labels::default(), peaks: [0.0; BLENDSHAPES], side: Side::default() }
    }
}

impl FacePainter {
    /// Nothing is kept before the first frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// Draws faces, the one that is followed first, and the state of the gestures onto a picture.
    pub fn draw<'a>(
        &mut self,
        faces: impl IntoIterator<Item = &'a Face>,
        gesture: Option<&SequenceState>,
        shown: &Shown,
        out: &mut PictureMut,
    ) {
        let scale = Scale::of(out.size());
        let mut faces = faces.into_iter().filter(|face| face.landmarks.as_flattened().iter().all(|v| v.is_finite()));
        let first = faces.next();
        match first {
            Some(face) => {
                self.note(face);
                // Under the face, where the two meet.
                let places = bars::choose(&shown.bars, &self.peaks);
                bars::draw(face, &places, self.side, &scale, &mut self.labels, out);
            }
            None => self.peaks = [0.0; BLENDSHAPES],
        }
        for face in first.into_iter().chain(faces) {
            face::draw(face, shown, &scale, &mut self.labels, out);
        }
        if let Some(state) = gesture.filter(|_| shown.gesture) {
            gesture::draw(state, &scale, &mut self.labels, out);
        }
    }

    /// Peaks fall by half in about a second of video, so that bars do not change places with every frame.
    fn note(&mut self, face: &Face) {
        const FALL: f32 = 0.975;
        for (peak, score) in self.peaks.iter_mut().zip(face.blendshapes) {
            *peak = (*peak * FALL).max(score);
        }
        let bounds = face.bounding_box();
        self.side = self.side.beside(bounds.x + bounds.width / 2.0);
    }
}

/// Draws into an area and blends it. Cairo fails for lack of memory only; then nothing is shown.
fn paint(area: Area, out: &mut PictureMut, paint: impl FnOnce(&Context) -> Result<(), cairo::Error>) {
    if area.width == 0 || area.height == 0 {
        return;
    }
    let painted = surface(area, |cr| {
        cr.translate(-(area.x as f64), -(area.y as f64));
        paint(cr)
    });
    let Ok(mut surface) = painted else { return };
    let stride = surface.stride() as usize;
    if let Ok(argb) = surface.data() {
        Layer { area, argb: &argb, stride }.blend(out);
    }
}

#[cfg(test)]
mod tests;

//! Pictures side by side with a caption under each: what a subject saw, on one sheet.

use cairo::{Context, Format, ImageSurface};

use crate::picture::RgbPicture;

/// Pictures in a row.
const COLUMNS: usize = 3;
/// Width of a picture on the sheet, pixels; the height follows the largest picture's shape.
const CELL: usize = 400;
const GAP: usize = 16;
const CAPTION: usize = 44;
const TITLE: usize = 56;

/// A sheet that cannot be drawn: the surface could not be made, for want of memory.
#[derive(Debug, thiserror::Error)]
#[error("the contact sheet cannot be drawn: {0}")]
pub struct ContactSheetError(String);

impl From<cairo::Error> for ContactSheetError {
    fn from(e: cairo::Error) -> Self {
        Self(e.to_string())
    }
}

/// Draws the sheet.
pub fn draw(title: &str, cells: &[(String, RgbPicture)]) -> Result<RgbPicture, ContactSheetError> {
    let columns = cells.len().clamp(1, COLUMNS);
    let rows = cells.len().div_ceil(columns);
    let tallest = cells.iter().map(|(_, p)| CELL * p.height / p.width.max(1)).max().unwrap_or(0);
    let (width, height) = (GAP + columns * (CELL + GAP), TITLE + rows * (tallest + CAPTION + GAP));
    let mut surface = ImageSurface::create(Format::Rgb24, width as i32, height as i32)?;
    {
        let context = Context::new(&surface)?;
        context.set_source_rgb(0.97, 0.97, 0.96);
        context.paint()?;
        text(&context, title, (GAP, 14), width - 2 * GAP, "DejaVu Sans, Noto Sans, Bold 15");
        for (i, (caption, picture)) in cells.iter().enumerate() {
            let (x, y) = (GAP + i % columns * (CELL + GAP), TITLE + i / columns * (tallest + CAPTION + GAP));
            paint(&context, picture, (x, y), CELL)?;
            text(
                &context,
                caption,
                (x, y + CELL * picture.height / picture.width.max(1) + 6),
                CELL,
                "DejaVu Sans, Noto Sans 11",
            );
        }
    }
    let stride = surface.stride() as usize;
    let data = surface.data().map_err(|e| ContactSheetError(e.to_string()))?;
    // Rgb24 is 32 bits a pixel in the machine's byte order.
    let pixels = data.chunks(stride).take(height).flat_map(|row| row.chunks_exact(4).take(width));
    let data =
        pixels.flat_map(|p| u32::from_ne_bytes([p[0], p[1], p[2], p[3]]).to_be_bytes().into_iter().skip(1)).collect();
    Ok(RgbPicture { data, width, height })
}

fn paint(
    context: &Context,
    picture: &RgbPicture,
    (x, y): (usize, usize),
    width: usize,
) -> Result<(), ContactSheetError> {
    let mut surface = ImageSurface::create(Format::Rgb24, picture.width as i32, picture.height as i32)?;
    let stride = surface.stride() as usize;
    {
        let mut data = surface.data().map_err(|e| ContactSheetError(e.to_string()))?;
        for (to, from) in data.chunks_mut(stride).zip(picture.data.chunks_exact(3 * picture.width)) {
            for (to, from) in to.chunks_exact_mut(4).zip(from.chunks_exact(3)) {
                to.copy_from_slice(&u32::from_be_bytes([0, from[0], from[1], from[2]]).to_ne_bytes());
            }
        }
    }
    context.save()?;
    context.translate(x as f64, y as f64);
    let scale = width as f64 / picture.width as f64;
    context.scale(scale, scale);
    context.set_source_surface(&surface, 0.0, 0.0)?;
    context.source().set_filter(cairo::Filter::Good);
    context.paint()?;
    context.restore()?;
    Ok(())
}

fn text(context: &Context, text: &str, (x, y): (usize, usize), width: usize, font: &str) {
    let layout = pangocairo::functions::create_layout(context);
    layout.set_font_description(Some(&pango::FontDescription::from_string(font)));
    layout.set_text(text);
    layout.set_width(width as i32 * pango::SCALE);
    layout.set_ellipsize(pango::EllipsizeMode::End);
    context.set_source_rgb(0.13, 0.14, 0.16);
    context.move_to(x as f64, y as f64);
    pangocairo::functions::show_layout(context, &layout);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_is_on_the_sheet_in_its_place() {
        let colours = [[200, 10, 10], [10, 200, 10], [10, 10, 200], [200, 200, 10]];
        let cells: Vec<_> = colours
            .iter()
            .map(|c| ("caption".to_owned(), RgbPicture { data: c.repeat(80 * 60), width: 80, height: 60 }))
            .collect();
        let sheet = draw("title", &cells).unwrap();
        assert_eq!(sheet.data.len(), 3 * sheet.width * sheet.height);
        for (i, colour) in colours.iter().enumerate() {
            let (x, y) = (GAP + i % 3 * (CELL + GAP) + CELL / 2, TITLE + i / 3 * (300 + CAPTION + GAP) + 150);
            let at = 3 * (y * sheet.width + x);
            assert_eq!(&sheet.data[at..at + 3], colour, "picture {i}");
        }
        assert!(sheet.data[..3 * sheet.width * TITLE].iter().any(|v| *v < 100), "the title is written");
    }

    #[test]
    fn an_empty_sheet_is_no_failure() {
        assert!(draw("nothing happened", &[]).is_ok());
    }
}

//! Scores of all samples as dots, a row per condition and species.

use std::fmt::{self, Write as _};

use vision_core::liveness::passive::fusion::{FAIL, PASS, judge};

use super::calibration::evidence;
use super::samples::Sample;
use super::tables::folds;
use crate::attacks::SPECIES;
use crate::attacks::real::CONDITIONS;

const LEFT: f32 = 210.0;
const WIDTH: f32 = 620.0;
const ROW: f32 = 30.0;
const TOP: f32 = 64.0;

const INK: &str = "#1f2933";
const FAINT: &str = "#7b8794";
const REAL: &str = "#0072b2";
const ATTACK: &str = "#d55e00";

/// An SVG picture.
pub fn scores(samples: &[Sample]) -> Result<String, fmt::Error> {
    let folds = folds(samples);
    let real = CONDITIONS.iter().map(|(kind, _)| (*kind, format!("real, {kind}"), REAL));
    let attacks = SPECIES.iter().map(|(kind, _)| (*kind, (*kind).to_owned(), ATTACK));
    let rows: Vec<_> = real.chain(attacks).collect();
    let bottom = TOP + ROW * rows.len() as f32;
    let (width, height) = (LEFT + WIDTH + 30.0, bottom + 44.0);
    let at = |score: f32| LEFT + WIDTH * score;
    let mut svg = String::new();
    write!(svg, r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" "#)?;
    writeln!(svg, r#"height="{height}" font-family="Noto Sans, DejaVu Sans, sans-serif" font-size="12">"#)?;
    writeln!(svg, r##"<rect width="100%" height="100%" fill="#ffffff"/>"##)?;
    text(
        &mut svg,
        [LEFT, 24.0],
        "start",
        INK,
        "Passive liveness: scores of people and attacks that were not fitted on",
    )?;
    for (total, label) in [(FAIL, "fails up to here"), (PASS, "passes from here")] {
        let x = at(1.0 / (1.0 + (-total).exp()));
        writeln!(svg, r#"<path d="M{x:.1} {TOP}V{bottom}" stroke="{FAINT}" stroke-dasharray="6 4"/>"#)?;
        text(&mut svg, [x, TOP - 8.0], "middle", FAINT, label)?;
    }
    for (index, (kind, name, colour)) in rows.iter().enumerate() {
        let y = TOP + ROW * (index as f32 + 0.5);
        text(&mut svg, [LEFT - 10.0, y + 4.0], "end", INK, name)?;
        writeln!(svg, r##"<path d="M{LEFT} {y}h{WIDTH}" stroke="#e4e7eb"/>"##)?;
        for (n, sample) in samples.iter().filter(|sample| sample.kind == *kind).enumerate() {
            if let Some(score) = judge(&evidence(&folds[sample.person], sample, &[])).score {
                // Not on one line, so that equal ones are seen.
                let (x, y) = (at(score), y + (n % 5) as f32 * 3.0 - 6.0);
                writeln!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{colour}" fill-opacity="0.55"/>"#)?;
            }
        }
    }
    for tick in 0..=5 {
        let score = tick as f32 / 5.0;
        text(&mut svg, [at(score), bottom + 18.0], "middle", FAINT, &format!("{score}"))?;
    }
    text(&mut svg, [at(0.5), bottom + 36.0], "middle", FAINT, "score")?;
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn text(svg: &mut String, [x, y]: [f32; 2], anchor: &str, colour: &str, text: &str) -> fmt::Result {
    writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="{colour}">{text}</text>"#)
}

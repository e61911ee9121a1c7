//! Scores of all samples as dots, a row per condition and species.

use std::fmt::Write as _;

use vision_core::liveness::passive::fusion::{FAIL, PASS, judge};

use super::calibration::evidence;
use super::samples::Sample;
use super::tables::folds;
use crate::attacks::SPECIES;
use crate::attacks::real::CONDITIONS;

const LEFT: f32 = 210.0;
const WIDTH: f32 = 620.0;
const ROW: f32 = 30.0;
const TOP: f32 = 54.0;

/// An SVG picture.
pub fn scores(samples: &[Sample]) -> String {
    let folds = folds(samples);
    let real = CONDITIONS.iter().map(|(kind, _)| (*kind, format!("real, {kind}"), "#0072b2"));
    let attacks = SPECIES.iter().map(|(kind, _)| (*kind, (*kind).to_owned(), "#d55e00"));
    let rows: Vec<_> = real.chain(attacks).collect();
    let bottom = TOP + ROW * rows.len() as f32;
    let (width, height) = (LEFT + WIDTH + 30.0, bottom + 44.0);
    let mut svg = String::new();
    let style = r#"font-family="Noto Sans, DejaVu Sans, sans-serif" font-size="12""#;
    let size = format!(r#"viewBox="0 0 {width} {height}" width="{width}" height="{height}""#);
    // Writing to a string does not fail.
    let _ = writeln!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" {size} {style}><rect width="100%" height="100%" fill="#fff"/>"##
    );
    let _ = writeln!(
        svg,
        r#"<text x="{LEFT}" y="24" font-size="15" font-weight="bold">Passive liveness: score of people and attacks that were not fitted on</text>"#
    );
    let at = |score: f32| LEFT + WIDTH * score;
    for (total, label) in [(FAIL, "failed below"), (PASS, "passed from")] {
        let x = at(1.0 / (1.0 + (-total).exp()));
        let _ = writeln!(
            svg,
            r##"<path d="M{x:.1} {TOP}V{bottom}" stroke="#7b8794" stroke-dasharray="6 4"/><text x="{x:.1}" y="{:.1}" text-anchor="middle" fill="#7b8794">{label}</text>"##,
            TOP - 8.0
        );
    }
    for (index, (kind, name, colour)) in rows.iter().enumerate() {
        let y = TOP + ROW * (index as f32 + 0.5);
        let _ = writeln!(
            svg,
            r##"<text x="{:.1}" y="{:.1}" text-anchor="end">{name}</text><path d="M{LEFT} {y}h{WIDTH}" stroke="#e4e7eb"/>"##,
            LEFT - 10.0,
            y + 4.0
        );
        for (n, sample) in samples.iter().filter(|sample| sample.kind == *kind).enumerate() {
            if let Some(score) = judge(&evidence(&folds[sample.person], sample, &[])).score {
                // Side by side, so that equal ones are seen.
                let shift = (n % 5) as f32 * 3.0 - 6.0;
                let _ = writeln!(
                    svg,
                    r#"<circle cx="{:.1}" cy="{:.1}" r="4" fill="{colour}" fill-opacity="0.55"/>"#,
                    at(score),
                    y + shift
                );
            }
        }
    }
    for tick in 0..=5 {
        let score = tick as f32 / 5.0;
        let _ =
            writeln!(svg, r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">{score}</text>"#, at(score), bottom + 18.0);
    }
    let _ =
        writeln!(svg, r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">score</text></svg>"#, at(0.5), bottom + 36.0);
    svg
}

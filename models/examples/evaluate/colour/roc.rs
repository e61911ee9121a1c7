//! A receiver operating curve as an SVG picture: what is found of what is there, for each part of attacks taken for it.

use std::fmt::{self, Write};

/// A line of the plot.
pub struct Curve {
    /// What is to be found.
    pub name: String,
    /// Scores of recordings in which it is there.
    pub genuine: Vec<f32>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 200.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 56.0;
/// Decades of false accepts, from one in so many tens of tens.
const DECADES: f64 = 4.0;
/// Okabe and Ito's, told apart by everybody.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#00795c", "#8f4fa8", "#a3741a", "#3b6fb5"];

/// Draws curves against the same attacks. `threshold` is the one in use: its place is marked on each.
pub fn svg(title: &str, curves: &[Curve], attacks: &[f32], threshold: f32) -> Result<String, fmt::Error> {
    let mut svg = String::new();
    let x = |part: f64| LEFT + (1.0 + part.max(1e-9).log10() / DECADES).max(0.0) * (WIDTH - LEFT - RIGHT);
    let y = |part: f64| TOP + (1.0 - part) * (HEIGHT - TOP - BOTTOM);
    writeln!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-family="Noto Sans, DejaVu Sans, sans-serif" font-size="12" fill="#1f2933">"##
    )?;
    writeln!(svg, r##"<rect width="100%" height="100%" fill="#ffffff"/>"##)?;
    writeln!(svg, r#"<text x="{LEFT}" y="28" font-size="16" font-weight="bold">{title}</text>"#)?;
    for decade in 0..=DECADES as i32 {
        let (part, at) = (10_f64.powi(-decade), x(10_f64.powi(-decade)));
        writeln!(svg, r##"<path d="M{at:.1} {TOP}V{:.1}" stroke="#e4e7eb"/>"##, y(0.0))?;
        writeln!(svg, r#"<text x="{at:.1}" y="{:.1}" text-anchor="middle">{}</text>"#, y(0.0) + 18.0, part)?;
    }
    for tenth in (0..=10).step_by(2) {
        let at = y(f64::from(tenth) / 10.0);
        writeln!(svg, r##"<path d="M{LEFT} {at:.1}H{:.1}" stroke="#e4e7eb"/>"##, WIDTH - RIGHT)?;
        writeln!(svg, r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{} %</text>"#, LEFT - 8.0, at + 4.0, 10 * tenth)?;
    }
    let part = |scores: &[f32], limit: f32| {
        scores.iter().filter(|score| **score >= limit).count() as f64 / scores.len().max(1) as f64
    };
    for (i, curve) in curves.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let mut limits: Vec<f32> = curve.genuine.clone();
        limits.push(0.0);
        limits.sort_by(|a, b| b.total_cmp(a));
        let mut path = format!("M{LEFT} {:.1}", y(part(&curve.genuine, limits[0])));
        for limit in limits {
            write!(path, "H{:.1}V{:.1}", x(part(attacks, limit)), y(part(&curve.genuine, limit)))?;
        }
        writeln!(svg, r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>"#)?;
        let (false_accepts, found) = (part(attacks, threshold), part(&curve.genuine, threshold));
        writeln!(svg, r#"<circle cx="{:.1}" cy="{:.1}" r="4" fill="{colour}"/>"#, x(false_accepts), y(found))?;
        let label = TOP + 14.0 + 20.0 * i as f64;
        writeln!(svg, r#"<text x="{:.1}" y="{label}" fill="{colour}">{}</text>"#, WIDTH - RIGHT + 14.0, curve.name)?;
    }
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    writeln!(
        svg,
        r#"<text x="{middle}" y="{:.1}" text-anchor="middle">part of attacks that is taken for it</text>"#,
        HEIGHT - 14.0
    )?;
    writeln!(svg, "</svg>")?;
    Ok(svg)
}

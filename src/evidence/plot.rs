//! A value over time as an SVG, to be read without scripts.

use std::fmt::{self, Write as _};

use super::record::Series;
use super::report::Text;

/// Size of a plot, and of its part inside the axes.
const SIZE: (f32, f32) = (640.0, 150.0);
const LEFT: f32 = 48.0;
const RIGHT: f32 = 632.0;
const TOP: f32 = 8.0;
const BOTTOM: f32 = 124.0;

/// Draws `series`; none where nothing was measured. `marks`: moments worth seeing, in milliseconds, with their names.
pub(super) fn svg(series: &Series, marks: &[(u64, String)]) -> Option<String> {
    let ends = (series.points.first()?.0, series.points.last()?.0);
    draw(series, ends, marks).ok()
}

fn draw(series: &Series, (first, last): (u64, u64), marks: &[(u64, String)]) -> Result<String, fmt::Error> {
    let values = series.points.iter().map(|point| point.1).chain(series.thresholds.iter().map(|t| t.value));
    let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(value), high.max(value)));
    // a line that does not move is drawn in the middle
    let room = if high - low < 1e-6 { 1.0 } else { 0.08 * (high - low) };
    let (low, high) = (low - room, high + room);
    let span = (last - first).max(1) as f32;
    let x = |at: u64| LEFT + (RIGHT - LEFT) * (at.saturating_sub(first)) as f32 / span;
    let y = |value: f32| BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low);

    let mut svg = String::new();
    write!(
        svg,
        r#"<svg viewBox="0 0 {} {}" role="img" aria-label="{}"><rect x="{LEFT}" y="{TOP}" width="{}" height="{}" class="frame"/>"#,
        SIZE.0,
        SIZE.1,
        Text(&series.name),
        RIGHT - LEFT,
        BOTTOM - TOP,
    )?;
    for (value, baseline) in [(high, TOP + 10.0), (low, BOTTOM)] {
        write!(svg, r#"<text x="{}" y="{baseline}" class="y">{value:.2}</text>"#, LEFT - 4.0)?;
    }
    for (at, anchor) in [(first, "start"), (last, "end")] {
        write!(
            svg,
            r#"<text x="{}" y="{}" text-anchor="{anchor}">{:.1} s</text>"#,
            x(at),
            BOTTOM + 14.0,
            at as f32 / 1000.0
        )?;
    }
    for threshold in &series.thresholds {
        let at = y(threshold.value);
        write!(svg, r#"<line x1="{LEFT}" x2="{RIGHT}" y1="{at:.1}" y2="{at:.1}" class="threshold"/>"#)?;
        write!(
            svg,
            r#"<text x="{}" y="{:.1}" class="threshold">{}</text>"#,
            LEFT + 3.0,
            at - 3.0,
            Text(&threshold.name)
        )?;
    }
    for (at, name) in marks.iter().filter(|(at, _)| (first..=last).contains(at)) {
        let at = x(*at);
        write!(
            svg,
            r#"<line x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{BOTTOM}" class="mark"><title>{}</title></line>"#,
            Text(name)
        )?;
    }
    svg.push_str(r#"<polyline points=""#);
    for (at, value) in &series.points {
        write!(svg, "{:.1},{:.1} ", x(*at), y(*value))?;
    }
    svg.push_str(r#""/></svg>"#);
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::record::Threshold;

    #[test]
    fn a_value_and_its_threshold_stay_inside() {
        let mut series = Series::new("a < b", "", vec![Threshold { name: "step 1".into(), value: 0.9 }]);
        assert!(svg(&series, &[]).is_none());
        for (at, value) in [(1000, 0.1), (2000, 0.5), (3000, 0.2)] {
            series.push(at, value);
        }
        let drawn = svg(&series, &[(2000, "done".into()), (9000, "later".into())]).unwrap();
        assert!(drawn.contains("a &lt; b") && drawn.contains("step 1"), "{drawn}");
        assert!(drawn.contains("done") && !drawn.contains("later"), "what is outside of the time is left out");
        let line = drawn.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        let points: Vec<Vec<f32>> =
            line.split_whitespace().map(|p| p.split(',').map(|n| n.parse().unwrap()).collect()).collect();
        assert_eq!((points.len(), points[0][0], points[2][0]), (3, LEFT, RIGHT));
        assert!(points.iter().all(|p| (TOP..=BOTTOM).contains(&p[1])), "{points:?}");
        assert!(points[1][1] < points[0][1], "more is higher");
    }
}

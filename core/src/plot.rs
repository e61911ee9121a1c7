//! Signals over time as an SVG picture: one panel for each signal, with the thresholds of the gestures that watch it, and a mark
//! for every gesture that was completed.

use std::fmt::{self, Write};

/// One panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The signal's name.
    pub name: String,
    /// Milliseconds and value, in time's order. A gap of more than [`GAP_MS`] interrupts the line.
    pub points: Vec<(f64, f64)>,
    /// Values that matter.
    pub thresholds: Vec<Threshold>,
    /// What happened, drawn in this panel.
    pub events: Vec<Event>,
}

/// A horizontal line.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// Where it is.
    pub value: f64,
    /// What it means, such as `blink < 0.35`.
    pub label: String,
}

/// A vertical mark.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, in milliseconds.
    pub ms: f64,
    /// What, such as `blink`.
    pub label: String,
}

/// Points that are further apart than this, in milliseconds, are not connected: there was no face in between.
pub const GAP_MS: f64 = 250.0;

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 70.0;
/// Room on the right for the labels of thresholds.
const RIGHT: f64 = 190.0;
const TOP: f64 = 68.0;
const PANEL: f64 = 150.0;
const PANEL_GAP: f64 = 44.0;
const BOTTOM: f64 = 52.0;

const INK: &str = "#1f2933";
const FAINT: &str = "#7b8794";
const GRID: &str = "#e4e7eb";
const EVENT: &str = "#15803d";
/// Lines and their thresholds; panel after panel takes the next (Okabe and Ito's palette, told apart by everybody).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#8f4fa8", "#00795c", "#a3741a", "#3b6fb5"];

/// Draws a plot with a title.
pub fn svg(title: &str, series: &[Series]) -> String {
    let mut svg = String::new();
    // Writing to a string does not fail.
    let _ = write_svg(&mut svg, title, series);
    svg
}

/// From values to places.
struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Round values, about `count` of them.
    fn ticks(&self, count: f64) -> Vec<f64> {
        let step = round_step((self.high - self.low) / count);
        let first = (self.low / step - 1e-6).ceil() as i64;
        let last = (self.high / step + 1e-6).floor() as i64;
        (first..=last).map(|i| i as f64 * step).collect()
    }
}

/// The least of 1, 2, 5, 10, 20, ... that is not below `step`.
fn round_step(step: f64) -> f64 {
    let magnitude = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        .find(|round| *round >= step * 0.999)
        .unwrap_or(10.0 * magnitude)
}

fn write_svg(svg: &mut String, title: &str, series: &[Series]) -> fmt::Result {
    let height = TOP + series.len().max(1) as f64 * (PANEL + PANEL_GAP) - PANEL_GAP + BOTTOM;
    let end = series
        .iter()
        .flat_map(|series| &series.points)
        .map(|(ms, _)| *ms)
        .filter(|ms| ms.is_finite())
        .fold(1.0, f64::max);
    let time = Scale { low: 0.0, high: end, from: LEFT, to: WIDTH - RIGHT };
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="Noto Sans, DejaVu Sans, sans-serif" font-size="12">"#
    )?;
    writeln!(svg, r##"<rect width="100%" height="100%" fill="#ffffff"/>"##)?;
    text(svg, (LEFT, 30.0), "start", INK, r#" font-size="17" font-weight="bold""#, title)?;
    for (i, series) in series.iter().enumerate() {
        let top = TOP + i as f64 * (PANEL + PANEL_GAP);
        panel(svg, series, &time, top, COLOURS[i % COLOURS.len()])?;
    }
    text(svg, ((LEFT + WIDTH - RIGHT) / 2.0, height - 12.0), "middle", FAINT, "", "time in seconds")?;
    svg.push_str("</svg>\n");
    Ok(())
}

fn panel(svg: &mut String, series: &Series, time: &Scale, top: f64, colour: &str) -> fmt::Result {
    let value = value_scale(series, top);
    let bottom = top + PANEL;
    text(svg, (LEFT, top - 8.0), "start", colour, r#" font-weight="bold" font-size="13""#, &series.name)?;
    for tick in value.ticks(4.0) {
        let y = value.at(tick);
        line(svg, (time.from, y), (time.to, y), GRID, "")?;
        text(svg, (time.from - 8.0, y + 4.0), "end", FAINT, "", &number(tick))?;
    }
    for tick in time.ticks(10.0) {
        let x = time.at(tick);
        line(svg, (x, top), (x, bottom), GRID, "")?;
        text(svg, (x, bottom + 16.0), "middle", FAINT, "", &number(tick / 1000.0))?;
    }
    for threshold in &series.thresholds {
        let y = value.at(threshold.value);
        line(svg, (time.from, y), (time.to, y), colour, r#" stroke-dasharray="6 4" stroke-opacity="0.6""#)?;
    }
    for (y, label) in spread(&series.thresholds, &value) {
        text(svg, (time.to + 8.0, y + 4.0), "start", colour, "", &label)?;
    }
    curve(svg, &series.points, time, &value, colour)?;
    let mut last = f64::MIN;
    for event in &series.events {
        let x = time.at(event.ms);
        line(svg, (x, top), (x, bottom), EVENT, r#" stroke-width="1.5""#)?;
        // Names that would run into each other are left to the mark's own title.
        let room = 7.0 * event.label.chars().count() as f64;
        if x - room / 2.0 > last {
            text(svg, (x, top - 8.0), "middle", EVENT, "", &event.label)?;
            last = x + room / 2.0;
        }
        let (x, y) = (coordinate(x), coordinate(top));
        let title = escape(&format!("{} at {} s", event.label, number(event.ms / 1000.0)));
        writeln!(svg, r#"<circle cx="{x}" cy="{y}" r="4" fill="{EVENT}"><title>{title}</title></circle>"#)?;
    }
    writeln!(
        svg,
        r#"<rect x="{}" y="{top}" width="{}" height="{PANEL}" fill="none" stroke="{FAINT}" stroke-opacity="0.5"/>"#,
        time.from,
        time.to - time.from
    )
}

/// All points and thresholds, 0..1 for scores.
fn value_scale(series: &Series, top: f64) -> Scale {
    let values = series.points.iter().map(|(_, value)| *value).chain(series.thresholds.iter().map(|line| line.value));
    let (mut low, mut high) = (f64::MAX, f64::MIN);
    for value in values.filter(|value| value.is_finite()) {
        (low, high) = (low.min(value), high.max(value));
    }
    let (low, high) = match (low, high) {
        _ if low > high => (0.0, 1.0),
        _ if low >= 0.0 && high <= 1.0 => (0.0, 1.0),
        _ => {
            let room = ((high - low) * 0.08).max(0.05);
            (low - room, high + room)
        }
    };
    Scale { low, high, from: top + PANEL, to: top }
}

/// Places for the labels of thresholds, none on top of another; equal lines share theirs.
fn spread(thresholds: &[Threshold], value: &Scale) -> Vec<(f64, String)> {
    const LINE: f64 = 14.0;
    let mut labels: Vec<(f64, String)> = Vec::new();
    for threshold in thresholds {
        let y = value.at(threshold.value);
        match labels.iter_mut().find(|(known, _)| (*known - y).abs() < 0.01) {
            Some((_, label)) if *label == threshold.label => {}
            Some((_, label)) => *label = format!("{label}, {}", threshold.label),
            None => labels.push((y, threshold.label.clone())),
        }
    }
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    for i in 1..labels.len() {
        labels[i].0 = labels[i].0.max(labels[i - 1].0 + LINE);
    }
    labels
}

fn curve(svg: &mut String, points: &[(f64, f64)], time: &Scale, value: &Scale, colour: &str) -> fmt::Result {
    let mut path = String::new();
    let mut last = f64::MIN;
    for (ms, y) in points.iter().filter(|(ms, y)| ms.is_finite() && y.is_finite()) {
        let command = if ms - last > GAP_MS { 'M' } else { 'L' };
        let (x, y) = (coordinate(time.at(*ms)), coordinate(value.at(*y)));
        write!(path, "{command}{x} {y}")?;
        last = *ms;
    }
    if path.is_empty() {
        return Ok(());
    }
    writeln!(svg, r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.8" stroke-linejoin="round"/>"#)
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), colour: &str, more: &str) -> fmt::Result {
    let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(coordinate);
    writeln!(svg, r#"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}"{more}/>"#)
}

fn text(svg: &mut String, at: (f64, f64), anchor: &str, colour: &str, more: &str, text: &str) -> fmt::Result {
    let (x, y, text) = (coordinate(at.0), coordinate(at.1), escape(text));
    writeln!(svg, r#"<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}"{more}>{text}</text>"#)
}

/// A tenth of a pixel is enough.
fn coordinate(value: f64) -> String {
    number((value * 10.0).round() / 10.0)
}

/// Without the noise of binary fractions.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Series {
        let threshold = |value, label: &str| Threshold { value, label: label.to_owned() };
        Series {
            name: "jawOpen <&>".into(),
            points: (0..100).map(|i| (f64::from(i) * 40.0, f64::from(i % 20) / 20.0)).collect(),
            thresholds: vec![threshold(0.2, "a < 0.2"), threshold(0.21, "b > 0.21"), threshold(0.2, "c < 0.2")],
            events: vec![
                Event { ms: 1000.0, label: "openCloseMouth".into() },
                Event { ms: 1040.0, label: "openCloseMouth".into() },
            ],
        }
    }

    #[test]
    fn everything_is_drawn_and_escaped() {
        let svg = svg("clip.mp4 & more", &[series(), series()]);
        assert_eq!(svg.matches("<path").count(), 2);
        assert_eq!(svg.matches("<circle").count(), 4);
        assert_eq!(svg.matches("stroke-dasharray").count(), 6);
        assert!(svg.contains("clip.mp4 &amp; more") && svg.contains("jawOpen &lt;&amp;&gt;"));
        assert!(svg.contains("a &lt; 0.2, c &lt; 0.2") && svg.contains("b &gt; 0.21"));
        assert_eq!(svg.matches(">openCloseMouth</text>").count(), 2, "names do not run into each other");
        assert_eq!(svg.matches('<').count(), svg.matches('>').count());
    }

    #[test]
    fn a_gap_interrupts_the_line() {
        let pieces = |series: Series| {
            let svg = svg("", &[series]);
            let path = svg.split("<path d=\"").nth(1).unwrap().split('"').next().unwrap();
            path.matches('M').count()
        };
        let mut gap = series();
        gap.points.retain(|(ms, _)| !(1000.0..2000.0).contains(ms));
        assert_eq!((pieces(series()), pieces(gap)), (1, 2));
    }

    #[test]
    fn nothing_and_nonsense_can_be_drawn() {
        let broken = Series { points: vec![(0.0, f64::NAN), (f64::INFINITY, 1.0)], ..series() };
        let empty = Series { points: Vec::new(), thresholds: Vec::new(), ..series() };
        for svg in [svg("", &[]), svg("", &[broken]), svg("", &[empty])] {
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
            assert!(!svg.contains("NaN") && !svg.contains("inf\""), "{svg}");
        }
    }

    #[test]
    fn ticks_are_round() {
        let scale = |low, high| Scale { low, high, from: 0.0, to: 1.0 };
        assert_eq!(
            scale(0.0, 14_930.0).ticks(10.0),
            [0.0, 2000.0, 4000.0, 6000.0, 8000.0, 10_000.0, 12_000.0, 14_000.0]
        );
        assert_eq!(scale(0.0, 1.0).ticks(4.0), [0.0, 0.5, 1.0]);
        assert_eq!(scale(-0.31, 0.37).ticks(4.0), [-0.2, 0.0, 0.2]);
        assert_eq!([number(0.1 + 0.2), number(-0.0001), number(3.0)], ["0.3", "0", "3"]);
    }
}

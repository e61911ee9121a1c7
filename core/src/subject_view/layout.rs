//! Where everything goes, by the size of the picture. Pure geometry.
//!
//! From top to bottom: the time left, the message, the guide around the face (or the tick, the cross, the pulsing dot),
//! the warning, the steps.
//! All sizes follow one unit, so that a phone held upright and a large landscape picture look alike.

pub use crate::drawing::Area;

/// The places of all parts. Those that may be shown together do not overlap; the guide and the icon share theirs.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Width of the picture.
    pub width: usize,
    /// Height of the picture.
    pub height: usize,
    /// The largest card that a message may fill; it grows from the top with its lines.
    pub message: Area,
    /// Height of the message's letters in pixels, before they are shrunk to fit.
    pub message_font: f64,
    /// The box of the oval.
    pub guide: Area,
    /// The box of tick and cross.
    pub icon: Area,
    /// The largest card that a warning may fill; it grows from the bottom.
    pub warning: Area,
    /// Height of the warning's letters in pixels, before they are shrunk to fit.
    pub warning_font: f64,
    /// Dots and numbers of the steps.
    pub step: Area,
    /// The bar of time left.
    pub countdown: Area,
    /// The pulsing dot.
    pub pulse: Area,
}

impl Layout {
    /// For a picture of this size in pixels.
    pub fn of(width: usize, height: usize) -> Self {
        let (w, h) = (width as f64, height as f64);
        // One unit is a fourteenth of the height; upright pictures have less room in a line, so there the width decides.
        let unit = (h / 14.0).min(w / 13.0);
        let margin = unit * 0.5;
        let inner = w - 2.0 * margin;
        let place = |x: f64, y: f64, width: f64, height: f64| {
            let even = |value: f64| 2 * (value.max(0.0) / 2.0).round() as usize;
            let (x, y) = (even(x), even(y));
            Area { x, y, width: even(width), height: even(height) }
        };
        let centred =
            |middle: f64, width: f64, height: f64| place((w - width) / 2.0, middle - height / 2.0, width, height);
        // Lines that a text takes in most languages: one more where lines are short.
        let more_lines = if inner < 15.0 * unit { 1.0 } else { 0.0 };

        let bar = (unit * 0.18).max(2.0);
        let countdown = place(margin, margin * 0.5, inner, bar);
        let below = |area: &Area| (area.y + area.height) as f64 + margin * 0.5;
        let message = place(margin, below(&countdown), inner, unit * (0.65 + 1.4 * (2.0 + more_lines)));
        let step_height = (unit * 0.6).max(6.0);
        let step = centred(h - margin * 0.5 - step_height / 2.0, inner, step_height);
        let warning_height = unit * 0.72 * (0.65 + 1.4 * (1.0 + more_lines));
        let warning = place(margin, step.y as f64 - margin * 0.5 - warning_height, inner, warning_height);

        let top = below(&message);
        let free = warning.y as f64 - margin * 0.5 - top;
        let oval_height = free.min(w * 0.66);
        let guide = centred(top + free / 2.0, oval_height * 0.77, oval_height);
        let icon_side = (free * 0.62).min(w * 0.36);
        let icon = centred(top + free / 2.0, icon_side, icon_side);
        let pulse_side = (unit * 3.0).min(free);
        let pulse = centred(top + free / 2.0, pulse_side, pulse_side);
        let (message_font, warning_font) = (unit.max(9.0), (unit * 0.72).max(8.0));
        Self { width, height, message, message_font, guide, icon, warning, warning_font, step, countdown, pulse }
    }
}

/// The size of the composed picture for an input of this size: the input's proportions within `limit`, which is turned
/// by 90 degrees where the input is upright and the limit is not (or the other way round). Never larger than the
/// input, both sides even and at least 2.
pub fn output_size(input: (usize, usize), limit: (usize, usize)) -> (usize, usize) {
    let (width, height) = (input.0.max(2), input.1.max(2));
    let upright = |(w, h): (usize, usize)| h > w;
    let limit = if upright(input) != upright(limit) { (limit.1, limit.0) } else { limit };
    let scale = (limit.0 as f64 / width as f64).min(limit.1 as f64 / height as f64).min(1.0);
    let fit = |side: usize, limit: usize| {
        let even = 2 * (side as f64 * scale / 2.0).round() as usize;
        even.min(side & !1).min(limit & !1).max(2)
    };
    (fit(width, limit.0), fit(height, limit.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [(usize, usize); 14] = [
        (640, 480),
        (480, 640),
        (1280, 720),
        (720, 1280),
        (1920, 1080),
        (1080, 1920),
        (640, 360),
        (360, 640),
        (320, 240),
        (160, 120),
        (120, 160),
        (512, 512),
        (480, 908),
        (96, 96),
    ];

    #[test]
    fn everything_is_inside_and_nothing_overlaps() {
        for (width, height) in SIZES {
            let layout = Layout::of(width, height);
            let whole = Area { x: 0, y: 0, width, height };
            let shown = [layout.message, layout.guide, layout.warning, layout.step, layout.countdown];
            for (i, area) in shown.iter().enumerate() {
                assert!(whole.contains(area), "{width}x{height}: part {i} at {area:?}");
                assert!(area.width > 0 && area.height > 0, "{width}x{height}: part {i} at {area:?}");
                assert!([area.x, area.y, area.width, area.height].iter().all(|edge| edge % 2 == 0));
                for (j, other) in shown.iter().enumerate().skip(i + 1) {
                    assert!(!area.overlaps(other), "{width}x{height}: parts {i} and {j}");
                }
            }
            for centre in [layout.icon, layout.pulse] {
                assert!(shown.iter().enumerate().all(|(i, area)| i == 1 || !centre.overlaps(area)));
                assert!(whole.contains(&centre));
            }
        }
    }

    #[test]
    fn proportions_are_those_of_a_person() {
        for (width, height) in SIZES {
            let layout = Layout::of(width, height);
            let guide = layout.guide;
            let middle = guide.y + guide.height / 2;
            assert!((0.4..0.6).contains(&(middle as f64 / height as f64)), "{width}x{height}: {guide:?}");
            assert!(guide.x.abs_diff(width - guide.x - guide.width) <= 2, "{width}x{height}: {guide:?}");
            assert!(guide.height > guide.width);
            // A face that fills the guide raises no warning: the greatest width is half of the picture, the least a tenth.
            let part = guide.width as f64 / width as f64;
            assert!((0.2..=0.52).contains(&part), "{width}x{height}: {part}");
        }
    }

    #[test]
    fn letters_can_be_read() {
        assert!((Layout::of(640, 480).message_font - 480.0 / 14.0).abs() < 0.1);
        assert!(Layout::of(480, 640).message_font > 36.0);
        for (width, height) in SIZES {
            let layout = Layout::of(width, height);
            assert!(layout.message_font >= 9.0 && layout.message_font > layout.warning_font);
            assert!(layout.message.height as f64 >= 2.0 * layout.message_font);
        }
    }

    #[test]
    fn sizes_of_the_output() {
        let limit = (640, 480);
        let cases = [
            ((640, 480), (640, 480)),
            ((1280, 720), (640, 360)),
            ((1920, 1080), (640, 360)),
            ((720, 1280), (360, 640)),
            ((480, 640), (480, 640)),
            ((320, 240), (320, 240)),
            ((512, 512), (480, 480)),
            ((480, 908), (338, 640)),
            ((641, 481), (640, 480)),
            ((161, 121), (160, 120)),
            ((4000, 10), (640, 2)),
            ((1, 1), (2, 2)),
            ((0, 0), (2, 2)),
        ];
        for (input, expected) in cases {
            assert_eq!(output_size(input, limit), expected, "{input:?}");
            assert_eq!(
                output_size(input, (480, 640)),
                if input.0 == input.1 { output_size(input, limit) } else { expected }
            );
        }
        assert_eq!(output_size((3840, 2160), (1920, 1080)), (1920, 1080));
        for width in (16..2000).step_by(37) {
            for height in (16..2000).step_by(41) {
                let (w, h) = output_size((width, height), limit);
                assert!(w % 2 == 0 && h % 2 == 0 && w <= width && h <= height);
                assert!(w.max(h) <= 640 && w.min(h) <= 480);
            }
        }
    }
}

//! Text, shaped and wrapped by pango: right-to-left, Chinese, Japanese and Korean scripts work as far as the system has
//! fonts for them.
//!
//! Pango's objects belong to one thread, and its fonts take 2 MB in each thread that draws: so there is one thread for
//! it in the process, and [`with_fonts`] runs what needs fonts there.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        LazyLock, OnceLock,
        mpsc::{Sender, channel},
    },
    thread,
};

use cairo::{Antialias, FontOptions, HintMetrics, HintStyle};
use pango::{Alignment, EllipsizeMode, FontDescription, Layout, Weight, WrapMode, prelude::*};

/// First the face that looks best on a small screen, then what nearly every system has.
const FAMILIES: &str = "Noto Sans, DejaVu Sans, sans-serif";
/// Letters are not made smaller than this many pixels before text is cut.
const SMALLEST: f64 = 6.0;

/// A text that fits.
pub(crate) struct Fitted {
    layout: Layout,
    /// Width of its longest line in pixels.
    pub(crate) width: f64,
    /// Height of its lines in pixels.
    pub(crate) height: f64,
}

type Job = Box<dyn FnOnce() + Send>;

/// The thread that draws text; `None` when the system cannot start one.
static FONT_THREAD: LazyLock<Option<Sender<Job>>> = LazyLock::new(|| {
    let (sender, jobs) = channel::<Job>();
    // A text that cannot be drawn must not take the others with it.
    let work = move || jobs.iter().for_each(|job| drop(catch_unwind(AssertUnwindSafe(job))));
    thread::Builder::new().name("fonts".to_owned()).spawn(work).ok().map(|_| sender)
});

/// Runs something in the thread that has the fonts, and waits for it: some milliseconds. The default where that fails.
pub(crate) fn with_fonts<T: Default + Send + 'static>(draw: impl FnOnce() -> T + Send + 'static) -> T {
    let (reply, drawn) = channel();
    let job: Job = Box::new(move || {
        // Nobody waits any more when the reply cannot be sent.
        let _ = reply.send(draw());
    });
    let sent = FONT_THREAD.as_ref().is_some_and(|thread| thread.send(job).is_ok());
    if sent { drawn.recv().unwrap_or_default() } else { T::default() }
}

/// Does the system have fonts? Without any, everything but text is drawn. The first call starts the thread that draws
/// text and reads the system's font configuration, which takes some 10 ms: call it once at start.
pub fn fonts_available() -> bool {
    with_fonts(has_fonts)
}

/// Pango ends the process when it is asked to draw without any font, so it has to be asked for its families before.
fn has_fonts() -> bool {
    /// Names that pango lists whether or not there is a font behind them.
    const ALIASES: [&str; 4] = ["Sans", "Serif", "Monospace", "System-ui"];
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        let families = pangocairo::FontMap::default().list_families();
        families.iter().any(|family| !ALIASES.contains(&family.name().as_str()))
    })
}

impl Fitted {
    /// Wraps a text into `width` x `height` pixels with letters of `font` pixels; smaller ones where it does not fit.
    /// Lines become about equally long. `None` for an empty text, or when there are no fonts.
    pub(crate) fn new(text: &str, font: f64, width: f64, height: f64) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || width < 1.0 || height < 1.0 || !has_fonts() {
            return None;
        }
        let context = pangocairo::FontMap::default().create_context();
        pangocairo::functions::context_set_font_options(&context, font_options().as_ref());
        let layout = Layout::new(&context);
        layout.set_text(text);
        layout.set_alignment(Alignment::Center);
        let fits = |font: f64, wrap: WrapMode| {
            set_font(&layout, font);
            layout.set_wrap(wrap);
            layout.set_width(units(width));
            let (_, extents) = layout.extents();
            extents.width() <= units(width) && extents.height() <= units(height)
        };
        // Words are broken only when nothing else helps, and letters left out only after that.
        let smaller = |font: &f64| Some(font * 0.94).filter(|font| *font >= SMALLEST);
        let sizes = || std::iter::successors(Some(font.max(SMALLEST)), smaller);
        let fitted =
            sizes().any(|font| fits(font, WrapMode::Word)) || sizes().any(|font| fits(font, WrapMode::WordChar));
        if !fitted {
            layout.set_height(units(height));
            layout.set_ellipsize(EllipsizeMode::End);
        }
        balance(&layout, width);
        let (_, extents) = layout.extents();
        let (width, height) = (pixels(extents.width()), pixels(extents.height()));
        // Lines are centred in the layout's width: make it the text's own.
        layout.set_width(extents.width() + 1);
        Some(Self { layout, width, height })
    }

    /// Draws the text with its upper left corner at a place.
    pub(crate) fn draw(&self, cr: &cairo::Context, x: f64, y: f64) {
        cr.move_to(x, y);
        pangocairo::functions::show_layout(cr, &self.layout);
    }

    /// Height of its letters in pixels.
    #[cfg(test)]
    fn font(&self) -> f64 {
        self.layout.font_description().map_or(0.0, |font| pixels(font.size()))
    }

    #[cfg(test)]
    fn lines(&self) -> Vec<String> {
        let text = self.layout.text();
        let line = |line: pango::LayoutLine| {
            let (start, length) = (line.start_index() as usize, line.length() as usize);
            text[start..start + length].trim().to_owned()
        };
        (0..self.layout.line_count()).filter_map(|i| self.layout.line_readonly(i)).map(line).collect()
    }
}

/// Letters where they belong to a fraction of a pixel, in grey: the picture is scaled again on its way to the eye.
fn font_options() -> Option<FontOptions> {
    let mut options = FontOptions::new().ok()?;
    options.set_antialias(Antialias::Gray);
    options.set_hint_style(HintStyle::None);
    options.set_hint_metrics(HintMetrics::Off);
    Some(options)
}

fn set_font(layout: &Layout, pixels: f64) {
    let mut font = FontDescription::from_string(FAMILIES);
    font.set_weight(Weight::Bold);
    font.set_absolute_size(pixels * f64::from(pango::SCALE));
    layout.set_font_description(Some(&font));
}

/// Finds the narrowest width that needs no more lines.
fn balance(layout: &Layout, width: f64) {
    let lines = layout.line_count();
    if lines < 2 || layout.is_ellipsized() {
        return;
    }
    let (mut narrow, mut wide) = (width / f64::from(lines) * 0.8, width);
    for _ in 0..7 {
        let middle = (narrow + wide) / 2.0;
        layout.set_width(units(middle));
        let (_, extents) = layout.extents();
        if layout.line_count() <= lines && extents.width() <= units(middle) {
            wide = middle;
        } else {
            narrow = middle;
        }
    }
    layout.set_width(units(wide));
}

fn units(pixels: f64) -> i32 {
    (pixels * f64::from(pango::SCALE)) as i32
}

fn pixels(units: i32) -> f64 {
    f64::from(units) / f64::from(pango::SCALE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "Sin dejar de mirar a la cámara: gire la cabeza a la derecha y vuelva";

    fn fitted(text: &str, font: f64, width: f64, height: f64) -> Fitted {
        assert!(fonts_available(), "tests need fonts (Debian package fonts-dejavu-core or fonts-noto-core)");
        Fitted::new(text, font, width, height).expect("there are fonts")
    }

    #[test]
    fn text_is_never_cut() {
        let texts = [
            LONG,
            "Blink",
            "Donaudampfschifffahrtsgesellschaftskapitänskajüte",
            "口を大きく開けてから閉じてください",
            "افتح فمك على اتساعه ثم أغلقه",
            "a\nb",
        ];
        for text in texts {
            for (width, height) in [(600.0, 100.0), (430.0, 170.0), (140.0, 28.0), (60.0, 30.0)] {
                let fitted = fitted(text, 36.0, width, height);
                assert!(fitted.width <= width && fitted.height <= height, "{text} in {width}x{height}");
                let cut = fitted.layout.is_ellipsized();
                assert!(!cut || (width < 100.0 && text.len() > 30), "{text} in {width}x{height} is cut");
            }
        }
    }

    #[test]
    fn letters_are_as_large_as_wanted_where_they_fit() {
        let short = fitted("Blink slowly", 36.0, 600.0, 100.0);
        assert_eq!((short.font(), short.lines().len()), (36.0, 1));
        let long = fitted(LONG, 36.0, 200.0, 100.0);
        assert!((SMALLEST..30.0).contains(&long.font()), "{}", long.font());
    }

    #[test]
    fn words_stay_whole_and_lines_are_balanced() {
        let fitted = fitted(LONG, 34.0, 600.0, 100.0);
        let lines = fitted.lines();
        assert_eq!(lines.join(" "), LONG);
        let lengths: Vec<usize> = lines.iter().map(|line| line.chars().count()).collect();
        let (least, most) = (lengths.iter().min().unwrap(), lengths.iter().max().unwrap());
        assert!(lines.len() > 1 && most - least <= 12, "{lines:?}");
    }

    #[test]
    fn nothing_to_draw() {
        for (text, width, height) in
            [("", 100.0, 100.0), ("  \n ", 100.0, 100.0), ("a", 0.0, 100.0), ("a", 100.0, -3.0)]
        {
            assert!(Fitted::new(text, 20.0, width, height).is_none());
        }
    }

    /// Pango without fonts would end the process; this test does it in a process of its own.
    #[test]
    fn a_system_without_fonts_shows_no_text() {
        const CHILD: &str = "VISION_CORE_TEST_WITHOUT_FONTS";
        if std::env::var_os(CHILD).is_some() {
            assert!(!fonts_available());
            assert!(Fitted::new("text", 20.0, 100.0, 100.0).is_none());
            return;
        }
        let config = std::env::temp_dir().join(format!("vision-core-{}-no-fonts.conf", std::process::id()));
        std::fs::write(&config, "<?xml version=\"1.0\"?><fontconfig></fontconfig>").unwrap();
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "drawing::text::tests::a_system_without_fonts_shows_no_text"])
            .env(CHILD, "1")
            .env("FONTCONFIG_FILE", &config)
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(child.status.success() && output.contains("1 passed"), "{output}");
    }
}

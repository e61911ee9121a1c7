//! Writes what a subject sees, in every state, language and a few sizes, as PNG files to look at.
//!
//! `cargo run -p vision-core --example subject_view -- OUT_FOLDER [PICTURE]`

use std::{
    error::Error,
    path::Path,
    time::{Duration, Instant},
};

use image::{RgbImage, imageops};
use vision_core::{
    gestures::GestureLibrary,
    liveness::colour::Colour,
    locales::{Locales, Text},
    picture::{I420Mut, I420View},
    position::{Extent, Warning},
    subject_view::{Composer, Countdown, Guide, OutcomeView, Step, SubjectView},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("give a folder to write to")?;
    let picture = match arguments.next() {
        Some(file) => image::open(file)?.to_rgb8(),
        None => RgbImage::from_fn(640, 480, |x, y| image::Rgb([(90 + x / 8) as u8, 120, (100 + y / 6) as u8])),
    };
    std::fs::create_dir_all(&folder)?;

    let locales = Locales::load(&[], "en")?;
    let gestures = GestureLibrary::load(&[])?;
    let now = Instant::now();
    let countdown =
        |left: u64| Some(Countdown { ends: now + Duration::from_millis(left), total: Duration::from_secs(10) });
    let mut views = Vec::new();
    for language in ["en", "es", "pt", "fr", "de"] {
        let locale = locales.pick(Some(language)).0;
        let words = |id: &str| gestures.get(id).map(|gesture| locale.gesture(gesture).to_owned()).unwrap_or_default();
        let challenge = SubjectView {
            message: words("openCloseMouth"),
            step: Some(Step { current: 1, total: 2 }),
            countdown: countdown(7000),
            guide: Guide::Good,
            ..SubjectView::default()
        };
        let states = [
            (
                "0-waiting",
                SubjectView {
                    message: locale.text(Text::WaitingForCamera).to_owned(),
                    waiting: true,
                    ..SubjectView::default()
                },
            ),
            (
                "1-starting",
                SubjectView {
                    message: locale.text(Text::Starting).to_owned(),
                    guide: Guide::Neutral,
                    ..SubjectView::default()
                },
            ),
            ("2-gesture", challenge.clone()),
            (
                "3-warning",
                SubjectView {
                    message: words("blink"),
                    warning: Some(locale.warning(Warning::Width(Extent::TooLarge)).to_owned()),
                    step: Some(Step { current: 2, total: 2 }),
                    countdown: countdown(1800),
                    guide: Guide::Warning,
                    ..SubjectView::default()
                },
            ),
            (
                "4-longest",
                SubjectView {
                    message: words("faceFrontRight"),
                    step: Some(Step { current: 2, total: 3 }),
                    ..challenge.clone()
                },
            ),
            (
                "5-comparing",
                SubjectView {
                    message: locale.text(Text::Comparing).to_owned(),
                    waiting: true,
                    ..SubjectView::default()
                },
            ),
            (
                "6-success",
                SubjectView {
                    message: locale.text(Text::Verified).to_owned(),
                    outcome: Some(OutcomeView::Success),
                    ..SubjectView::default()
                },
            ),
            (
                "7-failure",
                SubjectView {
                    message: locale.reason("several_faces").to_owned(),
                    outcome: Some(OutcomeView::Failure),
                    ..SubjectView::default()
                },
            ),
            (
                "8-colours-coming",
                SubjectView {
                    message: locale.text(Text::ColoursComing).to_owned(),
                    guide: Guide::Good,
                    ..SubjectView::default()
                },
            ),
            ("9-colours", colours(locale.text(Text::Colours), Colour::Amber)),
        ];
        views.extend(states.map(|(state, view)| (format!("{language}-{state}"), view)));
    }
    let hold_still = locales.pick(Some("en")).0.text(Text::Colours);
    for colour in [Colour::Grey, Colour::Green, Colour::Azure, Colour::Pink] {
        views.push((format!("en-9-colours-{colour:?}").to_lowercase(), colours(hold_still, colour)));
    }
    for (name, message, warning) in [
        ("ar", "افتح فمك على اتساعه ثم أغلقه", "اقترب قليلاً من الكاميرا"),
        ("ja", "口を大きく開けてから閉じてください", "カメラから少し離れてください"),
    ] {
        let view = SubjectView {
            message: message.to_owned(),
            warning: Some(warning.to_owned()),
            step: Some(Step { current: 1, total: 2 }),
            countdown: countdown(5000),
            guide: Guide::Warning,
            ..SubjectView::default()
        };
        views.push((format!("{name}-3-warning"), view));
    }
    for (width, height) in [(640, 480), (480, 640), (160, 120), (1280, 720)] {
        let input = cover(&picture, width, height);
        for (name, view) in &views {
            let picture = (!name.ends_with("waiting")).then(|| input.view());
            let mut out = Planes::new(width, height);
            Composer::new().compose(picture, view, now, &mut out.as_mut());
            out.save(&Path::new(&folder).join(format!("{width}x{height}-{name}.png")))?;
        }
    }
    Ok(())
}

/// A step of the colour challenge.
fn colours(message: &str, colour: Colour) -> SubjectView {
    SubjectView {
        message: message.to_owned(),
        guide: Guide::Neutral,
        light: Some(colour.srgb()),
        step: Some(Step { current: 3, total: 3 }),
        ..SubjectView::default()
    }
}

/// The middle of a picture, scaled to cover a size.
fn cover(picture: &RgbImage, width: usize, height: usize) -> Planes {
    let scale = (width as f64 / f64::from(picture.width())).max(height as f64 / f64::from(picture.height()));
    let (w, h) = ((width as f64 / scale) as u32, (height as f64 / scale) as u32);
    let (x, y) = ((picture.width() - w) / 2, (picture.height() - h) / 2);
    let part = imageops::crop_imm(picture, x, y, w, h).to_image();
    Planes::from_rgb(&imageops::resize(&part, width as u32, height as u32, imageops::FilterType::Triangle))
}

/// An I420 picture of an even size.
struct Planes {
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
    width: usize,
    height: usize,
}

impl Planes {
    fn new(width: usize, height: usize) -> Self {
        let chroma = width / 2 * (height / 2);
        Self { y: vec![16; width * height], u: vec![128; chroma], v: vec![128; chroma], width, height }
    }

    fn view(&self) -> I420View<'_> {
        let Self { y, u, v, width, height } = self;
        I420View { y, u, v, y_stride: *width, uv_stride: width / 2, width: *width, height: *height }
    }

    fn as_mut(&mut self) -> I420Mut<'_> {
        let Self { y, u, v, width, height } = self;
        I420Mut { y, u, v, y_stride: *width, uv_stride: *width / 2, width: *width, height: *height }
    }

    fn from_rgb(rgb: &RgbImage) -> Self {
        let mut planes = Self::new(rgb.width() as usize, rgb.height() as usize);
        for (x, y, pixel) in rgb.enumerate_pixels() {
            let [r, g, b] = pixel.0.map(f32::from);
            let (x, y) = (x as usize, y as usize);
            let chroma = y / 2 * (planes.width / 2) + x / 2;
            planes.y[y * planes.width + x] = (16.0 + (65.481 * r + 128.553 * g + 24.966 * b) / 255.0).round() as u8;
            planes.u[chroma] = (128.0 + (-37.797 * r - 74.203 * g + 112.0 * b) / 255.0).round() as u8;
            planes.v[chroma] = (128.0 + (112.0 * r - 93.786 * g - 18.214 * b) / 255.0).round() as u8;
        }
        planes
    }

    fn save(&self, file: &Path) -> image::ImageResult<()> {
        let rgb = RgbImage::from_fn(self.width as u32, self.height as u32, |x, y| {
            let (x, y) = (x as usize, y as usize);
            let chroma = y / 2 * (self.width / 2) + x / 2;
            let luma = 1.164_383 * (f32::from(self.y[y * self.width + x]) - 16.0);
            let (u, v) = (f32::from(self.u[chroma]) - 128.0, f32::from(self.v[chroma]) - 128.0);
            let parts = [luma + 1.596_027 * v, luma - 0.391_762 * u - 0.812_968 * v, luma + 2.017_232 * u];
            image::Rgb(parts.map(|part| part.round().clamp(0.0, 255.0) as u8))
        });
        rgb.save(file)
    }
}

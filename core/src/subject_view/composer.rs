//! Composes frames of one flow. Every part is drawn when it changes and blended from memory until then.

use std::time::{Duration, Instant};

use super::{
    Guide, OutcomeView, Step, SubjectView,
    layout::{Area, Layout},
    paint,
    picture::{PicturePainter, is_writable},
};
use crate::{
    drawing::patch::Patch,
    picture::{I420Mut, I420View},
};

/// The bar of time left turns amber below this part.
const URGENT: f32 = 0.25;
/// The pulsing dot comes and goes in this time.
const PULSE: Duration = Duration::from_millis(1600);
/// It is drawn in so many sizes.
const PULSE_PHASES: usize = 16;

/// Composes what one subject sees. Belongs to one flow; any thread may compose.
#[derive(Default)]
pub struct Composer {
    painter: PicturePainter,
    layout: Option<Layout>,
    parts: Parts,
    started: Option<Instant>,
    renders: u64,
}

/// The parts as they were last drawn, each with what it was drawn from.
#[derive(Default)]
struct Parts {
    message: Part<String>,
    dark_message: Part<String>,
    warning: Part<String>,
    /// One for each state: they come and go quickly.
    guide: [Part<Guide>; 4],
    outcome: Part<OutcomeView>,
    step: Part<Step>,
    colour: Part<[u8; 4]>,
    light: Part<([u8; 3], Guide)>,
    veil: Part<()>,
    track: Part<()>,
    bar: Part<bool>,
    pulse: [Part<()>; PULSE_PHASES],
}

struct Part<K>(Option<(K, Patch)>);

impl<K> Default for Part<K> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K> Part<K> {
    /// The part drawn from `key`; drawn anew when it was drawn from something else before.
    fn get<Q>(&mut self, key: &Q, renders: &mut u64, draw: impl FnOnce(&Q) -> Patch) -> &Patch
    where
        Q: ToOwned<Owned = K> + PartialEq + ?Sized,
        K: std::borrow::Borrow<Q>,
    {
        let drawn = self.0.take().filter(|(last, _)| last.borrow() == key).unwrap_or_else(|| {
            *renders += 1;
            (key.to_owned(), draw(key))
        });
        &self.0.insert(drawn).1
    }

    fn memory(&self) -> usize {
        self.0.as_ref().map_or(0, |(_, patch)| patch.memory())
    }
}

impl Composer {
    /// Nothing is drawn before the first frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the picture is mirrored, which it is from the beginning. Left and right of everything else stay.
    pub fn set_mirrored(&mut self, mirrored: bool) {
        self.painter.set_mirrored(mirrored);
    }

    /// Composes one frame into `out`: the mirrored `picture`, scaled where the sizes differ, and `view` over it. `now` moves what
    /// moves. Nothing is written when the planes of `out` are shorter than it says.
    pub fn compose(&mut self, picture: Option<I420View>, view: &SubjectView, now: Instant, out: &mut I420Mut) {
        if !is_writable(out) {
            return;
        }
        if self.layout.as_ref().is_none_or(|layout| (layout.width, layout.height) != (out.width, out.height)) {
            self.layout = Some(Layout::of(out.width, out.height));
            self.parts = Parts::default();
        }
        let Some(layout) = &self.layout else { return };
        let started = *self.started.get_or_insert(now);
        let (parts, renders) = (&mut self.parts, &mut self.renders);

        let has_picture = self.painter.draw(picture, out);
        if let Some(colour) = view.colour {
            let (width, height) = (out.width.next_multiple_of(2), out.height.next_multiple_of(2));
            let whole = Area { x: 0, y: 0, width, height };
            parts.colour.get(&colour, renders, |colour| Patch::even(whole, *colour)).blend(out);
        }
        if let Some(light) = view.light {
            let key = (light, view.guide);
            parts.light.get(&key, renders, |(light, guide)| paint::light(layout, *light, *guide)).blend(out);
        }
        let pulses = view.outcome.is_none() && (view.waiting || !has_picture);
        if let Some(outcome) = view.outcome {
            parts.outcome.get(&outcome, renders, |outcome| paint::outcome(layout, *outcome)).blend(out);
        } else if has_picture && !pulses && view.guide != Guide::Hidden && view.light.is_none() {
            parts.guide[view.guide as usize].get(&view.guide, renders, |guide| paint::guide(layout, *guide)).blend(out);
        }
        if pulses {
            if has_picture {
                parts.veil.get(&(), renders, |()| paint::veil(layout)).blend(out);
            }
            let phase = pulse_phase(now.saturating_duration_since(started));
            let size = phase as f64 / (PULSE_PHASES - 1) as f64;
            parts.pulse[phase].get(&(), renders, |()| paint::pulse(layout, size)).blend(out);
        }
        let message = view.message.as_str();
        if view.light.is_some() {
            parts.dark_message.get(message, renders, |text| paint::dark_message(layout, text)).blend(out);
        } else {
            parts.message.get(message, renders, |text| paint::message(layout, text)).blend(out);
        }
        if let Some(warning) = &view.warning {
            parts.warning.get(warning.as_str(), renders, |text| paint::warning(layout, text)).blend(out);
        }
        if let Some(step) = view.step {
            parts.step.get(&step, renders, |step| paint::step(layout, *step)).blend(out);
        }
        if let Some(countdown) = view.countdown {
            let left = countdown.left(now);
            let columns = (left * layout.countdown.width as f32).round() as usize;
            parts.track.get(&(), renders, |()| paint::track(layout)).blend(out);
            let bar = parts.bar.get(&(left < URGENT), renders, |urgent| paint::bar(layout, *urgent));
            bar.blend_columns(columns, out);
        }
    }

    /// How many parts were drawn since the beginning.
    pub fn renders(&self) -> u64 {
        self.renders
    }

    /// Bytes that the drawn parts keep.
    pub fn memory(&self) -> usize {
        let Parts { message, dark_message, warning, guide, outcome, step, colour, light, veil, track, bar, pulse } =
            &self.parts;
        let texts = message.memory() + dark_message.memory() + warning.memory() + step.memory();
        let shapes =
            outcome.memory() + colour.memory() + light.memory() + veil.memory() + track.memory() + bar.memory();
        let guides: usize = guide.iter().map(Part::memory).sum();
        texts + shapes + guides + pulse.iter().map(Part::memory).sum::<usize>()
    }
}

/// Up and down again, slowly at the ends.
fn pulse_phase(elapsed: Duration) -> usize {
    let turn = elapsed.as_secs_f64() / PULSE.as_secs_f64();
    let size = 0.5 - 0.5 * (turn * std::f64::consts::TAU).cos();
    (size * (PULSE_PHASES - 1) as f64).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject_view::{Countdown, OwnedI420, fonts_available};

    const SIZES: [(usize, usize); 4] = [(640, 480), (480, 640), (160, 120), (1280, 720)];

    fn compose(
        composer: &mut Composer,
        picture: &OwnedI420,
        view: &SubjectView,
        now: Instant,
        size: (usize, usize),
    ) -> OwnedI420 {
        let mut out = OwnedI420::filled(size.0, size.1, [1, 2, 3]);
        composer.compose(Some(picture.view()), view, now, &mut out.as_mut());
        out
    }

    type Places = Vec<(usize, usize)>;

    /// The samples of two pictures that differ, as places in luma and chroma.
    fn differences(a: &OwnedI420, b: &OwnedI420, width: usize) -> (Places, Places) {
        let places = |a: &[u8], b: &[u8], width: usize| {
            let differ = a.iter().zip(b).enumerate().filter(|(_, (a, b))| a != b);
            differ.map(|(at, _)| (at % width, at / width)).collect::<Places>()
        };
        let chroma = [places(&a.u, &b.u, width / 2), places(&a.v, &b.v, width / 2)].concat();
        (places(&a.y, &b.y, width), chroma)
    }

    fn challenge(now: Instant) -> SubjectView {
        SubjectView {
            message: "Open your mouth wide, then close it".into(),
            warning: Some("You are too close. Move back a little.".into()),
            step: Some(Step { current: 1, total: 2 }),
            countdown: Some(Countdown { ends: now + Duration::from_secs(5), total: Duration::from_secs(10) }),
            guide: Guide::Good,
            ..SubjectView::default()
        }
    }

    #[test]
    fn every_part_stays_in_its_place() {
        assert!(fonts_available(), "tests need fonts (Debian package fonts-dejavu-core or fonts-noto-core)");
        let now = Instant::now();
        let all = challenge(now);
        for (width, height) in SIZES {
            let layout = Layout::of(width, height);
            let whole = Area { x: 0, y: 0, width, height };
            let picture = OwnedI420::noise(width, height);
            let empty = compose(&mut Composer::new(), &picture, &SubjectView::default(), now, (width, height));
            let nothing = SubjectView::default();
            let parts = [
                ("message", SubjectView { message: all.message.clone(), ..nothing.clone() }, layout.message),
                ("warning", SubjectView { warning: all.warning.clone(), ..nothing.clone() }, layout.warning),
                ("step", SubjectView { step: all.step, ..nothing.clone() }, layout.step),
                ("countdown", SubjectView { countdown: all.countdown, ..nothing.clone() }, layout.countdown),
                ("guide", SubjectView { guide: all.guide, ..nothing.clone() }, whole),
                ("outcome", SubjectView { outcome: Some(OutcomeView::Success), ..nothing.clone() }, whole),
                ("waiting", SubjectView { waiting: true, ..nothing.clone() }, whole),
            ];
            for (name, view, area) in parts {
                let shown = compose(&mut Composer::new(), &picture, &view, now, (width, height));
                let (luma, chroma) = differences(&empty, &shown, width);
                let inside = |x: usize, y: usize| area.contains(&Area { x, y, width: 1, height: 1 });
                assert!(luma.iter().all(|(x, y)| inside(*x, *y)), "{name} at {width}x{height}");
                assert!(chroma.iter().all(|(x, y)| inside(2 * x, 2 * y)), "{name} at {width}x{height}");
                assert!(luma.len() * 10 > area.width * area.height, "{name} at {width}x{height}: {}", luma.len());
            }
        }
    }

    #[test]
    fn letters_are_bright_on_a_dark_card() {
        assert!(fonts_available(), "tests need fonts (Debian package fonts-dejavu-core or fonts-noto-core)");
        let now = Instant::now();
        let picture = OwnedI420::filled(640, 480, [180, 128, 128]);
        let view = SubjectView { message: challenge(now).message, ..SubjectView::default() };
        let out = compose(&mut Composer::new(), &picture, &view, now, (640, 480));
        let count = |range: std::ops::RangeInclusive<u8>| out.y.iter().filter(|luma| range.contains(luma)).count();
        assert!(count(230..=235) > 2500, "white letters: {}", count(230..=235));
        assert!(count(60..=90) > 30_000, "dark card: {}", count(60..=90));
    }

    #[test]
    fn without_parts_it_is_a_mirror() {
        let picture = OwnedI420::noise(64, 48);
        let out = compose(&mut Composer::new(), &picture, &SubjectView::default(), Instant::now(), (64, 48));
        let turned = |plane: &[u8], width: usize| {
            plane.chunks(width).flat_map(|row| row.iter().rev().copied()).collect::<Vec<_>>()
        };
        assert!(out.y == turned(&picture.y, 64) && out.u == turned(&picture.u, 32) && out.v == turned(&picture.v, 32));
    }

    #[test]
    fn a_picture_need_not_be_mirrored() {
        let picture = OwnedI420::noise(63, 47);
        let mut composer = Composer::new();
        composer.set_mirrored(false);
        assert!(compose(&mut composer, &picture, &SubjectView::default(), Instant::now(), (63, 47)) == picture);
    }

    #[test]
    fn a_colour_covers_the_picture_to_its_edges() {
        let picture = OwnedI420::filled(63, 47, [60, 128, 128]);
        let shown = |colour| {
            let view = SubjectView { colour: Some(colour), ..SubjectView::default() };
            compose(&mut Composer::new(), &picture, &view, Instant::now(), (63, 47))
        };
        assert!(shown([255, 255, 0, 0]) == OwnedI420::filled(63, 47, [81, 90, 240]));
        let half = shown([128, 255, 0, 0]);
        assert!(half.v.iter().all(|v| (180..190).contains(v)) && half.y.iter().all(|y| (68..73).contains(y)));
        assert!(shown([0, 255, 0, 0]) == picture);
    }

    #[test]
    fn a_light_fills_all_but_the_oval() {
        assert!(fonts_available(), "tests need fonts (Debian package fonts-dejavu-core or fonts-noto-core)");
        let now = Instant::now();
        for (width, height) in SIZES {
            let picture = OwnedI420::filled(width, height, [60, 100, 150]);
            // Green, of colour and of guide, as limited-range BT.601.
            let view = SubjectView { light: Some([0, 218, 0]), guide: Guide::Good, ..SubjectView::default() };
            let out = compose(&mut Composer::new(), &picture, &view, now, (width, height));
            let shining = out.y.iter().filter(|luma| **luma == 126).count() as f64 / (width * height) as f64;
            assert!(shining > 0.75, "{width}x{height}: {shining}");
            let corners = [0, width - 1, (height - 1) * width, height * width - 1];
            assert!(corners.iter().all(|at| out.y[*at] == 126), "{width}x{height}");
            let (u, v) = (out.u[0], out.v[0]);
            assert_eq!((u, v), (65, 48));
            let oval = Layout::of(width, height).guide;
            let (x, y) = (oval.x + oval.width / 2, oval.y + oval.height / 2);
            assert_eq!(out.y[y * width + x], 60);
            assert_eq!((out.u[y / 2 * (width / 2) + x / 2], out.v[y / 2 * (width / 2) + x / 2]), (100, 150));

            let words = SubjectView { message: challenge(now).message, ..view };
            let said = compose(&mut Composer::new(), &picture, &words, now, (width, height));
            let (luma, _) = differences(&out, &said, width);
            let message = Layout::of(width, height).message;
            assert!(luma.len() * 50 > message.width * message.height, "{width}x{height}: {}", luma.len());
            assert!(luma.iter().all(|(x, y)| said.y[y * width + x] < 126), "letters are dark");
            assert!(luma.iter().all(|(x, y)| message.contains(&Area { x: *x, y: *y, width: 1, height: 1 })));
        }
    }

    #[test]
    fn parts_are_drawn_when_they_change_only() {
        let start = Instant::now();
        let picture = OwnedI420::noise(640, 480);
        let mut composer = Composer::new();
        let mut view = challenge(start);
        view.countdown = view.countdown.map(|countdown| Countdown { total: Duration::from_secs(5), ..countdown });
        let mut renders = Vec::new();
        let mut show = |view: &SubjectView, frames: std::ops::Range<u64>, size| {
            for frame in frames {
                compose(&mut composer, &picture, view, start + Duration::from_millis(33 * frame), size);
            }
            renders.push(composer.renders());
        };
        show(&view, 0..1, (640, 480));
        show(&view, 1..60, (640, 480));
        view.message = "Blink".into();
        show(&view, 60..90, (640, 480));
        let warning = view.warning.take();
        show(&view, 90..95, (640, 480));
        view.warning = warning;
        show(&view, 95..100, (640, 480));
        // The bar turns amber.
        show(&view, 125..130, (640, 480));
        show(&view, 130..132, (320, 240));
        show(&view, 132..134, (320, 240));
        assert_eq!(renders, [6, 6, 7, 7, 7, 8, 14, 14]);
        assert!((1..2_000_000).contains(&composer.memory()));
    }

    #[test]
    fn time_runs_out() {
        let start = Instant::now();
        let picture = OwnedI420::filled(640, 480, [60, 128, 128]);
        let ends = start + Duration::from_secs(10);
        let view = SubjectView {
            countdown: Some(Countdown { ends, total: Duration::from_secs(10) }),
            ..SubjectView::default()
        };
        let mut composer = Composer::new();
        let bar = Layout::of(640, 480).countdown;
        let mut lit = |ms| {
            let out = compose(&mut composer, &picture, &view, start + Duration::from_millis(ms), (640, 480));
            let row = (bar.y + bar.height / 2) * 640;
            out.y[row..row + 640].iter().filter(|luma| **luma > 150).count() as i64
        };
        let full = bar.width as i64;
        for (ms, expected) in
            [(0, full), (2500, full * 3 / 4), (5000, full / 2), (9000, full / 10), (10_000, 0), (99_000, 0)]
        {
            assert!((lit(ms) - expected).abs() <= 4, "{ms} ms");
        }
        assert_eq!(Countdown { ends, total: Duration::ZERO }.left(start), 0.0);
    }

    #[test]
    fn results_have_their_colours() {
        let picture = OwnedI420::filled(640, 480, [120, 128, 128]);
        let layout = Layout::of(640, 480);
        // On the disc, beside the mark.
        let (x, y) = (layout.icon.x + layout.icon.width / 2, layout.icon.y + layout.icon.height / 8);
        let at = y / 2 * 320 + x / 2;
        for (outcome, green) in [(OutcomeView::Success, true), (OutcomeView::Failure, false)] {
            let view = SubjectView { outcome: Some(outcome), guide: Guide::Good, ..SubjectView::default() };
            let out = compose(&mut Composer::new(), &picture, &view, Instant::now(), (640, 480));
            assert_eq!((out.v[at] < 110, out.v[at] > 160), (green, !green));
        }
        let oval = layout.guide;
        let edge = (oval.y + oval.height / 2) / 2 * 320 + (oval.x + 3) / 2;
        let colour = |guide| {
            let view = SubjectView { guide, ..SubjectView::default() };
            let out = compose(&mut Composer::new(), &picture, &view, Instant::now(), (640, 480));
            (out.u[edge], out.v[edge])
        };
        let colours = [Guide::Hidden, Guide::Neutral, Guide::Good, Guide::Warning].map(colour);
        assert_eq!(colours[0], (128, 128));
        assert!(colours[2].1 < 110 && colours[3].0 < 90 && colours[1] != colours[2], "{colours:?}");
    }

    #[test]
    fn without_a_picture_a_dot_pulses() {
        let start = Instant::now();
        let mut composer = Composer::new();
        let mut frame = |ms| {
            let mut out = OwnedI420::filled(640, 480, [0; 3]);
            composer.compose(None, &SubjectView::default(), start + Duration::from_millis(ms), &mut out.as_mut());
            out
        };
        let (small, large, again) = (frame(0), frame(800), frame(1600));
        let (luma, _) = differences(&small, &large, 640);
        let pulse = Layout::of(640, 480).pulse;
        assert!(!luma.is_empty());
        assert!(luma.iter().all(|(x, y)| pulse.contains(&Area { x: *x, y: *y, width: 1, height: 1 })));
        assert!(small == again);
        for ms in 0..200 {
            frame(ms * 33);
        }
        assert!(composer.renders() <= PULSE_PHASES as u64 + 2, "{}", composer.renders());
    }

    #[test]
    fn broken_targets_are_left_alone() {
        let mut out = OwnedI420::filled(64, 48, [9; 3]);
        let whole = out.clone();
        Composer::new().compose(
            None,
            &SubjectView::default(),
            Instant::now(),
            &mut I420Mut { height: 50, ..out.as_mut() },
        );
        assert!(out == whole);
        let mut tiny = OwnedI420::filled(2, 2, [9; 3]);
        Composer::new().compose(Some(whole.view()), &challenge(Instant::now()), Instant::now(), &mut tiny.as_mut());
        let mut odd = OwnedI420::filled(101, 77, [9; 3]);
        Composer::new().compose(Some(whole.view()), &challenge(Instant::now()), Instant::now(), &mut odd.as_mut());
    }

    #[test]
    fn composers_can_be_sent() {
        fn is_send<T: Send>(_: &T) {}
        is_send(&Composer::new());
    }
}

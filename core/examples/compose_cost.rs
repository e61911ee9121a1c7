//! Prints what composing costs: processor time per frame, per change of text, and memory.
//!
//! `cargo run --release -p vision-core --example compose_cost`

use std::time::{Duration, Instant};

use vision_core::{
    liveness::colour::Colour,
    picture::{I420Mut, I420View},
    subject_view::{Composer, Countdown, Guide, OutcomeView, Step, SubjectView, fonts_available, output_size},
};

fn main() {
    let start = Instant::now();
    let challenge = SubjectView {
        message: "Open your mouth wide, then close it".into(),
        warning: Some("You are too close. Move back a little.".into()),
        step: Some(Step { current: 1, total: 2 }),
        countdown: Some(Countdown { ends: start + Duration::from_secs(3600), total: Duration::from_secs(4000) }),
        guide: Guide::Good,
        ..SubjectView::default()
    };
    let result = SubjectView {
        message: "Verified. Thank you!".into(),
        outcome: Some(OutcomeView::Success),
        ..SubjectView::default()
    };

    let colours = SubjectView {
        message: "Hold still: the screen will change colour".into(),
        guide: Guide::Neutral,
        light: Some(Colour::Pink.srgb()),
        ..SubjectView::default()
    };

    let (before, clock) = (resident(), Instant::now());
    fonts_available();
    println!("fonts: {:.1} ms of waiting, once per process", clock.elapsed().as_secs_f64() * 1e3);
    for flow in ["first", "second"] {
        let clock = Instant::now();
        let cost = timed(1, |_| compose_once(&challenge));
        let waited = clock.elapsed().as_secs_f64() * 1e3;
        println!("first frame of the {flow} flow: {cost:.1} ms of processor time, {waited:.1} ms with the text");
    }
    println!("memory for fonts: {} KB, once per process", resident() - before);
    let before = resident();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let view = challenge.clone();
            std::thread::spawn(move || {
                let cost = timed(1, |_| compose_once(&view));
                std::thread::sleep(Duration::from_millis(500));
                cost
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    let grown = (resident() - before) / 8;
    let costs: Vec<String> = threads.into_iter().filter_map(|t| t.join().ok()).map(|c| format!("{c:.1}")).collect();
    println!("first frame on a thread of its own: {} ms; {grown} KB of memory each", costs.join(" "));

    for (input, limit) in [
        ((640, 480), (640, 480)),
        ((480, 640), (640, 480)),
        ((1280, 720), (640, 480)),
        ((960, 720), (640, 480)),
        ((1280, 720), (1280, 720)),
    ] {
        let picture = Planes::new(input);
        let mut out = Planes::new(output_size(input, limit));
        let size = format!("{}x{} -> {}x{}", input.0, input.1, out.width, out.height);
        let alone = SubjectView::default();
        for (name, view) in
            [("picture alone", &alone), ("challenge", &challenge), ("colours", &colours), ("result", &result)]
        {
            let mut composer = Composer::new();
            let now = Instant::now();
            composer.compose(Some(picture.view()), view, now, &mut out.as_mut());
            let cost = timed(400, |_| composer.compose(Some(picture.view()), view, now, &mut out.as_mut()));
            println!("{size}, {name}: {cost:.3} ms a frame, {} KB kept", composer.memory() / 1024);
        }
        let mut composer = Composer::new();
        let cost = timed(100, |i| {
            let view =
                SubjectView { message: format!("Open your mouth wide, then close it {i}"), ..SubjectView::default() };
            composer.compose(Some(picture.view()), &view, Instant::now(), &mut out.as_mut());
        });
        println!("{size}, a new message each time: {cost:.3} ms a frame, without the text itself");
        let cost = timed(100, |i| {
            let view = SubjectView { light: Some(Colour::PALETTE[i as usize % 4].srgb()), ..colours.clone() };
            composer.compose(Some(picture.view()), &view, Instant::now(), &mut out.as_mut());
        });
        println!("{size}, a new colour each time: {cost:.3} ms a frame");
    }
}

fn compose_once(view: &SubjectView) {
    let (picture, mut out) = (Planes::new((640, 480)), Planes::new((640, 480)));
    Composer::new().compose(Some(picture.view()), view, Instant::now(), &mut out.as_mut());
}

/// Processor milliseconds of a call: the mean of the quickest of five rounds, since neighbours on the machine only add.
fn timed(times: u32, mut call: impl FnMut(u32)) -> f64 {
    let rounds = if times == 1 { 1 } else { 5 };
    let mut quickest = f64::MAX;
    for round in 0..rounds {
        let before = processor_time();
        (0..times).for_each(|i| call(round * times + i));
        quickest = quickest.min((processor_time() - before) / f64::from(times) / 1e6);
    }
    quickest
}

/// Nanoseconds that this thread has run (Linux).
fn processor_time() -> f64 {
    let read = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    read.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0.0)
}

/// Kilobytes of this process in memory (Linux).
fn resident() -> i64 {
    let read = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = read.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

struct Planes {
    data: [Vec<u8>; 3],
    width: usize,
    height: usize,
}

impl Planes {
    fn new((width, height): (usize, usize)) -> Self {
        let noise = |length: usize| (0..length).map(|i| (i * 2_654_435_761).to_le_bytes()[2]).collect();
        let chroma = width / 2 * (height / 2);
        Self { data: [noise(width * height), noise(chroma), noise(chroma)], width, height }
    }

    fn view(&self) -> I420View<'_> {
        let Self { data: [y, u, v], width, height } = self;
        I420View { y, u, v, y_stride: *width, uv_stride: width / 2, width: *width, height: *height }
    }

    fn as_mut(&mut self) -> I420Mut<'_> {
        let Self { data: [y, u, v], width, height } = self;
        I420Mut { y, u, v, y_stride: *width, uv_stride: *width / 2, width: *width, height: *height }
    }
}

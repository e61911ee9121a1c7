//! Hints that the video does not come from a camera: a risk, never a verdict against anybody.
//!
//! Everything here can be explained otherwise (a phone used as a camera, a hardware encoder, a quiet room) and everything
//! can be imitated by who knows of it. [`InjectionRisk`] therefore has no way to say [`Verdict::Failed`]: it is observed,
//! whatever the settings say.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;

use super::super::{Finding, Verdict};
use super::encoded::Encoded;

/// What speaks for an injected video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hint {
    /// Frames are taken at intervals that are equal to a fraction of a millisecond.
    EvenTiming,
    /// Frames come in bursts: several at once, then none.
    BurstyTiming,
    /// The sizes of encoded frames repeat those of before: the very same encoded video is sent again.
    RepeatedSizes,
    /// Every frame is encoded with the same quantiser, as files are and calls are not.
    ConstantQuantiser,
    /// The encoder is one for files, which no browser has: x264 signed the stream.
    FileEncoder,
    /// Between two frames nothing changes beyond the moving parts: no sensor noise at all.
    NoNoise,
    /// The client named a camera that is a program.
    VirtualCamera,
    /// Reaction times are all alike.
    EvenReactions,
}

impl Hint {
    /// As in results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EvenTiming => "even_timing",
            Self::BurstyTiming => "bursty_timing",
            Self::RepeatedSizes => "repeated_sizes",
            Self::ConstantQuantiser => "constant_quantiser",
            Self::FileEncoder => "file_encoder",
            Self::NoNoise => "no_noise",
            Self::VirtualCamera => "virtual_camera",
            Self::EvenReactions => "even_reactions",
        }
    }

    /// How much a hint weighs, 0..1: by how seldom a camera gives it. These are judgements, not measurements.
    fn weight(self) -> f32 {
        match self {
            Self::RepeatedSizes => 0.9,
            Self::VirtualCamera => 0.7,
            Self::FileEncoder => 0.5,
            Self::EvenReactions | Self::ConstantQuantiser => 0.3,
            Self::EvenTiming | Self::BurstyTiming => 0.2,
            Self::NoNoise => 0.1,
        }
    }
}

/// How likely a video is injected, and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct InjectionRisk {
    /// 0..1.
    pub risk: f32,
    /// What speaks for it.
    pub hints: Vec<Hint>,
}

impl InjectionRisk {
    /// Hints that are independent of each other: the risk is the chance that not all of them are mistaken.
    fn of(hints: Vec<Hint>) -> Self {
        let risk = 1.0 - hints.iter().map(|hint| 1.0 - hint.weight()).product::<f32>();
        Self { risk, hints }
    }

    /// Passed without any hint, else inconclusive: never failed.
    pub fn finding(&self) -> Finding {
        let verdict = if self.hints.is_empty() { Verdict::Passed } else { Verdict::Inconclusive };
        Finding { verdict, score: Some(1.0 - self.risk) }
    }
}

/// Names of programs that appear as cameras, in lower case; part of the label is enough. A list by hand,
/// never complete.
const VIRTUAL_CAMERAS: [&str; 27] = [
    "obs virtual",
    "obs-camera",
    "obs camera",
    "manycam",
    "v4l2loopback",
    "dummy video device",
    "akvcam",
    "webcamoid",
    "xsplit",
    "splitcam",
    "snap camera",
    "camtwist",
    "vcam",
    "youcam",
    "altercam",
    "fakewebcam",
    "fake_device",
    "fake device",
    "unity video capture",
    "unitycapture",
    "ndi video",
    "ndi webcam",
    "newtek ndi",
    "prism live",
    "deepfacelive",
    "streamlabs",
    "virtual",
];

/// Telephones used as cameras: a program too, but with a lens behind it.
const TELEPHONE_CAMERAS: [&str; 4] = ["droidcam", "iriun", "epoccam", "camo"];

/// Does a camera's label, as a browser tells it, name a program that plays videos? A client can say what it likes.
pub fn is_virtual_camera(label: &str) -> bool {
    let label = label.to_lowercase();
    !TELEPHONE_CAMERAS.iter().any(|name| label.contains(name))
        && VIRTUAL_CAMERAS.iter().any(|name| label.contains(name))
}

/// Frames whose timing and sizes are kept.
const KEPT: usize = 300;
/// Before so many frames nothing is said of them.
const LEAST_FRAMES: usize = 60;
/// A file's time stamps do not scatter; a camera's should, by a millisecond or so. Not measured on cameras.
const EVEN: Duration = Duration::from_micros(300);
/// A frame is part of a burst when it comes within this share of the usual interval.
const BURST: f64 = 0.2;
/// The share of frames in bursts that is not an accident.
const BURSTS: f64 = 0.2;
/// So many sizes in a row that are those of before are no accident.
const SIZES: usize = 12;
/// At its ends a rate control keeps to one quantiser for as long as bits abound, or are short. libwebrtc lets libvpx use its
/// steps 2 to 56 of 64, which are 2 to 106 here. Only what is constant in between was set so.
const CHOSEN: RangeInclusive<u8> = 10..=100;
/// The share of cells that do not change by this many levels where there is no noise.
const NO_NOISE: f32 = 0.9;
/// Reaction times with less scatter than this are a program's.
const EVEN_REACTIONS: f32 = 0.03;

/// Collects hints. Everything is optional: what is not told is not judged.
#[derive(Clone, Debug, Default)]
pub struct InjectionHints {
    taken: VecDeque<Duration>,
    sizes: VecDeque<u32>,
    quantisers: VecDeque<u8>,
    file_encoder: bool,
    /// Mean share of what did not change, and the frames it is known of.
    quiet: (f32, usize),
    virtual_camera: bool,
    scatter: Option<f32>,
}

impl InjectionHints {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// When a frame was taken: its RTP time stamp as a time since any fixed moment. Not when it was received: networks
    /// scatter that.
    pub fn taken(&mut self, at: Duration) {
        push(&mut self.taken, at);
    }

    /// An encoded frame was received.
    pub fn encoded(&mut self, frame: Encoded) {
        push(&mut self.sizes, frame.bytes);
        if let Some(quantiser) = frame.quantiser {
            push(&mut self.quantisers, quantiser);
        }
        self.file_encoder |= frame.x264;
    }

    /// The share of the picture, 0..1, that did not change at all since the frame before.
    pub fn unchanged(&mut self, share: f32) {
        if share.is_finite() {
            let (mean, frames) = self.quiet;
            // of all at first, then of the last ones
            let frames = (frames + 1).min(LEAST_FRAMES);
            self.quiet = (mean + (share - mean) / frames as f32, frames);
        }
    }

    /// What a client says about its camera.
    pub fn camera(&mut self, label: &str) {
        self.virtual_camera = is_virtual_camera(label);
    }

    /// The scatter of reaction times ([`Reactions::scatter`](super::reaction::Reactions::scatter)).
    pub fn reactions(&mut self, scatter: Option<f32>) {
        self.scatter = scatter;
    }

    /// What they add up to.
    pub fn risk(&self) -> InjectionRisk {
        let timing = self.timing();
        let even = timing.is_some_and(|(scatter, _)| scatter < EVEN);
        let bursty = timing.is_some_and(|(_, bursts)| bursts > BURSTS);
        let constant = self.quantisers.len() >= LEAST_FRAMES
            && self.quantisers.iter().all(|q| *q == self.quantisers[0] && CHOSEN.contains(q));
        let found = [
            (Hint::EvenTiming, even),
            (Hint::BurstyTiming, bursty),
            (Hint::RepeatedSizes, repeats(&self.sizes)),
            (Hint::ConstantQuantiser, constant),
            (Hint::FileEncoder, self.file_encoder),
            (Hint::NoNoise, self.quiet.1 == LEAST_FRAMES && self.quiet.0 > NO_NOISE),
            (Hint::VirtualCamera, self.virtual_camera),
            (Hint::EvenReactions, self.scatter.is_some_and(|scatter| scatter < EVEN_REACTIONS)),
        ];
        InjectionRisk::of(found.into_iter().filter(|(_, found)| *found).map(|(hint, _)| hint).collect())
    }

    /// Standard deviation of the intervals, and the share of frames in bursts. Intervals of twice and three times the usual one,
    /// where frames were left out or lost, count as so many.
    fn timing(&self) -> Option<(Duration, f64)> {
        if self.taken.len() < LEAST_FRAMES {
            return None;
        }
        let seconds: Vec<f64> = self.taken.iter().map(Duration::as_secs_f64).collect();
        let mut intervals: Vec<f64> = seconds.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let count = intervals.len() as f64;
        let mean = intervals.iter().sum::<f64>() / count;
        let mut usual: Vec<f64> = intervals.iter().copied().filter(|interval| *interval >= BURST * mean).collect();
        let bursts = 1.0 - usual.len() as f64 / count;
        usual.sort_by(f64::total_cmp);
        let usual = usual.get(usual.len() / 2).copied().filter(|usual| *usual > 0.0)?;
        intervals.iter_mut().for_each(|interval| *interval -= usual * ((*interval / usual).round() - 1.0).max(0.0));
        let mean = intervals.iter().sum::<f64>() / count;
        let variance = intervals.iter().map(|interval| (interval - mean) * (interval - mean)).sum::<f64>() / count;
        Some((Duration::from_secs_f64(variance.sqrt().min(1e6)), bursts))
    }
}

fn push<T>(queue: &mut VecDeque<T>, value: T) {
    if queue.len() == KEPT {
        queue.pop_front();
    }
    queue.push_back(value);
}

/// Are the last [`SIZES`] sizes, which are not all alike, those of an earlier time?
fn repeats(sizes: &VecDeque<u32>) -> bool {
    let sizes: Vec<u32> = sizes.iter().copied().collect();
    let Some(start) = sizes.len().checked_sub(SIZES) else { return false };
    let (earlier, last) = sizes.split_at(start);
    let different = last.iter().filter(|size| **size != last[0]).count();
    different >= SIZES / 2 && earlier.windows(SIZES).any(|window| window == last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers 0..1 that a test can repeat.
    fn noise(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / (1_u64 << 24) as f64
        }
    }

    fn frame(bytes: u32, quantiser: Option<u8>) -> Encoded {
        Encoded { bytes, quantiser, x264: false }
    }

    fn risk(change: impl FnOnce(&mut InjectionHints)) -> InjectionRisk {
        let mut hints = InjectionHints::new();
        change(&mut hints);
        hints.risk()
    }

    #[test]
    fn a_camera_gives_no_hint() {
        let mut noise = noise(3);
        let risk = risk(|hints| {
            for i in 0..200 {
                // 30 a second with two milliseconds of scatter; every tenth is lost
                if i % 10 != 7 {
                    hints.taken(Duration::from_secs_f64(f64::from(i) / 30.0 + 0.004 * noise()));
                }
                hints.encoded(frame(2000 + (1000.0 * noise()) as u32, Some(20 + (20.0 * noise()) as u8)));
                hints.unchanged(0.4);
            }
            hints.camera("FaceTime HD Camera (Built-in)");
            hints.reactions(Some(0.2));
        });
        assert_eq!(risk, InjectionRisk::default());
        assert_eq!(risk.finding().verdict, Verdict::Passed);
    }

    #[test]
    fn a_file_is_even_or_bursty() {
        let even = |interval: f64| {
            risk(|hints| (0..100).for_each(|i| hints.taken(Duration::from_secs_f64(f64::from(i) * interval))))
        };
        assert_eq!(even(1.0 / 30.0).hints, [Hint::EvenTiming]);
        let bursts = risk(|hints| {
            (0..100).for_each(|i| hints.taken(Duration::from_millis(i / 2 * 66 + i % 2)));
        });
        assert_eq!(bursts.hints, [Hint::BurstyTiming]);
    }

    #[test]
    fn the_same_encoded_video_again() {
        let mut noise = noise(9);
        let sizes: Vec<u32> = (0..80).map(|_| 1000 + (3000.0 * noise()) as u32).collect();
        let once = risk(|hints| sizes.iter().for_each(|size| hints.encoded(frame(*size, None))));
        assert!(once.hints.is_empty());
        let twice = risk(|hints| sizes.iter().chain(&sizes[..20]).for_each(|size| hints.encoded(frame(*size, None))));
        assert_eq!(twice.hints, [Hint::RepeatedSizes]);
        let equal = risk(|hints| (0..80).for_each(|_| hints.encoded(frame(500, Some(30)))));
        assert_eq!(equal.hints, [Hint::ConstantQuantiser], "equal sizes are not repeated ones");
        for end in [2, 4, 106, 127] {
            let stuck = risk(|hints| (0..80).for_each(|_| hints.encoded(frame(500, Some(end)))));
            assert!(stuck.hints.is_empty(), "a rate control at its end: {end}");
        }
        let few = risk(|hints| (0..LEAST_FRAMES - 1).for_each(|_| hints.unchanged(1.0)));
        assert!(few.hints.is_empty(), "{few:?}");
    }

    #[test]
    fn cameras_that_are_programs() {
        for label in ["OBS Virtual Camera", "ManyCam Virtual Webcam", "Dummy video device (0x0000)", "XSplit VCam"] {
            assert!(is_virtual_camera(label), "{label}");
        }
        for label in
            ["Integrated Camera (04f2:b6d9)", "HD Pro Webcam C920", "DroidCam Virtual Camera", "Front Camera", ""]
        {
            assert!(!is_virtual_camera(label), "{label}");
        }
    }

    #[test]
    fn all_hints_together_are_no_verdict() {
        let risk = risk(|hints| {
            for i in 0..100_u32 {
                hints.taken(Duration::from_millis(u64::from(i) * 40));
                hints.encoded(Encoded { x264: i == 0, ..frame(100 + i % 20, Some(30)) });
                hints.unchanged(1.0);
            }
            hints.camera("OBS Virtual Camera");
            hints.reactions(Some(0.01));
        });
        assert_eq!(risk.hints.len(), 7, "{risk:?}");
        assert!(risk.risk > 0.95 && risk.risk < 1.0);
        assert_eq!(risk.finding().verdict, Verdict::Inconclusive);
    }
}

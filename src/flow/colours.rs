//! A colour challenge on its way: which colour the screen shows now, and what the frames show of it.
//!
//! The subject reads first what is coming, for as long as it takes to read it. Then the screen is a lamp that changes its
//! colour every third of a second, and frames are measured until the last reflection can have arrived.

use std::time::{Duration, Instant};

use vision_core::liveness::colour::sequence::{STEP, STEPS};
use vision_core::liveness::colour::{Judgement, Observer, Sequence};
use vision_models::engine::StreamResult;

/// How long the subject reads what is coming.
const ANNOUNCED: Duration = Duration::from_secs(2);
/// The whole of it, with time to judge.
pub const LIMIT: Duration = Duration::from_millis(
    ANNOUNCED.as_millis() as u64 + Sequence::LENGTH.as_millis() as u64 + Observer::AFTERGLOW.as_millis() as u64 + 2000,
);

/// What the screen shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Words that tell what is coming.
    Announcement,
    /// A colour, sRGB.
    Light([u8; 3]),
    /// The colours are over.
    Nothing,
}

/// One subject's colours. Used once.
pub struct Colours {
    sequence: Sequence,
    begun: Instant,
    observer: Observer,
    /// When each colour went to the screen, and the end of the last.
    edges: Vec<Duration>,
    /// The steps shown so far; 0 is the announcement.
    step: usize,
    /// When the present step began.
    changed: Instant,
}

impl Colours {
    /// Announced `now`. `random` is the operating system's.
    pub fn begin<E>(now: Instant, random: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let sequence = Sequence::draw(random)?;
        let (observer, edges) = (Observer::default(), Vec::with_capacity(STEPS + 1));
        Ok(Self { sequence, begun: now, observer, edges, step: 0, changed: now })
    }

    /// When the next change is due; none after the last. A change that was late makes the next one late, too: no step may be
    /// shorter than it is drawn to be, for the sake of whom flashes harm.
    pub fn next_change(&self) -> Option<Instant> {
        let lasts = match self.step {
            0 => ANNOUNCED,
            // grey, the colours, grey
            step if step <= STEPS + 2 => STEP,
            step if step == STEPS + 3 => Observer::AFTERGLOW,
            _ => return None,
        };
        Some(self.changed + lasts)
    }

    /// What is shown from `now` on; to be called when a change is due, and the picture goes out at once.
    pub fn change(&mut self, now: Instant) -> Shown {
        self.step += 1;
        self.changed = now;
        // Steps: 1 is grey, 2 to STEPS + 1 are the colours, then grey again, then nothing.
        if (2..=STEPS + 2).contains(&self.step) {
            self.edges.push(now.saturating_duration_since(self.begun));
        }
        self.shown()
    }

    /// What is shown.
    pub fn shown(&self) -> Shown {
        match self.step {
            0 => Shown::Announcement,
            step => match self.sequence.colour_at(STEP * (step as u32 - 1)) {
                Some(colour) => Shown::Light(colour.srgb()),
                None => Shown::Nothing,
            },
        }
    }

    /// Whether nothing more is to be seen.
    pub fn is_over(&self) -> bool {
        self.next_change().is_none()
    }

    /// An analysed frame.
    pub fn frame(&mut self, result: &StreamResult) {
        let Some(face) = &result.analysis.face else { return };
        if let Some(time) = result.submitted.checked_duration_since(self.begun) {
            self.observer.frame(&result.picture.view(), face, time);
        }
    }

    /// Were the colours on the face? Some milliseconds of work. None when they were not all shown. `least_contrast`: as
    /// [`Observer::judge`] takes it.
    pub fn judge(self, least_contrast: f32) -> Option<Judgement> {
        let edges = self.edges.try_into().ok()?;
        Some(self.observer.judge(&self.sequence, &edges, least_contrast))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_sequence_is_shown_and_noted() {
        let begun = Instant::now();
        let mut colours = Colours::begin(begun, getrandom::fill).unwrap();
        let mut shown = vec![colours.shown()];
        let mut changes = Vec::new();
        while let Some(at) = colours.next_change() {
            changes.push(at - begun);
            shown.push(colours.change(at));
        }
        assert!(colours.is_over());
        let lights = shown.iter().filter(|shown| matches!(shown, Shown::Light(_))).count();
        assert_eq!(lights, STEPS + 2, "grey, the colours, grey: {shown:?}");
        assert_eq!((shown[0], shown[1], shown[STEPS + 2]), (Shown::Announcement, shown[STEPS + 2], shown[1]));
        assert_eq!(shown[STEPS + 3..], [Shown::Nothing, Shown::Nothing]);
        assert_eq!((changes[0], changes[STEPS + 2]), (ANNOUNCED, ANNOUNCED + Sequence::LENGTH));
        assert_eq!(colours.edges, Sequence::times(ANNOUNCED), "as if the screen is never late");
        assert_eq!(changes.last(), Some(&(ANNOUNCED + Sequence::LENGTH + Observer::AFTERGLOW)));
        assert!(changes[STEPS + 3] < LIMIT);
        assert!(colours.judge(0.04).is_some(), "without a frame too");
    }

    #[test]
    fn a_late_change_shortens_no_step() {
        let mut colours = Colours::begin(Instant::now(), getrandom::fill).unwrap();
        colours.change(colours.next_change().unwrap());
        let late = colours.next_change().unwrap() + Duration::from_millis(200);
        colours.change(late);
        assert_eq!(colours.next_change(), Some(late + STEP));
    }

    #[test]
    fn what_was_broken_off_is_not_judged() {
        let mut colours = Colours::begin(Instant::now(), getrandom::fill).unwrap();
        for _ in 0..5 {
            colours.change(colours.next_change().unwrap());
        }
        assert!(colours.judge(0.04).is_none());
    }
}

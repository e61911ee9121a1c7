//! Which colours are shown: drawn at random, harmless to look at, told apart by a camera.
//!
//! All colours have the same relative luminance (WCAG 2, of sRGB): the screen changes its hue and never its brightness.
//! So there is no general flash, whatever the order; no colour is a saturated red; and a camera's auto-exposure has nothing to
//! follow. Red and blue are each fully on or off, which gives a camera two signals to look for, and green balances them.

use std::{fmt, time::Duration};

use crate::random::below;

/// How many colours are shown between grey and grey.
pub const STEPS: usize = 12;
/// How long each is shown. Three of them last longer than a second, so that no second has more than three changes.
pub const STEP: Duration = Duration::from_millis(350);
/// A channel (red, blue) is on in so many of the steps, and the two of them are alike in so many.
const BALANCED: std::ops::RangeInclusive<usize> = 4..=8;

/// A colour of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Colour {
    /// What it begins and ends with.
    Grey,
    /// Neither red nor blue.
    Green,
    /// With red.
    Amber,
    /// With blue.
    Azure,
    /// With both.
    Pink,
}

impl Colour {
    /// Those that are drawn.
    pub const PALETTE: [Self; 4] = [Self::Green, Self::Amber, Self::Azure, Self::Pink];

    /// Red, green and blue as they are drawn, sRGB.
    pub const fn srgb(self) -> [u8; 3] {
        match self {
            Self::Grey => [188, 188, 188],
            Self::Green => [0, 218, 0],
            Self::Amber => [255, 170, 0],
            Self::Azure => [0, 203, 255],
            Self::Pink => [255, 149, 255],
        }
    }

    /// The light of a screen that shows it: red, green and blue, linear, 1 for white.
    pub fn light(self) -> [f32; 3] {
        self.srgb().map(|part| linear(f32::from(part) / 255.0))
    }

    /// How much more red, and how much more blue than green there is in its light: what can be found again without
    /// knowing how bright the picture is. Nothing for grey.
    pub fn chroma(self) -> [f32; 2] {
        let [r, g, b] = self.light();
        [r - g, b - g]
    }
}

/// Light 0..1 of an sRGB value 0..1 (IEC 61966-2-1).
pub(crate) fn linear(value: f32) -> f32 {
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

/// The colours that one subject is shown, one of 619 680 (19.2 bits). To be used once: it cannot be copied.
#[derive(PartialEq)]
pub struct Sequence {
    colours: [Colour; STEPS],
}

impl Sequence {
    /// From the first grey to the end of the last.
    pub const LENGTH: Duration = Duration::from_millis(STEP.as_millis() as u64 * (STEPS as u64 + 2));

    /// Draws a sequence in which no colour follows itself, and red, blue and their agreement are balanced: every such
    /// sequence is equally likely. `random` fills a buffer with random bytes of the operating system; it is called
    /// for every colour until a sequence is balanced, which seven out of eight are.
    pub fn draw<E>(mut random: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        loop {
            let mut colours = [Colour::Grey; STEPS];
            let mut last = None;
            for colour in &mut colours {
                let choices = if last.is_none() { 4 } else { 3 };
                let pick = below(choices, &mut random)? as usize;
                let drawn = Colour::PALETTE.into_iter().filter(|colour| Some(*colour) != last).nth(pick);
                *colour = drawn.unwrap_or(Colour::Green);
                last = drawn;
            }
            let sequence = Self { colours };
            if sequence.is_balanced() {
                return Ok(sequence);
            }
        }
    }

    /// What is to be shown so long after the beginning; `None` when it is over.
    pub fn colour_at(&self, elapsed: Duration) -> Option<Colour> {
        let step = (elapsed.as_millis() / STEP.as_millis()) as usize;
        match step {
            0 => Some(Colour::Grey),
            step if step == STEPS + 1 => Some(Colour::Grey),
            step => self.colours.get(step - 1).copied(),
        }
    }

    /// When each of its colours begins to be shown, and when the last of them ends to be, if it begins at `start` and the
    /// screen is never late.
    pub fn times(start: Duration) -> [Duration; STEPS + 1] {
        std::array::from_fn(|step| start + STEP * (step as u32 + 1))
    }

    /// Without the greys.
    pub(crate) fn colours(&self) -> &[Colour; STEPS] {
        &self.colours
    }

    /// Does each channel tell something, and not the same as the other?
    fn is_balanced(&self) -> bool {
        let count = |is: fn(Colour) -> bool| self.colours.iter().filter(|colour| is(**colour)).count();
        let counts = [
            count(|colour| matches!(colour, Colour::Amber | Colour::Pink)),
            count(|colour| matches!(colour, Colour::Azure | Colour::Pink)),
            count(|colour| matches!(colour, Colour::Green | Colour::Pink)),
        ];
        counts.iter().all(|count| BALANCED.contains(count))
    }
}

// Whoever knew it in advance could make a picture that follows it.
impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sequence({STEPS} colours)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::random::repeatable;

    fn drawn(count: usize) -> Vec<Sequence> {
        let mut random = repeatable(11);
        let draw = |_| {
            let Ok(sequence) = Sequence::draw(&mut random);
            sequence
        };
        (0..count).map(draw).collect()
    }

    #[test]
    fn every_colour_is_as_likely_at_every_step_and_none_follows_itself() {
        let sequences = drawn(4000);
        for step in 0..STEPS {
            let mut counts = BTreeMap::new();
            for sequence in &sequences {
                *counts.entry(format!("{:?}", sequence.colours[step])).or_insert(0) += 1;
                assert!(step == 0 || sequence.colours[step] != sequence.colours[step - 1]);
            }
            assert!(
                counts.len() == 4 && counts.values().all(|count| (880..1120).contains(count)),
                "{step}: {counts:?}"
            );
        }
        assert!(sequences.iter().all(Sequence::is_balanced));
    }

    #[test]
    fn no_two_are_the_same() {
        let sequences = drawn(300);
        for (i, a) in sequences.iter().enumerate() {
            assert!(sequences[..i].iter().all(|b| a != b));
        }
    }

    /// As many as the documentation says: followed from step to step, by what balance depends on.
    #[test]
    fn there_are_619_680() {
        let mut counts = BTreeMap::from([((None, 0, 0, 0), 1_u64)]);
        for _ in 0..STEPS {
            let mut next = BTreeMap::new();
            for ((last, red, blue, alike), count) in counts {
                for (i, [has_red, has_blue]) in [[0, 0], [1, 0], [0, 1], [1, 1]].into_iter().enumerate() {
                    if last != Some(i) {
                        let key = (Some(i), red + has_red, blue + has_blue, alike + usize::from(has_red == has_blue));
                        *next.entry(key).or_insert(0) += count;
                    }
                }
            }
            counts = next;
        }
        let balanced = counts
            .iter()
            .filter(|((_, red, blue, alike), _)| [*red, *blue, *alike].iter().all(|count| BALANCED.contains(count)));
        assert_eq!(balanced.map(|(_, count)| count).sum::<u64>(), 619_680);
    }

    #[test]
    fn a_source_that_fails_is_passed_on() {
        assert_eq!(Sequence::draw(|_| Err("no entropy")).unwrap_err(), "no entropy");
    }

    #[test]
    fn nobody_reads_it_in_a_log() {
        let text = format!("{:?}", drawn(1)[0]);
        assert!(Colour::PALETTE.iter().all(|colour| !text.contains(&format!("{colour:?}"))), "{text}");
    }

    #[test]
    fn red_and_blue_are_far_apart() {
        for (i, a) in Colour::PALETTE.iter().enumerate() {
            for b in &Colour::PALETTE[..i] {
                let ([ar, ab], [br, bb]) = (a.chroma(), b.chroma());
                assert!((ar - br).abs().max((ab - bb).abs()) > 1.0, "{a:?} {b:?}");
            }
        }
        assert_eq!(Colour::Grey.chroma(), [0.0; 2]);
    }

    #[test]
    fn times_are_those_of_the_colours() {
        let sequence = &drawn(1)[0];
        let start = Duration::from_secs(7);
        for (step, time) in Sequence::times(start).into_iter().enumerate() {
            let before = sequence.colour_at(time - start - Duration::from_millis(1));
            let after = sequence.colour_at(time - start);
            assert_eq!(after, Some(sequence.colours.get(step).copied().unwrap_or(Colour::Grey)));
            assert_ne!(before, after);
        }
    }
}

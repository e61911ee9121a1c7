//! Which colours are shown: drawn at random, harmless to look at, told apart by a camera.
//!
//! All colours have the same relative luminance (WCAG 2, of sRGB): the screen changes its hue and never its brightness.
//! So there is no general flash, whatever the order; no colour is a saturated red; and a camera's auto-exposure has nothing to
//! follow. Red and blue are each fully on or off, which gives a camera two signals to look for, and green balances them.

use std::{fmt, time::Duration};

use crate::challenge::below;

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

/// Random numbers that can be repeated (xorshift64*): for comparisons and for tests, never for what is shown.
pub(crate) fn repeatable(mut state: u64) -> impl FnMut(&mut [u8]) -> Result<(), std::convert::Infallible> {
    move |bytes| {
        for chunk in bytes.chunks_mut(8) {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            let value = state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes();
            chunk.copy_from_slice(&value[..chunk.len()]);
        }
        Ok(())
    }
}

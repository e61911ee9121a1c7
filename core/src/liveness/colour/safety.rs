//! Proof that what is shown cannot harm: the definitions of WCAG 2.2 (success criterion 2.3.1, "three flashes or below threshold"),
//! applied to sequences as they are drawn, as a call's video shows them, and on a screen of other primaries.

use std::time::Duration;

use proptest::prelude::*;

use super::sequence::{Colour, STEP, Sequence, linear};
use crate::random::repeatable;

/// Linear red, green and blue.
type Light = [f32; 3];

/// Relative luminance of sRGB, and of Display P3, on which colours that nobody converted are deeper.
const LUMINANCE: [Light; 2] = [[0.2126, 0.7152, 0.0722], [0.2290, 0.6917, 0.0793]];

/// A screen of moments, each with the colour that it begins to show.
type Show = Vec<(f32, Light)>;

fn luminance(light: Light, weights: Light) -> f32 {
    light.iter().zip(weights).map(|(part, weight)| part * weight).sum()
}

/// Greatest number within any second.
fn most_in_a_second(times: &[f32]) -> usize {
    times
        .iter()
        .map(|start| times.iter().filter(|time| (*start..=start + 1.0).contains(*time)).count())
        .max()
        .unwrap_or(0)
}

/// Times of general flashes: pairs of opposing changes of relative luminance by a tenth of the greatest or more, the darker
/// picture below 0.8.
fn general_flashes(show: &Show, weights: Light) -> Vec<f32> {
    let levels: Vec<(f32, f32)> = show.iter().map(|(time, light)| (*time, luminance(*light, weights))).collect();
    let changes: Vec<(f32, bool)> = levels
        .windows(2)
        .filter(|two| (two[1].1 - two[0].1).abs() >= 0.1 && two[0].1.min(two[1].1) < 0.8)
        .map(|two| (two[1].0, two[1].1 > two[0].1))
        .collect();
    changes.windows(2).filter(|two| two[0].1 != two[1].1).map(|two| two[1].0).collect()
}

/// WCAG 2.2: a part of red of 0.8 or more of the light.
fn is_saturated_red([r, g, b]: Light) -> bool {
    r > 0.0 && r / (r + g + b) >= 0.8
}

fn show(sequence: &Sequence, code: impl Fn(Colour) -> Light) -> Show {
    let mut show: Show = Vec::new();
    let mut last = None;
    for ms in 0..Sequence::LENGTH.as_millis() as u64 {
        let colour = sequence.colour_at(Duration::from_millis(ms)).unwrap();
        if last.replace(colour) != Some(colour) {
            show.push((ms as f32 / 1000.0, code(colour)));
        }
    }
    show
}

/// BT.601 limited range in eight bits and back, a step of a sample off, as codecs are.
fn through_video(colour: Colour, error: f32) -> Light {
    let [r, g, b] = colour.srgb().map(f32::from);
    let y = (16.0 + (65.481 * r + 128.553 * g + 24.966 * b) / 255.0).round() + error;
    let u = (128.0 + (-37.797 * r - 74.203 * g + 112.0 * b) / 255.0).round() - 128.0 + error;
    let v = (128.0 + (112.0 * r - 93.786 * g - 18.214 * b) / 255.0).round() - 128.0 + error;
    let luma = 1.164_383 * (y - 16.0);
    [luma + 1.596_027 * v, luma - 0.391_762 * u - 0.812_968 * v, luma + 2.017_232 * u]
        .map(|part| linear(part.clamp(0.0, 255.0) / 255.0))
}

proptest! {
    /// Not one flash, not three: no change of luminance reaches a tenth, and no colour is a saturated red.
    #[test]
    fn nothing_flashes(seed in 1_u64.., error in -1.5_f32..1.5) {
        let Ok(sequence) = Sequence::draw(repeatable(seed));
        for code in [&|colour: Colour| colour.light() as Light, &|colour| through_video(colour, error)] as [&dyn Fn(Colour) -> Light; 2] {
            let show = show(&sequence, code);
            for weights in LUMINANCE {
                let levels: Vec<f32> = show.iter().map(|(_, light)| luminance(*light, weights)).collect();
                let (low, high) = levels.iter().fold((1.0_f32, 0.0_f32), |(low, high), level| (low.min(*level), high.max(*level)));
                prop_assert!(high - low < 0.1, "{low} to {high}");
                prop_assert!(general_flashes(&show, weights).is_empty());
            }
            prop_assert!(show.iter().all(|(_, light)| !is_saturated_red(*light)));
        }
    }

    /// At most three changes a second, 3 to 5 s, grey at both ends.
    #[test]
    fn changes_are_slow_and_few(seed in 1_u64..) {
        let Ok(sequence) = Sequence::draw(repeatable(seed));
        let show = show(&sequence, Colour::light);
        let changes: Vec<f32> = show.iter().skip(1).map(|(time, _)| *time).collect();
        prop_assert!(changes.len() >= 12 && most_in_a_second(&changes) <= 3, "{changes:?}");
        prop_assert!((3.0..=5.0).contains(&Sequence::LENGTH.as_secs_f32()));
        prop_assert_eq!(sequence.colour_at(Duration::ZERO), Some(Colour::Grey));
        prop_assert_eq!(sequence.colour_at(STEP - Duration::from_millis(1)), Some(Colour::Grey));
        prop_assert_eq!(sequence.colour_at(Sequence::LENGTH - STEP), Some(Colour::Grey));
        prop_assert_eq!(sequence.colour_at(Sequence::LENGTH), None);
    }
}

/// The definitions notice what they are for.
#[test]
fn what_flashes_is_noticed() {
    let (black, white, red) = ([0.0; 3], [1.0; 3], [1.0, 0.1, 0.1]);
    let flicker: Show = (0..20).map(|i| (i as f32 / 8.0, if i % 2 == 0 { black } else { white })).collect();
    let flashes = general_flashes(&flicker, LUMINANCE[0]);
    assert_eq!((flashes.len(), most_in_a_second(&flashes)), (18, 9));
    assert!(is_saturated_red(red) && !is_saturated_red(white) && !is_saturated_red(black));
    let bright: Show = (0..20).map(|i| (i as f32 / 8.0, if i % 2 == 0 { [0.85; 3] } else { white })).collect();
    assert!(general_flashes(&bright, LUMINANCE[0]).is_empty());
}

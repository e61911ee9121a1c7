//! Interactions being performed: a pure state machine, fed with one face after another.

use crate::face::{Angles, BLENDSHAPE_NAMES, BLENDSHAPES, Face};
use crate::random;

use super::{Interaction, Prompt, Settings, SettingsError};

/// An eye is closed above this and open below [`EYE_OPEN`]; both are those of the gesture `blink`.
const EYE_CLOSED: f32 = 0.5;
const EYE_OPEN: f32 = 0.35;
/// As the gesture `openCloseMouth`.
const MOUTH_OPEN: f32 = 0.6;
const MOUTH_CLOSED: f32 = 0.2;

const EYE_BLINK_LEFT: usize = blendshape("eyeBlinkLeft");
const EYE_BLINK_RIGHT: usize = blendshape("eyeBlinkRight");
const JAW_OPEN: usize = blendshape("jawOpen");

const fn blendshape(name: &str) -> usize {
    let mut at = 0;
    while !equal(BLENDSHAPE_NAMES[at].as_bytes(), name.as_bytes()) {
        at += 1;
    }
    at
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// What a frame led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// What the subject is told now.
    pub prompt: Prompt,
    /// The neutral state was seen on this frame: the action is asked for from now on.
    pub asked: Option<Interaction>,
    /// The interaction that was completed on this frame.
    pub completed: Option<Interaction>,
    /// All are completed, and the frames after the last one have passed.
    pub done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The neutral state has to be seen.
    Neutral,
    /// The action has to be seen.
    Action,
    /// So many more frames have to pass.
    Cooldown(u32),
}

/// Where a face stands with regard to an interaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Neutral,
    Between,
    Action,
    /// The opposite of what is asked for.
    Opposite,
}

/// The interactions of one subject.
#[derive(Clone, Debug)]
pub struct Interactions {
    settings: Settings,
    drawn: Vec<Interaction>,
    at: usize,
    phase: Phase,
}

impl Interactions {
    /// Draws interactions: every selection in every order is equally likely. `random` fills a buffer with random bytes of
    /// the operating system.
    ///
    /// # Errors
    /// [`SettingsError`] in the inner result when the settings cannot be used, `random`'s own error in the outer one.
    pub fn draw<E>(
        settings: Settings,
        random: impl FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<Result<Self, SettingsError>, E> {
        if let Err(error) = settings.check() {
            return Ok(Err(error));
        }
        let drawn = random::draw(&settings.interactions, settings.interactions_count, random)?;
        Ok(Ok(Self { settings, drawn, at: 0, phase: Phase::Neutral }))
    }

    /// What was drawn, in order.
    pub fn drawn(&self) -> &[Interaction] {
        &self.drawn
    }

    /// The interaction that is under way; none when all are completed.
    pub fn current(&self) -> Option<Interaction> {
        match self.phase {
            Phase::Cooldown(_) => None,
            _ => self.drawn.get(self.at).copied(),
        }
    }

    /// What the subject is told now.
    pub fn prompt(&self) -> Prompt {
        match (self.current(), self.phase) {
            (Some(interaction), Phase::Action) => interaction.action_prompt(),
            (Some(interaction), _) => interaction.neutral_prompt(),
            (None, _) => Prompt::Continue,
        }
    }

    /// A frame with a face; of a picture that is not mirrored. A frame without one is not passed in.
    pub fn update(&mut self, face: &Face) -> Update {
        self.update_with(face.angles(), &face.blendshapes)
    }

    /// As [`Self::update`], with angles and blendshapes alone.
    pub fn update_with(&mut self, angles: Angles, blendshapes: &[f32; BLENDSHAPES]) -> Update {
        let (mut asked, mut completed) = (None, None);
        if let Phase::Cooldown(left) = self.phase {
            self.phase = if left > 1 { Phase::Cooldown(left - 1) } else { Phase::Neutral };
        } else if let Some(interaction) = self.current() {
            match (self.phase, self.look(interaction, angles, blendshapes)) {
                (Phase::Neutral, Seen::Neutral) => {
                    self.phase = Phase::Action;
                    asked = Some(interaction);
                }
                // Whoever turns to both sides in the hope that one is right begins anew.
                (Phase::Action, Seen::Opposite) => self.phase = Phase::Neutral,
                (Phase::Action, Seen::Action) => {
                    completed = Some(interaction);
                    self.at += 1;
                    self.phase = match self.settings.cooldown_frames_count {
                        0 => Phase::Neutral,
                        frames => Phase::Cooldown(frames),
                    };
                }
                _ => {}
            }
        }
        let done = self.at == self.drawn.len() && !matches!(self.phase, Phase::Cooldown(_));
        Update { prompt: self.prompt(), asked, completed, done }
    }

    fn look(&self, interaction: Interaction, angles: Angles, blendshapes: &[f32; BLENDSHAPES]) -> Seen {
        let settings = &self.settings;
        let angle = |towards: f32, start: f32, threshold: f32| match towards.to_degrees() {
            degrees if degrees.abs() < start => Seen::Neutral,
            degrees if degrees > threshold => Seen::Action,
            degrees if degrees < -threshold => Seen::Opposite,
            _ => Seen::Between,
        };
        let yaw = |towards| angle(towards, settings.yaw_start_deg, settings.yaw_threshold_deg);
        let pitch = |towards| angle(towards, settings.pitch_start_deg, settings.pitch_threshold_deg);
        let between = |value: f32, low: f32, high: f32| match value {
            value if value < low => Seen::Neutral,
            value if value > high => Seen::Action,
            _ => Seen::Between,
        };
        let eyes = [blendshapes[EYE_BLINK_LEFT], blendshapes[EYE_BLINK_RIGHT]];
        match interaction {
            Interaction::YawLeft => yaw(angles.yaw),
            Interaction::YawRight => yaw(-angles.yaw),
            Interaction::PitchUp => pitch(angles.pitch),
            Interaction::PitchDown => pitch(-angles.pitch),
            Interaction::Mouth => between(blendshapes[JAW_OPEN], MOUTH_CLOSED, MOUTH_OPEN),
            Interaction::Blink => {
                let closed = |eye: f32| eye > EYE_CLOSED;
                let blinks =
                    if settings.accept_one_eyed { eyes.into_iter().any(closed) } else { eyes.into_iter().all(closed) };
                match blinks {
                    true => Seen::Action,
                    false if eyes.into_iter().all(|eye| eye < EYE_OPEN) => Seen::Neutral,
                    false => Seen::Between,
                }
            }
        }
    }
}

impl Interaction {
    fn neutral_prompt(self) -> Prompt {
        match self {
            Self::Blink => Prompt::OpenEyes,
            Self::YawLeft | Self::YawRight => Prompt::LookStraight,
            Self::PitchUp | Self::PitchDown => Prompt::HoldLevel,
            Self::Mouth => Prompt::CloseMouth,
        }
    }

    fn action_prompt(self) -> Prompt {
        match self {
            Self::Blink => Prompt::CloseEyes,
            Self::YawLeft => Prompt::TurnLeft,
            Self::YawRight => Prompt::TurnRight,
            Self::PitchUp => Prompt::RaiseChin,
            Self::PitchDown => Prompt::LowerChin,
            Self::Mouth => Prompt::OpenMouth,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::ORIGINAL;
    use super::*;
    use crate::random::repeatable;

    fn asked_for(interaction: Interaction, settings: Settings) -> Interactions {
        let settings = Settings { interactions: vec![interaction], interactions_count: 1, ..settings };
        let Ok(drawn) = Interactions::draw(settings, repeatable(1));
        drawn.unwrap()
    }

    fn turned(yaw: f32, pitch: f32) -> Angles {
        Angles { yaw: yaw.to_radians(), pitch: pitch.to_radians(), roll: 0.0 }
    }

    fn eyes(left: f32, right: f32) -> [f32; BLENDSHAPES] {
        let mut blendshapes = [0.0; BLENDSHAPES];
        (blendshapes[EYE_BLINK_LEFT], blendshapes[EYE_BLINK_RIGHT]) = (left, right);
        blendshapes
    }

    const FACE: [f32; BLENDSHAPES] = [0.0; BLENDSHAPES];

    #[test]
    fn a_turn_is_neutral_first_and_to_the_subjects_own_side() {
        for (interaction, side, codes) in
            [(Interaction::YawLeft, 1.0, [63, 65]), (Interaction::YawRight, -1.0, [63, 64])]
        {
            let mut machine = asked_for(interaction, Settings::default());
            let mut turn = |yaw: f32| machine.update_with(turned(side * yaw, 0.0), &FACE);
            assert_eq!(turn(25.0).prompt.code(), codes[0], "a head that is turned already");
            assert_eq!(turn(12.0).prompt.code(), codes[0]);
            assert_eq!(turn(9.0).prompt.code(), codes[1]);
            assert_eq!(turn(15.0).completed, None);
            assert_eq!(turn(-25.0).prompt.code(), codes[0], "the other side");
            assert_eq!(turn(25.0).completed, None);
            assert_eq!(turn(-5.0).asked, Some(interaction));
            let end = turn(20.5);
            assert_eq!((end.completed, end.done, end.prompt.code()), (Some(interaction), true, 37));
            assert_eq!(turn(20.5).completed, None, "each once");
        }
    }

    #[test]
    fn chin_up_and_down() {
        for (interaction, side, code) in [(Interaction::PitchUp, 1.0, 67), (Interaction::PitchDown, -1.0, 68)] {
            let mut machine = asked_for(interaction, Settings::default());
            assert_eq!(machine.prompt().code(), 66);
            assert_eq!(machine.update_with(turned(0.0, side * 2.0), &FACE).prompt.code(), code);
            assert_eq!(machine.update_with(turned(0.0, side * 21.0), &FACE).completed, Some(interaction));
        }
    }

    #[test]
    fn a_blink_is_of_both_eyes_unless_one_is_accepted() {
        let mut both = asked_for(Interaction::Blink, Settings::default());
        assert_eq!(both.update_with(Angles::default(), &eyes(0.9, 0.9)).prompt, Prompt::OpenEyes);
        assert_eq!(both.update_with(Angles::default(), &eyes(0.1, 0.1)).prompt, Prompt::CloseEyes);
        assert_eq!(both.update_with(Angles::default(), &eyes(0.9, 0.1)).completed, None);
        assert_eq!(both.update_with(Angles::default(), &eyes(0.6, 0.7)).completed, Some(Interaction::Blink));
        let one = Settings { accept_one_eyed: true, ..Settings::default() };
        let mut one = asked_for(Interaction::Blink, one);
        one.update_with(Angles::default(), &eyes(0.1, 0.1));
        assert_eq!(one.update_with(Angles::default(), &eyes(0.1, 0.9)).completed, Some(Interaction::Blink));
    }

    #[test]
    fn the_mouth_is_an_extension() {
        let mut machine = asked_for(Interaction::Mouth, Settings::default());
        let open = |jaw: f32| {
            let mut blendshapes = FACE;
            blendshapes[JAW_OPEN] = jaw;
            blendshapes
        };
        assert_eq!(machine.update_with(Angles::default(), &open(0.1)).prompt.code(), 102);
        assert_eq!(machine.update_with(Angles::default(), &open(0.7)).completed, Some(Interaction::Mouth));
        assert!(!ORIGINAL.contains(&Interaction::Mouth));
    }

    #[test]
    fn frames_pass_after_each() {
        let settings = Settings { cooldown_frames_count: 3, ..Settings::default() };
        let mut machine = asked_for(Interaction::Blink, settings);
        machine.update_with(Angles::default(), &eyes(0.1, 0.1));
        let mut frame = || machine.update_with(Angles::default(), &eyes(0.9, 0.9));
        assert_eq!((frame().completed, frame().done, frame().done), (Some(Interaction::Blink), false, false));
        let last = frame();
        assert_eq!((last.done, last.prompt.code()), (true, 37));
    }

    #[test]
    fn every_order_is_drawn_and_none_twice() {
        let mut random = repeatable(5);
        let mut seen = BTreeSet::new();
        for _ in 0..400 {
            let Ok(drawn) = Interactions::draw(Settings::default(), &mut random);
            let drawn: Vec<_> = drawn.unwrap().drawn().iter().map(|interaction| *interaction as u8).collect();
            assert_ne!(drawn[0], drawn[1]);
            seen.insert(drawn);
        }
        assert_eq!(seen.len(), 5 * 4);
    }

    #[test]
    fn settings_that_cannot_be_used() {
        let settings = Settings::default();
        assert_eq!(settings.check(), Ok(()));
        let count = |interactions_count| Settings { interactions_count, ..settings.clone() }.check();
        assert_eq!((count(0), count(6)), (Err(SettingsError::Count(0)), Err(SettingsError::Count(6))));
        let twice = Settings { interactions: vec![Interaction::Blink; 2], ..settings.clone() };
        assert_eq!(twice.check(), Err(SettingsError::Twice(Interaction::Blink)));
        let few = Settings { interactions: vec![Interaction::Blink], ..settings.clone() };
        assert_eq!(few.check(), Err(SettingsError::TooFew { wanted: 2, listed: 1 }));
        let narrow = Settings { yaw_start_deg: 20.0, ..settings.clone() };
        assert!(matches!(narrow.check(), Err(SettingsError::Angles { axis: "yaw", .. })));
        let nothing = Settings { pitch_threshold_deg: f32::NAN, ..settings };
        assert!(matches!(nothing.check(), Err(SettingsError::Angles { axis: "pitch", .. })));
    }

    #[test]
    fn a_face_that_is_not_a_number_is_nothing() {
        let mut machine = asked_for(Interaction::YawLeft, Settings::default());
        let update = machine.update_with(turned(f32::NAN, f32::NAN), &[f32::NAN; BLENDSHAPES]);
        assert_eq!((update.asked, update.completed), (None, None));
    }
}

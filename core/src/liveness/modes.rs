//! Which checks are made, and which of them decide.

use super::{CHECKS, Check, Mode};

/// Where every check's mode comes from when nobody says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Enforces what no honest subject fails, observes what is less certain.
    #[default]
    Default,
    /// Enforces everything but the injection hints, which are never more than observed.
    Strict,
}

impl Profile {
    /// The mode that this profile gives a check.
    pub fn mode(self, check: Check) -> Mode {
        match (self, check) {
            (_, Check::InjectionHints) => Mode::Observe,
            (Self::Strict, _) => Mode::Enforce,
            (
                Self::Default,
                Check::SeveralFaces | Check::IdentityContinuity | Check::FrozenStream | Check::ReactionTime,
            ) => Mode::Enforce,
            (Self::Default, Check::PassiveLiveness | Check::CutsAndLoops | Check::HeadTurnRigidity) => Mode::Observe,
            (Self::Default, Check::ColourChallenge | Check::Glasses) => Mode::Off,
        }
    }
}

/// A mode for every check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modes([Mode; CHECKS.len()]);

impl Modes {
    /// The modes of a profile, but for those that `set` names. Injection hints are never enforced.
    pub fn new(profile: Profile, set: impl Fn(Check) -> Option<Mode>) -> Self {
        Self(CHECKS.map(|check| match (check, set(check).unwrap_or_else(|| profile.mode(check))) {
            (Check::InjectionHints, Mode::Enforce) => Mode::Observe,
            (_, mode) => mode,
        }))
    }

    /// The same but for one check.
    pub fn with(self, check: Check, mode: Mode) -> Self {
        Self::new(Profile::Default, |c| Some(if c == check { mode } else { self.of(c) }))
    }

    /// The mode of a check.
    pub fn of(&self, check: Check) -> Mode {
        self.0[check as usize]
    }

    /// Whether a check is made at all.
    pub fn looks_at(&self, check: Check) -> bool {
        self.of(check) != Mode::Off
    }
}

impl Default for Modes {
    fn default() -> Self {
        Self::new(Profile::Default, |_| None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_kept_by_check() {
        for (index, check) in CHECKS.into_iter().enumerate() {
            assert_eq!(check as usize, index);
            let modes = Modes::new(Profile::Default, |c| (c == check).then_some(Mode::Off));
            assert_eq!(CHECKS.into_iter().filter(|c| modes.of(*c) != Profile::Default.mode(*c)).count(), {
                usize::from(Profile::Default.mode(check) != Mode::Off)
            });
        }
    }

    #[test]
    fn strict_enforces_all_but_the_hints() {
        let strict = Modes::new(Profile::Strict, |_| None);
        let lenient: Vec<_> = CHECKS.into_iter().filter(|c| strict.of(*c) != Mode::Enforce).collect();
        assert_eq!(lenient, [Check::InjectionHints]);
        assert_eq!(strict.of(Check::InjectionHints), Mode::Observe);
        assert_eq!(strict.with(Check::Glasses, Mode::Off).of(Check::Glasses), Mode::Off);
        assert_eq!(strict.with(Check::Glasses, Mode::Off).of(Check::ColourChallenge), Mode::Enforce);
        let forced = Modes::new(Profile::Strict, |_| Some(Mode::Enforce));
        assert_eq!(forced.of(Check::InjectionHints), Mode::Observe, "never more");
        assert!(!Modes::new(Profile::Strict, |_| Some(Mode::Off)).looks_at(Check::InjectionHints));
    }
}

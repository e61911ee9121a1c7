//! What the state machine wants shown, in the subject's language.

use std::sync::Arc;

use vision_core::locales::{Locale, Locales, Text};
use vision_core::subject_view::{Countdown, Guide, OutcomeView, Step, SubjectView};

use super::colours::Shown;
use super::outcome::Outcome;
use super::state::{Scene, Stage};

/// Turns scenes into views.
pub struct Words {
    locale: Arc<Locale>,
}

impl Words {
    /// Picks the language; one that is not known is the default, with a warning.
    pub fn new(locales: &Locales, requested: Option<&str>) -> Self {
        let (locale, known) = locales.pick(requested);
        if let Some(language) = requested.filter(|_| !known) {
            tracing::warn!("language {language:?} is not known, the subject reads {}", locale.language());
        }
        Self { locale: locale.clone() }
    }

    /// The language that the subject reads.
    pub fn language(&self) -> &str {
        self.locale.language()
    }

    /// A scene as the subject sees it.
    pub fn view(&self, scene: &Scene) -> SubjectView {
        let warning = scene.warning.map(|w| self.locale.warning(w).to_owned());
        let guide = if warning.is_some() { Guide::Warning } else { Guide::Neutral };
        let view = SubjectView { warning, guide, ..SubjectView::default() };
        match &scene.stage {
            Stage::Waiting => {
                SubjectView { message: self.text(Text::WaitingForCamera), waiting: true, guide: Guide::Hidden, ..view }
            }
            Stage::Starting => SubjectView { message: self.text(Text::Starting), ..view },
            Stage::Gesture { gesture, index, total, ends, limit } => SubjectView {
                message: self.locale.gesture(gesture).to_owned(),
                step: Some(Step { current: index + 1, total: *total }),
                countdown: Some(Countdown { ends: *ends, total: *limit }),
                guide: if scene.warning.is_some() { Guide::Warning } else { Guide::Good },
                ..view
            },
            Stage::Colours => SubjectView { message: self.text(Text::ColoursComing), ..view },
            Stage::Checking => SubjectView { message: self.text(Text::Comparing), guide: Guide::Hidden, ..view },
            Stage::Decided(outcome) => SubjectView {
                message: self.outcome(*outcome),
                outcome: Some(if outcome.is_success() { OutcomeView::Success } else { OutcomeView::Failure }),
                guide: Guide::Hidden,
                ..view
            },
        }
    }

    /// The view of [`Stage::Colours`] as the colours go on.
    pub fn lit(&self, view: SubjectView, shown: Shown) -> SubjectView {
        match shown {
            Shown::Announcement => view,
            Shown::Light(light) => SubjectView { message: self.text(Text::Colours), light: Some(light), ..view },
            Shown::Nothing => SubjectView { message: self.text(Text::Comparing), ..view },
        }
    }

    /// An outcome in words.
    pub fn outcome(&self, outcome: Outcome) -> String {
        match outcome.reason() {
            None => self.text(Text::Verified),
            Some(reason) => self.locale.reason(reason.as_str()).to_owned(),
        }
    }

    fn text(&self, text: Text) -> String {
        self.locale.text(text).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::{REASONS, Reason};
    use super::*;

    #[test]
    fn every_reason_has_words_of_its_own_in_every_language() {
        let locales = Locales::load(&[], "en").unwrap();
        for language in ["en", "es", "pt", "fr", "de"] {
            let words = Words::new(&locales, Some(language));
            let general = words.text(Text::NotVerified);
            for reason in REASONS {
                let text = words.outcome(Outcome::NotVerified(reason));
                if reason == Reason::SpoofSuspected {
                    assert_eq!(text, general, "a suspected attack is not told apart from a plain failure");
                    continue;
                }
                assert!(!text.is_empty() && text != general, "{language}: {} has no words", reason.as_str());
            }
        }
    }
}

//! A challenge as its subject sees it.

use std::time::{Duration, Instant};

use vision_core::gestures::Phase;
use vision_core::locales::{Locale, Text};
use vision_core::position::{PositionLimits, Warning};
use vision_core::subject_view::{Countdown, Guide, OutcomeView, Step, SubjectView};

use crate::facegestures::GestureState;
use crate::meta::Faces;

/// What is wrong with a picture that was looked at.
pub(super) fn warning(faces: &Faces) -> Option<Warning> {
    if faces.face_count > 1 {
        return Some(Warning::SeveralFaces);
    }
    faces.first().map_or(Some(Warning::NoFace), |face| PositionLimits::default().check(face))
}

/// The view of a challenge. `epoch` is running time 0 on the composer's clock.
pub(super) fn view(locale: &Locale, state: &GestureState, warning: Option<Warning>, epoch: Instant) -> SubjectView {
    let sequence = &state.sequence;
    let guided = |good: Guide| if warning.is_some() { Guide::Warning } else { good };
    let text = |text: Text| locale.text(text).to_owned();
    let words = warning.map(|warning| locale.warning(warning).to_owned());
    match sequence.phase {
        Phase::Waiting => SubjectView {
            message: text(Text::Starting),
            warning: words,
            guide: guided(Guide::Neutral),
            ..SubjectView::default()
        },
        Phase::Running => SubjectView {
            message: locale.gesture(&sequence.gesture).to_owned(),
            warning: words,
            step: Some(Step { current: sequence.index + 1, total: sequence.total }),
            countdown: state.limit().map(|(ends, total)| Countdown { ends: epoch + ends, total }),
            guide: guided(Guide::Good),
            ..SubjectView::default()
        },
        Phase::Completed => {
            SubjectView { message: text(Text::Alive), outcome: Some(OutcomeView::Success), ..SubjectView::default() }
        }
        Phase::Failed => {
            SubjectView { message: text(Text::NotAlive), outcome: Some(OutcomeView::Failure), ..SubjectView::default() }
        }
    }
}

/// A countdown of a property: so many seconds are left of so many at a moment.
pub(super) fn countdown(left: f64, total: f64, since: Instant) -> Option<Countdown> {
    let total = Duration::try_from_secs_f64(if total > 0.0 { total } else { left }).ok()?;
    let left = Duration::try_from_secs_f64(left).ok()?;
    Some(Countdown { ends: since + left, total })
}

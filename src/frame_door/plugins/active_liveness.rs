//! `ActiveLiveness`: the subject blinks, turns and nods as asked, drawn anew for each session.
//!
//! It begins with the first frame that has passed everything before. From then on the prompts stand in the place of what
//! the actions themselves bring about (a turned head, closed eyes, a blurred picture, a chin at the border); without a face,
//! with several, or with one that is too far or too near it waits.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vision_core::liveness::continuity::reaction::LEAST_REACTION;
use vision_core::liveness::frame_checks::Code;
pub use vision_core::liveness::interactions::Settings;
use vision_core::liveness::interactions::{Interaction, Interactions, SettingsError};

use super::{Configured, Failure, Opened, Opening, Plugin, Seen, Shared, Word};
use crate::frame_door::protocol::SessionId;
use crate::frame_door::settings::reader::Reader;
use crate::frame_door::settings::value::{Flag, Limit};

/// What is wrong whatever the subject is asked for.
const IN_THE_WAY: [Code; 5] = [Code::NoFace, Code::SeveralFaces, Code::CloserWidth, Code::CloserHeight, Code::Further];

/// `[MIDDLEWARES.WS.ActiveLiveness]`.
impl Configured for Settings {
    fn read(file: &mut Reader) -> Option<Self> {
        let args = file.plugin("WS", "ActiveLiveness", false)?;
        let default = Self::default();
        let count: Option<Limit> = file.get(&args, "interactionsCount");
        let cooldown: Option<Limit> = file.get(&args, "cooldownFramesCount");
        let one_eyed: Option<Flag> = file.get(&args, "acceptOneEyed");
        let mut degrees = |key: &str, default: f32| file.within(&args, key, 0.0, 180.0).unwrap_or(default);
        let settings = Self {
            yaw_start_deg: degrees("yawStartDeg", default.yaw_start_deg),
            yaw_threshold_deg: degrees("yawThresholdDeg", default.yaw_threshold_deg),
            pitch_start_deg: degrees("pitchStartDeg", default.pitch_start_deg),
            pitch_threshold_deg: degrees("pitchThresholdDeg", default.pitch_threshold_deg),
            interactions_count: count.and_then(|count| count.0).map_or(default.interactions_count, |n| n as usize),
            cooldown_frames_count: cooldown.and_then(|count| count.0).unwrap_or(default.cooldown_frames_count),
            accept_one_eyed: one_eyed.map_or(default.accept_one_eyed, |flag| flag.0),
            interactions: default.interactions,
        };
        if let Err(error) = settings.check() {
            file.refuse(&args, error);
        }
        Some(settings)
    }

    fn open(&self, _: &Shared) -> Opening {
        Ok(Some(Box::new(self.clone())))
    }
}

impl Opened for Settings {
    fn begin(&self, _: SessionId) -> Result<Box<dyn Plugin>, Failure> {
        Ok(Box::new(ActiveLiveness::draw(self.clone())?))
    }
}

/// Why a session has nothing to do.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    /// The operating system has no randomness.
    #[error("the operating system has no randomness: {0}")]
    Random(#[from] getrandom::Error),
    /// Interactions that cannot be drawn.
    #[error("ActiveLiveness: {0}")]
    Interactions(#[from] SettingsError),
}

/// The plug-in.
pub struct ActiveLiveness {
    interactions: Interactions,
    has_begun: bool,
    is_done: bool,
    /// When the action that is under way was asked for.
    asked: Option<Instant>,
    completed: Vec<(Interaction, Duration)>,
}

impl ActiveLiveness {
    /// Draws the interactions.
    ///
    /// # Errors
    /// [`DrawError`].
    pub fn draw(settings: Settings) -> Result<Self, DrawError> {
        let interactions = Interactions::draw(settings, getrandom::fill)??;
        Ok(Self { interactions, has_begun: false, is_done: false, asked: None, completed: Vec::new() })
    }

    /// Whether the frame can be an answer: one that was taken before the prompt was read says nothing of it.
    fn counts(&self, seen: &Seen<'_>) -> bool {
        self.asked.is_none_or(|asked| seen.arrived.saturating_duration_since(asked) >= LEAST_REACTION)
    }
}

impl Plugin for ActiveLiveness {
    fn frame(&mut self, seen: &Seen<'_>, so_far: Word) -> Word {
        let in_the_way =
            matches!(&so_far, Word::Wait(errors) if IN_THE_WAY.iter().any(|code| errors.contains(&code.number())));
        let Some(face) = seen.face.filter(|_| !in_the_way && !matches!(so_far, Word::Refuse(_))) else { return so_far };
        self.has_begun |= so_far == Word::Content;
        if !self.has_begun || self.is_done {
            return so_far;
        }
        if self.counts(seen) {
            let update = self.interactions.update(face);
            if let Some(interaction) = update.completed {
                self.completed.push((interaction, seen.since_begin));
            }
            if update.asked.is_some() {
                // the answer with the prompt goes out after this
                self.asked = Some(Instant::now());
            } else if update.completed.is_some() {
                self.asked = None;
            }
            self.is_done = update.done;
        }
        if self.is_done { so_far } else { Word::Wait(vec![self.interactions.prompt().code()]) }
    }

    fn finding(&self) -> Option<(&'static str, Value)> {
        let completed: Vec<_> = self
            .completed
            .iter()
            .map(|(interaction, at)| json!({ "interaction": interaction, "seconds": at.as_secs_f32() }))
            .collect();
        let finding = json!({ "asked": self.interactions.drawn(), "completed": completed, "done": self.is_done });
        Some(("activeLiveness", finding))
    }
}

#[cfg(test)]
mod tests {
    use vision_core::face::Face;

    use super::super::testing::{Frames, face_turned, passing};
    use super::*;

    fn turns() -> Settings {
        Settings { interactions: vec![Interaction::YawLeft], interactions_count: 1, ..Settings::default() }
    }

    fn shown(plugin: &mut ActiveLiveness, frames: &Frames, face: &Face, so_far: Word, later: Duration) -> Word {
        let status = passing();
        let seen = Seen { face: Some(face), arrived: Instant::now() + later, ..frames.seen(&status) };
        plugin.frame(&seen, so_far)
    }

    #[test]
    fn it_begins_after_the_checks_and_its_prompts_stand_for_what_the_action_brings_about() {
        let (mut plugin, frames) = (ActiveLiveness::draw(turns()).unwrap(), Frames::default());
        let (straight, left) = (face_turned(0.0), face_turned(30.0));
        let blurred = Word::Wait(vec![3]);
        assert_eq!(shown(&mut plugin, &frames, &straight, blurred.clone(), Duration::ZERO), blurred, "not before");
        let prompt = shown(&mut plugin, &frames, &straight, Word::Content, Duration::ZERO);
        assert_eq!(prompt, Word::Wait(vec![65]), "straight was seen at once");
        let nobody = Word::Wait(vec![8]);
        let later = Duration::from_secs(1);
        assert_eq!(shown(&mut plugin, &frames, &straight, nobody.clone(), later), nobody);
        // a turned head fails the check of the pose, and is what was asked for
        let failed = Word::Wait(vec![19]);
        assert_eq!(shown(&mut plugin, &frames, &left, failed.clone(), later), failed, "done: the checks speak again");
        assert_eq!(shown(&mut plugin, &frames, &straight, Word::Content, later), Word::Content);
        let (_, finding) = plugin.finding().unwrap();
        assert_eq!((&finding["done"], &finding["completed"][0]["interaction"]), (&json!(true), &json!("yaw_left")));
    }

    #[test]
    fn what_was_done_before_the_prompt_could_be_read_does_not_count() {
        let (mut plugin, frames) = (ActiveLiveness::draw(turns()).unwrap(), Frames::default());
        let (straight, left) = (face_turned(0.0), face_turned(30.0));
        shown(&mut plugin, &frames, &straight, Word::Content, Duration::ZERO);
        let said = shown(&mut plugin, &frames, &left, Word::Wait(vec![19]), Duration::ZERO);
        assert_eq!(said, Word::Wait(vec![65]));
        let said = shown(&mut plugin, &frames, &left, Word::Wait(vec![19]), Duration::from_secs(1));
        assert_eq!(said, Word::Wait(vec![19]), "held until it could be an answer");
    }

    #[test]
    fn who_refuses_is_not_overruled() {
        let (mut plugin, frames) = (ActiveLiveness::draw(turns()).unwrap(), Frames::default());
        let face = face_turned(0.0);
        shown(&mut plugin, &frames, &face, Word::Content, Duration::ZERO);
        assert_eq!(shown(&mut plugin, &frames, &face, Word::Refuse(103), Duration::ZERO), Word::Refuse(103));
    }
}

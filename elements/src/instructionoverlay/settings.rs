//! The element's properties.

use std::sync::LazyLock;

use glib::prelude::*;
use gst::prelude::*;
use vision_core::subject_view::{Guide, OutcomeView};

/// The oval in which the face belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstVisionGuide")]
pub enum GuideState {
    /// Not shown.
    #[default]
    #[enum_value(name = "Not shown", nick = "hidden")]
    Hidden,
    /// White.
    #[enum_value(name = "Shown in white", nick = "neutral")]
    Neutral,
    /// Green.
    #[enum_value(name = "The face is where it should be: green", nick = "good")]
    Good,
    /// Amber.
    #[enum_value(name = "Something is wrong with the face's place or size: amber", nick = "warning")]
    Warning,
}

impl From<GuideState> for Guide {
    fn from(state: GuideState) -> Self {
        match state {
            GuideState::Hidden => Self::Hidden,
            GuideState::Neutral => Self::Neutral,
            GuideState::Good => Self::Good,
            GuideState::Warning => Self::Warning,
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstVisionOutcome")]
pub enum OutcomeState {
    /// It has not.
    #[default]
    #[enum_value(name = "Not decided, nothing is shown", nick = "none")]
    None,
    /// A tick.
    #[enum_value(name = "A green tick", nick = "success")]
    Success,
    /// A cross.
    #[enum_value(name = "A red cross", nick = "failure")]
    Failure,
}

impl From<OutcomeState> for Option<OutcomeView> {
    fn from(state: OutcomeState) -> Self {
        match state {
            OutcomeState::None => None,
            OutcomeState::Success => Some(OutcomeView::Success),
            OutcomeState::Failure => Some(OutcomeView::Failure),
        }
    }
}

/// What the properties say.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub mirror: bool,
    pub guide: GuideState,
    pub message: Option<String>,
    pub message_id: Option<String>,
    pub warning: Option<String>,
    pub warning_id: Option<String>,
    pub step: u32,
    pub steps: u32,
    /// Seconds; below 0 there is none.
    pub countdown: f64,
    pub countdown_total: f64,
    pub outcome: OutcomeState,
    pub waiting: bool,
    /// 0xAARRGGBB.
    pub colour: u32,
    pub follow_gestures: bool,
    pub language: Option<String>,
    pub locale_folder: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mirror: true,
            guide: GuideState::default(),
            message: None,
            message_id: None,
            warning: None,
            warning_id: None,
            step: 0,
            steps: 0,
            countdown: -1.0,
            countdown_total: 0.0,
            outcome: OutcomeState::default(),
            waiting: false,
            colour: 0,
            follow_gestures: false,
            language: None,
            locale_folder: None,
        }
    }
}

impl Settings {
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        fn of<'a, T: glib::value::FromValue<'a>>(value: &'a glib::Value) -> T
        where
            T::Checker: glib::value::ValueTypeChecker<Error: std::fmt::Debug>,
        {
            value.get().expect("type checked upstream")
        }
        let text = || of::<Option<String>>(value).filter(|text| !text.is_empty());
        match name {
            "mirror" => self.mirror = of(value),
            "guide" => self.guide = of(value),
            "message" => self.message = text(),
            "message-id" => self.message_id = text(),
            "warning" => self.warning = text(),
            "warning-id" => self.warning_id = text(),
            "step" => self.step = of(value),
            "steps" => self.steps = of(value),
            "countdown" => self.countdown = of(value),
            "countdown-total" => self.countdown_total = of(value),
            "outcome" => self.outcome = of(value),
            "waiting" => self.waiting = of(value),
            "colour" => self.colour = of(value),
            "follow-gestures" => self.follow_gestures = of(value),
            "language" => self.language = text(),
            "locale-folder" => self.locale_folder = text(),
            name => unreachable!("no property {name}"),
        }
    }

    pub(super) fn get(&self, name: &str) -> glib::Value {
        match name {
            "mirror" => self.mirror.to_value(),
            "guide" => self.guide.to_value(),
            "message" => self.message.to_value(),
            "message-id" => self.message_id.to_value(),
            "warning" => self.warning.to_value(),
            "warning-id" => self.warning_id.to_value(),
            "step" => self.step.to_value(),
            "steps" => self.steps.to_value(),
            "countdown" => self.countdown.to_value(),
            "countdown-total" => self.countdown_total.to_value(),
            "outcome" => self.outcome.to_value(),
            "waiting" => self.waiting.to_value(),
            "colour" => self.colour.to_value(),
            "follow-gestures" => self.follow_gestures.to_value(),
            "language" => self.language.to_value(),
            "locale-folder" => self.locale_folder.to_value(),
            name => unreachable!("no property {name}"),
        }
    }
}

pub(super) fn properties() -> &'static [glib::ParamSpec] {
    static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
        let text = |name: &str, nick: &str, blurb: &str| {
            glib::ParamSpecString::builder(name).nick(nick).blurb(blurb).mutable_playing().build()
        };
        let number = |name: &str, nick: &str, blurb: &str| {
            glib::ParamSpecUInt::builder(name).nick(nick).blurb(blurb).controllable().mutable_playing().build()
        };
        let switch = |name: &str, nick: &str, blurb: &str, default: bool| {
            let switch = glib::ParamSpecBoolean::builder(name).nick(nick).blurb(blurb).default_value(default);
            switch.controllable().mutable_playing().build()
        };
        let seconds = |name: &str, nick: &str, blurb: &str, least: f64| {
            let seconds = glib::ParamSpecDouble::builder(name).nick(nick).blurb(blurb).minimum(least).maximum(86_400.0);
            seconds.default_value(least).controllable().mutable_playing().build()
        };
        vec![
            switch("mirror", "Mirror", "Show the picture as a mirror does, as people expect of their own", true),
            glib::ParamSpecEnum::builder::<GuideState>("guide")
                .nick("Guide")
                .blurb("The oval in which the face belongs")
                .controllable()
                .mutable_playing()
                .build(),
            text("message", "Message", "What the subject is asked to do"),
            text(
                "message-id",
                "Message id",
                "Key of a text in the locale that is the message where there is none, such as gestures.blink.label",
            ),
            text("warning", "Warning", "What is wrong with the picture"),
            text(
                "warning-id",
                "Warning id",
                "Key of a text in the locale that is the warning where there is none, such as warning.too_close_message",
            ),
            number("step", "Step", "Which step of the challenge it is, from 1"),
            number("steps", "Steps", "How many steps there are (0: steps are not shown)"),
            seconds(
                "countdown",
                "Countdown",
                "Seconds left, counting down from the first frame after it was set (below 0: not shown)",
                -1.0,
            ),
            seconds(
                "countdown-total",
                "Whole countdown",
                "Seconds that there were in the beginning (0: what is left when countdown is set)",
                0.0,
            ),
            glib::ParamSpecEnum::builder::<OutcomeState>("outcome")
                .nick("Outcome")
                .blurb("How it ended")
                .controllable()
                .mutable_playing()
                .build(),
            switch("waiting", "Waiting", "A pulsing dot: nothing can be done but wait", false),
            number("colour", "Colour", "Colour over the picture and under all the rest, 0xAARRGGBB"),
            glib::ParamSpecBoolean::builder("follow-gestures")
                .nick("Follow gestures")
                .blurb("Show what facegestures asks for and faceanalyze sees, where no property says something else")
                .default_value(false)
                .mutable_playing()
                .build(),
            glib::ParamSpecString::builder("language")
                .nick("Language")
                .blurb("Language of texts, such as es or pt-BR (unset or unknown: English)")
                .mutable_ready()
                .build(),
            glib::ParamSpecString::builder("locale-folder")
                .nick("Locale folder")
                .blurb("Folder with further LANGUAGE.json files, which may replace single texts")
                .mutable_ready()
                .build(),
        ]
    });
    &PROPERTIES
}

//! What the service says, in the subject's language.
//!
//! A locale is a file `LANGUAGE.json` in the original's format: nested objects with the keys `gestures.<id>.label`,
//! `warning.*`, `error.*` and `message.*`. English, Spanish, Portuguese, French and German are built in; extra folders add
//! languages, or replace single keys of one. A key that a language lacks is taken from the default language, then from
//! the built-in English; a gesture that no language names is called by the label in its own file.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

use crate::{
    gestures::{Gesture, library::json_files},
    position::{Extent, Warning},
};

/// Why locales could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LocaleError {
    /// A folder or a file could not be read.
    #[error("cannot read locales from {path}: {source}")]
    Read {
        /// The folder or file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not a locale.
    #[error("locale file {file}: {field}: {problem}")]
    Invalid {
        /// The file.
        file: String,
        /// The key, or for broken JSON the line and column.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no file for the default language.
    #[error("there is no locale for the default language \"{language}\"; known are {known}")]
    NoDefault {
        /// The configured default.
        language: String,
        /// All languages.
        known: String,
    },
}

/// Texts that do not belong to one gesture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Text {
    /// Before the first frame of the subject's camera.
    WaitingForCamera,
    /// Before the first gesture.
    Starting,
    /// All gestures completed.
    Alive,
    /// A gesture was not completed.
    NotAlive,
    /// Reference images are fetched.
    GettingReferences,
    /// Faces are compared.
    Comparing,
    /// The result: success.
    Verified,
    /// The result: failure, whatever the reason.
    NotVerified,
    /// Nothing more to do.
    Done,
    /// It is too dark to see the face.
    TooDark,
    /// Glasses are in the way.
    Glasses,
    /// The colour challenge is about to begin: it is harmless, and may be left.
    ColoursComing,
    /// While the colours are shown.
    Colours,
}

impl Text {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::WaitingForCamera,
        Self::Starting,
        Self::Alive,
        Self::NotAlive,
        Self::GettingReferences,
        Self::Comparing,
        Self::Verified,
        Self::NotVerified,
        Self::Done,
        Self::TooDark,
        Self::Glasses,
        Self::ColoursComing,
        Self::Colours,
    ];

    /// The key in a locale file; the original's where it has one.
    pub const fn key(self) -> &'static str {
        match self {
            Self::WaitingForCamera => "message.waiting_for_camera",
            Self::Starting => "gestures.starting.label",
            Self::Alive => "gestures.youarealive.label",
            Self::NotAlive => "gestures.notAlive.label",
            Self::GettingReferences => "message.getting_reference_images",
            Self::Comparing => "message.doing_face_match",
            Self::Verified => "message.verified",
            Self::NotVerified => "error.not_verified",
            Self::Done => "message.done",
            Self::TooDark => "warning.too_dark_message",
            Self::Glasses => "warning.face_with_glasses_message",
            Self::ColoursComing => "message.colours_coming",
            Self::Colours => "message.colours",
        }
    }
}

/// `{current}` and `{total}` are replaced in it.
const STEP: &str = "message.step";
const NO_FACE: &str = "warning.face_not_detected_message";
const SEVERAL_FACES: &str = "warning.several_faces_message";
const TOO_CLOSE: &str = "warning.too_close_message";
const TOO_FAR: &str = "warning.too_far_message";
const WIDTH: &str = "warning.wrong_face_width_message";
const HEIGHT: &str = "warning.wrong_face_height_message";
const CENTRE: &str = "warning.wrong_face_center_message";

/// Reasons for which the original has a key of its own; for the others it is `error.<code>`.
const REASON_KEYS: [(&str, &str); 3] = [
    ("no_references", "error.no_reference_images"),
    ("no_match", "error.does_not_meet_criteria_for_acceptable_face_match"),
    ("matcher_unavailable", "error.doing_face_match"),
];

const BUILT_IN: [(&str, &str); 5] = [
    ("en", include_str!("../../assets/locales/en.json")),
    ("es", include_str!("../../assets/locales/es.json")),
    ("pt", include_str!("../../assets/locales/pt.json")),
    ("fr", include_str!("../../assets/locales/fr.json")),
    ("de", include_str!("../../assets/locales/de.json")),
];

/// A text, and which layer it comes from: 0 is built in, 1 the first extra folder, and so on.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    text: String,
    layer: usize,
}

type Entries = HashMap<String, Entry>;

/// All texts of one language, complete.
#[derive(Clone, Debug)]
pub struct Locale {
    language: String,
    entries: Entries,
}

impl Locale {
    /// The language, such as `en` or `pt-br`.
    pub fn language(&self) -> &str {
        &self.language
    }

    /// By key, such as `message.done`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(|entry| entry.text.as_str())
    }

    /// A text.
    pub fn text(&self, text: Text) -> &str {
        self.get(text.key()).unwrap_or_default()
    }

    /// What a gesture asks for.
    pub fn gesture<'a>(&'a self, gesture: &'a Gesture) -> &'a str {
        self.get(&format!("gestures.{}.label", gesture.id)).unwrap_or(&gesture.label)
    }

    /// A warning in words. The original has a text for a wrong width or height; ours say what to do about it. Where a
    /// folder replaces only the original's text, that one is used.
    pub fn warning(&self, warning: Warning) -> &str {
        let (key, original) = match warning {
            Warning::NoFace => (NO_FACE, NO_FACE),
            Warning::SeveralFaces => (SEVERAL_FACES, SEVERAL_FACES),
            Warning::Centre => (CENTRE, CENTRE),
            Warning::TooDark => (Text::TooDark.key(), Text::TooDark.key()),
            Warning::Glasses => (Text::Glasses.key(), Text::Glasses.key()),
            Warning::Width(Extent::TooSmall) => (TOO_FAR, WIDTH),
            Warning::Width(Extent::TooLarge) => (TOO_CLOSE, WIDTH),
            Warning::Height(Extent::TooSmall) => (TOO_FAR, HEIGHT),
            Warning::Height(Extent::TooLarge) => (TOO_CLOSE, HEIGHT),
        };
        let layer = |key: &str| self.entries.get(key).map(|entry| entry.layer);
        let key = if layer(original) > layer(key) { original } else { key };
        self.get(key).unwrap_or_default()
    }

    /// Why it failed, in words, by the reason's code (`no_match`); the general text for a code without words.
    pub fn reason(&self, code: &str) -> &str {
        let key = REASON_KEYS.iter().find(|(known, _)| *known == code);
        let text = key.map_or_else(|| self.get(&format!("error.{code}")), |(_, key)| self.get(key));
        text.unwrap_or_else(|| self.text(Text::NotVerified))
    }

    /// "1 of 2". Steps count from 1.
    pub fn step(&self, current: usize, total: usize) -> String {
        let text = self.get(STEP).unwrap_or("{current} / {total}");
        text.replace("{current}", &current.to_string()).replace("{total}", &total.to_string())
    }
}

/// All languages.
#[derive(Clone, Debug)]
pub struct Locales {
    locales: BTreeMap<String, Arc<Locale>>,
    default: Arc<Locale>,
}

impl Locales {
    /// The built-in languages and the `*.json` files of each folder in turn; `default` is the language for subjects whose own is
    /// not known.
    pub fn load(folders: &[PathBuf], default: &str) -> Result<Self, LocaleError> {
        let mut languages: BTreeMap<String, Entries> = BTreeMap::new();
        for (language, json) in BUILT_IN {
            languages.insert(language.to_owned(), parse(&format!("built-in {language}.json"), json, 0)?);
        }
        let english = languages.get("en").cloned().unwrap_or_default();
        for (layer, folder) in (1..).zip(folders) {
            for path in json_files(folder).map_err(|source| read_error(folder, source))? {
                let json = std::fs::read_to_string(&path).map_err(|source| read_error(&path, source))?;
                let entries = parse(&path.display().to_string(), &json, layer)?;
                let language = normalise(&path.file_stem().unwrap_or_default().to_string_lossy());
                languages.entry(language).or_default().extend(entries);
            }
        }
        let Some(default_language) = find(&languages, default).map(|(language, _)| language.clone()) else {
            let known = languages.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(LocaleError::NoDefault { language: default.to_owned(), known });
        };
        let default_entries = languages.get(&default_language).cloned().unwrap_or_default();
        let complete = |(language, own): (String, Entries)| {
            let mut entries = english.clone();
            entries.extend(default_entries.clone());
            entries.extend(own);
            (language.clone(), Arc::new(Locale { language, entries }))
        };
        let locales: BTreeMap<String, Arc<Locale>> = languages.into_iter().map(complete).collect();
        let default = locales[&default_language].clone();
        Ok(Self { locales, default })
    }

    /// The locale for the language that was asked for, and whether there is one: `es-MX` and `es_MX` mean `es` where there is no file for
    /// Mexico. Without it the default language.
    pub fn pick(&self, requested: Option<&str>) -> (&Arc<Locale>, bool) {
        match requested.and_then(|language| find(&self.locales, language)) {
            Some((_, locale)) => (locale, true),
            None => (&self.default, false),
        }
    }

    /// All languages, sorted.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.locales.keys().map(String::as_str)
    }
}

fn normalise(language: &str) -> String {
    language.trim().to_ascii_lowercase().replace('_', "-")
}

/// Looks for a language, then for what is left of it without its last part.
fn find<'a, T>(languages: &'a BTreeMap<String, T>, requested: &str) -> Option<(&'a String, &'a T)> {
    let requested = normalise(requested);
    let mut tag = requested.as_str();
    loop {
        if let Some(found) = languages.get_key_value(tag) {
            return Some(found);
        }
        tag = &tag[..tag.rfind('-')?];
    }
}

fn read_error(path: &Path, source: std::io::Error) -> LocaleError {
    LocaleError::Read { path: path.display().to_string(), source }
}

fn parse(file: &str, json: &str, layer: usize) -> Result<Entries, LocaleError> {
    let invalid = |field: String, problem: String| LocaleError::Invalid { file: file.to_owned(), field, problem };
    let root: Value = serde_json::from_str(json)
        .map_err(|error| invalid(format!("line {}, column {}", error.line(), error.column()), error.to_string()))?;
    if !root.is_object() {
        return Err(invalid("the whole file".to_owned(), "is not an object".to_owned()));
    }
    let mut entries = Entries::new();
    let mut open = vec![(String::new(), &root)];
    while let Some((path, value)) = open.pop() {
        match value {
            Value::Object(fields) => {
                open.extend(fields.iter().map(|(name, value)| match path.as_str() {
                    "" => (name.clone(), value),
                    _ => (format!("{path}.{name}"), value),
                }));
            }
            Value::String(text) => {
                entries.insert(path, Entry { text: text.clone(), layer });
            }
            other => return Err(invalid(path, format!("{other} is not a text"))),
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;
    use crate::gestures::GestureLibrary;

    fn built_in() -> Locales {
        Locales::load(&[], "en").unwrap()
    }

    fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("vision-core-locales-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for (file, text) in files {
            fs::write(folder.join(file), text).unwrap();
        }
        folder
    }

    #[test]
    fn all_languages_have_all_keys() {
        let keys = |json| parse("x", json, 0).unwrap().into_keys().collect::<BTreeSet<_>>();
        let english = keys(BUILT_IN[0].1);
        for (language, json) in BUILT_IN {
            assert_eq!(keys(json), english, "{language}");
        }
        let mut expected: BTreeSet<String> = Text::ALL.iter().map(|text| text.key().to_owned()).collect();
        expected.extend(REASON_KEYS.iter().map(|(_, key)| (*key).to_owned()));
        let others = [STEP, NO_FACE, SEVERAL_FACES, TOO_CLOSE, TOO_FAR, WIDTH, HEIGHT, CENTRE];
        expected.extend(others.map(str::to_owned));
        expected
            .extend(GestureLibrary::load(&[]).unwrap().iter().map(|gesture| format!("gestures.{}.label", gesture.id)));
        assert!(expected.is_subset(&english), "{:?}", expected.difference(&english).collect::<Vec<_>>());
        assert!(english.difference(&expected).all(|key| key.starts_with("error.")), "a key that nothing reads");
    }

    #[test]
    fn texts_are_short_and_clean() {
        for (language, json) in BUILT_IN {
            for (key, Entry { text, .. }) in parse("x", json, 0).unwrap() {
                let length = text.chars().count();
                assert!((2..=75).contains(&length), "{language} {key}: {length} characters");
                assert_eq!(text, text.trim(), "{language} {key}");
                assert!(!text.contains("  ") && !text.contains('\n'), "{language} {key}");
                assert_eq!(text.contains('{'), key == STEP, "{language} {key}");
            }
        }
    }

    #[test]
    fn every_reason_has_words() {
        let reasons = [
            "subject_absent",
            "gesture_timeout",
            "face_lost",
            "several_faces",
            "glasses",
            "spoof_suspected",
            "liveness_unclear",
            "face_changed",
            "no_references",
            "no_match",
            "room_unreachable",
            "room_closed",
            "media_lost",
            "matcher_unavailable",
            "controller_unavailable",
            "deadline",
            "shutdown",
            "internal",
        ];
        let locales = built_in();
        for language in ["en", "es", "pt", "fr", "de"] {
            let locale = locales.pick(Some(language)).0;
            let texts: BTreeSet<_> = reasons.iter().map(|reason| locale.reason(reason)).collect();
            assert!(texts.len() >= reasons.len() - 1, "{language}: {texts:?}");
            // A suspected attack is not told apart from a plain failure.
            assert_eq!(locale.reason("spoof_suspected"), locale.text(Text::NotVerified));
            assert_eq!(locale.reason("something_new"), locale.text(Text::NotVerified));
            assert_eq!(
                reasons.iter().filter(|reason| locale.reason(reason) == locale.text(Text::NotVerified)).count(),
                1
            );
        }
    }

    #[test]
    fn languages_are_found() {
        let locales = Locales::load(&[], "fr").unwrap();
        let cases = [
            (Some("es"), "es", true),
            (Some("es-MX"), "es", true),
            (Some("ES_mx"), "es", true),
            (Some(" pt-BR "), "pt", true),
            (Some("zh-Hant-TW"), "fr", false),
            (Some(""), "fr", false),
            (Some("../etc"), "fr", false),
            (None, "fr", false),
        ];
        for (requested, language, matched) in cases {
            let (locale, found) = locales.pick(requested);
            assert_eq!((locale.language(), found), (language, matched), "{requested:?}");
        }
        assert_eq!(locales.languages().collect::<Vec<_>>(), ["de", "en", "es", "fr", "pt"]);
        let error = Locales::load(&[], "tlh").unwrap_err().to_string();
        assert!(error.contains("tlh") && error.contains("de, en"), "{error}");
    }

    #[test]
    fn folders_add_languages_and_replace_keys() {
        let first = folder(
            "first",
            &[
                ("it.json", r#"{"gestures": {"blink": {"label": "Sbatti le palpebre"}, "own": {"label": "Proprio"}}}"#),
                ("es.json", r#"{"message": {"done": "Hecho"}, "warning": {"wrong_face_width_message": "Ancho"}}"#),
                ("es_MX.json", r#"{"message": {"done": "Ya"}}"#),
            ],
        );
        let second = folder("second", &[("es.json", r#"{"message": {"done": "Terminado"}}"#)]);
        let locales = Locales::load(&[first, second], "es").unwrap();
        let gestures = GestureLibrary::load(&[]).unwrap();
        let blink = gestures.get("blink").unwrap();

        let italian = locales.pick(Some("it-IT")).0;
        assert_eq!(italian.gesture(blink), "Sbatti le palpebre");
        assert_eq!(italian.text(Text::Done), "Terminado", "missing keys come from the default language");
        let own = Gesture { id: "own".into(), ..(**blink).clone() };
        assert_eq!(italian.gesture(&own), "Proprio");
        let unnamed = Gesture { id: "unnamed".into(), label: "As in its file".into(), ..(**blink).clone() };
        assert_eq!(italian.gesture(&unnamed), "As in its file");

        let spanish = locales.pick(Some("es-AR")).0;
        assert_eq!(spanish.text(Text::Done), "Terminado", "later folders win");
        assert_eq!(spanish.warning(Warning::Width(Extent::TooLarge)), "Ancho", "the original's key is honoured");
        assert_eq!(spanish.warning(Warning::Height(Extent::TooLarge)), spanish.get(TOO_CLOSE).unwrap());
        assert_eq!(locales.pick(Some("es-mx")).0.text(Text::Done), "Ya");
        assert_eq!(locales.pick(Some("en")).0.text(Text::Done), built_in().pick(Some("en")).0.text(Text::Done));
    }

    #[test]
    fn english_is_the_last_resort() {
        let folder = folder("resort", &[("it.json", r#"{"message": {"done": "Fatto"}}"#)]);
        let locales = Locales::load(&[folder], "it").unwrap();
        let (german_like, matched) = locales.pick(Some("xx"));
        assert!(!matched);
        assert_eq!(german_like.text(Text::Done), "Fatto");
        assert_eq!(german_like.text(Text::Verified), built_in().pick(Some("en")).0.text(Text::Verified));
    }

    #[test]
    fn warnings_say_what_to_do() {
        let locales = built_in();
        let english = locales.pick(Some("en")).0;
        assert_eq!(
            english.warning(Warning::Width(Extent::TooSmall)),
            english.warning(Warning::Height(Extent::TooSmall))
        );
        let warnings = [
            Warning::NoFace,
            Warning::SeveralFaces,
            Warning::Width(Extent::TooSmall),
            Warning::Width(Extent::TooLarge),
            Warning::Centre,
        ];
        let texts: BTreeSet<_> = warnings.iter().map(|warning| english.warning(*warning)).collect();
        assert_eq!(texts.len(), warnings.len());
        assert_eq!(english.step(1, 2), "1 of 2");
    }

    #[test]
    fn broken_files_are_named() {
        for (text, expected) in [
            (r#"{"message": {"done": 7}}"#, "xx.json: message.done: 7 is not a text"),
            (r#"{"message": "#, "xx.json: line 1, column "),
            ("[]", "xx.json: the whole file: "),
        ] {
            let folder = folder("broken", &[("xx.json", text)]);
            let error = Locales::load(&[folder], "en").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(Locales::load(&["/nowhere/at/all".into()], "en").unwrap_err().to_string().contains("/nowhere"));
    }
}

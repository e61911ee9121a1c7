//! The files of `pipelines/`, part of the program: pipelines as text, for the service and for `gst-launch-1.0`. Pure.
//!
//! A file begins with a comment: what it shows, then the commands that run it. The first command is the file's own: what
//! `vision-service pipelines NAME` prints and the tests run. In it `$(grep -v '^#' pipelines/OTHER.launch)` stands for
//! another file, as a shell would read it.

/// A file of `pipelines/`.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// The file's, without `.launch`.
    pub name: &'static str,
    text: &'static str,
}

macro_rules! descriptions {
    ($($name:literal),* $(,)?) => {
        /// Every file, by name.
        pub const DESCRIPTIONS: &[Description] =
            &[$(Description { name: $name, text: include_str!(concat!("../../pipelines/", $name, ".launch")) }),*];
    };
}

descriptions!(
    "analyze-file",
    "analyze-webcam",
    "draw-signals",
    "loopback-call",
    "receive-h264",
    "receive-vp8",
    "record-session",
    "remux-h264",
    "remux-vp8",
    "send-h264",
    "send-vp8",
    "session-video-h264",
    "session-video-h265",
    "session-video-vp9",
    "subject-view",
);

const PROGRAM: &str = "gst-launch-1.0";

/// Why a command cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// No file of that name.
    #[error("there is no pipeline {name}; there are {known}")]
    Unknown {
        /// As asked.
        name: String,
        /// All, comma separated.
        known: String,
    },
    /// A file that is not as the files are.
    #[error("pipelines/{name}.launch cannot be read: {reason}")]
    Malformed {
        /// Which.
        name: &'static str,
        /// Why.
        reason: String,
    },
    /// `--set` with a name that nothing has.
    #[error("the pipeline has no element named {name}; it has {known}")]
    NoElement {
        /// As asked.
        name: String,
        /// All, comma separated.
        known: String,
    },
    /// `--set` with elements that are no words of a shell.
    #[error("{0}: the quotes are not closed, or nothing is in it")]
    Words(String),
}

impl Description {
    /// The file of this name.
    pub fn find(name: &str) -> Result<Self, DescriptionError> {
        DESCRIPTIONS.iter().find(|description| description.name == name).copied().ok_or_else(|| {
            let known: Vec<_> = DESCRIPTIONS.iter().map(|description| description.name).collect();
            DescriptionError::Unknown { name: name.into(), known: known.join(", ") }
        })
    }

    /// The elements, in one line.
    pub fn body(&self) -> String {
        let lines: Vec<&str> = self.text.lines().filter(|line| !line.starts_with('#')).map(str::trim).collect();
        lines.join(" ")
    }

    /// The elements, word by word.
    pub fn words(&self) -> Result<Words, DescriptionError> {
        let malformed = || DescriptionError::Malformed { name: self.name, reason: "a quote is not closed".into() };
        shlex::split(&self.body()).map(Words).ok_or_else(malformed)
    }

    /// The first sentence of the comment.
    pub fn summary(&self) -> String {
        let comment: Vec<&str> = self
            .text
            .lines()
            .map_while(|line| line.strip_prefix('#'))
            .map(str::trim)
            .take_while(|l| !l.is_empty())
            .collect();
        let comment = comment.join(" ");
        comment.split_inclusive(". ").next().unwrap_or_default().trim().to_owned()
    }

    /// The file's own command, word by word, with other files in the place of their names.
    pub fn command(&self) -> Result<Words, DescriptionError> {
        let malformed = |reason: &str| DescriptionError::Malformed { name: self.name, reason: reason.into() };
        let comment = self.text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
        let mut lines = comment.skip_while(|line| !line.starts_with(PROGRAM));
        let mut command = String::new();
        loop {
            let line = lines.next().ok_or_else(|| malformed("its comment has no command"))?;
            match line.strip_suffix('\\') {
                Some(begun) => command += begun,
                None => {
                    command += line;
                    break;
                }
            }
        }
        while let Some((before, rest)) = command.split_once("$(") {
            let (inner, after) = rest.split_once(')').ok_or_else(|| malformed("$( is not closed"))?;
            let file = inner.strip_prefix("grep -v '^#' pipelines/").and_then(|file| file.strip_suffix(".launch"));
            let other = file.ok_or_else(|| malformed("$(...) has to be grep -v '^#' pipelines/NAME.launch"))?;
            command = format!("{before}{}{after}", Self::find(other)?.body());
        }
        let words = shlex::split(&command).ok_or_else(|| malformed("a quote is not closed"))?;
        Ok(Words(words.into_iter().skip(1).collect()))
    }
}

/// What stands after `gst-launch-1.0`, one word for each argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words(Vec<String>);

impl Words {
    /// Options of `gst-launch-1.0`, and the words of the pipeline.
    pub fn split(&self) -> (&[String], &[String]) {
        let options = self.0.iter().take_while(|word| word.starts_with('-')).count();
        self.0.split_at(options)
    }

    /// Names that elements have.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().filter_map(|word| word.strip_prefix("name=")).collect()
    }

    /// `element.property=value` sets a property; `element=ELEMENTS` puts other elements in the place of one.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), DescriptionError> {
        let (name, property) = key.split_once('.').map_or((key, None), |(name, property)| (name, Some(property)));
        let wanted = format!("name={name}");
        let Some(at) = self.0.iter().position(|word| *word == wanted) else {
            let known = self.names().join(", ");
            return Err(DescriptionError::NoElement { name: name.into(), known });
        };
        let is_property = |word: &String| word.contains('=');
        let start = self.0[..at].iter().rposition(|word| !is_property(word)).unwrap_or(at);
        let end = at + self.0[at..].iter().take_while(|word| is_property(word)).count();
        match property {
            Some(property) => {
                let (begin, word) = (format!("{property}="), format!("{property}={value}"));
                match self.0[start..end].iter_mut().find(|word| word.starts_with(&begin)) {
                    Some(old) => *old = word,
                    None => self.0.insert(at + 1, word),
                }
            }
            None => {
                let elements = shlex::split(value).filter(|words| !words.is_empty());
                let elements = elements.ok_or_else(|| DescriptionError::Words(value.into()))?;
                self.0.splice(start..end, elements);
            }
        }
        Ok(())
    }
}

/// For a shell.
impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, word) in self.0.iter().enumerate() {
            let blank = if number == 0 { "" } else { " " };
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./,:=@%+".contains(&byte);
            // shells leave a lone `!` alone, and an assignment that is no first word
            if word == "!" || (!word.is_empty() && word.bytes().all(is_plain)) {
                write!(f, "{blank}{word}")?;
            } else {
                write!(f, "{blank}{}", shlex::try_quote(word).map_err(|_| std::fmt::Error)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Words {
        Words(shlex::split(text).unwrap())
    }

    #[test]
    fn every_file_has_a_summary_and_a_command() {
        for description in DESCRIPTIONS {
            let command = description.command().unwrap_or_else(|error| panic!("{error}"));
            let (summary, text) = (description.summary(), command.to_string());
            assert!((20..200).contains(&summary.len()) && summary.ends_with('.'), "{}: {summary:?}", description.name);
            assert!(text.contains(" ! ") && !text.contains("grep"), "{}: {text}", description.name);
            assert_eq!(words(&text), command, "a shell reads what is written");
            let body = description.body();
            assert!(!body.contains(['"', '\'', '$', '(', ';']), "{}: $(...) quotes nothing", description.name);
        }
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), DESCRIPTIONS.len(), "all are part of the program");
    }

    #[test]
    fn properties_are_set_and_elements_replaced() {
        let line =
            "-e filesrc name=file location=a.mp4 ! decodebin ! video/x-raw,width=3 ! fakesink sync=false name=out";
        let mut set = words(line);
        assert_eq!(set.names(), ["file", "out"]);
        set.set("file.location", "my clip's.mp4").unwrap();
        set.set("file.blocksize", "1").unwrap();
        set.set("out", "videoconvert ! filesink location='a b'").unwrap();
        assert_eq!(
            set.to_string(),
            "-e filesrc name=file blocksize=1 \"location=my clip's.mp4\" ! decodebin ! video/x-raw,width=3 ! \
             videoconvert ! filesink 'location=a b'"
        );
        assert_eq!(words(&set.to_string()), set);
        let (options, pipeline) = set.split();
        assert_eq!((options.len(), pipeline[0].as_str()), (1, "filesrc"));
        assert_eq!(
            set.set("camera.device", "x"),
            Err(DescriptionError::NoElement { name: "camera".into(), known: "file".into() })
        );
        assert!(set.set("file", "'").is_err() && set.set("file", " ").is_err());
    }

    #[test]
    fn an_unknown_file_is_told_with_those_that_are() {
        let error = Description::find("sned").unwrap_err().to_string();
        assert!(error.contains("sned") && error.contains("send-vp8"), "{error}");
    }
}

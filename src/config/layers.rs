//! Where a setting's value comes from: command line, process environment, `.env`, TOML file, default, in this order.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::ConfigError;
use super::table::{self, SETTINGS, Setting};

/// The layer that decided a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// `--set KEY=VALUE` or an option of its own.
    CommandLine,
    /// The environment of the process.
    Environment,
    /// A `.env` file.
    EnvFile(PathBuf),
    /// A TOML file.
    Toml(PathBuf),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("command line"),
            Self::Environment => f.write_str("environment"),
            Self::EnvFile(p) | Self::Toml(p) => write!(f, "{}", p.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One setting with its value.
#[derive(Clone)]
pub struct Resolved {
    /// Its row.
    pub setting: &'static Setting,
    /// The text to parse; empty means unset.
    pub raw: String,
    /// Who said so.
    pub source: Source,
}

/// The layers above the defaults.
#[derive(Default)]
pub struct Layers {
    command_line: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    env_file: Option<(PathBuf, BTreeMap<String, String>)>,
    toml: Option<(PathBuf, BTreeMap<String, String>)>,
}

impl Layers {
    /// Adds `--set KEY=VALUE` pairs; the last one of a key wins.
    pub fn command_line<'a>(
        mut self,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ConfigError> {
        for (key, value) in pairs {
            if table::find(key).is_none() {
                return Err(ConfigError::UnknownKey {
                    key: key.into(),
                    place: "the command line".into(),
                    hint: hint(key),
                });
            }
            self.command_line.insert(key.into(), value.into());
        }
        Ok(self)
    }

    /// Adds the environment. Variables that no setting names are left alone, and so are empty ones.
    pub fn environment(mut self, vars: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment = vars.into_iter().filter(|(_, v)| !v.is_empty()).collect();
        self
    }

    /// Adds a `.env` file.
    pub fn env_file(mut self, path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |e: dotenvy::Error| ConfigError::EnvFile { path: path.into(), message: e.to_string() };
        let mut vars = BTreeMap::new();
        for pair in dotenvy::from_path_iter(path).map_err(unreadable)? {
            let (name, value) = pair.map_err(unreadable)?;
            if !value.is_empty() {
                vars.insert(name, value);
            }
        }
        self.env_file = Some((path.into(), vars));
        Ok(self)
    }

    /// Adds a TOML file.
    pub fn toml_file(self, path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| ConfigError::File { path: path.into(), message: e.to_string() })?;
        self.toml(path, &text)
    }

    fn toml(mut self, path: &Path, text: &str) -> Result<Self, ConfigError> {
        let table: toml::Table = text
            .parse()
            .map_err(|e: toml::de::Error| ConfigError::File { path: path.into(), message: e.to_string() })?;
        let mut values = BTreeMap::new();
        for (section, entries) in &table {
            let toml::Value::Table(entries) = entries else {
                return Err(unknown(section, path));
            };
            for (name, value) in entries {
                let key = format!("{section}.{name}");
                if table::find(&key).is_none() {
                    return Err(unknown(&key, path));
                }
                values.insert(key, raw(value));
            }
        }
        self.toml = Some((path.into(), values));
        Ok(self)
    }

    /// Every setting of the table with the value of the highest layer that has one.
    pub fn resolve(&self) -> Vec<Resolved> {
        SETTINGS
            .iter()
            .map(|setting| {
                let (raw, source) = self.lookup(setting);
                Resolved { setting, raw, source }
            })
            .collect()
    }

    fn lookup(&self, setting: &Setting) -> (String, Source) {
        if let Some(v) = self.command_line.get(setting.key) {
            return (v.clone(), Source::CommandLine);
        }
        if let Some(v) = self.environment.get(setting.env) {
            return (v.clone(), Source::Environment);
        }
        if let Some((path, v)) = self.env_file.as_ref().and_then(|(p, m)| Some((p, m.get(setting.env)?))) {
            return (v.clone(), Source::EnvFile(path.clone()));
        }
        if let Some((path, v)) = self.toml.as_ref().and_then(|(p, m)| Some((p, m.get(setting.key)?))) {
            return (v.clone(), Source::Toml(path.clone()));
        }
        (setting.default.to_owned(), Source::Default)
    }
}

fn unknown(key: &str, path: &Path) -> ConfigError {
    ConfigError::UnknownKey { key: key.into(), place: path.display().to_string(), hint: hint(key) }
}

/// The setting that was probably meant: same last word, or none.
fn hint(key: &str) -> String {
    let name = key.rsplit('.').next().unwrap_or(key);
    match SETTINGS.iter().find(|s| s.key.ends_with(name) || s.env.eq_ignore_ascii_case(key)) {
        Some(s) => format!("did you mean `{}`?", s.key),
        None => "`vision-service config --reference` lists them all".into(),
    }
}

/// A TOML value as it would stand in the environment; lists and tables as JSON.
fn raw(value: &toml::Value) -> String {
    match value {
        toml::Value::String(s) => s.clone(),
        toml::Value::Array(_) | toml::Value::Table(_) => serde_json::to_string(value).unwrap_or_default(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(layers: &Layers, key: &str) -> (String, Source) {
        layers.lookup(table::find(key).unwrap())
    }

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
    }

    #[test]
    fn the_highest_layer_wins() {
        let dir = std::env::temp_dir().join(format!("vision-layers-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let dotenv = dir.join("env");
        std::fs::write(&dotenv, "PORT=3\nHOST=envfile\nMAX_FLOWS=\n").unwrap();
        let toml = Path::new("x.toml");
        let base = || {
            Layers::default()
                .toml(toml, "[http]\nport = 4\nhost = 'toml'\ncert_file = 'c'\n[flow]\nmax_flows = 9")
                .unwrap()
        };

        assert_eq!(value(&Layers::default(), "http.port"), ("5000".into(), Source::Default));
        assert_eq!(value(&base(), "http.port"), ("4".into(), Source::Toml(toml.into())));
        let l = base().env_file(&dotenv).unwrap();
        assert_eq!(value(&l, "http.port"), ("3".into(), Source::EnvFile(dotenv.clone())));
        assert_eq!(value(&l, "flow.max_flows").0, "9", "an empty variable says nothing");
        let l = l.environment(env(&[("PORT", "2")]));
        assert_eq!(value(&l, "http.port"), ("2".into(), Source::Environment));
        assert_eq!(value(&l, "http.host").0, "envfile");
        let l = l.command_line([("http.port", "1")]).unwrap();
        assert_eq!(value(&l, "http.port"), ("1".into(), Source::CommandLine));
        assert_eq!(value(&l, "http.cert_file").0, "c");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn an_unknown_key_is_refused_with_a_hint() {
        let e = Layers::default().toml(Path::new("v.toml"), "[http]\nprot = 1").err().unwrap().to_string();
        assert!(e.contains("http.prot") && e.contains("v.toml"), "{e}");
        let e = Layers::default().command_line([("port", "1")]).err().unwrap().to_string();
        assert!(e.contains("http.port"), "{e}");
    }

    #[test]
    fn lists_in_toml_become_json() {
        let l = Layers::default().toml(Path::new("v"), "[challenge]\ngestures = ['blink', 'nod']").unwrap();
        assert_eq!(value(&l, "challenge.gestures").0, r#"["blink","nod"]"#);
    }
}

//! Looks keys up in whichever spelling they have, notes which were used, and what was wrong with them.

use std::collections::BTreeSet;
use std::fmt::Display;

use toml::{Table, Value};

use super::value::{Flag, FromValue};

/// A file that is being read.
pub struct Reader {
    file: Table,
    /// Paths of values that somebody asked for, as the file spells them.
    used: BTreeSet<Vec<String>>,
    ignored: Vec<String>,
    errors: Vec<String>,
}

/// Where in the file a section is, or would be, as the file spells it.
pub struct Section(Vec<String>);

/// The same for `maxAttempts`, `max_attempts` and `MAX ATTEMPTS`.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

impl Reader {
    /// Nothing asked for yet.
    pub fn new(file: Table) -> Self {
        Self { file, used: BTreeSet::new(), ignored: Vec::new(), errors: Vec::new() }
    }

    /// A section of no use here.
    pub fn ignore(&mut self, name: &str, reason: &str) {
        let sections: Vec<_> = self.file.keys().filter(|key| plain(key).starts_with(&plain(name))).cloned().collect();
        for section in sections {
            self.ignored.push(format!("[{section}] is ignored: {reason}"));
            self.file.remove(&section);
        }
    }

    /// A section that is another program's.
    pub fn leave(&mut self, name: &str) {
        let section = self.section(&[name]);
        self.used.insert(section.0);
    }

    /// A section by its headings.
    pub fn section(&self, path: &[&str]) -> Section {
        let mut table = Some(&self.file);
        let found = path.iter().map(|name| {
            let entry = table.and_then(|table| table.iter().find(|(key, _)| plain(key) == plain(name)));
            table = entry.and_then(|(_, value)| value.as_table());
            entry.map_or_else(|| (*name).to_owned(), |(key, _)| key.clone())
        });
        Section(found.collect())
    }

    fn find(&self, section: &Section, key: &str) -> Option<(Vec<String>, Value)> {
        let table = section.0.iter().try_fold(&self.file, |table, name| table.get(name)?.as_table())?;
        let (name, value) = table.iter().find(|(name, _)| plain(name) == plain(key))?;
        Some((section.0.iter().cloned().chain([name.clone()]).collect(), value.clone()))
    }

    /// A value, if it is set; one that cannot be used counts as not set, and as an error.
    pub fn get<T: FromValue>(&mut self, section: &Section, key: &str) -> Option<T> {
        let (path, value) = self.find(section, key)?;
        let read = T::from_value(&value);
        let name = path.join(".");
        self.used.insert(path);
        read.map_err(|expected| self.errors.push(format!("{name} has to be {expected}"))).ok()
    }

    /// Every value of a section by its name, which may have dots in it. Those that cannot be used are left out, as errors.
    pub fn all<T: FromValue>(&mut self, section: &Section) -> Vec<(String, T)> {
        let table = section.0.iter().try_fold(&self.file, |table, name| table.get(name)?.as_table());
        let mut values = Vec::new();
        table.into_iter().for_each(|table| flatten(table, &mut Vec::new(), &mut values));
        let read = values.into_iter().filter_map(|(path, value)| {
            let name = path.join(".");
            let whole: Vec<_> = section.0.iter().cloned().chain(path).collect();
            let read = T::from_value(&value);
            let read = read.map_err(|expected| self.errors.push(format!("{} has to be {expected}", whole.join("."))));
            self.used.insert(whole);
            Some((name, read.ok()?))
        });
        read.collect()
    }

    /// A text that has to be there.
    pub fn must(&mut self, section: &Section, key: &str) -> String {
        let text: Option<String> = self.get(section, key);
        text.filter(|text| !matches!(text.as_str(), "" | "-")).unwrap_or_else(|| {
            self.errors.push(format!("{}.{key} is missing", section.0.join(".")));
            String::new()
        })
    }

    /// A number from `least` to `most`.
    pub fn within(&mut self, section: &Section, key: &str, least: f32, most: f32) -> Option<f32> {
        let number: f64 = self.get(section, key)?;
        let inside = (f64::from(least)..=f64::from(most)).contains(&number);
        if !inside {
            let name = self.find(section, key).map_or(key.into(), |(path, _)| path.join("."));
            self.errors.push(format!("{name} has to be {least} to {most}, not {number}"));
        }
        inside.then_some(number as f32)
    }

    /// The arguments of a plug-in, if it is enabled.
    pub fn plugin(&mut self, kind: &str, name: &str, default: bool) -> Option<Section> {
        let section = self.section(&["MIDDLEWARES", kind, name]);
        let enabled = self.get::<Flag>(&section, "isEnabled").map_or(default, |flag| flag.0);
        let arguments = self.section(&["MIDDLEWARES", kind, name, "args"]);
        if !enabled {
            // arguments of what is switched off are nobody's mistake
            self.used.insert(section.0);
        }
        enabled.then_some(arguments)
    }

    /// Values of a section that do not go together.
    pub fn refuse(&mut self, section: &Section, reason: impl Display) {
        self.errors.push(format!("{}: {reason}", section.0.join(".")));
    }

    /// Warnings, or all errors.
    pub fn finish(self) -> Result<Vec<String>, Vec<String>> {
        let Self { file, used, mut ignored, errors } = self;
        if !errors.is_empty() {
            return Err(errors);
        }
        unknown(&file, &mut Vec::new(), &used, &mut ignored);
        Ok(ignored)
    }
}

fn flatten(table: &Table, path: &mut Vec<String>, values: &mut Vec<(Vec<String>, Value)>) {
    for (key, value) in table {
        path.push(key.clone());
        match value {
            Value::Table(inner) => flatten(inner, path, values),
            value => values.push((path.clone(), value.clone())),
        }
        path.pop();
    }
}

fn unknown(table: &Table, path: &mut Vec<String>, used: &BTreeSet<Vec<String>>, warnings: &mut Vec<String>) {
    for (key, value) in table {
        path.push(key.clone());
        match value {
            _ if used.contains(path) => {}
            Value::Table(inner) => unknown(inner, path, used, warnings),
            _ => warnings.push(format!("{} is not known and changes nothing", path.join("."))),
        }
        path.pop();
    }
}

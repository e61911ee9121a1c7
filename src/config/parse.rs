//! From a setting's text to its type, with messages that say what would have been right.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use vision_models::runtime::Provider;

use super::ice::{IceServer, parse_servers};

/// A type that a setting can have.
pub trait FromText: Sized {
    /// Parses; the error completes "... must be".
    fn from_text(text: &str) -> Result<Self, String>;
}

impl FromText for String {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl FromText for PathBuf {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }
}

/// Numbers that `FromStr` parses, with what they are called.
macro_rules! numbers {
    ($($t:ty => $what:literal),*) => {$(
        impl FromText for $t {
            fn from_text(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|_| $what.to_owned())
            }
        }
    )*};
}
numbers!(u16 => "a number between 0 and 65535", u32 => "a whole number", u64 => "a whole number", usize => "a whole number",
    NonZeroUsize => "a whole number, at least 1", IpAddr => "an IP address");

impl FromText for f32 {
    fn from_text(text: &str) -> Result<Self, String> {
        text.trim().parse().ok().filter(|v: &f32| v.is_finite()).ok_or_else(|| "a number".to_owned())
    }
}

impl FromText for bool {
    fn from_text(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err("true or false".to_owned()),
        }
    }
}

/// A number means seconds; otherwise a number with a unit: `500ms`, `10s`, `2m`.
impl FromText for Duration {
    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = || "a time such as `10s`, `500ms`, `2m`, or a number of seconds".to_owned();
        let text = text.trim();
        match text.parse::<f64>() {
            Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| wrong()),
            Err(_) => humantime::parse_duration(text).map_err(|_| wrong()),
        }
    }
}

impl FromText for url::Url {
    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = "an http:// or https:// URL";
        let url = url::Url::parse(text.trim()).map_err(|e| format!("{wrong} ({e})"))?;
        if matches!(url.scheme(), "http" | "https") && url.has_host() { Ok(url) } else { Err(wrong.to_owned()) }
    }
}

/// A list: separated by commas, or a JSON array of strings.
impl FromText for Vec<String> {
    fn from_text(text: &str) -> Result<Self, String> {
        if text.trim_start().starts_with('[') {
            return serde_json::from_str(text).map_err(|e| format!("a list of texts ({e})"));
        }
        Ok(text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect())
    }
}

impl FromText for Vec<PathBuf> {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Vec::<String>::from_text(text)?.into_iter().map(PathBuf::from).collect())
    }
}

impl FromText for (u16, u16) {
    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = || "a range of ports such as `40000-40100`, the first not above the last".to_owned();
        let (low, high) = text.split_once('-').ok_or_else(wrong)?;
        match (low.trim().parse(), high.trim().parse()) {
            (Ok(low), Ok(high)) if 0 < low && low <= high => Ok((low, high)),
            _ => Err(wrong()),
        }
    }
}

impl FromText for Provider {
    fn from_text(text: &str) -> Result<Self, String> {
        let name = text.trim().to_ascii_lowercase();
        Self::ALL.into_iter().find(|p| p.name() == name).ok_or_else(|| "auto, cpu, cuda or tensorrt".to_owned())
    }
}

impl FromText for Vec<IceServer> {
    fn from_text(text: &str) -> Result<Self, String> {
        parse_servers(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [("10", 10_000), ("0.5", 500), ("500ms", 500), ("2m", 120_000), (" 3s ", 3000)] {
            assert_eq!(Duration::from_text(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "-1", "soon", "NaN", "10 parsecs"] {
            assert!(Duration::from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lists_and_ranges() {
        assert_eq!(Vec::<String>::from_text("a, b,,c").unwrap(), ["a", "b", "c"]);
        assert_eq!(Vec::<String>::from_text(r#"["a","b c"]"#).unwrap(), ["a", "b c"]);
        assert!(Vec::<String>::from_text("[1]").is_err());
        assert_eq!(<(u16, u16)>::from_text("40000-40100"), Ok((40000, 40100)));
        for text in ["", "5-4", "0-4", "5", "a-b", "1-70000"] {
            assert!(<(u16, u16)>::from_text(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_that_are_none() {
        assert!(f32::from_text("inf").is_err());
        assert!(bool::from_text("maybe").is_err());
        assert!(url::Url::from_text("ftp://x").is_err());
        assert!(url::Url::from_text("http://x/y").is_ok());
    }
}

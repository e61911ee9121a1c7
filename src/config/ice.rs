//! ICE servers as people write them: a list of URLs, or the JSON array that `RTCPeerConnection` takes.

use serde::{Deserialize, Serialize};

/// A STUN or TURN server, in the words of `RTCIceServer`.
#[derive(Clone, Serialize, Deserialize, PartialEq)]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` URLs.
    #[serde(deserialize_with = "one_or_many")]
    pub urls: Vec<String>,
    /// For TURN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For TURN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

// The credential is a secret.
impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IceServer({}", self.urls.join(" "))?;
        f.write_str(if self.credential.is_some() { ", with credential)" } else { ")" })
    }
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Urls {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Urls::deserialize(d)? {
        Urls::One(url) => vec![url],
        Urls::Many(urls) => urls,
    })
}

/// Parses either form; the error completes "... must be".
pub fn parse_servers(text: &str) -> Result<Vec<IceServer>, String> {
    let servers: Vec<IceServer> = if text.trim_start().starts_with('[') && text.contains('{') {
        serde_json::from_str(text).map_err(|e| format!("the JSON array that RTCPeerConnection takes ({e})"))?
    } else {
        let urls: Vec<String> = super::parse::FromText::from_text(text)?;
        urls.iter().map(|url| from_url(url)).collect()
    };
    for url in servers.iter().flat_map(|s| &s.urls) {
        check(url)?;
    }
    Ok(servers)
}

/// `turn:user:password@host:port` has no credentials in its standard form: they are taken out.
fn from_url(text: &str) -> IceServer {
    let split = text.split_once(':').and_then(|(scheme, rest)| {
        let (userinfo, host) = rest.rsplit_once('@')?;
        let (user, password) = userinfo.split_once(':')?;
        Some((format!("{scheme}:{host}"), user, password))
    });
    let plain = |s: &str| percent_encoding::percent_decode_str(s).decode_utf8_lossy().into_owned();
    match split {
        Some((url, user, password)) => {
            IceServer { urls: vec![url], username: Some(plain(user)), credential: Some(plain(password)) }
        }
        None => IceServer { urls: vec![text.to_owned()], username: None, credential: None },
    }
}

fn check(url: &str) -> Result<(), String> {
    let wrong =
        || format!("`stun:host:port`, `turn:host:port` or `turns:host:port` URLs, which {:?} is not", redact(url));
    let (scheme, rest) = url.split_once(':').ok_or_else(wrong)?;
    let host = rest.split('?').next().unwrap_or_default();
    let known = matches!(scheme, "stun" | "stuns" | "turn" | "turns");
    if !known || host.is_empty() || host.starts_with('/') || host.contains("undefined") {
        return Err(wrong());
    }
    Ok(())
}

fn redact(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let list = parse_servers("stun:s.example:3478, turn:u%40x:p:w@t.example:3478?transport=tcp").unwrap();
        assert_eq!(list[0].urls, ["stun:s.example:3478"]);
        assert_eq!(list[1].urls, ["turn:t.example:3478?transport=tcp"]);
        assert_eq!(list[1].username.as_deref(), Some("u@x"));
        assert_eq!(list[1].credential.as_deref(), Some("p:w"));
        let json =
            parse_servers(r#"[{"urls":"stun:a:1"},{"urls":["turn:b:2"],"username":"u","credential":"c"}]"#).unwrap();
        assert_eq!(json.len(), 2);
        assert_eq!(json[1].username.as_deref(), Some("u"));
    }

    #[test]
    fn nonsense_is_refused_and_secrets_stay_hidden() {
        for text in ["http://x", "turn:", "turn:undefined:undefined?transport=undefined", "[{\"urls\":5}]"] {
            assert!(parse_servers(text).is_err(), "{text}");
        }
        let list = parse_servers("turn:user:hunter2@host:1").unwrap();
        assert!(!format!("{list:?}").contains("hunter2"));
        let e = parse_servers("trun:user:hunter2@host:1").unwrap_err();
        assert!(!e.contains("hunter2"), "{e}");
    }
}

//! Takes values out of the resolved settings, types them, and collects all that is wrong with them.

use std::time::Duration;

use vision_core::liveness::modes::Modes;
use vision_core::liveness::{CHECKS, Check, Mode};

use super::layers::Resolved;
use super::parse::FromText;
use super::typed::{Evidence, EvidencePlace, EvidenceStore, S3Bucket, Signing};
use crate::media::Codec;

/// The resolved settings on their way to their types.
pub(super) struct Reader<'a> {
    pub(super) resolved: &'a [Resolved],
    pub(super) errors: Vec<String>,
}

impl Reader<'_> {
    pub(super) fn entry(&self, key: &str) -> &Resolved {
        self.resolved.iter().find(|r| r.setting.key == key).expect("every key read here is a row of the table")
    }

    pub(super) fn complain(&mut self, key: &str, must_be: &str) {
        let Resolved { setting, raw, source } = self.entry(key);
        let shown = if setting.secret || raw.contains('@') { "(hidden)".into() } else { format!("{raw:?}") };
        let text = format!("{key} ({}), from {source}: {shown} must be {must_be}", setting.env);
        self.errors.push(text);
    }

    pub(super) fn optional<T: FromText>(&mut self, key: &str) -> Option<T> {
        let raw = &self.entry(key).raw;
        if raw.is_empty() {
            return None;
        }
        match T::from_text(raw) {
            Ok(value) => Some(value),
            Err(must_be) => {
                self.complain(key, &must_be);
                None
            }
        }
    }

    /// The value; where it is wrong the default stands in, so that reading goes on and finds the other mistakes.
    pub(super) fn required<T: FromText>(&mut self, key: &str) -> T {
        let raw = self.entry(key).raw.clone();
        T::from_text(&raw).unwrap_or_else(|must_be| {
            self.complain(key, &must_be);
            T::from_text(self.entry(key).setting.default).unwrap_or_else(|e| panic!("the default of {key} must be {e}"))
        })
    }

    pub(super) fn in_range<T: FromText + PartialOrd + std::fmt::Display>(&mut self, key: &str, low: T, high: T) -> T {
        let value: T = self.required(key);
        if value < low || value > high {
            self.complain(key, &format!("between {low} and {high}"));
        }
        value
    }

    pub(super) fn one_of(&mut self, key: &str, words: &[&str]) -> String {
        let value = self.required::<String>(key).trim().to_ascii_lowercase();
        if !words.contains(&value.as_str()) {
            self.complain(key, &words.join(" or "));
        }
        value
    }

    pub(super) fn codecs(&mut self) -> Vec<Codec> {
        let names: Vec<String> = self.required("media.codecs");
        let codecs: Option<Vec<Codec>> = names.iter().map(|name| Codec::from_name(name)).collect();
        match codecs {
            Some(list) if !list.is_empty() => list,
            _ => {
                self.complain("media.codecs", "VP8, H264 or both");
                vec![Codec::Vp8]
            }
        }
    }

    /// The modes of the liveness checks.
    pub(super) fn modes(&mut self) -> Modes {
        let profile = self.required("liveness.profile");
        let set = CHECKS.map(|check| (check, self.optional::<Mode>(&format!("liveness.{}", check.as_str()))));
        if set.contains(&(Check::InjectionHints, Some(Mode::Enforce))) {
            self.complain("liveness.injection_hints", "off or observe: hints prove nothing");
        }
        Modes::new(profile, |check| set.iter().find(|(of, _)| *of == check).and_then(|(_, mode)| *mode))
    }

    /// How results are signed, if a key is named.
    pub(super) fn signing(&mut self) -> Option<Signing> {
        let algorithm = self.required("signing.algorithm");
        let lifetime = self.required("signing.lifetime");
        let retry_for: Duration = self.required("controller.retry_for");
        if self.required::<String>("callbacks.body") == "jwt" && lifetime <= retry_for {
            self.complain("signing.lifetime", "longer than controller.retry_for (CALLBACK_RETRY_FOR)");
        }
        let audience = self.optional("signing.audience");
        let key_file = self.optional("signing.key_file")?;
        Some(Signing { algorithm, key_file, audience, lifetime })
    }

    /// Sites of the web.
    pub(super) fn origins(&mut self, key: &str) -> Vec<url::Origin> {
        let texts: Vec<String> = self.required(key);
        let site = |text: &String| {
            let url = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
            (matches!(url.path(), "" | "/") && url.query().is_none()).then(|| url.origin())
        };
        let origins: Option<Vec<_>> = texts.iter().map(site).collect();
        origins.unwrap_or_else(|| {
            self.complain(key, "sites such as https://bank.example, separated by commas");
            Vec::new()
        })
    }

    /// Where evidence is kept, if anywhere.
    pub(super) fn evidence(&mut self) -> Option<Evidence> {
        let recipient = self.optional("evidence.recipient");
        let retention = self.required("evidence.retention");
        if retention < Duration::from_secs(60) {
            self.complain("evidence.retention", "at least a minute");
        }
        let video = self.required::<bool>("evidence.video").then(|| self.required("evidence.video_limit"));
        let store = match self.required("evidence.store") {
            EvidencePlace::None => return None,
            EvidencePlace::Folder(path) => EvidenceStore::Folder(path),
            EvidencePlace::S3(bucket, prefix) => {
                let endpoint: Option<url::Url> = self.optional("evidence.s3_endpoint");
                let region = self.required("evidence.s3_region");
                let access_key: Option<String> = self.optional("evidence.s3_access_key");
                let secret_key: Option<String> = self.optional("evidence.s3_secret_key");
                for key in ["evidence.s3_endpoint", "evidence.s3_access_key", "evidence.s3_secret_key"] {
                    if self.entry(key).raw.is_empty() {
                        self.complain(key, "set, since evidence.store is a bucket");
                    }
                }
                let (endpoint, access_key, secret_key) = (endpoint?, access_key?.into(), secret_key?.into());
                EvidenceStore::S3(S3Bucket { bucket, prefix, endpoint, region, access_key, secret_key })
            }
        };
        Some(Evidence { store, recipient, retention, video })
    }

    /// Doors that stand open.
    pub(super) fn notices(&mut self) -> Vec<String> {
        let mut notices = Vec::new();
        if self.required::<bool>("http.enable_debug_endpoints") {
            let door = match self.entry("http.api_token").raw.is_empty() {
                true => "everybody who reaches this port",
                false => "everybody with the API_TOKEN",
            };
            notices.push(format!(
                "ENABLE_DEBUG_ENDPOINTS is set: {door} can see PICTURES OF SUBJECTS and the insides of flows. Never in production"
            ));
        }
        if self.required::<bool>("mediasoup.accept_any_certificate") {
            notices.push(
                "MEDIASOUP_ACCEPT_ANY_CERTIFICATE is set: whoever answers for a room's server is believed to be it"
                    .into(),
            );
        }
        if self.entry("evidence.store").raw.trim() != "none" && self.entry("evidence.recipient").raw.is_empty() {
            notices.push(
                "EVIDENCE_RECIPIENT is not set: pictures and scores of subjects are stored WITHOUT ENCRYPTION".into(),
            );
        }
        if self.entry("http.api_token").raw.is_empty() {
            notices.push("API_TOKEN is not set: everybody who reaches this port can start flows".into());
        } else if self.required::<bool>("http.demo") {
            notices.push("API_TOKEN is set: the page /demo wants it too, and a browser cannot send it".into());
        }
        notices
    }
}

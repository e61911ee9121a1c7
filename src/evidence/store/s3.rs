//! A bucket of an S3-compatible server: `{prefix}{id}/{file}`.
//!
//! Requests are signed in their addresses (AWS signature version 4, query form) and path-style. The manifest is stored
//! first and deleted last, so that [`sweep`](super::Store::sweep) knows of whatever lies there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::{Client, Method, StatusCode};
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use secrecy::ExposeSecret as _;

use super::{StoreError, told};
use crate::config::S3Bucket;
use crate::evidence::manifest::{MANIFEST, Manifest, SIGNATURE};
use crate::evidence::package::Package;
use crate::evidence::record::EvidenceId;
use crate::lock::lock;
use crate::outbound::retry::{Again, Failed, after_error, success_only};
use crate::outbound::{self, Redirects, read_body};
use crate::redact;

/// How long a signed address is worth anything.
const SIGNED_FOR: Duration = Duration::from_secs(300);
/// Limit of a single request.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Largest file, and largest list, that is read.
const MOST_BYTES: u64 = 256 << 20;

/// The bucket.
#[derive(Clone)]
pub struct S3 {
    http: Client,
    bucket: Arc<Bucket>,
    credentials: Arc<Credentials>,
    prefix: String,
    place: String,
    /// When packages that were looked at are over: manifests do not change.
    over: Arc<Mutex<HashMap<EvidenceId, SystemTime>>>,
}

impl S3 {
    /// Sets up the client; nothing is sent.
    ///
    /// # Errors
    /// [`StoreError::Bucket`], [`StoreError::Client`].
    pub fn new(settings: &S3Bucket) -> Result<Self, StoreError> {
        let S3Bucket { bucket, prefix, endpoint, region, access_key, secret_key } = settings;
        let place = format!("{}/{bucket}", redact::address(endpoint));
        let bucket = Bucket::new(endpoint.clone(), UrlStyle::Path, bucket.clone(), region.clone())
            .map_err(|e| StoreError::Bucket(e.to_string()))?;
        let credentials =
            Credentials::new(access_key.expose_secret().to_owned(), secret_key.expose_secret().to_owned());
        Ok(Self {
            http: outbound::client(Redirects { limit: 0, see_other: false })?,
            bucket: Arc::new(bucket),
            credentials: Arc::new(credentials),
            prefix: prefix.clone(),
            place,
            over: Arc::default(),
        })
    }

    fn key(&self, id: &EvidenceId, name: &str) -> String {
        format!("{}{id}/{name}", self.prefix)
    }

    /// See [`Store::put`](super::Store::put).
    pub(super) async fn put(&self, package: &Package) -> Result<(), StoreError> {
        for file in &package.files {
            let key = self.key(&package.manifest.id, &file.name);
            let url = self.bucket.put_object(Some(&self.credentials), &key).sign(SIGNED_FOR);
            self.send(Method::PUT, url, file.bytes.clone()).await?;
        }
        Ok(())
    }

    /// See [`Store::read`](super::Store::read).
    pub(super) async fn read(&self, id: &EvidenceId, name: &str) -> Result<Option<Bytes>, StoreError> {
        let key = self.key(id, name);
        self.send(Method::GET, self.bucket.get_object(Some(&self.credentials), &key).sign(SIGNED_FOR), Bytes::new())
            .await
    }

    /// See [`Store::sweep`](super::Store::sweep).
    pub(super) async fn sweep(&self, now: SystemTime) -> Result<Vec<EvidenceId>, StoreError> {
        let ids = self.ids().await?;
        self.remembered(|over| over.retain(|id, _| ids.binary_search(id).is_ok()));
        let (mut deleted, mut failed) = (Vec::new(), None);
        for id in ids {
            match self.sweep_package(&id, now).await {
                Ok(true) => deleted.push(id),
                Ok(false) => (),
                Err(error) => {
                    let others_too = !matches!(error, StoreError::S3 { only_this: true, .. });
                    failed = Some(error);
                    if others_too {
                        break;
                    }
                }
            }
        }
        told(deleted, failed)
    }

    /// Whether it was deleted.
    async fn sweep_package(&self, id: &EvidenceId, now: SystemTime) -> Result<bool, StoreError> {
        let known = self.remembered(|over| over.get(id).copied());
        if known.is_some_and(|over| over > now) {
            return Ok(false);
        }
        let manifest = self.read(id, MANIFEST).await?.and_then(|json| Manifest::parse(&json).ok());
        let Some(manifest) = manifest.filter(|manifest| manifest.id == *id) else { return Ok(false) };
        if manifest.delete_after > now {
            self.remembered(|over| over.insert(id.clone(), manifest.delete_after));
            return Ok(false);
        }
        let listed = manifest.files.iter().map(|file| file.name.as_str());
        for name in listed.chain([SIGNATURE, MANIFEST]) {
            let key = self.key(id, name);
            let url = self.bucket.delete_object(Some(&self.credentials), &key).sign(SIGNED_FOR);
            self.send(Method::DELETE, url, Bytes::new()).await?;
        }
        Ok(true)
    }

    /// What lies there under a name that could be ours, in order.
    async fn ids(&self) -> Result<Vec<EvidenceId>, StoreError> {
        let mut ids = Vec::new();
        let mut next = None;
        loop {
            let mut list = ListObjectsV2::new(&self.bucket, Some(&self.credentials));
            list.with_prefix(self.prefix.as_str());
            list.with_delimiter("/");
            if let Some(token) = next.take() {
                list.with_continuation_token(token);
            }
            let answer = self.send(Method::GET, list.sign(SIGNED_FOR), Bytes::new()).await?;
            let text = String::from_utf8_lossy(answer.as_deref().unwrap_or_default()).into_owned();
            let page = ListObjectsV2::parse_response(&text)
                .map_err(|e| self.failed(format!("no list of objects: {e}"), true))?;
            ids.extend(page.common_prefixes.iter().filter_map(|found| {
                found.prefix.strip_prefix(&self.prefix)?.strip_suffix('/')?.parse::<EvidenceId>().ok()
            }));
            match page.next_continuation_token {
                Some(token) => next = Some(token),
                None => break,
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// The answer's body; none when there is no such object.
    async fn send(&self, method: Method, url: url::Url, body: Bytes) -> Result<Option<Bytes>, StoreError> {
        let may_be_missing = method != Method::PUT;
        let request = self.http.request(method, url).timeout(TIMEOUT).body(body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(e) => return Err(self.failed(outbound::reason(&e), after_error(&e) == Again::Never)),
        };
        if response.status() == StatusCode::NOT_FOUND {
            let body = read_body(response, MOST_BYTES).await.unwrap_or_default();
            return match may_be_missing && !String::from_utf8_lossy(&body).contains("NoSuchBucket") {
                true => Ok(None),
                false => Err(self.failed("there is no such bucket".into(), true)),
            };
        }
        match success_only(response) {
            Ok(response) => {
                let body = read_body(response, MOST_BYTES).await.map_err(|e| self.failed(e.to_string(), false))?;
                Ok(Some(body))
            }
            Err(Failed { error: status, again }) => Err(StoreError::S3 {
                place: self.place.clone(),
                reason: format!("answered {status}"),
                for_good: again == Again::Never,
                only_this: !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE),
            }),
        }
    }

    fn failed(&self, reason: String, for_good: bool) -> StoreError {
        StoreError::S3 { place: self.place.clone(), reason, for_good, only_this: false }
    }

    fn remembered<T>(&self, run: impl FnOnce(&mut HashMap<EvidenceId, SystemTime>) -> T) -> T {
        run(&mut lock(&self.over))
    }
}

#[cfg(test)]
mod tests;

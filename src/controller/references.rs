//! Reference images: from an entry of the controller's list to a picture.
//!
//! An entry is a data URL, an http(s) URL, or the id of a file in a data store (`{datastore_base_url}/r/{id}`). What an
//! entry claims about its type is not believed: the content decides. An entry that cannot be read is skipped and said,
//! by its position and the reason, never by its content.
//!
//! The addresses come from the controller, which is trusted (see [`crate::controller`]): private networks are allowed,
//! other schemes than http and https are not.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use data_url::DataUrl;
use futures_util::{FutureExt, StreamExt, stream};
use image::imageops::FilterType;
use image::{DynamicImage, RgbImage};
use reqwest::{Client, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use url::Url;
use vision_core::picture::RgbPicture;
use vision_models::picture_file::{PictureError, PictureLimits, decode_picture};

use crate::outbound::retry::{Again, Backoff, Failed, GaveUp, after_error, retry, success_only};
use crate::outbound::{self, BodyError, ClientError, Redirects, read_body};

/// References of one flow that are fetched at the same time.
const FETCHES: usize = 4;
/// Pictures decoded at the same time in the whole process: the largest allowed takes a quarter of a gigabyte meanwhile.
const DECODERS: usize = 2;
/// Longest side that is kept, in pixels. Networks look at a face with 128 to 256; this leaves plenty in a page with a
/// portrait.
const LONGEST_SIDE: u32 = 2048;

/// What a reference may cost.
#[derive(Clone, Copy, Debug)]
pub struct ReferenceLimits {
    /// How many are used; the rest is skipped.
    pub max_count: usize,
    /// Encoded size of one, in bytes.
    pub max_bytes: u64,
    /// Width times height of one.
    pub max_pixels: u64,
    /// Time for one, from asking to being decoded.
    pub timeout: Duration,
    /// Redirects on the way to one.
    pub max_redirects: usize,
}

impl Default for ReferenceLimits {
    fn default() -> Self {
        Self {
            max_count: 10,
            max_bytes: 10_000_000,
            max_pixels: 40_000_000,
            timeout: Duration::from_secs(10),
            max_redirects: 3,
        }
    }
}

/// Why an entry gives no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Behind the greatest number that is used.
    #[error("only the first {0} are used")]
    BeyondCount(usize),
    /// Neither data, http(s) nor an id.
    #[error("its scheme is neither data, http nor https")]
    Scheme,
    /// A URL that is none.
    #[error("it is not a valid {0}")]
    Malformed(&'static str),
    /// An id, in a flow without a data store.
    #[error("it is a data-store id, but the request named no datastore_base_url")]
    NoDataStore,
    /// Too many bytes.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// Too many pixels.
    #[error("its {width}x{height} pixels are more than {limit}")]
    TooManyPixels {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// What is allowed.
        limit: u64,
    },
    /// The limit for one reference, or the flow's deadline.
    #[error("it took too long")]
    TimedOut,
    /// The server's answer was not a 2xx.
    #[error("its server answered {0}")]
    Status(StatusCode),
    /// No answer.
    #[error("its server could not be reached: {0}")]
    Unreachable(String),
    /// The bytes are not a JPEG, PNG or WebP picture, or a damaged one.
    #[error("its content is not a readable JPEG, PNG or WebP picture")]
    NotAPicture,
}

/// A reference that was read.
#[derive(Clone, Debug)]
pub struct Reference {
    /// Place in the list; the first is 1.
    pub position: usize,
    /// The decoded picture, upright.
    pub picture: Arc<RgbPicture>,
}

/// A reference that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedReference {
    /// Place in the list; the first is 1.
    pub position: usize,
    /// Why.
    pub reason: Unreadable,
}

impl fmt::Display for SkippedReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reference {}: {}", self.position, self.reason)
    }
}

/// The references of a flow: at least one.
#[derive(Debug)]
pub struct References {
    /// Those that were read, in order.
    pub read: Vec<Reference>,
    /// Those that were not.
    pub skipped: Vec<SkippedReference>,
}

/// There is nothing to compare with.
#[derive(Debug, thiserror::Error)]
pub enum NoReferences {
    /// The list has no entries.
    #[error("the controller has no reference images for this token")]
    Empty,
    /// It has, but none can be read.
    #[error("none of the reference images can be read: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NoneReadable(Vec<SkippedReference>),
}

/// Reads references. Cheap to clone; connections are shared.
#[derive(Clone, Debug)]
pub struct ReferenceLoader {
    http: Client,
    limits: ReferenceLimits,
    decoders: Arc<Semaphore>,
}

impl ReferenceLoader {
    /// Sets up the client; nothing is fetched.
    pub fn new(limits: ReferenceLimits) -> Result<Self, ClientError> {
        let http = outbound::client(Redirects { limit: limits.max_redirects, see_other: true })?;
        Ok(Self { http, limits, decoders: Arc::new(Semaphore::new(DECODERS)) })
    }

    /// What it allows.
    pub fn limits(&self) -> &ReferenceLimits {
        &self.limits
    }

    /// Reads a controller's list. What is skipped is logged here.
    pub async fn load(
        &self,
        entries: &[String],
        datastore: Option<&Url>,
        deadline: Instant,
    ) -> Result<References, NoReferences> {
        if entries.is_empty() {
            return Err(NoReferences::Empty);
        }
        let reads: Vec<_> = entries
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                let read = async move {
                    let result = match index < self.limits.max_count {
                        true => self.read(entry, datastore, deadline).await,
                        false => Err(Unreadable::BeyondCount(self.limits.max_count)),
                    };
                    (index + 1, result)
                };
                read.boxed()
            })
            .collect();
        let results: Vec<_> = stream::iter(reads).buffered(FETCHES).collect().await;
        let (mut read, mut skipped) = (Vec::new(), Vec::new());
        for (position, result) in results {
            match result {
                Ok(picture) => read.push(Reference { position, picture }),
                Err(reason) => {
                    tracing::warn!(position, %reason, "a reference image is skipped");
                    skipped.push(SkippedReference { position, reason });
                }
            }
        }
        if read.is_empty() { Err(NoReferences::NoneReadable(skipped)) } else { Ok(References { read, skipped }) }
    }

    /// Reads one entry.
    pub async fn read(
        &self,
        entry: &str,
        datastore: Option<&Url>,
        deadline: Instant,
    ) -> Result<Arc<RgbPicture>, Unreadable> {
        let now = Instant::now();
        if deadline <= now {
            return Err(Unreadable::TimedOut);
        }
        let deadline = deadline.min(now + self.limits.timeout);
        let read = async {
            let source = Source::of(entry, datastore)?;
            let encoded = match source {
                Source::Inline => self.decode_inline(entry).await?,
                Source::Remote(url) => self.fetch(url, deadline).await?.into(),
            };
            self.decode(encoded).await
        };
        timeout_at(deadline, read).await.unwrap_or(Err(Unreadable::TimedOut))
    }

    /// Decodes an encoded picture with the loader's limits; for pictures that come in another way.
    pub async fn decode(&self, encoded: Vec<u8>) -> Result<Arc<RgbPicture>, Unreadable> {
        let limits = PictureLimits {
            max_bytes: usize::try_from(self.limits.max_bytes).unwrap_or(usize::MAX),
            max_pixels: usize::try_from(self.limits.max_pixels).unwrap_or(usize::MAX),
        };
        self.blocking(move || decode(&encoded, &limits).map(Arc::new)).await
    }

    async fn decode_inline(&self, entry: &str) -> Result<Vec<u8>, Unreadable> {
        let limit = self.limits.max_bytes;
        // Four letters carry three bytes, a percent-encoded byte takes three: longer than that is too large whatever
        // it says.
        if entry.len() as u64 / 3 > limit + 1024 {
            return Err(Unreadable::TooLarge(limit));
        }
        let entry = entry.to_owned();
        self.blocking(move || parse_data_url(&entry, limit)).await
    }

    async fn fetch(&self, url: Url, deadline: Instant) -> Result<bytes::Bytes, Unreadable> {
        let attempt = || {
            let left = deadline.saturating_duration_since(Instant::now());
            let request = self.http.get(url.clone()).timeout(left);
            async {
                let response =
                    request.send().await.map_err(|e| Failed { again: after_error(&e), error: no_answer(&e) })?;
                let response = success_only(response)
                    .map_err(|f| Failed { error: Unreadable::Status(f.error), again: f.again })?;
                read_body(response, self.limits.max_bytes).await.map_err(|error| match error {
                    BodyError::TooLarge { limit } => Failed { error: Unreadable::TooLarge(limit), again: Again::Never },
                    BodyError::Broken(error) => Failed { error: no_answer(&error), again: Again::Yes },
                })
            }
        };
        match retry(Backoff::default(), deadline, "fetching a reference image", attempt).await {
            Ok((body, _)) => Ok(body),
            Err(GaveUp { error, .. }) => Err(error),
        }
    }

    /// Runs `work` where blocking is allowed, a few at a time.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Unreadable> + Send + 'static,
    ) -> Result<T, Unreadable> {
        // Owned by the work, not by this future: dropped at a timeout, it would let in more work than the limit.
        let permit = self.decoders.clone().acquire_owned().await.expect("the semaphore is never closed");
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        // A panic is a defect of a decoder, met by a picture from outside.
        task.await.unwrap_or(Err(Unreadable::NotAPicture))
    }
}

fn no_answer(error: &reqwest::Error) -> Unreadable {
    if error.is_timeout() { Unreadable::TimedOut } else { Unreadable::Unreachable(outbound::reason(error)) }
}

/// Where an entry's bytes are.
#[derive(Debug, PartialEq)]
enum Source {
    Inline,
    Remote(Url),
}

impl Source {
    fn of(entry: &str, datastore: Option<&Url>) -> Result<Self, Unreadable> {
        let entry = entry.trim();
        let scheme = entry.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("data") => Ok(Self::Inline),
            Some("http" | "https") => entry.parse().map(Self::Remote).map_err(|_| Unreadable::Malformed("URL")),
            Some(_) => Err(Unreadable::Scheme),
            None if matches!(entry, "" | "." | "..") => Err(Unreadable::Malformed("data-store id")),
            None => {
                let mut url = datastore.ok_or(Unreadable::NoDataStore)?.clone();
                if !matches!(url.scheme(), "http" | "https") {
                    return Err(Unreadable::Scheme);
                }
                url.path_segments_mut()
                    .map_err(|()| Unreadable::Malformed("data store"))?
                    .pop_if_empty()
                    .extend(["r", entry]);
                Ok(Self::Remote(url))
            }
        }
    }
}

fn parse_data_url(entry: &str, limit: u64) -> Result<Vec<u8>, Unreadable> {
    let url = DataUrl::process(entry.trim()).map_err(|_| Unreadable::Malformed("data URL"))?;
    let mut bytes = Vec::new();
    let within = |part: &[u8]| {
        bytes.extend_from_slice(part);
        if bytes.len() as u64 > limit { Err(()) } else { Ok(()) }
    };
    match url.decode(within) {
        Ok(_) => Ok(bytes),
        Err(data_url::forgiving_base64::DecodeError::WriteError(())) => Err(Unreadable::TooLarge(limit)),
        Err(_) => Err(Unreadable::Malformed("data URL")),
    }
}

/// JPEG, PNG or WebP to RGB, not larger than [`LONGEST_SIDE`].
fn decode(encoded: &[u8], limits: &PictureLimits) -> Result<RgbPicture, Unreadable> {
    let picture = decode_picture(encoded, limits).map_err(|error| match error {
        PictureError::TooManyBytes { limit, .. } => Unreadable::TooLarge(limit as u64),
        PictureError::TooManyPixels { width, height, limit } => {
            Unreadable::TooManyPixels { width, height, limit: limit as u64 }
        }
        PictureError::UnknownFormat | PictureError::Broken(_) => Unreadable::NotAPicture,
    })?;
    if picture.width.max(picture.height) <= LONGEST_SIDE as usize {
        return Ok(picture);
    }
    let (width, height) = (picture.width as u32, picture.height as u32);
    let large = RgbImage::from_raw(width, height, picture.data).ok_or(Unreadable::NotAPicture)?;
    let small = DynamicImage::from(large).resize(LONGEST_SIDE, LONGEST_SIDE, FilterType::Triangle).into_rgb8();
    let (width, height) = (small.width() as usize, small.height() as usize);
    Ok(RgbPicture { data: small.into_raw(), width, height })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use image::{ImageFormat, Rgb};
    use warp::Filter;
    use warp::http::{Response as Reply, header};

    use super::*;
    use crate::http::serve::{Server, serve_plain};

    fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let picture = RgbImage::from_pixel(width, height, Rgb([200, 100, 50]));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn data_url(bytes: &[u8], mime: &str) -> String {
        format!("data:{mime};base64,{}", BASE64_STANDARD.encode(bytes))
    }

    fn loader() -> ReferenceLoader {
        let limits = ReferenceLimits {
            max_count: 8,
            max_bytes: 20_000,
            max_pixels: 10_000,
            timeout: Duration::from_millis(700),
            max_redirects: 1,
        };
        ReferenceLoader::new(limits).unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    async fn server() -> Server {
        let picture = |size: u32| move || Reply::new(encoded(size, size, ImageFormat::Png));
        let ok = warp::path!("ok.png").map(picture(20));
        let store = warp::path!("store" / "r" / "id%201").map(picture(30));
        let to =
            |path: &'static str| move || Reply::builder().status(302).header(header::LOCATION, path).body(Vec::new());
        let near = warp::path("near").map(to("/ok.png"));
        let far = warp::path("far").map(to("/near"));
        let html =
            warp::path("html").map(|| Reply::builder().header("content-type", "image/png").body(b"<html>".to_vec()));
        let large = warp::path("large").map(|| Reply::new(vec![0; 20_001]));
        let slow = warp::path("slow").then(|| async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Reply::new(Vec::new())
        });
        serve_plain(ok.or(store).or(near).or(far).or(html).or(large).or(slow), ([127, 0, 0, 1], 0).into())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn every_kind_of_entry_is_read() {
        let server = server().await;
        let at = |path: &str| format!("http://127.0.0.1:{}/{path}", server.port());
        let store: Url = at("store").parse().unwrap();
        let png = encoded(10, 12, ImageFormat::Png);
        let percent: String = png.iter().map(|b| format!("%{b:02X}")).collect();
        let entries = [
            data_url(&encoded(11, 12, ImageFormat::Jpeg), "image/jpeg"),
            data_url(&encoded(12, 12, ImageFormat::WebP), "image/anything"),
            format!("data:image/png,{percent}"),
            data_url(&png, "image/png").replace('+', "%2B").replace('=', "%3D"),
            at("ok.png"),
            at("near"),
            "id 1".to_owned(),
        ];
        let references = loader().load(&entries, Some(&store), soon()).await.unwrap();
        let sizes: Vec<_> = references.read.iter().map(|r| (r.position, r.picture.width, r.picture.height)).collect();
        assert_eq!(sizes, [(1, 11, 12), (2, 12, 12), (3, 10, 12), (4, 10, 12), (5, 20, 20), (6, 20, 20), (7, 30, 30)]);
        assert_eq!(references.read[2].picture.data[..3], [200, 100, 50]);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_skipped_with_its_reason() {
        let server = server().await;
        let at = |path: &str| format!("http://127.0.0.1:{}/{path}", server.port());
        let refused = |path: &str| {
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            format!("http://127.0.0.1:{port}/{path}")
        };
        let loader = loader();
        let reason = async |entry: String| loader.read(&entry, None, soon()).await.unwrap_err();

        assert_eq!(reason("some-id".into()).await, Unreadable::NoDataStore);
        assert_eq!(reason("file:///etc/passwd".into()).await, Unreadable::Scheme);
        assert_eq!(reason("ftp://host/x.png".into()).await, Unreadable::Scheme);
        assert_eq!(reason("".into()).await, Unreadable::Malformed("data-store id"));
        assert_eq!(reason("http://".into()).await, Unreadable::Malformed("URL"));
        assert_eq!(reason("data:image/png;base64".into()).await, Unreadable::Malformed("data URL"));
        assert_eq!(reason("data:image/png;base64,!!!!".into()).await, Unreadable::Malformed("data URL"));
        assert_eq!(reason("data:image/png;base64,AAAA".into()).await, Unreadable::NotAPicture);
        assert_eq!(reason(data_url(&vec![0; 20_001], "image/png")).await, Unreadable::TooLarge(20_000));
        assert_eq!(reason(data_url(&vec![0; 200_001], "image/png")).await, Unreadable::TooLarge(20_000));
        assert_eq!(
            reason(data_url(&encoded(101, 100, ImageFormat::Png), "image/png")).await,
            Unreadable::TooManyPixels { width: 101, height: 100, limit: 10_000 }
        );
        let half = encoded(90, 90, ImageFormat::Png);
        assert_eq!(reason(data_url(&half[..half.len() / 2], "image/png")).await, Unreadable::NotAPicture);
        assert_eq!(reason(at("none")).await, Unreadable::Status(StatusCode::NOT_FOUND));
        assert_eq!(reason(at("html")).await, Unreadable::NotAPicture);
        assert_eq!(reason(at("large")).await, Unreadable::TooLarge(20_000));
        assert!(
            matches!(reason(at("far")).await, Unreadable::Unreachable(why) if why.contains("more than 1 redirects"))
        );
        assert!(matches!(reason(refused("secret")).await, Unreadable::Unreachable(why) if !why.contains("secret")));
        let began = Instant::now();
        assert_eq!(reason(at("slow")).await, Unreadable::TimedOut);
        assert!(began.elapsed() < Duration::from_secs(2));
    }

    #[tokio::test]
    async fn none_left_is_an_error_of_its_own() {
        assert!(matches!(loader().load(&[], None, soon()).await, Err(NoReferences::Empty)));
        let error =
            loader().load(&["secret-id".to_owned(), "ftp:x".to_owned()], None, soon()).await.unwrap_err().to_string();
        assert!(
            error.contains("reference 1: it is a data-store id") && error.contains("reference 2: its scheme"),
            "{error}"
        );
        assert!(!error.contains("secret"));
    }

    #[tokio::test]
    async fn only_so_many_are_used_and_the_deadline_holds_for_all() {
        let entries = vec![data_url(&encoded(9, 9, ImageFormat::Png), "image/png"); 10];
        let references = loader().load(&entries, None, soon()).await.unwrap();
        assert_eq!((references.read.len(), references.skipped.len()), (8, 2));
        assert_eq!(references.skipped[0], SkippedReference { position: 9, reason: Unreadable::BeyondCount(8) });
        assert!(loader().load(&entries, None, Instant::now()).await.is_err());
    }

    #[test]
    fn large_pictures_are_made_smaller() {
        let picture = decode(&encoded(4096, 1024, ImageFormat::Jpeg), &PictureLimits::default()).unwrap();
        assert_eq!((picture.width, picture.height), (2048, 512));
    }
}

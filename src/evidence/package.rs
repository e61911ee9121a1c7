//! From a record to the files that are stored.
//!
//! | file | in it |
//! |---|---|
//! | `manifest.json`, `manifest.jws` | hashes, times, versions; signed. Always readable |
//! | `record.json` | what was decided, found and measured |
//! | `report.html` | the same for people, with pictures and plots; needs nothing else |
//! | `pictures/*` | what was seen |
//! | `videos/*` | what was filmed, where that is kept |
//!
//! With a recipient all but the first two are in `evidence.tar.age`, which only the recipient's private key opens.

use std::time::{Duration, SystemTime};

use age::x25519::Recipient;
use bytes::Bytes;
use serde::Serialize;

use super::manifest::{FORMAT, FileEntry, MANIFEST, Manifest, SIGNATURE};
use super::record::{Record, Role};
use super::report;
use super::video::{Footage, Videos};
use crate::token::{KeyError, Signer};

/// The sealed files.
const SEALED: &str = "evidence.tar.age";

/// How packages are made.
pub struct Terms {
    /// Signs manifests.
    pub signer: Signer,
    /// Whom files are encrypted to.
    pub recipient: Option<Recipient>,
    /// How long they are kept.
    pub retention: Duration,
}

/// A file.
#[derive(Clone)]
pub struct File {
    /// Within the package.
    pub name: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What is stored of a record. Cheap to clone.
#[derive(Clone)]
pub struct Package {
    /// What it says of itself.
    pub manifest: Manifest,
    /// All files, `manifest.json` and `manifest.jws` first.
    pub files: Vec<File>,
}

/// Why a package could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It could not be encrypted.
    #[error("it cannot be encrypted: {0}")]
    Encrypt(#[from] age::EncryptError),
    /// It could not be written as JSON or as a tar file.
    #[error("it cannot be written: {0}")]
    Write(#[from] std::io::Error),
}

impl Package {
    /// Makes the files of `record`, kept at `now`. Hashes and encrypts pictures: not on a thread that serves sockets.
    ///
    /// # Errors
    /// [`PackageError`].
    pub fn build(record: &Record, terms: &Terms, now: SystemTime) -> Result<Self, PackageError> {
        let mut files = contents(record)?;
        if let Some(recipient) = &terms.recipient {
            let sealed = age::encrypt(recipient, &tar(&files, now)?)?;
            files = vec![(SEALED.to_owned(), "application/age", sealed.into())];
        }
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            id: record.id.clone(),
            door: record.door,
            began: record.began,
            ended: record.ended,
            kept: now,
            delete_after: now + terms.retention,
            service: env!("CARGO_PKG_VERSION").to_owned(),
            models: record.models.clone(),
            recipient: terms.recipient.as_ref().map(ToString::to_string),
            files: files.iter().map(|(name, media_type, bytes)| FileEntry::of(name, media_type, bytes)).collect(),
        };
        let (json, signature) = manifest.sign(&terms.signer)?;
        let own = [(MANIFEST.to_owned(), json.into()), (SIGNATURE.to_owned(), signature.into())];
        let files = own.into_iter().chain(files.into_iter().map(|(name, _, bytes)| (name, bytes)));
        Ok(Self { manifest, files: files.map(|(name, bytes)| File { name, bytes }).collect() })
    }
}

type Content = (String, &'static str, Bytes);

/// `record.json`.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    record: &'a Record,
    #[serde(flatten)]
    videos: &'a Videos,
}

/// The files before they are sealed: name, media type, bytes.
fn contents(record: &Record) -> Result<Vec<Content>, PackageError> {
    let videos = record.footage.as_ref().map(Footage::videos).unwrap_or_default();
    let json = serde_json::to_vec_pretty(&Told { record, videos: &videos }).map_err(std::io::Error::other)?;
    let mut files = vec![
        ("record.json".to_owned(), "application/json", json.into()),
        ("report.html".to_owned(), "text/html; charset=utf-8", report::page(record, &videos).into()),
    ];
    for (number, picture) in record.pictures.iter().enumerate() {
        let what = match picture.role {
            Role::BestShot => "best-shot".to_owned(),
            Role::Gesture => format!("gesture-{}", plain(picture.gesture.as_deref().unwrap_or_default())),
        };
        let (media_type, ending) = picture.kind();
        let name = format!("pictures/{:02}-{what}.{ending}", number + 1);
        files.push((name, media_type, Bytes::copy_from_slice(&picture.file)));
    }
    files.extend(videos.videos.into_iter().map(|video| (video.file, video.media_type, video.bytes)));
    Ok(files)
}

/// Only what every file system takes; names of gestures (`vision_core::gestures`) have nothing else.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(64).collect()
}

fn tar(files: &[Content], now: SystemTime) -> std::io::Result<Vec<u8>> {
    archive(files.iter().map(|(name, _, bytes)| (name.as_str(), bytes.as_ref())), now)
}

/// A tar file that only its owner can read.
///
/// # Errors
/// A name that a tar file cannot hold.
pub fn archive<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    modified: SystemTime,
) -> std::io::Result<Vec<u8>> {
    let modified = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(modified);
        tar.append_data(&mut header, name, bytes)?;
    }
    tar.into_inner()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::evidence::manifest::VerifyError;
    use crate::evidence::testing::{RETENTION, jpeg, package, record, terms, then, verifier};
    use crate::token::TokenError;

    fn names(package: &Package) -> Vec<&str> {
        package.files.iter().map(|file| file.name.as_str()).collect()
    }

    fn read<'a>(package: &'a Package, name: &str) -> &'a [u8] {
        &package.files.iter().find(|file| file.name == name).unwrap().bytes
    }

    /// Verifies a package in which `change` has changed a file.
    fn verify(package: &Package, change: impl Fn(&str, Vec<u8>) -> Option<Vec<u8>>) -> Result<Manifest, VerifyError> {
        Manifest::verify(&verifier(), |name| {
            let file = package.files.iter().find(|file| file.name == name)?;
            change(name, file.bytes.to_vec())
        })
    }

    #[test]
    fn a_package_is_what_was_signed_and_a_change_is_noticed() {
        let package = package("f1");
        let expected = [
            "manifest.json",
            "manifest.jws",
            "record.json",
            "report.html",
            "pictures/01-best-shot.jpg",
            "pictures/02-gesture-blink.jpg",
        ];
        assert_eq!(names(&package), expected);
        assert_eq!(read(&package, "pictures/01-best-shot.jpg"), jpeg());
        let manifest = verify(&package, |_, bytes| Some(bytes)).unwrap();
        assert_eq!(manifest, package.manifest);
        assert_eq!((manifest.id.as_str(), manifest.delete_after), ("f1", then() + RETENTION));

        for name in &expected[2..] {
            let flip = |of: &str, mut bytes: Vec<u8>| {
                bytes[0] ^= u8::from(of == *name);
                Some(bytes)
            };
            assert!(matches!(verify(&package, flip), Err(VerifyError::Changed(of)) if of == *name));
            let lost = |of: &str, bytes| (of != *name).then_some(bytes);
            assert!(matches!(verify(&package, lost), Err(VerifyError::Missing(of)) if of == *name));
        }
        let longer = |of: &str, bytes: Vec<u8>| match of {
            MANIFEST => Some(String::from_utf8(bytes).unwrap().replace("2031", "2041").into_bytes()),
            _ => Some(bytes),
        };
        assert!(matches!(verify(&package, longer), Err(VerifyError::Manifest)));
        let swapped = super::Package::build(&record("f2"), &terms(None), then()).unwrap();
        let other = |of: &str, bytes| Some(if of == SIGNATURE { read(&swapped, of).to_vec() } else { bytes });
        assert!(matches!(verify(&package, other), Err(VerifyError::Manifest)));
        let forged = |of: &str, mut bytes: Vec<u8>| {
            if of == SIGNATURE {
                // in the middle of the payload
                let middle = bytes.len() / 2;
                bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
            }
            Some(bytes)
        };
        assert!(matches!(verify(&package, forged), Err(VerifyError::Signature(TokenError::Signature))));
    }

    #[test]
    fn pictures_stay_what_they_were() {
        let mut record = record("f1");
        let mut png = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(8, 8).write_to(&mut png, image::ImageFormat::Png).unwrap();
        record.pictures[0].file = png.into_inner();
        let package = Package::build(&record, &terms(None), then()).unwrap();
        assert_eq!(read(&package, "pictures/01-best-shot.png"), record.pictures[0].file);
        assert!(String::from_utf8_lossy(read(&package, "report.html")).contains("src=\"data:image/png;base64,iVBOR"));
    }

    #[test]
    fn a_manifest_is_no_result() {
        let package = package("f1");
        let signature = String::from_utf8(read(&package, SIGNATURE).to_vec()).unwrap();
        assert!(matches!(verifier().verify(&signature), Err(TokenError::Malformed(_))));
    }

    #[test]
    fn names_that_lead_out_of_a_package_are_refused() {
        let json = String::from_utf8(read(&package("f1"), MANIFEST).to_vec()).unwrap();
        assert!(Manifest::parse(json.as_bytes()).is_ok());
        for name in ["../record.json", "/etc/passwd", "a/b/c", ".x", "a/../b", "a\\\\b", "", "manifest.json"] {
            let json = json.replace("\"record.json\"", &format!("\"{name}\""));
            assert!(matches!(Manifest::parse(json.as_bytes()), Err(VerifyError::Format(_))), "{name}");
        }
    }

    #[test]
    fn what_is_sealed_only_the_recipient_opens() {
        let (owner, stranger) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
        let recipient = owner.to_public().to_string();
        let package = Package::build(&record("f1"), &terms(Some(&recipient)), then()).unwrap();
        assert_eq!(names(&package), [MANIFEST, SIGNATURE, SEALED]);
        assert_eq!(package.manifest.recipient, Some(recipient));
        let manifest = String::from_utf8(read(&package, MANIFEST).to_vec()).unwrap();
        for hidden in ["picture", "verified", "score", "blink"] {
            assert!(!manifest.contains(hidden), "{hidden} in {manifest}");
        }
        verify(&package, |_, bytes| Some(bytes)).unwrap();

        let sealed = read(&package, SEALED);
        assert!(age::decrypt(&stranger, sealed).is_err());
        let opened = age::decrypt(&owner, sealed).unwrap();
        let mut files = Vec::new();
        for entry in tar::Archive::new(&opened[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            assert_eq!(entry.header().mode().unwrap(), 0o600);
            files.push((entry.path().unwrap().display().to_string(), bytes));
        }
        let inside: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        let expected = ["record.json", "report.html", "pictures/01-best-shot.jpg", "pictures/02-gesture-blink.jpg"];
        assert_eq!(inside, expected);
        assert_eq!(files[2].1, jpeg());
        let record: serde_json::Value = serde_json::from_slice(&files[0].1).unwrap();
        assert_eq!((&record["outcome"], &record["signals"][0]["points"][0][0]), (&"verified".into(), &1000.into()));
    }
}

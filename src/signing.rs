//! What the service signs: results of flows and sessions, and manifests of evidence.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::config;
use crate::token::{Claims, Jwt, KeyError, Signer};

/// Signs results of flows, or of sessions, which have a key of their own.
pub struct Signing {
    signer: Signer,
    audience: Option<String>,
    lifetime: Duration,
}

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The file cannot be read.
    #[error("signing.key_file (SIGNING_KEY_FILE): cannot read {0}: {1}")]
    Read(PathBuf, std::io::Error),
    /// The file holds no key, or one of another kind.
    #[error("signing.key_file (SIGNING_KEY_FILE): {0}: {1}")]
    Key(PathBuf, KeyError),
    /// Everybody could sign.
    #[error(
        "signing.key_file (SIGNING_KEY_FILE): {0} is empty or holds the key that everybody knows; make one of your own, for example with `openssl rand -hex 32`"
    )]
    Known(PathBuf),
}

/// Why a result is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The operating system has no randomness.
    #[error("the operating system has no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

/// Reads the key and tries it.
///
/// # Errors
/// [`SigningError`].
pub fn open(settings: &config::Signing) -> Result<Signer, SigningError> {
    let config::Signing { algorithm, key_file, .. } = settings;
    let key = std::fs::read_to_string(key_file).map_err(|e| SigningError::Read(key_file.clone(), e))?;
    let jwt = Jwt { algorithm: *algorithm, key: key.trim_ascii_end().to_owned().into() };
    if jwt.is_known_to_all() {
        return Err(SigningError::Known(key_file.clone()));
    }
    let wrong = |e| SigningError::Key(key_file.clone(), e);
    let signer = Signer::new(&jwt).map_err(wrong)?;
    signer.sign(&Value::Null).map_err(wrong)?;
    Ok(signer)
}

impl Signing {
    /// With this key, for `audience`; what it signs is worth something for `lifetime`.
    pub fn new(signer: Signer, audience: Option<String>, lifetime: Duration) -> Self {
        Self { signer, audience, lifetime }
    }

    /// As configured.
    ///
    /// # Errors
    /// [`SigningError`].
    pub fn open(settings: &config::Signing) -> Result<Self, SigningError> {
        Ok(Self::new(open(settings)?, settings.audience.clone(), settings.lifetime))
    }

    /// The result of flow or session `sid` as a token, signed at `now`. Whatever is about time, audience and identity in
    /// `claims` is filled in here.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn token(&self, claims: Claims, now: SystemTime) -> Result<String, SignError> {
        let iat = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let exp = iat + self.lifetime.as_secs();
        Ok(self.signer.sign(&Claims { iat, exp, aud: self.audience.clone(), jti: jti()?, ..claims })?)
    }
}

/// An id that no other token has: 128 random bits.
fn jti() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}

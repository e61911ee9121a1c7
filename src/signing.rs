//! What the service signs in its own name: results of flows, and manifests of evidence.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::config;
use crate::token::{Claims, Jwt, KeyError, Signer};

/// Signs results of flows.
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
    /// As configured.
    ///
    /// # Errors
    /// [`SigningError`].
    pub fn open(settings: &config::Signing) -> Result<Self, SigningError> {
        Ok(Self { signer: open(settings)?, audience: settings.audience.clone(), lifetime: settings.lifetime })
    }

    /// The result of flow or session `sid` as a token, signed at `now`. Whatever is about time, audience and identity in
    /// `claims` is filled in here.
    ///
    /// # Errors
    /// [`KeyError`] when the key cannot sign.
    pub fn token(&self, claims: Claims, now: SystemTime) -> Result<String, KeyError> {
        let iat = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let exp = iat + self.lifetime.as_secs();
        self.signer.sign(&Claims { iat, exp, aud: self.audience.clone(), jti: jti(), ..claims })
    }
}

/// An id that no other token has: 128 random bits.
fn jti() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    hex::encode(bytes)
}

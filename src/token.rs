//! The result of a session or a flow as a signed token (JWS in compact form, RFC 7515 and 7519).
//!
//! The subject's browser carries it from here to the controller, so that it is worth only what its signature is worth: the
//! controller checks that with the same key (HMAC) or with the public one, that `exp` is not over, that `aud` is its own
//! name and `sid` the session it began, and takes every `jti` once.

use std::collections::BTreeMap;
use std::str::FromStr;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How results are signed.
#[derive(Clone, Debug)]
pub struct Jwt {
    /// `algorithm`.
    pub algorithm: Algorithm,
    /// `key`: the shared secret of an HMAC, or a private key as PEM.
    pub key: SecretString,
}

/// The key that the manual's example has: everybody knows it.
pub(crate) const KNOWN_KEY: &str = "secret";

impl Jwt {
    /// Whether the key is none at all, because it is the manual's own.
    pub fn is_known_to_all(&self) -> bool {
        matches!(self.key.expose_secret(), KNOWN_KEY | "")
    }
}

/// Signatures of RFC 7518 and RFC 8037.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Algorithm {
    #[default]
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Es256,
    EdDsa,
}

/// What a token says. `isOk` to `bestshot` are LUNA PASS's, the others are not in its tokens.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// The person is live.
    pub is_ok: bool,
    /// Codes of what is wrong; empty when nothing is.
    pub errors: Vec<u16>,
    /// Scores of the frame that decided, as in its answer.
    pub details: Value,
    /// The best frame, base64 of a JPEG.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bestshot: Option<String>,
    /// When it was signed, Unix seconds.
    pub iat: u64,
    /// Until when it is worth anything, Unix seconds.
    pub exp: u64,
    /// No other token has it.
    pub jti: String,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// The session.
    pub sid: String,
    /// The networks that were used, with their versions.
    pub models: BTreeMap<String, String>,
    /// What the liveness checks found.
    pub checks: Value,
}

// The best shot is biometric data.
impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Claims {{ is_ok: {}, errors: {:?}, .. }}", self.is_ok, self.errors)
    }
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the key is none for {algorithm}: it has to be {expected}")]
pub struct KeyError {
    algorithm: &'static str,
    expected: &'static str,
}

/// Why a token is worth nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No token of this kind.
    #[error("it is no token of this service: {0}")]
    Malformed(String),
    /// Signed by somebody else, or changed since.
    #[error("the signature does not fit the key")]
    Signature,
    /// Signed in another way than expected.
    #[error("it is signed with another algorithm")]
    Algorithm,
    /// Too old.
    #[error("it has expired")]
    Expired,
    /// For somebody else.
    #[error("it is for another audience")]
    Audience,
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::Hs256, Self::Hs384, Self::Hs512, Self::Rs256, Self::Es256, Self::EdDsa];
        let found = all.into_iter().find(|algorithm| algorithm.as_str() == name);
        found.ok_or_else(|| "HS256, HS384, HS512, RS256, ES256 or EdDSA".into())
    }
}

impl Algorithm {
    /// As in a token's header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    fn of_token(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Hs384 => jsonwebtoken::Algorithm::HS384,
            Self::Hs512 => jsonwebtoken::Algorithm::HS512,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// Signs results.
pub struct Signer {
    header: Header,
    key: EncodingKey,
}

impl Signer {
    /// With the configured key: for an HMAC its bytes, otherwise a private key as PEM (PKCS#8).
    ///
    /// # Errors
    /// [`KeyError`] when it is none for the algorithm.
    pub fn new(jwt: &Jwt) -> Result<Self, KeyError> {
        let key = jwt.key.expose_secret().as_bytes();
        let key = match jwt.algorithm {
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => Ok(EncodingKey::from_secret(key)),
            Algorithm::Rs256 => EncodingKey::from_rsa_pem(key),
            Algorithm::Es256 => EncodingKey::from_ec_pem(key),
            Algorithm::EdDsa => EncodingKey::from_ed_pem(key),
        };
        let (algorithm, expected) = (jwt.algorithm.as_str(), "a private key as PEM");
        let key = key.map_err(|_| KeyError { algorithm, expected })?;
        Ok(Self { header: Header::new(jwt.algorithm.of_token()), key })
    }

    /// A token, of [`Claims`] or others.
    ///
    /// # Errors
    /// [`KeyError`] when a PEM is a key of another kind after all.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, KeyError> {
        jsonwebtoken::encode(&self.header, claims, &self.key)
            .map_err(|_| KeyError { algorithm: "this algorithm", expected: "a private key of its kind" })
    }
}

/// Says what tokens are worth.
pub struct Verifier {
    validation: Validation,
    key: DecodingKey,
}

impl Verifier {
    /// `key`: for an HMAC the shared one, otherwise the public key as PEM. `audience`: whom tokens have to be for; none:
    /// anybody.
    ///
    /// # Errors
    /// [`KeyError`] when it is none for the algorithm.
    pub fn new(algorithm: Algorithm, key: &[u8], audience: Option<&str>) -> Result<Self, KeyError> {
        let key = match algorithm {
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => Ok(DecodingKey::from_secret(key)),
            Algorithm::Rs256 => DecodingKey::from_rsa_pem(key),
            Algorithm::Es256 => DecodingKey::from_ec_pem(key),
            Algorithm::EdDsa => DecodingKey::from_ed_pem(key),
        };
        let key = key.map_err(|_| KeyError { algorithm: algorithm.as_str(), expected: "a public key as PEM" })?;
        // `exp` has to be there; clocks may differ by the crate's minute
        let mut validation = Validation::new(algorithm.of_token());
        match audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                validation.set_required_spec_claims(&["exp", "aud"]);
            }
            None => validation.validate_aud = false,
        }
        Ok(Self { validation, key })
    }

    /// What a token says, if it is worth anything.
    ///
    /// # Errors
    /// [`TokenError`] says why it is not.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        self.read(token, &self.validation)
    }

    /// What a signed document says that is for everybody and does not expire: a manifest of evidence.
    ///
    /// # Errors
    /// [`TokenError`] says why it is worth nothing.
    pub fn verify_document<T: DeserializeOwned>(&self, document: &str) -> Result<T, TokenError> {
        let mut validation = self.validation.clone();
        validation.set_required_spec_claims::<&str>(&[]);
        (validation.validate_exp, validation.validate_aud) = (false, false);
        self.read(document, &validation)
    }

    fn read<T: DeserializeOwned>(&self, token: &str, validation: &Validation) -> Result<T, TokenError> {
        let read = jsonwebtoken::decode::<T>(token.trim(), &self.key, validation);
        read.map(|token| token.claims).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => TokenError::Signature,
            ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
            ErrorKind::ExpiredSignature => TokenError::Expired,
            ErrorKind::InvalidAudience => TokenError::Audience,
            ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => TokenError::Audience,
            _ => TokenError::Malformed(error.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use serde_json::json;

    use super::*;

    fn claims() -> Claims {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Claims {
            is_ok: true,
            errors: vec![],
            details: json!({"ags": 0.9}),
            bestshot: Some("/9j/".into()),
            iat: now,
            exp: now + 60,
            jti: "1".into(),
            aud: Some("a bank".into()),
            sid: "s".into(),
            models: BTreeMap::from([("landmarks".to_owned(), "1".to_owned())]),
            checks: json!({}),
        }
    }

    fn hmac(algorithm: Algorithm) -> Jwt {
        Jwt { algorithm, key: "a key of thirty-two bytes or more".to_owned().into() }
    }

    /// Private and public key.
    fn pair(algorithm: Algorithm) -> (Jwt, Vec<u8>) {
        let pair = match algorithm {
            Algorithm::Es256 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap(),
            Algorithm::EdDsa => rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap(),
            Algorithm::Rs256 => {
                let private = include_str!("token/rsa-test-only.pem").to_owned();
                return (Jwt { algorithm, key: private.into() }, include_bytes!("token/rsa-test-only.pub.pem").into());
            }
            _ => return (hmac(algorithm), hmac(algorithm).key.expose_secret().as_bytes().to_vec()),
        };
        (Jwt { algorithm, key: pair.serialize_pem().into() }, pair.public_key_pem().into_bytes())
    }

    const ALL: [Algorithm; 6] =
        [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512, Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

    #[test]
    fn what_is_signed_can_be_verified_with_every_algorithm() {
        for algorithm in ALL {
            let (jwt, public) = pair(algorithm);
            let token = Signer::new(&jwt).unwrap().sign(&claims()).unwrap();
            let verifier = Verifier::new(algorithm, &public, Some("a bank")).unwrap();
            let read = verifier.verify(&token).unwrap();
            assert_eq!((read.is_ok, read.sid.as_str(), read.bestshot.as_deref()), (true, "s", Some("/9j/")));
            let other = Verifier::new(algorithm, &public, Some("a shop")).unwrap();
            assert_eq!(other.verify(&token), Err(TokenError::Audience), "{algorithm:?}");
            assert!(Verifier::new(algorithm, &public, None).unwrap().verify(&token).is_ok());
        }
    }

    #[test]
    fn the_payload_is_what_clients_of_luna_pass_read() {
        let token = Signer::new(&hmac(Algorithm::Hs256)).unwrap().sign(&claims()).unwrap();
        let payload = token.split('.').nth(1).unwrap();
        let payload = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload).unwrap();
        let payload: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(payload["isOk"], true);
        assert_eq!((&payload["errors"], &payload["details"]["ags"]), (&json!([]), &json!(0.9)));
        assert_eq!(payload["bestshot"], "/9j/");
    }

    #[test]
    fn what_was_changed_is_old_or_was_signed_otherwise_is_worth_nothing() {
        let (jwt, public) = pair(Algorithm::Hs256);
        let signer = Signer::new(&jwt).unwrap();
        let verifier = Verifier::new(Algorithm::Hs256, &public, None).unwrap();
        let token = signer.sign(&claims()).unwrap();
        let parts: Vec<_> = token.split('.').collect();
        let better = signer.sign(&Claims { sid: "another".into(), ..claims() }).unwrap();
        let swapped = [parts[0], better.split('.').nth(1).unwrap(), parts[2]].join(".");
        assert_eq!(verifier.verify(&swapped), Err(TokenError::Signature));

        let other = Jwt { key: "another key".to_owned().into(), ..hmac(Algorithm::Hs256) };
        assert_eq!(verifier.verify(&Signer::new(&other).unwrap().sign(&claims()).unwrap()), Err(TokenError::Signature));

        let old = Claims { exp: claims().iat - 120, ..claims() };
        assert_eq!(verifier.verify(&signer.sign(&old).unwrap()), Err(TokenError::Expired));

        let longer = Signer::new(&hmac(Algorithm::Hs512)).unwrap().sign(&claims()).unwrap();
        assert_eq!(verifier.verify(&longer), Err(TokenError::Algorithm));
        // the header "alg": "none", and nothing for a signature
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
        assert!(matches!(verifier.verify(&unsigned), Err(TokenError::Malformed(_))));
        for nonsense in ["", "a.b.c", "..", &token[..token.len() / 2]] {
            assert!(matches!(verifier.verify(nonsense), Err(TokenError::Malformed(_))), "{nonsense:?}");
        }
    }

    #[test]
    fn a_public_key_cannot_be_made_a_shared_one() {
        let (_, public) = pair(Algorithm::Rs256);
        let forged = Jwt { algorithm: Algorithm::Hs256, key: String::from_utf8(public.clone()).unwrap().into() };
        let forged = Signer::new(&forged).unwrap().sign(&claims()).unwrap();
        let verifier = Verifier::new(Algorithm::Rs256, &public, None).unwrap();
        assert_eq!(verifier.verify(&forged), Err(TokenError::Algorithm));
    }

    #[test]
    fn keys_of_another_kind_are_refused_by_name() {
        let jwt = Jwt { algorithm: Algorithm::Rs256, key: "secret".to_owned().into() };
        let error = Signer::new(&jwt).err().unwrap().to_string();
        assert_eq!(error, "the key is none for RS256: it has to be a private key as PEM");
        assert!(Verifier::new(Algorithm::EdDsa, b"secret", None).is_err());
    }
}

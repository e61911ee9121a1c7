//! `vision-service verify-jwt`: what a session's result is worth, and what it says.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;

use crate::token::{Algorithm, KeyError, TokenError, Verifier};

/// No token is larger: a picture of ten megabytes, as base64 twice.
const MAX_TOKEN: u64 = 20 << 20;

/// What to verify.
pub struct Arguments {
    /// File; `-` is standard input.
    pub token: PathBuf,
    /// File with the key.
    pub key_file: PathBuf,
    /// How it has to be signed.
    pub algorithm: Algorithm,
    /// Whom it has to be for.
    pub audience: Option<String>,
    /// Where its picture goes.
    pub bestshot: Option<PathBuf>,
}

/// Why a token was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file that cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, std::io::Error),
    /// A file that cannot be written.
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, std::io::Error),
    /// A key of another kind.
    #[error("{0}: {1}")]
    Key(PathBuf, KeyError),
    /// A token that is worth nothing.
    #[error("the token is worth nothing: {0}")]
    Token(#[from] TokenError),
    /// A picture was asked for that is not there.
    #[error("there is no picture in the token")]
    NoPicture,
    /// The result cannot be written.
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

/// Prints what the token says, without its picture.
///
/// # Errors
/// [`VerifyError`]: nothing is printed then.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), VerifyError> {
    let Arguments { token, key_file, algorithm, audience, bestshot } = arguments;
    let key = std::fs::read(key_file).map_err(|error| VerifyError::Read(key_file.clone(), error))?;
    let verifier = Verifier::new(*algorithm, key.trim_ascii_end(), audience.as_deref())
        .map_err(|error| VerifyError::Key(key_file.clone(), error))?;
    let mut claims = verifier.verify(&read(token).map_err(|error| VerifyError::Read(token.clone(), error))?)?;
    let picture = claims.bestshot.take();
    if let Some(path) = bestshot {
        let picture = picture.and_then(|picture| base64::engine::general_purpose::STANDARD.decode(picture).ok());
        let picture = picture.ok_or(VerifyError::NoPicture)?;
        std::fs::write(path, picture).map_err(|error| VerifyError::Write(path.clone(), error))?;
    }
    let text = serde_json::to_string_pretty(&claims).map_err(std::io::Error::other)?;
    Ok(writeln!(out, "{text}")?)
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().take(MAX_TOKEN).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(path)?.take(MAX_TOKEN).read_to_string(&mut text)?;
    }
    Ok(text)
}

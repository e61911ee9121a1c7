//! The digests by which a description names the certificate of its maker.

use sha2::Digest as _;

/// A certificate's digest, as SDP names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Which digest.
    pub algorithm: DigestAlgorithm,
    /// The digest's bytes.
    pub digest: Vec<u8>,
}

/// The digests that are strong enough to bind a DTLS certificate to a description (RFC 8122 without SHA-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum DigestAlgorithm {
    Sha256,
    Sha384,
    Sha512,
}

impl Fingerprint {
    /// Reads `sha-256 AA:BB:...`; `None` when it is another digest or not one at all.
    pub fn parse(value: &str) -> Option<Self> {
        let (algorithm, digest) = value.trim().split_once(' ')?;
        let (algorithm, length) = match algorithm.to_ascii_lowercase().as_str() {
            "sha-256" => (DigestAlgorithm::Sha256, 32),
            "sha-384" => (DigestAlgorithm::Sha384, 48),
            "sha-512" => (DigestAlgorithm::Sha512, 64),
            _ => return None,
        };
        let digest: Vec<u8> = digest
            .trim()
            .split(':')
            .map(|byte| {
                let is_hex = byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit());
                if is_hex { u8::from_str_radix(byte, 16).ok() } else { None }
            })
            .collect::<Option<_>>()?;
        (digest.len() == length).then_some(Self { algorithm, digest })
    }

    /// Whether this is the digest of the certificate with these bytes (DER).
    pub fn is_of(&self, der: &[u8]) -> bool {
        match self.algorithm {
            DigestAlgorithm::Sha256 => sha2::Sha256::digest(der).as_slice() == self.digest,
            DigestAlgorithm::Sha384 => sha2::Sha384::digest(der).as_slice() == self.digest,
            DigestAlgorithm::Sha512 => sha2::Sha512::digest(der).as_slice() == self.digest,
        }
    }

    /// The certificate fingerprints in a description that `webrtcbin` is given.
    pub fn all_in(sdp: &str) -> Vec<Self> {
        sdp.lines().filter_map(|line| Self::parse(line.trim_end().strip_prefix("a=fingerprint:")?)).collect()
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.algorithm {
            DigestAlgorithm::Sha256 => "sha-256 ",
            DigestAlgorithm::Sha384 => "sha-384 ",
            DigestAlgorithm::Sha512 => "sha-512 ",
        })?;
        for (n, byte) in self.digest.iter().enumerate() {
            write!(f, "{}{byte:02X}", if n == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_strictly() {
        let text = format!("sha-256 {}", ["0F"; 32].join(":"));
        let fingerprint = Fingerprint::parse(&text).unwrap();
        assert_eq!(fingerprint.digest, [15; 32]);
        assert_eq!(fingerprint.to_string(), text);
        for bad in [
            "sha-256 0F:0F",
            "sha-1 0F",
            "sha-256",
            "",
            &text.replace(':', ""),
            &text.replace("0F", "0G"),
            &text.replace("0F", "+F"),
        ] {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
        assert_eq!(Fingerprint::all_in(&format!("v=0\r\na=fingerprint:{text}\r\na=x\r\n")), [fingerprint]);
    }
}

//! The certificate that HTTPS is served with: the operator's own, or a self-signed one.
//!
//! A self-signed certificate lets phones on the local network use their camera (browsers give it to secure pages only)
//! after their owner has accepted a warning. It proves nothing to anybody; production has a real one.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The longest that some platforms (Apple's) accept.
const SELF_SIGNED_FOR: Duration = Duration::from_hours(24 * 397);
/// Clocks differ.
const VALID_SINCE: Duration = Duration::from_hours(24);

/// Why HTTPS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that is missing or is not what it should be.
    #[error("{path} does not hold {what} in PEM format: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// "a certificate chain" or "a private key".
        what: &'static str,
        /// Why.
        reason: pem::Error,
    },
    /// Certificate and key are readable but cannot be used together.
    #[error("the certificate cannot be used with this private key: {0}")]
    Mismatch(tokio_rustls::rustls::Error),
    /// No self-signed certificate can be made.
    #[error("a self-signed certificate cannot be made: {0}")]
    SelfSigned(rcgen::Error),
}

/// A certificate with its private key, ready to serve.
#[derive(Clone)]
pub struct Identity {
    acceptor: TlsAcceptor,
    certificate: CertificateDer<'static>,
}

// The acceptor holds the private key.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// Reads PEM files: the chain with the server's own certificate first, and its key (PKCS#8, PKCS#1 or SEC1).
    pub fn from_files(chain: &Path, key: &Path) -> Result<Self, TlsError> {
        let bad = |path: &Path, what| {
            let path = path.to_owned();
            move |reason| TlsError::File { path, what, reason }
        };
        let chain_error = || bad(chain, "a certificate chain");
        let certificates: Vec<_> = CertificateDer::pem_file_iter(chain)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(chain_error())?;
        if certificates.is_empty() {
            return Err(chain_error()(pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(bad(key, "a private key"))?;
        Self::new(certificates, key)
    }

    /// Makes a certificate for `localhost`, the loopback addresses, and every `address` (see [`local_addresses`]).
    pub fn self_signed(addresses: &[IpAddr]) -> Result<Self, TlsError> {
        let loopback = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let names: Vec<String> = loopback.into_iter().chain(addresses.iter().map(ToString::to_string)).collect();
        let make = || {
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::new(names)?;
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, "vision-service (self-signed)");
            let now = SystemTime::now();
            params.not_before = (now - VALID_SINCE).into();
            params.not_after = (now - VALID_SINCE + SELF_SIGNED_FOR).into();
            let certificate = params.self_signed(&key)?;
            Ok((certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der())))
        };
        let (certificate, key) = make().map_err(TlsError::SelfSigned)?;
        Self::new(vec![certificate], key.into())
    }

    fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, TlsError> {
        let certificate = chain[0].clone();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(TlsError::Mismatch)?;
        // HTTP/1.1 alone: browsers then open WebSockets in the ordinary way, and nothing here gains from HTTP/2.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate })
    }

    /// The server's own certificate, DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

/// The machine's addresses on networks: what others can reach it by. No loopback and no link-local ones; IPv4 first.
pub fn local_addresses() -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = if_addrs::get_if_addrs()
        .inspect_err(|error| tracing::warn!(%error, "the machine's network addresses cannot be listed"))
        .unwrap_or_default()
        .into_iter()
        .filter(|interface| !interface.is_loopback() && !interface.is_link_local())
        .map(|interface| interface.ip())
        .collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("vision-service-tls-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn write_pair(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert, key) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
        std::fs::write(&cert, pair.cert.pem()).unwrap();
        std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
        (cert, key)
    }

    #[test]
    fn files_are_read_and_their_mistakes_are_named() {
        let folder = folder("files");
        let (cert, key) = write_pair(&folder, "a");
        let (_, other_key) = write_pair(&folder, "b");
        let empty = folder.join("empty.pem");
        std::fs::write(&empty, "nothing").unwrap();

        Identity::from_files(&cert, &key).unwrap();
        for (cert, key, says) in [
            (folder.join("none.pem"), key.clone(), "none.pem does not hold a certificate chain"),
            (empty.clone(), key.clone(), "empty.pem does not hold a certificate chain"),
            (cert.clone(), empty, "empty.pem does not hold a private key"),
            (cert, other_key, "cannot be used with this private key"),
        ] {
            let error = Identity::from_files(&cert, &key).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_self_signed_certificate_is_made_for_any_address() {
        let identity = Identity::self_signed(&["192.168.7.9".parse().unwrap(), "fd00::7".parse().unwrap()]).unwrap();
        let der = identity.certificate();
        assert!(der.windows(4).any(|w| w == [192, 168, 7, 9]), "the address is among the names");
        assert!(!local_addresses().iter().any(IpAddr::is_loopback));
    }
}

//! Whether the other side of a DTLS handshake is who its description says.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use gst::prelude::*;

use super::fingerprint::Fingerprint;
use super::peer::{Events, PeerEvent, PeerFailure};
use crate::lock::lock;

/// Who the other side has to be, and whether it has shown that it is.
#[derive(Default)]
pub(super) struct Identity {
    expected: Mutex<Vec<Fingerprint>>,
    proven: Arc<AtomicBool>,
}

impl Identity {
    /// These fingerprints are the other side's from now on.
    pub fn expect(&self, fingerprints: Vec<Fingerprint>) {
        *lock(&self.expected) = fingerprints;
    }

    /// Whether the other side is who it has to be.
    pub fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Acquire)
    }

    /// The same, for others to look at.
    pub fn proven(&self) -> Arc<AtomicBool> {
        self.proven.clone()
    }

    /// Compares the handshake's certificate with the description's fingerprints.
    fn check(&self, pem: &str) -> bool {
        let expected = lock(&self.expected);
        let proven = der_of(pem).is_some_and(|der| expected.iter().any(|expected| expected.is_of(&der)));
        self.proven.store(proven, Ordering::Release);
        proven
    }
}

/// The certificate inside PEM's armour.
fn der_of(pem: &str) -> Option<Vec<u8>> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    base64::engine::general_purpose::STANDARD.decode(body).ok().filter(|der| !der.is_empty())
}

/// Compares every certificate that a handshake brings; it comes before the keys, hence before any frame. Tells of the end of
/// the connection as well, which `webrtcbin` does not.
pub(super) fn watch_handshake(pipeline: &gst::Pipeline, events: &Events, identity: &Arc<Identity>) {
    let (events, identity) = (events.clone(), identity.clone());
    pipeline.connect_deep_element_added(move |_, _, element| {
        if element.factory().is_none_or(|factory| factory.name() != "dtlsdec") {
            return;
        }
        let (sender, was_connected) = (events.clone(), AtomicBool::new(false));
        element.connect_notify(Some("connection-state"), move |element, _| {
            let state = element.property_value("connection-state");
            match glib::EnumValue::from_value(&state).map(|(_, state)| state.nick()) {
                Some("connected") => was_connected.store(true, Ordering::Relaxed),
                Some("closed") if was_connected.swap(false, Ordering::Relaxed) => {
                    let _ = sender.send(PeerEvent::Failed(PeerFailure::HungUp));
                }
                _ => (),
            }
        });
        let (events, identity) = (events.clone(), identity.clone());
        element.connect_notify(Some("peer-pem"), move |element, _| {
            let pem = element.property::<Option<String>>("peer-pem").unwrap_or_default();
            if !identity.check(&pem) {
                let _ = events.send(PeerEvent::Failed(PeerFailure::Fingerprint));
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use sha2::Digest as _;

    use super::super::fingerprint::DigestAlgorithm;
    use super::*;

    #[test]
    fn a_certificate_is_proven_by_its_digest_only() {
        let der = b"not really a certificate".to_vec();
        let body = base64::engine::general_purpose::STANDARD.encode(&der);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n{}\n-----END CERTIFICATE-----\n", &body[..8], &body[8..]);
        assert_eq!(der_of(&pem), Some(der.clone()));

        let print = |algorithm, digest: &[u8]| Fingerprint { algorithm, digest: digest.to_vec() };
        let good = print(DigestAlgorithm::Sha384, &sha2::Sha384::digest(&der));
        let bad = print(DigestAlgorithm::Sha256, &sha2::Sha256::digest(b"another"));
        let identity = Identity::default();
        assert!(!identity.check(&pem), "nothing is expected yet");
        identity.expect(vec![bad.clone()]);
        assert!(!identity.check(&pem));
        identity.expect(vec![bad, good]);
        assert!(identity.check(&pem) && identity.proven().load(Ordering::Acquire));
        for garbage in ["", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", "%%%"] {
            assert!(!identity.check(garbage));
            assert!(!identity.proven().load(Ordering::Acquire));
        }
    }
}

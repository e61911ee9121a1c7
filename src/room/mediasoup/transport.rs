//! A transport as the server describes it, checked: only what is in here gets into SDP. Pure, but for the names of
//! hosts, which are looked up.

use std::net::IpAddr;
use std::time::Duration;

use super::messages::{IceCandidate, TransportDescription};
use crate::config::IceServer;
use crate::media::fingerprint::Fingerprint;
use crate::media::ice;
use crate::media::sdp::is_token;

/// More candidates than any server has.
const MAX_CANDIDATES: usize = 32;
const MAX_ICE_SERVERS: usize = 8;
/// For the names of all candidates together.
const LOOKUP_LIMIT: Duration = Duration::from_secs(3);

/// Why a transport cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Without them no packet is accepted.
    #[error("the server's transport has unusable ICE parameters")]
    Ice,
    /// The server's certificate cannot be checked.
    #[error("the server's transport has no fingerprint of SHA-256 or better")]
    Fingerprint,
    /// Nowhere to send to.
    #[error("the server's transport has no candidate that can be used")]
    Candidates,
}

/// The server's end of a transport.
#[derive(Debug, Clone, PartialEq)]
pub struct Transport {
    /// In requests.
    pub id: String,
    pub(super) ufrag: String,
    pub(super) password: String,
    pub(super) fingerprint: Fingerprint,
    pub(super) candidates: Vec<Candidate>,
    /// Those that can be used.
    pub ice_servers: Vec<IceServer>,
}

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub foundation: String,
    pub priority: u32,
    pub address: String,
    pub port: u16,
    pub is_tcp: bool,
}

impl Candidate {
    fn of(offered: IceCandidate) -> Option<Self> {
        let address = offered.address.or(offered.ip)?;
        let is_host = !address.is_empty()
            && address.len() <= 253
            && (address.parse::<IpAddr>().is_ok()
                || address.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b)));
        let foundation = offered.foundation;
        let is_foundation = (1..=32).contains(&foundation.len())
            && foundation.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b));
        let is_tcp = match offered.protocol.as_str() {
            "udp" => false,
            "tcp" if offered.tcp_type.as_deref().is_none_or(|tcp_type| tcp_type == "passive") => true,
            _ => return None,
        };
        let usable = is_host && is_foundation && offered.port != 0 && offered.kind == "host";
        usable.then_some(Self { foundation, priority: offered.priority, address, port: offered.port, is_tcp })
    }
}

impl Transport {
    /// Checks a description; what of it can be done without is left out.
    pub fn of(description: TransportDescription) -> Result<Self, TransportError> {
        let TransportDescription { id, ice_parameters, ice_candidates, dtls_parameters, ice_servers } = description;
        // lengths: RFC 8839, 5.4
        let (ufrag, password) = (ice_parameters.username_fragment, ice_parameters.password);
        let is = |text: &str, least: usize| (least..=256).contains(&text.len()) && is_token(text);
        if !is(&ufrag, 4) || !is(&password, 22) {
            return Err(TransportError::Ice);
        }
        let fingerprint = dtls_parameters
            .fingerprints
            .iter()
            .filter_map(|print| Fingerprint::parse(&format!("{} {}", print.algorithm, print.value)))
            .min_by_key(|print| print.algorithm)
            .ok_or(TransportError::Fingerprint)?;
        let candidates: Vec<_> = ice_candidates.into_iter().filter_map(Candidate::of).take(MAX_CANDIDATES).collect();
        if candidates.is_empty() {
            return Err(TransportError::Candidates);
        }
        let ice_servers = usable_servers(ice_servers);
        Ok(Self { id, ufrag, password, fingerprint, candidates, ice_servers })
    }

    /// Where the server listens, as far as it is not known by a name alone.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.candidates.iter().filter_map(|candidate| candidate.address.parse().ok())
    }

    /// Puts addresses in place of names, which `webrtcbin` does not take.
    pub async fn resolve(mut self) -> Result<Self, TransportError> {
        let lookup = async {
            let mut resolved = Vec::new();
            for candidate in self.candidates.drain(..) {
                if candidate.address.parse::<IpAddr>().is_ok() {
                    resolved.push(candidate);
                    continue;
                }
                match tokio::net::lookup_host((candidate.address.as_str(), candidate.port)).await {
                    Ok(addresses) => resolved.extend(
                        addresses.map(|address| Candidate { address: address.ip().to_string(), ..candidate.clone() }),
                    ),
                    Err(error) => {
                        tracing::warn!(host = candidate.address, %error, "a candidate of the room's server has no address");
                    }
                }
            }
            resolved
        };
        self.candidates = tokio::time::timeout(LOOKUP_LIMIT, lookup).await.unwrap_or_default();
        if self.candidates.is_empty() { Err(TransportError::Candidates) } else { Ok(self) }
    }
}

/// Servers may name ICE servers that were never set up (`turn:undefined:undefined?transport=undefined`).
fn usable_servers(servers: Vec<IceServer>) -> Vec<IceServer> {
    let mut usable = Vec::new();
    for mut server in servers.into_iter().take(MAX_ICE_SERVERS) {
        let (username, credential) = (server.username.clone(), server.credential.clone());
        server.urls.retain(|url| {
            let alone =
                IceServer { urls: vec![url.clone()], username: username.clone(), credential: credential.clone() };
            match ice::check(&alone) {
                Ok(()) => true,
                Err(error) => {
                    tracing::warn!(%error, "an ICE server that the room's server names is left out");
                    false
                }
            }
        });
        if !server.urls.is_empty() {
            usable.push(server);
        }
    }
    usable
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    pub fn description() -> Value {
        json!({
            "id": "73d04295-830e-4d29-abca-378748d040f7",
            "iceParameters": {"usernameFragment": "r4jnji03qotntnuvct0swzhcfpisq434",
                "password": "92lhx8u54q3dj5wtin6aa5z6pv824m12", "iceLite": true},
            "iceCandidates": [
                {"foundation": "udpcandidate", "priority": 1076302079, "ip": "192.0.2.7", "address": "192.0.2.7",
                    "protocol": "udp", "port": 42908, "type": "host"},
                {"foundation": "tcpcandidate", "priority": 1076276479, "ip": "192.0.2.7",
                    "protocol": "tcp", "port": 42321, "type": "host", "tcpType": "passive"},
            ],
            "dtlsParameters": {"role": "auto", "fingerprints": [
                {"algorithm": "sha-1", "value": "83:A4"},
                {"algorithm": "sha-512", "value": vec!["0A"; 64].join(":")},
                {"algorithm": "sha-256", "value": vec!["0F"; 32].join(":")},
            ]},
            "iceServers": [
                {"urls": "turn:undefined:undefined?transport=undefined", "username": "u", "credential": "c"},
                {"urls": ["turn:192.0.2.9:3478?transport=tcp", "stun:192.0.2.9"], "username": "u", "credential": "c"},
                {"urls": ["turn:192.0.2.9:3478"]},
            ],
        })
    }

    fn parsed(description: Value) -> Result<Transport, TransportError> {
        Transport::of(serde_json::from_value(description).unwrap())
    }

    pub fn transport() -> Transport {
        parsed(description()).unwrap()
    }

    #[test]
    fn the_right_fingerprint_and_all_candidates_are_taken() {
        let transport = transport();
        assert_eq!(transport.fingerprint.to_string(), format!("sha-256 {}", ["0F"; 32].join(":")));
        let tcp: Vec<_> = transport.candidates.iter().map(|candidate| candidate.is_tcp).collect();
        assert_eq!(tcp, [false, true]);
    }

    #[test]
    fn ice_servers_that_say_undefined_are_left_out() {
        let urls: Vec<_> = transport().ice_servers.into_iter().flat_map(|server| server.urls).collect();
        assert_eq!(urls, ["turn:192.0.2.9:3478?transport=tcp", "stun:192.0.2.9"]);
    }

    #[test]
    fn what_cannot_be_done_without_is_missed() {
        let without = |change: fn(&mut Value)| {
            let mut description = description();
            change(&mut description);
            parsed(description).unwrap_err()
        };
        assert_eq!(without(|d| d["iceParameters"]["password"] = json!("short")), TransportError::Ice);
        assert_eq!(without(|d| d["iceParameters"]["usernameFragment"] = json!("a\r\na=x: evil")), TransportError::Ice);
        assert_eq!(without(|d| d["dtlsParameters"]["fingerprints"] = json!([])), TransportError::Fingerprint);
        assert_eq!(without(|d| d["iceCandidates"] = json!([])), TransportError::Candidates);
        for (field, bad) in [
            ("address", json!("1.2.3.4 evil")),
            ("foundation", json!("a b")),
            ("protocol", json!("x")),
            ("port", json!(0)),
        ] {
            let mut description = description();
            description["iceCandidates"][0][field] = bad;
            assert_eq!(parsed(description).unwrap().candidates.len(), 1, "{field}");
        }
    }

    #[tokio::test]
    async fn names_of_hosts_are_looked_up() {
        let mut description = description();
        description["iceCandidates"][0]["address"] = json!("localhost");
        let transport = parsed(description).unwrap().resolve().await.unwrap();
        assert!(transport.candidates.iter().all(|candidate| candidate.address.parse::<IpAddr>().is_ok()));
        assert!(transport.candidates[0].address.parse::<IpAddr>().unwrap().is_loopback());
    }

    proptest! {
        #[test]
        fn no_candidate_panics(
            foundation in ".{0,40}", address in ".{0,40}|[0-9.:]{0,20}", protocol in "udp|tcp|.{0,4}", port in any::<u16>(),
            priority in any::<u32>(), tcp in ".{0,8}", ufrag in ".{0,30}", url in "turns?:.{0,20}|.{0,20}",
        ) {
            let mut description = description();
            description["iceParameters"]["usernameFragment"] = json!(ufrag);
            description["iceServers"][0]["urls"] = json!(url);
            description["iceCandidates"][0] = json!({"foundation": foundation, "priority": priority, "address": address,
                "protocol": protocol, "port": port, "type": "host", "tcpType": tcp});
            if let Ok(transport) = parsed(description) {
                prop_assert!(!transport.candidates.iter().any(|c| c.address.contains(char::is_whitespace)));
            }
        }
    }
}

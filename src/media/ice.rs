//! How peers find each other: servers, ports and addresses (configuration), and candidates (strangers' text).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

pub use crate::config::IceServer;

/// How a call's peers find each other.
#[derive(Clone, Debug, Default)]
pub struct IceOptions {
    /// Given to `webrtcbin` and to the page.
    pub servers: Vec<IceServer>,
    /// Only candidates of TURN servers.
    pub relay_only: bool,
    /// UDP and TCP ports of host candidates, both ends included.
    pub port_range: Option<(u16, u16)>,
    /// The address that the outside sees, in place of the host's own of the same family.
    pub announced_address: Option<IpAddr>,
    /// Offer loopback addresses as well; libnice leaves them out by itself. For tests and for a browser on the same
    /// machine.
    pub loopback: bool,
    /// Offer these addresses of the machine and no others, whatever `loopback` says; empty: all.
    pub only_from: Vec<IpAddr>,
}

/// Why a server's URL cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IceServerError {
    /// Not `stun:`, `stuns:`, `turn:` or `turns:`, or no host.
    #[error("ICE server URL {0:?} is none of stun:HOST[:PORT], turn:HOST[:PORT][?transport=udp|tcp], turns:...")]
    Malformed(String),
    /// TURN without user or password.
    #[error("ICE server {0} needs a username and a credential")]
    NoCredential(String),
}

/// What `webrtcbin` is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ServerUrl {
    /// For the property `stun-server`.
    Stun(String),
    /// For the action `add-turn-server`. Contains the password.
    Turn(String),
    /// libnice speaks no TLS to servers: the other candidates have to do.
    OverTls(String),
}

/// Everything that has a meaning in `turn://user:password@host`.
const USERINFO: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A server's URLs in `webrtcbin`'s form.
pub(super) fn for_webrtcbin(server: &IceServer) -> Result<Vec<ServerUrl>, IceServerError> {
    server.urls.iter().map(|url| convert(server, url)).collect()
}

/// Whether a server can be used; the error says why not.
pub fn check(server: &IceServer) -> Result<(), IceServerError> {
    for_webrtcbin(server).map(|_| ())
}

fn convert(server: &IceServer, url: &str) -> Result<ServerUrl, IceServerError> {
    let malformed = || IceServerError::Malformed(url.to_string());
    let (scheme, rest) = url.split_once(':').ok_or_else(malformed)?;
    let (host, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (name, port) = match host.rsplit_once(':') {
        // the colons of [::1] are not a port's
        Some((name, port)) if !port.contains(']') => (name, port.parse::<u16>().map_err(|_| malformed())?),
        _ => (host, 3478),
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    if name.is_empty() || !name.chars().all(is_host) {
        return Err(malformed());
    }
    let transport = match query {
        "" => "transport=udp",
        "transport=udp" | "transport=tcp" => query,
        _ => return Err(malformed()),
    };
    match scheme {
        "stun" => Ok(ServerUrl::Stun(format!("stun://{name}:{port}"))),
        "stuns" | "turns" => Ok(ServerUrl::OverTls(url.to_string())),
        "turn" => {
            let (Some(user), Some(password)) = (&server.username, &server.credential) else {
                return Err(IceServerError::NoCredential(url.to_string()));
            };
            let (user, password) = (utf8_percent_encode(user, USERINFO), utf8_percent_encode(password, USERINFO));
            Ok(ServerUrl::Turn(format!("turn://{user}:{password}@{name}:{port}?{transport}")))
        }
        _ => Err(malformed()),
    }
}

/// Longer candidates are not candidates.
const MAX_CANDIDATE_BYTES: usize = 512;

/// A peer's candidate, after a look.
#[derive(Debug, PartialEq, Eq)]
pub enum RemoteCandidate {
    /// To be given to `webrtcbin`.
    Usable(String),
    /// Well formed, but of no use: an mDNS name, the RTCP component, a TCP candidate that only calls itself.
    Useless,
    /// The peer has no more.
    End,
}

impl RemoteCandidate {
    /// Reads `candidate:...` (with or without `a=`); `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("a=").unwrap_or(text);
        if text.is_empty() || text == "end-of-candidates" {
            return Some(Self::End);
        }
        if text.len() > MAX_CANDIDATE_BYTES || text.chars().any(|c| c.is_control() || !c.is_ascii()) {
            return None;
        }
        let words: Vec<&str> = text.strip_prefix("candidate:")?.split(' ').filter(|word| !word.is_empty()).collect();
        let [foundation, component, transport, priority, address, port, "typ", kind, rest @ ..] = words.as_slice()
        else {
            return None;
        };
        let component: u16 = component.parse().ok()?;
        let priority: u32 = priority.parse().ok()?;
        let port: u16 = port.parse().ok()?;
        let transport = transport.to_ascii_lowercase();
        if foundation.len() > 32
            || !foundation.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-".contains(&b))
            || !["host", "srflx", "prflx", "relay"].contains(kind)
            || !["udp", "tcp"].contains(&transport.as_str())
        {
            return None;
        }
        let tcp_type = rest.iter().position(|word| *word == "tcptype").and_then(|at| rest.get(at + 1)).copied();
        let Ok(address) = address.parse::<IpAddr>() else {
            // A browser hides its addresses behind mDNS names until the camera is allowed. It will come to us.
            return address.ends_with(".local").then_some(Self::Useless);
        };
        if component != 1 || (transport == "tcp" && tcp_type != Some("passive")) || port == 0 {
            return Some(Self::Useless);
        }
        // Written anew: the extensions of browsers (generation, ufrag, network-cost) say nothing to libnice.
        let mut usable = format!("candidate:{foundation} 1 {transport} {priority} {address} {port} typ {kind}");
        if let Some(tcp_type) = tcp_type {
            usable += " tcptype ";
            usable += tcp_type;
        }
        Some(Self::Usable(usable))
    }
}

/// Whether a peer's candidate says that it belongs to another description than the one with this `ufrag`.
pub fn is_of_other(candidate: &str, ufrag: &str) -> bool {
    let mut words = candidate.split(' ').skip_while(|word| *word != "ufrag");
    words.nth(1).is_some_and(|named| named != ufrag)
}

/// One of our own candidates as the peer gets it: a host's own address gives way to the announced one.
pub(super) fn announce(candidate: &str, announced: Option<IpAddr>) -> String {
    let Some(announced) = announced else { return candidate.to_string() };
    let mut words: Vec<String> = candidate.split(' ').map(str::to_string).collect();
    let is_host = words.windows(2).any(|pair| pair[0] == "typ" && pair[1] == "host");
    let address = words.get(4).and_then(|word| word.parse::<IpAddr>().ok());
    if let Some(address) = address
        && is_host
        && address.is_ipv4() == announced.is_ipv4()
        && !address.is_loopback()
    {
        words[4] = announced.to_string();
    }
    words.join(" ")
}

/// The addresses of this machine from which the system would send to these. Others (container bridges, for example) make
/// pairs that cannot work, and behind a NAT libnice waits seconds for them before it settles on one that does.
pub fn sources(destinations: impl IntoIterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut sources = Vec::new();
    for destination in destinations {
        let any: IpAddr =
            if destination.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        // connecting a UDP socket sends nothing
        let source = UdpSocket::bind((any, 0)).and_then(|socket| {
            socket.connect((destination, 9))?;
            Ok(socket.local_addr()?.ip())
        });
        if let Ok(source) = source
            && !sources.contains(&source)
        {
            sources.push(source);
        }
    }
    sources
}

/// The addresses that libnice has to be told one by one, when loopback is to be among them.
pub(super) fn local_addresses() -> std::io::Result<Vec<IpAddr>> {
    let is_link_local = |ip: IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    Ok(if_addrs::get_if_addrs()?
        .into_iter()
        .filter(|interface| interface.is_oper_up() || interface.is_loopback())
        .map(|interface| interface.ip())
        .filter(|ip| !is_link_local(*ip))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_leave_from_the_address_that_the_route_has() {
        let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv4Addr::new(127, 0, 0, 2))];
        assert_eq!(sources(loopback), [loopback[0]]);
        assert!(sources([IpAddr::from(Ipv4Addr::BROADCAST)]).is_empty(), "no way there");
    }

    fn server(url: &str) -> IceServer {
        IceServer {
            urls: vec![url.into()],
            username: Some("1700000000:me@home".into()),
            credential: Some("p/a:s s%".into()),
        }
    }

    #[test]
    fn servers_are_written_as_webrtcbin_wants_them() {
        for (url, expected) in [
            ("stun:stun.example.org", ServerUrl::Stun("stun://stun.example.org:3478".into())),
            ("stun:[2001:db8::1]:99", ServerUrl::Stun("stun://[2001:db8::1]:99".into())),
            (
                "turns:t.example.org:5349?transport=tcp",
                ServerUrl::OverTls("turns:t.example.org:5349?transport=tcp".into()),
            ),
            (
                "turn:t.example.org:80?transport=tcp",
                ServerUrl::Turn("turn://1700000000%3Ame%40home:p%2Fa%3As%20s%25@t.example.org:80?transport=tcp".into()),
            ),
            (
                "turn:10.0.0.1",
                ServerUrl::Turn("turn://1700000000%3Ame%40home:p%2Fa%3As%20s%25@10.0.0.1:3478?transport=udp".into()),
            ),
        ] {
            assert_eq!(for_webrtcbin(&server(url)), Ok(vec![expected]), "{url}");
        }
        for bad in [
            "turn:undefined:undefined?transport=undefined",
            "http://x",
            "stun:",
            "turn:h:99999",
            "turn:h?x=1",
            "turn:a b",
            "turn:user@host",
            "",
        ] {
            assert_eq!(for_webrtcbin(&server(bad)), Err(IceServerError::Malformed(bad.into())), "{bad}");
        }
        let anonymous = IceServer { urls: vec!["turn:h".into()], username: None, credential: None };
        assert_eq!(for_webrtcbin(&anonymous), Err(IceServerError::NoCredential("turn:h".into())));
    }

    #[test]
    fn candidates_are_read_strictly_and_written_anew() {
        let usable = |text: &str| RemoteCandidate::Usable(text.to_string());
        for (text, expected) in [
            (
                "candidate:842163049 1 udp 1677729535 203.0.113.9 46154 typ srflx raddr 10.0.0.2 rport 46154 generation 0 ufrag EsAw network-cost 999",
                Some(usable("candidate:842163049 1 udp 1677729535 203.0.113.9 46154 typ srflx")),
            ),
            (
                "a=candidate:1 1 TCP 1015021823 10.0.0.2 9999 typ host tcptype passive",
                Some(usable("candidate:1 1 tcp 1015021823 10.0.0.2 9999 typ host tcptype passive")),
            ),
            (
                "candidate:1 1 udp 2113937151 2001:db8::7 5000 typ host",
                Some(usable("candidate:1 1 udp 2113937151 2001:db8::7 5000 typ host")),
            ),
            ("candidate:1 1 tcp 1015021823 10.0.0.2 9 typ host tcptype active", Some(RemoteCandidate::Useless)),
            ("candidate:1 2 udp 2113937150 10.0.0.2 5001 typ host", Some(RemoteCandidate::Useless)),
            (
                "candidate:1 1 udp 2113937151 4b0fb6ab-a9ba.local 5000 typ host generation 0",
                Some(RemoteCandidate::Useless),
            ),
            ("", Some(RemoteCandidate::End)),
            ("a=end-of-candidates", Some(RemoteCandidate::End)),
            ("candidate:1 1 udp 2113937151 evil.example.org 5000 typ host", None),
            ("candidate:1 1 udp 2113937151 10.0.0.2 70000 typ host", None),
            ("candidate:1 1 udp 2113937151 10.0.0.2 5000 typ wormhole", None),
            ("candidate:1 1 sctp 2113937151 10.0.0.2 5000 typ host", None),
            ("candidate:1 1 udp 2113937151 10.0.0.2 5000", None),
            ("candidate:1 1 udp 2113937151 10.0.0.2 5000 typ host\r\na=x", None),
            ("hello", None),
        ] {
            assert_eq!(RemoteCandidate::parse(text), expected, "{text}");
        }
        assert_eq!(RemoteCandidate::parse(&format!("candidate:1 {}", "1".repeat(600))), None);
    }

    #[test]
    fn candidates_of_an_earlier_description_are_told_apart() {
        let named = "candidate:1 1 udp 1 10.0.0.2 5000 typ host generation 0 ufrag EsAw network-cost 999";
        assert!(!is_of_other(named, "EsAw"));
        assert!(is_of_other(named, "other"));
        assert!(!is_of_other("candidate:1 1 udp 1 10.0.0.2 5000 typ host", "other"));
        assert!(!is_of_other("ufrag", "other"));
    }

    #[test]
    fn the_announced_address_replaces_host_addresses_of_its_family_only() {
        let announced = Some("198.51.100.7".parse().unwrap());
        for (own, expected) in [
            (
                "candidate:1 1 UDP 2015363327 10.0.0.2 40000 typ host",
                "candidate:1 1 UDP 2015363327 198.51.100.7 40000 typ host",
            ),
            (
                "candidate:1 1 UDP 2015363327 127.0.0.1 40000 typ host",
                "candidate:1 1 UDP 2015363327 127.0.0.1 40000 typ host",
            ),
            (
                "candidate:1 1 UDP 2015363327 fd00::2 40000 typ host",
                "candidate:1 1 UDP 2015363327 fd00::2 40000 typ host",
            ),
            (
                "candidate:2 1 UDP 1677722111 203.0.113.1 40000 typ srflx raddr 10.0.0.2 rport 40000",
                "candidate:2 1 UDP 1677722111 203.0.113.1 40000 typ srflx raddr 10.0.0.2 rport 40000",
            ),
        ] {
            assert_eq!(announce(own, announced), expected);
            assert_eq!(announce(own, None), own);
        }
    }
}

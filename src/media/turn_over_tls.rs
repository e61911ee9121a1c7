//! TURN over TLS (`turns:`). libnice speaks no TLS to TURN servers, so the service does: a port of loopback for each
//! server, whose connections are carried on through TLS, and which `webrtcbin` takes for a TURN server over TCP.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::ice::IceServer;

/// RFC 7065.
const DEFAULT_PORT: u16 = 5349;
/// For TCP and TLS together.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// libnice opens one for each of the machine's addresses.
const MAX_CONNECTIONS: usize = 32;

/// One server's port of loopback; it closes when this is dropped.
#[derive(Debug)]
pub struct Tunnel {
    port: u16,
    task: JoinHandle<()>,
}

impl Tunnel {
    /// Opens a port that leads to `host:port`.
    async fn open(host: &str, port: u16, tls: Arc<ClientConfig>) -> Result<Self, String> {
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|error| error.to_string())?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| error.to_string())?;
        let own = listener.local_addr().map_err(|error| error.to_string())?.port();
        let task = tokio::spawn(serve(listener, name, port, TlsConnector::from(tls)));
        Ok(Self { port: own, task })
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        // its connections go with it
        self.task.abort();
    }
}

/// Puts a tunnel in place of every `turns:` URL. Those for which there is none are left as they are.
pub async fn bridge(servers: &mut [IceServer], tls: &Arc<ClientConfig>) -> Vec<Tunnel> {
    let mut tunnels = Vec::new();
    for url in servers.iter_mut().flat_map(|server| &mut server.urls) {
        let Some((host, port)) = parse(url) else { continue };
        match Tunnel::open(host, port, tls.clone()).await {
            Ok(tunnel) => {
                *url = format!("turn:127.0.0.1:{}?transport=tcp", tunnel.port);
                tunnels.push(tunnel);
            }
            Err(error) => tracing::warn!(url, error, "no way to this TURN server"),
        }
    }
    tunnels
}

/// Host and port of `turns:HOST[:PORT][?transport=tcp]`. TLS over UDP, DTLS, is not spoken.
fn parse(url: &str) -> Option<(&str, u16)> {
    let (host, query) = url.strip_prefix("turns:")?.split_once('?').unwrap_or((url.strip_prefix("turns:")?, ""));
    if !matches!(query, "" | "transport=tcp") {
        return None;
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => Some((name, port.parse().ok()?)),
        _ => Some((host, DEFAULT_PORT)),
    }
}

async fn serve(listener: TcpListener, name: ServerName<'static>, port: u16, tls: TlsConnector) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                if connections.len() < MAX_CONNECTIONS {
                    connections.spawn(carry(stream, name.clone(), port, tls.clone()));
                }
            }
            Some(_) = connections.join_next() => (),
        }
    }
}

async fn carry(mut near: TcpStream, name: ServerName<'static>, port: u16, tls: TlsConnector) {
    let connect = async {
        let far = TcpStream::connect((name.to_str().as_ref(), port)).await?;
        far.set_nodelay(true)?;
        near.set_nodelay(true)?;
        tls.connect(name.clone(), far).await
    };
    match tokio::time::timeout(CONNECT_LIMIT, connect).await {
        Ok(Ok(mut far)) => drop(tokio::io::copy_bidirectional(&mut near, &mut far).await),
        Ok(Err(error)) => {
            tracing::warn!(server = %name.to_str(), port, %error, "the TURN server cannot be reached over TLS")
        }
        Err(_) => {
            tracing::warn!(server = %name.to_str(), port, "the TURN server did not answer within {CONNECT_LIMIT:?}")
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::{RootCertStore, ServerConfig};

    use super::*;

    /// A TLS server on loopback that sends back what it gets, and clients that believe it.
    async fn echo() -> (u16, Arc<ClientConfig>) {
        crate::outbound::install_crypto_provider();
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let server =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(server));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    assert_eq!(stream.get_ref().1.server_name(), Some("localhost"));
                    let (mut from, mut to) = tokio::io::split(stream);
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        (port, Arc::new(client))
    }

    fn server(url: String) -> IceServer {
        IceServer { urls: vec!["stun:a".into(), url], username: Some("u".into()), credential: Some("c".into()) }
    }

    fn port_of(server: &IceServer) -> u16 {
        let url = server.urls[1].strip_prefix("turn:127.0.0.1:").unwrap().strip_suffix("?transport=tcp").unwrap();
        url.parse().unwrap()
    }

    #[tokio::test]
    async fn what_goes_in_comes_out_behind_tls() {
        let (port, tls) = echo().await;
        let mut servers = [server(format!("turns:localhost:{port}?transport=tcp"))];
        let tunnels = bridge(&mut servers, &tls).await;
        assert_eq!(servers[0].urls[0], "stun:a");
        let mut stream = TcpStream::connect(("127.0.0.1", port_of(&servers[0]))).await.unwrap();
        stream.write_all(b"allocate").await.unwrap();
        let mut back = [0; 8];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"allocate");
        // the flow ends
        drop(tunnels);
        assert_eq!(stream.read(&mut back).await.unwrap_or(0), 0);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(TcpStream::connect(("127.0.0.1", port_of(&servers[0]))).await.is_err());
    }

    #[tokio::test]
    async fn a_server_with_a_strange_certificate_gets_nothing() {
        let (port, _) = echo().await;
        let (_, others) = echo().await;
        for (host, tls) in [("localhost", others.clone()), ("127.0.0.1", others)] {
            let mut servers = [server(format!("turns:{host}:{port}"))];
            let _tunnels = bridge(&mut servers, &tls).await;
            let mut stream = TcpStream::connect(("127.0.0.1", port_of(&servers[0]))).await.unwrap();
            stream.write_all(b"password").await.unwrap();
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0, "{host}");
        }
    }

    #[test]
    fn urls_are_read() {
        for (url, expected) in [
            ("turns:t.example.org", Some(("t.example.org", 5349))),
            ("turns:t.example.org:443?transport=tcp", Some(("t.example.org", 443))),
            ("turns:[2001:db8::1]:443", Some(("[2001:db8::1]", 443))),
            ("turns:[2001:db8::1]", Some(("[2001:db8::1]", 5349))),
            ("turns:t.example.org?transport=udp", None),
            ("turns:t.example.org:99999", None),
            ("turn:t.example.org", None),
        ] {
            assert_eq!(parse(url), expected, "{url}");
        }
    }
}

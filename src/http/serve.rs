//! A listener that serves a warp filter, plain or over TLS, in one and the same way.
//!
//! HTTP/1.1 with WebSocket upgrades. A connection gets a limited time for its TLS handshake and for each request's
//! head, so that one who connects and stays silent costs a little memory for a little while; accepting never waits for
//! any of that. [`Server::stop`] lets the requests under way end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use warp::Filter;
use warp::hyper::Request;
use warp::hyper::body::Incoming;
use warp::hyper::service::{Service, service_fn};
use warp::reply::Response;

use super::tls::Identity;

/// Limit of a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit for a request's head, and how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause when accepting fails, which is nearly always a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: {source}")]
pub struct BindError {
    /// The address asked for.
    pub addr: SocketAddr,
    /// The system's reason.
    pub source: io::Error,
}

/// The other end of the connection that a request came over. Behind a reverse proxy this is the proxy.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub SocketAddr);

/// Extracts the [`PeerAddress`] of a request; `None` where the filter is not run by this module (warp's own tests).
pub fn peer_address() -> impl Filter<Extract = (Option<PeerAddress>,), Error = Infallible> + Copy {
    warp::ext::optional::<PeerAddress>()
}

/// A running listener. Dropping it stops it as [`Self::stop`] does, without waiting.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    stop: CancellationToken,
    accepting: JoinHandle<GracefulShutdown>,
}

impl Server {
    /// Where it listens: with the real port when it was asked for port 0.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The port where it listens.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Closes the listener and idle connections and waits for requests under way, at most for `grace`. WebSockets are
    /// their handlers' to close.
    pub async fn stop(mut self, grace: Duration) {
        self.stop.cancel();
        let Ok(connections) = (&mut self.accepting).await else {
            return;
        };
        let left = connections.count();
        if timeout(grace, connections.shutdown()).await.is_err() {
            tracing::warn!(
                port = self.addr.port(),
                connections = left,
                "requests were still under way at the end of the time to stop"
            );
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Serves `filter` over plain HTTP.
pub async fn serve_plain<F>(filter: F, addr: SocketAddr) -> Result<Server, BindError>
where
    F: Filter + Clone + Send + Sync + 'static,
    F::Extract: warp::Reply,
{
    serve(filter, addr, None).await
}

/// Serves `filter` over HTTPS.
pub async fn serve_tls<F>(filter: F, addr: SocketAddr, identity: &Identity) -> Result<Server, BindError>
where
    F: Filter + Clone + Send + Sync + 'static,
    F::Extract: warp::Reply,
{
    serve(filter, addr, Some(identity.clone())).await
}

async fn serve<F>(filter: F, addr: SocketAddr, identity: Option<Identity>) -> Result<Server, BindError>
where
    F: Filter + Clone + Send + Sync + 'static,
    F::Extract: warp::Reply,
{
    let bound = async {
        let listener = TcpListener::bind(addr).await?;
        Ok((listener.local_addr()?, listener))
    };
    let (addr, listener) = bound.await.map_err(|source| BindError { addr, source })?;
    let service = TowerToHyperService::new(warp::service(filter));
    let stop = CancellationToken::new();
    let accepting = tokio::spawn(accept(listener, identity, service, stop.clone()));
    Ok(Server { addr, stop, accepting })
}

/// What a warp filter is to hyper.
trait WarpService:
    Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}
impl<S> WarpService for S where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

/// Until told to stop. Returns what watches the connections that are still open.
async fn accept(
    listener: TcpListener,
    identity: Option<Identity>,
    service: impl WarpService,
    stop: CancellationToken,
) -> GracefulShutdown {
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return connections,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = connection(stream, peer, identity.clone(), service.clone(), connections.watcher());
                tokio::spawn(connection);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    identity: Option<Identity>,
    service: impl WarpService,
    watcher: Watcher,
) {
    // Signalling messages are small and each is awaited by somebody.
    let _ = stream.set_nodelay(true);
    let Some(identity) = identity else {
        return exchange(stream, peer, service, watcher).await;
    };
    match timeout(HANDSHAKE_TIMEOUT, identity.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => exchange(stream, peer, service, watcher).await,
        // Everyday: scanners, and browsers that do not yet accept the self-signed certificate.
        Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "TLS handshake timed out"),
    }
}

async fn exchange<S>(stream: S, peer: SocketAddr, service: impl WarpService, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(PeerAddress(peer));
        service.call(request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use futures_util::{SinkExt, StreamExt};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
    use tokio_tungstenite::tungstenite::Message;
    use warp::Reply;

    use super::*;

    const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

    /// `/peer`: the caller's address; `/slow`: answers after 300 ms; `/echo`: a WebSocket.
    fn filter() -> impl Filter<Extract = impl Reply, Error = warp::Rejection> + Clone + Send + Sync + 'static {
        let peer = warp::path("peer").and(peer_address()).map(|peer: Option<PeerAddress>| peer.unwrap().0.to_string());
        let slow = warp::path("slow").then(|| async {
            sleep(Duration::from_millis(300)).await;
            "slow"
        });
        let echo = warp::path("echo").and(warp::ws()).map(|ws: warp::ws::Ws| {
            ws.on_upgrade(|socket| async {
                let (mut out, mut input) = socket.split();
                while let Some(Ok(message)) = input.next().await {
                    if out.send(message).await.is_err() {
                        break;
                    }
                }
            })
        });
        peer.or(slow).or(echo)
    }

    fn http_client() -> reqwest::Client {
        crate::outbound::client(crate::outbound::Redirects { limit: 0, see_other: true }).unwrap()
    }

    fn https_client(identity: &Identity) -> reqwest::Client {
        crate::outbound::install_crypto_provider();
        let root = reqwest::Certificate::from_der(identity.certificate()).unwrap();
        reqwest::Client::builder().tls_certs_only([root]).no_proxy().build().unwrap()
    }

    #[tokio::test]
    async fn plain_requests_know_their_peer() {
        let server = serve_plain(filter(), LOOPBACK.into()).await.unwrap();
        let url = format!("http://127.0.0.1:{}/peer", server.port());
        let text = http_client().get(url).send().await.unwrap().text().await.unwrap();
        assert!(text.starts_with("127.0.0.1:"), "{text}");
        assert!(
            serve_plain(filter(), server.addr()).await.unwrap_err().to_string().contains(&server.port().to_string())
        );
    }

    #[tokio::test]
    async fn a_self_signed_certificate_serves_https_and_web_sockets() {
        let identity = Identity::self_signed(&[]).unwrap();
        let server = serve_tls(filter(), LOOPBACK.into(), &identity).await.unwrap();
        for host in ["localhost", "127.0.0.1"] {
            let url = format!("https://{host}:{}/peer", server.port());
            assert!(https_client(&identity).get(url).send().await.unwrap().status().is_success());
        }

        let mut roots = RootCertStore::empty();
        roots.add(identity.certificate().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(server.addr()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let (mut socket, _) = tokio_tungstenite::client_async("wss://localhost/echo", stream).await.unwrap();
        socket.send(Message::text("hello")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    }

    #[tokio::test]
    async fn silent_and_broken_connections_keep_nobody_waiting() {
        let identity = Identity::self_signed(&[]).unwrap();
        let server = serve_tls(filter(), LOOPBACK.into(), &identity).await.unwrap();
        let silent = TcpStream::connect(server.addr()).await.unwrap();
        let mut broken = TcpStream::connect(server.addr()).await.unwrap();
        broken.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let url = format!("https://localhost:{}/peer", server.port());
        let answer = timeout(Duration::from_secs(5), https_client(&identity).get(url).send()).await.unwrap();
        assert!(answer.unwrap().status().is_success());
        // The server says what is wrong (an alert) and closes.
        let mut rest = Vec::new();
        timeout(Duration::from_secs(5), broken.read_to_end(&mut rest)).await.unwrap().unwrap();
        drop(silent);
    }

    #[tokio::test]
    async fn stopping_waits_for_requests_under_way_and_no_longer_than_told() {
        let server = serve_plain(filter(), LOOPBACK.into()).await.unwrap();
        let addr = server.addr();
        let request = tokio::spawn(http_client().get(format!("http://{addr}/slow")).send());
        sleep(Duration::from_millis(100)).await;
        server.stop(Duration::from_secs(5)).await;
        assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "slow");
        assert!(TcpStream::connect(addr).await.is_err(), "nobody listens any more");

        let server = serve_plain(filter(), LOOPBACK.into()).await.unwrap();
        let request = tokio::spawn(http_client().get(format!("http://{}/slow", server.addr())).send());
        sleep(Duration::from_millis(100)).await;
        let began = Instant::now();
        server.stop(Duration::from_millis(50)).await;
        assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
        drop(request);
    }
}

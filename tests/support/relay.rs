//! A WebSocket between page and service that can change what is said, or freeze as a network does that goes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue};

pub struct Relay {
    pub url: String,
    frozen: Arc<AtomicBool>,
}

impl Relay {
    /// Every text goes through `change`, both ways.
    pub async fn to(target: String, change: impl Fn(String) -> String + Send + Sync + 'static) -> Self {
        Self::start(target, None, change).await
    }

    /// The same between a peer and a room server.
    pub async fn to_protoo(target: String, change: impl Fn(String) -> String + Send + Sync + 'static) -> Self {
        Self::start(target, Some("protoo"), change).await
    }

    async fn start(
        target: String,
        protocol: Option<&'static str>,
        change: impl Fn(String) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let frozen = Arc::new(AtomicBool::new(false));
        let ice = frozen.clone();
        let change = Arc::new(change);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (target, change, ice) = (target.clone(), change.clone(), ice.clone());
                tokio::spawn(async move {
                    let name = |headers: &mut HeaderMap| {
                        protocol.map(|name| headers.insert("sec-websocket-protocol", HeaderValue::from_static(name)));
                    };
                    let agree = |_: &Request, mut response: Response| {
                        name(response.headers_mut());
                        Ok(response)
                    };
                    let page = tokio_tungstenite::accept_hdr_async(stream, agree).await.unwrap();
                    let mut request = target.into_client_request().unwrap();
                    name(request.headers_mut());
                    let (service, _) = tokio_tungstenite::connect_async(request).await.unwrap();
                    let (mut page_out, mut page_in) = page.split();
                    let (mut service_out, mut service_in) = service.split();
                    loop {
                        while ice.load(Ordering::Relaxed) {
                            tokio::time::sleep(Duration::from_millis(10)).await;
                        }
                        let changed = |message| match message {
                            Message::Text(text) => Message::text(change(text.to_string())),
                            other => other,
                        };
                        tokio::select! {
                            message = page_in.next() => match message {
                                Some(Ok(message)) => if service_out.send(changed(message)).await.is_err() { break },
                                _ => break,
                            },
                            message = service_in.next() => match message {
                                Some(Ok(message)) => if page_out.send(changed(message)).await.is_err() { break },
                                _ => break,
                            },
                            () = tokio::time::sleep(Duration::from_millis(20)) => (),
                        }
                    }
                });
            }
        });
        Self { url, frozen }
    }

    /// Nothing goes through any more, and nobody is told.
    pub fn freeze(&self) {
        self.frozen.store(true, Ordering::Relaxed);
    }
}

/// Makes every certificate fingerprint a wrong one.
pub fn wrong_fingerprint(text: String) -> String {
    let Some(at) = text.find("a=fingerprint:sha-256 ") else { return text };
    let digit = at + "a=fingerprint:sha-256 ".len();
    let other = if text[digit..].starts_with('0') { "1" } else { "0" };
    format!("{}{other}{}", &text[..digit], &text[digit + 1..])
}

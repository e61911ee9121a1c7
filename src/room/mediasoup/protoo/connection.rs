//! The task that owns a room's WebSocket. It only dispatches: answers to those who wait for them, everything else to
//! an [`Inbox`]; nobody who is slow keeps it from reading.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::rustls;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Error as SocketError};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

use super::Request;
use super::message::{MAX_BYTES, Message, Refusal, data_of};

/// Close code by which a protoo peer says that it does not want to be called again.
pub const CLOSE_FINAL: u16 = 4000;

/// For the TCP connection, TLS and the WebSocket's handshake together.
const OPEN_LIMIT: Duration = Duration::from_secs(10);
/// For the answer to a request.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// A server that does not take a message for so long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How often the server is pinged.
const HEARTBEAT: Duration = Duration::from_secs(4);
/// A server that has said nothing for so long, not even a pong, is gone.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
/// For the server's goodbye to ours.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);
/// Messages that may wait for the session. A step of it takes milliseconds.
const INBOX: usize = 256;
const OUTBOX: usize = 64;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why the WebSocket does not open. Never shows the URL: its query may hold a token.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It took too long.
    #[error("the server did not answer within {OPEN_LIMIT:?}")]
    TimedOut,
    /// TCP, TLS or HTTP said no.
    #[error("the WebSocket cannot be opened: {0}")]
    Refused(String),
}

/// Why a request was not answered as it should have been.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The server says no.
    #[error("the server refuses {method}: {refusal}")]
    Refused {
        /// The request.
        method: &'static str,
        /// What the server says.
        refusal: Refusal,
    },
    /// No answer.
    #[error("the server did not answer {0} within {REQUEST_LIMIT:?}")]
    TimedOut(&'static str),
    /// The connection ended.
    #[error("the connection ended before {0} was answered")]
    Closed(&'static str),
    /// An answer that is none.
    #[error("the server's answer to {method} cannot be read: {reason}")]
    Unreadable {
        /// The request.
        method: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// WebSocket's close code, if the server gave one.
    pub code: Option<u16>,
    /// In words.
    pub reason: String,
}

impl Closed {
    fn because(reason: impl Into<String>) -> Self {
        Self { code: None, reason: reason.into() }
    }

    /// Whether the server does not want to be called again.
    pub fn is_final(&self) -> bool {
        self.code == Some(CLOSE_FINAL)
    }
}

enum Outgoing {
    Request { method: &'static str, data: Value, reply: oneshot::Sender<Result<Value, Refusal>> },
    Response { id: u64, result: Result<Value, Refusal> },
    Close,
}

/// The service's end of a connection.
pub struct Connection {
    outbox: mpsc::Sender<Outgoing>,
    task: JoinHandle<()>,
}

/// A request or notification of the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// To be answered by [`Connection::accept`] or [`Connection::reject`].
    Request {
        /// For the answer.
        id: u64,
        /// What is asked for.
        method: String,
        /// Its arguments.
        data: Value,
    },
    /// Something happened.
    Notification {
        /// What.
        method: String,
        /// Its circumstances.
        data: Value,
    },
}

/// What the server says by itself, in order.
pub struct Inbox {
    messages: mpsc::Receiver<Incoming>,
    end: oneshot::Receiver<Closed>,
    closed: Option<Closed>,
}

impl Inbox {
    /// The next message, or how the connection ended. Cancel safe.
    pub async fn next(&mut self) -> Result<Incoming, Closed> {
        if let Some(message) = self.messages.recv().await {
            return Ok(message);
        }
        if self.closed.is_none() {
            self.closed = (&mut self.end).await.ok();
        }
        Err(self.closed.clone().unwrap_or_else(|| Closed::because("the connection's task has gone")))
    }
}

impl Connection {
    /// Opens the WebSocket at `url`.
    pub async fn open(url: &url::Url, tls: Arc<rustls::ClientConfig>) -> Result<(Self, Inbox), OpenError> {
        let refused = |error: SocketError| OpenError::Refused(reason(&error));
        let mut request = url.as_str().into_client_request().map_err(refused)?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("protoo"));
        let config = WebSocketConfig::default().max_message_size(Some(MAX_BYTES)).max_frame_size(Some(MAX_BYTES));
        let connector = Some(Connector::Rustls(tls));
        let opening = tokio_tungstenite::connect_async_tls_with_config(request, Some(config), true, connector);
        let (socket, _) =
            tokio::time::timeout(OPEN_LIMIT, opening).await.map_err(|_| OpenError::TimedOut)?.map_err(refused)?;
        let (outbox, outgoing) = mpsc::channel(OUTBOX);
        let (inbox, messages) = mpsc::channel(INBOX);
        let (ended, end) = oneshot::channel();
        let dispatcher = Dispatcher { socket, outgoing, inbox, pending: HashMap::new(), last_id: 0 };
        let task = tokio::spawn(async move {
            // an error means that nobody wants to know
            let _ = ended.send(dispatcher.run().await);
        });
        Ok((Self { outbox, task }, Inbox { messages, end, closed: None }))
    }

    /// Asks the server and waits for its answer.
    pub async fn request<R: Request>(&self, request: &R) -> Result<R::Answer, RequestError> {
        let (method, closed) = (R::METHOD, RequestError::Closed(R::METHOD));
        let unreadable = |reason: String| RequestError::Unreadable { method, reason };
        let data = data_of(request).map_err(|error| unreadable(error.to_string()))?;
        let (reply, answer) = oneshot::channel();
        if self.outbox.send(Outgoing::Request { method, data, reply }).await.is_err() {
            return Err(closed);
        }
        match tokio::time::timeout(REQUEST_LIMIT, answer).await {
            Err(_) => Err(RequestError::TimedOut(method)),
            Ok(Err(_)) => Err(closed),
            Ok(Ok(Err(refusal))) => Err(RequestError::Refused { method, refusal }),
            Ok(Ok(Ok(data))) => serde_json::from_value(data).map_err(|error| unreadable(error.to_string())),
        }
    }

    /// Asks the server and does not wait for an answer.
    pub fn post<R: Request>(&self, request: &R) {
        if let Ok(data) = data_of(request) {
            let (reply, _) = oneshot::channel();
            let _ = self.outbox.try_send(Outgoing::Request { method: R::METHOD, data, reply });
        }
    }

    /// Answers a request of the server with yes.
    pub async fn accept(&self, id: u64) {
        let result = Ok(Value::Object(serde_json::Map::new()));
        let _ = self.outbox.send(Outgoing::Response { id, result }).await;
    }

    /// Answers a request of the server with no.
    pub async fn reject(&self, id: u64, code: i64, reason: &str) {
        let result = Err(Refusal { code, reason: reason.into() });
        let _ = self.outbox.send(Outgoing::Response { id, result }).await;
    }

    /// Says goodbye after what has been sent so far, and waits for the end.
    pub async fn close(self) {
        let Self { outbox, mut task } = self;
        let _ = outbox.send(Outgoing::Close).await;
        drop(outbox);
        if tokio::time::timeout(WRITE_LIMIT + CLOSE_LIMIT, &mut task).await.is_err() {
            task.abort();
        }
    }
}

struct Dispatcher {
    socket: Socket,
    outgoing: mpsc::Receiver<Outgoing>,
    inbox: mpsc::Sender<Incoming>,
    /// Requests that have not been answered yet.
    pending: HashMap<u64, oneshot::Sender<Result<Value, Refusal>>>,
    last_id: u64,
}

impl Dispatcher {
    async fn run(mut self) -> Closed {
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        let mut heard = Instant::now();
        loop {
            let lost = tokio::select! {
                outgoing = self.outgoing.recv() => match outgoing {
                    Some(Outgoing::Request { method, data, reply }) => {
                        self.last_id += 1;
                        let id = self.last_id;
                        self.pending.insert(id, reply);
                        self.say(&Message::Request { id, method: method.into(), data }).await
                    }
                    Some(Outgoing::Response { id, result }) => self.say(&Message::Response { id, result }).await,
                    Some(Outgoing::Close) | None => return self.goodbye().await,
                },
                _ = heartbeat.tick() => {
                    // those who wait no longer
                    self.pending.retain(|_, reply| !reply.is_closed());
                    if heard.elapsed() > SILENCE_LIMIT {
                        Some(Closed::because(format!("nothing was heard of the server for {SILENCE_LIMIT:?}")))
                    } else {
                        self.write(tungstenite::Message::Ping(tungstenite::Bytes::new())).await
                    }
                }
                received = self.socket.next() => {
                    heard = Instant::now();
                    self.take_in(received)
                }
            };
            if let Some(closed) = lost {
                return closed;
            }
        }
    }

    /// `Some` when it was the last one.
    fn take_in(&mut self, received: Option<Result<tungstenite::Message, SocketError>>) -> Option<Closed> {
        match received {
            Some(Ok(tungstenite::Message::Text(text))) => {
                match Message::parse(&text) {
                    Ok(message) => self.dispatch(message),
                    Err(error) => tracing::warn!(%error, "a message of the room's server was ignored"),
                }
                None
            }
            Some(Ok(tungstenite::Message::Binary(_))) => {
                tracing::warn!("a binary message of the room's server was ignored");
                None
            }
            Some(Ok(tungstenite::Message::Close(frame))) => Some(Closed {
                code: frame.as_ref().map(|frame| frame.code.into()),
                reason: match frame {
                    Some(frame) => {
                        format!("closed by the server with code {} {:?}", u16::from(frame.code), &*frame.reason)
                    }
                    None => "closed by the server".into(),
                },
            }),
            // pings are answered on the way
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(Closed::because(format!("the connection broke: {}", reason(&error)))),
            None => Some(Closed::because("the connection ended")),
        }
    }

    fn dispatch(&mut self, message: Message) {
        let incoming = match message {
            Message::Response { id, result } => {
                match self.pending.remove(&id) {
                    Some(reply) => drop(reply.send(result)),
                    None => tracing::debug!(id, "an answer that nobody waits for was ignored"),
                }
                return;
            }
            Message::Request { id, method, data } => Incoming::Request { id, method, data },
            Message::Notification { method, data } => Incoming::Notification { method, data },
        };
        if self.inbox.try_send(incoming).is_err() {
            tracing::warn!("the room's server sends more than can be taken in: a message was dropped");
        }
    }

    async fn say(&mut self, message: &Message) -> Option<Closed> {
        self.write(tungstenite::Message::text(message.to_text())).await
    }

    /// `Some` when the server does not take it.
    async fn write(&mut self, message: tungstenite::Message) -> Option<Closed> {
        match tokio::time::timeout(WRITE_LIMIT, self.socket.send(message)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Closed::because(format!("the connection broke: {}", reason(&error)))),
            Err(_) => Some(Closed::because(format!("the server took nothing for {WRITE_LIMIT:?}"))),
        }
    }

    /// Closes in protoo's way: we shall not come back on this connection.
    async fn goodbye(mut self) -> Closed {
        let frame = CloseFrame { code: CloseCode::from(CLOSE_FINAL), reason: "closed by the service".into() };
        if self.write(tungstenite::Message::Close(Some(frame))).await.is_none() {
            let rest = async { while let Some(Ok(_)) = self.socket.next().await {} };
            let _ = tokio::time::timeout(CLOSE_LIMIT, rest).await;
        }
        Closed::because("closed by the service")
    }
}

/// What went wrong, without the address.
fn reason(error: &SocketError) -> String {
    match error {
        SocketError::Url(_) => "the address cannot be used".into(),
        other => other.to_string(),
    }
}

//! What is in Redis: the frames of sessions and the jobs that make videos of them. Times are Redis's own.
//!
//! | key | type | what |
//! |---|---|---|
//! | `session-video:QUEUE:jobs` | sorted set | sessions by the moment (milliseconds since 1970) from which a worker may take them: when they are due, or when the lease of the worker ends that has them |
//! | `session-video:QUEUE:job:SESSION` | hash | the record of a job: `state` (`waiting`, `working`, `built`, `failed`), `frames` that came, `attempts`, times, and the result or the `error` |
//! | `session-video:QUEUE:frames:SESSION` | stream | the frames, numbered from 1: `at`, milliseconds since the session's begin, and `file`, the picture as it came |
//!
//! Every change is one script (`scripts/*.lua`), so that a program may die between any two of them. A message that is sent
//! again because its answer got lost changes nothing: writers number theirs. Everything but the sorted set has a time to
//! live. Redis has to be one server, 5 or newer, not a cluster; `maxmemory-policy` has to be `noeviction`, the default.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ConnectionAddr, FromRedisValue, RedisError, Script, ScriptInvocation};
use secrecy::{ExposeSecret as _, SecretString};
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error as TlsError};

use crate::frame_door::protocol::SessionId;
use crate::lock::lock;

/// How long a job waits for a worker that does not come, from its last frame on.
pub const KEPT_WAITING: Duration = Duration::from_secs(7 * 24 * 3600);
/// A server that is there answers sooner.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Longest time to live; Redis's own limit is not much further away than a few hundred million years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

macro_rules! script {
    ($name:literal) => {
        LazyLock::new(|| {
            Script::new(concat!(include_str!("scripts/common.lua"), include_str!(concat!("scripts/", $name, ".lua"))))
        })
    };
}

static FRAME: LazyLock<Script> = script!("frame");
static ENDED: LazyLock<Script> = script!("ended");
static CLAIM: LazyLock<Script> = script!("claim");
static PROLONG: LazyLock<Script> = script!("prolong");
static BUILT: LazyLock<Script> = script!("built");
static FAILED: LazyLock<Script> = script!("failed");
static RELEASE: LazyLock<Script> = script!("release");

/// Why there is no queue.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// What was given as address; not shown, since it may hold a password.
    #[error(
        "the connection string of Redis has to be redis://[USER:PASSWORD@]HOST:PORT[/DATABASE], rediss://... for TLS, or redis+unix:///PATH"
    )]
    Address,
    /// `#insecure`: whoever is on the way could take the pictures.
    #[error(
        "the connection string of Redis ends in #insecure, which is not done: set SSL_CERT_FILE to the certificate of the server's authority"
    )]
    Insecure,
    /// The connection needs tasks.
    #[error("a connection to Redis needs a running tokio runtime")]
    NoRuntime,
    /// What the crate says of a connection that is not even begun.
    #[error("Redis at {address}: {error}")]
    Connection {
        /// Host and port.
        address: String,
        /// What it says.
        error: RedisError,
    },
}

/// Where Redis is, as the settings have it.
#[derive(Clone)]
pub struct Address(Client);

impl Address {
    /// Reads a connection string.
    ///
    /// # Errors
    /// [`QueueError::Address`], [`QueueError::Insecure`].
    pub fn read(text: &SecretString) -> Result<Self, QueueError> {
        let client = Client::open(text.expose_secret()).map_err(|_| QueueError::Address)?;
        match client.get_connection_info().addr() {
            ConnectionAddr::TcpTls { insecure: true, .. } => Err(QueueError::Insecure),
            _ => Ok(Self(client)),
        }
    }
}

/// Host and port, without user and password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.get_connection_info().addr().fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why Redis does not answer, and what to do where TLS is the reason.
pub fn reason(error: &RedisError) -> String {
    let advice = match tls_error(error) {
        Some(TlsError::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            "set SSL_CERT_FILE to the certificate of the server's authority"
        }
        Some(TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "the connection string has to name the server as its certificate does",
        Some(TlsError::AlertReceived(AlertDescription::CertificateRequired)) => {
            "the server wants a certificate of clients, which have a password: give it tls-auth-clients no"
        }
        _ => return error.to_string(),
    };
    format!("{error}; {advice}")
}

fn tls_error(error: &RedisError) -> Option<&TlsError> {
    // the source of an `io::Error` is not what is in it but the source of that
    let source = error.source()?.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>()?;
    source.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
}

/// What is done with the frames of a session; travels with its job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The last so many frames; none: all.
    pub frames_limit: Option<u32>,
    /// From the last frame, or an end without best shot, until the job is due.
    pub session_timeout: Duration,
    /// How long frames and record stay after the video was built.
    pub result_ttl: Duration,
    /// How long the record of a failed job stays; its frames go after `result_ttl`.
    pub failure_ttl: Duration,
    /// What the worker does.
    pub task: String,
}

/// What a service has to say of a session.
#[derive(Clone)]
pub struct Message {
    /// Which.
    pub session: SessionId,
    /// Grows by one from message to message of a writer, from 1.
    pub number: u64,
    /// What.
    pub news: News,
}

/// A frame, or the end.
#[derive(Clone)]
pub enum News {
    /// A frame.
    Frame {
        /// Since the session's begin.
        at: Duration,
        /// A picture file.
        file: Bytes,
    },
    /// No more frames for now.
    Ended {
        /// Then there is nothing to wait for.
        has_best_shot: bool,
    },
}

/// A job that a worker has taken.
#[derive(Clone, Debug)]
pub struct Job {
    /// Whose frames.
    pub session: SessionId,
    /// Counts from 1.
    pub attempt: u32,
    /// What to do.
    pub task: String,
    /// Says that it is this worker's; changes from claim to claim.
    pub token: String,
}

/// What came of asking for a job.
#[derive(Clone, Debug)]
pub enum Claim {
    /// One.
    Job(Job),
    /// None now; the next is due after this time, if one is known.
    None(Option<Duration>),
}

/// A frame, out of the queue.
pub struct StoredFrame {
    /// Counts from 1; with a limit the first are missing.
    pub number: u64,
    /// Since the session's begin.
    pub at: Duration,
    /// A picture file.
    pub file: Bytes,
}

/// A connection to one queue. It is made, and made again, when it is needed.
pub struct Queue {
    address: Address,
    prefix: String,
    connection: Mutex<ConnectionManager>,
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.min(LONGEST).as_millis()).unwrap_or(u64::MAX)
}

impl Queue {
    /// Needs no Redis yet, but a tokio runtime.
    ///
    /// # Errors
    /// [`QueueError`], but for the address.
    pub fn open(address: Address, name: &str) -> Result<Self, QueueError> {
        tokio::runtime::Handle::try_current().map_err(|_| QueueError::NoRuntime)?;
        // for rediss://
        crate::outbound::install_crypto_provider();
        let connection = Mutex::new(connect(&address)?);
        Ok(Self { address, prefix: format!("session-video:{name}:"), connection })
    }

    /// Host and port.
    pub fn address(&self) -> &Address {
        &self.address
    }

    fn jobs(&self) -> String {
        format!("{}jobs", self.prefix)
    }

    fn job(&self, session: SessionId) -> String {
        format!("{}job:{session}", self.prefix)
    }

    fn frames(&self, session: SessionId) -> String {
        format!("{}frames:{session}", self.prefix)
    }

    fn connection(&self) -> ConnectionManager {
        lock(&self.connection).clone()
    }

    /// After an error the next attempt gets a new connection: the manager itself begins one only after some errors, not when a
    /// server was still loading its data, or is gone without a word.
    fn mind<T>(&self, answer: Result<T, RedisError>) -> Result<T, RedisError> {
        if answer.is_err()
            && let Ok(fresh) = connect(&self.address)
        {
            *lock(&self.connection) = fresh;
        }
        answer
    }

    async fn run<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, RedisError> {
        self.mind(call.invoke_async(&mut self.connection()).await)
    }

    /// Sends messages in their order, at once. The same may be sent again.
    ///
    /// # Errors
    /// What Redis, or the way to it, says; any number of the messages may have come through.
    pub async fn write(&self, writer: &str, terms: &Terms, messages: &[Message]) -> Result<(), RedisError> {
        let mut pipe = redis::pipe();
        // A server that was started again has forgotten them.
        pipe.load_script(&FRAME).ignore().load_script(&ENDED).ignore();
        let timeout = milliseconds(terms.session_timeout);
        for Message { session, number, news } in messages {
            let (jobs, job, id) = (self.jobs(), self.job(*session), session.to_string());
            let call = match news {
                News::Frame { at, file } => {
                    let mut call = redis::cmd("EVALSHA");
                    call.arg(FRAME.get_hash()).arg(3).arg(jobs).arg(job).arg(self.frames(*session));
                    call.arg(id).arg(writer).arg(*number).arg(milliseconds(*at)).arg(&file[..]);
                    call.arg(terms.frames_limit.unwrap_or(0)).arg(timeout).arg(milliseconds(terms.result_ttl));
                    call.arg(milliseconds(terms.failure_ttl)).arg(&terms.task);
                    call.arg(timeout + milliseconds(KEPT_WAITING));
                    call
                }
                News::Ended { has_best_shot } => {
                    let mut call = redis::cmd("EVALSHA");
                    call.arg(ENDED.get_hash()).arg(2).arg(jobs).arg(job);
                    call.arg(id).arg(writer).arg(*number).arg(if *has_best_shot { 0 } else { timeout });
                    call
                }
            };
            pipe.add_command(call).ignore();
        }
        self.mind(pipe.query_async(&mut self.connection()).await)
    }

    /// Takes a job that is due, for as long as `lease`. Jobs whose `attempts` are used up fail.
    ///
    /// # Errors
    /// What Redis, or the way to it, says.
    pub async fn claim(&self, token: &str, lease: Duration, attempts: u32) -> Result<Claim, RedisError> {
        let (jobs, frames) = (format!("{}job:", self.prefix), format!("{}frames:", self.prefix));
        let mut call = CLAIM.key(self.jobs());
        call.arg(jobs).arg(frames).arg(token).arg(milliseconds(lease)).arg(attempts).arg(milliseconds(KEPT_WAITING));
        let answer: Vec<String> = self.run(&call).await?;
        let unusable =
            || RedisError::from((redis::ErrorKind::UnexpectedReturnType, "not a job as this program makes them"));
        match &answer[..] {
            [session, attempt, task] => Ok(Claim::Job(Job {
                session: session.parse().map_err(|_| unusable())?,
                attempt: attempt.parse().map_err(|_| unusable())?,
                task: task.clone(),
                token: token.to_owned(),
            })),
            [wait] => Ok(Claim::None(wait.parse().ok().map(Duration::from_millis))),
            _ => Err(unusable()),
        }
    }

    /// Frames of a session from a number on, `count` at most.
    ///
    /// # Errors
    /// What Redis, or the way to it, says.
    pub async fn read(&self, session: SessionId, from: u64, count: usize) -> Result<Vec<StoredFrame>, RedisError> {
        let mut call = redis::cmd("XRANGE");
        call.arg(self.frames(session)).arg(format!("{from}-0")).arg("+").arg("COUNT").arg(count);
        let entries: Vec<(String, (String, u64, String, Bytes))> =
            self.mind(call.query_async(&mut self.connection()).await)?;
        let frame = |(id, (_, at, _, file)): (String, (String, u64, String, Bytes))| {
            let number = id.split('-').next()?.parse().ok()?;
            Some(StoredFrame { number, at: Duration::from_millis(at), file })
        };
        Ok(entries.into_iter().filter_map(frame).collect())
    }

    /// Whether the job is still this worker's; if so, for another `lease`.
    ///
    /// # Errors
    /// What Redis, or the way to it, says.
    pub async fn prolong(&self, job: &Job, lease: Duration) -> Result<bool, RedisError> {
        let mut call = PROLONG.key(self.jobs());
        call.key(self.job(job.session)).arg(job.session.to_string()).arg(&job.token).arg(milliseconds(lease));
        self.run(&call).await
    }

    /// The job is done with frames up to number `read`; `result` goes into the record. False: it was another worker's.
    ///
    /// # Errors
    /// What Redis, or the way to it, says.
    pub async fn built(&self, job: &Job, read: u64, result: &[(&str, String)]) -> Result<bool, RedisError> {
        let mut call = BUILT.key(self.jobs());
        call.key(self.job(job.session)).key(self.frames(job.session));
        call.arg(job.session.to_string()).arg(&job.token).arg(read);
        for (field, value) in result {
            call.arg(*field).arg(value);
        }
        self.run(&call).await
    }

    /// The attempt failed; the next, if `attempts` are not used up, begins after `delay`. False: it was another worker's.
    ///
    /// # Errors
    /// What Redis, or the way to it, says.
    pub async fn failed(&self, job: &Job, reason: &str, attempts: u32, delay: Duration) -> Result<bool, RedisError> {
        let mut call = FAILED.key(self.jobs());
        call.key(self.job(job.session)).key(self.frames(job.session));
        call.arg(job.session.to_string()).arg(&job.token).arg(reason).arg(attempts).arg(milliseconds(delay));
        self.run(&call).await
    }

    /// Gives the job back. False: it was another worker's.
    ///
    /// # Errors
    /// What Redis, or the way to it, says.
    pub async fn release(&self, job: &Job) -> Result<bool, RedisError> {
        let mut call = RELEASE.key(self.jobs());
        call.key(self.job(job.session)).arg(job.session.to_string()).arg(&job.token);
        self.run(&call).await
    }

    /// The record of a session's job, empty when there is none.
    ///
    /// # Errors
    /// What Redis, or the way to it, says.
    pub async fn record(&self, session: SessionId) -> Result<HashMap<String, String>, RedisError> {
        self.mind(redis::cmd("HGETALL").arg(self.job(session)).query_async(&mut self.connection()).await)
    }
}

fn connect(address: &Address) -> Result<ConnectionManager, QueueError> {
    // One attempt each: those who use it know how long they can wait.
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(CONNECT_LIMIT))
        .set_response_timeout(Some(ANSWER_LIMIT));
    let connection = ConnectionManager::new_lazy_with_config(address.0.clone(), config);
    connection.map_err(|error| QueueError::Connection { address: address.to_string(), error })
}

//! The test controller of the walk-through: `vision-service controller --assets DIR`.
//!
//! Tokens are names of files in a folder: `GET /list/1234.jpg` names `{PUBLIC_BASE_URL}/assets/1234.jpg` as the
//! reference, and `PUT /success/1234.jpg` or `/failure/1234.jpg` prints a line. Nothing outside that folder can be
//! named: not by path, not by link. For trying out: whoever reaches it can read the pictures.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use url::Url;
use warp::http::{Response, StatusCode, header};
use warp::{Filter, Reply};

use super::client::Verdict;
use crate::http::body::{self, Body};
use crate::http::serve::{BindError, Server, serve_plain};
use crate::token::{Algorithm, Verifier};

/// Largest file that is served, in bytes.
const MAX_FILE: u64 = 50_000_000;

/// Longest body of an outcome, in bytes.
const MAX_RESULT: usize = 1 << 20;

/// The body of an outcome, where the service signs.
#[derive(Deserialize)]
struct SignedResult {
    jwt: String,
}

/// Options of `vision-service controller`.
#[derive(Clone, Debug, clap::Args)]
pub struct ControllerArgs {
    /// Folder with reference images; a flow's token is a file's name in it
    #[arg(long, value_name = "DIR")]
    pub assets: PathBuf,
    /// Address at which the service reaches this controller [default: http://localhost:PORT]
    #[arg(long, env = "PUBLIC_BASE_URL", value_name = "URL")]
    pub public_base_url: Option<Url>,
    /// Port to listen on
    #[arg(long, env = "PORT", default_value_t = 5001)]
    pub port: u16,
    /// Address to listen on
    #[arg(long, env = "HOST", default_value = "0.0.0.0")]
    pub host: IpAddr,
    /// File with the key that signed results (callbacks.body = jwt) are verified with: the shared one of an HMAC, otherwise
    /// the public one as PEM
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// How results have to be signed: HS256, HS384, HS512, RS256, ES256 or EdDSA
    #[arg(long, default_value = "HS256")]
    pub algorithm: Algorithm,
    /// Whom results have to be for
    #[arg(long)]
    pub audience: Option<String>,
}

/// The test controller cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ControllerServerError {
    /// The folder is missing.
    #[error("{path} is not a folder with reference images: {reason}")]
    Assets {
        /// As given.
        path: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// The port is taken.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// No key to verify with.
    #[error("{0}: {1}")]
    Key(PathBuf, String),
}

/// A running test controller. Dropping it stops it.
#[derive(Debug)]
pub struct ControllerServer {
    server: Server,
}

impl ControllerServer {
    /// Listens on `addr` and calls `on_outcome` with each outcome, its token and the signed result, if there is one. `public` is how the service reaches
    /// it; when absent, the address at which it was asked.
    pub async fn bind(
        addr: SocketAddr,
        assets: &Path,
        public: Option<Url>,
        on_outcome: impl Fn(Verdict, &str, Option<&str>) + Send + Sync + 'static,
    ) -> Result<Self, ControllerServerError> {
        let folder = assets
            .canonicalize()
            .and_then(|folder| std::fs::read_dir(&folder).map(|_| folder))
            .map_err(|reason| ControllerServerError::Assets { path: assets.to_owned(), reason })?;
        let server = serve_plain(routes(folder.into(), public, Arc::new(on_outcome)), addr).await?;
        Ok(Self { server })
    }

    /// The port where it listens.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Stops listening and lets requests under way end.
    pub async fn stop(self) {
        self.server.stop(Duration::from_secs(2)).await;
    }
}

/// Runs until `stop` is ready and prints a line for each outcome.
pub async fn run(args: ControllerArgs, stop: impl Future<Output = ()>) -> Result<(), ControllerServerError> {
    let verifier = args.key_file.as_deref().map(|file| verifier(file, args.algorithm, args.audience.as_deref()));
    let verifier = verifier.transpose()?;
    let print = move |verdict, token: &str, jwt: Option<&str>| {
        println!("{}{}", outcome_line(verdict, token), result_line(jwt, verifier.as_ref()));
    };
    let server =
        ControllerServer::bind((args.host, args.port).into(), &args.assets, args.public_base_url.clone(), print)
            .await?;
    let base =
        args.public_base_url.map_or_else(|| format!("http://localhost:{}", server.port()), |url| url.to_string());
    println!("callback_base_url: {}", base.trim_end_matches('/'));
    println!("tokens: the files in {}", args.assets.display());
    stop.await;
    server.stop().await;
    Ok(())
}

/// The token as the terminal may see it: a caller chose it.
fn outcome_line(verdict: Verdict, token: &str) -> String {
    format!("{verdict:?} {}", token.escape_debug())
}

fn verifier(file: &Path, algorithm: Algorithm, audience: Option<&str>) -> Result<Verifier, ControllerServerError> {
    let wrong = |reason: String| ControllerServerError::Key(file.to_owned(), reason);
    let key = std::fs::read(file).map_err(|e| wrong(e.to_string()))?;
    Verifier::new(algorithm, key.trim_ascii_end(), audience).map_err(|e| wrong(e.to_string()))
}

/// What a signed result says, if it is worth anything.
fn result_line(jwt: Option<&str>, verifier: Option<&Verifier>) -> String {
    match (jwt, verifier) {
        (None, None) => String::new(),
        (None, Some(_)) => "; NOT SIGNED".to_owned(),
        (Some(_), None) => "; signed, not verified (--key-file)".to_owned(),
        (Some(jwt), Some(verifier)) => match verifier.verify(jwt) {
            Ok(claims) => {
                let details = claims.details;
                format!("; signed: isOk {}, flow {}, {details}", claims.is_ok, claims.sid.escape_debug())
            }
            Err(e) => format!("; ITS SIGNED RESULT IS WORTH NOTHING: {e}"),
        },
    }
}

type OnOutcome = Arc<dyn Fn(Verdict, &str, Option<&str>) + Send + Sync>;

fn routes(
    folder: Arc<Path>,
    public: Option<Url>,
    on_outcome: OnOutcome,
) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone + Send + Sync + 'static {
    let in_folder = warp::any().map(move || folder.clone());
    let list = warp::path!("list" / String)
        .and(warp::get())
        .and(in_folder.clone())
        .and(warp::header::optional::<String>("host"))
        .map(move |token: String, folder: Arc<Path>, host: Option<String>| {
            list(&folder, &token, public.as_ref(), host)
        });
    let asset = warp::path!("assets" / String)
        .and(warp::get())
        .and(in_folder)
        .then(|name: String, folder: Arc<Path>| async move { asset(&folder, &name).await });
    let outcome = warp::path!(String / String).and(warp::put()).and(body::limited(MAX_RESULT));
    let outcome = outcome.map(move |verb: String, token: String, body: Body| {
        let verdict = match verb.as_str() {
            "success" => Verdict::Success,
            "failure" => Verdict::Failure,
            _ => return status(StatusCode::NOT_FOUND),
        };
        let (Ok(token), Ok(body)) = (percent_decode_str(&token).decode_utf8(), body) else {
            return status(StatusCode::BAD_REQUEST);
        };
        let jwt = serde_json::from_slice::<SignedResult>(&body).ok().map(|signed| signed.jwt);
        on_outcome(verdict, &token, jwt.as_deref());
        status(StatusCode::OK)
    });
    list.or(asset).unify().or(outcome).unify()
}

fn list(folder: &Path, token: &str, public: Option<&Url>, host: Option<String>) -> Response<Vec<u8>> {
    let base = public.cloned().or_else(|| format!("http://{}", host?).parse().ok());
    let (Some(path), Some(mut url)) = (resolve(folder, token), base) else {
        return status(StatusCode::NOT_FOUND);
    };
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(["assets", name]);
    }
    let body = serde_json::json!([url.as_str()]).to_string().into_bytes();
    with_type("application/json", body)
}

async fn asset(folder: &Path, name: &str) -> Response<Vec<u8>> {
    let Some(path) = resolve(folder, name) else {
        return status(StatusCode::NOT_FOUND);
    };
    match tokio::fs::read(&path).await {
        Ok(bytes) => {
            let mime = image::guess_format(&bytes).map_or("application/octet-stream", |format| format.to_mime_type());
            with_type(mime, bytes)
        }
        Err(error) => {
            tracing::warn!(%error, "a reference image cannot be read");
            status(StatusCode::NOT_FOUND)
        }
    }
}

/// The file that a path segment, still percent-encoded, names in `folder` (canonical): directly in it, visible,
/// regular, no link.
fn resolve(folder: &Path, segment: &str) -> Option<PathBuf> {
    let name = percent_decode_str(segment).decode_utf8().ok()?;
    if name.starts_with('.') || name.contains(['/', '\\', '\0']) || name.is_empty() {
        return None;
    }
    let path = folder.join(&*name);
    let metadata = path.symlink_metadata().ok()?;
    (path.parent() == Some(folder) && metadata.is_file() && metadata.len() <= MAX_FILE).then_some(path)
}

fn with_type(mime: &str, body: Vec<u8>) -> Response<Vec<u8>> {
    let response = Response::builder()
        .header(header::CONTENT_TYPE, mime)
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .body(body);
    response.expect("the headers are constants")
}

fn status(status: StatusCode) -> Response<Vec<u8>> {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::Instant;

    use super::*;
    use crate::controller::client::{ControllerClient, ControllerOptions};
    use crate::controller::references::{ReferenceLimits, ReferenceLoader};
    use crate::evidence::testing;

    /// A folder with pictures, a file beside it, and ways that lead there.
    struct Assets(PathBuf);

    impl Assets {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("vision-service-controller-{}-{name}", std::process::id()));
            let folder = root.join("assets");
            std::fs::create_dir_all(folder.join("sub")).unwrap();
            let picture = image::RgbImage::from_pixel(8, 8, image::Rgb([1, 2, 3]));
            for path in [
                folder.join("1234.jpg"),
                folder.join("a b é.png"),
                folder.join(".hidden.png"),
                folder.join("sub/x.png"),
                root.join("secret.png"),
            ] {
                picture.save(path).unwrap();
            }
            std::os::unix::fs::symlink(root.join("secret.png"), folder.join("link.png")).unwrap();
            Self(root)
        }

        fn folder(&self) -> PathBuf {
            self.0.join("assets").canonicalize().unwrap()
        }
    }

    impl Drop for Assets {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    const OUTSIDE: [&str; 15] = [
        "",
        ".",
        "..",
        "%2e%2e",
        "..%2fsecret.png",
        "..%2Fsecret.png",
        "%2e%2e%2fsecret.png",
        "..%5csecret.png",
        "%2Fetc%2Fpasswd",
        "link.png",
        "sub",
        "sub%2Fx.png",
        ".hidden.png",
        "none.png",
        "1234.jpg%00",
    ];

    #[test]
    fn tokens_never_leave_the_folder() {
        let assets = Assets::new("resolve");
        let folder = assets.folder();
        assert_eq!(resolve(&folder, "1234.jpg"), Some(folder.join("1234.jpg")));
        assert_eq!(resolve(&folder, "a%20b%20%C3%A9.png"), Some(folder.join("a b é.png")));
        for outside in OUTSIDE {
            assert_eq!(resolve(&folder, outside), None, "{outside}");
        }
    }

    async fn raw_status(port: u16, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split_whitespace().nth(1).unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn the_walk_through_works_with_the_services_own_clients() {
        let assets = Assets::new("walk");
        let told = Arc::new(Mutex::new(Vec::new()));
        let log = told.clone();
        let loopback = ([127, 0, 0, 1], 0).into();
        let server = ControllerServer::bind(loopback, &assets.folder(), None, move |verdict, token, jwt| {
            log.lock().unwrap().push(outcome_line(verdict, token) + &result_line(jwt, Some(&testing::verifier())));
        })
        .await
        .unwrap();
        let base: Url = format!("http://127.0.0.1:{}", server.port()).parse().unwrap();
        let client = ControllerClient::new(ControllerOptions::default()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);

        for token in ["1234.jpg", "a b é.png"] {
            let list = client.list(&base, token, deadline).await.unwrap();
            let loader = ReferenceLoader::new(ReferenceLimits::default()).unwrap();
            let references = loader.load(&list, None, deadline).await.unwrap();
            assert_eq!(references.read[0].picture.width, 8);
        }
        client.report(&base, "1234.jpg", "id", Verdict::Success, Duration::ZERO, None).await.unwrap();
        client.report(&base, "a/b\u{1b}", "id", Verdict::Failure, Duration::ZERO, None).await.unwrap();
        let jwt = testing::terms(None).signer.sign(&testing::claims("f00d")).unwrap();
        let other = "a.b.c";
        for jwt in [jwt.as_str(), other] {
            client.report(&base, "1234.jpg", "id", Verdict::Success, Duration::ZERO, Some(jwt)).await.unwrap();
        }
        let told = told.lock().unwrap().clone();
        assert_eq!(told[..2], ["Success 1234.jpg; NOT SIGNED", "Failure a/b\\u{1b}; NOT SIGNED"]);
        assert_eq!(told[2], "Success 1234.jpg; signed: isOk true, flow f00d, {\"outcome\":\"verified\"}");
        assert!(told[3].contains("WORTH NOTHING"), "{told:?}");

        for outside in OUTSIDE {
            for place in ["list", "assets"] {
                assert_eq!(raw_status(server.port(), &format!("/{place}/{outside}")).await, "404", "{place}/{outside}");
            }
        }
        server.stop().await;
    }

    #[tokio::test]
    async fn the_public_address_and_the_folder_are_configuration() {
        let assets = Assets::new("public");
        let public: Url = "https://example.org/cb/".parse().unwrap();
        let answer = list(&assets.folder(), "1234.jpg", Some(&public), None);
        assert_eq!(answer.body(), br#"["https://example.org/cb/assets/1234.jpg"]"#);
        let error = ControllerServer::bind(([127, 0, 0, 1], 0).into(), Path::new("/no/such"), None, |_, _, _| {})
            .await
            .unwrap_err();
        assert!(error.to_string().contains("/no/such"), "{error}");
    }
}

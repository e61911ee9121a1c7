//! Builds the parts, runs until stopped, drains.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vision_core::challenge::{ChallengeError, ChallengePool};
use vision_core::gestures::{GestureError, GestureLibrary};
use vision_core::liveness::{Check, Mode};
use vision_core::locales::{LocaleError, Locales};
use vision_models::engine::{Engine, EngineError, EngineOptions};

use crate::config::{self, Config};
use crate::controller::{ControllerClient, ControllerOptions, ReferenceLimits, ReferenceLoader};
use crate::debug::Debug;
use crate::evidence::Keeper;
use crate::evidence::keeper::KeepError;
use crate::flow::{self, FlowId, Flows, Refusal};
use crate::frame_door::{self, FrameDoor};
use crate::http::Site;
use crate::http::demo::{Demo, DemoFlow, StartFlow};
use crate::http::face_match::FaceMatch;
use crate::http::flows::refused;
use crate::http::join_call::JoinCall;
use crate::http::reply::Reply;
use crate::http::serve::{BindError, Server, serve_plain, serve_tls};
use crate::http::tls::{Identity, TlsError, local_addresses};
use crate::matching::{EmbeddedMatcher, EngineEmbedder, Matcher, RemoteMatcher};
use crate::outbound::ClientError;
use crate::redact::shorten;
use crate::room::{RoomUrl, Rooms};
use crate::signing::{self, Signing, SigningError};

/// What `challenge.require_turn` asks for: one of them.
const TURNS: [&str; 2] = ["turnLeft", "turnRight"];

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each wraps the error of the module that it names
pub enum AppError {
    #[error(transparent)]
    Gestures(#[from] GestureError),
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
    #[error(transparent)]
    Locales(#[from] LocaleError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(
        "there is no embedding network to compare faces with: run `make models`, or name a remote matcher (VISION_MATCHER_BASE_URL)"
    )]
    NoMatcher,
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("GStreamer cannot be used: {0}")]
    GStreamer(String),
    #[error(transparent)]
    Media(#[from] crate::media::MediaError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error("evidence cannot be kept: {0}")]
    Evidence(#[from] KeepError),
    #[error(transparent)]
    FrameDoor(#[from] frame_door::OpenError),
    #[error("LUNA_PASS.host `{0}` is no address to listen at: {1}")]
    FrameDoorHost(String, std::io::Error),
}

/// What flows and handlers share.
pub struct Services {
    /// As validated.
    pub config: Config,
    /// Who is running.
    pub flows: Arc<Flows>,
    /// The networks.
    pub engine: Arc<Engine>,
    /// What subjects can be asked.
    pub challenges: ChallengePool,
    /// The words.
    pub locales: Locales,
    /// The rooms that the service itself offers.
    pub rooms: Rooms,
    /// Callbacks.
    pub controller: ControllerClient,
    /// Reference images.
    pub references: ReferenceLoader,
    /// Are these the same person? The flows' matcher.
    pub matcher: Matcher,
    /// The networks' own matcher, for `POST /face_match` and the demo; none without an embedding network.
    pub embedded: Option<Arc<EmbeddedMatcher>>,
    /// The door for sessions of frames; none where it is closed.
    pub frame_door: Option<Arc<FrameDoor>>,
    /// What the debug endpoints need; none where they are switched off.
    pub debug: Option<Arc<Debug>>,
    /// Keeps evidence; none where it is off.
    pub keeper: Option<Keeper>,
    /// Signs the results that callbacks carry; none where they carry nothing.
    pub signing: Option<Signing>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Services {
    /// Builds everything but the listeners; the networks are loaded here.
    pub fn build(config: Config) -> Result<Arc<Self>, AppError> {
        gst::init().map_err(|e| AppError::GStreamer(e.to_string()))?;
        crate::telemetry::bridge_gstreamer_log();
        crate::media::init()?;
        let codecs = crate::media::hardware::choose(config.media.hardware);
        tracing::info!(%codecs, "decoders and encoders");
        for notice in &config.notices {
            tracing::warn!("{notice}");
        }
        let gestures = GestureLibrary::load(&config.challenge.folders)?;
        let mut challenges = ChallengePool::new(&gestures, &config.challenge.gestures, config.challenge.count)?;
        if config.challenge.require_turn {
            challenges = challenges.with_one_of(&gestures, &TURNS)?;
        }
        let locales = Locales::load(&config.locale.folders, &config.locale.default)?;
        let door = frame_door::read_settings(&config.frame_door)?;
        let mut options = engine_options(&config);
        // its frame checks end with these
        options.antispoof |= frame_door::is_open(&door);
        options.glasses |= frame_door::is_open(&door);
        let engine = Engine::open(&options)?;
        if config.liveness.modes.of(Check::Glasses) == Mode::Enforce && !engine.info().glasses {
            tracing::warn!(
                "glasses end a flow (GLASSES_DETECTOR_MODE, LIVENESS_PROFILE), and the network that sees them is missing: only sunglasses and thick frames are noticed. `make models WITH=glasses` fetches it (AGPL-3.0)"
            );
        }
        if let Err(error) = crate::media::screen::warm_up((config.media.width, config.media.height)) {
            tracing::warn!(%error, "no picture for a subject could be drawn for a trial");
        }
        let c = &config;
        let controller =
            ControllerClient::new(ControllerOptions { timeout: c.controller.timeout, ..Default::default() })?;
        let references = ReferenceLoader::new(ReferenceLimits {
            max_count: c.references.max_count,
            max_bytes: c.references.max_bytes,
            max_pixels: c.references.max_pixels,
            timeout: c.references.timeout,
            max_redirects: c.references.max_redirects,
        })?;
        let embedded = EngineEmbedder::new(engine.clone()).map(|e| Arc::new(EmbeddedMatcher::new(Arc::new(e))));
        let matcher = match (&c.matching.remote_url, &embedded) {
            (Some(url), _) => Matcher::Remote(Arc::new(RemoteMatcher::new(url, c.matching.remote_threshold)?)),
            (None, Some(embedded)) => Matcher::Embedded(embedded.clone()),
            (None, None) => return Err(AppError::NoMatcher),
        };
        let stop = CancellationToken::new();
        let keeper = match (&c.evidence, &c.signing) {
            (None, _) => None,
            (Some(evidence), Some(settings)) => Some(Keeper::open(evidence, signing::open(settings)?)?),
            (Some(_), None) => return Err(KeepError::Unsigned.into()),
        };
        let frame_door = FrameDoor::open(door, &c.frame_door, engine.clone(), keeper.clone(), stop.child_token())?;
        let signing = c.signing.as_ref().filter(|_| c.callbacks.jwt).map(Signing::open).transpose()?;
        Ok(Arc::new(Self {
            frame_door,
            keeper,
            signing,
            flows: Flows::new(c.flow.max_flows),
            rooms: Rooms::new(),
            engine,
            challenges,
            locales,
            controller,
            references,
            matcher,
            embedded,
            debug: Debug::new(&config),
            tasks: TaskTracker::new(),
            stop,
            config,
        }))
    }

    /// Starts a flow in the background.
    pub fn start_flow(self: &Arc<Self>, call: JoinCall) -> Result<FlowId, Refusal> {
        let admission = self.flows.admit(&call.token)?;
        let id = admission.id();
        tracing::info!(flow = %id, token = shorten(&call.token), room = %call.room, "flow accepted");
        self.tasks.spawn(flow::run(self.clone(), call, admission, self.stop.child_token()));
        Ok(id)
    }

    /// No new flows; running ones end with the reason `shutdown`. Returns when all have, or after the configured limit.
    pub async fn drain(&self) {
        self.flows.stop();
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(self.config.flow.shutdown_limit, self.tasks.wait()).await.is_err() {
            tracing::error!(flows = self.tasks.len(), "flows did not end within SHUTDOWN_LIMIT; stopping all the same");
        }
        if let Some(door) = &self.frame_door {
            door.close(self.config.flow.shutdown_limit).await;
        }
        if let Some(keeper) = &self.keeper {
            keeper.finish(self.config.flow.shutdown_limit).await;
        }
    }
}

/// The part of the configuration that the networks need.
pub fn engine_options(config: &Config) -> EngineOptions {
    EngineOptions {
        folder: config.analysis.models_folder.clone(),
        runtime: config.analysis.runtime.clone(),
        batch_wait: config.analysis.batch_wait,
        workers: config.analysis.workers,
        embedding: config.matching.embedding.clone(),
        antispoof: config.liveness.modes.looks_at(Check::PassiveLiveness),
        glasses: config.liveness.modes.looks_at(Check::Glasses),
    }
}

/// The service with its listeners.
pub struct Application {
    services: Arc<Services>,
    servers: Vec<Server>,
    port: u16,
    https: Option<u16>,
}

impl Application {
    /// Builds the parts and binds the listeners; flows can be started as soon as this returns.
    pub async fn build(config: Config) -> Result<Self, AppError> {
        // Loading networks and scanning plug-ins takes a second: not on a thread that serves sockets.
        let services = tokio::task::spawn_blocking(move || Services::build(config))
            .await
            .unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()))?;
        let http = &services.config.http;
        let embedded = services.embedded.clone();
        let face_match =
            FaceMatch::new(embedded.clone(), services.references.clone(), services.config.matching.allow_file_urls);
        let demo = match http.demo {
            true => Some(Demo::bind(Arc::new(Starter(services.clone())), services.references.clone(), embedded).await?),
            false => None,
        };
        let mut site = Site { services: services.clone(), face_match: Arc::new(face_match), demo, https_port: None };

        // HTTPS first: the plain pages tell where it is.
        let mut servers = Vec::new();
        if let Some(port) = second_port(http) {
            let identity = Identity::self_signed(&local_addresses())?;
            match serve_tls(crate::http::routes(site.clone()), SocketAddr::new(http.host, port), &identity).await {
                Ok(server) => {
                    site.https_port = Some(server.port());
                    servers.push(server);
                }
                // Nobody asked for this very port.
                Err(e) if http.https_port.is_none() => tracing::warn!("no HTTPS for phones: {e}"),
                Err(e) => return Err(e.into()),
            }
        }
        let addr = SocketAddr::new(http.host, http.port);
        let https = site.https_port;
        let routes = crate::http::routes(site);
        if let Some((host, port)) = services.frame_door.as_ref().and_then(|door| door.listener()) {
            let server = serve_plain(routes.clone(), resolve(host, *port).await?).await?;
            tracing::info!("the frame door is at http://{} too", server.addr());
            servers.push(server);
        }
        let main = match &http.certificate {
            Some(files) => serve_tls(routes, addr, &Identity::from_files(&files.cert, &files.key)?).await?,
            None => serve_plain(routes, addr).await?,
        };
        let port = main.port();
        servers.push(main);
        Ok(Self { services, servers, port, https })
    }

    /// The port that `http.port` became.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The second port, which speaks HTTPS with a self-signed certificate.
    pub fn https_port(&self) -> Option<u16> {
        self.https
    }

    /// What the handlers use.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Serves until `stop` is ready, then drains.
    pub async fn run_until_stopped(self, stop: impl Future<Output = ()>) {
        stop.await;
        tracing::info!("stopping: no new flows, running ones end");
        self.services.drain().await;
        let grace = std::time::Duration::from_secs(1);
        futures_util::future::join_all(self.servers.into_iter().map(|s| s.stop(grace))).await;
    }
}

/// The address of a host that may be a name.
async fn resolve(host: &str, port: u16) -> Result<SocketAddr, AppError> {
    let failed = |error| AppError::FrameDoorHost(host.to_owned(), error);
    let first = tokio::net::lookup_host((host, port)).await.map_err(failed)?.next();
    first.ok_or_else(|| failed(std::io::Error::other("it has no address")))
}

/// Where HTTPS with a self-signed certificate is served besides: where the configuration says so, and beside the demo,
/// since phones give no camera to pages over plain HTTP.
fn second_port(http: &config::Http) -> Option<u16> {
    let beside_demo = (http.demo && http.certificate.is_none()).then_some(match http.port {
        0 => 0,
        // 5443 beside 5000; 5001 is the controller's
        port => port.saturating_add(443),
    });
    http.https_port.or(beside_demo)
}

/// Starts the flows of the demo.
struct Starter(Arc<Services>);

impl StartFlow for Starter {
    fn start(&self, flow: DemoFlow) -> BoxFuture<'_, Result<String, Box<Reply>>> {
        let call = JoinCall {
            room: RoomUrl::Direct(flow.room),
            callback_base_url: flow.callback_base_url,
            datastore_base_url: None,
            token: flow.token,
            lang: flow.lang,
            reduced_flash: false,
            evidence: true,
        };
        let started = self.0.start_flow(call).map(|id| id.to_string()).map_err(|e| Box::new(refused(e)));
        Box::pin(std::future::ready(started))
    }
}

/// `vision-service serve`.
pub async fn serve(config: Config) -> Result<(), AppError> {
    let app = Application::build(config).await?;
    announce(&app);
    app.run_until_stopped(stop_signal()).await;
    Ok(())
}

/// Tells where the service can be reached, the addresses for phones too.
fn announce(app: &Application) {
    let config = &app.services.config.http;
    let plain = if config.certificate.is_some() { "https" } else { "http" };
    tracing::info!("listening on {plain}://{}", SocketAddr::new(config.host, app.port()));
    if config.demo {
        println!("On this machine: {plain}://localhost:{}/demo", app.port());
        if let Some(port) = app.https_port().filter(|_| !config.host.is_loopback()) {
            for address in local_addresses().into_iter().filter(|a| !a.is_loopback()) {
                println!("On the local network: https://{}/demo", SocketAddr::new(address, port));
            }
            if config.certificate.is_none() {
                println!("(the certificate is self-signed: the browser warns once)");
            }
        }
    }
}

/// SIGTERM or Ctrl-C.
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(e) => {
            tracing::warn!("SIGTERM cannot be handled: {e}");
            let _ = interrupt.await;
        }
    }
}

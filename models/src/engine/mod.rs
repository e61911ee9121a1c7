//! The one inference engine of the process: every flow's frames, every picture, every embedding goes through it.
//!
//! * [`Engine::stream`] follows a face through a video: submit frames as they come, results arrive by callback. Only the
//!   newest frame ever waits, streams are served in turn.
//!   Frames of different streams that wait at the same moment go through the networks together, where that is configured.
//! * [`Engine::analyze_picture`] and [`Engine::embed`] take their turn among the streams and block their caller.
//!
//! Networks are loaded once, when the engine opens: a set for each worker thread, and one embedding network (others at
//! first use) for all of them.
//!
//! | file | what |
//! |---|---|
//! | `schedule` | who is served next, pure |
//! | `pool` | threads around it |
//! | `embedders` | the embedding networks |

mod embedders;
mod pool;
mod schedule;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vision_core::face::{Face, FrameAnalysis};
use vision_core::liveness::quality::glasses::{Glasses, GlassesCues};
use vision_core::picture::Picture;

use crate::antispoof::{self, Antispoof, AntispoofError};
use crate::embedding::{Embedding, EmbeddingError};
use crate::glasses::{self, GlassesDetector, GlassesError};
use crate::landmarker::{Landmarker, LandmarkerError, MAX_FACES, StreamFrame, Tracker, TrackerOptions};
use crate::manifest::{Listing, ManifestError, Metric, ModelFolder};
use crate::runtime::{Runtime, RuntimeError, RuntimeInfo, RuntimeOptions};
use embedders::Embedders;
use pool::{Batching, NoResult, Pool, PoolStream, Worker};

/// Worker threads when nobody says how many: one per core, up to this. Each has networks of its own in memory, and one
/// analyses more than a hundred frames a second.
const MOST_WORKERS: usize = 4;

/// What the engine is made of.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// The model folder; `None`: where [`ModelFolder::find`] finds it.
    pub folder: Option<PathBuf>,
    /// What the networks run on, and how.
    pub runtime: RuntimeOptions,
    /// How long a frame waits for those of other streams to go through the networks with it.
    pub batch_wait: Duration,
    /// Worker threads; `None`: one per core, at most four.
    pub workers: Option<NonZeroUsize>,
    /// Id of the embedding to use; `None`: the preferred one of those that are present.
    pub embedding: Option<String>,
    /// Load the anti-spoof network, where it is present.
    pub antispoof: bool,
    /// Load the glasses network, where it is present.
    pub glasses: bool,
}

/// Why the engine does not open, or has no result.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The model folder or a model in it is not as it has to be.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// ONNX Runtime or a network does not load.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A picture or frame could not be analysed.
    #[error(transparent)]
    Landmarker(#[from] LandmarkerError),
    /// A face has no embedding.
    #[error(transparent)]
    Embedding(#[from] EmbeddingError),
    /// A face has no anti-spoof score.
    #[error(transparent)]
    Antispoof(#[from] AntispoofError),
    /// What a face wears cannot be told.
    #[error(transparent)]
    Glasses(#[from] GlassesError),
    /// There is no embedding of this name.
    #[error("there is no embedding `{name}`; present are: {present}. Run `make models`, or choose one of these")]
    UnknownEmbedding {
        /// What was asked for.
        name: String,
        /// Their ids.
        present: String,
    },
    /// Worker threads cannot be started.
    #[error("cannot start the engine's threads: {0}")]
    Threads(#[from] std::io::Error),
    /// A bug: the analysis panicked; the engine goes on.
    #[error("the analysis of this picture panicked; please report it")]
    Panicked,
    /// The engine is closed.
    #[error("the inference engine is closed")]
    Closed,
    /// A blocking call from the callback of a stream, which would wait for itself.
    #[error("a stream's callback must not call the engine's blocking functions")]
    InsideCallback,
}

impl From<NoResult> for EngineError {
    fn from(reason: NoResult) -> Self {
        match reason {
            NoResult::Closed => Self::Closed,
            NoResult::Panicked => Self::Panicked,
            NoResult::InsidePool => Self::InsideCallback,
        }
    }
}

/// What the engine runs on.
#[derive(Clone, Debug)]
pub struct EngineInfo {
    /// What the networks run on, and how.
    pub runtime: RuntimeInfo,
    /// How long a frame waits for those of other streams.
    pub batch_wait: Duration,
    /// Worker threads.
    pub workers: usize,
    /// Every model of the manifest: state, origin, licence, and whether it is in use.
    pub models: Vec<Listing>,
    /// The embeddings that are present, the one in use first.
    pub embeddings: Vec<EmbeddingInfo>,
    /// Whether there is an anti-spoof network.
    pub antispoof: bool,
    /// Whether there is a glasses network.
    pub glasses: bool,
}

impl EngineInfo {
    /// The models in use by name; a version is the SHA-256 of a file.
    pub fn versions(&self) -> BTreeMap<String, String> {
        let used = self.models.iter().filter(|model| model.in_use);
        used.map(|model| (model.id.to_owned(), model.sha256.to_owned())).collect()
    }
}

/// An embedding that can be asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingInfo {
    /// Its id in the manifest.
    pub id: &'static str,
    /// How its vectors compare.
    pub metric: Metric,
    /// Two faces are one person when their distance is below this.
    pub threshold: f32,
}

/// How a stream is analysed.
#[derive(Clone, Debug, Default)]
pub struct StreamOptions {
    /// How its face is followed.
    pub tracker: TrackerOptions,
}

/// An analysed frame.
pub struct StreamResult {
    /// What was seen.
    pub analysis: FrameAnalysis,
    /// The frame itself.
    pub picture: Arc<dyn Picture>,
    /// The frame's time in its stream, as submitted.
    pub timestamp: Duration,
    /// When it was submitted.
    pub submitted: Instant,
    /// From then to the beginning of its analysis.
    pub queued: Duration,
    /// How long the analysis took, by the clock, with that of the frames that went through the networks beside it.
    pub cost: Duration,
    /// As submitted.
    pub tag: u64,
}

/// Gets the results of a stream, in the order of its frames, on a thread of the engine: it must be quick, and must not
/// block.
pub type OnResult = Box<dyn Fn(Result<StreamResult, EngineError>) + Send + Sync>;

/// The inference engine. Dropping it closes it.
pub struct Engine {
    pool: Pool<Networks>,
    embedders: Arc<Embedders>,
    /// Shared by all threads, as the embedders are.
    antispoof: Option<Arc<Mutex<Antispoof>>>,
    glasses: Option<Arc<Mutex<GlassesDetector>>>,
    info: EngineInfo,
}

impl Engine {
    /// Loads ONNX Runtime and the networks, and starts the threads: some tenths of a second.
    ///
    /// # Errors
    /// Every variant of [`EngineError`] that is about models, ONNX Runtime and threads; each names file and remedy.
    pub fn open(options: &EngineOptions) -> Result<Arc<Self>, EngineError> {
        let folder = ModelFolder::find(options.folder.as_deref())?;
        let runtime = Runtime::open(&folder, &options.runtime)?;
        let embedders = Arc::new(Embedders::open(&runtime, &folder, options.embedding.as_deref())?);
        let antispoof = match options.antispoof.then(|| Antispoof::load(&runtime, &folder)) {
            None | Some(Err(AntispoofError::Manifest(ManifestError::Missing { .. }))) => None,
            Some(network) => Some(Arc::new(Mutex::new(network?))),
        };
        let glasses = match options.glasses.then(|| GlassesDetector::load(&runtime, &folder)) {
            None | Some(Err(GlassesError::Manifest(ManifestError::Missing { .. }))) => None,
            Some(network) => Some(Arc::new(Mutex::new(network?))),
        };
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let workers = options.workers.map_or(cores.min(MOST_WORKERS), NonZeroUsize::get);
        let networks = (0..workers)
            .map(|_| {
                let mut landmarker = Landmarker::load(&runtime, &folder)?;
                landmarker.warm_up()?;
                Ok(Networks { landmarker })
            })
            .collect::<Result<Vec<_>, EngineError>>()?;

        let mut models = folder.list();
        let chosen = embedders.chosen();
        for listing in &mut models {
            if listing.id == antispoof::MODEL {
                listing.in_use = antispoof.is_some();
            }
            if listing.id == glasses::MODEL {
                listing.in_use = glasses.is_some();
            }
            if embedders.find(listing.id).is_some() {
                listing.in_use = chosen == Some(listing.id);
            }
        }
        let info = EngineInfo {
            runtime: runtime.info().clone(),
            batch_wait: options.batch_wait,
            workers,
            models,
            embeddings: embedders.list(),
            antispoof: antispoof.is_some(),
            glasses: glasses.is_some(),
        };
        let RuntimeInfo { provider, device_id, version, engine_cache, max_batch, .. } = &info.runtime;
        tracing::info!(
            %provider,
            device_id,
            onnxruntime = version,
            engine_cache = engine_cache.as_deref().map(tracing::field::debug),
            max_batch,
            workers,
            embedding = chosen.unwrap_or("none"),
            antispoof = info.antispoof,
            glasses = info.glasses,
            "the inference engine is open"
        );
        let batching = Batching { most: *max_batch, wait: options.batch_wait };
        Ok(Arc::new(Self { pool: Pool::start("inference", networks, batching)?, embedders, antispoof, glasses, info }))
    }

    /// What the engine runs on.
    pub fn info(&self) -> &EngineInfo {
        &self.info
    }

    /// Starts following a face through a video. Dropping the [`FaceStream`] ends it; `on_result` may be running once
    /// more at that moment.
    pub fn stream(&self, options: StreamOptions, on_result: OnResult) -> FaceStream {
        FaceStream(self.pool.open(Stream { tracker: Mutex::new(Tracker::new(options.tracker)), on_result }))
    }

    /// Every face of a picture, the clearest first, at most [`MAX_FACES`]. Blocks until its turn has come and gone.
    ///
    /// # Errors
    /// [`EngineError::Landmarker`], or why there is no result at all.
    pub fn analyze_picture(&self, picture: Arc<dyn Picture>) -> Result<Vec<Face>, EngineError> {
        Ok(self.pool.run(move |networks| networks.landmarker.picture(&picture.view(), MAX_FACES))??)
    }

    /// The embedding of a face in a picture by the network `model`, or by the one in use. Blocks as
    /// [`Engine::analyze_picture`] does; the first use of a network that is not the one in use loads it, which takes
    /// some hundredths of a second.
    ///
    /// # Errors
    /// [`EngineError::UnknownEmbedding`], [`EngineError::Embedding`], or why there is no result at all.
    pub fn embed(&self, picture: Arc<dyn Picture>, face: &Face, model: Option<&str>) -> Result<Embedding, EngineError> {
        let (embedders, face) = (Arc::clone(&self.embedders), face.clone());
        let index = match model {
            None => 0,
            Some(name) => embedders.find(name).ok_or_else(|| embedders.unknown(name))?,
        };
        self.pool.run(move |_| embedders.embed(index, &*picture, &face))?
    }

    /// Logit of real less logit of spoof ([`Antispoof::score`]); none without the network. Blocks as
    /// [`Engine::analyze_picture`] does.
    ///
    /// # Errors
    /// [`EngineError::Antispoof`], or why there is no result at all.
    pub fn antispoof(&self, picture: Arc<dyn Picture>, face: &Face) -> Result<Option<f32>, EngineError> {
        let Some(network) = self.antispoof.clone() else { return Ok(None) };
        let face = face.clone();
        self.pool.run(move |_| {
            let mut network = network.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(Some(network.score(&picture.view(), &face)?))
        })?
    }

    /// What a face wears, by the network and by the cues of the picture ([`GlassesDetector::glasses`]); none without the
    /// network. Blocks as [`Engine::analyze_picture`] does.
    ///
    /// # Errors
    /// [`EngineError::Glasses`], or why there is no result at all.
    pub fn glasses(
        &self,
        picture: Arc<dyn Picture>,
        face: &Face,
        cues: &GlassesCues,
    ) -> Result<Option<Glasses>, EngineError> {
        let Some(network) = self.glasses.clone() else { return Ok(None) };
        let (face, cues) = (face.clone(), *cues);
        self.pool.run(move |_| {
            let mut network = network.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(Some(network.glasses(&picture.view(), &face, &cues)?))
        })?
    }

    /// Ends the threads: what has begun is finished, what waits is dropped. Later calls are answered with
    /// [`EngineError::Closed`], later frames are dropped.
    pub fn close(&self) {
        self.pool.close();
    }
}

/// One video that the engine follows a face in.
pub struct FaceStream(PoolStream<Networks>);

impl FaceStream {
    /// Hands over a frame; never blocks. A frame that is still waiting is replaced. `timestamp` is the time in the
    /// stream and must grow; `tag` comes back with the result.
    pub fn submit(&self, picture: Arc<dyn Picture>, timestamp: Duration, tag: u64) {
        self.0.submit(Frame { picture, timestamp, tag, submitted: Instant::now() });
    }

    /// Frames that were replaced before their turn came.
    pub fn dropped(&self) -> u64 {
        self.0.dropped()
    }
}

struct Stream {
    // Never contended: the pool has one thread at a time in a stream.
    tracker: Mutex<Tracker>,
    on_result: OnResult,
}

impl Stream {
    fn lock(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Frame {
    picture: Arc<dyn Picture>,
    timestamp: Duration,
    tag: u64,
    submitted: Instant,
}

/// The networks of one thread.
struct Networks {
    landmarker: Landmarker,
}

impl Worker for Networks {
    type Stream = Stream;
    type Frame = Frame;

    fn frames(&mut self, batch: Vec<(Arc<Stream>, Frame)>) {
        let begun = Instant::now();
        let mut trackers: Vec<_> = batch.iter().map(|(stream, _)| stream.lock()).collect();
        let frames: Vec<_> = batch.iter().map(|(_, frame)| frame).collect();
        let results = match self.analyse(&frames, &mut trackers) {
            Ok(results) => results.into_iter().map(Ok).collect(),
            Err(error) if frames.len() == 1 => vec![Err(error)],
            // One broken frame must not cost the others theirs.
            Err(_) => {
                let alone = frames.iter().zip(&mut trackers).map(|(frame, tracker)| {
                    let mut results = self.analyse(&[frame], std::slice::from_mut(tracker))?;
                    Ok(results.swap_remove(0))
                });
                alone.collect::<Vec<_>>()
            }
        };
        drop((frames, trackers));
        let cost = begun.elapsed();
        for ((stream, frame), result) in batch.into_iter().zip(results) {
            let Frame { picture, timestamp, tag, submitted } = frame;
            let queued = begun - submitted;
            let whole = |analysis| StreamResult { analysis, picture, timestamp, submitted, queued, cost, tag };
            let result = result.map(whole);
            // A callback that panics takes none of the others with it.
            if catch_unwind(AssertUnwindSafe(|| (stream.on_result)(result))).is_err() {
                tracing::error!("the callback of a stream panicked");
            }
        }
    }
}

impl Networks {
    /// Frames of different streams, in their order. A panic is an error; a stream that panics alone begins anew.
    fn analyse(
        &mut self,
        frames: &[&Frame],
        trackers: &mut [MutexGuard<'_, Tracker>],
    ) -> Result<Vec<FrameAnalysis>, EngineError> {
        let analysis = catch_unwind(AssertUnwindSafe(|| {
            let mut frames: Vec<_> = frames
                .iter()
                .zip(trackers.iter_mut())
                .map(|(frame, tracker)| StreamFrame {
                    tracker,
                    picture: frame.picture.view(),
                    timestamp: frame.timestamp,
                })
                .collect();
            self.landmarker.frames(&mut frames)
        }));
        match analysis {
            Ok(analysis) => Ok(analysis?),
            Err(_panic) => {
                if let [only] = trackers {
                    only.reset();
                }
                Err(EngineError::Panicked)
            }
        }
    }
}

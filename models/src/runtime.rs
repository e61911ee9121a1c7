//! ONNX Runtime: the shared library is loaded once per process, sessions get the options that this service wants.
//!
//! * One intra-op thread per session: parallelism comes from the engine's workers; a second thread nearly doubles the
//!   processor time for a tenth less waiting.
//! * Memory patterns are off: without them a session takes activations out of its arena one by one, which costs nothing
//!   at these sizes and saves 7 MB per worker.
//! * The runtime's own telemetry is switched off.
//! * Networks are read from their files by the runtime itself, so that their bytes are never held twice.
//!
//! | file | what |
//! |---|---|
//! | `provider` | what runs the networks: processor, CUDA, TensorRT |
//! | `engine_cache` | where TensorRT keeps what it has built |
//! | `network` | one loaded network |

mod engine_cache;
mod network;
mod provider;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use serde::Serialize;

use crate::manifest::{ManifestError, ModelFolder};
pub use network::Network;
use provider::OpenInput;
pub use provider::Provider;

/// The name of the dimension that our converters leave open.
const BATCH: &str = "batch";
/// Most inputs in one run on a GPU when nobody says how many.
const GPU_BATCH: usize = 8;

/// What is asked of ONNX Runtime.
#[derive(Clone, Debug, Default)]
pub struct RuntimeOptions {
    /// Its shared library; `None`: the processor's, in the model folder.
    pub library: Option<PathBuf>,
    /// What the networks run on.
    pub provider: Provider,
    /// Which GPU, as CUDA counts them.
    pub device_id: u32,
    /// Folder in which TensorRT keeps the engines that it builds; `None`: the user's cache folder.
    pub engine_cache: Option<PathBuf>,
    /// Most inputs in one run; `None`: 1 on the processor, which gains nothing from more, and 8 on a GPU.
    pub max_batch: Option<NonZeroUsize>,
}

impl From<Provider> for RuntimeOptions {
    fn from(provider: Provider) -> Self {
        Self { provider, ..Self::default() }
    }
}

/// What came of [`RuntimeOptions`].
#[derive(Clone, Debug, Serialize)]
pub struct RuntimeInfo {
    /// What the networks run on; never `Auto`.
    pub provider: Provider,
    /// Which GPU; `None` on the processor.
    pub device_id: Option<u32>,
    /// ONNX Runtime's shared library.
    pub library: PathBuf,
    /// Its version, else its build.
    pub version: String,
    /// Where TensorRT keeps its engines; `None` without TensorRT, or when there is no such place.
    pub engine_cache: Option<PathBuf>,
    /// Most inputs in one run.
    pub max_batch: usize,
}

/// Why a network cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A file is missing or not the right one.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The library is missing or does not load.
    #[error("cannot load ONNX Runtime from {library}: {reason}. Run `make models`, or name another library")]
    Load {
        /// The shared library.
        library: PathBuf,
        /// The loader's words.
        reason: String,
    },
    /// A second, different library was asked for.
    #[error("ONNX Runtime is already loaded from {loaded}, a process cannot load {library} besides")]
    AlreadyLoaded {
        /// What is loaded.
        loaded: PathBuf,
        /// What was asked for.
        library: PathBuf,
    },
    /// The execution provider that the configuration asks for does not work here.
    #[error(
        "execution provider {provider} does not work here: {reason}. It needs a GPU build of ONNX Runtime \
         (ONNXRUNTIME_LIBRARY) with the libraries beside it and an NVIDIA driver, see docs/containers.md; or choose auto \
         or cpu (EXECUTION_PROVIDER)"
    )]
    Provider {
        /// What was asked for.
        provider: Provider,
        /// ONNX Runtime's words.
        reason: String,
    },
    /// The folder for TensorRT's engines is not as it has to be.
    #[error("the folder for TensorRT's engines in {folder} cannot be used: {reason}. Name another one (ENGINE_CACHE)")]
    EngineCache {
        /// As configured.
        folder: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A network's file is missing or not loadable.
    #[error("cannot load the network {file}: {reason}. Run `make models`")]
    Network {
        /// The file.
        file: PathBuf,
        /// ONNX Runtime's words.
        reason: String,
    },
    /// A network has other inputs or outputs than the code around it expects.
    #[error("{file} is not the network that is expected here: {reason}. Run `make models`")]
    Shape {
        /// The file.
        file: PathBuf,
        /// What differs.
        reason: String,
    },
    /// A network failed on an input.
    #[error("the network {network} failed: {reason}")]
    Run {
        /// The network's name.
        network: String,
        /// ONNX Runtime's words.
        reason: String,
    },
}

impl RuntimeError {
    fn network(file: &Path, reason: &ort::Error) -> Self {
        Self::Network { file: file.to_owned(), reason: reason.to_string().trim().to_owned() }
    }

    /// ONNX Runtime's own, where it is not the network that is at fault.
    fn words(self) -> String {
        match self {
            Self::Network { reason, .. } => reason,
            other => other.to_string(),
        }
    }
}

/// The environment of the process (ONNX Runtime allows one) and the library it came from.
static ENVIRONMENT: Mutex<Option<(PathBuf, ort::environment::Environment)>> = Mutex::new(None);

/// ONNX Runtime with one execution provider. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    environment: ort::environment::Environment,
    info: RuntimeInfo,
}

impl Runtime {
    /// Loads ONNX Runtime and finds out whether the provider works, by loading the detector of `folder` with it. `Auto`
    /// becomes `Cuda` or `Cpu` here.
    ///
    /// # Errors
    /// [`RuntimeError::Load`] and [`RuntimeError::AlreadyLoaded`] about the library, [`RuntimeError::Provider`] when a
    /// provider that was asked for does not work, [`RuntimeError::EngineCache`], and [`RuntimeError::Manifest`] or
    /// [`RuntimeError::Network`] when the library or the detector is missing in the folder or not the right file.
    pub fn open(folder: &ModelFolder, options: &RuntimeOptions) -> Result<Self, RuntimeError> {
        let library = match &options.library {
            Some(library) => library.clone(),
            None => folder.resolve("onnxruntime")?.path,
        };
        let library = std::path::absolute(&library).unwrap_or(library);
        let environment = environment(&library)?;
        let probe = folder.resolve("face_detector")?.path;
        let with = |provider| Self::with(&environment, &library, provider, options);
        match options.provider {
            Provider::Cpu => with(Provider::Cpu),
            Provider::Auto => {
                with(Provider::Cuda).and_then(|cuda| cuda.probe(&probe).map(|()| cuda)).or_else(|error| {
                    let reason = error.words();
                    // Who names a library means the GPU.
                    match &options.library {
                        Some(_) => tracing::warn!(reason, "no CUDA, networks run on the processor"),
                        None => tracing::debug!(reason, "no CUDA, networks run on the processor"),
                    }
                    with(Provider::Cpu)
                })
            }
            provider @ (Provider::Cuda | Provider::TensorRt) => {
                let runtime = with(provider)?;
                match runtime.probe(&probe) {
                    Ok(()) => Ok(runtime),
                    // The same file on the processor tells whose fault it is.
                    Err(reason) => {
                        with(Provider::Cpu)?.session(&probe, None)?;
                        Err(RuntimeError::Provider { provider, reason: reason.words() })
                    }
                }
            }
        }
    }

    /// As [`Runtime::open`], with the other options at their defaults.
    ///
    /// # Errors
    /// As [`Runtime::open`].
    pub fn in_folder(folder: &ModelFolder, provider: Provider, library: Option<&Path>) -> Result<Self, RuntimeError> {
        Self::open(folder, &RuntimeOptions { library: library.map(Path::to_owned), ..provider.into() })
    }

    fn with(
        environment: &ort::environment::Environment,
        library: &Path,
        provider: Provider,
        options: &RuntimeOptions,
    ) -> Result<Self, RuntimeError> {
        let info = RuntimeInfo {
            provider,
            device_id: provider.is_gpu().then_some(options.device_id),
            library: library.to_owned(),
            version: version(library),
            engine_cache: match provider {
                Provider::TensorRt => engine_cache(options.engine_cache.as_deref())?,
                _ => None,
            },
            max_batch: match options.max_batch {
                Some(most) => most.get(),
                None if provider.is_gpu() => GPU_BATCH,
                None => 1,
            },
        };
        Ok(Self { environment: environment.clone(), info })
    }

    /// What runs the networks, and how.
    pub fn info(&self) -> &RuntimeInfo {
        &self.info
    }

    /// What the networks run on; never `Auto`.
    pub fn provider(&self) -> Provider {
        self.info.provider
    }

    /// Loads a network that takes one input at a time, and checks that this is one of floats in this shape, and that
    /// there are outputs of these sizes in this order. A dimension that the file leaves open fits anything.
    ///
    /// # Errors
    /// [`RuntimeError::Network`] and [`RuntimeError::Shape`].
    pub fn network(&self, file: &Path, input: &[usize], outputs: &[usize]) -> Result<Network, RuntimeError> {
        Network::new(self.session(file, None)?, file, input, outputs, 1)
    }

    /// As [`Runtime::network`], for a network that takes up to [`RuntimeInfo::max_batch`] inputs at once. `name` is its
    /// input's; shape and sizes are those of one.
    ///
    /// # Errors
    /// As [`Runtime::network`], also [`RuntimeError::Shape`] when the file has a fixed batch and several are wanted.
    pub fn batched(
        &self,
        file: &Path,
        name: &str,
        input: &[usize],
        outputs: &[usize],
    ) -> Result<Network, RuntimeError> {
        let max_batch = self.info.max_batch;
        let open = (max_batch > 1).then_some(OpenInput { name, shape: input });
        Network::new(self.session(file, open)?, file, input, outputs, max_batch)
    }

    /// Whether the provider takes this network. Where it takes only a part of it, the processor does the rest, which is
    /// slow, and said.
    fn probe(&self, file: &Path) -> Result<(), RuntimeError> {
        let failed = |reason| RuntimeError::network(file, &reason);
        let mut whole = self.builder(None).and_then(|b| Ok(b.with_disable_cpu_fallback()?)).map_err(failed)?;
        if let Err(reason) = whole.commit_from_file(file) {
            self.session(file, None)?;
            tracing::warn!(provider = %self.info.provider, %reason, "parts of the networks run on the processor");
        }
        Ok(())
    }

    fn session(&self, file: &Path, batched: Option<OpenInput<'_>>) -> Result<Session, RuntimeError> {
        let failed = |reason| RuntimeError::network(file, &reason);
        self.builder(batched).map_err(failed)?.commit_from_file(file).map_err(failed)
    }

    fn builder(&self, batched: Option<OpenInput<'_>>) -> ort::Result<SessionBuilder> {
        let RuntimeInfo { provider, device_id, engine_cache, max_batch, .. } = &self.info;
        let profile = batched.map(|input| (input, *max_batch));
        let providers = provider::dispatch(*provider, device_id.unwrap_or(0), engine_cache.as_deref(), profile);
        let builder = Session::builder(&self.environment)?
            .with_log_level(LogLevel::Error)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_memory_pattern(false)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_execution_providers(providers)?;
        // A fixed batch lets more of the graph be worked out beforehand.
        Ok(if batched.is_none() { builder.with_dimension_override(BATCH, 1)? } else { builder })
    }
}

/// A folder that was named has to be usable; the user's own one is used where it is.
fn engine_cache(named: Option<&Path>) -> Result<Option<PathBuf>, RuntimeError> {
    if let Some(folder) = named {
        let failed = |reason| RuntimeError::EngineCache { folder: folder.to_owned(), reason };
        return engine_cache::prepare(folder).map(Some).map_err(failed);
    }
    let found = engine_cache::default_folder()
        .ok_or_else(|| "there is no home folder".to_owned())
        .and_then(|folder| engine_cache::prepare(&folder));
    if let Err(reason) = &found {
        tracing::warn!(%reason, "TensorRT builds its engines anew at every start, no folder keeps them (ENGINE_CACHE)");
    }
    Ok(found.ok())
}

/// `1.31.1` of `libonnxruntime.so.1.31.1`, or of what a link of another name points to; else what the library says of
/// its build.
fn version(library: &Path) -> String {
    let file = library.canonicalize().unwrap_or_else(|_| library.to_owned());
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match name.split_once(".so.") {
        Some((_, version)) => version.to_owned(),
        None => ort::info().trim_start_matches("ORT Build Info: ").to_owned(),
    }
}

fn environment(library: &Path) -> Result<ort::environment::Environment, RuntimeError> {
    let mut slot = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((loaded, environment)) = &*slot {
        return if loaded == library {
            Ok(environment.clone())
        } else {
            Err(RuntimeError::AlreadyLoaded { loaded: loaded.clone(), library: library.to_owned() })
        };
    }
    let failed = |reason: String| RuntimeError::Load { library: library.to_owned(), reason };
    let environment = ort::init_from(library)
        .map_err(|reason| failed(reason.to_string()))?
        .with_name("vision-service")
        .with_telemetry(false)
        .build()
        .map_err(|reason| failed(reason.to_string()))?;
    *slot = Some((library.to_owned(), environment.clone()));
    Ok(environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_an_error_with_a_remedy() {
        let error = environment(Path::new("/nonexistent/libonnxruntime.so")).err().unwrap().to_string();
        assert!(error.contains("/nonexistent") && error.contains("make models"), "{error}");
    }

    #[test]
    fn a_named_folder_for_engines_has_to_be_usable() {
        let error = engine_cache(Some(Path::new("/proc/nowhere"))).unwrap_err().to_string();
        assert!(error.contains("/proc/nowhere") && error.contains("ENGINE_CACHE"), "{error}");
    }
}

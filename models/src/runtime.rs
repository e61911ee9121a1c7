//! ONNX Runtime: the shared library is loaded once per process, sessions get the options that this service wants.
//!
//! * One intra-op thread per session: parallelism comes from the engine's workers; a second thread nearly doubles the
//!   processor time for a tenth less waiting.
//! * Memory patterns are off: without them a session takes activations out of its arena one by one, which costs nothing
//!   at these sizes and saves 7 MB per worker.
//! * The runtime's own telemetry is switched off.
//! * Networks are read from their files by the runtime itself, so that their bytes are never held twice.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use ort::ep::{self, ExecutionProviderDispatch};
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::{Outlet, TensorRef};
use serde::{Deserialize, Serialize};

use crate::manifest::{ManifestError, ModelFolder};

/// What runs the networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// CUDA where it really loads, else the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// An NVIDIA GPU through CUDA and cuDNN.
    Cuda,
    /// An NVIDIA GPU through TensorRT, with CUDA for what TensorRT does not do.
    TensorRt,
}

impl Provider {
    /// All values, in the order of their names in the configuration.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Cpu, Self::Cuda, Self::TensorRt];

    /// The name in the configuration: `auto`, `cpu`, `cuda`, `tensorrt`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
        }
    }

    /// What a session is told. Errors on failure: ONNX Runtime by itself falls back to the processor without a word.
    fn dispatch(self) -> Vec<ExecutionProviderDispatch> {
        // TF32 would round the inputs of every product to ten bits: landmarks would differ from the recordings.
        let cuda = || ep::CUDA::default().with_tf32(false).build().error_on_failure();
        let cpu = || ep::CPU::default().with_arena_allocator(true).build().error_on_failure();
        match self {
            Self::Auto | Self::Cpu => vec![cpu()],
            Self::Cuda => vec![cuda()],
            Self::TensorRt => vec![ep::TensorRT::default().build().error_on_failure(), cuda()],
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Provider {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| format!("unknown execution provider {name:?}: use auto, cpu, cuda or tensorrt"))
    }
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
        "execution provider {provider} does not work here: {reason}. Name a GPU build of ONNX Runtime and install its \
         CUDA, or choose auto or cpu"
    )]
    Provider {
        /// What was asked for.
        provider: Provider,
        /// ONNX Runtime's words.
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

/// The environment of the process (ONNX Runtime allows one) and the library it came from.
static ENVIRONMENT: Mutex<Option<(PathBuf, ort::environment::Environment)>> = Mutex::new(None);

/// ONNX Runtime with one execution provider. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    environment: ort::environment::Environment,
    library: PathBuf,
    provider: Provider,
}

impl Runtime {
    /// Loads ONNX Runtime from the shared library `library` and finds out whether `provider` works, by loading the
    /// network `probe` with it. `Auto` becomes `Cuda` or `Cpu` here.
    ///
    /// # Errors
    /// [`RuntimeError::Load`] and [`RuntimeError::AlreadyLoaded`] about the library, [`RuntimeError::Provider`] when a
    /// provider that was asked for does not work, [`RuntimeError::Network`] when `probe` does not load at all.
    pub fn open(library: &Path, provider: Provider, probe: &Path) -> Result<Self, RuntimeError> {
        let library = std::path::absolute(library).unwrap_or_else(|_| library.to_owned());
        let environment = environment(&library)?;
        let with = |provider| Self { environment: environment.clone(), library: library.clone(), provider };
        match provider {
            Provider::Cpu => Ok(with(Provider::Cpu)),
            Provider::Auto => Ok(match with(Provider::Cuda).session(probe) {
                Ok(_) => with(Provider::Cuda),
                Err(reason) => {
                    tracing::debug!(%reason, "no CUDA, networks run on the processor");
                    with(Provider::Cpu)
                }
            }),
            Provider::Cuda | Provider::TensorRt => {
                let runtime = with(provider);
                match runtime.session(probe) {
                    Ok(_) => Ok(runtime),
                    // The same file on the processor tells whose fault it is.
                    Err(reason) => with(Provider::Cpu)
                        .session(probe)
                        .and_then(|_| Err(RuntimeError::Provider { provider, reason: reason.to_string() })),
                }
            }
        }
    }

    /// As [`Runtime::open`], with the library of a model folder unless another one is named.
    ///
    /// # Errors
    /// Also [`RuntimeError::Manifest`] when the library or the detector is missing in the folder or not the right file.
    pub fn in_folder(folder: &ModelFolder, provider: Provider, library: Option<&Path>) -> Result<Self, RuntimeError> {
        let library = match library {
            Some(library) => library.to_owned(),
            None => folder.resolve("onnxruntime")?.path,
        };
        Self::open(&library, provider, &folder.resolve("face_detector")?.path)
    }

    /// The loaded library.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// What the networks run on; never `Auto`.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Loads a network and checks that it has one float input of `input` elements in this shape, and outputs of these
    /// sizes in this order. A dimension that the file leaves open fits anything.
    pub fn network(&self, file: &Path, input: &[usize], outputs: &[usize]) -> Result<Network, RuntimeError> {
        let session = self.session(file)?;
        let wrong = |reason: String| RuntimeError::Shape { file: file.to_owned(), reason };
        let shape = |outlet: &Outlet| outlet.dtype().tensor_shape().map(|shape| shape.to_vec()).unwrap_or_default();

        let [only] = session.inputs() else {
            return Err(wrong(format!("it has {} inputs instead of one", session.inputs().len())));
        };
        let found = shape(only);
        let fits = |(found, wanted): (&i64, &usize)| *found < 0 || *found == *wanted as i64;
        if found.len() != input.len() || !found.iter().zip(input).all(fits) {
            return Err(wrong(format!("its input is {found:?} instead of {input:?}")));
        }
        if session.outputs().len() < outputs.len() {
            return Err(wrong(format!("it has {} outputs instead of {}", session.outputs().len(), outputs.len())));
        }
        for (outlet, wanted) in session.outputs().iter().zip(outputs) {
            let found = shape(outlet);
            if found.iter().all(|d| *d >= 0) && found.iter().product::<i64>() != *wanted as i64 {
                return Err(wrong(format!("its output {} is {found:?} instead of {wanted} values", outlet.name())));
            }
        }
        let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Network { session, name, input: input.to_vec() })
    }

    fn session(&self, file: &Path) -> Result<Session, RuntimeError> {
        let failed = |reason: ort::Error| RuntimeError::Network { file: file.to_owned(), reason: reason.to_string() };
        self.builder().map_err(failed)?.commit_from_file(file).map_err(failed)
    }

    fn builder(&self) -> ort::Result<SessionBuilder> {
        Ok(Session::builder(&self.environment)?
            .with_log_level(LogLevel::Error)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_memory_pattern(false)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_execution_providers(self.provider.dispatch())?)
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

/// One loaded network. Not shared between threads: every worker has its own.
pub struct Network {
    session: Session,
    name: String,
    input: Vec<usize>,
}

impl Network {
    /// Runs on one input (as long as the shape given to [`Runtime::network`] says) and copies the outputs, in the
    /// network's order, into `outputs`.
    pub fn run(&mut self, input: &[f32], outputs: &mut [&mut [f32]]) -> Result<(), RuntimeError> {
        let failed = |reason: String| RuntimeError::Run { network: self.name.clone(), reason };
        let tensor =
            TensorRef::from_array_view((self.input.as_slice(), input)).map_err(|reason| failed(reason.to_string()))?;
        let results = self.session.run(ort::inputs![tensor]).map_err(|reason| failed(reason.to_string()))?;
        for (index, (result, output)) in results.values().zip(outputs).enumerate() {
            let (_, values) = result.try_extract_tensor::<f32>().map_err(|reason| failed(reason.to_string()))?;
            if values.len() != output.len() {
                return Err(failed(format!("output {index} has {} values instead of {}", values.len(), output.len())));
            }
            output.copy_from_slice(values);
        }
        Ok(())
    }

    /// The name of its file without the ending.
    pub fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provider_names_read_back() {
        for provider in Provider::ALL {
            assert_eq!(provider.to_string().parse(), Ok(provider));
            assert_eq!(serde_json::to_string(&provider).unwrap(), format!("\"{provider}\""));
        }
        assert!("gpu".parse::<Provider>().unwrap_err().contains("tensorrt"));
    }

    #[test]
    fn a_missing_library_is_an_error_with_a_remedy() {
        let path = Path::new("/nonexistent/libonnxruntime.so");
        let error = Runtime::open(path, Provider::Cpu, path).err().unwrap().to_string();
        assert!(error.contains("/nonexistent") && error.contains("make models"), "{error}");
    }
}

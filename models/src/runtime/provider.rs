//! What runs the networks, and what ONNX Runtime is told about it.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use ort::ep::cuda::ConvAlgorithmSearch;
use ort::ep::{self, ExecutionProviderDispatch};
use serde::{Deserialize, Serialize};

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

    /// Whether it is a GPU.
    pub fn is_gpu(self) -> bool {
        matches!(self, Self::Cuda | Self::TensorRt)
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

/// The input of a network whose first dimension is left open: its name and its shape for one element.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenInput<'a> {
    pub name: &'a str,
    pub shape: &'a [usize],
}

/// What a session is told. Errors on failure: ONNX Runtime by itself falls back to the processor without a word.
pub(super) fn dispatch(
    provider: Provider,
    device_id: u32,
    engine_cache: Option<&Path>,
    batched: Option<(OpenInput<'_>, usize)>,
) -> Vec<ExecutionProviderDispatch> {
    let device = i32::try_from(device_id).unwrap_or(i32::MAX);
    // TF32 would round the inputs of every product to ten bits: landmarks would differ from the recordings. The default
    // search for the fastest convolution runs all of them anew for every batch size that comes along.
    let cuda = || {
        ep::CUDA::default()
            .with_device_id(device)
            .with_tf32(false)
            .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
            .build()
            .error_on_failure()
    };
    match provider {
        Provider::Auto | Provider::Cpu => {
            vec![ep::CPU::default().with_arena_allocator(true).build().error_on_failure()]
        }
        Provider::Cuda => vec![cuda()],
        Provider::TensorRt => {
            let mut tensorrt = ep::TensorRT::default().with_device_id(device);
            if let Some(folder) = engine_cache.and_then(Path::to_str) {
                tensorrt = tensorrt
                    .with_engine_cache(true)
                    .with_engine_cache_path(folder)
                    .with_timing_cache(true)
                    .with_timing_cache_path(folder);
            }
            // Without these the engine is built again whenever a larger batch comes along.
            if let Some((input, max_batch)) = batched {
                tensorrt = tensorrt
                    .with_profile_min_shapes(profile(input, 1))
                    .with_profile_opt_shapes(profile(input, max_batch))
                    .with_profile_max_shapes(profile(input, max_batch));
            }
            vec![tensorrt.build().error_on_failure(), cuda()]
        }
    }
}

/// A shape as TensorRT's profiles want it: `input:8x128x128x3`.
fn profile(input: OpenInput<'_>, batch: usize) -> String {
    let sides = std::iter::once(batch).chain(input.shape.iter().skip(1).copied());
    format!("{}:{}", input.name, sides.map(|side| side.to_string()).collect::<Vec<_>>().join("x"))
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
    fn tensorrt_learns_the_range_of_batches() {
        let input = OpenInput { name: "points", shape: &[1, 146, 2] };
        assert_eq!(profile(input, 1), "points:1x146x2");
        assert_eq!(profile(input, 8), "points:8x146x2");
    }
}

//! One loaded network.

use std::path::Path;

use ort::session::Session;
use ort::value::{Outlet, TensorRef};

use super::RuntimeError;

/// One loaded network. Not shared between threads: every worker has its own.
pub struct Network {
    session: Session,
    name: String,
    /// Of one input.
    shape: Vec<usize>,
    max_batch: usize,
}

impl Network {
    /// A session as a network, when it has one float input of this shape, and outputs of these sizes in this order. A
    /// dimension that the file leaves open fits anything.
    pub(super) fn new(
        session: Session,
        file: &Path,
        shape: &[usize],
        outputs: &[usize],
        max_batch: usize,
    ) -> Result<Self, RuntimeError> {
        let wrong = |reason: String| RuntimeError::Shape { file: file.to_owned(), reason };
        let dimensions = |outlet: &Outlet| outlet.dtype().tensor_shape().map(|s| s.to_vec()).unwrap_or_default();

        let [only] = session.inputs() else {
            return Err(wrong(format!("it has {} inputs instead of one", session.inputs().len())));
        };
        let found = dimensions(only);
        let fits = |(found, wanted): (&i64, &usize)| *found < 0 || *found == *wanted as i64;
        if found.len() != shape.len() || !found.iter().zip(shape).all(fits) {
            return Err(wrong(format!("its input is {found:?} instead of {shape:?}")));
        }
        if max_batch > 1 && found.first().is_none_or(|batch| *batch >= 0) {
            return Err(wrong("it takes one input at a time, and several are wanted".to_owned()));
        }
        if session.outputs().len() < outputs.len() {
            return Err(wrong(format!("it has {} outputs instead of {}", session.outputs().len(), outputs.len())));
        }
        for (outlet, wanted) in session.outputs().iter().zip(outputs) {
            let found = dimensions(outlet);
            if found.iter().all(|d| *d >= 0) && found.iter().product::<i64>() != *wanted as i64 {
                return Err(wrong(format!("its output {} is {found:?} instead of {wanted} values", outlet.name())));
            }
        }
        let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { session, name, shape: shape.to_vec(), max_batch })
    }

    /// Runs on as many inputs as lie, one after the other, in `input`, and copies the outputs, in the network's order
    /// and one after the other again, into `outputs`.
    ///
    /// # Errors
    /// [`RuntimeError::Run`] when ONNX Runtime fails, on more inputs than [`Network::max_batch`], or when an output has
    /// another length than its buffer.
    pub fn run(&mut self, input: &[f32], outputs: &mut [&mut [f32]]) -> Result<(), RuntimeError> {
        let failed = |reason: String| RuntimeError::Run { network: self.name.clone(), reason };
        let count = input.len() / self.shape.iter().skip(1).product::<usize>().max(1);
        if !(1..=self.max_batch).contains(&count) {
            return Err(failed(format!("{count} inputs at once, it takes 1 to {}", self.max_batch)));
        }
        if let Some(batch) = self.shape.first_mut() {
            *batch = count;
        }
        let tensor =
            TensorRef::from_array_view((self.shape.as_slice(), input)).map_err(|reason| failed(reason.to_string()))?;
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

    /// The most inputs that it takes at once.
    pub fn max_batch(&self) -> usize {
        self.max_batch
    }
}

//! What the process tells the libraries that it loads, by way of the environment.

/// Keeps ONNX Runtime from writing a device id and a database of what it did into the user's cache folder. Whatever its API
/// is told about telemetry, it does so unless this is set. To be called before there are threads.
pub fn switch_onnx_runtime_telemetry_off() {
    // SAFETY: nobody else reads or writes the environment while there is one thread.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("ORT_DISABLE_TELEMETRY", "1");
    }
}

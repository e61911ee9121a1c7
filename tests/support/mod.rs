//! Helpers of the integration tests.

pub mod assets;
pub mod call;
pub mod process;
pub mod relay;

//! Helpers of the integration tests.

pub mod call;
pub mod chromium;

//! `vision-service controller`: the controller of the walk-through, on the command line.

use crate::controller::server::{self, ControllerArgs, ControllerServerError};

/// Runs until Ctrl-C.
pub async fn run(args: ControllerArgs) -> Result<(), ControllerServerError> {
    server::run(args, crate::app::stop_signal()).await
}

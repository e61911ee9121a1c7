//! One person or two.

use crate::{AnyError, Context};

/// Prints the tables.
pub fn run(_context: &mut Context) -> Result<(), AnyError> {
    Ok(())
}

//! Is it the same living person all the time, in front of one camera that films now?
//!
//! | module | what |
//! |---|---|
//! | [`identity`] | the same face from the first frame to the last |
//! | [`reaction`] | gestures follow their instruction, not sooner than a person can |
//! | [`stream`] | frozen pictures, cuts, loops |

pub mod identity;
pub mod reaction;
pub mod stream;

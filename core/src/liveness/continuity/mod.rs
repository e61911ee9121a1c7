//! Is it the same living person all the time, in front of one camera that films now?
//!
//! | module | what |
//! |---|---|
//! | [`encoded`] | what the first bytes of an encoded frame tell of its encoder |
//! | [`identity`] | the same face from the first frame to the last |
//! | [`injection`] | hints that no camera films |
//! | [`reaction`] | gestures follow their instruction, not sooner than a person can |
//! | [`stream`] | frozen pictures, cuts, loops |

pub mod encoded;
pub mod head_turn;
pub mod identity;
pub mod injection;
mod plane;
pub mod reaction;
pub mod stream;

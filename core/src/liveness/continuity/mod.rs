//! Is it the same living person all the time, in front of one camera that films now?
//!
//! | module | what |
//! |---|---|
//! | [`reaction`] | gestures follow their instruction, not sooner than a person can |

pub mod reaction;

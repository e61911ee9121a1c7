//! One verification, from `/join-call` to exactly one outcome.
//!
//! | file | what |
//! |---|---|
//! | [`state`] | the pure state machine: what to do next, given what happened and the time |
//! | [`outcome`] | how a flow can end |
//! | [`timeline`] | what happened when |
//! | `setup` | what a flow begins with |
//! | `task` | the owner task: carries out the machine's actions |
//! | `gathering` | what is kept of it as evidence, where that is wanted |
//! | `best_shot` | the frame that shows the subject best |
//! | `result` | the signed result, where the controller wants it |
//! | `verify` | references fetched and compared with the pictures taken |
//! | `words` | what the machine wants shown, in the subject's language |
//! | [`watch`] | the liveness checks: fed here, asked here |
//! | `colours` | a colour challenge on its way |
//! | `attention`, `pace` | which frames go to the networks |
//! | [`registry`] | which flows there are |

mod attention;
mod best_shot;
mod colours;
mod gathering;
pub mod outcome;
mod pace;
pub mod registry;
mod result;
mod setup;
pub mod state;
mod task;
pub mod timeline;
mod verify;
pub mod watch;
mod words;

pub use outcome::{Outcome, Reason};
pub use registry::{Admission, FlowId, FlowStatus, Flows, Refusal};
pub use task::run;

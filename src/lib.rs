//! map
//!
//! | module | what |
//! |---|---|
//! | [`redact`] | tokens and addresses as logs may show them |
//! | [`outbound`] | HTTP that the service itself sends: client, redirects, retries |
//! | [`controller`] | the controller's callbacks, its reference images, and the test controller |
//! | [`matching`] | is the live face the reference's: the decision, the embedded and the remote matcher |
//! | [`http`] | what the service answers |

pub mod controller;
pub mod http;
pub mod matching;
pub mod outbound;
pub mod redact;

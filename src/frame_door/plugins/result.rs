//! `Result`: the session succeeds when none of the plug-ins has anything against it.
//!
//! Without it the first frame that passes all checks is a success, whatever the other plug-ins still wait for; who
//! refuses the session is heard all the same.

use super::{Configured, Opening, Plugin, Seen, Shared, Word};
use crate::frame_door::protocol::SessionId;
use crate::frame_door::settings::reader::Reader;

/// `[MIDDLEWARES.WS.Result]`. Takes part also when it is switched off.
#[derive(Debug)]
pub struct Settings {
    /// `isEnabled`.
    pub is_enabled: bool,
}

impl Configured for Settings {
    fn read(file: &mut Reader) -> Option<Self> {
        Some(Self { is_enabled: file.plugin("WS", "Result", true).is_some() })
    }

    fn open(&self, _: &Shared) -> Opening {
        let is_enabled = self.is_enabled;
        Ok(Some(Box::new(move |_: SessionId| Result { is_enabled })))
    }
}

/// The plug-in.
pub struct Result {
    /// As configured.
    pub is_enabled: bool,
}

impl Plugin for Result {
    fn frame(&mut self, seen: &Seen<'_>, so_far: Word) -> Word {
        match so_far {
            Word::Wait(_) if !self.is_enabled && seen.status.is_ok => Word::Content,
            said => said,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Frames, passing};
    use super::*;

    #[test]
    fn without_it_others_are_not_waited_for() {
        let frames = Frames::default();
        let waiting = || Word::Wait(vec![37]);
        assert_eq!(Result { is_enabled: true }.frame(&frames.seen(&passing()), waiting()), waiting());
        assert_eq!(Result { is_enabled: false }.frame(&frames.seen(&passing()), waiting()), Word::Content);
        assert_eq!(Result { is_enabled: false }.frame(&frames.seen(&passing()), Word::Refuse(103)), Word::Refuse(103));
    }
}

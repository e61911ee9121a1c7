//! From a section of the settings to a part of a session: how a plug-in is read, opened and begun.
//!
//! | when | what | once for |
//! |---|---|---|
//! | the file is read | [`Configured::read`]: its section, if it takes part at all | the file |
//! | the door opens | [`Configured::open`]: connects to what it needs, or rests | the service |
//! | a session begins | [`Opened::begin`]: its [`Plugin`], with what it knows of this session | the session |
//! | the door closes | [`Opened::close`]: brings away what sessions have left | the service |

use std::any::Any;
use std::error::Error;
use std::fmt::Debug;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use vision_core::liveness::frame_checks::Thresholds;
use vision_models::engine::Engine;

use super::Plugin;
use crate::evidence::Keeper;
use crate::frame_door::protocol::SessionId;
use crate::frame_door::settings::reader::Reader;

/// Why a plug-in cannot take part. Its message is all that the operator hears: it says which plug-in, and which setting.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What opening a plug-in gives; none: it rests, because something that it needs is not there.
pub type Opening = Result<Option<Box<dyn Opened>>, Failure>;

/// A row in the list of plug-ins: [`read`] of its settings.
pub type Read = fn(&mut Reader) -> Option<Arc<dyn Configured>>;

/// The settings of a plug-in that is switched on. Secrets among them do not show in `Debug`.
pub trait Configured: Any + Debug + Send + Sync {
    /// What the file says; none: switched off. Mistakes are told to `file`, and a default stands for the value.
    fn read(file: &mut Reader) -> Option<Self>
    where
        Self: Sized;

    /// Within a tokio runtime.
    ///
    /// # Errors
    /// [`Failure`]: the door stays closed.
    fn open(&self, shared: &Shared) -> Opening;
}

/// A plug-in of an open door. For most this is a closure that makes the [`Plugin`] of a session.
pub trait Opened: Send + Sync {
    /// Within a tokio runtime.
    ///
    /// # Errors
    /// [`Failure`]: the session does not begin.
    fn begin(&self, session: SessionId) -> Result<Box<dyn Plugin>, Failure>;

    /// All sessions have ended. What is left of them has `grace` to get where it goes.
    fn close(&self, _grace: Duration) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}

impl<P: Plugin + 'static, F: Fn(SessionId) -> P + Send + Sync> Opened for F {
    fn begin(&self, session: SessionId) -> Result<Box<dyn Plugin>, Failure> {
        Ok(Box::new(self(session)))
    }
}

/// What the door has for all plug-ins.
#[derive(Clone)]
pub struct Shared {
    /// As configured.
    pub thresholds: Thresholds,
    /// The networks.
    pub engine: Arc<Engine>,
    /// Who keeps evidence, where it is kept.
    pub keeper: Option<Keeper>,
}

/// The settings of one plug-in among those of the others.
pub fn read<S: Configured>(file: &mut Reader) -> Option<Arc<dyn Configured>> {
    S::read(file).map(|settings| Arc::new(settings) as _)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::num::NonZeroUsize;
    use std::sync::atomic::Ordering;
    use std::time::Instant;

    use image::{ImageFormat, Rgb, RgbImage};
    use tokio_util::sync::CancellationToken;
    use vision_models::engine::EngineOptions;

    use super::super::ALL;
    use super::*;
    use crate::app::engine_options;
    use crate::config::{Config, Layers};
    use crate::frame_door::FrameDoor;
    use crate::frame_door::session::Session;
    use crate::frame_door::settings::{Loaded, Settings, SettingsError};
    use crate::token::{KNOWN_KEY, Verifier};

    /// `Patience`: a session without a result fails after so many frames. Nothing but the list below knows it.
    mod patience {
        use std::sync::atomic::{AtomicUsize, Ordering};

        use serde_json::{Value, json};

        use super::super::super::{Seen, Word};
        use super::*;

        /// Sessions that had begun when a door closed.
        pub static BEGUN_AT_CLOSE: AtomicUsize = AtomicUsize::new(0);

        /// `[MIDDLEWARES.WS.Patience]`.
        #[derive(Debug, PartialEq)]
        pub struct Settings {
            /// `args.frames`.
            pub frames: u64,
        }

        struct Clock {
            frames: u64,
            begun: AtomicUsize,
        }

        struct Patience {
            frames: u64,
            left: u64,
        }

        impl Configured for Settings {
            fn read(file: &mut Reader) -> Option<Self> {
                let args = file.plugin("WS", "Patience", false)?;
                Some(Self { frames: file.within(&args, "frames", 0.0, 100.0).map_or(10, |frames| frames as u64) })
            }

            fn open(&self, _: &Shared) -> Opening {
                if self.frames == 0 {
                    return Err("MIDDLEWARES.WS.Patience.args.frames has to be 1 at least".into());
                }
                Ok(Some(Box::new(Clock { frames: self.frames, begun: AtomicUsize::new(0) })))
            }
        }

        impl Opened for Clock {
            fn begin(&self, _: SessionId) -> Result<Box<dyn Plugin>, Failure> {
                if self.begun.fetch_add(1, Ordering::Relaxed) == 2 {
                    return Err("Patience is at an end".into());
                }
                Ok(Box::new(Patience { frames: self.frames, left: self.frames }))
            }

            fn close(&self, _: Duration) -> BoxFuture<'_, ()> {
                Box::pin(async {
                    BEGUN_AT_CLOSE.fetch_add(self.begun.load(Ordering::Relaxed), Ordering::Relaxed);
                })
            }
        }

        impl Plugin for Patience {
            fn frame(&mut self, _: &Seen<'_>, so_far: Word) -> Word {
                self.left -= 1;
                if self.left == 0 { Word::Refuse(200) } else { so_far }
            }

            fn finding(&self) -> Option<(&'static str, Value)> {
                Some(("patience", json!({ "of": self.frames, "left": self.left })))
            }
        }
    }

    fn settings(patience: &str) -> Result<Loaded, SettingsError> {
        let text = format!("[LUNA_PASS]\nenv = \"development\"\n[MIDDLEWARES.WS.patience]\n{patience}");
        Settings::read_with(&text, &[ALL, &[read::<patience::Settings>]].concat())
    }

    fn grey() -> bytes::Bytes {
        let mut file = Cursor::new(Vec::new());
        RgbImage::from_pixel(320, 240, Rgb([90; 3])).write_to(&mut file, ImageFormat::Png).unwrap();
        file.into_inner().into()
    }

    #[test]
    fn a_plug_in_reads_its_own_section() {
        let read = |text: &str| settings(text).unwrap();
        let Loaded { settings: on, warnings } = read("is_enabled = 1\nargs.frames = 2");
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!(on.plugin(), Some(&patience::Settings { frames: 2 }));
        assert_eq!(read("isEnabled = true").settings.plugin(), Some(&patience::Settings { frames: 10 }));
        assert_eq!(read("isEnabled = 0\nargs.frames = 2").settings.plugin::<patience::Settings>(), None);
        assert_eq!(
            read("isEnabled = 1\nargs.pace = 2").warnings,
            ["MIDDLEWARES.WS.patience.args.pace is not known and changes nothing"]
        );
        let mistake = settings("isEnabled = 1\nargs.frames = 101").unwrap_err().to_string();
        assert!(mistake.contains("MIDDLEWARES.WS.patience.args.frames has to be 0 to 100, not 101"), "{mistake}");
    }

    #[tokio::test]
    async fn a_plug_in_takes_part_when_its_list_names_it() {
        let config = Config::from_layers(&Layers::default()).unwrap();
        let options = EngineOptions { workers: NonZeroUsize::new(1), ..engine_options(&config) };
        let engine = Engine::open(&options).unwrap();
        let open = |patience: &str| {
            let settings = settings(patience).unwrap().settings;
            FrameDoor::open(settings, &config.frame_door, engine.clone(), None, CancellationToken::new())
        };
        let failure = open("isEnabled = 1\nargs.frames = 0").err().unwrap();
        assert_eq!(failure.to_string(), "MIDDLEWARES.WS.Patience.args.frames has to be 1 at least");

        let door = open("isEnabled = 1\nargs.frames = 2").unwrap().unwrap();
        let begin = || Session::begin(door.clone(), SessionId::random().unwrap());
        let show = |session: &mut Session| session.frame(grey(), Instant::now(), ()).unwrap();
        let (mut session, mut other) = (begin().unwrap(), begin().unwrap());
        assert_eq!(begin().err().unwrap().to_string(), "Patience is at an end");
        for session in [&mut session, &mut other] {
            let answer = show(session);
            assert!(answer.errors == [8] && answer.outcome.is_none(), "nobody is seen, and there is patience left");
        }
        let outcome = show(&mut session).outcome.unwrap();
        assert!(!outcome.is_ok && outcome.errors == [200]);
        let verifier = Verifier::new(Default::default(), KNOWN_KEY.as_bytes(), None).unwrap();
        let checks = verifier.verify(&outcome.jwt).unwrap().checks;
        assert_eq!(checks["patience"], serde_json::json!({ "of": 2, "left": 0 }));

        assert_eq!(patience::BEGUN_AT_CLOSE.load(Ordering::Relaxed), 0);
        door.close(Duration::from_secs(1)).await;
        assert_eq!(patience::BEGUN_AT_CLOSE.load(Ordering::Relaxed), 3);
    }
}

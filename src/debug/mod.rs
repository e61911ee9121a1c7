//! For whoever looks for a fault: what `ENABLE_DEBUG_ENDPOINTS` and `DEBUG_DOT_FOLDER` switch on. Without them nothing of
//! this exists.
//!
//! | module | what |
//! |---|---|
//! | [`settings`] | the original's switches, changed while the service runs; pure |
//! | [`gallery`] | pictures that were saved, in memory, few and for a while |
//! | [`probe`] | what can be asked of a running flow: counters, and the peers of its call |
//! | [`graphs`] | dot files of calls that failed, and `dot` to draw them |
//!
//! The endpoints themselves are in [`crate::http::debug`].

pub mod gallery;
pub mod graphs;
pub mod probe;
pub mod settings;

use std::sync::{Arc, Mutex};

use vision_core::picture::{I420View, Picture};
use vision_core::subject_view::SubjectView;

use crate::config;
use crate::controller::references::Reference;
use crate::flow::FlowId;
use crate::lock::lock;
use crate::media::screen::Observer;
use crate::media::{Frame, FrameSink};
use gallery::{Gallery, OwnedI420, SecondHand};
use settings::DebugSettings;

/// The debug endpoints' own state.
pub struct Debug {
    settings: Mutex<DebugSettings>,
    gallery: Gallery,
}

impl Debug {
    /// None, unless the endpoints are switched on.
    pub fn new(config: &config::Config) -> Option<Arc<Self>> {
        let config::Debug { endpoints, images_kept, images_lifetime, .. } = config.debug;
        let settings = DebugSettings { flip_input_image: config.challenge.mirror_input, ..DebugSettings::default() };
        let new = || Self { settings: Mutex::new(settings), gallery: Gallery::start(images_kept, images_lifetime) };
        endpoints.then(|| Arc::new(new()))
    }

    /// As they are now. A flow keeps those of its start, but for whether pictures are saved.
    pub fn settings(&self) -> DebugSettings {
        *lock(&self.settings)
    }

    /// What was saved.
    pub fn gallery(&self) -> &Gallery {
        &self.gallery
    }

    /// Changes settings by the original's names: all of them, or none where one is wrong.
    pub fn change(&self, body: &serde_json::Value) -> Result<DebugSettings, settings::SettingError> {
        // not under the lock, which is taken for every frame
        let change = self.settings().changed(body)?;
        *lock(&self.settings) = change.settings;
        if change.clear_saved_images {
            self.gallery.clear();
        }
        Ok(change.settings)
    }

    /// Sees every frame of a flow and hands it on; one a second is saved while that is wanted.
    pub fn input_tap(self: &Arc<Self>, flow: FlowId, next: FrameSink) -> FrameSink {
        let (debug, second, flow) = (self.clone(), SecondHand::default(), short(flow));
        Arc::new(move |frame: Frame| {
            if debug.settings().save_input_and_output
                && let Some(now) = second.turn()
            {
                debug.gallery.save(format!("in_{now}_{flow}.jpg"), frame.picture.clone());
            }
            next(frame);
        })
    }

    /// Sees every picture that a flow's subject is shown; one a second is saved while that is wanted.
    pub fn output_tap(self: &Arc<Self>, flow: FlowId) -> Observer {
        let (debug, second, flow) = (self.clone(), SecondHand::default(), short(flow));
        Box::new(move |picture: &I420View<'_>, _: &SubjectView| {
            if debug.settings().save_input_and_output
                && let Some(now) = second.turn()
            {
                debug.gallery.save(format!("out_{now}_{flow}.jpg"), Arc::new(OwnedI420::copy(picture)));
            }
        })
    }

    /// Saves the two sides of every comparison while that is wanted.
    pub fn save_compared(&self, pictures: &[Arc<dyn Picture>], references: &[Reference]) {
        if !self.settings().matcher_save_match_images {
            return;
        }
        let now = gallery::unix_seconds();
        for picture in pictures {
            for reference in references {
                let number = self.gallery.next_match();
                self.gallery.save(format!("match_{number}_{now}_image1.jpg"), picture.clone());
                self.gallery.save(format!("match_{number}_{now}_image2.jpg"), reference.picture.clone());
            }
        }
    }
}

/// Enough of a flow's id to tell it from those beside it.
fn short(flow: FlowId) -> String {
    let mut text = flow.to_string();
    text.truncate(8);
    text
}

//! GStreamer elements of vision-service, usable from `gst-launch-1.0` and from the service itself.
//!
//! | element | what |
//! |---|---|
//! | [`faceanalyze`] | finds faces and attaches what they look like and do |
//! | [`faceembed`] | attaches the face as a vector |
//! | [`facespoof`] | attaches whether the face is skin or a picture of skin |
//! | [`facegestures`] | asks for gestures of the analysed face and says when they are done |
//! | [`facedraw`] | draws what was seen: the picture for people who look for a fault |
//! | [`instructionoverlay`] | what the subject sees: mirror, guide, what to do next, how it ended |
//! | [`rtporientation`] | turns the phone's orientation, which travels in RTP, into a tag that `videoflip` follows |
//!
//! Those that look at faces are joined by the metadata of [`meta`]: one infers, another decides, a third draws.
//!
//! The service registers them in its own process with [`plugin_register_static`]; everybody else points
//! `GST_PLUGIN_PATH` to the folder that holds `libgstvision.so`.

mod canvas;
pub mod faceanalyze;
pub mod facedraw;
pub mod faceembed;
pub mod facegestures;
pub mod facespoof;
mod inference;
pub mod instructionoverlay;
pub mod meta;
mod pace;
pub mod rtporientation;
mod video;

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

pub use inference::Device;

/// A lock whose holder panicked still holds plain data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    // The names of types are global to a process: a second copy of this library, linked into a program and loaded as a
    // file, keeps out.
    static FIRST: OnceLock<bool> = OnceLock::new();
    if !FIRST.get_or_init(|| glib::Type::from_name("GstVisionFaceAnalyze").is_none()) {
        return Err(glib::bool_error!("the plug-in vision is in this process already, from another place"));
    }
    meta::register();
    faceanalyze::register(plugin)?;
    faceembed::register(plugin)?;
    facespoof::register(plugin)?;
    facegestures::register(plugin)?;
    facedraw::register(plugin)?;
    instructionoverlay::register(plugin)?;
    rtporientation::register(plugin)
}

// The macro writes the entry points that GStreamer looks for, without documentation.
#[allow(missing_docs)]
mod plugin {
    use super::plugin_init;

    gst::plugin_define!(
        vision,
        env!("CARGO_PKG_DESCRIPTION"),
        plugin_init,
        concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
        "Apache 2.0",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_REPOSITORY"),
        env!("BUILD_REL_DATE")
    );
}

pub use plugin::plugin_register_static;

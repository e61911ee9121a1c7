//! GStreamer elements of vision-service, usable from `gst-launch-1.0` and from the service itself.
//!
//! | element | what |
//! |---|---|
//! | [`facegestures`] | asks for gestures of the analysed face and says when they are done |
//! | [`faceoverlay`] | draws what was seen: the picture for people who look for a fault |
//! | [`instructionoverlay`] | what the subject sees: mirror, guide, what to do next, how it ended |
//! | [`rtporientation`] | turns the phone's orientation, which travels in RTP, into a tag that `videoflip` follows |
//!
//! The service registers them in its own process with [`plugin_register_static`]; everybody else points
//! `GST_PLUGIN_PATH` to the folder that holds `libgstvision.so`.

pub mod facegestures;
pub mod faceoverlay;
pub mod instructionoverlay;
pub mod meta;
pub mod rtporientation;
mod shared;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    meta::register();
    facegestures::register(plugin)?;
    faceoverlay::register(plugin)?;
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

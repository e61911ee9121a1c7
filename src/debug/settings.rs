//! The original's switches (`POST /set_mediasoup_setting`) by its names. Pure.

use serde_json::{Value, json};

use crate::media::branch::Rotation;

/// As they are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebugSettings {
    /// `mediasoup_save_input_and_output`: one picture a second of what comes in and of what goes out is saved.
    pub save_input_and_output: bool,
    /// `mediasoup_rotate_input_image`: 0, 90 (clockwise) or -90; for flows that begin from now on.
    pub rotate_input_image: Rotation,
    /// `mediasoup_flip_input_image`: gestures see the mirrored signals; for flows that begin from now on. Begins with
    /// the value of `challenge.mirror_input`.
    pub flip_input_image: bool,
    /// `remove_urn_3gpp_video_orientation`: the header extension is not negotiated, so that senders turn their pictures
    /// themselves; for flows that begin from now on.
    pub remove_video_orientation: bool,
    /// `matcher_save_match_images`: the two sides of every comparison are saved.
    pub matcher_save_match_images: bool,
}

impl Default for DebugSettings {
    fn default() -> Self {
        Self {
            save_input_and_output: false,
            rotate_input_image: Rotation::None,
            flip_input_image: true,
            remove_video_orientation: false,
            matcher_save_match_images: false,
        }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The settings from now on.
    pub settings: DebugSettings,
    /// `clear_saved_images`: what was saved is thrown away.
    pub clear_saved_images: bool,
}

/// Why settings are not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// Not an object.
    #[error("send a JSON object of settings")]
    NotAnObject,
    /// Another name.
    #[error(
        "there is no setting {0:?}; there are mediasoup_save_input_and_output, mediasoup_rotate_input_image, \
         mediasoup_flip_input_image, remove_urn_3gpp_video_orientation, matcher_save_match_images, clear_saved_images"
    )]
    Unknown(String),
    /// A value of another type.
    #[error("{0} has to be {1}")]
    Value(String, &'static str),
}

impl DebugSettings {
    /// The settings after a request's body: all of it, or none where one of them is wrong.
    pub fn changed(self, body: &Value) -> Result<Change, SettingError> {
        let mut change = Change { settings: self, clear_saved_images: false };
        let settings = &mut change.settings;
        for (name, value) in body.as_object().ok_or(SettingError::NotAnObject)? {
            let flag = || value.as_bool().ok_or_else(|| SettingError::Value(name.clone(), "true or false"));
            match name.as_str() {
                "mediasoup_save_input_and_output" => settings.save_input_and_output = flag()?,
                "mediasoup_flip_input_image" => settings.flip_input_image = flag()?,
                "remove_urn_3gpp_video_orientation" => settings.remove_video_orientation = flag()?,
                "matcher_save_match_images" => settings.matcher_save_match_images = flag()?,
                "clear_saved_images" => change.clear_saved_images = flag()?,
                "mediasoup_rotate_input_image" => {
                    settings.rotate_input_image = match value.as_i64() {
                        Some(0) => Rotation::None,
                        Some(90) => Rotation::Clockwise,
                        Some(-90) => Rotation::CounterClockwise,
                        _ => return Err(SettingError::Value(name.clone(), "0, 90 or -90")),
                    }
                }
                _ => return Err(SettingError::Unknown(name.chars().take(64).collect())),
            }
        }
        Ok(change)
    }

    /// By the original's names.
    pub fn to_json(self) -> Value {
        let degrees = match self.rotate_input_image {
            Rotation::None => 0,
            Rotation::Clockwise => 90,
            Rotation::CounterClockwise => -90,
        };
        json!({
            "mediasoup_save_input_and_output": self.save_input_and_output,
            "mediasoup_rotate_input_image": degrees,
            "mediasoup_flip_input_image": self.flip_input_image,
            "remove_urn_3gpp_video_orientation": self.remove_video_orientation,
            "matcher_save_match_images": self.matcher_save_match_images,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_set_by_its_name_and_read_back() {
        let wanted = json!({
            "mediasoup_save_input_and_output": true,
            "mediasoup_rotate_input_image": -90,
            "mediasoup_flip_input_image": false,
            "remove_urn_3gpp_video_orientation": true,
            "matcher_save_match_images": true,
        });
        let change = DebugSettings::default().changed(&wanted).unwrap();
        assert_eq!(change.settings.to_json(), wanted);
        assert!(!change.clear_saved_images);
        let one = change.settings.changed(&json!({"mediasoup_rotate_input_image": 90})).unwrap().settings;
        assert_eq!(one, DebugSettings { rotate_input_image: Rotation::Clockwise, ..change.settings });
        assert!(one.changed(&json!({"clear_saved_images": true})).unwrap().clear_saved_images);
    }

    #[test]
    fn nothing_changes_where_something_is_wrong() {
        let settings = DebugSettings::default();
        let unknown = settings.changed(&json!({"matcher_save_match_images": true, "other": 1}));
        assert_eq!(unknown, Err(SettingError::Unknown("other".into())));
        for wrong in [
            json!({"mediasoup_rotate_input_image": 45}),
            json!({"mediasoup_rotate_input_image": "90"}),
            json!({"mediasoup_flip_input_image": 1}),
            json!({"clear_saved_images": null}),
        ] {
            assert!(matches!(settings.changed(&wrong), Err(SettingError::Value(..))), "{wrong}");
        }
        assert_eq!(settings.changed(&json!([])), Err(SettingError::NotAnObject));
        assert_eq!(settings.changed(&json!({})).unwrap().settings, settings);
    }
}

//! All known gestures: the built-in ones, and those of extra folders.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::definition::{Gesture, GestureError};

/// The eleven gestures of the original, in its order.
pub const ORIGINAL_GESTURES: [&str; 11] = [
    "blink",
    "smile",
    "openCloseMouth",
    "updown",
    "downup",
    "eyesUpwards",
    "eyesDownwards",
    "eyesShiftLeft",
    "eyesShiftRight",
    "faceFrontLeft",
    "faceFrontRight",
];

macro_rules! built_in {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../../../assets/gestures/", $name, ".json")))),*]
    };
}

/// Name and text of each file in `assets/gestures`.
const BUILT_IN: [(&str, &str); 14] = built_in!(
    "blink" "smile" "openCloseMouth" "updown" "downup" "eyesUpwards" "eyesDownwards" "eyesShiftLeft" "eyesShiftRight"
    "faceFrontLeft" "faceFrontRight" "turnLeft" "turnRight" "nod"
);

/// Gestures by id, in the order in which they were first met.
#[derive(Clone, Debug)]
pub struct GestureLibrary {
    gestures: Vec<Arc<Gesture>>,
}

impl GestureLibrary {
    /// The built-in gestures, then the `*.json` files of each folder in turn (not of folders within). A gesture with the
    /// id of an earlier one takes its place; the same id twice within one folder is an error.
    pub fn load(folders: &[PathBuf]) -> Result<Self, GestureError> {
        let mut library = Self { gestures: Vec::new() };
        for (name, json) in BUILT_IN {
            library.put(Gesture::parse(&format!("built-in {name}.json"), json)?);
        }
        for folder in folders {
            let mut seen = BTreeMap::new();
            for path in json_files(folder).map_err(|source| read_error(folder, source))? {
                let file = path.display().to_string();
                let json = std::fs::read_to_string(&path).map_err(|source| read_error(&path, source))?;
                let gesture = Gesture::parse(&file, &json)?;
                if let Some(first) = seen.insert(gesture.id.clone(), file.clone()) {
                    return Err(GestureError::Duplicate { id: gesture.id.clone(), first, second: file });
                }
                library.put(gesture);
            }
        }
        Ok(library)
    }

    /// Adds the gesture of one file, in the place of one with the same id.
    pub fn add(&mut self, file: &Path) -> Result<&Arc<Gesture>, GestureError> {
        let json = std::fs::read_to_string(file).map_err(|source| read_error(file, source))?;
        let gesture = Gesture::parse(&file.display().to_string(), &json)?;
        Ok(self.put(gesture))
    }

    /// The gesture with this id.
    pub fn get(&self, id: &str) -> Option<&Arc<Gesture>> {
        self.gestures.iter().find(|gesture| gesture.id == id)
    }

    /// All gestures: the original's eleven, our own, then those of the folders.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Gesture>> {
        self.gestures.iter()
    }

    fn put(&mut self, gesture: Arc<Gesture>) -> &Arc<Gesture> {
        let place = self.gestures.iter().position(|known| known.id == gesture.id);
        let place = place.unwrap_or_else(|| {
            self.gestures.push(gesture.clone());
            self.gestures.len() - 1
        });
        self.gestures[place] = gesture;
        &self.gestures[place]
    }
}

/// The `*.json` files of a folder, sorted by name.
pub(crate) fn json_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_error(path: &Path, source: std::io::Error) -> GestureError {
    GestureError::Read { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;
    use crate::gestures::definition::{Condition, Reset};

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("vision-core-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn file(id: &str, value: &str) -> String {
        format!(
            r#"{{"gestureId": "{id}", "label": "{id}", "signal_key": "jawOpen", "total_recommended_max_time": 5000,
                "take_picture_at_the_end": false, "instructions": [{{"move_to_next_type": "higher", "value": {value}}}]}}"#
        )
    }

    /// The table of the original, value by value.
    #[test]
    fn the_originals_gestures_have_the_originals_values() {
        use Condition::{Higher, Lower};
        let table = [
            ("blink", "eyeBlinkLeft", [Lower(0.35), Higher(0.5), Lower(0.35)]),
            ("smile", "mouthSmileRight", [Lower(0.2), Higher(0.6), Lower(0.3)]),
            ("openCloseMouth", "jawOpen", [Lower(0.2), Higher(0.6), Lower(0.3)]),
            ("updown", "Transformation Pitch", [Higher(0.3), Lower(-0.3), Higher(-0.1)]),
            ("downup", "Transformation Pitch", [Lower(-0.3), Higher(0.3), Lower(0.1)]),
            ("eyesUpwards", "eyeLookUpLeft", [Lower(0.02), Higher(0.2), Lower(0.04)]),
            ("eyesDownwards", "eyeLookDownLeft", [Lower(0.4), Higher(0.7), Lower(0.4)]),
            ("eyesShiftLeft", "eyeLookOutLeft", [Lower(0.3), Higher(0.5), Lower(0.3)]),
            ("eyesShiftRight", "eyeLookOutRight", [Lower(0.2), Higher(0.5), Lower(0.3)]),
            ("faceFrontLeft", "eyeLookInLeft", [Lower(0.1), Higher(0.8), Lower(0.3)]),
            ("faceFrontRight", "eyeLookInRight", [Lower(0.1), Higher(0.8), Lower(0.3)]),
        ];
        let library = GestureLibrary::load(&[]).unwrap();
        let first: Vec<_> = library.iter().take(11).map(|gesture| gesture.id.as_str()).collect();
        assert_eq!(first, ORIGINAL_GESTURES);
        for (id, signal, conditions) in table {
            let gesture = library.get(id).unwrap();
            assert_eq!(gesture.signal.key(), signal, "{id}");
            assert_eq!(gesture.steps.iter().map(|step| step.condition).collect::<Vec<_>>(), conditions, "{id}");
            assert_eq!(gesture.time_limit, Duration::from_secs(10));
            assert!(gesture.picture_at_end && !gesture.randomize_step_picture);
            for step in &gesture.steps {
                assert_eq!(step.reset, Some(Reset::After(Duration::from_secs(10))));
                assert!(!step.picture);
            }
        }
    }

    /// Whatever names a side means the subject's own side.
    #[test]
    fn sides_are_the_subjects_own() {
        for gesture in GestureLibrary::load(&[]).unwrap().iter() {
            let has_side = gesture.id.ends_with("Left") || gesture.id.ends_with("Right");
            assert_eq!(gesture.mirrored_input, has_side.then_some(false), "{}", gesture.id);
        }
    }

    #[test]
    fn folders_add_and_replace() {
        let (first, second) = (folder("first"), folder("second"));
        fs::write(first.join("a.json"), file("own", "0.1")).unwrap();
        fs::write(first.join("b.json"), file("blink", "0.2")).unwrap();
        fs::write(first.join("notes.txt"), "not a gesture").unwrap();
        fs::write(second.join("x.json"), file("own", "0.3")).unwrap();
        let library = GestureLibrary::load(&[first, second]).unwrap();
        assert_eq!(library.get("own").unwrap().steps[0].condition, Condition::Higher(0.3));
        assert_eq!(library.get("blink").unwrap().steps[0].condition, Condition::Higher(0.2));
        assert_eq!(library.iter().count(), BUILT_IN.len() + 1);
        assert_eq!(library.iter().next().unwrap().id, "blink");
    }

    #[test]
    fn single_files_add_and_replace() {
        let folder = folder("single");
        fs::write(folder.join("a.json"), file("blink", "0.7")).unwrap();
        fs::write(folder.join("b.json"), "{").unwrap();
        let mut library = GestureLibrary::load(&[]).unwrap();
        assert_eq!(library.add(&folder.join("a.json")).unwrap().id, "blink");
        assert_eq!(library.get("blink").unwrap().steps[0].condition, Condition::Higher(0.7));
        assert_eq!(library.iter().count(), BUILT_IN.len());
        for (name, reason) in [("b.json", "line 1"), ("c.json", "No such file")] {
            let error = library.add(&folder.join(name)).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(reason), "{error}");
        }
    }

    #[test]
    fn errors_name_the_file() {
        let twice = folder("twice");
        fs::write(twice.join("a.json"), file("own", "0.1")).unwrap();
        fs::write(twice.join("b.json"), file("own", "0.2")).unwrap();
        let error = GestureLibrary::load(&[twice]).unwrap_err().to_string();
        assert!(error.contains("a.json") && error.contains("b.json") && error.contains("own"), "{error}");

        let broken = folder("broken");
        fs::write(broken.join("c.json"), file("own", "\"high\"")).unwrap();
        let error = GestureLibrary::load(&[broken]).unwrap_err().to_string();
        assert!(error.contains("c.json: instructions[0].value"), "{error}");

        let error = GestureLibrary::load(&["/nowhere/at/all".into()]).unwrap_err().to_string();
        assert!(error.contains("/nowhere/at/all"), "{error}");
    }
}

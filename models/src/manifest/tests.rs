use super::*;

fn rejected(change: impl Fn(String) -> String) -> String {
    let text = include_str!("../../manifest.toml").to_owned();
    let changed = change(text.clone());
    assert_ne!(changed, text, "the change must change something");
    Manifest::parse(&changed).unwrap_err().to_string()
}

#[test]
fn the_embedded_manifest_is_sound_and_complete() {
    let manifest = Manifest::embedded();
    for kind in [Kind::Detector, Kind::Landmarks, Kind::Blendshapes, Kind::Geometry, Kind::Runtime] {
        let required = manifest.models.iter().filter(|m| m.kind == kind && m.need == Need::Required).count();
        assert_eq!(required, 1, "{kind}");
    }
    let landmarks = manifest.model("face_landmarks").unwrap();
    assert_eq!(landmarks.input.as_ref().unwrap().picture_size(), Some((256, 256)));
    let dlib = manifest.model("dlib_resnet").unwrap();
    assert_eq!(dlib.need, Need::Required, "one embedding is always there");
    assert_eq!(dlib.embedding.as_ref().unwrap().metric, Metric::L2);
    let mut preferences: Vec<_> =
        manifest.models.iter().filter_map(|m| Some((m.embedding.as_ref()?.preference, m.id.as_str()))).collect();
    preferences.sort_unstable();
    assert_eq!(preferences[0].1, "face_reid_0095");
    assert!(preferences.windows(2).all(|pair| pair[0].0 < pair[1].0), "no two are equally preferred");
}

#[test]
fn nothing_under_the_agpl_is_a_default() {
    for model in &Manifest::embedded().models {
        assert!(model.need == Need::Optional || !model.licence.contains("GPL"), "{}", model.id);
    }
}

#[test]
fn a_broken_manifest_says_what_is_wrong() {
    assert!(rejected(|t| t.replacen("format = 1", "format = 2", 1)).contains("format 2"));
    assert!(rejected(|t| t.replacen("kind = ", "sort = ", 1)).contains("sort"));
    assert!(rejected(|t| t.replacen("sha256 = \"0be1", "sha256 = \"XYZ", 1)).contains("face_detector"));
    assert!(rejected(|t| t.replacen("id = \"face_landmarks\"", "id = \"face_detector\"", 1)).contains("twice"));
    assert!(rejected(|t| t.replace("from = [\"face_detector_tflite\"]", "from = [\"nowhere\"]")).contains("nowhere"));
    assert!(
        rejected(|t| t.replace("\"face_blendshapes.onnx\"", "\"../blendshapes.onnx\"")).contains("plain file name")
    );
    assert!(
        rejected(|t| t.replacen("embedding = {", "crop = { scale = 1, border = 'reflect' } #", 1)).contains("0095")
    );
}

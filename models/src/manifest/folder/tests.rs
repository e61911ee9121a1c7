use super::*;

/// A folder that is removed when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("vision-models-{name}-{}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.join(name), bytes).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

const FIRST: &[u8] = b"first network";
const SECOND: &[u8] = b"second network";

/// Two embeddings, the recommended one preferred, and an optional model.
fn two_embeddings() -> &'static Manifest {
    let model = |id: &str, kind: &str, need: &str, bytes: &[u8], rest: &str| {
        format!(
            "[[model]]\nid = '{id}'\ntitle = '{id}'\nkind = '{kind}'\nneed = '{need}'\nfile = '{id}.onnx'\n\
             size = {}\nsha256 = '{}'\nlicence = 'MIT'\nsources = [{{ type = 'mirror', file = 'x' }}]\n{rest}\n",
            bytes.len(),
            hex::encode(Sha256::digest(bytes)),
        )
    };
    let embedding = |preference: u32| {
        format!(
            "embedding = {{ preference = {preference}, alignment = 'five_points', metric = 'cosine', threshold = 0.5 }}"
        )
    };
    let text = [
        "format = 1\n".to_owned(),
        model("fallback", "embedding", "required", FIRST, &embedding(2)),
        model(
            "preferred",
            "embedding",
            "recommended",
            SECOND,
            &embedding(1),
        ),
        model("glasses", "glasses", "optional", FIRST, ""),
    ]
    .concat();
    Box::leak(Box::new(Manifest::parse(&text).unwrap()))
}

#[test]
fn a_right_file_resolves_and_is_hashed_once() {
    let scratch = Scratch::new("right");
    let folder = ModelFolder::with_manifest(&scratch.0, two_embeddings());
    scratch.write("fallback.onnx", FIRST);
    assert_eq!(
        folder.resolve("fallback").unwrap().path,
        scratch.0.join("fallback.onnx")
    );

    // Same size, other bytes, the time of change put back: only a second hash would notice.
    let file = File::options()
        .write(true)
        .open(scratch.0.join("fallback.onnx"))
        .unwrap();
    let then = file.metadata().unwrap().modified().unwrap();
    fs::write(scratch.0.join("fallback.onnx"), b"FIRST NETWORK").unwrap();
    file.set_modified(then).unwrap();
    assert!(folder.resolve("fallback").is_ok());

    file.set_modified(then + std::time::Duration::from_secs(2))
        .unwrap();
    assert!(
        matches!(
            folder.resolve("fallback"),
            Err(ManifestError::WrongHash { .. })
        ),
        "a changed file is hashed again"
    );
}

#[test]
fn errors_name_model_file_hashes_and_remedy() {
    let scratch = Scratch::new("errors");
    let folder = ModelFolder::with_manifest(&scratch.0, two_embeddings());
    let text = |id: &str| folder.resolve(id).unwrap_err().to_string();

    assert!(text("nothing").contains("no model `nothing`"));
    let missing = text("fallback");
    assert!(
        missing.contains("`fallback`") && missing.contains("fallback.onnx is missing"),
        "{missing}"
    );
    assert!(missing.contains("`make models`"), "{missing}");
    assert!(text("glasses").contains("`make models WITH=glasses`"));

    scratch.write("fallback.onnx", &FIRST[..5]);
    let short = text("fallback");
    assert!(
        short.contains("has 5 bytes and must have 13") && short.contains("`make models`"),
        "{short}"
    );

    scratch.write("fallback.onnx", b"FIRST NETWORK");
    let wrong = text("fallback");
    assert!(
        wrong.contains(&hex::encode(Sha256::digest(FIRST))),
        "{wrong}"
    );
    assert!(
        wrong.contains(&hex::encode(Sha256::digest(b"FIRST NETWORK"))),
        "{wrong}"
    );

    fs::create_dir(scratch.0.join("preferred.onnx")).unwrap();
    assert!(
        folder.resolve("preferred").is_err(),
        "a folder is not a file"
    );
}

#[test]
fn the_preferred_embedding_is_used_when_it_is_there() {
    let scratch = Scratch::new("preferred");
    let in_use = || {
        let folder = ModelFolder::with_manifest(&scratch.0, two_embeddings());
        let listed: Vec<_> = folder
            .list()
            .into_iter()
            .filter(|l| l.in_use)
            .map(|l| l.id)
            .collect();
        let first = folder
            .embeddings()
            .first()
            .map(|resolved| resolved.model.id.as_str());
        assert_eq!(first, listed.first().copied());
        listed
    };
    assert!(in_use().is_empty());
    scratch.write("fallback.onnx", FIRST);
    assert_eq!(in_use(), ["fallback"]);
    scratch.write("preferred.onnx", b"damaged file..");
    assert_eq!(in_use(), ["fallback"], "a damaged file is never used");
    scratch.write("preferred.onnx", SECOND);
    assert_eq!(in_use(), ["preferred"]);
}

#[test]
fn the_list_tells_state_and_origin() {
    let scratch = Scratch::new("list");
    scratch.write("fallback.onnx", FIRST);
    scratch.write("preferred.onnx", b"x");
    scratch.write(
        ORIGINS_FILE,
        br#"{ "fallback": "npm package some-package 1.0" }"#,
    );
    let list = ModelFolder::with_manifest(&scratch.0, two_embeddings()).list();
    assert_eq!(list[0].state, State::Present);
    assert_eq!(
        list[0].origin.as_deref(),
        Some("npm package some-package 1.0")
    );
    assert!(matches!(&list[1].state, State::Bad(why) if why.contains("preferred.onnx")));
    assert_eq!(list[1].origin, None);
    assert_eq!(list[2].state, State::Missing);
    let json = serde_json::to_value(&list[0]).unwrap();
    assert_eq!(json["state"], "present");
    assert_eq!(json["kind"], "embedding");
}

#[test]
fn the_first_folder_that_holds_a_model_is_found() {
    let (empty, full) = (Scratch::new("empty"), Scratch::new("full"));
    full.write("face_detector.onnx", b"");
    let found = ModelFolder::search(vec![empty.0.clone(), full.0.clone()]).unwrap();
    assert_eq!(found.path(), full.0);
    let error = ModelFolder::search(vec![empty.0.clone()])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&empty.0.display().to_string()) && error.contains("make models"),
        "{error}"
    );
}

#[test]
fn a_named_folder_must_exist() {
    let scratch = Scratch::new("named");
    assert_eq!(
        ModelFolder::find(Some(&scratch.0)).unwrap().path(),
        scratch.0
    );
    let error = ModelFolder::find(Some(&scratch.0.join("gone")))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("gone") && error.contains("the configuration"),
        "{error}"
    );
}

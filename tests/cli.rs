//! The command line, as a person at a terminal meets it.

use std::collections::BTreeMap;
use std::process::Output;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use vision_service::token::{Algorithm, Claims, Jwt, Signer};

use crate::support::assets::{Scratch, asset};
use crate::support::child::program;
use crate::support::serial;

fn run(args: &[&str]) -> Output {
    program().args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_names_every_command() {
    let help = text(&run(&["--help"]).stdout);
    for command in
        ["serve", "demo", "controller", "models", "config", "analyze", "pipelines", "match", "verify-jwt", "worker"]
    {
        assert!(help.contains(&format!("  {command} ")), "{command} is missing in {help}");
    }
}

#[test]
fn nothing_is_written_into_the_users_folders() {
    let home = Scratch::new("cli-home");
    let picture = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/astronaut.png");
    let output = program()
        .args(["match", picture, picture])
        .env("HOME", &home.0)
        .env_remove("XDG_CACHE_HOME")
        .env_remove("XDG_DATA_HOME")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let written: Vec<_> = walk(&home.0).into_iter().filter(|path| !path.contains("gstreamer-1.0")).collect();
    assert!(written.is_empty(), "{written:?}");
}

/// Files in a folder and below it.
fn walk(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path.display().to_string()] }).collect()
}

#[test]
fn config_shows_what_is_in_force_and_where_it_comes_from() {
    let scratch = Scratch::new("cli-config");
    let toml = scratch.0.join("vision.toml");
    std::fs::write(&toml, "[http]\nport = 6000\nhost = '127.0.0.1'\n[flow]\nmax_flows = 3\n").unwrap();
    let dotenv = scratch.0.join(".env");
    std::fs::write(&dotenv, "PORT=6001\nAPI_TOKEN=hunter2\n").unwrap();
    let output = program()
        .args(["config", "--config", toml.to_str().unwrap(), "--env-file", dotenv.to_str().unwrap()])
        .args(["--set", "flow.max_flows=5"])
        .env("DEFAULT_LANG", "pt")
        .output()
        .unwrap();
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for line in [
        "port = 6001",
        "host = \"127.0.0.1\"",
        "max_flows = 5  # from command line",
        "default = \"pt\"  # from environment",
    ] {
        assert!(shown.contains(line), "{line} is missing in {shown}");
    }
    assert!(!shown.contains("hunter2"));
}

#[test]
fn a_wrong_configuration_is_refused_with_every_mistake() {
    let output = run(&["serve", "--set", "http.port=many", "--set", "challenge.count=9"]);
    let message = text(&output.stderr);
    assert!(!output.status.success());
    assert!(message.contains("PORT") && message.contains("NUMBER_OF_GESTURES_TO_REQUEST"), "{message}");
    let message = text(&run(&["config", "--set", "http.prot=1"]).stderr);
    assert!(message.contains("http.prot"), "{message}");
    let message = text(&run(&["serve", "--set", "challenge.gestures=blink,wink", "--set", "challenge.count=1"]).stderr);
    assert!(message.contains("wink") && message.contains("openCloseMouth"), "{message}");
}

#[test]
fn models_are_listed_with_their_licences() {
    let output = run(&["models"]);
    let list = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for word in ["face_landmarks", "dlib_resnet", "Apache-2.0", "in use", "provider", "ONNX Runtime", "vp8dec"] {
        assert!(list.contains(word), "{word} is missing in {list}");
    }
    let json: Value = serde_json::from_slice(&run(&["models", "--json"]).stdout).unwrap();
    let models = json["models"].as_array().unwrap();
    assert!(models.iter().any(|m| m["id"] == "face_detector" && m["in_use"] == true), "{json}");
    assert!(json["runtime"]["provider"].is_string() && json["runtime"]["version"].is_string(), "{json}");
}

#[test]
fn a_provider_that_does_not_work_here_is_an_error_at_start() {
    // The library of the set-up is the processor's, wherever this runs.
    for provider in ["cuda", "tensorrt"] {
        let setting = format!("analysis.provider={provider}");
        let output = run(&["serve", "--set", "http.port=0", "--set", &setting]);
        let message = text(&output.stderr);
        assert!(!output.status.success());
        for word in [provider, "does not work here", "ONNXRUNTIME_LIBRARY", "auto or cpu"] {
            assert!(message.contains(word), "{word} is missing in: {message}");
        }
        let list = run(&["models", "--set", &setting]);
        assert!(list.status.success() && text(&list.stdout).contains("does not work here"), "{}", text(&list.stdout));
    }
}

#[test]
fn faces_are_compared_with_each_embedding() {
    let name = "faces_are_compared_with_each_embedding";
    let (Some(a), Some(b), Some(other), Some(two)) = (
        asset(name, "fr_obama.jpg"),
        asset(name, "fr_obama2.jpg"),
        asset(name, "fr_biden.jpg"),
        asset(name, "fr_two_people.jpg"),
    ) else {
        return;
    };
    let models: Value = serde_json::from_slice(&run(&["models", "--json"]).stdout).unwrap();
    let models = &models["models"];
    let embeddings: Vec<_> =
        models.as_array().unwrap().iter().filter(|m| m["kind"] == "embedding" && m["state"] == "present").collect();
    assert!(!embeddings.is_empty(), "{models}");
    for model in embeddings {
        let id = model["id"].as_str().unwrap();
        let setting = format!("matching.embedding={id}");
        let compare = |x: &std::path::Path, y: &std::path::Path| {
            let output = program().args(["match", "--json", "--set", &setting]).args([x, y]).output().unwrap();
            let value: Value =
                serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
            (output.status.code(), value)
        };
        let (code, same) = compare(&a, &b);
        assert_eq!((code, &same["match"], &same["model"]), (Some(0), &Value::Bool(true), &Value::from(id)), "{same}");
        let (code, different) = compare(&a, &other);
        assert_eq!((code, &different["match"]), (Some(1), &Value::Bool(false)), "{different}");
        assert!(different["distance"].as_f64() > same["distance"].as_f64());
    }
    let output = program().arg("match").args([&a, &two]).output().unwrap();
    assert!(!output.status.success() && text(&output.stderr).contains("2 faces"), "{}", text(&output.stderr));
    let output = program().arg("match").arg(&a).arg("nowhere.jpg").output().unwrap();
    assert!(text(&output.stderr).contains("nowhere.jpg"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn the_demo_verifies_its_portrait_and_leaves_a_contact_sheet() {
    let _turn = serial().await;
    let scratch = Scratch::new("cli-demo");
    let out = scratch.0.clone();
    let output = tokio::task::spawn_blocking(move || {
        program()
            .args(["demo", "--set", "challenge.count=3", "--set", "flow.starting=1s", "--out"])
            .arg(out)
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", text(&output.stderr));
    for words in
        ["outcome: verified", "blink completed", "smile completed", "openCloseMouth completed", "hears Success"]
    {
        assert!(said.contains(words), "{words} is missing in {said}");
    }
    let sheet = image::open(scratch.0.join("contact-sheet.png")).unwrap();
    assert!(sheet.width() > 1000 && sheet.height() > 600);
}

#[tokio::test]
async fn the_demos_portrait_is_refused_by_the_profile_strict() {
    let _turn = serial().await;
    let scratch = Scratch::new("cli-demo-strict");
    let out = scratch.0.clone();
    let output = tokio::task::spawn_blocking(move || {
        // What the portrait wears is not the question here.
        let settings =
            ["--set", "liveness.profile=strict", "--set", "liveness.glasses=off", "--set", "flow.starting=1s"];
        program().arg("demo").args(settings).arg("--out").arg(out).output().unwrap()
    })
    .await
    .unwrap();
    let said = text(&output.stdout);
    assert!(!output.status.success() && said.contains("spoof_suspected"), "{said}\n{}", text(&output.stderr));
}

/// Gestures that the service sees in each clip, against MediaPipe's, both as (id, frame).
#[test]
fn analyze_finds_the_gestures_that_mediapipe_finds() {
    let name = "analyze_finds_the_gestures_that_mediapipe_finds";
    let Some(first) = asset(name, "lp_d0.mp4") else { return };
    let assets = first.parent().unwrap();
    let recorded = std::fs::read_to_string(assets.join("../reference/gestures.json")).unwrap();
    let recorded: Value = serde_json::from_str(&recorded).unwrap();
    let strict = ["blink", "smile", "openCloseMouth"];
    let (mut expected_in_all, mut found_in_all, mut besides) = (0, 0, 0);
    for (clip, reference) in recorded.as_object().unwrap() {
        let output = program().args(["analyze", "--json"]).arg(assets.join(clip)).output().unwrap();
        assert!(output.status.success(), "{clip}: {}", text(&output.stderr));
        let mut seen: Vec<(String, i64)> = Vec::new();
        for line in text(&output.stdout).lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            let Some(frame) = value["frame"].as_i64() else { continue };
            for id in value["gestures_completed"].as_array().unwrap() {
                seen.push((id.as_str().unwrap().to_owned(), frame));
            }
        }
        for (id, frames) in reference["completed_at_frame"].as_object().unwrap() {
            for frame in frames.as_array().unwrap().iter().map(|f| f.as_i64().unwrap()) {
                expected_in_all += 1;
                match seen.iter().position(|(i, at)| i == id && (at - frame).abs() <= 2) {
                    Some(place) => {
                        found_in_all += 1;
                        seen.swap_remove(place);
                    }
                    None => {
                        println!("{clip}: {id} at {frame} is not found");
                        assert!(!strict.contains(&id.as_str()), "{clip}: {id} at {frame} is not found");
                    }
                }
            }
        }
        for (id, frame) in &seen {
            println!("{clip}: {id} at {frame} is found besides");
            assert!(!strict.contains(&id.as_str()), "{clip}: {id} at {frame} is found besides");
        }
        besides += seen.len();
    }
    println!("{found_in_all} of {expected_in_all} found, {besides} besides");
    assert!(found_in_all * 100 >= expected_in_all * 94, "{found_in_all} of {expected_in_all}");
    assert!(besides * 100 <= expected_in_all * 5, "{besides} besides {expected_in_all}");
}

#[test]
fn analyze_speaks_json_and_draws() {
    let Some(picture) = asset("analyze_speaks_json_and_draws", "fr_two_people.jpg") else { return };
    let output = program().args(["analyze", "--json", "--pictures"]).arg(&picture).output().unwrap();
    let lines: Vec<Value> = text(&output.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 2, "a frame and a summary: {}", text(&output.stderr));
    let frame = &lines[0];
    for key in [
        "frame",
        "pts_ms",
        "faces",
        "box",
        "presence",
        "yaw",
        "pitch",
        "roll",
        "blendshapes",
        "warnings",
        "quality",
        "checks",
        "gestures_completed",
    ] {
        assert!(frame.get(key).is_some(), "{key} is missing in {frame}");
    }
    assert_eq!(frame["faces"], 2);
    assert!(frame["warnings"].as_array().unwrap().contains(&Value::from("several_faces")), "{frame}");
    assert_eq!(frame["blendshapes"].as_object().unwrap().len(), 52);
    assert_eq!(lines[1]["summary"]["frames"], 1);

    let scratch = Scratch::new("cli-plot");
    let plot = scratch.0.join("signals.svg");
    let clip = asset("analyze_speaks_json_and_draws", "lp_d0.mp4").unwrap();
    let output = program().args(["analyze", "--gestures", "all", "--plot"]).args([&plot, &clip]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("blink: completed 1 times"), "{}", text(&output.stdout));
    let svg = std::fs::read_to_string(&plot).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("turnLeft") && svg.contains("eyeBlinkLeft"));
    for check in ["check passive_liveness", "check frozen_stream", "check identity_continuity"] {
        assert!(svg.contains(check), "{check} is not drawn");
    }
    let output = program().args(["analyze", "--json"]).arg(&clip).output().unwrap();
    let lines: Vec<Value> = text(&output.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let (summary, frame) = (&lines[lines.len() - 1]["summary"], &lines[lines.len() - 2]);
    for measure in ["blur", "light", "darkness", "illumination", "specularity", "ags", "mouth"] {
        let score = frame["quality"][measure].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&score), "{measure} is {score}");
    }
    assert_eq!(summary["checks"]["frozen_stream"]["verdict"], "passed", "{summary}");
    assert_eq!(frame["checks"], summary["checks"], "the last frame's are those of the file");

    let output = program().args(["analyze", "--gestures", "wink"]).arg(&clip).output().unwrap();
    assert!(text(&output.stderr).contains("wink"));
    let output = program().arg("analyze").arg(file!()).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(!output.status.success() && text(&output.stderr).contains("cli.rs"), "{}", text(&output.stderr));
}

#[test]
fn verify_jwt_says_what_a_token_is_worth() {
    let scratch = Scratch::new("cli-jwt");
    let [token, key, picture] = ["token.jwt", "key", "best.jpg"].map(|name| scratch.0.join(name));
    let jwt = Jwt { algorithm: Algorithm::Hs256, key: "a key of ours".to_owned().into() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = Claims {
        is_ok: true,
        errors: vec![],
        details: json!({}),
        bestshot: Some("aGVsbG8=".into()),
        iat: now,
        exp: now + 60,
        jti: "1".into(),
        aud: Some("bank".into()),
        sid: "session".into(),
        models: BTreeMap::new(),
        checks: json!({}),
    };
    std::fs::write(&token, Signer::new(&jwt).unwrap().sign(&claims).unwrap()).unwrap();
    // as an editor leaves it
    std::fs::write(&key, "a key of ours\n").unwrap();
    let verify = |more: &[&str]| {
        let paths = [&token, &key, &picture].map(|path| path.to_str().unwrap());
        program()
            .args(["verify-jwt", paths[0], "--key-file", paths[1], "--bestshot", paths[2]])
            .args(more)
            .output()
            .unwrap()
    };
    let output = verify(&["--audience", "bank"]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(said.contains("\"isOk\": true") && said.contains("\"sid\": \"session\""), "{said}");
    assert!(!said.contains("aGVsbG8"), "the picture is not printed: {said}");
    assert_eq!(std::fs::read(&picture).unwrap(), b"hello");

    for (more, reason) in
        [(["--audience", "shop"], "another audience"), (["--algorithm", "HS512"], "another algorithm")]
    {
        let output = verify(&more);
        assert!(!output.status.success() && text(&output.stderr).contains(reason), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
}

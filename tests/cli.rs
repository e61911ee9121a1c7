//! The command line, as a person at a terminal meets it.

use std::process::Output;

use serde_json::Value;

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
    for command in ["serve", "demo", "controller", "models", "config", "analyze", "match"] {
        assert!(help.contains(&format!("  {command} ")), "{command} is missing in {help}");
    }
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
    for line in ["port = 6001", "host = \"127.0.0.1\"", "max_flows = 5  # from command line", "default = \"pt\"  # from environment"] {
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
    for word in ["face_landmarks", "dlib_resnet", "Apache-2.0", "in use"] {
        assert!(list.contains(word), "{word} is missing in {list}");
    }
    let json: Value = serde_json::from_slice(&run(&["models", "--json"]).stdout).unwrap();
    assert!(json.as_array().unwrap().iter().any(|m| m["id"] == "face_detector" && m["in_use"] == true), "{json}");
}

#[test]
fn faces_are_compared_with_each_embedding() {
    let name = "faces_are_compared_with_each_embedding";
    let (Some(a), Some(b), Some(other), Some(two)) =
        (asset(name, "fr_obama.jpg"), asset(name, "fr_obama2.jpg"), asset(name, "fr_biden.jpg"), asset(name, "fr_two_people.jpg"))
    else {
        return;
    };
    let models: Value = serde_json::from_slice(&run(&["models", "--json"]).stdout).unwrap();
    let embeddings: Vec<_> = models.as_array().unwrap().iter().filter(|m| m["kind"] == "embedding" && m["state"] == "present").collect();
    assert!(!embeddings.is_empty(), "{models}");
    for model in embeddings {
        let id = model["id"].as_str().unwrap();
        let setting = format!("matching.embedding={id}");
        let compare = |x: &std::path::Path, y: &std::path::Path| {
            let output = program().args(["match", "--json", "--set", &setting]).args([x, y]).output().unwrap();
            let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
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
        program().args(["demo", "--set", "challenge.count=3", "--set", "flow.starting=1s", "--out"]).arg(out).output().unwrap()
    })
    .await
    .unwrap();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", text(&output.stderr));
    for words in ["outcome: verified", "blink completed", "smile completed", "openCloseMouth completed", "hears Success"] {
        assert!(said.contains(words), "{words} is missing in {said}");
    }
    let sheet = image::open(scratch.0.join("contact-sheet.png")).unwrap();
    assert!(sheet.width() > 1000 && sheet.height() > 600);
}

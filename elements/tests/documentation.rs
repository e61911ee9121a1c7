//! What the elements say of themselves is true: the lines in their documentation run, `gst-inspect-1.0` reads well.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use gst::prelude::*;

/// The elements, by their folders.
fn elements() -> Vec<(String, PathBuf)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let folders = source.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut elements: Vec<_> = folders
        .filter(|folder| folder.join("imp.rs").is_file())
        .map(|folder| (folder.file_name().unwrap().to_str().unwrap().to_owned(), folder.join("mod.rs")))
        .collect();
    elements.sort();
    assert!(elements.len() >= 4, "{elements:?}");
    elements
}

/// The `gst-launch-1.0` lines of a module's documentation, without that word and its options.
fn lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim).collect::<Vec<_>>().join("\n");
    let text = text.replace("\\\n", " ");
    let lines = text.lines().filter_map(|line| line.strip_prefix("gst-launch-1.0 "));
    lines.map(|line| line.trim_start_matches("-m ").trim_start_matches("-e ").to_owned()).collect()
}

#[test]
fn the_lines_in_the_documentation_run() {
    support::init();
    for (element, file) in elements() {
        let lines = lines(&file);
        assert!(!lines.is_empty(), "{element} shows no gst-launch-1.0 line");
        for line in lines {
            assert!(line.contains(&element), "{element}: {line}");
            // The clip is a picture here, and nobody watches.
            let line = line
                .replace("location=call.mp4", &format!("location={}", support::astronaut().display()))
                .replace("autovideosink", "fakesink");
            let pipeline = gst::parse::launch(&line).unwrap_or_else(|error| panic!("{element}: {line}: {error}"));
            let bus = pipeline.bus().unwrap();
            pipeline.set_state(gst::State::Playing).unwrap_or_else(|_| panic!("{element}: {line} does not start"));
            // A line that waits for packets from the network has no end.
            let endless = line.contains("udpsrc");
            let patience = gst::ClockTime::from_seconds(if endless { 1 } else { 60 });
            let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
            match bus.timed_pop_filtered(patience, &wanted).as_ref().map(|message| message.view()) {
                Some(gst::MessageView::Eos(_)) => (),
                Some(gst::MessageView::Error(error)) => panic!("{element}: {line}: {}", error.error()),
                _ => assert!(endless, "{element}: {line} does not end"),
            }
            pipeline.set_state(gst::State::Null).unwrap();
        }
    }
}

#[test]
fn every_element_and_property_is_described() {
    support::init();
    for (name, _) in elements() {
        let factory = gst::ElementFactory::find(&name).unwrap_or_else(|| panic!("{name} is not registered"));
        for key in ["long-name", "klass", "description", "author"] {
            assert!(factory.metadata(key).is_some_and(|text| !text.is_empty()), "{name}: {key}");
        }
        let element = factory.create().build().unwrap();
        for property in element.list_properties().iter().filter(|it| it.owner_type() == element.type_()) {
            let blurb = property.blurb().unwrap_or_default();
            assert_ne!(property.nick(), property.name(), "{name}.{} has no nick", property.name());
            assert!(blurb.len() > 10 && !blurb.ends_with('.'), "{name}.{}: {blurb:?}", property.name());
        }
    }
}

/// The plug-in as a file, which cargo builds into the folder of the tests.
fn plugin_file() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let file = test.with_file_name("libgstvision.so");
    assert!(file.is_file(), "{} is missing", file.display());
    file
}

#[test]
fn gst_inspect_lists_the_plug_in_and_every_element() {
    let scratch = support::EmptyFolder::new("inspect");
    std::os::unix::fs::symlink(plugin_file(), scratch.0.join("libgstvision.so")).unwrap();
    let inspect = |what: &str| {
        let output = Command::new("gst-inspect-1.0")
            .arg(what)
            .env("GST_PLUGIN_PATH", &scratch.0)
            .env("GST_REGISTRY", scratch.0.join("registry.bin"))
            .output()
            .expect("gst-inspect-1.0 runs (Debian package gstreamer1.0-tools)");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !errors.contains("CRITICAL"), "{what}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    };
    let plugin = inspect("vision");
    for (element, _) in elements() {
        assert!(plugin.contains(&format!("  {element}: ")), "{plugin}");
        assert!(inspect(&element).contains("The vision-service developers"));
    }
}

#[test]
fn a_second_copy_in_the_process_keeps_out() {
    support::init();
    let before = gst::ElementFactory::make("faceanalyze").build().unwrap().type_();
    assert!(gst::Plugin::load_file(plugin_file()).is_err());
    assert_eq!(gst::ElementFactory::make("faceanalyze").build().unwrap().type_(), before);
}

//! The files of `pipelines/` under `gst-launch-1.0`, as their own comments say.

use std::path::PathBuf;
use std::process::Command;

use crate::support::process::scratch_folder;

const PICTURE: usize = 320 * 240 * 3 / 2;
const SOURCE: &str = "videotestsrc num-buffers=20 ! video/x-raw,format=I420,width=320,height=240,framerate=15/1";

/// Our plug-in, which cargo puts beside the test's own program.
fn plugin() -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    folder.join("libgstvision.so")
}

/// Runs a line with `{file}` replaced by a description as a shell would; answers how many pictures came out.
fn pictures(line: &str, name: &str) -> usize {
    let folder = scratch_folder(name);
    let out = folder.join("out.yuv");
    let command = format!(
        "gst-launch-1.0 -q --gst-plugin-load={} {SOURCE} ! {line} ! filesink location={}",
        plugin().display(),
        out.display()
    );
    let output = Command::new("sh")
        .args(["-ec", &command])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("gst-launch-1.0 (Debian package gstreamer1.0-tools)");
    assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
    let size = std::fs::metadata(&out).unwrap().len() as usize;
    assert_eq!(size % PICTURE, 0, "{command}: {size} bytes are no I420 pictures of 320x240");
    std::fs::remove_dir_all(folder).unwrap();
    size / PICTURE
}

fn file(name: &str) -> String {
    format!("$(grep -v '^#' pipelines/{name}.launch)")
}

#[test]
fn receiving_branches_run_on_a_test_source() {
    let vp8 = format!("vp8enc deadline=1 ! rtpvp8pay ! {}", file("receive-vp8"));
    assert_eq!(pictures(&vp8, "receive-vp8"), 20);
    let h264 = format!("x264enc tune=zerolatency ! rtph264pay config-interval=-1 ! {}", file("receive-h264"));
    assert_eq!(pictures(&h264, "receive-h264"), 20);
}

#[test]
fn sending_branches_run_into_receiving_ones() {
    for codec in ["vp8", "h264"] {
        let line = format!("{} ! {}", file(&format!("send-{codec}")), file(&format!("receive-{codec}")));
        // an encoder may leave a picture out where the rate asks for it
        let pictures = pictures(&line, &format!("send-{codec}"));
        assert!((15..=20).contains(&pictures), "{codec}: {pictures}");
    }
}

#[test]
fn descriptions_say_how_they_are_run() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(text.starts_with("# ") && text.contains("#   gst-launch-1.0 "), "{name} does not say how");
        assert!(text.contains(&format!("pipelines/{name}")), "{name} does not say its own name");
        let named = text.lines().find_map(|line| line.strip_prefix("# Names the service relies on: ")).unwrap();
        for element in named.trim_end_matches('.').split(", ") {
            assert!(text.contains(&format!("name={element}")), "{name} has no element named {element}");
        }
    }
}

//! The files of `pipelines/` under `gst-launch-1.0`, as their own comments say.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::assets::{Scratch, asset};
use crate::support::child::program;
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

/// Runs `vision-service pipelines ARGUMENTS`; what it prints.
fn pipelines(arguments: &[&str]) -> String {
    let output = program().arg("pipelines").args(arguments).env("GST_PLUGIN_PATH", plugin().parent().unwrap()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Has a shell run the line that is printed for a pipeline; what that prints.
fn launch(arguments: &[&str]) -> String {
    let line = pipelines(arguments);
    let output = Command::new("timeout")
        .args(["--kill-after=5", "120", "sh", "-ec", &line])
        .env("GST_PLUGIN_PATH", plugin().parent().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{line}\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// The pictures in a file of raw I420.
struct Film {
    bytes: Vec<u8>,
    picture: usize,
}

impl Film {
    fn read(path: &Path, (width, height): (usize, usize)) -> Self {
        let (bytes, picture) = (std::fs::read(path).unwrap(), width * height * 3 / 2);
        assert_eq!(bytes.len() % picture, 0, "{} has no I420 of {width}x{height}", path.display());
        Self { bytes, picture }
    }

    fn len(&self) -> usize {
        self.bytes.len() / self.picture
    }

    /// The part of pixels of a picture that are not those of another film.
    fn difference(&self, other: &Self, number: usize) -> f64 {
        let of = |film: &Self| film.bytes[number * film.picture..][..film.picture * 2 / 3].to_vec();
        let (a, b) = (of(self), of(other));
        a.iter().zip(&b).filter(|(a, b)| a.abs_diff(**b) > 30).count() as f64 / a.len() as f64
    }
}

const FILM_SIZE: (usize, usize) = (512, 512);

/// Three seconds of a person, and the same as raw pictures.
fn clip(test: &str, scratch: &Scratch) -> Option<(String, Film)> {
    let whole = asset(test, "lp_d12.mp4")?;
    let (short, raw) = (scratch.0.join("my clip.mp4"), scratch.0.join("plain.yuv"));
    let ffmpeg = |input: &Path, arguments: &[&str], out: &Path| {
        let mut command = Command::new("ffmpeg");
        let command = command.args(["-loglevel", "error", "-y", "-i"]).arg(input).args(arguments).arg(out);
        assert!(command.status().expect("ffmpeg (Debian package ffmpeg)").success());
    };
    ffmpeg(&whole, &["-an", "-t", "3", "-c:v", "libx264"], &short);
    ffmpeg(&short, &["-pix_fmt", "yuv420p", "-f", "rawvideo"], &raw);
    let plain = Film::read(&raw, FILM_SIZE);
    assert_eq!(plain.len(), 75);
    Some((short.to_str().unwrap().to_owned(), plain))
}

/// `window=...` that writes raw pictures.
fn to_file(path: &Path) -> String {
    format!("window=videoconvert ! video/x-raw,format=I420 ! filesink location={}", path.display())
}

#[test]
fn a_file_is_analysed() {
    let scratch = Scratch::new("analyze-file");
    let Some((clip, _)) = clip("a_file_is_analysed", &scratch) else { return };
    let file = format!("file.location={clip}");
    let said = launch(&["analyze-file", "--set", &file]);
    assert!(said.contains("face-count, count=(uint)1, previous=(uint)0"), "{said}");
    assert!(said.contains("gesture-started"), "{said}");
    let said = pipelines(&["analyze-file", "--set", &file, "--run"]);
    assert!(said.contains("faces: face-count") && said.contains("gestures: gesture-started"), "{said}");
    assert!(said.contains("end: 75 buffers"), "{said}");
}

#[test]
fn what_is_seen_and_shown_is_drawn() {
    let scratch = Scratch::new("drawn");
    let Some((clip, plain)) = clip("what_is_seen_and_shown_is_drawn", &scratch) else { return };
    let file = format!("file.location={clip}");
    let camera = format!("camera=filesrc location='{clip}'");
    for (name, source) in [("draw-signals", &file), ("analyze-webcam", &camera), ("subject-view", &file)] {
        let out = scratch.0.join(format!("{name}.yuv"));
        launch(&[name, "--set", source, "--set", &to_file(&out)]);
        let film = Film::read(&out, FILM_SIZE);
        if name == "analyze-webcam" {
            // a camera's pictures may be left out, a file's come faster than the networks look
            assert!((1..=plain.len()).contains(&film.len()), "{name}: {} pictures", film.len());
            continue;
        }
        assert_eq!(film.len(), plain.len(), "{name}");
        let drawn = film.difference(&plain, 40);
        assert!(drawn > 0.01, "{name} differs from the plain film in {drawn} of its pixels");
    }
    let everything_off = ["mesh", "box", "axes", "bars", "gesture"].map(|part| format!("overlay.{part}=false"));
    let out = scratch.0.join("nothing.yuv");
    let window = to_file(&out);
    let mut arguments = vec!["draw-signals", "--set", &file, "--set", &window];
    arguments.extend(everything_off.iter().flat_map(|part| ["--set", part.as_str()]));
    launch(&arguments);
    let film = Film::read(&out, FILM_SIZE);
    assert!(film.difference(&plain, 40) < 0.001, "nothing is drawn where nothing is wanted");
}

#[test]
fn a_session_is_recorded_side_by_side() {
    let scratch = Scratch::new("record");
    let Some((clip, _)) = clip("a_session_is_recorded_side_by_side", &scratch) else { return };
    let recording = scratch.0.join("session.mp4");
    let (file, to) = (format!("file.location={clip}"), format!("recording.location={}", recording.display()));
    launch(&["record-session", "--set", &file, "--set", &to]);
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream=width,height,nb_frames,duration", "-of", "json"])
        .arg(&recording)
        .output()
        .unwrap();
    let found: serde_json::Value = serde_json::from_slice(&probe.stdout).unwrap();
    let video = &found["streams"][0];
    assert_eq!((&video["width"], &video["height"]), (&1280.into(), &480.into()), "{found}");
    let number = |field: &str| video[field].as_str().unwrap().parse::<f64>().unwrap();
    assert!((number("duration") - 3.0).abs() < 0.2 && number("nb_frames") >= 70.0, "{found}");
}

#[test]
fn pictures_of_a_session_become_a_file() {
    let scratch = Scratch::new("session-video");
    for (codec, name) in [("h264", "h264"), ("h265", "hevc"), ("vp9", "vp9")] {
        let video = scratch.0.join(codec);
        let location = format!("file.location={}", video.display());
        launch(&[&format!("session-video-{codec}"), "--set", "camera.num-buffers=20", "--set", &location]);
        let probe = Command::new("ffprobe")
            .args(["-v", "error", "-count_frames", "-show_entries", "stream=codec_name,width,height,nb_read_frames"])
            .args(["-of", "csv=p=0"])
            .arg(&video)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&probe.stdout).trim(), format!("{name},640,480,20"));
    }
}

#[test]
fn what_is_encoded_already_becomes_a_file() {
    let scratch = Scratch::new("remux");
    for codec in ["vp8", "h264"] {
        let video = scratch.0.join(codec);
        let location = format!("file.location={}", video.display());
        launch(&[&format!("remux-{codec}"), "--set", "camera.num-buffers=20", "--set", &location]);
        let probe = Command::new("ffprobe")
            .args(["-v", "error", "-count_frames", "-show_entries", "stream=codec_name,width,height,nb_read_frames"])
            .args(["-of", "csv=p=0"])
            .arg(&video)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&probe.stdout).trim(), format!("{codec},320,240,20"));
    }
}

#[test]
fn branches_are_printed_with_their_ends() {
    let scratch = Scratch::new("branches");
    for codec in ["vp8", "h264"] {
        let out = scratch.0.join(format!("{codec}.yuv"));
        launch(&[&format!("send-{codec}"), "--set", "camera.num-buffers=20", "--set", &to_file(&out)]);
        let sent = Film::read(&out, (640, 480)).len();
        assert!((15..=20).contains(&sent), "{codec}: {sent}");
        let (clip, file) = (scratch.0.join(format!("{codec}.clip")), scratch.0.join("received.yuv"));
        let encode = if codec == "vp8" { "vp8enc deadline=1 ! webmmux" } else { "x264enc tune=zerolatency ! mp4mux" };
        let made = Command::new("sh")
            .args(["-ec", &format!("gst-launch-1.0 -q {SOURCE} ! {encode} ! filesink location={}", clip.display())])
            .status();
        assert!(made.unwrap().success());
        let from = format!("file.location={}", clip.display());
        launch(&[&format!("receive-{codec}"), "--set", &from, "--set", &to_file(&file)]);
        assert_eq!(Film::read(&file, (320, 240)).len(), 20, "{codec}");
    }
}

#[test]
fn both_branches_talk_to_each_other() {
    let said = pipelines(&["loopback-call", "--set", "window=fakesink", "--run", "--seconds", "3"]);
    let number = |what: &str| -> u64 {
        let line = said.lines().find(|line| line.starts_with(what)).unwrap_or_else(|| panic!("{said}"));
        line[what.len()..].trim().split([' ', ',']).next().unwrap().parse().unwrap_or_else(|_| panic!("{said}"))
    };
    // 15 a second are sent
    assert!(number("pictures received") >= 20, "{said}");
    assert!(number("packets received") >= number("pictures received"), "{said}");
    assert!(number("connected after") > 0 && said.contains("(640x480)"), "{said}");

    // as plain RTP
    let scratch = Scratch::new("loopback");
    let out = scratch.0.join("out.yuv");
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (to, from, window) = (format!("out.port={port}"), format!("in.port={port}"), to_file(&out));
    let limited = ["--set", "in.num-buffers=60", "--set", "camera.num-buffers=90"];
    let line = [&["loopback-call", "--set", &to, "--set", &from, "--set", &window][..], &limited].concat();
    launch(&line);
    assert!(Film::read(&out, (640, 480)).len() >= 5);
}

#[test]
fn pipelines_are_listed_printed_and_asked_for_by_their_names() {
    let list = pipelines(&[]);
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(list.lines().any(|line| line.starts_with(&format!("{name} "))), "{name} is missing in {list}");
    }
    let line = pipelines(&["analyze-file", "--set", "file.location=my clip.mp4"]);
    assert!(line.starts_with("gst-launch-1.0 -m filesrc name=file 'location=my clip.mp4' ! decodebin !"), "{line}");
    for wrong in [&["sned-vp8"][..], &["send-vp8", "--set", "kamera.device=x"], &["send-vp8", "--seconds", "1"]] {
        let output = program().arg("pipelines").args(wrong).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && !said.contains("panicked"), "{wrong:?}: {said}");
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
        let services = "# Names the service relies on: ";
        let named: Vec<&str> =
            text.lines().filter_map(|line| line.split_once("ames to set: ")).map(|(_, l)| l).collect();
        let relied = text.lines().find_map(|line| line.strip_prefix(services));
        assert!(!named.is_empty() || relied.is_some(), "{name} names no element");
        for element in named.into_iter().chain(relied).flat_map(|list| list.trim_end_matches('.').split(", ")) {
            assert!(text.contains(&format!("name={element}")), "{name} has no element named {element}");
        }
    }
}

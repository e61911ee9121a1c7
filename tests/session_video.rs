//! Sessions become videos: a real Redis, the service's recorder, workers as processes of their own.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use image::ImageFormat;
use vision_service::frame_door::protocol::SessionId;
use vision_service::frame_door::settings::VideoRedis;
use vision_service::session_video::queue::KEPT_WAITING;
use vision_service::session_video::recorder::Recorder;

use crate::support::studio::{Film, LIMIT, Studio, ms, output, picture};

const RED: [u8; 3] = [200, 20, 20];
const GREEN: [u8; 3] = [20, 180, 20];
const BLUE: [u8; 3] = [20, 20, 200];
const BLACK: [u8; 3] = [0; 3];

/// A session of so many red frames, 100 ms between them; all of it is in Redis then.
async fn session_of(settings: &VideoRedis, frames: u32, ended: Option<bool>) -> SessionId {
    let (recorder, session) = (Recorder::start(settings).unwrap(), SessionId::random().unwrap());
    for number in 0..frames {
        let file = picture((160, 120), RED, number, ImageFormat::Jpeg);
        recorder.frame(session, ms(100 * u64::from(number)), file);
    }
    if let Some(has_best_shot) = ended {
        recorder.ended(session, has_best_shot);
    }
    recorder.close(LIMIT).await;
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_becomes_a_video_of_every_codec() {
    let studio = Studio::open("codecs").await;
    for (codec, caps, extension) in
        [("H264", "video/x-h264", "mp4"), ("H265", "video/x-h265", "mp4"), ("VP9", "video/x-vp9", "webm")]
    {
        let (recorder, session) = (studio.recorder(), SessionId::random().unwrap());
        recorder.frame(session, ms(5000), b"no picture".as_slice().into());
        recorder.frame(session, ms(5100), picture((321, 240), RED, 99, ImageFormat::Jpeg));
        // a phone is turned, a browser sends less
        recorder.frame(session, ms(5400), picture((240, 320), GREEN, 99, ImageFormat::Png));
        recorder.frame(session, ms(6000), picture((160, 120), BLUE, 99, ImageFormat::WebP));
        let torn = picture((321, 240), RED, 99, ImageFormat::Png);
        recorder.frame(session, ms(6100), torn.slice(..torn.len() / 2));
        // two at once
        recorder.frame(session, ms(6500), picture((321, 240), RED, 99, ImageFormat::Jpeg));
        recorder.frame(session, ms(6500), picture((321, 240), GREEN, 99, ImageFormat::Jpeg));
        recorder.ended(session, true);
        recorder.close(LIMIT).await;
        studio.work_once(&format!("[LUNA_PASS_VIDEO]\ncodec = {codec:?}")).await;

        let path = studio.video(session, extension);
        let film = Film::read(&path);
        assert_eq!((film.codec.as_str(), film.size), (caps, (322, 240)), "{codec}");
        for (time, expected) in film.times.iter().zip([0, 300, 900, 1400, 1401, 1501]) {
            assert!(time.abs_diff(expected) <= 1, "{codec}: {:?}", film.times);
        }
        assert_eq!(film.times.len(), 6, "{codec}: five pictures and the end: {:?}", film.times);
        for (number, colour) in [RED, GREEN, BLUE, RED, GREEN].into_iter().enumerate() {
            assert!(film.is(number, (160, 120), colour), "{codec}: picture {number}");
        }
        // what stands has borders at its sides, what lies as the first has none
        assert!(film.is(1, (20, 120), BLACK) && film.is(1, (300, 120), BLACK), "{codec}");
        assert!(film.is(1, (160, 4), GREEN) && film.is(2, (4, 120), BLUE), "{codec}");

        let record = studio.record(session).await;
        let field = |name: &str| record[name].as_str();
        let found = ["state", "codec", "frames", "pictures", "left_out", "width", "height", "duration_ms"].map(field);
        assert_eq!(found, ["built", codec, "7", "5", "2", "322", "240", "1501"]);
        assert_eq!(field("file"), path.to_str().unwrap());
        let [record, frames] = studio.times_to_live(session).await;
        assert!((400..=500).contains(&record) && (400..=500).contains(&frames), "{record} {frames}");
    }
    assert_eq!(studio.files().len(), 3);
}

/// A worker that does what is due, with a umask that hides nothing.
async fn work_laxly(studio: &Studio, settings: &str) {
    let worker = studio.worker(&["--once"], settings);
    let mut lax = Command::new("sh");
    lax.args(["-c", "umask 0; exec \"$@\"", "sh"]).arg(worker.get_program()).args(worker.get_args());
    lax.env_clear().envs(worker.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = output(lax).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_is_for_the_workers_user_alone() {
    let studio = Studio::open("modes").await;
    let settings = VideoRedis { task: "look".into(), ..studio.settings() };
    for (codec, extension) in [("H264", "mp4"), ("H265", "mp4"), ("VP9", "webm")] {
        let session = session_of(&settings, 3, Some(true)).await;
        let seen = studio.folder.0.join(codec);
        let look = "stat -c \"%a %u\" \"$1\" > \"$0\"; id -u >> \"$0\"";
        let task = format!("[WORKER.TASKS]\nlook = ['sh', '-c', '{look}', {seen:?}]");
        work_laxly(&studio, &format!("[LUNA_PASS_VIDEO]\ncodec = {codec:?}\n{task}")).await;
        assert_eq!(mode(&studio.video(session, extension)), 0o600, "{codec}");
        let seen = std::fs::read_to_string(seen).unwrap();
        let user = seen.lines().last().unwrap();
        assert_eq!(seen, format!("600 {user}\n{user}\n"), "the command is of the same user");
    }
    assert_eq!(mode(&studio.videos()), 0o700);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_can_read_a_video_while_it_is_being_built() {
    let studio = Studio::open("modes-of-parts").await;
    // a folder of the operator's own stays as it is
    std::fs::create_dir(studio.videos()).unwrap();
    std::fs::set_permissions(studio.videos(), Permissions::from_mode(0o755)).unwrap();
    let (recorder, session) = (studio.recorder(), SessionId::random().unwrap());
    let file = picture((1280, 720), RED, 99, ImageFormat::Jpeg);
    (0..100).for_each(|number| recorder.frame(session, ms(100 * number), file.clone()));
    recorder.ended(session, true);
    recorder.close(LIMIT).await;
    let look = async {
        studio.being_built().await;
        let files = studio.files();
        assert!(files[0].ends_with(".part"), "{files:?}");
        assert_eq!(mode(&studio.videos().join(&files[0])), 0o600);
    };
    tokio::join!(work_laxly(&studio, "[LUNA_PASS_VIDEO]\ncodec = 'H265'"), look);
    assert_eq!((mode(&studio.videos()), mode(&studio.video(session, "mp4"))), (0o755, 0o600));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_takes_the_last_frames() {
    let studio = Studio::open("limit").await;
    let settings = VideoRedis { frames_limit: Some(7), ..studio.settings() };
    let session = session_of(&settings, 18, Some(true)).await;
    studio.work_once("").await;
    let film = Film::read(&studio.video(session, "mp4"));
    assert_eq!(film.times, [0, 100, 200, 300, 400, 500, 600, 700]);
    let white = |number, bar: u32| film.is(number, (bar * 8 + 4, 60), [255; 3]);
    assert!(white(0, 11) && white(6, 17) && !white(0, 0), "frames 11 to 17 are in it");
    assert_eq!(studio.record(session).await["frames"], "18");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_due_at_a_best_shot_or_when_nobody_comes_back() {
    let studio = Studio::open("due").await;
    let settings = VideoRedis { session_timeout: Duration::from_secs(3), ..studio.settings() };
    let left = session_of(&settings, 3, None).await;
    let ended = session_of(&settings, 3, Some(false)).await;
    let waiting = std::time::Instant::now();
    let verified = session_of(&settings, 3, Some(true)).await;
    studio.work_once("").await;
    if waiting.elapsed() < Duration::from_secs(2) {
        assert_eq!(studio.files(), [format!("{verified}.mp4")]);
        assert_eq!(studio.record(left).await["state"], "waiting");
    }
    let [record, frames] = studio.times_to_live(left).await;
    let kept = KEPT_WAITING.as_secs() as i64;
    for seconds in [record, frames] {
        assert!((kept - 60..=kept + 3).contains(&seconds), "{seconds}");
    }
    let worker = studio.work("");
    for session in [left, ended] {
        let record = studio.until_state(session, "built").await;
        let time = |field: &str| record[field].parse::<u64>().unwrap();
        let waited = time("started") - time("begun");
        assert!(waited >= 3000, "built after {waited} ms\n{}", worker.log());
    }
    assert_eq!(studio.files().len(), 3);
    // a session without frames leaves nothing
    let empty = session_of(&settings, 0, Some(true)).await;
    assert!(studio.record(empty).await.is_empty());
    assert_eq!(studio.redis.ask::<u64>(&["ZCARD", "session-video:videos of tests:jobs"]).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_gets_the_whole_session_into_one_file() {
    let studio = Studio::open("reconnect").await;
    let settings = VideoRedis { session_timeout: Duration::ZERO, ..studio.settings() };
    let session = session_of(&settings, 4, None).await;
    studio.work_once("").await;
    assert_eq!(Film::read(&studio.video(session, "mp4")).pictures.len(), 4);
    // over another service, which knows how old the session is; and the operator wants another codec now
    let recorder = Recorder::start(&settings).unwrap();
    for number in 0..3 {
        recorder.frame(session, ms(9000 + 100 * number), picture((160, 120), BLUE, 99, ImageFormat::Jpeg));
    }
    recorder.ended(session, true);
    recorder.close(LIMIT).await;
    assert_eq!(studio.record(session).await["state"], "waiting");
    studio.work_once("[LUNA_PASS_VIDEO]\ncodec = \"VP9\"").await;
    let film = Film::read(&studio.video(session, "webm"));
    assert_eq!(film.times, [0, 100, 200, 300, 9000, 9100, 9200, 9300]);
    assert!(film.is(3, (80, 100), RED) && film.is(4, (80, 100), BLUE));
    assert_eq!(studio.files(), [format!("{session}.webm")]);
    assert_eq!(studio.record(session).await["frames"], "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_the_video_and_the_session() {
    let studio = Studio::open("command").await;
    let settings = VideoRedis { task: "my.task".into(), ..studio.settings() };
    let session = session_of(&settings, 3, Some(true)).await;
    let out = studio.folder.0.join("what the task got");
    let command = format!(
        "[WORKER.TASKS]\n'my.task' = ['sh', '-c', 'wc -c < \"$1\" > \"$0\"; echo \"$1 $2\" >> \"$0\"', {out:?}]"
    );
    studio.work_once(&command).await;
    let video = studio.video(session, "mp4");
    let bytes = std::fs::metadata(&video).unwrap().len();
    assert_eq!(std::fs::read_to_string(out).unwrap(), format!("{bytes}\n{} {session}\n", video.display()));
    assert_eq!(studio.record(session).await["state"], "built");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_again_and_recorded() {
    let studio = Studio::open("failing").await;
    let task =
        |task: &str| VideoRedis { task: task.into(), failure_ttl: Duration::from_secs(7000), ..studio.settings() };
    let failing = session_of(&task("failing"), 3, Some(true)).await;
    let slow = session_of(&task("slow"), 3, Some(true)).await;
    let missing = session_of(&task("missing"), 3, Some(true)).await;
    let unknown = session_of(&task("task.unknown"), 3, Some(true)).await;
    let (recorder, no_picture) = (Recorder::start(&task("task.run")).unwrap(), SessionId::random().unwrap());
    recorder.frame(no_picture, ms(0), b"no picture".as_slice().into());
    recorder.ended(no_picture, true);
    recorder.close(LIMIT).await;

    let tried = studio.folder.0.join("tried");
    let worker = studio.work(&format!(
        "[WORKER]\nattempts = 3\nretryDelay = 0.05\ntimeout = 2\n[WORKER.TASKS]\n\
         failing = ['sh', '-c', 'echo x >> \"$0\"; exit 7', {tried:?}]\nslow = ['sh', '-c', 'exec sleep 60']\nmissing = '/no/such/program'"
    ));
    for (session, attempts, reason) in [
        (failing, "3", "the command of the task failing failed: exit status: 7"),
        (slow, "3", "the command of the task slow was not done within 2s"),
        (missing, "3", "the command of the task missing cannot be run: No such file"),
        (unknown, "1", "this worker has no task task.unknown: add it to [WORKER.TASKS]"),
        (no_picture, "1", "none of the 1 frames is a picture"),
    ] {
        let record = studio.until_state(session, "failed").await;
        assert_eq!(record["attempts"], attempts, "{reason}");
        assert!(record["error"].starts_with(reason), "{record:?}\n{}", worker.log());
        assert!(!record.contains_key("claim"));
        let [record, frames] = studio.times_to_live(session).await;
        assert!((6900..=7000).contains(&record) && (400..=500).contains(&frames), "{record} {frames}");
        // whatever becomes of the task, the video is there
        assert_eq!(studio.video(session, "mp4").exists(), session != no_picture);
        assert!(!worker.log().contains(&session.to_string()), "a log has no session's whole id");
    }
    assert_eq!(std::fs::read_to_string(tried).unwrap(), "x\nx\nx\n");
    assert_eq!(studio.files().len(), 4, "{:?}", studio.files());
    assert_eq!(studio.redis.ask::<u64>(&["ZCARD", "session-video:videos of tests:jobs"]).await.unwrap(), 0);

    // new frames are a new chance
    let recorder = Recorder::start(&task("task.run")).unwrap();
    recorder.frame(no_picture, ms(10), picture((160, 120), RED, 0, ImageFormat::Jpeg));
    recorder.ended(no_picture, true);
    recorder.close(LIMIT).await;
    let record = studio.until_state(no_picture, "built").await;
    assert!(!record.contains_key("error"), "{record:?}");
}

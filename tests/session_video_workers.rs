//! Several jobs at a time: of one worker, and of several.

use std::time::Duration;

use image::ImageFormat;
use tokio_util::sync::CancellationToken;
use vision_service::frame_door::protocol::SessionId;
use vision_service::frame_door::settings::VideoRedis;
use vision_service::session_video::recorder::Recorder;
use vision_service::session_video::settings::Settings;
use vision_service::session_video::worker::{Totals, Worker};

use crate::support::child::Running;
use crate::support::studio::{LIMIT, Studio, ms, output, picture, until};

/// Sessions that are due, with a task of this name.
async fn sessions(studio: &Studio, count: usize) -> Vec<SessionId> {
    let settings = VideoRedis { task: "watched".into(), ..studio.settings() };
    let recorder = Recorder::start(&settings).unwrap();
    let sessions: Vec<SessionId> = (0..count).map(|_| SessionId::random().unwrap()).collect();
    for session in &sessions {
        for number in 0..2 {
            recorder.frame(*session, ms(100 * number), picture((64, 64), [9, 99, 200], 0, ImageFormat::Jpeg));
        }
        recorder.ended(*session, true);
    }
    recorder.close(LIMIT).await;
    sessions
}

/// A line of a task's command that waits for something, and fails when it does not come.
fn wait_for(condition: &str) -> String {
    format!("n=0; until {condition}; do n=$((n+1)); [ $n -lt 1200 ] || exit 1; sleep 0.05; done")
}

/// `$1` is a folder of the test, `$3` the session.
fn task(studio: &Studio, lines: &str) -> String {
    let folder = studio.folder.0.join("watched");
    std::fs::create_dir_all(&folder).unwrap();
    format!("[WORKER.TASKS]\nwatched = ['sh', '-c', '{lines}', 'task', {folder:?}]")
}

/// Names in the folder of the task.
fn watched(studio: &Studio) -> Vec<String> {
    let entries = std::fs::read_dir(studio.folder.0.join("watched")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_does_as_many_jobs_at_a_time_as_it_is_told() {
    let studio = Studio::open("three").await;
    // each waits until three are under way at once
    let together = format!("touch \"$1/$3\"; {}", wait_for("[ $(ls \"$1\" | wc -l) -ge 3 ]"));
    let settings = format!("[WORKER]\nattempts = 1\n{}", task(&studio, &together));
    let sessions = sessions(&studio, 3).await;
    let worker = Running::start(studio.worker(&["--concurrency", "3"], &settings));
    for session in sessions {
        studio.until_state(session, "built").await;
    }
    assert!(!worker.log().contains("failed"), "{}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_is_in_two_hands() {
    let studio = Studio::open("hands").await;
    // longer than the lease, which has to be prolonged; a second one fails, at once or after the first
    let alone = "mkdir \"$1/$3\" && sleep 2.5";
    let settings = format!("[WORKER]\nattempts = 1\nlease = 1\n{}", task(&studio, alone));
    let sessions = sessions(&studio, 7).await;
    let workers = [(); 2].map(|()| Running::start(studio.worker(&["--concurrency", "2"], &settings)));
    for session in &sessions {
        studio.until_state(*session, "built").await;
    }
    let logs = workers.iter().map(Running::log).collect::<String>();
    assert_eq!(logs.matches("video built").count(), sessions.len(), "{logs}");
    assert!(!logs.contains("another worker") && !logs.contains("failed"), "{logs}");
    assert_eq!(watched(&studio).len(), sessions.len());
    assert_eq!(studio.files().len(), sessions.len(), "{:?}", studio.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_worker_finishes_what_is_under_way_and_begins_nothing() {
    let studio = Studio::open("stopped-two").await;
    let settings = task(&studio, &format!("touch \"$1/$3\"; {}", wait_for("[ -e \"$1/go\" ]")));
    let sessions = sessions(&studio, 5).await;
    let mut worker = Running::start(studio.worker(&["--concurrency", "2"], &settings));
    until("two are under way", async || watched(&studio).len() == 2).await;
    worker.terminate();
    until("it is told", async || worker.log().contains("stopping when the jobs under way are done")).await;
    // time enough for a worker that would not wait, or would take another
    tokio::time::sleep(ms(700)).await;
    assert_eq!((worker.ended(), watched(&studio).len()), (None, 2), "{}", worker.log());
    std::fs::write(studio.folder.0.join("watched/go"), "").unwrap();
    until("the worker ends", async || worker.ended().is_some()).await;
    assert_eq!(worker.ended(), Some(true), "{}", worker.log());
    let mut states = Vec::new();
    for session in sessions {
        let state = studio.record(session).await["state"].clone();
        assert_eq!(state == "built", watched(&studio).contains(&session.to_string()), "{}", worker.log());
        states.push(state);
    }
    states.sort();
    assert_eq!(states, ["built", "built", "waiting", "waiting", "waiting"]);
    assert_eq!(studio.files().len(), 2, "{:?}", studio.files());
}

#[tokio::test]
async fn a_stopped_worker_gives_back_what_it_cannot_finish() {
    let studio = Studio::open("given-back").await;
    let endless = task(&studio, "touch \"$1/$3\"; exec sleep 600");
    let sessions = sessions(&studio, 2).await;
    let settings = Settings::read(&studio.settings_of_worker(&studio.redis.url(), &endless)).unwrap().settings;
    let (worker, stop) = (Worker::open(settings).unwrap(), CancellationToken::new());
    let stopping = async {
        until("two are under way", async || watched(&studio).len() == 2).await;
        stop.cancel();
        tokio::time::sleep(ms(100)).await;
        assert_eq!(studio.record(sessions[0]).await["state"], "working", "it is given a minute");
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(61)).await;
        tokio::time::resume();
    };
    let (totals, ()) = tokio::join!(worker.run(2, false, &stop), stopping);
    assert_eq!(totals.unwrap(), Totals::default());
    for session in &sessions {
        let record = studio.record(*session).await;
        // it was not an attempt, and nobody has to wait for a lease
        assert_eq!((record["state"].as_str(), record["attempts"].as_str()), ("waiting", "0"));
    }
    let next = studio.worker(&["--once", "--concurrency", "2"], &task(&studio, "true"));
    assert!(output(next).await.status.success());
    for session in sessions {
        assert_eq!(studio.record(session).await["state"], "built");
    }
}

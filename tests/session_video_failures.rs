//! Session videos when programs and Redis are killed.

use std::time::Duration;

use bytes::Bytes;
use image::ImageFormat;
use vision_service::frame_door::plugins::video_redis::Settings;
use vision_service::frame_door::protocol::SessionId;
use vision_service::session_video::queue::{Address, Claim, Job, Queue};
use vision_service::session_video::recorder::Recorder;

use crate::support::redis_server::PASSWORD;
use crate::support::serial;
use crate::support::studio::{Film, LIMIT, QUEUE, Studio, key, ms, output, picture, until};

/// Takes an encoder seconds.
const LONG: u64 = 160;
const H265: &str = "[LUNA_PASS_VIDEO]\ncodec = 'H265'\n[WORKER]\nlease = 2\nretryDelay = 0";

fn frame(number: u64) -> Bytes {
    picture((640, 480), [120, 90, 60], number as u32 % 80, ImageFormat::Jpeg)
}

async fn long_session(studio: &Studio) -> SessionId {
    let (recorder, session) = (studio.recorder(), SessionId::random().unwrap());
    let files: Vec<Bytes> = (0..8).map(frame).collect();
    (0..LONG).for_each(|number| recorder.frame(session, ms(number * 100), files[number as usize % 8].clone()));
    recorder.ended(session, true);
    recorder.close(LIMIT).await;
    session
}

/// A film without a frame too many or too few, and nothing beside it.
fn is_whole(studio: &Studio, session: SessionId, frames: u64) {
    let film = Film::read(&studio.video(session, "mp4"));
    assert_eq!(film.times, (0..=frames).map(|number| number * 100).collect::<Vec<_>>());
    assert_eq!(studio.files(), [format!("{session}.mp4")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_of_a_killed_worker_is_done_by_another() {
    let _turn = serial().await;
    let studio = Studio::open("killed-worker").await;
    let session = long_session(&studio).await;
    let mut first = studio.work(H265);
    studio.being_built().await;
    first.kill();
    assert_eq!(studio.record(session).await["state"], "working", "{}", first.log());
    let left = studio.files();
    assert!(left.len() == 1 && left[0].ends_with(".part"), "{left:?}");
    let second = studio.work(H265);
    let record = studio.until_state(session, "built").await;
    assert_eq!(record["pictures"], LONG.to_string(), "{}", second.log());
    is_whole(&studio, session, LONG);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_started_again_loses_no_frame() {
    let mut studio = Studio::open("restart-session").await;
    let (recorder, session) = (studio.recorder(), SessionId::random().unwrap());
    let send = |numbers: std::ops::Range<u64>| {
        numbers.for_each(|number| recorder.frame(session, ms(number * 100), frame(number)));
    };
    send(0..10);
    until("ten frames", async || studio.record(session).await.get("frames").is_some_and(|n| n == "10")).await;
    studio.redis.kill();
    send(10..20);
    tokio::time::sleep(ms(300)).await;
    studio.redis.start_again().await;
    send(20..30);
    recorder.ended(session, true);
    recorder.close(LIMIT).await;
    studio.work_once("").await;
    is_whole(&studio, session, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_started_again_loses_no_job() {
    let _turn = serial().await;
    let mut studio = Studio::open("restart-job").await;
    let session = long_session(&studio).await;
    let worker = studio.work(H265);
    studio.being_built().await;
    studio.redis.kill();
    // longer than the lease
    tokio::time::sleep(ms(2500)).await;
    studio.redis.start_again().await;
    let record = studio.until_state(session, "built").await;
    assert_eq!(record["pictures"], LONG.to_string(), "{}", worker.log());
    is_whole(&studio, session, LONG);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_sent_again_changes_nothing() {
    use vision_service::session_video::queue::{Message, News, Terms};
    let studio = Studio::open("again").await;
    let settings = studio.settings();
    let queue = Queue::open(Address::read(&settings.address).unwrap(), QUEUE).unwrap();
    let terms = Terms {
        frames_limit: None,
        session_timeout: Duration::ZERO,
        result_ttl: settings.result_ttl,
        failure_ttl: settings.failure_ttl,
        task: settings.task,
    };
    let session = SessionId::random().unwrap();
    let message = |number| Message { session, number, news: News::Frame { at: ms(number), file: frame(number) } };
    let messages: Vec<Message> = (1..=5).map(message).collect();
    queue.write("one", &terms, &messages[..3]).await.unwrap();
    queue.write("one", &terms, &messages).await.unwrap();
    queue.write("one", &terms, &messages[1..2]).await.unwrap();
    // another writer has numbers of its own
    queue.write("other", &terms, &messages[..1]).await.unwrap();
    let frames = queue.read(session, 1, 100).await.unwrap();
    let found: Vec<_> = frames.iter().map(|frame| (frame.number, frame.at.as_millis())).collect();
    assert_eq!(found, [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 1)]);
    assert_eq!(frames[4].file, frame(5));
    let two: Vec<_> = queue.read(session, 3, 2).await.unwrap().iter().map(|frame| frame.number).collect();
    assert_eq!(two, [3, 4]);
}

/// Takes a job, or panics.
async fn take(queue: &Queue, token: &str, lease: Duration) -> Job {
    match queue.claim(token, lease, 3).await.unwrap() {
        Claim::Job(job) => job,
        Claim::None(next) => panic!("there is no job, the next comes in {next:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_one_workers_at_a_time_and_not_for_ever_tried() {
    let studio = Studio::open("claims").await;
    let settings = Settings { session_timeout: Duration::ZERO, ..studio.settings() };
    let (recorder, session) = (Recorder::start(&settings).unwrap(), SessionId::random().unwrap());
    recorder.frame(session, ms(0), frame(0));
    recorder.close(LIMIT).await;
    let queue = Queue::open(Address::read(&settings.address).unwrap(), QUEUE).unwrap();
    let long = Duration::from_secs(50);

    let first = take(&queue, "first", long).await;
    assert_eq!((first.session, first.attempt, first.task.as_str()), (session, 1, "task.run"));
    let Claim::None(Some(next)) = queue.claim("second", long, 3).await.unwrap() else { panic!("it is taken") };
    assert!((ms(40_000)..=long).contains(&next), "{next:?}");
    // given back, it was not an attempt
    assert!(queue.release(&first).await.unwrap());
    let second = take(&queue, "second", ms(1)).await;
    assert_eq!(second.attempt, 1);
    assert!(queue.prolong(&second, ms(1)).await.unwrap());
    tokio::time::sleep(ms(20)).await;

    // its lease is over; what it says from now on is of no interest
    let third = take(&queue, "third", ms(1)).await;
    assert_eq!(third.attempt, 2);
    assert!(!queue.prolong(&second, long).await.unwrap());
    assert!(!queue.built(&second, 1, &[("file", "second".into())]).await.unwrap());
    assert!(!queue.failed(&second, "late", 3, Duration::ZERO).await.unwrap());
    assert!(!queue.release(&second).await.unwrap());
    assert!(!queue.record(session).await.unwrap().contains_key("file"));

    tokio::time::sleep(ms(20)).await;
    take(&queue, "fourth", ms(1)).await;
    tokio::time::sleep(ms(20)).await;
    assert!(matches!(queue.claim("fifth", long, 3).await.unwrap(), Claim::None(None)), "three attempts are enough");
    let record = queue.record(session).await.unwrap();
    assert_eq!(
        (record["state"].as_str(), record["error"].as_str()),
        ("failed", "every worker that took the job vanished")
    );

    // frames that come while a worker is at it are another job
    recorder_of(&settings, session, 1).await;
    let job = take(&queue, "sixth", long).await;
    assert_eq!(job.attempt, 1);
    recorder_of(&settings, session, 2).await;
    assert!(queue.built(&job, 2, &[("file", "half".into())]).await.unwrap());
    let record = queue.record(session).await.unwrap();
    assert_eq!(
        (record["state"].as_str(), record["file"].as_str(), record["frames"].as_str()),
        ("waiting", "half", "3")
    );
    let job = take(&queue, "seventh", long).await;
    assert!(queue.built(&job, 3, &[("file", "whole".into())]).await.unwrap());
    assert_eq!(queue.record(session).await.unwrap()["state"], "built");

    // a job whose frames went with the time is nobody's
    recorder_of(&settings, session, 3).await;
    studio.redis.ask::<u64>(&["DEL", &key("job", session)]).await.unwrap();
    assert!(matches!(queue.claim("eighth", long, 3).await.unwrap(), Claim::None(None)));
}

async fn recorder_of(settings: &Settings, session: SessionId, number: u64) {
    let recorder = Recorder::start(settings).unwrap();
    recorder.frame(session, ms(number * 100), frame(number));
    recorder.close(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_finishes_its_job() {
    let _turn = serial().await;
    let studio = Studio::open("stopped").await;
    let session = long_session(&studio).await;
    let mut worker = studio.work(H265);
    studio.being_built().await;
    worker.terminate();
    until("the worker ends", async || worker.ended().is_some()).await;
    assert_eq!(worker.ended(), Some(true), "{}", worker.log());
    assert_eq!(studio.record(session).await["state"], "built", "{}", worker.log());
    is_whole(&studio, session, LONG);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_waits_for_redis_and_says_so_without_the_password() {
    let mut studio = Studio::open("away").await;
    let session = long_session(&studio).await;
    studio.redis.kill();
    let once = output(studio.worker(&["--once"], "")).await;
    let said = String::from_utf8_lossy(&once.stderr).into_owned();
    assert!(!once.status.success() && said.contains("error: Redis at 127.0.0.1:"), "{said}");

    let mut command = studio.worker(&[], "");
    command.env("RUST_LOG", "trace");
    let mut worker = crate::support::child::Running::start(command);
    until("it is said", async || worker.log().contains("cannot be reached, trying again")).await;
    studio.redis.start_again().await;
    until("it is built", async || worker.log().contains("video built")).await;
    worker.terminate();
    until("the worker ends", async || worker.ended().is_some()).await;
    let log = worker.log();
    assert!(log.contains("is back") && log.contains("video built"), "{log}");
    for secret in [PASSWORD, "p%40ss", &session.to_string()] {
        assert!(!log.contains(secret) && !said.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_go_on_when_redis_lets_them_in_again() {
    let studio = Studio::open("password").await;
    let mut inside = redis::Client::open(studio.redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut password = async |password: &str| {
        let mut call = redis::cmd("CONFIG");
        call.arg("SET").arg("requirepass").arg(password);
        call.query_async::<()>(&mut inside).await.unwrap();
    };
    password("another").await;
    let (recorder, session) = (studio.recorder(), SessionId::random().unwrap());
    recorder.frame(session, ms(0), frame(0));
    recorder.ended(session, true);
    let worker = studio.work("");
    until("it is said", async || worker.log().contains("cannot be reached")).await;
    tokio::time::sleep(ms(300)).await;
    password(PASSWORD).await;
    until("it is built", async || worker.log().contains("video built")).await;
    recorder.close(LIMIT).await;
}

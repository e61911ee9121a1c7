//! Session videos through a Redis that speaks TLS, with a certificate of an authority that only the operator knows.

use std::path::{Path, PathBuf};

use image::ImageFormat;
use vision_service::frame_door::protocol::SessionId;
use vision_service::frame_door::settings::VideoRedis;
use vision_service::session_video::recorder::Recorder;

use crate::support::assets::Scratch;
use crate::support::certificates::Certificates;
use crate::support::process::is_alone_with;
use crate::support::redis_server::{PASSWORD, RedisServer};
use crate::support::studio::{LIMIT, Studio, ms, output, picture};

/// Where a program finds whom to trust.
const TRUSTED: &str = "SSL_CERT_FILE";

async fn studio(folder: &Path, asks_clients: bool) -> (Studio, Certificates) {
    let redis = RedisServer::start_with_tls(Certificates::write(folder), asks_clients).await;
    let folder = folder.join("others");
    std::fs::create_dir_all(&folder).unwrap();
    (Studio::open_at(redis, &format!("tls-{asks_clients}")), Certificates::write(&folder))
}

/// What a worker says that does not get in.
async fn refused(studio: &Studio, url: &str, trusted: Option<&Path>) -> String {
    let mut command = studio.worker_at(url, &["--once"], "");
    command.envs(trusted.map(|path| (TRUSTED, path)));
    let output = output(command).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("cannot be reached"), "{said}");
    assert!(!said.contains(PASSWORD) && !said.contains("p%40ss"), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_and_jobs_go_through_tls() {
    let folder = Scratch::new("redis-tls");
    let trusted = folder.0.join("authority.pem");
    // this program's own environment says whom its recorder trusts
    let test = "session_video_tls::frames_and_jobs_go_through_tls";
    if !is_alone_with(test, &[(TRUSTED, trusted.to_str().unwrap())]) {
        return;
    }
    let trusted = PathBuf::from(std::env::var_os(TRUSTED).unwrap());
    let (studio, _) = studio(trusted.parent().unwrap(), false).await;
    for host in ["localhost", "127.0.0.1"] {
        let url = studio.redis.tls_url(host);
        let settings = VideoRedis { address: url.clone().into(), ..studio.settings() };
        let (recorder, session) = (Recorder::start(&settings).unwrap(), SessionId::random().unwrap());
        for number in 0..3 {
            recorder.frame(session, ms(100 * number), picture((160, 120), [200, 20, 20], 99, ImageFormat::Jpeg));
        }
        recorder.ended(session, true);
        recorder.close(LIMIT).await;
        let mut worker = studio.worker_at(&url, &["--once"], "");
        worker.env(TRUSTED, &trusted);
        let output = output(worker).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert_eq!(studio.record(session).await["pictures"], "3", "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_trusted_is_refused_and_the_operator_told_what_to_do() {
    let folder = Scratch::new("redis-tls-refused");
    let (studio, others) = studio(&folder.0, false).await;
    let trusted = folder.0.join("authority.pem");
    let url = studio.redis.tls_url("localhost");
    // nobody knows it; or somebody of the same name is known
    for trusted in [None, Some(others.authority.as_path())] {
        let said = refused(&studio, &url, trusted).await;
        assert!(said.contains("set SSL_CERT_FILE to the certificate of the server's authority"), "{said}");
    }
    let said = refused(&studio, &studio.redis.tls_url("127.0.0.2"), Some(&trusted)).await;
    assert!(said.contains("the connection string has to name the server as its certificate does"), "{said}");
    let missing = folder.0.join("none.pem");
    let said = refused(&studio, &url, Some(&missing)).await;
    assert!(said.contains("none.pem"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_wants_certificates_of_clients_says_how_it_will_not() {
    let folder = Scratch::new("redis-tls-clients");
    let (studio, _) = studio(&folder.0, true).await;
    let said = refused(&studio, &studio.redis.tls_url("localhost"), Some(&folder.0.join("authority.pem"))).await;
    assert!(said.contains("give it tls-auth-clients no"), "{said}");
}

//! Against a server that is not ours and verifies signatures: `s3s` with files, in this process, on loopback.

use std::path::{Path, PathBuf};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;

use super::*;
use crate::evidence::testing::{RETENTION, package, then};

const SECRET: &str = "the secret of this test";

/// A server with one bucket, `kept`.
struct Server {
    port: u16,
    root: PathBuf,
}

impl Server {
    async fn start(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("vision-s3-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(root.join("kept")).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(&root).unwrap());
        builder.set_auth(SimpleAuth::from_single("access", SECRET));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .http1_only()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { port, root }
    }

    fn client(&self, bucket: &str, secret: &str) -> S3 {
        S3::new(&S3Bucket {
            bucket: bucket.to_owned(),
            prefix: "a/b/".to_owned(),
            endpoint: format!("http://127.0.0.1:{}", self.port).parse().unwrap(),
            region: "eu-central-1".to_owned(),
            access_key: "access".to_owned().into(),
            secret_key: secret.to_owned().into(),
        })
        .unwrap()
    }

    fn place(&self) -> PathBuf {
        self.root.join("kept/a/b")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

fn id(text: &str) -> EvidenceId {
    text.parse().unwrap()
}

fn exists(place: &Path, name: &str) -> bool {
    place.join(name).exists()
}

#[tokio::test]
async fn a_package_is_stored_read_and_deleted_when_its_time_is_over() {
    let server = Server::start("whole").await;
    let s3 = server.client("kept", SECRET);
    assert!(s3.sweep(then()).await.unwrap().is_empty(), "an empty bucket");
    let old = package("old");
    s3.put(&old).await.unwrap();
    s3.put(&old).await.unwrap();
    for file in &old.files {
        assert_eq!(s3.read(&id("old"), &file.name).await.unwrap().as_ref(), Some(&file.bytes), "{}", file.name);
    }
    assert_eq!(s3.read(&id("other"), MANIFEST).await.unwrap(), None);

    // Not ours: no manifest, a manifest of another id, a file beside the package's.
    let place = server.place();
    std::fs::create_dir_all(place.join("photos")).unwrap();
    std::fs::write(place.join("photos/a.jpg"), "mine").unwrap();
    std::fs::create_dir_all(place.join("moved")).unwrap();
    std::fs::copy(place.join("old").join(MANIFEST), place.join("moved").join(MANIFEST)).unwrap();
    std::fs::write(place.join("moved/record.json"), "mine").unwrap();
    std::fs::write(place.join("old/notes.txt"), "mine").unwrap();

    assert!(s3.sweep(then() + RETENTION - Duration::from_secs(1)).await.unwrap().is_empty());
    assert!(exists(&place, "old/report.html"));
    assert_eq!(s3.sweep(then() + RETENTION).await.unwrap(), [id("old")]);
    for file in &old.files {
        assert_eq!(s3.read(&id("old"), &file.name).await.unwrap(), None, "{}", file.name);
    }
    for kept in ["photos/a.jpg", "moved/record.json", "old/notes.txt"] {
        assert!(exists(&place, kept), "{kept}");
    }
    assert!(s3.sweep(then() + 2 * RETENTION).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_was_not_stored_as_a_whole_is_deleted_too() {
    let server = Server::start("part").await;
    let s3 = server.client("kept", SECRET);
    let mut part = package("part");
    part.files.truncate(3);
    s3.put(&part).await.unwrap();
    assert_eq!(s3.sweep(then() + RETENTION).await.unwrap(), [id("part")]);
    assert_eq!(s3.read(&id("part"), "record.json").await.unwrap(), None);
}

#[tokio::test]
async fn more_than_a_list_holds_are_found() {
    let server = Server::start("pages").await;
    let s3 = server.client("kept", SECRET);
    // a server lists a thousand at a time; most of these are somebody else's
    let ours = ["f0000", "f0999", "f1000", "f1001"].map(id);
    for number in 0..=1001 {
        let place = server.place().join(format!("f{number:04}"));
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("a.jpg"), "").unwrap();
    }
    let mut manifest = package("f").manifest;
    manifest.files.clear();
    for id in &ours {
        manifest.id = id.clone();
        let file = server.place().join(id.as_str()).join(MANIFEST);
        std::fs::write(file, serde_json::to_vec(&manifest).unwrap()).unwrap();
    }
    assert_eq!(s3.sweep(then() + RETENTION).await.unwrap(), ours);
    assert!(ours.iter().all(|id| !exists(&server.place(), &format!("{id}/{MANIFEST}"))));
}

#[tokio::test]
async fn one_that_cannot_be_deleted_keeps_no_other() {
    let server = Server::start("stuck").await;
    let s3 = server.client("kept", SECRET);
    for name in ["a", "b", "c"] {
        s3.put(&package(name)).await.unwrap();
    }
    // where a file should be is a folder: the server fails
    let stuck = server.place().join("b/report.html");
    std::fs::remove_file(&stuck).unwrap();
    std::fs::create_dir(&stuck).unwrap();
    assert_eq!(s3.sweep(then() + RETENTION).await.unwrap(), [id("a"), id("c")]);
    assert!(s3.sweep(then() + RETENTION).await.is_err(), "nothing else is left to delete");
}

#[tokio::test]
async fn a_wrong_key_or_bucket_is_said_and_not_tried_again() {
    let server = Server::start("wrong").await;
    let forged = server.client("kept", "another secret");
    let error = forged.put(&package("f1")).await.unwrap_err();
    assert!(error.to_string().contains("403") && error.is_for_good(), "{error}");
    assert!(forged.read(&id("f1"), MANIFEST).await.is_err() && forged.sweep(then()).await.is_err());
    assert!(!exists(&server.root, "kept/a"), "nothing was stored");

    let error = server.client("none", SECRET).sweep(then()).await.unwrap_err();
    assert!(error.to_string().contains("no such bucket") && error.is_for_good(), "{error}");
    let text = error.to_string();
    assert!(!text.contains("secret") && !text.contains("Signature") && !text.contains("access"), "{text}");
}

#[tokio::test]
async fn a_server_that_is_down_is_worth_another_try() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Server { port, root: std::env::temp_dir().join("vision-s3-none") };
    let error = server.client("kept", SECRET).put(&package("f1")).await.unwrap_err();
    assert!(error.to_string().contains("cannot connect") && !error.is_for_good(), "{error}");
}

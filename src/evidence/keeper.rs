//! Keeps records: one queue, one task. Whoever hands a record over never waits; what is over is deleted beside it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::manifest::{MANIFEST, Manifest, SIGNATURE};
use super::package::{Package, PackageError, Terms, archive};
use super::record::{EvidenceId, Record};
use super::store::folder::Folder;
use super::store::s3::S3;
use super::store::{Store, StoreError};
use super::video::{self, VideoError};
use crate::config::{Evidence, EvidenceStore};
use crate::lock::lock;
use crate::outbound::retry::{Again, Backoff, Failed, GaveUp, retry};
use crate::token::{KeyError, Signer};

/// Records that wait at most; their pictures are in memory.
const QUEUE: usize = 64;
/// How long a record is tried to be stored.
const STORE_FOR: Duration = Duration::from_secs(60);
/// Delays between the tries.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(10) };
/// How often it is looked for what is over: at most, and at least.
const SWEEP_EVERY: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// Ids of which it is known why they have no evidence.
const FATES_KEPT: usize = 1000;

/// Keeps evidence. Cheap to clone; the task ends when the last clone is gone and all is stored.
#[derive(Clone)]
pub struct Keeper {
    jobs: mpsc::Sender<Job>,
    shared: Arc<Shared>,
}

enum Job {
    Keep(Box<Record>),
    /// Answered when all before is done.
    Finish(oneshot::Sender<()>),
}

struct Shared {
    store: Store,
    terms: Terms,
    video: Option<usize>,
    fates: Mutex<Fates>,
}

/// Why there is no evidence of an id, as far as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Waiting,
    Lost,
    Deleted,
}

#[derive(Default)]
struct Fates {
    of: HashMap<EvidenceId, Fate>,
    order: VecDeque<EvidenceId>,
}

/// Why something cannot be kept.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each wraps the error of the module that it names
pub enum KeepError {
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("evidence has to be signed: set signing.key_file (SIGNING_KEY_FILE)")]
    Unsigned,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("evidence.video (EVIDENCE_VIDEO) cannot be kept: {0}")]
    Video(#[from] VideoError),
}

/// Why there is nothing to get.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// It is about to be stored.
    #[error("the evidence is being stored; ask again in a moment")]
    Waiting,
    /// Storing failed.
    #[error("the evidence could not be stored; the service's log says why")]
    Lost,
    /// Its time is over.
    #[error("the evidence was deleted: its time was over (EVIDENCE_RETENTION)")]
    Deleted,
    /// There is none.
    #[error("no evidence is kept under this id: it was not gathered, is not complete yet, or was deleted long ago")]
    Never,
    /// A file that the package does not have.
    #[error("the package has no file of this name; manifest.json lists them")]
    NoFile,
    /// The store cannot be read now.
    #[error("the store of evidence does not answer; the service's log says why")]
    Unreadable(#[from] StoreError),
}

/// What is handed out.
pub struct Found {
    /// Media type.
    pub media_type: String,
    /// Name to save it under.
    pub name: String,
    /// The file.
    pub bytes: Bytes,
}

impl Keeper {
    /// Opens the store and begins to keep; has to be called where a tokio runtime runs.
    ///
    /// # Errors
    /// [`KeepError`] when the store cannot be used.
    pub fn open(evidence: &Evidence, signer: Signer) -> Result<Self, KeepError> {
        let store = match &evidence.store {
            EvidenceStore::Folder(root) => Store::Folder(Folder::open(root)?),
            EvidenceStore::S3(bucket) => Store::S3(S3::new(bucket)?),
        };
        let terms = Terms { signer, recipient: evidence.recipient.clone(), retention: evidence.retention };
        if evidence.video.is_some() {
            video::check()?;
        }
        let (jobs, queue) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared { store, terms, video: evidence.video, fates: Mutex::default() });
        tokio::spawn(run(shared.clone(), queue));
        Ok(Self { jobs, shared })
    }

    /// Bytes that the video of one flow or session may take; none: no video is kept.
    pub fn video(&self) -> Option<usize> {
        self.shared.video
    }

    /// Keeps a record, some time soon. Never waits: what finds the queue full is lost, and said in the log.
    pub fn keep(&self, record: Record) {
        let id = record.id.clone();
        self.shared.remember(&id, Some(Fate::Waiting));
        if self.jobs.try_send(Job::Keep(Box::new(record))).is_err() {
            tracing::error!(flow = %id, "its evidence is lost: too much is waiting to be stored");
            self.shared.remember(&id, Some(Fate::Lost));
        }
    }

    /// Waits until all that was handed over is stored or given up, at most for `limit`.
    pub async fn finish(&self, limit: Duration) {
        let (done, finished) = oneshot::channel();
        let all = async {
            if self.jobs.send(Job::Finish(done)).await.is_ok() {
                let _ = finished.await;
            }
        };
        if timeout(limit, all).await.is_err() {
            tracing::error!("evidence was still to be stored at the end of the time to stop; it is lost");
        }
    }

    /// The whole package as one file: the sealed one, or a tar file of all.
    ///
    /// # Errors
    /// [`Missing`].
    pub async fn package(&self, id: &EvidenceId) -> Result<Found, Missing> {
        let (manifest, json) = self.manifest(id).await?;
        if let [sealed] = &manifest.files[..]
            && manifest.recipient.is_some()
        {
            let bytes = self.read(id, &sealed.name).await?;
            return Ok(Found { media_type: sealed.media_type.clone(), name: format!("evidence-{id}.tar.age"), bytes });
        }
        let mut files = vec![(MANIFEST.to_owned(), json), (SIGNATURE.to_owned(), self.read(id, SIGNATURE).await?)];
        for file in &manifest.files {
            files.push((file.name.clone(), self.read(id, &file.name).await?));
        }
        let tar = archive(files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_ref())), manifest.kept);
        // Names that a manifest may have fit into a tar file.
        let bytes = tar.map_err(|e| {
            tracing::error!(flow = %id, "a package cannot be handed out: {e}");
            Missing::Never
        })?;
        let name = format!("evidence-{id}.tar");
        Ok(Found { media_type: "application/x-tar".to_owned(), name, bytes: bytes.into() })
    }

    /// One file of a package.
    ///
    /// # Errors
    /// [`Missing`].
    pub async fn file(&self, id: &EvidenceId, name: &str) -> Result<Found, Missing> {
        let (manifest, json) = self.manifest(id).await?;
        let last = name.rsplit('/').next().unwrap_or(name).to_owned();
        let (media_type, bytes) = match name {
            MANIFEST => ("application/json".to_owned(), json),
            SIGNATURE => ("application/jose".to_owned(), self.read(id, SIGNATURE).await?),
            _ => {
                let entry = manifest.files.iter().find(|file| file.name == name).ok_or(Missing::NoFile)?;
                (entry.media_type.clone(), self.read(id, name).await?)
            }
        };
        Ok(Found { media_type, name: last, bytes })
    }

    async fn manifest(&self, id: &EvidenceId) -> Result<(Manifest, Bytes), Missing> {
        let json = self.shared.store.read(id, MANIFEST).await.map_err(told)?;
        let json = json.ok_or_else(|| self.shared.missing(id))?;
        let manifest = Manifest::parse(&json).map_err(|e| {
            tracing::error!(flow = %id, "what is stored as evidence is none: {e}");
            Missing::Never
        })?;
        // Over, but not deleted yet.
        if manifest.delete_after <= SystemTime::now() { Err(Missing::Deleted) } else { Ok((manifest, json)) }
    }

    async fn read(&self, id: &EvidenceId, name: &str) -> Result<Bytes, Missing> {
        self.shared.store.read(id, name).await.map_err(told)?.ok_or_else(|| self.shared.missing(id))
    }
}

fn told(error: StoreError) -> Missing {
    tracing::error!(%error, "evidence cannot be read");
    Missing::Unreadable(error)
}

impl Shared {
    fn remember(&self, id: &EvidenceId, fate: Option<Fate>) {
        let Fates { of, order } = &mut *lock(&self.fates);
        match fate {
            None => {
                of.remove(id);
            }
            Some(fate) => {
                if of.insert(id.clone(), fate).is_none() {
                    order.push_back(id.clone());
                }
            }
        }
        while order.len() > FATES_KEPT {
            order.pop_front().and_then(|oldest| of.remove(&oldest));
        }
    }

    fn missing(&self, id: &EvidenceId) -> Missing {
        match lock(&self.fates).of.get(id) {
            Some(Fate::Waiting) => Missing::Waiting,
            Some(Fate::Lost) => Missing::Lost,
            Some(Fate::Deleted) => Missing::Deleted,
            None => Missing::Never,
        }
    }

    async fn store(self: &Arc<Self>, record: Box<Record>) {
        let id = record.id.clone();
        let kept = self.clone().try_store(record).await;
        match kept {
            Ok(()) => {
                tracing::info!(flow = %id, "evidence stored");
                self.remember(&id, None);
            }
            Err(e) => {
                tracing::error!(flow = %id, "its evidence is lost: {e}");
                self.remember(&id, Some(Fate::Lost));
            }
        }
    }

    async fn try_store(self: Arc<Self>, record: Box<Record>) -> Result<(), KeepError> {
        let shared = self.clone();
        let built = tokio::task::spawn_blocking(move || Package::build(&record, &shared.terms, SystemTime::now()));
        let package = built.await.unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()))?;
        let what = format!("storing the evidence of {}", package.manifest.id);
        let attempt = || async {
            // files are shared, not copied
            self.store
                .put(package.clone())
                .await
                .map_err(|error| Failed { again: if error.is_for_good() { Again::Never } else { Again::Yes }, error })
        };
        let stored = retry(BACKOFF, Instant::now() + STORE_FOR, &what, attempt).await;
        stored.map(drop).map_err(|GaveUp { error, .. }| error.into())
    }

    async fn sweep(&self, now: SystemTime) {
        match self.store.sweep(now).await {
            Ok(deleted) => {
                for id in &deleted {
                    tracing::info!(flow = %id, "evidence deleted: its time is over");
                    self.remember(id, Some(Fate::Deleted));
                }
            }
            Err(error) => tracing::warn!(%error, "evidence whose time is over could not be deleted; tried again later"),
        }
    }
}

/// Until nobody hands records over any more. A sweep that ends in its midst leaves the rest to the next one.
async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<Job>) {
    let stored = async {
        while let Some(job) = queue.recv().await {
            match job {
                Job::Keep(record) => shared.store(record).await,
                Job::Finish(done) => drop(done.send(())),
            }
        }
    };
    let swept = async {
        let (least, most) = SWEEP_EVERY;
        let mut due = interval((shared.terms.retention / 4).clamp(least, most));
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // The first tick comes at once.
            due.tick().await;
            shared.sweep(SystemTime::now()).await;
        }
    };
    tokio::select! {
        () = stored => (),
        () = swept => (),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::net::TcpListener;
    use tokio::sync::Notify;
    use warp::Filter;

    use super::*;
    use crate::config::S3Bucket;
    use crate::evidence::testing::{RETENTION, record, terms};

    #[tokio::test]
    async fn a_sweep_that_takes_its_time_keeps_nobody_waiting() {
        // a server that stores, and takes for ever to list what it has
        let (asked, stored) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let (heard, counter) = (asked.clone(), stored.clone());
        let list = warp::get().then(move || {
            heard.notify_one();
            std::future::pending::<&str>()
        });
        let put = warp::put().map(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            ""
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(warp::serve(list.or(put)).incoming(listener).run());

        let bucket = S3Bucket {
            bucket: "kept".to_owned(),
            prefix: String::new(),
            endpoint: endpoint.parse().unwrap(),
            region: "eu-central-1".to_owned(),
            access_key: "access".to_owned().into(),
            secret_key: "secret".to_owned().into(),
        };
        let evidence =
            Evidence { store: EvidenceStore::S3(bucket), recipient: None, retention: RETENTION, video: None };
        let keeper = Keeper::open(&evidence, terms(None).signer).unwrap();
        asked.notified().await;
        keeper.keep(record("f1"));
        keeper.finish(Duration::from_secs(8)).await;
        assert!(stored.load(Ordering::Relaxed) > 2, "pictures, manifest, signature");
        server.abort();
    }
}

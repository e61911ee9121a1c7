//! Graphs of pipelines: written to a folder when a call or its flow fails, and drawn by Graphviz' `dot`, where that is
//! installed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::io::AsyncWriteExt;

use crate::flow::FlowId;
use crate::media::dot;
use crate::media::inspect::PeerProbe;

/// Files of ours in a folder.
const MAX_FILES: usize = 100;
/// A graph of a call takes a second.
const DRAW_LIMIT: Duration = Duration::from_secs(10);
/// What stands in the place of a flow's reason in the name of a graph of a connection that failed.
pub const FAILED_CONNECTION: &str = "connection_failed";
/// Of `dot` at the same time: it is hungry.
static DRAWING: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(1);
/// One file at a time is written, and the oldest looked for.
static KEEPING: Mutex<()> = Mutex::new(());

/// The graph of some peers, without secrets; `None` when there is none, or none that answers.
pub async fn of(peers: &[PeerProbe]) -> Option<String> {
    let drawn = futures_util::future::join_all(peers.iter().map(PeerProbe::dot)).await;
    let names = peers.iter().map(|peer| peer.name().to_owned());
    let graphs: Vec<_> = names.zip(drawn).filter_map(|(name, graph)| Some((name, graph?))).collect();
    (!graphs.is_empty()).then(|| dot::join(&graphs))
}

/// Where the graphs of a flow's failures go.
#[derive(Clone, Debug)]
pub struct DotFolder {
    folder: PathBuf,
    flow: FlowId,
}

impl DotFolder {
    /// For one flow.
    pub fn new(folder: &Path, flow: FlowId) -> Self {
        Self { folder: folder.into(), flow }
    }

    /// Writes the peers' graph as `{flow}-{reason}.dot`; an earlier one of the same name is replaced, and the oldest are
    /// removed when there are more than a hundred. What cannot be written is said in the log.
    pub async fn write(&self, peers: Vec<PeerProbe>, reason: &str) {
        let Some(graph) = of(&peers).await else { return };
        let path = self.folder.join(format!("{}-{reason}.dot", self.flow));
        let written = tokio::task::spawn_blocking(move || {
            let done = keep(&path, &graph);
            (path, done)
        });
        match written.await {
            Ok((path, Ok(()))) => tracing::info!(flow = %self.flow, "the pipelines' graph is in {}", path.display()),
            Ok((path, Err(error))) => tracing::warn!(flow = %self.flow, %error, "cannot write {}", path.display()),
            Err(error) => tracing::error!(flow = %self.flow, %error, "writing a graph failed"),
        }
    }
}

/// There is all of it or none: who looks at the folder meanwhile sees no half of a graph.
fn keep(path: &Path, graph: &str) -> std::io::Result<()> {
    let _turn = KEEPING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let part = path.with_extension("part");
    let written = std::fs::write(&part, graph).and_then(|()| std::fs::rename(&part, path));
    written.inspect_err(|_| drop(std::fs::remove_file(&part)))?;
    let mut files: Vec<(SystemTime, PathBuf)> = std::fs::read_dir(folder)?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let is_ours = is_ours(entry.file_name().to_str()?);
            is_ours.then(|| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).flatten()
        })
        .collect();
    files.sort();
    let extra = files.len().saturating_sub(MAX_FILES);
    for (_, file) in files.drain(..extra) {
        std::fs::remove_file(file)?;
    }
    Ok(())
}

/// Whether a file can be one of these: nothing else in the folder is touched.
fn is_ours(name: &str) -> bool {
    name.strip_suffix(".dot")
        .and_then(|stem| stem.split_once('-'))
        .is_some_and(|(flow, _)| flow.parse::<FlowId>().is_ok())
}

/// Why there is no drawing.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    /// No program.
    #[error(
        "Graphviz is not installed here (Debian package graphviz); pipeline.dot has the same, for `dot -Tsvg` elsewhere"
    )]
    NotInstalled,
    /// Too large, or the machine is busy.
    #[error("`dot` took longer than {DRAW_LIMIT:?}; pipeline.dot has the same")]
    TimedOut,
    /// It runs, and fails.
    #[error("`dot` failed: {0}")]
    Failed(String),
}

/// A graph as SVG, by `program` (`dot`, but for tests).
pub async fn draw(program: &str, graph: &str) -> Result<Vec<u8>, DrawError> {
    let drawn = async {
        let _turn = DRAWING.acquire().await;
        let mut child = tokio::process::Command::new(program)
            .arg("-Tsvg")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // whoever stops waiting ends it
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => DrawError::NotInstalled,
                _ => DrawError::Failed(error.to_string()),
            })?;
        let input = child.stdin.take();
        let feed = async {
            if let Some(mut input) = input {
                // one that ends early says why on stderr
                let _ = input.write_all(graph.as_bytes()).await;
            }
        };
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        let output = output.map_err(|error| DrawError::Failed(error.to_string()))?;
        if output.status.success() && !output.stdout.is_empty() {
            Ok(output.stdout)
        } else {
            let said: String = String::from_utf8_lossy(&output.stderr).chars().take(500).collect();
            Err(DrawError::Failed(said.trim().to_owned()))
        }
    };
    tokio::time::timeout(DRAW_LIMIT, drawn).await.map_err(|_| DrawError::TimedOut)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_hundred_are_kept_and_nothing_else_is_touched() {
        let folder = std::env::temp_dir().join(format!("vision-graphs-{}", std::process::id()));
        let flow = FlowId::random();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("other-file.dot"), "x").unwrap();
        for number in 0..MAX_FILES + 3 {
            let path = folder.join(format!("{flow}-{number}.dot"));
            keep(&path, "digraph {}").unwrap();
            let age = Duration::from_secs((1000 - number) as u64);
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        }
        let path = folder.join(format!("{flow}-last.dot"));
        keep(&path, "digraph {}").unwrap();
        let names: Vec<String> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(names.len(), MAX_FILES + 1);
        assert!(names.iter().any(|name| name == "other-file.dot") && path.exists());
        assert!(!names.contains(&format!("{flow}-0.dot")) && names.contains(&format!("{flow}-50.dot")));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn who_looks_meanwhile_sees_whole_graphs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("{}-media_lost.dot", FlowId::random()));
        let graph = format!("digraph {{ {} }}", "a -> b;".repeat(100_000));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..50).for_each(|_| keep(&path, &graph).unwrap()));
            }
            let mut seen = 0;
            while seen < 50 {
                match std::fs::read_to_string(&path) {
                    Ok(text) => assert_eq!(text.len(), graph.len()),
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
                }
                seen += usize::from(path.exists());
            }
        });
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_program_that_is_missing_or_fails_is_said() {
        assert!(matches!(draw("no-such-dot", "digraph {}").await, Err(DrawError::NotInstalled)));
        assert!(matches!(draw("false", "digraph {}").await, Err(DrawError::Failed(_))));
        // takes no graph and no option, and prints a line
        assert_eq!(draw("echo", "digraph {}").await.unwrap(), b"-Tsvg\n");
    }

    #[test]
    fn files_are_told_apart_by_their_names() {
        assert!(is_ours(&format!("{}-media_lost.dot", FlowId::random())));
        for other in ["a.dot", "00-x.dot", "0123456789abcdef0123456789abcdef.dot", "notes.txt"] {
            assert!(!is_ours(other), "{other}");
        }
    }
}

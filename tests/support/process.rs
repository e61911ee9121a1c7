//! What this process holds.

/// Threads and open file descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    pub threads: usize,
    pub descriptors: usize,
}

pub fn holdings() -> Holdings {
    let count = |folder: &str| std::fs::read_dir(folder).unwrap().count();
    Holdings { threads: count("/proc/self/task"), descriptors: count("/proc/self/fd") }
}

/// What the process holds once it holds no less for half a second.
pub async fn settled() -> Holdings {
    let mut last = holdings();
    let mut quiet = 0;
    for _ in 0..100 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let now = holdings();
        quiet = if now == last { quiet + 1 } else { 0 };
        last = now;
        if quiet == 5 {
            break;
        }
    }
    last
}

/// For tests that count what the process holds: runs the test of this name in a process of its own. `true` in there.
pub fn is_alone(test: &str) -> bool {
    is_alone_with(test, &[])
}

/// The same with more in that process's environment. What it prints is printed.
pub fn is_alone_with(test: &str, env: &[(&str, &str)]) -> bool {
    const ALONE: &str = "VISION_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let program = std::env::current_exe().unwrap();
    let mut command = std::process::Command::new(program);
    command.args(["--exact", test, "--include-ignored", "--nocapture"]).env(ALONE, "1").envs(env.iter().copied());
    let output = command.output().unwrap();
    // Indented: its results are not to be counted as this process's.
    let indented = |text: &[u8]| format!("    {}\n", String::from_utf8_lossy(text).trim_end().replace('\n', "\n    "));
    let (out, err) = (indented(&output.stdout), indented(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}{err}");
    print!("{out}");
    false
}

/// An empty folder for one test.
pub fn scratch_folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("vision-test-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

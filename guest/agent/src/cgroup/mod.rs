//! A container's control group (version 2).

mod oom;
mod stats;

pub use oom::OomEvents;
pub use stats::stats;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::ttrpc::{Code, Context, Result, Status};

/// Where the hierarchy is mounted.
pub const ROOT: &str = "/sys/fs/cgroup";
/// A freeze takes effect when the last process has left the kernel.
const FREEZE_LIMIT: Duration = Duration::from_secs(5);
const FREEZE_POLL: Duration = Duration::from_millis(1);

/// A group that crun made.
#[derive(Clone, Debug)]
pub struct Cgroup {
    dir: PathBuf,
}

impl Cgroup {
    /// The group with this path below the root of the hierarchy.
    pub fn new(path: &str) -> Self {
        Self { dir: Path::new(ROOT).join(path.trim_start_matches('/')) }
    }

    /// A file of the group.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Content of a file of the group.
    pub fn read(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(self.dir.join(name))
    }

    fn write(&self, name: &str, value: &str) -> Result<()> {
        let path = self.dir.join(name);
        fs::write(&path, value).context(|| format!("write {value:?} to {}", path.display()))
    }

    /// Whether it has been removed.
    pub fn is_gone(&self) -> bool {
        !self.dir.exists()
    }

    /// Kills all processes in it and below.
    pub fn kill(&self) -> Result<()> {
        self.write("cgroup.kill", "1")
    }

    /// Kills all processes in it and removes it, as far as that is possible: a process that hangs stays until it can end.
    pub fn abandon(&self) {
        if self.dir != Path::new(ROOT) && self.kill().is_ok() {
            let _ = fs::remove_dir(&self.dir);
        }
    }

    /// Whether its processes have been told to stand still.
    pub fn is_frozen(&self) -> bool {
        self.read("cgroup.freeze").is_ok_and(|value| value.trim() == "1")
    }

    /// Stops all processes, and returns when they stand still.
    pub async fn freeze(&self) -> Result<()> {
        self.write("cgroup.freeze", "1")?;
        let end = Instant::now() + FREEZE_LIMIT;
        while !self.read("cgroup.events").context(|| "read cgroup.events")?.contains("frozen 1") {
            if Instant::now() > end {
                self.thaw()?;
                return Err(Status::new(Code::DeadlineExceeded, "the processes did not freeze"));
            }
            sleep(FREEZE_POLL).await;
        }
        Ok(())
    }

    /// Lets the processes run again.
    pub fn thaw(&self) -> Result<()> {
        self.write("cgroup.freeze", "0")
    }
}

/// The value behind a key in a file of `key value` lines.
pub fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

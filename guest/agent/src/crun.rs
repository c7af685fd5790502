//! Runs crun, and turns what it says into a message for the host.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pipe2};
use tokio::time::timeout;

use crate::emulation::{FixedAddresses, is_emulated};
use crate::reaper::Reaper;
use crate::stdio::ChildEnds;
use crate::ttrpc::{Code, Context, Result, Status};

/// No crun command takes longer than this, not even in an emulated and overloaded machine.
const LIMIT: Duration = Duration::from_secs(60);
const KILL_ROUNDS: usize = 100;
/// The only environment that crun gets.
const PATH: (&str, &str) = ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

/// How the agent calls crun.
pub struct Crun {
    program: PathBuf,
    root: PathBuf,
    scratch: PathBuf,
    cgroup_manager: &'static str,
    is_emulated: bool,
    reaper: Reaper,
    calls: Cell<u64>,
}

impl Crun {
    /// crun with its state and the agent's small files below `state`.
    pub fn new(program: PathBuf, state: &Path, cgroup_manager: &'static str, reaper: Reaper) -> Result<Self> {
        let (root, scratch) = (state.join("crun"), state.join("tmp"));
        for dir in [&root, &scratch] {
            fs::create_dir_all(dir).context(|| format!("make {}", dir.display()))?;
        }
        // Elsewhere than in our own machine this setting is not ours to change.
        let is_emulated = std::process::id() == 1 && is_emulated();
        Ok(Self { program, root, scratch, cgroup_manager, is_emulated, reaper, calls: Cell::new(0) })
    }

    /// A path below the agent's state that no other call uses.
    pub fn scratch_file(&self, kind: &str) -> PathBuf {
        self.calls.set(self.calls.get() + 1);
        self.scratch.join(format!("{}.{kind}", self.calls.get()))
    }

    /// A short-lived file that no other call uses.
    pub fn scratch(&self, kind: &str) -> Scratch {
        Scratch(self.scratch_file(kind))
    }

    /// Runs one command to its end. `streams` become the standard streams of crun, and so those of the process that
    /// it starts; without them they are empty. When it takes too long or is dropped, crun ends, and with it what it is
    /// just starting.
    pub async fn run<A: AsRef<OsStr>>(&self, arguments: &[A], streams: Option<ChildEnds>) -> Result<()> {
        self.run_scored(arguments, streams, None).await
    }

    /// The same with an `oom_score_adj` for crun and what it starts: `crun exec` heeds none.
    pub async fn run_scored<A: AsRef<OsStr>>(
        &self,
        arguments: &[A],
        streams: Option<ChildEnds>,
        oom_score_adj: Option<i64>,
    ) -> Result<()> {
        let log = self.scratch("log");
        let mut command = Command::new(&self.program);
        command
            .arg("--root")
            .arg(&self.root)
            .args(["--cgroup-manager", self.cgroup_manager, "--log-format", "json", "--log"])
            .arg({
                let mut target = std::ffi::OsString::from("file:");
                target.push(log.path());
                target
            })
            .args(arguments)
            .env_clear()
            .envs([PATH])
            .current_dir("/");
        let pipes = match streams {
            Some(ends) => {
                let pipes = [&ends.stdin, &ends.stdout, &ends.stderr].into_iter().filter_map(name_of).collect();
                command.stdin(ends.stdin).stdout(ends.stdout).stderr(ends.stderr);
                pipes
            }
            None => {
                let (empty, _) = pipe2(OFlag::O_CLOEXEC).context(|| "make a pipe")?;
                let pipes = name_of(&empty).into_iter().collect();
                command.stdin(empty).stdout(Stdio::null()).stderr(Stdio::null());
                pipes
            }
        };
        let fixed = self.is_emulated.then(FixedAddresses::begin);
        let scored = oom_score_adj.map(OomScore::begin);
        let child = command.spawn();
        drop((fixed, scored));
        let child = child.context(|| format!("start {}", self.program.display()))?;
        // The ends of the streams must not stay open here, or the streams would never end.
        drop(command);
        let pid = child.id() as i32;
        let ended = self.reaper.child(pid);
        let mut running = Running { pid, pipes, has_ended: false };
        let Ok(status) = timeout(LIMIT, ended).await else {
            return Err(Status::new(Code::DeadlineExceeded, format!("crun did not end within {LIMIT:?}")));
        };
        running.has_ended = true;
        match status.unwrap_or(255) {
            0 => Ok(()),
            status => {
                let text = fs::read_to_string(log.path()).unwrap_or_default();
                Err(failure(arguments[0].as_ref(), status, &text))
            }
        }
    }

    /// Whether crun has something of a container.
    pub fn knows(&self, id: &str) -> bool {
        self.root.join(id).exists()
    }

    /// Lets the first process of a created container run. It waits for a byte in a FIFO of crun's state folder, and to
    /// write that is all that `crun start` does for a container without hooks, at the cost of a process: so the agent
    /// does it itself, and runs crun where the FIFO is not as expected, for what it says or because it is another crun.
    pub async fn start(&self, id: &str) -> Result<()> {
        match release(&self.root.join(id).join("exec.fifo")) {
            Ok(()) => Ok(()),
            Err(_) => self.run(&["start", id], None).await,
        }
    }

    /// The reaper that collects what crun starts.
    pub fn reaper(&self) -> &Reaper {
        &self.reaper
    }
}

/// Has what is started while it exists be born with a score of its own: later it could have children already. That of this
/// process means nothing meanwhile, process 1 is never killed.
struct OomScore {
    before: String,
}

impl OomScore {
    const FILE: &str = "/proc/self/oom_score_adj";

    fn begin(score: i64) -> Self {
        let before = fs::read_to_string(Self::FILE).unwrap_or_else(|_| "0".into());
        if let Err(e) = fs::write(Self::FILE, score.to_string()) {
            eprintln!("bulkhead-agent: oom_score_adj {score}: {e}");
        }
        Self { before }
    }
}

impl Drop for OomScore {
    fn drop(&mut self) {
        if let Err(e) = fs::write(Self::FILE, self.before.trim()) {
            eprintln!("bulkhead-agent: oom_score_adj: {e}");
        }
    }
}

/// A file that goes when this is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A crun that has not ended. What it starts falls to the agent before anybody knows its pid, so it is known by the pipes
/// that it has as its standard streams.
struct Running {
    pid: i32,
    pipes: Vec<PathBuf>,
    has_ended: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended {
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
            // What is killed can have made another one meanwhile, but not for ever.
            (0..KILL_ROUNDS).take_while(|_| kill_holders(&self.pipes) > 0).count();
        }
    }
}

/// What the links to an open pipe read in /proc, in every process.
fn name_of(pipe: &OwnedFd) -> Option<PathBuf> {
    fs::read_link(format!("/proc/self/fd/{}", pipe.as_raw_fd())).ok()
}

/// Kills the processes that have one of these pipes as a standard stream; returns how many there were that had not been killed.
fn kill_holders(pipes: &[PathBuf]) -> usize {
    let own = std::process::id().to_string();
    let holds = |process: &str| {
        (0..3).any(|fd| fs::read_link(format!("/proc/{process}/fd/{fd}")).is_ok_and(|link| pipes.contains(&link)))
    };
    let others = crate::device::names_in(Path::new("/proc")).into_iter().filter(|name| *name != own);
    let pids = others.filter_map(|name| name.parse().ok().filter(|_| holds(&name) && !is_being_killed(&name)));
    pids.filter(|pid| kill(Pid::from_raw(*pid), Signal::SIGKILL).is_ok()).count()
}

/// Whether the kill signal has reached a process that hangs.
fn is_being_killed(process: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let pending = |line: &str| {
        let signals = line.strip_prefix("SigPnd:").or_else(|| line.strip_prefix("ShdPnd:"))?;
        u64::from_str_radix(signals.trim(), 16).ok().map(|set| set & (1 << (libc::SIGKILL - 1)) != 0)
    };
    status.lines().any(|line| pending(line) == Some(true)) || status.contains("State:\tZ")
}

/// Writes the byte. The FIFO's absence is how crun knows that a container has been started.
fn release(fifo: &Path) -> io::Result<()> {
    // Without a reader, when the process is gone, this open is an error.
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
    let mut file = OpenOptions::new().write(true).custom_flags(flags).open(fifo)?;
    if !file.metadata()?.file_type().is_fifo() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    fs::remove_file(fifo)?;
    file.write_all(&[0])
}

/// The last error in crun's log is the cause; what came before it are warnings or consequences' context.
fn failure(command: &OsStr, status: i32, log: &str) -> Status {
    let message = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|entry| entry["msg"].as_str().map(str::to_owned))
        .next_back();
    match message {
        Some(message) => {
            Status::internal(format!("OCI runtime {}: {}", command.to_string_lossy(), in_known_words(message)))
        }
        None => Status::internal(format!("OCI runtime {}: crun ended with status {status}", command.to_string_lossy())),
    }
}

/// Docker makes exit code 126 of "permission denied", runc's words; newer cruns have others for a file that is no program.
fn in_known_words(message: String) -> String {
    if message.contains("not executable") && !message.to_lowercase().contains("permission denied") {
        return message + ": permission denied";
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_waits_is_released_and_nothing_else_is_touched() {
        let dir = std::env::temp_dir().join(format!("bulkhead-crun-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (fifo, plain) = (dir.join("exec.fifo"), dir.join("plain"));
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        fs::write(&plain, "text").unwrap();
        assert!(release(&fifo).is_err(), "nobody waits");
        let mut waiting = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&fifo).unwrap();
        release(&fifo).unwrap();
        let mut byte = Vec::new();
        io::Read::read_to_end(&mut waiting, &mut byte).unwrap();
        assert_eq!((byte.as_slice(), fifo.exists()), ([0].as_slice(), false));
        assert!(release(&fifo).is_err() && release(&plain).is_err());
        assert_eq!(fs::read_to_string(&plain).unwrap(), "text");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn the_cause_is_taken_from_the_log() {
        let log = "{\"msg\":\"w\",\"level\":\"warning\"}\nnoise\n{\"msg\":\"executable file `x` not found in $PATH\",\"level\":\"error\"}\n";
        assert_eq!(
            failure(OsStr::new("exec"), 1, log).message,
            "OCI runtime exec: executable file `x` not found in $PATH"
        );
        assert_eq!(failure(OsStr::new("create"), 139, "").message, "OCI runtime create: crun ended with status 139");
        let crun_1_21 = r#"{"msg":"the path `/x` exists but it is not executable: Operation not permitted"}"#;
        assert!(failure(OsStr::new("exec"), 1, crun_1_21).message.ends_with("not permitted: permission denied"));
    }
}

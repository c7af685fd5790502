//! One process of a container: its streams, its pid while it lives, its exit.

use std::cell::Cell;

use nix::errno::Errno;
use tokio::sync::SetOnce;

use crate::stdio::Streams;
use crate::ttrpc::{Code, Context, Result, Status};

/// A container's first process or one started by exec.
pub struct Process {
    pid: Cell<i32>,
    /// The exit code, or 128 + the number of the signal that ended it.
    pub exit: SetOnce<i32>,
    /// Nobody reads its output any more.
    pub released: SetOnce<()>,
    /// It was killed before it was started.
    pub given_up: SetOnce<()>,
    /// Its standard streams.
    pub streams: Streams,
    waited: Cell<bool>,
}

impl Process {
    /// A process that is about to be started.
    pub fn new(streams: Streams) -> Self {
        Self {
            pid: Cell::new(0),
            exit: SetOnce::new(),
            released: SetOnce::new(),
            given_up: SetOnce::new(),
            streams,
            waited: Cell::new(false),
        }
    }

    /// Its pid, once it runs; also afterwards.
    pub fn pid(&self) -> i32 {
        self.pid.get()
    }

    /// Notes that it runs.
    pub fn started(&self, pid: i32) {
        self.pid.set(pid);
    }

    /// Waits for its end. The status stays, so any number of callers may ask, also later.
    pub async fn wait(&self) -> i32 {
        let status = *self.exit.wait().await;
        self.waited.set(true);
        status
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.exit.get().is_some()
    }

    /// Nobody reads its output any more: reads under way end, and what is still written is thrown away.
    pub fn release_output(&self) {
        let _ = self.released.set(());
        self.streams.stdout.discard();
        self.streams.stderr.discard();
    }

    /// Whether nobody is known to need it any more: its exit was asked for and its output fetched.
    pub fn is_settled(&self) -> bool {
        let is_read = self.streams.stdout.is_ended() || self.released.get().is_some();
        self.has_ended() && self.waited.get() && is_read
    }

    /// Sends a signal; a process that has ended takes any. One that is being started takes the kill signal only.
    pub fn signal(&self, number: u32) -> Result<()> {
        let number = i32::try_from(number).ok().filter(|n| (0..=64).contains(n));
        let number = number.ok_or_else(|| Status::invalid("no such signal"))?;
        if self.has_ended() {
            return Ok(());
        }
        if self.pid() <= 0 && number == libc::SIGKILL {
            let _ = self.given_up.set(());
            return Ok(());
        }
        if self.pid() <= 0 {
            return Err(Status::new(Code::FailedPrecondition, "the process has not been started"));
        }
        // SAFETY: plain system call. The number still is ours: `exit` is set in the turn in which the process was collected.
        match Errno::result(unsafe { libc::kill(self.pid(), number) }) {
            Ok(_) | Err(Errno::ESRCH) => Ok(()),
            Err(e) => Err(e).context(|| format!("signal {number} to pid {}", self.pid())),
        }
    }
}

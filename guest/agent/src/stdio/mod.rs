//! The three streams of a process: pipes, or one terminal.

mod input;
mod output;
mod terminal;

pub use input::Input;
pub use output::{Output, Until};
pub use terminal::{ConsoleSocket, Terminal};

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;
use tokio::io::unix::AsyncFd;

use crate::poll;
use crate::ttrpc::{Context, Result};

/// Output pipes are enlarged to this, so that a producer runs on while the host fetches what it has written:
/// one fetch then carries up to a mebibyte. Pages are only allocated when data is there.
const OUTPUT_PIPE_SIZE: i32 = 1 << 20;

/// A descriptor that both a reader and the table of processes may hold.
pub type SharedFd = Rc<AsyncFd<OwnedFd>>;

/// The ends that crun gets as its standard streams; dropped once it runs.
pub struct ChildEnds {
    /// Read end of stdin's pipe.
    pub stdin: OwnedFd,
    /// Write end of stdout's pipe.
    pub stdout: OwnedFd,
    /// Write end of stderr's pipe.
    pub stderr: OwnedFd,
}

/// The agent's side of a process's streams.
pub struct Streams {
    /// What the host writes.
    pub stdin: Input,
    /// What the process writes, or all that its terminal shows.
    pub stdout: Output,
    /// Always at its end when there is a terminal.
    pub stderr: Output,
    /// The terminal, if the process has one.
    pub terminal: Option<Rc<Terminal>>,
}

impl Streams {
    /// Three pipes, and the ends for the process.
    pub fn pipes() -> Result<(Self, ChildEnds)> {
        let (stdin_read, stdin_write) = new_pipe()?;
        let (stdout_read, stdout_write) = new_pipe()?;
        let (stderr_read, stderr_write) = new_pipe()?;
        for pipe in [&stdout_read, &stderr_read] {
            // The limit of fs.pipe-max-size may forbid it; the default size works too.
            let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(OUTPUT_PIPE_SIZE));
        }
        let streams = Self {
            stdin: Input::pipe(shared(stdin_write)?),
            stdout: Output::pipe(shared(stdout_read)?),
            stderr: Output::pipe(shared(stderr_read)?),
            terminal: None,
        };
        Ok((streams, ChildEnds { stdin: stdin_read, stdout: stdout_write, stderr: stderr_write }))
    }

    /// The process has ended: lets go of what nobody needs any more. Output that is still there stays.
    pub fn ended(&self) {
        self.stdin.end();
        self.stdout.close_if_finished();
        self.stderr.close_if_finished();
    }

    /// A terminal whose master has yet to arrive.
    pub fn terminal() -> Self {
        let terminal = Rc::new(Terminal::default());
        Self {
            stdin: Input::terminal(terminal.clone()),
            stdout: Output::terminal(terminal.clone()),
            stderr: Output::absent(),
            terminal: Some(terminal),
        }
    }
}

fn new_pipe() -> Result<(OwnedFd, OwnedFd)> {
    pipe2(OFlag::O_CLOEXEC).context(|| "make a pipe")
}

/// Makes our end non-blocking (the other end keeps its own mode) and registers it with the runtime.
fn shared(fd: OwnedFd) -> Result<SharedFd> {
    set_nonblocking(&fd)?;
    poll::watch(fd).map(Rc::new).context(|| "watch a stream")
}

fn set_nonblocking(fd: impl AsFd) -> Result<()> {
    let flags = fcntl(&fd, FcntlArg::F_GETFL).context(|| "flags of a stream")?;
    let flags = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
    fcntl(&fd, FcntlArg::F_SETFL(flags)).context(|| "flags of a stream")?;
    Ok(())
}

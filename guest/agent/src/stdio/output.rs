//! Reading what a process writes.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::io::unix::AsyncFd;
use tokio::sync::{Mutex, SetOnce};
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::{SharedFd, Terminal};
use crate::ttrpc::{HEADROOM, MAX_PAYLOAD, Relay, Reply, available};

/// After the process has ended, its streams end for a reader that does not ask for all when nothing has arrived for
/// this long although a process that it left behind still holds them open.
const DRAIN_IDLE: Duration = Duration::from_millis(500);
/// What a read gets that names no length.
const DEFAULT_LENGTH: usize = 32 << 10;

/// From this size on data is moved instead of being copied; below, two calls cost more than the copy.
const MOVE_FROM: usize = 32 << 10;

/// How long a read waits.
pub enum Until<'a> {
    /// At most until soon after the exit of the process.
    Exit(&'a SetOnce<i32>),
    /// Until nobody can write any more, or nobody reads.
    End {
        /// Set when nobody reads.
        released: &'a SetOnce<()>,
        /// Set when the process has ended.
        exit: &'a SetOnce<i32>,
    },
}

impl Until<'_> {
    fn exit(&self) -> &SetOnce<i32> {
        match self {
            Until::Exit(exit) | Until::End { exit, .. } => exit,
        }
    }
    async fn is_over(&self) {
        match self {
            Until::Exit(exit) => {
                exit.wait().await;
                sleep(DRAIN_IDLE).await;
            }
            Until::End { released, .. } => {
                released.wait().await;
            }
        }
    }
}

enum Source {
    Pipe(SharedFd),
    Terminal(Rc<Terminal>),
    Ended,
}

/// One output stream. Concurrent reads are answered in the order they came in.
pub struct Output {
    source: RefCell<Source>,
    turn: Mutex<()>,
}

impl Output {
    pub(super) fn pipe(fd: SharedFd) -> Self {
        Self::new(Source::Pipe(fd))
    }
    pub(super) fn terminal(terminal: Rc<Terminal>) -> Self {
        Self::new(Source::Terminal(terminal))
    }
    pub(super) fn absent() -> Self {
        Self::new(Source::Ended)
    }
    fn new(source: Source) -> Self {
        Self { source: RefCell::new(source), turn: Mutex::new(()) }
    }

    /// Whether the end has been reached (and told to a reader).
    pub fn is_ended(&self) -> bool {
        matches!(*self.source.borrow(), Source::Ended)
    }

    /// Waits for output and answers with what is there, at most `length` bytes; none mean the end. Everything written
    /// before the process ended is returned before the end is.
    pub async fn read(&self, length: usize, until: Until<'_>) -> io::Result<Reply> {
        let length = if length == 0 { DEFAULT_LENGTH } else { length.min(MAX_PAYLOAD - 2 * HEADROOM) };
        let _turn = self.turn.lock().await;
        let Some(fd) = self.open(until.exit()).await else { return Ok(nothing()) };
        let is_over = until.is_over();
        tokio::pin!(is_over);
        loop {
            let mut guard = tokio::select! {
                biased;
                guard = fd.readable() => guard?,
                () = &mut is_over => {
                    self.discard();
                    return Ok(nothing());
                }
            };
            if self.is_pipe() && available(fd.get_ref()) >= MOVE_FROM {
                if let Some(relay) = Relay::fill(fd.as_fd(), length)? {
                    return Ok(Reply::piped_data(relay));
                }
            }
            match guard.try_io(|fd| read_available(fd, length)) {
                Ok(Ok(buffer)) => {
                    if buffer.len() == HEADROOM {
                        *self.source.borrow_mut() = Source::Ended;
                    }
                    return Ok(Reply::stream_data(buffer));
                }
                Ok(Err(e)) if e.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(e)) => return Err(e),
                Err(_) => {}
            }
        }
    }

    /// Lets go of the pipe if there is nothing in it and nobody who could write to it: a reader that comes later gets
    /// the end without it.
    pub fn close_if_finished(&self) {
        let finished = match &*self.source.borrow() {
            Source::Pipe(fd) => {
                let mut state = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
                poll(&mut state, PollTimeout::ZERO).is_ok() && state[0].revents() == Some(PollFlags::POLLHUP)
            }
            _ => false,
        };
        if finished {
            *self.source.borrow_mut() = Source::Ended;
        }
    }

    /// Ends the stream for its readers, and throws away what is still written to it.
    pub fn discard(&self) {
        let source = std::mem::replace(&mut *self.source.borrow_mut(), Source::Ended);
        match source {
            Source::Pipe(fd) => drop(spawn_local(discard(fd))),
            Source::Terminal(terminal) => drop(terminal.arrived().map(|fd| spawn_local(discard(fd)))),
            Source::Ended => {}
        }
    }

    fn is_pipe(&self) -> bool {
        matches!(*self.source.borrow(), Source::Pipe(_))
    }

    async fn open(&self, exit: &SetOnce<i32>) -> Option<SharedFd> {
        let terminal = match &*self.source.borrow() {
            Source::Pipe(fd) => return Some(fd.clone()),
            Source::Ended => return None,
            Source::Terminal(terminal) => terminal.clone(),
        };
        tokio::select! {
            biased;
            fd = terminal.master() => Some(fd),
            _ = exit.wait() => None,
        }
    }
}

fn nothing() -> Reply {
    Reply::stream_data(vec![0; HEADROOM])
}

/// One read, into a buffer that is as large as what the stream holds.
fn read_available(fd: &AsyncFd<std::os::fd::OwnedFd>, length: usize) -> io::Result<Vec<u8>> {
    // At least a page: more may have come since it was counted, and not everything can be counted.
    let wanted = available(fd.get_ref()).clamp(4096.min(length), length);
    let mut buffer = Vec::with_capacity(HEADROOM + wanted);
    buffer.resize(HEADROOM, 0);
    let spare = buffer.spare_capacity_mut();
    let room = spare.len().min(wanted);
    // SAFETY: pointer and length describe spare capacity of the buffer.
    let n = unsafe { libc::read(fd.as_raw_fd(), spare.as_mut_ptr().cast(), room) };
    match usize::try_from(n) {
        // SAFETY: the kernel has initialised n bytes behind the headroom.
        Ok(n) => unsafe { buffer.set_len(HEADROOM + n) },
        Err(_) => {
            let error = io::Error::last_os_error();
            // The master of a terminal reports the hangup of the last slave this way.
            if error.raw_os_error() != Some(libc::EIO) {
                return Err(error);
            }
        }
    }
    Ok(buffer)
}

/// Keeps a stream flowing that nobody reads any more, so that processes left behind are neither blocked nor killed by it.
async fn discard(fd: SharedFd) {
    loop {
        let Ok(mut guard) = fd.readable().await else { return };
        if let Ok(done) = guard.try_io(|fd| read_available(fd, 64 << 10)) {
            match done {
                Ok(buffer) if buffer.len() > HEADROOM => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                _ => return,
            }
        }
        tokio::task::yield_now().await;
    }
}

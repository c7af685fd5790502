//! Writing to a process.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use tokio::sync::{Mutex, SetOnce};

use super::{SharedFd, Terminal};
use crate::ttrpc::{Code, Result, Status};

enum Sink {
    Pipe(SharedFd),
    Terminal(Rc<Terminal>),
    Closed,
}

/// A process's standard input. A write is answered when the process's pipe has taken all of it, which is the host's
/// back-pressure; nobody else waits for it.
pub struct Input {
    sink: RefCell<Sink>,
    turn: Mutex<()>,
    closing: Cell<bool>,
}

impl Input {
    pub(super) fn pipe(fd: SharedFd) -> Self {
        Self::new(Sink::Pipe(fd))
    }
    pub(super) fn terminal(terminal: Rc<Terminal>) -> Self {
        Self::new(Sink::Terminal(terminal))
    }
    fn new(sink: Sink) -> Self {
        Self { sink: RefCell::new(sink), turn: Mutex::new(()), closing: Cell::new(false) }
    }

    /// Writes everything, in the order of the calls, or fails when the process no longer reads.
    pub async fn write(&self, data: Bytes, exit: &SetOnce<i32>) -> Result<()> {
        let closed = || Status::new(Code::FailedPrecondition, "stdin is closed");
        if self.closing.get() {
            return Err(closed());
        }
        let _turn = self.turn.lock().await;
        let fd = self.open(exit).await.ok_or_else(closed)?;
        let mut rest = &data[..];
        let mut outcome = Ok(());
        while !rest.is_empty() {
            let guard = tokio::select! {
                biased;
                guard = fd.writable() => guard,
                _ = exit.wait() => {
                    outcome = Err(Status::new(Code::FailedPrecondition, "the process has ended"));
                    break;
                }
            };
            let wrote = match guard {
                Ok(mut guard) => match guard.try_io(|fd| nix::unistd::write(fd, rest).map_err(io::Error::from)) {
                    Ok(wrote) => wrote,
                    Err(_) => continue,
                },
                Err(e) => Err(e),
            };
            match wrote {
                Ok(n) => rest = &rest[n..],
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.closing.set(true);
                    outcome = Err(Status::new(Code::FailedPrecondition, format!("write to stdin: {e}")));
                    break;
                }
            }
        }
        if self.closing.get() {
            self.shut();
        }
        outcome
    }

    /// Closes the pipe behind the writes that are under way. A terminal stays as it is: its end of input is a
    /// character that the host sends.
    pub fn close(&self) {
        if matches!(*self.sink.borrow(), Sink::Terminal(_)) {
            return;
        }
        self.closing.set(true);
        if self.turn.try_lock().is_ok() {
            self.shut();
        }
    }

    /// The process has ended: nobody will write any more.
    pub fn end(&self) {
        self.closing.set(true);
        if self.turn.try_lock().is_ok() {
            self.shut();
        }
    }

    fn shut(&self) {
        *self.sink.borrow_mut() = Sink::Closed;
    }

    async fn open(&self, exit: &SetOnce<i32>) -> Option<SharedFd> {
        let terminal = match &*self.sink.borrow() {
            Sink::Pipe(fd) => return Some(fd.clone()),
            Sink::Closed => return None,
            Sink::Terminal(terminal) => terminal.clone(),
        };
        tokio::select! {
            biased;
            fd = terminal.master() => Some(fd),
            _ = exit.wait() => None,
        }
    }
}

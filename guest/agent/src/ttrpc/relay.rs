//! Pipes between a process's pipe and the connection, through which the kernel moves large output without copying it.
//!
//! Output does not go from the process's pipe into the connection directly for two reasons. The frame's length must be
//! known before, and whoever has the other end of the pipe can open and drain it meanwhile. And the virtio port's driver
//! reads beyond its list of pages when it is given only a part of what a pipe holds; a pipe of our own is always given
//! as a whole.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::unistd::pipe2;

/// As large as the processes' pipes.
const SIZE: i32 = 1 << 20;
/// So many are kept for the next use; an empty one holds no data pages.
const KEPT: usize = 2;
const FLAGS: SpliceFFlags = SpliceFFlags::SPLICE_F_MOVE.union(SpliceFFlags::SPLICE_F_NONBLOCK);

struct Ends {
    read: OwnedFd,
    write: OwnedFd,
}

thread_local! {
    static POOL: RefCell<Vec<Ends>> = const { RefCell::new(Vec::new()) };
}

/// A pipe with the data of one message.
pub struct Relay {
    ends: Option<Ends>,
    length: usize,
}

impl Relay {
    /// Takes up to `length` bytes that a pipe holds; none if there is nothing to take or it cannot be taken this way.
    pub fn fill(source: BorrowedFd<'_>, length: usize) -> io::Result<Option<Self>> {
        let ends = match POOL.with_borrow_mut(Vec::pop) {
            Some(ends) => ends,
            None => {
                let (read, write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
                fcntl(&write, FcntlArg::F_SETPIPE_SZ(SIZE))?;
                Ends { read, write }
            }
        };
        let length = splice(source, None, &ends.write, None, length, FLAGS).unwrap_or(0);
        let relay = Self { ends: Some(ends), length };
        Ok(Some(relay).filter(|relay| relay.length > 0))
    }

    /// How many bytes are left in it.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Moves all that is left, or as much as the target takes at once.
    pub fn empty_into(&mut self, target: BorrowedFd<'_>) -> io::Result<()> {
        let Some(ends) = &self.ends else { return Ok(()) };
        let moved = splice(&ends.read, None, target, None, self.length, FLAGS)?;
        if moved == 0 {
            // The virtio port has taken the pages and could not queue them: its driver found no memory for the list.
            return Err(io::Error::other("the port has lost data"));
        }
        self.length -= moved;
        Ok(())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let Some(ends) = self.ends.take() else { return };
        POOL.with_borrow_mut(|pool| {
            if self.length == 0 && pool.len() < KEPT {
                pool.push(ends);
            }
        });
    }
}

/// How many bytes a pipe holds; 0 also for what is not a pipe and does not tell.
pub fn available(pipe: impl AsFd) -> usize {
    let mut there: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int.
    let known = unsafe { libc::ioctl(pipe.as_fd().as_raw_fd(), libc::FIONREAD, &mut there) } == 0;
    if known { there.max(0) as usize } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn what_was_taken_comes_out_and_the_rest_stays() {
        let (read, write) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let mut write = std::fs::File::from(write);
        let data: Vec<u8> = (0..50_000u32).map(|i| i as u8).collect();
        write.write_all(&data).unwrap();
        let mut relay = Relay::fill(read.as_fd(), 40_001).unwrap().unwrap();
        assert_eq!((relay.length(), available(&read)), (40_001, 9_999));
        let (mut target, end) = std::os::unix::net::UnixStream::pair().unwrap();
        while relay.length() > 0 {
            relay.empty_into(end.as_fd()).unwrap();
        }
        drop((relay, end));
        let mut out = Vec::new();
        target.read_to_end(&mut out).unwrap();
        assert!(out == data[..40_001]);
        assert!(Relay::fill(pipe2(OFlag::O_CLOEXEC).unwrap().0.as_fd(), 5).unwrap().is_none());
    }
}

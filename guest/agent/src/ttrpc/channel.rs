//! A byte stream to the host: any file descriptor that can be polled (socket or virtio port).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use bytes::{BufMut, BytesMut};
use tokio::io::unix::AsyncFd;

use super::relay::Relay;
use crate::poll;

/// Wraps a descriptor that is already non-blocking.
pub struct Channel<'a> {
    fd: AsyncFd<BorrowedFd<'a>>,
}

impl<'a> Channel<'a> {
    /// Registers the descriptor with the runtime; it is only borrowed, so that a port can stay open between two
    /// connections of the host (closing it would drop what the host has already sent).
    pub fn new(fd: &'a OwnedFd) -> io::Result<Self> {
        Ok(Self { fd: poll::watch(fd.as_fd())? })
    }

    /// Appends what is there to `buffer`, at most its spare capacity; 0 is the end of the stream.
    pub async fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        loop {
            let mut guard = self.fd.readable().await?;
            let done = guard.try_io(|fd| {
                let spare = buffer.chunk_mut();
                // SAFETY: the pointer and the length describe the buffer's spare capacity.
                let n = unsafe { libc::read(fd.as_raw_fd(), spare.as_mut_ptr().cast(), spare.len()) };
                usize::try_from(n).map_err(|_| io::Error::last_os_error())
            });
            match done {
                Ok(Ok(n)) => {
                    // SAFETY: the kernel has just written n bytes there.
                    unsafe { buffer.advance_mut(n) };
                    return Ok(n);
                }
                Ok(Err(e)) if e.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(e)) => return Err(e),
                Err(_) => {}
            }
        }
    }

    /// Sends everything that is in the pipe.
    pub async fn empty(&self, relay: &mut Relay) -> io::Result<()> {
        while relay.length() > 0 {
            let mut guard = self.fd.writable().await?;
            match guard.try_io(|fd| relay.empty_into(fd.as_fd())) {
                Ok(Err(e)) if e.kind() != io::ErrorKind::Interrupted => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes some of `bytes`, of which there must be some, and says how many.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let mut guard = self.fd.writable().await?;
            match guard.try_io(|fd| nix::unistd::write(fd.get_ref(), bytes).map_err(io::Error::from)) {
                Ok(Err(e)) if e.kind() == io::ErrorKind::Interrupted => {}
                // A virtio port that could not queue anything, which polling does not foretell.
                Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(done) => return done,
                Err(_) => {}
            }
        }
    }
}

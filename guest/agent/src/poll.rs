//! Registers descriptors with the runtime.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use tokio::io::unix::AsyncFd;

/// Lets the runtime wait for the descriptor, which must be non-blocking.
pub fn watch<T: AsFd + AsRawFd>(fd: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: what implements AsFd holds (or borrows for its whole life) an open descriptor, and `AsRawFd` of the types
    // used here names that same one until they are dropped.
    unsafe { AsyncFd::register(fd) }.map_err(io::Error::from)
}

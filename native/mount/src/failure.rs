//! What went wrong, in words for the one who started the container.

use std::io;

/// The reason, without the mount that it is about: the shim knows which one it asked for.
#[derive(Debug)]
pub struct Failure(pub String);

impl Failure {
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Says what could not be done.
pub trait Context<T> {
    /// Puts words before the error.
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| {
            let hint = match error.raw_os_error() {
                Some(libc::ENOSYS) => " (Linux 5.12 or later is needed)",
                _ => "",
            };
            Failure(format!("{}: {error}{hint}", what()))
        })
    }
}

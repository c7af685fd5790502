//! Errors, in words for whoever started the container.

use std::io;

/// The reason, without naming the mount: the shim knows which one it asked for.
#[derive(Debug)]
pub struct Failure(pub String);

impl Failure {
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Adds what failed to an error.
pub trait Context<T> {
    /// Prefixes the error.
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

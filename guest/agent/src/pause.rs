//! The process of a sandbox that has no pause image: it holds the pod's namespaces, and as process 1 of a shared pid
//! namespace it collects orphans.

use std::process::ExitCode;

use nix::sys::signal::{SigHandler, Signal, signal};

/// Ends only by a signal.
pub fn run() -> ExitCode {
    // The kernel collects children of a process that ignores their end.
    // SAFETY: no handler is installed.
    if let Err(error) = unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) } {
        eprintln!("pause: cannot ignore SIGCHLD: {error}");
        return ExitCode::FAILURE;
    }
    loop {
        nix::unistd::pause();
    }
}

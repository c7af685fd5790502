//! The program's process, the first in its pid namespace, and its parent, which only waits.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io::{PipeReader, Read, Write, pipe};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, SigSet, Signal, raise, signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, execv, fork};

use crate::privileges::{drop_all, drop_own};
use crate::request::Request;
use crate::root::mount_proc;
use crate::{FAILED, said, seccomp};

/// How the program ended.
pub enum End {
    Exited(u8),
    Killed(Signal),
}

impl End {
    /// Exits the way the program exited.
    pub fn become_it(self) -> ExitCode {
        match self {
            Self::Exited(code) => ExitCode::from(code),
            Self::Killed(by) => {
                // SAFETY: no handler is installed.
                let _ = unsafe { signal(by, SigHandler::SigDfl) };
                let _ = raise(by);
                ExitCode::from(FAILED)
            }
        }
    }
}

/// Starts the program, reports its pid and waits until it exits.
pub fn start(request: &Request, status: OwnedFd) -> Result<End, String> {
    let (go, may_go) = pipe().map_err(said("cannot start"))?;
    // SAFETY: this program has one thread.
    match unsafe { fork() }.map_err(said("cannot start"))? {
        ForkResult::Child => {
            drop((may_go, status));
            let Err(error) = become_program(request, go);
            eprintln!("{error}");
            std::process::exit(FAILED.into());
        }
        ForkResult::Parent { child } => {
            drop(go);
            close_channels(request);
            let told = drop_own().and_then(|()| tell(child, status, &may_go));
            let end = wait(child);
            // Kept open until now, because the program's process takes its closing for the end of this one.
            drop(may_go);
            told.and(end)
        }
    }
}

/// Reports the pid to the shim before the program's first instruction.
fn tell(child: Pid, status: OwnedFd, mut may_go: impl Write) -> Result<(), String> {
    writeln!(File::from(status), "{child}").map_err(said("cannot tell the shim"))?;
    // A child that has already failed has said why, and is reaped below.
    let _ = may_go.write_all(b"!");
    Ok(())
}

/// Only the program may hold its channels, so that their peers notice when it exits.
fn close_channels(request: &Request) {
    for fd in 3..request.status_fd {
        // SAFETY: nothing here uses it.
        unsafe { libc::close(fd) };
    }
    // SAFETY: as above.
    unsafe { libc::close(0) };
}

fn wait(child: Pid) -> Result<End, String> {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(End::Exited(code as u8)),
            Ok(WaitStatus::Signaled(_, by, _)) => return Ok(End::Killed(by)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(format!("cannot wait for the program: {error}")),
        }
    }
}

fn become_program(request: &Request, mut go: PipeReader) -> Result<Infallible, String> {
    if request.proc {
        mount_proc()?;
    }
    drop_all(request)?;
    // Not earlier, because a change of user clears it.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(said("cannot ask to die with the launcher"))?;
    let gone = || "the launcher is gone".to_owned();
    go.read_exact(&mut [0]).map_err(|_| gone())?;
    // If the launcher died before that, the signal will never come.
    let mut end = [PollFd::new(go.as_fd(), PollFlags::empty())];
    if poll(&mut end, PollTimeout::ZERO) != Ok(0) {
        return Err(gone());
    }
    default_signals()?;
    for fd in 3..request.status_fd {
        // Channels that the shim has marked close-on-exec are for the program.
        // SAFETY: open since the start of this process.
        let _ = fcntl(unsafe { BorrowedFd::borrow_raw(fd) }, FcntlArg::F_SETFD(FdFlag::empty()));
    }
    let argv: Vec<CString> = request
        .argv
        .iter()
        .map(|text| CString::new(text.as_bytes()))
        .collect::<Result<_, _>>()
        .map_err(said("an argument has a zero byte"))?;
    let program = argv.first().ok_or_else(|| "no program".to_owned())?;
    seccomp::confine(request.seccomp)?;
    execv(program, &argv).map_err(said(&format!("cannot execute {}", request.argv[0])))
}

/// Rust ignores SIGPIPE, and Node may have blocked signals.
fn default_signals() -> Result<(), String> {
    // SAFETY: no handler is installed.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.map_err(said("cannot reset signals"))?;
    SigSet::empty().thread_set_mask().map_err(said("cannot reset signals"))
}

//! Run by the shim: sends its one argument, a QMP command, on the socket that is fd 3, together with the file that is
//! fd 4. Node can pass descriptors only to child processes that speak its IPC protocol.

use std::io::{self, IoSlice};
use std::os::fd::RawFd;
use std::process::ExitCode;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

const SOCKET: RawFd = 3;
const FILE: RawFd = 4;

fn main() -> ExitCode {
    match std::env::args()
        .nth(1)
        .ok_or_else(|| io::Error::other("usage: bulkhead-hand-over LINE"))
        .and_then(|l| send(&l))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Sends the line in one piece, because the shim may write other commands to the same socket. Fails when the socket is
/// full: then QEMU is stuck.
fn send(line: &str) -> io::Result<()> {
    let text = format!("{line}\n");
    let files = [FILE];
    let control = [ControlMessage::ScmRights(&files)];
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    loop {
        match sendmsg::<()>(SOCKET, &[IoSlice::new(text.as_bytes())], &control, flags, None) {
            Ok(sent) if sent == text.len() => return Ok(()),
            Ok(_) => return Err(io::Error::other("QEMU accepted only a part of the command")),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

//! Run inside a network namespace by the shim, with a channel of Node's kind as a descriptor. Makes a listening socket
//! for each loopback address, has the kernel give it every TCP connection to that address whatever the port, passes
//! all that to the shim, and ends: nothing of it stays, and what it made ends with the shim.

mod bpf;
mod node;

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use node::Channel;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let mut channel = Channel::from_environment()?;
    let ipv4 = TcpListener::bind("127.0.0.1:0").map_err(|e| context("listen on 127.0.0.1", &e))?;
    // A namespace may have no IPv6.
    let ipv6 = TcpListener::bind("[::1]:0").ok();
    let link = bpf::steer(ipv4.as_fd(), ipv6.as_ref().map(AsFd::as_fd))?;
    let keeper = keep(link)?;
    channel.send(node::SERVER, "ipv4", ipv4.as_fd())?;
    if let Some(ipv6) = ipv6 {
        channel.send(node::SERVER, "ipv6", ipv6.as_fd())?;
    }
    channel.send(node::NATIVE, "keeper", keeper.as_fd())
}

/// Puts a descriptor that Node cannot hold into a socket that it can: what was sent and never received lives as long
/// as the receiving end.
fn keep(descriptor: OwnedFd) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    node::send_with_descriptor(ours.as_fd(), b"k", descriptor.as_fd())?;
    Ok(theirs)
}

fn context(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

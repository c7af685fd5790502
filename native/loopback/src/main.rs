//! Run by the shim in a network namespace, with a Node IPC channel as a descriptor. Creates sockets there, passes
//! them to the shim, and exits: no process stays, and what it created goes away with the shim.
//!
//! Without arguments: a listening socket per loopback address, to which the kernel steers every TCP connection to that
//! address, whatever the port. `datagram`: a UDP socket on the loopback. `connect ADDRESS PORT`: a TCP connection.

mod bpf;
mod node;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use node::Channel;

/// Connecting over loopback is immediate, unless the server's backlog is full.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

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
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [] => listen(),
        ["datagram"] => datagram(),
        ["connect", address, port] => connect(address, port),
        _ => Err(io::Error::other("unknown arguments")),
    }
}

fn listen() -> io::Result<()> {
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

fn datagram() -> io::Result<()> {
    let mut channel = Channel::from_environment()?;
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(|e| context("a UDP socket on 127.0.0.1", &e))?;
    channel.send(node::DATAGRAM, "datagram", socket.as_fd())
}

fn connect(address: &str, port: &str) -> io::Result<()> {
    let ip: IpAddr = address.parse().map_err(io::Error::other)?;
    let to = SocketAddr::new(ip, port.parse().map_err(io::Error::other)?);
    let mut channel = Channel::from_environment()?;
    let stream =
        TcpStream::connect_timeout(&to, CONNECT_LIMIT).map_err(|e| context(&format!("connect to {to}"), &e))?;
    channel.send(node::SOCKET, "connection", stream.as_fd())
}

/// Wraps a descriptor that Node cannot hold in a socket that it can: a descriptor in flight, never received, lives as
/// long as the receiving end.
fn keep(descriptor: OwnedFd) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    node::send_with_descriptor(ours.as_fd(), b"k", descriptor.as_fd())?;
    Ok(theirs)
}

fn context(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

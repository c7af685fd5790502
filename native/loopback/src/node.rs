//! The IPC channel between Node and its child: lines of JSON, with descriptors as control messages.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Node makes it a server.
pub const SERVER: &str = "net.Server";
/// Node makes it a connection.
pub const SOCKET: &str = "net.Socket";
/// Node makes it a UDP socket.
pub const DATAGRAM: &str = "dgram.Socket";
/// Node only holds it.
pub const NATIVE: &str = "net.Native";

/// How long Node may take to acknowledge a descriptor.
const LIMIT: Duration = Duration::from_secs(5);

/// The child's end.
pub struct Channel(UnixStream);

impl Channel {
    /// Takes the descriptor that Node names in `NODE_CHANNEL_FD`.
    pub fn from_environment() -> io::Result<Self> {
        let number = std::env::var("NODE_CHANNEL_FD").ok().and_then(|text| text.parse::<i32>().ok());
        let number = number.filter(|n| *n > 2).ok_or_else(|| io::Error::other("not started by the shim"))?;
        // SAFETY: Node opened it for this process, and nothing else here uses it.
        let stream = unsafe { UnixStream::from_raw_fd(number) };
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(Self(stream))
    }

    /// Sends a socket and waits for Node's acknowledgement: Node accepts only one at a time, and does not queue them
    /// itself.
    pub fn send(&mut self, kind: &str, message: &str, descriptor: BorrowedFd) -> io::Result<()> {
        set_nonblocking(descriptor)?;
        // The last field is for UDP sockets only.
        let line =
            format!("{{\"cmd\":\"NODE_HANDLE\",\"type\":\"{kind}\",\"msg\":\"{message}\",\"dgramType\":\"udp4\"}}\n");
        send_with_descriptor(self.0.as_fd(), line.as_bytes(), descriptor)?;
        let mut byte = [0];
        loop {
            match self.0.read(&mut byte)? {
                0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the shim is gone")),
                _ if byte[0] == b'\n' => return Ok(()),
                _ => {}
            }
        }
    }
}

fn set_nonblocking(descriptor: BorrowedFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: FIONBIO reads one int.
    match unsafe { libc::ioctl(descriptor.as_raw_fd(), libc::FIONBIO, &raw const on) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sends a few bytes together with a descriptor.
pub fn send_with_descriptor(socket: BorrowedFd, bytes: &[u8], descriptor: BorrowedFd) -> io::Result<()> {
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // Aligned as control messages must be, and large enough for one with one descriptor.
    let mut control = [0u64; 4];
    // SAFETY: the message points at `part` and `control`, which live until sendmsg has returned; the one control
    // message fits (checked below), so its header and its data lie inside `control`.
    let sent = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(size_of::<i32>() as u32) as _;
        assert!(message.msg_controllen as usize <= size_of_val(&control));
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<i32>() as u32) as _;
        libc::CMSG_DATA(header).cast::<i32>().write_unaligned(descriptor.as_raw_fd());
        libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL)
    };
    match usize::try_from(sent) {
        Ok(length) if length == bytes.len() => Ok(()),
        Ok(_) => Err(io::Error::other("the channel accepted only a part")),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

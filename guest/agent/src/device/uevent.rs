//! The kernel's announcements of devices.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket};
use tokio::io::unix::AsyncFd;

use crate::poll;
use crate::ttrpc::{Context, Result};

/// The multicast group of the kernel itself.
const KERNEL_GROUP: u32 = 1;

/// An open subscription.
pub struct Events(AsyncFd<OwnedFd>);

impl Events {
    /// Subscribes.
    pub fn open() -> Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Netlink, SockType::Datagram, flags, SockProtocol::NetlinkKObjectUEvent)
            .context(|| "uevent socket")?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_GROUP)).context(|| "uevent socket")?;
        poll::watch(socket).map(Self).context(|| "uevent socket")
    }

    /// Waits for the next announcement. What it says does not matter: sysfs is the truth.
    pub async fn next(&self) -> Result<()> {
        let mut message = [0u8; 4096];
        loop {
            let mut guard = self.0.readable().await.context(|| "uevent socket")?;
            let received =
                guard.try_io(|fd| recv(fd.as_raw_fd(), &mut message, MsgFlags::empty()).map_err(io::Error::from));
            match received {
                // An overrun means that there was something.
                Ok(Err(e)) if e.raw_os_error() == Some(libc::ENOBUFS) => return Ok(()),
                Ok(received) => return received.map(drop).context(|| "uevent socket"),
                Err(_) => {}
            }
        }
    }
}

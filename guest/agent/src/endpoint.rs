//! Where the host connects: a virtio-serial port, a unix socket, or a vsock port.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, VsockAddr, accept4, bind, listen, socket,
};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use crate::device::names_in;
use crate::poll;
use crate::rpc::Services;
use crate::ttrpc::{Channel, Context, Ended, Result, Status, serve};

/// Name of the port on which the host waits.
const PORT_NAME: &str = "org.bulkhead.agent.0";
const PORTS: &str = "/sys/class/virtio-ports";
/// How long the port may take to appear after boot.
const PORT_LIMIT: Duration = Duration::from_secs(10);
/// How often a port is looked at that the host has not opened (again) yet.
const REOPEN_POLL: Duration = Duration::from_millis(20);
/// A pause after a connection that could not be taken: it stays in the queue, and would be tried again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const ANY_CID: u32 = u32::MAX;

/// What is served.
pub enum Endpoint {
    /// The port, kept open for ever: closing it would drop what the host has sent already.
    Port(OwnedFd),
    /// A listening socket.
    Listener(OwnedFd),
}

impl Endpoint {
    /// Opens the port named for the agent.
    pub async fn port() -> Result<Self> {
        let end = Instant::now() + PORT_LIMIT;
        let node = loop {
            if let Some(node) = find_port() {
                break node;
            }
            if Instant::now() > end {
                return Err(Status::not_found(format!("no virtio port {PORT_NAME} appeared within {PORT_LIMIT:?}")));
            }
            sleep(REOPEN_POLL).await;
        };
        let port =
            OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(&node);
        port.map(|file| Self::Port(file.into())).context(|| format!("open {}", node.display()))
    }

    /// Listens on `unix://PATH` or `vsock://[CID:]PORT` (`-1` stands for any CID).
    pub fn listen(address: &str) -> Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let open = |family| socket(family, SockType::Stream, flags, None).context(|| address.to_owned());
        let fd = if let Some(path) = address.strip_prefix("unix://") {
            let _ = fs::remove_file(path);
            let fd = open(AddressFamily::Unix)?;
            let address = UnixAddr::new(Path::new(path)).context(|| address.to_owned())?;
            bind(fd.as_raw_fd(), &address).context(|| format!("listen on {path}"))?;
            fd
        } else if let Some(port) = address.strip_prefix("vsock://") {
            let (cid, port) = port.split_once(':').unwrap_or(("-1", port));
            let cid = if cid == "-1" { ANY_CID } else { cid.parse().context(|| format!("CID in {address}"))? };
            let port = port.parse().context(|| format!("port in {address}"))?;
            let fd = open(AddressFamily::Vsock)?;
            bind(fd.as_raw_fd(), &VsockAddr::new(cid, port)).context(|| format!("listen on {address}"))?;
            fd
        } else {
            return Err(Status::invalid(format!("{address:?} is neither unix://PATH nor vsock://[CID:]PORT")));
        };
        listen(&fd, Backlog::new(16).context(|| "backlog")?).context(|| format!("listen on {address}"))?;
        Ok(Self::Listener(fd))
    }

    /// Serves until the sandbox has been destroyed.
    pub async fn serve(self, services: Rc<Services>) -> io::Result<()> {
        match self {
            Self::Port(port) => loop {
                if serve(Channel::new(&port)?, services.clone()).await == Ended::Finished {
                    return Ok(());
                }
                sleep(REOPEN_POLL).await;
            },
            Self::Listener(listener) => accept_all(listener, services).await,
        }
    }
}

async fn accept_all(listener: OwnedFd, services: Rc<Services>) -> io::Result<()> {
    let listener = poll::watch(listener)?;
    let finished = Rc::new(Notify::new());
    loop {
        let mut guard = tokio::select! {
            guard = listener.readable() => guard?,
            () = finished.notified() => return Ok(()),
        };
        let accepted = guard.try_io(|fd| {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            accept4(fd.as_fd().as_raw_fd(), flags).map_err(io::Error::from)
        });
        let Ok(accepted) = accepted else { continue };
        let Ok(connection) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // SAFETY: accept4 has just made this descriptor for us.
        let connection = unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(connection) };
        let (services, finished) = (services.clone(), finished.clone());
        spawn_local(async move {
            let Ok(channel) = Channel::new(&connection) else { return };
            if serve(channel, services).await == Ended::Finished {
                finished.notify_one();
            }
        });
    }
}

fn find_port() -> Option<PathBuf> {
    let class = Path::new(PORTS);
    let named = |name: &String| fs::read_to_string(class.join(name).join("name")).is_ok_and(|n| n.trim() == PORT_NAME);
    names_in(class).into_iter().find(named).map(|name| Path::new("/dev").join(name)).filter(|node| node.exists())
}

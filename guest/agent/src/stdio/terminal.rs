//! A process's terminal: its master arrives from crun over a console socket.

use std::cell::Cell;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::SetOnce;

use super::{SharedFd, shared};
use crate::ttrpc::{Context, Result};

/// The master side of a terminal.
#[derive(Default)]
pub struct Terminal {
    master: SetOnce<Held>,
    size: Cell<Option<(u16, u16)>>,
}

struct Held(SharedFd);

impl Terminal {
    /// The master, as soon as it has arrived.
    pub async fn master(&self) -> SharedFd {
        self.master.wait().await.0.clone()
    }

    /// The master, if it has arrived.
    pub fn arrived(&self) -> Option<SharedFd> {
        self.master.get().map(|held| held.0.clone())
    }

    /// Sets the size; one that comes before the terminal is kept for it.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        self.size.set(Some((rows, columns)));
        match self.master.get() {
            Some(master) => set_size(&master.0, rows, columns).context(|| "set the terminal's size"),
            None => Ok(()),
        }
    }

    /// Hands over the master.
    pub fn connect(&self, master: OwnedFd) -> Result<()> {
        let master = shared(master)?;
        if let Some((rows, columns)) = self.size.get() {
            set_size(&master, rows, columns).context(|| "set the terminal's size")?;
        }
        let _ = self.master.set(Held(master));
        Ok(())
    }
}

fn set_size(master: &SharedFd, rows: u16, columns: u16) -> io::Result<()> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads one winsize.
    match unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The socket on which crun delivers one terminal; removed when dropped.
pub struct ConsoleSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ConsoleSocket {
    /// Listens at `path`.
    pub fn bind(path: PathBuf) -> Result<Self> {
        let listener = UnixListener::bind(&path).context(|| format!("listen on {}", path.display()))?;
        Ok(Self { listener, path })
    }

    /// Where crun has to connect.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the master.
    pub async fn receive(&self) -> Result<OwnedFd> {
        let (stream, _) = self.listener.accept().await.context(|| "accept on the console socket")?;
        loop {
            stream.readable().await.context(|| "console socket")?;
            match stream.try_io(tokio::io::Interest::READABLE, || receive_fd(&stream)) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return done.context(|| "terminal from crun"),
            }
        }
    }
}

impl Drop for ConsoleSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn receive_fd(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut name = [0u8; 256];
    let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    let mut parts = [IoSliceMut::new(&mut name)];
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control {
            // SAFETY: the kernel has just installed this descriptor for us.
            if let Some(fd) = fds.first() {
                return Ok(unsafe { OwnedFd::from_raw_fd(*fd) });
            }
        }
    }
    Err(io::Error::other("no descriptor was sent"))
}

//! A private mount namespace of this process, in which a mount is assembled. What is made there is never visible on the
//! host, and goes away if the process is killed.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use crate::failure::{Context, Failure};
use crate::tree::Tree;
use bulkhead_kernel::{self as kernel, Walk};

/// While this exists, the thread is in that namespace, and its working directory is an empty folder.
pub struct Stage {
    home: File,
}

impl Stage {
    /// Enters a new namespace. `cover` is an existing folder, on which a tmpfs is mounted there.
    pub fn enter(cover: &Path) -> Result<Self, Failure> {
        let enter = || -> io::Result<Self> {
            let home = File::open("/proc/thread-self/ns/mnt")?;
            // SAFETY: no pointers.
            kernel::checked(unsafe { libc::unshare(libc::CLONE_NEWNS) }.into())?;
            let stage = Self { home };
            kernel::mount(Path::new("none"), Path::new("/"), "", libc::MS_REC | libc::MS_PRIVATE, "")?;
            kernel::mount(Path::new("tmpfs"), cover, "tmpfs", 0, "mode=700")?;
            std::env::set_current_dir(cover)?;
            Ok(stage)
        };
        enter().context(|| "cannot create a mount namespace".to_owned())
    }

    /// Runs `make` in the namespace, then leaves it.
    pub fn with<T>(self, make: impl FnOnce(&Self) -> Result<T, Failure>) -> Result<T, Failure> {
        let made = make(&self);
        let leave = || -> io::Result<()> {
            std::env::set_current_dir("/")?;
            // SAFETY: no pointers.
            kernel::checked(unsafe { libc::setns(self.home.as_raw_fd(), libc::CLONE_NEWNS) }.into()).map(drop)
        };
        leave().context(|| "cannot go back to the host's mount namespace".to_owned())?;
        made
    }

    /// A new folder, relative to the working directory.
    pub fn place(&self, name: &str) -> Result<PathBuf, Failure> {
        std::fs::create_dir(name).context(|| format!("cannot create the folder {name}"))?;
        Ok(name.into())
    }

    /// Mounts on a new folder.
    pub fn attach(&self, tree: &Tree, name: &str) -> Result<(), Failure> {
        let place = self.place(name)?;
        kernel::open(None, &place, libc::O_PATH | libc::O_DIRECTORY, Walk::Absolute)
            .and_then(|fd| tree.attach(&fd))
            .context(|| format!("cannot attach the mount at {name}"))
    }
}

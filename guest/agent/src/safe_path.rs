//! Paths that lead through folders in which containers can write: symbolic links that are found there are refused,
//! because following one would lead out of the volume into the guest.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, mkdirat};

/// Opens what the absolute path names, for use as a place only.
pub fn open(path: &Path) -> io::Result<OwnedFd> {
    let root = File::open("/")?;
    open_below(&root, path.strip_prefix("/").unwrap_or(path), OFlag::empty())
}

/// Makes the folder with all that are missing above it, and opens it.
pub fn make_dirs(path: &Path, mode: Mode) -> io::Result<OwnedFd> {
    let mut dir = OwnedFd::from(File::open("/")?);
    for component in path.components() {
        let name = match component {
            Component::Normal(name) => Path::new(name),
            Component::RootDir => continue,
            _ => return Err(io::Error::from(io::ErrorKind::InvalidInput)),
        };
        match mkdirat(&dir, name, mode) {
            Ok(()) | Err(Errno::EEXIST | Errno::EROFS) => {}
            Err(error) => return Err(error.into()),
        }
        dir = open_below(&dir, name, OFlag::O_DIRECTORY)?;
    }
    Ok(dir)
}

fn open_below(dir: impl std::os::fd::AsFd, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC | flags)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
    Ok(openat2(dir, path, how)?)
}

/// A path to what is open here, for this process and others that see its folder in /proc.
pub fn path_of(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_not_followed() {
        let root = std::env::temp_dir().join(format!("bulkhead-path-{}", std::process::id()));
        let made = make_dirs(&root.join("a/b"), Mode::from_bits_retain(0o700)).unwrap();
        std::fs::write(path_of(&made).join("file"), "x").unwrap();
        assert_eq!(std::fs::read(root.join("a/b/file")).unwrap(), b"x");
        std::os::unix::fs::symlink("/etc", root.join("a/link")).unwrap();
        assert!(make_dirs(&root.join("a/link/x"), Mode::from_bits_retain(0o700)).is_err());
        assert!(make_dirs(&root.join("a/link"), Mode::from_bits_retain(0o700)).is_err());
        assert!(open(&root.join("a/link")).is_err() && open(&root.join("a/link/passwd")).is_err());
        assert!(open(&root.join("a/b/file")).is_ok());
        std::fs::remove_dir_all(root).unwrap();
    }
}

//! The folder that everything is mounted below, and the walk to a target in it. A guest may control what is there, so
//! each step starts at a folder held open and follows no link, and the mount goes to the descriptor that was opened.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use crate::failure::{Context, Failure};
use bulkhead_kernel::{self as kernel, Status, Walk};

const FOLDER: libc::c_int = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
const ANYTHING: libc::c_int = libc::O_PATH | libc::O_NOFOLLOW;

/// What a mount needs as its target.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Folder,
    File,
}

pub struct Root {
    pub fd: OwnedFd,
    pub path: PathBuf,
}

impl Root {
    pub fn open(path: &Path) -> Result<Self, Failure> {
        Self::find(path)?.ok_or_else(|| Failure(format!("{} does not exist", path.display())))
    }

    /// Like `open`; `None` when it does not exist.
    pub fn find(path: &Path) -> Result<Option<Self>, Failure> {
        match kernel::open(None, path, FOLDER, Walk::Absolute) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other
                .context(|| format!("cannot open {}", path.display()))
                .map(|fd| Some(Self { fd, path: path.to_owned() })),
        }
    }

    /// Opens a root to mount in. It must be a mount itself, because only then does unmounting it surely unmount all
    /// in it.
    pub fn open_own_mount(path: &Path) -> Result<Self, Failure> {
        let root = Self::open(path)?;
        let status = kernel::status(root.fd.as_fd()).context(|| format!("cannot look at {}", path.display()))?;
        if status.is_mount_root {
            return Ok(root);
        }
        Err(Failure::new(format!("{} is not, or no longer, a mount of its own: the sandbox has ended", path.display())))
    }

    /// Creates a target and its parent folders; existing ones are kept. Returns exactly what will be mounted on.
    pub fn make(&self, target: &Path, kind: Kind) -> Result<OwnedFd, Failure> {
        let names = names_of(target)?;
        let whole = self.path.join(target);
        let mut at: Option<OwnedFd> = None;
        for (index, name) in names.iter().enumerate() {
            let wanted = if index + 1 == names.len() { kind } else { Kind::Folder };
            let dir = at.as_ref().unwrap_or(&self.fd);
            let next = enter(dir, Path::new(name), wanted).map_err(|problem| {
                Failure(format!("cannot make the mount target {}: {} {problem}", whole.display(), name.display()))
            })?;
            at = Some(next);
        }
        at.ok_or_else(|| Failure::new("the mount target has no name"))
    }
}

/// The components of a relative path.
pub fn names_of(path: &Path) -> Result<Vec<&OsStr>, Failure> {
    let names: Option<Vec<&OsStr>> = path
        .components()
        .map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect();
    match names {
        Some(names) if !names.is_empty() => Ok(names),
        _ => Err(Failure(format!("the target {} is not below the root", path.display()))),
    }
}

/// Opens a name, creating it if it is missing.
fn enter(dir: &OwnedFd, name: &Path, kind: Kind) -> Result<OwnedFd, String> {
    match open_as(dir, name, kind) {
        Err(Problem::Absent) => {}
        Ok(found) => return Ok(found),
        Err(problem) => return Err(problem.to_string()),
    }
    let made = match kind {
        Kind::Folder => kernel::make_folder(dir.as_fd(), name),
        Kind::File => kernel::make_file(dir.as_fd(), name),
    };
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(format!("cannot be created: {error}")),
        _ => open_as(dir, name, kind).map_err(|problem| problem.to_string()),
    }
}

enum Problem {
    Absent,
    InTheWay,
    IsLink,
    IsFolder,
    Other(io::Error),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => f.write_str("is gone again"),
            Self::InTheWay => f.write_str("is in the way"),
            Self::IsLink => f.write_str("is a symbolic link in the way"),
            Self::IsFolder => f.write_str("is a folder, the source is not"),
            Self::Other(error) => write!(f, "cannot be opened: {error}"),
        }
    }
}

fn open_as(dir: &OwnedFd, name: &Path, kind: Kind) -> Result<OwnedFd, Problem> {
    let flags = if kind == Kind::Folder { FOLDER } else { ANYTHING };
    let fd =
        kernel::open(Some(dir.as_fd()), name, flags, Walk::Beneath).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOENT) => Problem::Absent,
            Some(libc::ELOOP) => Problem::IsLink,
            Some(libc::ENOTDIR | libc::EXDEV) => Problem::InTheWay,
            _ => Problem::Other(error),
        })?;
    if kind == Kind::Folder {
        return Ok(fd);
    }
    // With O_PATH and O_NOFOLLOW a link itself can be opened.
    match kernel::status(fd.as_fd()).map_err(Problem::Other)? {
        found if found.is_link() => Err(Problem::IsLink),
        found if found.is_folder() => Err(Problem::IsFolder),
        _ => Ok(fd),
    }
}

/// Opens a name as it is, even a link; `None` when it does not exist.
pub fn look(dir: &OwnedFd, name: &Path) -> io::Result<Option<(OwnedFd, Status)>> {
    let Some(fd) = hold(dir, name)? else { return Ok(None) };
    kernel::status(fd.as_fd()).map(|status| Some((fd, status)))
}

/// Opens what is at a name, including a mount there, without querying its file system.
pub fn hold(dir: &OwnedFd, name: &Path) -> io::Result<Option<OwnedFd>> {
    match kernel::open(Some(dir.as_fd()), name, ANYTHING, Walk::Beneath) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

//! Unmounts and removes, by descriptor. Nothing here recurses into what it finds: a target is empty once it is
//! unmounted, and one that is not stays, with an error. rmdir(2) and unlink(2) refuse mount points.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::failure::{Context, Failure};
use crate::request::Target;
use crate::root::{Root, hold, look, names_of};
use bulkhead_kernel::{self as kernel, MountAttributes, Status, Walk};

/// How many mounts may be stacked.
const MAX_STACK: usize = 1_000;
/// How often another process may mount or create something during removal, and the first pause, which doubles: 0.6 s in
/// total.
const ROUNDS: u32 = 6;
const ROUND: Duration = Duration::from_millis(10);
/// How many names a sandbox's folder may contain in total.
const MAX_NAMES: usize = 20_000;

const FOLDER: libc::c_int = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;

/// Unmounts the target, then removes it. A missing target or root is fine.
pub fn remove(root: &Path, Target { target }: &Target) -> Result<(), Failure> {
    names_of(target)?;
    let Some(root) = Root::find(root)? else { return Ok(()) };
    let whole = root.path.join(target);
    let what = || format!("cannot remove {}", whole.display());
    let name = Path::new(target.file_name().unwrap_or_default());
    let parent = match target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        None => root.fd.try_clone().context(what)?,
        Some(parent) => match kernel::open(Some(root.fd.as_fd()), parent, FOLDER, Walk::SameMount) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.context(what)?,
        },
    };
    for round in 0..ROUNDS {
        detach_all(&parent, name).context(what)?;
        match remove_empty(&parent, name, false) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => sleep(ROUND * 2u32.pow(round)),
            other => return other.context(what),
        }
    }
    Err(Failure(format!("{}: something keeps being mounted on it", what())))
}

/// Unmounts the root with everything below. A root that is not a mount point, or missing, is fine.
pub fn unmount_all(root: &Path) -> Result<(), Failure> {
    let what = || format!("cannot unmount {}", root.display());
    let Some((parent, name)) = open_parent(root).context(what)? else { return Ok(()) };
    detach_all(&parent, Path::new(&name)).context(what)
}

/// Removes a sandbox's folder: its own files, and two levels of folders with mount targets (`mounts`, or `shared` in
/// the first release). Its record goes last, so that an interrupted removal can be repeated.
pub fn clear(sandbox: &Path) -> Result<(), Failure> {
    let what = || format!("cannot remove {}", sandbox.display());
    let Some((parent, name)) = open_parent(sandbox).context(what)? else { return Ok(()) };
    let mut left = Ok(());
    for round in 0..ROUNDS {
        let dir = match kernel::open(Some(parent.as_fd()), Path::new(&name), FOLDER, Walk::Beneath) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.context(what)?,
        };
        // A mount or target that a killed process had begun may still appear.
        left = Clearing { names: 0 }.sandbox(&dir, sandbox).and_then(|()| {
            match kernel::remove(parent.as_fd(), Path::new(&name), true) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).context(what),
                _ => Ok(()),
            }
        });
        if left.is_ok() {
            return left;
        }
        sleep(ROUND * 2u32.pow(round));
    }
    left
}

fn open_parent(path: &Path) -> io::Result<Option<(OwnedFd, OsString)>> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it has no parent"));
    };
    match kernel::open(None, parent, FOLDER, Walk::Absolute) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(|fd| Some((fd, name.to_owned()))),
    }
}

/// Lazily unmounts everything on a name, with the mounts below; also file systems that no longer answer.
fn detach_all(dir: &OwnedFd, name: &Path) -> io::Result<()> {
    for _ in 0..MAX_STACK {
        match hold(dir, name)? {
            Some(fd) if kernel::is_mount_root(fd.as_fd())? => match kernel::detach(fd.as_fd()) {
                // Another process has just unmounted it.
                Err(error) if error.raw_os_error() != Some(libc::EINVAL) => return Err(error),
                _ => {}
            },
            _ => return Ok(()),
        }
    }
    Err(io::Error::other("there is always another mount on it"))
}

/// Makes a mount a slave of its source, whose peer it may still be: the first release was killed before it did that.
/// Otherwise unmounting it would also unmount the mounts below its source.
fn cut(dir: &OwnedFd, name: &Path) -> io::Result<()> {
    match hold(dir, name)? {
        Some(fd) if kernel::is_mount_root(fd.as_fd())? => {
            let slave = MountAttributes { propagation: libc::MS_SLAVE, ..Default::default() };
            kernel::set_attributes(fd.as_fd(), &slave, true)
        }
        _ => Ok(()),
    }
}

/// Removes a folder or an empty file; with `any_file` any file.
fn remove_empty(dir: &OwnedFd, name: &Path, any_file: bool) -> io::Result<()> {
    let Some((_, status)) = look(dir, name)? else { return Ok(()) };
    if status.is_mount_root {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    if !status.is_folder() && !any_file && !is_empty_file(status) {
        return Err(io::Error::other("it is not a mount target: neither a folder nor an empty file"));
    }
    match kernel::remove(dir.as_fd(), name, status.is_folder()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn is_empty_file(status: Status) -> bool {
    status.is_file() && status.size == 0
}

struct Clearing {
    names: usize,
}

impl Clearing {
    fn sandbox(&mut self, dir: &OwnedFd, path: &Path) -> Result<(), Failure> {
        let names = self.names_in(dir, path)?;
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for name in names {
            let found =
                look(dir, Path::new(&name)).context(|| format!("cannot look at {}", path.join(&name).display()))?;
            let Some((_, status)) = found else { continue };
            if status.is_folder() { folders.push(name) } else { files.push(name) }
        }
        for name in folders {
            // The first release used these during a mount, and left them when it was killed.
            let is_private = name.to_string_lossy().starts_with("mount-");
            self.folder(dir, &name, &path.join(&name), if is_private { Level::Private } else { Level::Container })?;
        }
        files.sort_by_key(|name| name == "state.json");
        for name in files {
            let (name, whole) = (Path::new(&name), path.join(&name));
            detach_all(dir, name)
                .and_then(|()| remove_empty(dir, name, true))
                .context(|| format!("cannot remove {}", whole.display()))?;
        }
        Ok(())
    }

    /// Unmounts and removes a folder, with the targets in it if its level has some.
    fn folder(&mut self, dir: &OwnedFd, name: &OsString, path: &Path, level: Level) -> Result<(), Failure> {
        let what = || format!("cannot remove {}", path.display());
        let name = Path::new(name);
        if level == Level::File {
            cut(dir, name).context(what)?;
        }
        detach_all(dir, name).context(what)?;
        let is_full = |error: &io::Error| matches!(error.raw_os_error(), Some(libc::ENOTEMPTY | libc::EEXIST));
        match remove_empty(dir, name, level == Level::File) {
            Err(error) if is_full(&error) => {}
            other => return other.context(what),
        }
        let Some(below) = level.below() else { return Err(Failure(format!("{}: it is not empty", what()))) };
        let inside = kernel::open(Some(dir.as_fd()), name, FOLDER, Walk::SameMount).context(what)?;
        for child in self.names_in(&inside, path)? {
            self.folder(&inside, &child, &path.join(&child), below)?;
        }
        remove_empty(dir, name, false).context(what)
    }

    fn names_in(&mut self, dir: &OwnedFd, path: &Path) -> Result<Vec<OsString>, Failure> {
        let what = || format!("cannot list {}", path.display());
        let mut names = Vec::new();
        for entry in fs::read_dir(kernel::descriptor_path(dir)).context(what)? {
            self.names += 1;
            if self.names > MAX_NAMES {
                return Err(Failure(format!("{}: there are more than {MAX_NAMES} names", what())));
            }
            names.push(entry.context(what)?.file_name());
        }
        Ok(names)
    }
}

/// What may be where in a sandbox's folder; anything deeper is not ours.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    /// Contains containers' folders.
    Container,
    /// Contains targets.
    Target,
    /// An empty folder or file.
    Leaf,
    /// Contains our own files.
    Private,
    /// One of those files.
    File,
}

impl Level {
    fn below(self) -> Option<Self> {
        match self {
            Self::Container => Some(Self::Target),
            Self::Target => Some(Self::Leaf),
            Self::Private => Some(Self::File),
            Self::Leaf | Self::File => None,
        }
    }
}

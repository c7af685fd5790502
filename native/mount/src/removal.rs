//! Unmounts and removes, by descriptor. Nothing here descends into what it finds: a target is empty once nothing is
//! mounted on it, and one that is not stays, with an error. rmdir(2) and unlink(2) refuse what something is mounted on.

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

/// How many mounts may lie on each other.
const MAX_STACK: usize = 1_000;
/// How often another may mount or make something while it is removed, and the first pause, which doubles: 0.6 s in all.
const ROUNDS: u32 = 6;
const ROUND: Duration = Duration::from_millis(10);
/// How many names a sandbox's folder may hold in all.
const MAX_NAMES: usize = 20_000;

const FOLDER: libc::c_int = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;

/// Unmounts what is on the target, then removes it. One that is not there is fine, and so is a root that is not.
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
    Err(Failure(format!("{}: something is mounted on it again and again", what())))
}

/// Unmounts the root, with all below it. One without a mount of its own is fine, and so is none at all.
pub fn unmount_all(root: &Path) -> Result<(), Failure> {
    let what = || format!("cannot unmount {}", root.display());
    let Some((parent, name)) = open_parent(root).context(what)? else { return Ok(()) };
    detach_all(&parent, Path::new(&name)).context(what)
}

/// Removes the folder of a sandbox: files of its own, and folders of mount targets, two levels of them (`mounts`, or
/// `shared` of the first release). Its record goes last, so that whoever is interrupted can begin again.
pub fn clear(sandbox: &Path) -> Result<(), Failure> {
    let what = || format!("cannot remove {}", sandbox.display());
    let Some((parent, name)) = open_parent(sandbox).context(what)? else { return Ok(()) };
    let mut left = Ok(());
    for round in 0..ROUNDS {
        let dir = match kernel::open(Some(parent.as_fd()), Path::new(&name), FOLDER, Walk::Beneath) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.context(what)?,
        };
        // A mount, or a target, that its maker had begun before it was killed may still come.
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

/// Detaches all that is mounted on a name, with what is mounted below; also what does not answer any more.
fn detach_all(dir: &OwnedFd, name: &Path) -> io::Result<()> {
    for _ in 0..MAX_STACK {
        match hold(dir, name)? {
            Some(fd) if kernel::is_mount_root(fd.as_fd())? => match kernel::detach(fd.as_fd()) {
                // Somebody else has just detached it.
                Err(error) if error.raw_os_error() != Some(libc::EINVAL) => return Err(error),
                _ => {}
            },
            _ => return Ok(()),
        }
    }
    Err(io::Error::other("there is always one more mount on it"))
}

/// Parts a mount from its source, of which it may still be a peer: the first release was killed before it had done so.
/// Unmounting it would unmount there what is mounted below.
fn cut(dir: &OwnedFd, name: &Path) -> io::Result<()> {
    match hold(dir, name)? {
        Some(fd) if kernel::is_mount_root(fd.as_fd())? => {
            let slave = MountAttributes { propagation: libc::MS_SLAVE, ..Default::default() };
            kernel::set_attributes(fd.as_fd(), &slave, true)
        }
        _ => Ok(()),
    }
}

/// @param any_file: also a file that is not empty.
fn remove_empty(dir: &OwnedFd, name: &Path, any_file: bool) -> io::Result<()> {
    let Some((_, status)) = look(dir, name)? else { return Ok(()) };
    if status.is_mount_root {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    if !status.is_folder() && !any_file && !is_empty_file(status) {
        return Err(io::Error::other("it is no mount target: neither a folder nor an empty file"));
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
            // What the first release had for the time of a mount, and left when it was killed.
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

    /// Unmounts and removes a folder; with the targets in it, if it is of a kind that has some.
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

/// What may lie where in a sandbox's folder; what lies deeper is not ours.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    /// Holds folders of containers.
    Container,
    /// Holds targets.
    Target,
    /// Holds nothing, and is an empty folder or file.
    Leaf,
    /// Holds files of ours.
    Private,
    /// Is such a file.
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

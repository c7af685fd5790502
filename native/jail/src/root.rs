//! The program's root: a tmpfs that contains only what it needs.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use bulkhead_kernel::{MountAttributes, attach, clone_path, set_attributes};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{chdir, pivot_root};

use crate::request::Request;
use crate::said;

/// What goes into the root, as found on the host.
pub struct Parts {
    /// Each target is a path in the new root.
    links: Vec<(PathBuf, PathBuf)>,
    mounts: Vec<(PathBuf, Tree)>,
    devices: Vec<Device>,
    has_proc: bool,
    owner: (u32, u32),
}

/// A source, looked up on the host and mounted only after this process has left the host's mount namespace.
struct Tree {
    source: PathBuf,
    is_folder: bool,
    recursive: bool,
    /// The exported folder: later mounts are visible too, and it is noexec.
    is_share: bool,
}

struct Device {
    path: PathBuf,
    number: u64,
}

impl Parts {
    /// Examines the host; changes nothing.
    pub fn gather(request: &Request) -> Result<Self, String> {
        let owner = (request.uid, request.gid);
        let mut parts =
            Self { links: Vec::new(), mounts: Vec::new(), devices: Vec::new(), has_proc: request.proc, owner };
        for path in &request.visible {
            let Ok(at) = fs::symlink_metadata(path) else { continue };
            if at.is_symlink() {
                let to = fs::read_link(path).map_err(said(path))?;
                parts.links.push((path.into(), to));
            } else {
                parts.mounts.push((path.into(), Tree::of(path, at.is_dir(), true, false)));
            }
        }
        for one in &request.mounts {
            let at = fs::metadata(&one.source).map_err(said(&one.source))?;
            parts
                .mounts
                .push((PathBuf::from(&one.target), Tree::of(&one.source, at.is_dir(), one.recursive, at.is_dir())));
        }
        for path in &request.devices {
            // Without the module there is no node; the program reports what it is missing.
            let Ok(at) = fs::metadata(path) else { continue };
            if at.file_type().is_char_device() {
                parts.devices.push(Device { path: path.into(), number: at.rdev() });
            }
        }
        Ok(parts)
    }

    /// Builds the root on a folder of the host and pivots to it. Call it in a new mount namespace.
    pub fn enter(self, on: &Path) -> Result<(), String> {
        // Mounts on the host propagate here, but nothing propagates back.
        remount("/", MsFlags::MS_SLAVE | MsFlags::MS_REC).map_err(said("cannot detach from the host's mounts"))?;
        let mut trees = Vec::new();
        for (target, tree) in &self.mounts {
            trees.push((target, tree.is_folder, tree.open().map_err(said(&target.to_string_lossy()))?));
        }
        let none = None::<&str>;
        mount(Some("jail"), on, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, Some("mode=755,size=64k"))
            .map_err(said("cannot make the root"))?;
        chdir(on).map_err(said("cannot make the root"))?;
        for (target, is_folder, tree) in trees {
            let what = target.to_string_lossy();
            let place = make_place(target, is_folder).map_err(said(&what))?;
            attach(tree.as_fd(), place.as_fd()).map_err(said(&what))?;
        }
        for (target, to) in &self.links {
            let place = inside(target);
            make_parents(&place).and_then(|()| symlink(to, &place)).map_err(said(&target.to_string_lossy()))?;
        }
        for device in &self.devices {
            device.make(self.owner).map_err(said(&device.path.to_string_lossy()))?;
        }
        if self.has_proc {
            fs::create_dir("proc").map_err(said("/proc"))?;
        }
        // Onto itself: the old root is then stacked on the new one, and is unmounted.
        pivot_root(".", ".").map_err(said("cannot change the root"))?;
        umount2(".", MntFlags::MNT_DETACH).map_err(said("cannot unmount the host's root"))?;
        chdir("/").map_err(said("cannot change the root"))?;
        let read_only =
            MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        mount(none, "/", none, read_only, none).map_err(said("cannot make the root read-only"))
    }
}

/// Mounts `/proc`; call it in the new pid namespace. Read-only, because uid 0 may write below `/proc/sys` whatever its
/// capabilities.
pub fn mount_proc() -> Result<(), String> {
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>).map_err(said("cannot mount /proc"))
}

fn remount(path: &str, flags: MsFlags) -> nix::Result<()> {
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
}

impl Tree {
    fn of(source: &str, is_folder: bool, recursive: bool, is_share: bool) -> Self {
        Self { source: source.into(), is_folder, recursive, is_share }
    }

    /// A detached copy of the mount, read-only.
    fn open(&self) -> io::Result<OwnedFd> {
        let tree = clone_path(&self.source, self.recursive)?;
        let always = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
        let set = if self.is_share { always | libc::MOUNT_ATTR_NOEXEC } else { always };
        // For the share only at the top: mounts in it have their own flags.
        set_attributes(tree.as_fd(), &MountAttributes { set, ..MountAttributes::default() }, !self.is_share)?;
        Ok(tree)
    }
}

impl Device {
    fn make(&self, (uid, gid): (u32, u32)) -> io::Result<()> {
        let place = inside(&self.path);
        make_parents(&place)?;
        let number = makedev(libc::major(self.number).into(), libc::minor(self.number).into());
        mknod(&place, SFlag::S_IFCHR, Mode::S_IRUSR | Mode::S_IWUSR, number)?;
        chown(&place, Some(uid), Some(gid))
    }
}

/// A path in the new root, while that is the working directory.
fn inside(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_owned()
}

fn make_parents(place: &Path) -> io::Result<()> {
    match place.parent() {
        Some(parent) if parent != Path::new("") => fs::create_dir_all(parent),
        _ => Ok(()),
    }
}

/// An empty file or folder to mount on.
fn make_place(target: &Path, is_folder: bool) -> io::Result<fs::File> {
    let place = inside(target);
    make_parents(&place)?;
    // In a folder mounted earlier it may already exist.
    match fs::symlink_metadata(&place) {
        Ok(_) => {}
        Err(_) if is_folder => fs::create_dir_all(&place)?,
        Err(_) => drop(fs::File::create_new(&place)?),
    }
    fs::File::options().read(true).custom_flags(libc::O_PATH).open(place)
}

//! System calls that the standard library lacks: the newer mount calls, and opening without following links.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const OPEN_TREE_CLONE: u32 = 1;
const OPEN_TREE_CLOEXEC: u32 = libc::O_CLOEXEC as u32;
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x04;
const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;
const STATX_ATTR_MOUNT_ROOT: u64 = 0x2000;

/// How often a walk is retried after a concurrent rename (EAGAIN).
const WALK_TRIES: usize = 64;

/// `struct mount_attr` of mount_setattr(2).
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct MountAttributes {
    /// `MOUNT_ATTR_*` to be set.
    pub set: u64,
    /// `MOUNT_ATTR_*` to be cleared.
    pub clear: u64,
    /// `MS_PRIVATE`, `MS_SLAVE` or `MS_SHARED`; 0 leaves it unchanged.
    pub propagation: u64,
    /// Descriptor of a user namespace, with `MOUNT_ATTR_IDMAP`.
    pub user_namespace: u64,
}

/// Where a path walk may lead. It never follows a symbolic link, including /proc's magic links.
#[derive(Clone, Copy)]
pub enum Walk {
    /// Along an absolute path.
    Absolute,
    /// Below the folder, including mounts there.
    Beneath,
    /// Below the folder, on the folder's own mount.
    SameMount,
}

/// Opens without following any link; the descriptor is close-on-exec.
pub fn open(dir: Option<BorrowedFd>, path: &Path, flags: libc::c_int, walk: Walk) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    let resolve = match walk {
        Walk::Absolute => 0,
        Walk::Beneath => libc::RESOLVE_BENEATH,
        Walk::SameMount => libc::RESOLVE_BENEATH | libc::RESOLVE_NO_XDEV,
    };
    // SAFETY: a structure of integers. It is `non_exhaustive`, so it cannot be written as a literal.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.resolve = resolve | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;
    let dir = raw(dir);
    let size = size_of::<libc::open_how>();
    let mut tries = 0;
    loop {
        // SAFETY: the text is terminated and the structure as large as told; both outlive the call.
        let result = checked(unsafe { libc::syscall(libc::SYS_openat2, dir, path.as_ptr(), &raw const how, size) });
        tries += 1;
        match result {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) && tries < WALK_TRIES => {}
            // SAFETY: the descriptor is new and ours.
            other => return other.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as RawFd) }),
        }
    }
}

/// What a descriptor refers to.
#[derive(Clone, Copy)]
pub struct Status {
    kind: libc::mode_t,
    /// In bytes.
    pub size: u64,
    /// Whether it is the root of a mount.
    pub is_mount_root: bool,
}

impl Status {
    /// Whether it is a folder.
    pub fn is_folder(self) -> bool {
        self.kind == libc::S_IFDIR
    }
    /// Whether it is a symbolic link.
    pub fn is_link(self) -> bool {
        self.kind == libc::S_IFLNK
    }
    /// Whether it is a regular file.
    pub fn is_file(self) -> bool {
        self.kind == libc::S_IFREG
    }
}

/// Stats what a descriptor refers to.
pub fn status(fd: BorrowedFd) -> io::Result<Status> {
    statx(fd, libc::STATX_BASIC_STATS, 0)
}

/// Whether a descriptor is the root of a mount. Does not query its file system, which may never answer.
pub fn is_mount_root(fd: BorrowedFd) -> io::Result<bool> {
    statx(fd, 0, libc::AT_STATX_DONT_SYNC).map(|status| status.is_mount_root)
}

fn statx(fd: BorrowedFd, wanted: libc::c_uint, flags: libc::c_int) -> io::Result<Status> {
    // SAFETY: integers only, filled in by the call.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
    let flags = libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | flags;
    // SAFETY: the text is terminated, the structure is writable.
    let result = unsafe { libc::statx(fd.as_raw_fd(), c"".as_ptr(), flags, wanted, &raw mut found) };
    checked(result.into())?;
    Ok(Status {
        kind: libc::mode_t::from(found.stx_mode) & libc::S_IFMT,
        size: found.stx_size,
        is_mount_root: found.stx_attributes & STATX_ATTR_MOUNT_ROOT != 0,
    })
}

/// Creates a folder. The name must be a single path component.
pub fn make_folder(dir: BorrowedFd, name: &Path) -> io::Result<()> {
    let name = c_path(name)?;
    // SAFETY: the text is terminated.
    checked(unsafe { libc::mkdirat(dir.as_raw_fd(), name.as_ptr(), 0o755) }.into()).map(drop)
}

/// Creates an empty file. The name must be a single path component.
pub fn make_file(dir: BorrowedFd, name: &Path) -> io::Result<()> {
    let name = c_path(name)?;
    // SAFETY: the text is terminated. Unlike open(2) this never opens an existing file.
    checked(unsafe { libc::mknodat(dir.as_raw_fd(), name.as_ptr(), libc::S_IFREG | 0o644, 0) }.into()).map(drop)
}

/// rmdir(2) or unlink(2); neither removes a mount point.
pub fn remove(dir: BorrowedFd, name: &Path, is_folder: bool) -> io::Result<()> {
    let name = c_path(name)?;
    let flags = if is_folder { libc::AT_REMOVEDIR } else { 0 };
    // SAFETY: the text is terminated.
    checked(unsafe { libc::unlinkat(dir.as_raw_fd(), name.as_ptr(), flags) }.into()).map(drop)
}

/// A detached copy of the mount at a path, whose links are followed.
pub fn clone_path(source: &Path, is_recursive: bool) -> io::Result<OwnedFd> {
    clone_tree(libc::AT_FDCWD, &c_path(source)?, if is_recursive { libc::AT_RECURSIVE as u32 } else { 0 })
}

/// Like `clone_path`, for a descriptor, without the mounts below.
pub fn clone_descriptor(fd: BorrowedFd) -> io::Result<OwnedFd> {
    clone_tree(fd.as_raw_fd(), c"", libc::AT_EMPTY_PATH as u32)
}

fn clone_tree(dir: RawFd, path: &CStr, flags: u32) -> io::Result<OwnedFd> {
    let flags = flags | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
    // SAFETY: the text is terminated; the descriptor is new and ours.
    checked(unsafe { libc::syscall(libc::SYS_open_tree, dir, path.as_ptr(), flags) })
        .map(|fd| unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// mount_setattr(2) on a descriptor.
pub fn set_attributes(fd: BorrowedFd, attributes: &MountAttributes, is_recursive: bool) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | if is_recursive { libc::AT_RECURSIVE } else { 0 };
    let size = size_of::<MountAttributes>();
    let (fd, empty, attributes): (_, _, *const _) = (fd.as_raw_fd(), c"".as_ptr(), attributes);
    // SAFETY: the text is terminated and the structure as large as told; both outlive the call.
    checked(unsafe { libc::syscall(libc::SYS_mount_setattr, fd, empty, flags, attributes, size) }).map(drop)
}

/// Mounts a detached tree on exactly what `target` refers to.
pub fn attach(tree: BorrowedFd, target: BorrowedFd) -> io::Result<()> {
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    let (tree, target, empty) = (tree.as_raw_fd(), target.as_raw_fd(), c"".as_ptr());
    // SAFETY: the texts are terminated.
    checked(unsafe { libc::syscall(libc::SYS_move_mount, tree, empty, target, empty, flags) }).map(drop)
}

/// mount(2).
pub fn mount(source: &Path, target: &Path, kind: &str, flags: libc::c_ulong, data: &str) -> io::Result<()> {
    let (source, target, kind, data) = (c_path(source)?, c_path(target)?, CString::new(kind)?, CString::new(data)?);
    // SAFETY: the texts are terminated, and outlive the call.
    let result = unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data.as_ptr().cast()) };
    checked(result.into()).map(drop)
}

/// Lazily unmounts the mount whose root the descriptor is, with everything below.
pub fn detach(root: BorrowedFd) -> io::Result<()> {
    let path = c_path(&descriptor_path(root))?;
    // SAFETY: the text is terminated. This link is meant to be followed: it leads to the descriptor's mount by any
    // name.
    checked(unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) }.into()).map(drop)
}

/// A path to exactly what a descriptor refers to.
pub fn descriptor_path(fd: impl AsFd) -> std::path::PathBuf {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()).into()
}

/// Turns a negative result into the error in errno.
pub fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A path as a C string.
pub fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

fn raw(dir: Option<BorrowedFd>) -> RawFd {
    dir.map_or(libc::AT_FDCWD, |fd| fd.as_raw_fd())
}

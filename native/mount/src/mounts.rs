//! Mounts by the kernel's newer calls, which alone can map owners.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const OPEN_TREE_CLONE: libc::c_uint = 1;
const OPEN_TREE_CLOEXEC: libc::c_uint = libc::O_CLOEXEC as libc::c_uint;
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 4;
const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;

/// `struct mount_attr` of mount_setattr(2).
#[repr(C)]
#[derive(Default)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Mounts a copy of what is mounted at `source`, with all below it, on `target`. Owners are mapped at the top of it, as
/// runc does without `ridmap`.
pub fn mount_mapped(source: &str, target: &str, users: &File) -> io::Result<()> {
    let tree = clone_tree(&CString::new(source)?)?;
    let attributes =
        MountAttr { set: MOUNT_ATTR_IDMAP, user_namespace: users.as_raw_fd() as u64, ..MountAttr::default() };
    // SAFETY: the texts are terminated and the structure is as large as it says; both outlive the calls.
    checked(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    })?;
    let target = CString::new(target)?;
    // SAFETY: as above.
    checked(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    })?;
    Ok(())
}

fn clone_tree(source: &CStr) -> io::Result<OwnedFd> {
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as libc::c_uint;
    // SAFETY: the text is terminated; the descriptor is new and ours.
    let fd = checked(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, source.as_ptr(), flags) })?;
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

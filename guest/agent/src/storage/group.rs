//! A volume's fsGroup: everything in it belongs to the group and is writable for it.
//!
//! What is in the volume may be a container's making: folders in one another without end, links, and changes meanwhile.
//! So the way goes from descriptor to descriptor, down one name at a time and up by `..`, which must be where we came
//! from; nothing is followed, and neither stack nor open files grow with the depth.

use std::ffi::{CStr, CString};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::unistd::{Gid, fchownat};

use crate::blocking;
use crate::r#gen::grpc::FsGroup;
use crate::r#gen::types::FsGroupChangePolicy;
use crate::safe_path::path_of;
use crate::ttrpc::{Context, Result};

const SETGID: u32 = 0o2000;
/// Folders that are known and have yet to be looked at, at most.
const WAITING_LIMIT: usize = 1 << 20;
const FOLDER: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
const PLACE: OFlag = OFlag::O_PATH.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Applies the group to `root` and all below it; with the policy `OnRootMismatch` only if the root does not have it.
pub fn apply(root: &Path, group: &FsGroup) -> Result<()> {
    let what = || format!("group of {}", root.display());
    let top = nix::fcntl::open(root, PLACE, Mode::empty()).context(what)?;
    let about = fstat(&top).context(what)?;
    let fits = about.st_gid == group.group_id && about.st_mode & (SETGID | 0o070) == SETGID | 0o070;
    if fits && group.group_change_policy() == FsGroupChangePolicy::OnRootMismatch {
        return Ok(());
    }
    let gid = Gid::from_raw(group.group_id);
    give(&top, &about, gid).context(what)?;
    if is_dir(&about) { walk(top, gid).context(what) } else { Ok(()) }
}

fn is_dir(about: &FileStat) -> bool {
    about.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits()
}

/// What makes two descriptors the same folder.
type Identity = (u64, u64);

fn identity(about: &FileStat) -> Identity {
    (about.st_dev, about.st_ino)
}

fn walk(top: OwnedFd, gid: Gid) -> io::Result<()> {
    let end = Instant::now() + blocking::LIMIT;
    let mut here = top;
    // Of each folder on the way from the top: which it is, and its folders that have yet to be looked at.
    let mut way: Vec<(Identity, Vec<CString>)> = vec![(identity(&fstat(&here)?), enter(&here, gid, WAITING_LIMIT)?)];
    let mut waiting = way[0].1.len();
    while let Some((_, folders)) = way.last_mut() {
        if Instant::now() > end {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("not done within {:?}", blocking::LIMIT)));
        }
        if let Some(name) = folders.pop() {
            waiting -= 1;
            let Some(folder) = unless_gone(openat(&here, name.as_c_str(), FOLDER, Mode::empty()))? else { continue };
            let found = enter(&folder, gid, WAITING_LIMIT - waiting)?;
            waiting += found.len();
            way.push((identity(&fstat(&folder)?), found));
            here = folder;
            continue;
        }
        way.pop();
        let Some((above, _)) = way.last() else { break };
        here = openat(&here, "..", FOLDER, Mode::empty())?;
        if identity(&fstat(&here)?) != *above {
            return Err(io::Error::other("a folder in it was moved meanwhile"));
        }
    }
    Ok(())
}

/// Gives the group what is in a folder, and returns the names of the folders among it.
fn enter(folder: &OwnedFd, gid: Gid, most: usize) -> io::Result<Vec<CString>> {
    let mut folders = Vec::new();
    let mut entries = Dir::openat(folder, ".", FOLDER, Mode::empty())?;
    for entry in entries.iter() {
        let entry = entry?;
        let name: &CStr = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let Some(place) = unless_gone(openat(folder, name, PLACE, Mode::empty()))? else { continue };
        let about = fstat(&place)?;
        give(&place, &about, gid)?;
        if is_dir(&about) {
            if folders.len() >= most {
                return Err(io::Error::other(format!("more than {WAITING_LIMIT} folders beside one another")));
            }
            folders.push(name.to_owned());
        }
    }
    Ok(folders)
}

fn give(place: &OwnedFd, about: &FileStat, gid: Gid) -> io::Result<()> {
    fchownat(place.as_fd(), "", None, Some(gid), AtFlags::AT_EMPTY_PATH)?;
    let mode = about.st_mode & 0o7777;
    let wanted = match SFlag::from_bits_truncate(about.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFDIR => mode | SETGID | 0o070,
        SFlag::S_IFREG => mode | 0o060 | if mode & 0o100 != 0 { 0o010 } else { 0 },
        _ => return Ok(()),
    };
    fs::set_permissions(path_of(place), Permissions::from_mode(wanted))
}

/// What goes away meanwhile, or becomes something else, needs no group.
fn unless_gone(opened: nix::Result<OwnedFd>) -> io::Result<Option<OwnedFd>> {
    use nix::errno::Errno::{ELOOP, ENOENT, ENOTDIR};
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(ENOENT | ENOTDIR | ELOOP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::thread;

    const GROUP: u32 = 4321;

    struct Root(std::path::PathBuf);

    impl Root {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("bulkhead-group-{name}-{}", std::process::id()));
            fs::create_dir_all(&root).unwrap();
            Self(root)
        }

        fn apply(&self, policy: FsGroupChangePolicy) {
            apply(&self.0, &FsGroup { group_id: GROUP, group_change_policy: policy as i32 }).unwrap();
        }

        fn of(&self, name: &str) -> (u32, u32) {
            let about = fs::symlink_metadata(self.0.join(name)).unwrap();
            (about.gid(), about.mode() & 0o7777)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = std::process::Command::new("rm").arg("-rf").arg(&self.0).status();
        }
    }

    /// Only root gives files to a group that it is not in.
    fn obstacle(test: &str) -> bool {
        let is_root = nix::unistd::geteuid().is_root();
        if !is_root {
            eprintln!("SKIPPED: {test}: needs root");
        }
        !is_root
    }

    #[test]
    fn all_below_gets_the_group_and_no_link_is_followed() {
        if obstacle("all_below_gets_the_group_and_no_link_is_followed") {
            return;
        }
        let (root, outside) = (Root::new("tree"), Root::new("outside"));
        for dir in ["a/b/c", "d"] {
            fs::create_dir_all(root.0.join(dir)).unwrap();
        }
        fs::write(outside.0.join("secret"), "x").unwrap();
        fs::write(root.0.join("a/b/file"), "x").unwrap();
        fs::set_permissions(root.0.join("a/b/file"), Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(root.0.join("a/b/c"), Permissions::from_mode(0o700)).unwrap();
        symlink(&outside.0, root.0.join("d/link")).unwrap();
        let before = outside.of("secret");
        root.apply(FsGroupChangePolicy::Always);
        assert_eq!(root.of(""), (GROUP, 0o2775));
        assert_eq!(root.of("a/b/c"), (GROUP, 0o2770));
        assert_eq!(root.of("a/b/file"), (GROUP, 0o770));
        assert_eq!(root.of("d/link").0, GROUP);
        assert_eq!(outside.of("secret"), before);
        fs::write(root.0.join("a/new"), "x").unwrap();
        fs::set_permissions(root.0.join("a/new"), Permissions::from_mode(0o600)).unwrap();
        root.apply(FsGroupChangePolicy::OnRootMismatch);
        assert_eq!(root.of("a/new").1, 0o600, "the root has it already");
    }

    #[test]
    fn a_tree_deeper_than_any_path_needs_no_stack() {
        if obstacle("a_tree_deeper_than_any_path_needs_no_stack") {
            return;
        }
        const DEPTH: usize = 12_000;
        let root = Root::new("deep");
        let mut dir: OwnedFd = fs::File::open(&root.0).unwrap().into();
        for _ in 0..DEPTH {
            nix::sys::stat::mkdirat(&dir, "d", Mode::S_IRWXU).unwrap();
            dir = openat(&dir, "d", FOLDER, Mode::empty()).unwrap();
        }
        let path = root.0.clone();
        let group = FsGroup { group_id: GROUP, group_change_policy: FsGroupChangePolicy::Always as i32 };
        // The stack that the agent's threads have.
        let applied = thread::Builder::new().stack_size(256 << 10).spawn(move || apply(&path, &group)).unwrap();
        applied.join().unwrap().unwrap();
        let last = fstat(&dir).unwrap();
        assert_eq!((last.st_gid, last.st_mode & 0o7777), (GROUP, 0o2770));
    }
}

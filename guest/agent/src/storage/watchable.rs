//! Folders of the share whose changes must be noticed by programs in the container (config maps, secrets).
//!
//! The kernel sends no inotify events for what the host changes in a shared file system. So a small folder is copied
//! into the guest's memory and kept up to date from there; what a program watches is the copy.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::bind;
use super::options::MountOptions;
use crate::ttrpc::{Context, Result};

/// How often the source is looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// Beyond these limits the folder is bound as it is, without events.
const ENTRY_LIMIT: usize = 64;
const BYTE_LIMIT: u64 = 1 << 20;

/// Keeps the copy up to date while it exists.
pub struct Watching {
    stop: Arc<AtomicBool>,
    copy: PathBuf,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = umount2(&self.copy, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(&self.copy);
    }
}

/// Copies `source` to a tmpfs at `at` and follows its changes; `None` if it is not a small folder.
pub fn watch(source: &Path, at: &Path) -> Result<Option<Watching>> {
    if !source.is_dir() || !is_small(source) {
        return Ok(None);
    }
    // Containers see the copy through a read-only bind: nothing that they put there can lead the agent elsewhere.
    let copy = at.with_file_name(format!(".{}.copy", at.file_name().unwrap_or_default().to_string_lossy()));
    for dir in [at, &copy] {
        fs::create_dir_all(dir).context(|| format!("make {}", dir.display()))?;
    }
    let size = format!("mode=0755,size={}", 4 * BYTE_LIMIT);
    mount(Some("watchable"), &copy, Some("tmpfs"), MsFlags::MS_NODEV | MsFlags::MS_NOSUID, Some(size.as_str()))
        .context(|| format!("mount tmpfs at {}", copy.display()))?;
    let watching = Watching { stop: Arc::default(), copy: copy.clone() };
    sync(source, &copy).context(|| format!("copy {}", source.display()))?;
    let read_only = MountOptions { flags: MsFlags::MS_RDONLY, ..MountOptions::default() };
    bind(&copy, &read_only, at)?;
    let (source, at, stop) = (source.to_owned(), copy, watching.stop.clone());
    let follow = move || {
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(INTERVAL);
            // A source in the middle of a change is copied at the next look.
            if !stop.load(Ordering::Relaxed) && is_small(&source) {
                let _ = sync(&source, &at);
            }
        }
    };
    thread::Builder::new().name("watchable".into()).stack_size(64 << 10).spawn(follow).context(|| "start a thread")?;
    Ok(Some(watching))
}

#[derive(Debug, PartialEq)]
enum Kind {
    Dir,
    Link(PathBuf),
    File { mtime: (i64, i64), size: u64 },
}

struct Found {
    kind: Kind,
    mode: u32,
    owner: (u32, u32),
}

/// What a folder holds, by path below it, folders before their content.
fn scan(root: &Path) -> io::Result<BTreeMap<PathBuf, Found>> {
    let mut found = BTreeMap::new();
    let mut open = vec![PathBuf::new()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(root.join(&dir))? {
            let name = dir.join(entry?.file_name());
            let about = fs::symlink_metadata(root.join(&name))?;
            let kind = if about.is_dir() {
                open.push(name.clone());
                Kind::Dir
            } else if about.is_symlink() {
                Kind::Link(fs::read_link(root.join(&name))?)
            } else {
                Kind::File { mtime: (about.mtime(), about.mtime_nsec()), size: about.size() }
            };
            found.insert(name, Found { kind, mode: about.mode() & 0o7777, owner: (about.uid(), about.gid()) });
            if found.len() > ENTRY_LIMIT {
                return Err(io::Error::other("too many entries"));
            }
        }
    }
    Ok(found)
}

fn is_small(root: &Path) -> bool {
    let bytes = |found: &Found| if let Kind::File { size, .. } = found.kind { size } else { 0 };
    scan(root).is_ok_and(|all| all.values().map(bytes).sum::<u64>() <= BYTE_LIMIT)
}

/// Makes `to` like `from`: first new folders and files, then links (the kubelet's `..data` switches all at once), then
/// removals; each file and link replaces its predecessor atomically.
fn sync(from: &Path, to: &Path) -> io::Result<()> {
    let (wanted, there) = (scan(from)?, scan(to)?);
    let differs = |name: &Path, found: &Found| there.get(name).is_none_or(|old| old.kind != found.kind);
    for (name, found) in &wanted {
        let target = to.join(name);
        match &found.kind {
            Kind::Dir if differs(name, found) => {
                fs::create_dir(&target)?;
                set_owner(&target, found)?;
            }
            Kind::File { mtime, .. } if differs(name, found) => {
                let draft = draft_of(&target);
                fs::write(&draft, fs::read(from.join(name))?)?;
                set_owner(&draft, found)?;
                set_mtime(&draft, *mtime)?;
                fs::rename(&draft, &target)?;
            }
            _ => {}
        }
    }
    for (name, found) in &wanted {
        if !differs(name, found) {
            continue;
        }
        if let Kind::Link(target) = &found.kind {
            let draft = draft_of(&to.join(name));
            let _ = fs::remove_file(&draft);
            symlink(target, &draft)?;
            lchown(&draft, Some(found.owner.0), Some(found.owner.1))?;
            fs::rename(&draft, to.join(name))?;
        }
    }
    for (name, found) in there.iter().rev().filter(|(name, _)| !wanted.contains_key(*name)) {
        let target = to.join(name);
        if found.kind == Kind::Dir { fs::remove_dir(&target)? } else { fs::remove_file(&target)? }
    }
    Ok(())
}

fn draft_of(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.bulkhead-draft"))
}

fn set_owner(path: &Path, found: &Found) -> io::Result<()> {
    lchown(path, Some(found.owner.0), Some(found.owner.1))?;
    fs::set_permissions(path, Permissions::from_mode(found.mode))
}

fn set_mtime(path: &Path, (seconds, nanoseconds): (i64, i64)) -> io::Result<()> {
    let time = nix::sys::time::TimeSpec::new(seconds, nanoseconds);
    nix::sys::stat::utimensat(
        nix::fcntl::AT_FDCWD,
        path,
        &time,
        &time,
        nix::sys::stat::UtimensatFlags::NoFollowSymlink,
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_follows_the_kubelets_atomic_switch() {
        let root = std::env::temp_dir().join(format!("bulkhead-watch-{}", std::process::id()));
        let (from, to) = (root.join("from"), root.join("to"));
        fs::create_dir_all(from.join("..1")).unwrap();
        fs::create_dir_all(&to).unwrap();
        fs::write(from.join("..1/key"), "one").unwrap();
        symlink("..1", from.join("..data")).unwrap();
        symlink("..data/key", from.join("key")).unwrap();
        sync(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("key")).unwrap(), "one");

        fs::create_dir(from.join("..2")).unwrap();
        fs::write(from.join("..2/key"), "two").unwrap();
        fs::remove_file(from.join("..data")).unwrap();
        symlink("..2", from.join("..data")).unwrap();
        fs::remove_dir_all(from.join("..1")).unwrap();
        sync(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("key")).unwrap(), "two");
        assert_eq!(scan(&to).unwrap().len(), 4);
        fs::remove_dir_all(root).unwrap();
    }
}

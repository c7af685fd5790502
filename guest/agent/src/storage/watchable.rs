//! Folders of the share whose changes must be noticed by programs in the container (config maps, secrets).
//!
//! The kernel sends no inotify events for what the host changes in a shared file system. So a small folder is copied
//! into the guest's memory and kept up to date from there; what a program watches is the copy.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::bind;
use super::options::MountOptions;
use crate::ttrpc::{Context, Result};

/// How often the source is looked at when the host does not tell of changes.
const INTERVAL: Duration = Duration::from_secs(1);
/// How often when it does: what it says could have been lost.
const INTERVAL_WHEN_TOLD: Duration = Duration::from_secs(60);
/// What a look finds may have been kept from an earlier one for up to a second (virtio-fs); so there is one more.
const SECOND_LOOK: Duration = Duration::from_millis(1_100);
/// The link of the kubelet's volumes that switches their content.
const DATA: &str = "..data";
/// Beyond these limits the folder is bound as it is, without events.
const ENTRY_LIMIT: usize = 64;
const BYTE_LIMIT: u64 = 1 << 20;

/// Keeps the copy up to date while it exists.
pub struct Watching {
    bell: Arc<Bell>,
    copy: PathBuf,
}

impl Watching {
    /// The source has changed.
    pub fn told(&self) {
        self.bell.ring(Call { told: true, host_tells: true, ..Call::default() });
    }
}

#[derive(Clone, Copy, Default)]
struct Call {
    stop: bool,
    told: bool,
    host_tells: bool,
}

/// What the thread that follows a folder waits for.
#[derive(Default)]
struct Bell {
    call: Mutex<Call>,
    rung: Condvar,
}

impl Bell {
    fn ring(&self, call: Call) {
        *self.call.lock().unwrap_or_else(PoisonError::into_inner) = call;
        self.rung.notify_one();
    }

    /// Waits until it is time for a look: `Some(true)` when the host has told of a change, `None` when there is none to come.
    fn wait(&self, second_look: bool) -> Option<bool> {
        let call = self.call.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = match (second_look, call.host_tells) {
            (true, _) => SECOND_LOOK,
            (false, true) => INTERVAL_WHEN_TOLD,
            (false, false) => INTERVAL,
        };
        let rung = self.rung.wait_timeout_while(call, limit, |call| !call.stop && !call.told);
        let (mut call, _) = rung.unwrap_or_else(PoisonError::into_inner);
        (!call.stop).then(|| std::mem::take(&mut call.told))
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.bell.ring(Call { stop: true, ..Call::default() });
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
    let about = fs::metadata(source).context(|| source.display())?;
    let (mode, uid, gid) = (about.mode() & 0o7777, about.uid(), about.gid());
    let size = format!("mode={mode:o},uid={uid},gid={gid},size={}", 4 * BYTE_LIMIT);
    mount(Some("watchable"), &copy, Some("tmpfs"), MsFlags::MS_NODEV | MsFlags::MS_NOSUID, Some(size.as_str()))
        .context(|| format!("mount tmpfs at {}", copy.display()))?;
    let watching = Watching { bell: Arc::default(), copy: copy.clone() };
    let seen = state(source);
    sync(source, &copy).context(|| format!("copy {}", source.display()))?;
    let read_only = MountOptions { flags: MsFlags::MS_RDONLY, ..MountOptions::default() };
    bind(&copy, &read_only, at)?;
    let (source, bell) = (source.to_owned(), watching.bell.clone());
    let follow = move || follow(&source, &copy, &bell, seen);
    thread::Builder::new().name("watchable".into()).stack_size(64 << 10).spawn(follow).context(|| "start a thread")?;
    Ok(Some(watching))
}

fn follow(source: &Path, copy: &Path, bell: &Bell, mut seen: Option<State>) {
    let mut second_look = false;
    while let Some(told) = bell.wait(second_look) {
        second_look = told;
        let now = state(source);
        if now.is_some() && now == seen {
            continue;
        }
        // A source in the middle of a change, or that changes meanwhile, is copied at the next look, which is soon.
        second_look = true;
        if is_small(source) && sync(source, copy).is_ok() {
            seen = now;
        }
    }
}

/// By what one can tell, without reading it, that a volume of the kubelet's form has changed: where its link leads, and
/// when it was last changed itself, or something made, renamed or removed in it. `None` for folders of other forms.
type State = (PathBuf, (i64, i64), (i64, i64));

fn state(source: &Path) -> Option<State> {
    let link = fs::read_link(source.join(DATA)).ok()?;
    let about = fs::metadata(source).ok()?;
    Some((link, (about.mtime(), about.mtime_nsec()), (about.ctime(), about.ctime_nsec())))
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Dir,
    Link(PathBuf),
    File { mtime: (i64, i64), size: u64 },
}

#[derive(Debug, PartialEq)]
struct Found {
    kind: Kind,
    mode: u32,
    owner: (u32, u32),
}

impl Found {
    fn new(kind: Kind, about: &fs::Metadata) -> Self {
        Self { kind, mode: about.mode() & 0o7777, owner: (about.uid(), about.gid()) }
    }
}

/// What a folder is (by an empty path) and holds, by path below it, folders before their content.
fn scan(root: &Path) -> io::Result<BTreeMap<PathBuf, Found>> {
    let mut found = BTreeMap::from([(PathBuf::new(), Found::new(Kind::Dir, &fs::metadata(root)?))]);
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
            found.insert(name, Found::new(kind, &about));
            if found.len() > ENTRY_LIMIT + 1 {
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
    let differs = |name: &Path, found: &Found| there.get(name) != Some(found);
    for (name, found) in &wanted {
        let target = to.join(name);
        match &found.kind {
            Kind::Dir if differs(name, found) => {
                if there.get(name).is_none_or(|old| old.kind != Kind::Dir) {
                    fs::create_dir(&target)?;
                }
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
    fn the_host_tells_and_what_it_does_not_tell_is_found() {
        let root = std::env::temp_dir().join(format!("bulkhead-follow-{}", std::process::id()));
        let (from, to) = (root.join("from"), root.join("to"));
        for dir in [&from, &to] {
            fs::create_dir_all(dir).unwrap();
        }
        let switch = |name: &str| {
            fs::create_dir(from.join(name)).unwrap();
            fs::write(from.join(name).join("key"), name).unwrap();
            symlink(name, from.join("draft")).unwrap();
            fs::rename(from.join("draft"), from.join(DATA)).unwrap();
        };
        let there = |name: &str, limit: Duration| {
            let end = std::time::Instant::now() + limit;
            while fs::read_to_string(to.join(DATA).join("key")).ok().as_deref() != Some(name) {
                assert!(std::time::Instant::now() < end, "{name}");
                thread::sleep(Duration::from_millis(5));
            }
        };
        switch("..1");
        let bell = Arc::new(Bell::default());
        let (a, b, c) = (from.clone(), to.clone(), bell.clone());
        let following = thread::spawn(move || follow(&a, &b, &c, None));
        there("..1", Duration::from_secs(20));
        switch("..2");
        there("..2", Duration::from_secs(20));
        bell.ring(Call { told: true, host_tells: true, ..Call::default() });
        switch("..3");
        bell.ring(Call { told: true, host_tells: true, ..Call::default() });
        there("..3", INTERVAL_WHEN_TOLD / 2);
        bell.ring(Call { stop: true, ..Call::default() });
        following.join().unwrap();
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn only_folders_of_the_kubelets_form_have_a_state() {
        let root = std::env::temp_dir().join(format!("bulkhead-state-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        assert_eq!(state(&root), None);
        symlink("..1", root.join(DATA)).unwrap();
        let first = state(&root);
        assert!(first.is_some());
        thread::sleep(Duration::from_millis(20));
        symlink("..data/key", root.join("key")).unwrap();
        assert_ne!(state(&root), first);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_copy_has_mode_and_owner_of_the_folder_and_all_in_it_and_follows_them() {
        let root = std::env::temp_dir().join(format!("bulkhead-owner-{}", std::process::id()));
        let (from, to) = (root.join("from"), root.join("to"));
        for dir in [&from.join("sub"), &to] {
            fs::create_dir_all(dir).unwrap();
        }
        fs::write(from.join("sub/key"), "text").unwrap();
        let is_root = nix::unistd::geteuid().is_root();
        let set = |name: &str, mode: u32, group: u32| {
            if is_root {
                lchown(from.join(name), None, Some(group)).unwrap();
            }
            fs::set_permissions(from.join(name), Permissions::from_mode(mode)).unwrap();
        };
        let about = |name: &str| {
            let about = fs::metadata(to.join(name)).unwrap();
            (about.mode() & 0o7777, if is_root { about.gid() } else { 0 })
        };
        for (top, sub, key, group) in [(0o2777, 0o2770, 0o440, 2345), (0o1777, 0o755, 0o644, 0)] {
            for (name, mode) in [("", top), ("sub", sub), ("sub/key", key)] {
                set(name, mode, group);
            }
            sync(&from, &to).unwrap();
            let group = if is_root { group } else { 0 };
            assert_eq!([about(""), about("sub"), about("sub/key")], [(top, group), (sub, group), (key, group)]);
        }
        fs::remove_dir_all(root).unwrap();
    }

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
        assert_eq!(scan(&to).unwrap().len(), 5);
        fs::remove_dir_all(root).unwrap();
    }
}

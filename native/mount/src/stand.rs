//! Where tests mount: a mount namespace of the test's own thread, with a shared root, a guest's volume, and a host that
//! must not change.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::request::{Bind, Step, Target};
use crate::{perform, removal};
use bulkhead_kernel as kernel;

static COUNT: AtomicUsize = AtomicUsize::new(0);

pub struct Stand {
    dir: PathBuf,
    /// The root to mount in.
    pub root: PathBuf,
    /// A folder that a guest may write to, mounted in the root at `volumes/1`.
    pub volume: PathBuf,
    /// What a guest would like to reach.
    pub host: PathBuf,
}

impl Stand {
    pub fn new() -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("bulkhead-mount-test-{}-{number}", std::process::id()));
        // SAFETY: no pointers.
        kernel::checked(unsafe { libc::unshare(libc::CLONE_NEWNS) }.into()).expect("these tests run as root");
        let private = libc::MS_REC | libc::MS_PRIVATE;
        kernel::mount(Path::new("none"), Path::new("/"), "", private, "").unwrap();
        fs::create_dir(&dir).unwrap();
        kernel::mount(Path::new("tmpfs"), &dir, "tmpfs", 0, "").unwrap();
        let stand =
            Self { root: dir.join("mounts"), volume: dir.join("volume"), host: dir.join("host"), dir: dir.clone() };
        for folder in
            [&stand.root, &stand.volume, &stand.host.join("etc/x/deep"), &stand.host.join("b/c"), &stand.host.join("c")]
        {
            fs::create_dir_all(folder).unwrap();
        }
        for file in ["etc/passwd", "etc/x/f", "b/c/f"] {
            fs::write(stand.host.join(file), format!("{file} of the host\n")).unwrap();
        }
        perform(&stand.root, &Step::Share).unwrap();
        stand.bind(&stand.volume, "volumes/1").unwrap();
        stand
    }

    pub fn bind(&self, source: &Path, target: &str) -> Result<(), crate::failure::Failure> {
        let options = vec!["rbind".to_owned()];
        let bind = Bind { source: source.to_owned(), target: target.into(), options, id_map: None };
        perform(&self.root, &Step::Bind(bind))
    }

    pub fn remove(&self, target: &str) -> Result<(), crate::failure::Failure> {
        removal::remove(&self.root, &Target { target: target.into() })
    }

    /// Everything in the host's folder: names, kinds, content, and mounts.
    pub fn canary(&self) -> String {
        let mut lines = Vec::new();
        list(&self.host, &mut lines);
        lines.extend(self.mounts_at(&self.host));
        lines.join("\n")
    }

    /// The mount points at or below a folder, as this thread sees them.
    pub fn mounts_at(&self, dir: &Path) -> Vec<String> {
        let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let points = table.lines().filter_map(|line| line.split(' ').nth(4));
        points.filter(|point| Path::new(point).starts_with(dir)).map(str::to_owned).collect()
    }

    /// Exchanges two names again and again while `run` runs.
    pub fn while_exchanging<T>(&self, one: &Path, other: &Path, run: impl FnOnce() -> T) -> T {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    exchange(one, other);
                    thread::yield_now();
                }
            });
            let _stop = Stop(&stop);
            run()
        })
    }
}

/// Stops the thread, even when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let path = kernel::c_path(&self.dir).unwrap();
        // SAFETY: the text is terminated.
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
        let _ = fs::remove_dir(&self.dir);
    }
}

/// renameat2(RENAME_EXCHANGE), which fails for mount points.
fn exchange(one: &Path, other: &Path) {
    let (one, other) = (kernel::c_path(one).unwrap(), kernel::c_path(other).unwrap());
    let here = libc::AT_FDCWD;
    // SAFETY: the texts are terminated.
    unsafe { libc::syscall(libc::SYS_renameat2, here, one.as_ptr(), here, other.as_ptr(), libc::RENAME_EXCHANGE) };
}

/// Plants a link to one of the host's folders.
pub fn plant(at: &Path, to: &Path) {
    symlink(to, at).unwrap();
}

fn list(dir: &Path, lines: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            lines.push(format!("{}/", path.display()));
            list(&path, lines);
        } else {
            lines.push(format!("{}: {}", path.display(), fs::read_to_string(&path).unwrap()));
        }
    }
}

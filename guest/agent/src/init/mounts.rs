//! The file systems of the guest. Its root is a read-only image; all mount points exist in it.

use std::fs;
use std::os::unix::fs::symlink;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

struct Entry {
    fstype: &'static str,
    target: &'static str,
    flags: MsFlags,
    data: &'static str,
}

const SAFE: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);
const DEVICES: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NOEXEC);
const MEMORY: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);

/// In the order in which they lie in one another.
const TABLE: [Entry; 9] = [
    Entry { fstype: "proc", target: "/proc", flags: SAFE, data: "" },
    Entry { fstype: "sysfs", target: "/sys", flags: SAFE, data: "" },
    Entry { fstype: "devtmpfs", target: "/dev", flags: DEVICES, data: "mode=0755" },
    Entry { fstype: "devpts", target: "/dev/pts", flags: DEVICES, data: "mode=0620,gid=5,ptmxmode=0666" },
    Entry { fstype: "tmpfs", target: "/dev/shm", flags: SAFE, data: "mode=1777" },
    // Containers' root file systems may lie below it, so programs can be executed and devices are crun's matter.
    Entry { fstype: "tmpfs", target: "/run", flags: MsFlags::MS_NOSUID, data: "mode=0755" },
    Entry { fstype: "tmpfs", target: "/tmp", flags: MEMORY, data: "mode=1777" },
    Entry { fstype: "cgroup2", target: "/sys/fs/cgroup", flags: SAFE, data: "favordynmods" },
    Entry { fstype: "securityfs", target: "/sys/kernel/security", flags: SAFE, data: "" },
];

/// File systems that a kernel may lack without harm.
const OPTIONAL: [&str; 1] = ["securityfs"];

/// Mounts everything that is not there yet; returns what failed.
pub fn mount_all() -> Vec<(String, Errno)> {
    let mut failed = Vec::new();
    for entry in &TABLE {
        // Missing only below file systems that have just been mounted.
        if entry.target.starts_with("/dev/") {
            let _ = fs::create_dir(entry.target);
        }
        let data = Some(entry.data).filter(|data| !data.is_empty());
        match mount(Some(entry.fstype), entry.target, Some(entry.fstype), entry.flags, data) {
            Ok(()) | Err(Errno::EBUSY) => {}
            Err(_) if OPTIONAL.contains(&entry.fstype) => {}
            Err(error) => failed.push((format!("mount {} on {}", entry.fstype, entry.target), error)),
        }
    }
    for (link, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        let _ = symlink(target, link);
    }
    let _ = fs::remove_file("/dev/ptmx").and_then(|()| symlink("pts/ptmx", "/dev/ptmx"));
    failed
}

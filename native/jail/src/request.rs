//! The shim's request. Paths are absolute and on the host, unless stated otherwise.

use serde::Deserialize;

use crate::device_filter::Device;

/// A program to start and everything that it may have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Pid of the shim.
    pub parent: i32,
    /// Descriptor to write the program's pid to, as a line.
    pub status_fd: i32,
    /// `cgroup.procs` files of the cgroups to join.
    pub cgroup_procs: Vec<String>,
    /// For a version 2 cgroup; the shim sets the devices of a version 1 cgroup itself.
    pub device_filter: Option<DeviceFilter>,
    pub oom_score_adj: Option<i32>,
    /// The network namespace to enter; without one the program gets a new, empty one.
    pub netns: Option<String>,
    /// Any folder: the new root is mounted on it, in a private mount namespace.
    pub root: String,
    /// Files and folders that the program needs, read-only, at the same paths; missing ones are left out.
    pub visible: Vec<String>,
    /// Files and folders at other paths, also read-only: the kernel, the exported folder.
    pub mounts: Vec<Mount>,
    /// Device nodes, created anew and owned by the program's user.
    pub devices: Vec<String>,
    /// Whether it gets a read-only `/proc` of its own pid namespace.
    pub proc: bool,
    pub uid: u32,
    pub gid: u32,
    /// Names without `CAP_`.
    pub capabilities: Vec<Capability>,
    /// Limit on descriptors; without one, as many as possible.
    pub nofile: Option<u64>,
    /// Limit on the user's processes and threads.
    pub nproc: Option<u64>,
    pub seccomp: Profile,
    /// The program (a path in the new root) and its arguments.
    pub argv: Vec<String>,
}

/// Which devices may be opened.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceFilter {
    /// Folder of the cgroup.
    pub cgroup: String,
    pub devices: Vec<Device>,
}

/// What to mount where.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    pub source: String,
    /// In the new root.
    pub target: String,
    /// Includes the mounts below it; later ones follow, writable if they are writable on the host.
    pub recursive: bool,
}

/// Which system calls the program may use.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    Vmm,
    Files,
}

/// The capabilities that a program may be given; numbers as in linux/capability.h.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Capability {
    Chown = 0,
    DacOverride = 1,
    Fowner = 3,
    Fsetid = 4,
    Setgid = 6,
    Setuid = 7,
    Setpcap = 8,
    SysChroot = 18,
    Mknod = 27,
    Setfcap = 31,
}

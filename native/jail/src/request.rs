//! What the shim asks for. Paths are absolute and of the host, unless said otherwise.

use serde::Deserialize;

use crate::device_filter::Device;

/// A program to start and all that it may have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Pid of the shim.
    pub parent: i32,
    /// Where the program's pid is written to, as a line.
    pub status_fd: i32,
    /// `cgroup.procs` files to join by.
    pub cgroup_procs: Vec<String>,
    /// For a cgroup of version 2; the devices of one of version 1 were listed when it was made.
    pub device_filter: Option<DeviceFilter>,
    pub oom_score_adj: Option<i32>,
    /// The network namespace to enter; without one the program gets an empty one of its own.
    pub netns: Option<String>,
    /// Any folder: the new root is mounted on it, in a mount namespace that nobody else sees.
    pub root: String,
    /// Files and folders of the host that the program needs, read-only, at the same paths; what does not exist is left out.
    pub visible: Vec<String>,
    /// A file or folder at another place, also read-only: the kernel, the exported folder.
    pub mounts: Vec<Mount>,
    /// Device nodes, the program's own.
    pub devices: Vec<String>,
    /// Whether it gets `/proc`, that of its own pid namespace and read-only.
    pub proc: bool,
    pub uid: u32,
    pub gid: u32,
    /// Names without `CAP_`.
    pub capabilities: Vec<Capability>,
    /// Limit of descriptors; without one as many as may be had.
    pub nofile: Option<u64>,
    /// Limit of processes and threads of the user.
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

/// What is mounted where.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    pub source: String,
    /// In the new root.
    pub target: String,
    /// With what is mounted below it now; what is mounted there later follows, writable where it is writable there.
    pub recursive: bool,
}

/// Which system calls the program may use.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    Vmm,
    Files,
}

/// Those that a program here may ever be given; numbers as in linux/capability.h.
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

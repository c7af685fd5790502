//! Runs the agent on this machine, in a mount namespace of its own. Without a unified cgroup hierarchy it works
//! without cgroups, which leaves pause and limits to the test in a machine.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use super::client::Client;
use super::{Guest, eventually};

/// A running agent and its folder.
pub struct HostAgent {
    child: Child,
    dir: PathBuf,
}

/// Why the agent cannot run here; nothing if it can.
pub fn obstacle() -> Option<String> {
    // SAFETY: plain system call.
    if unsafe { libc::geteuid() } != 0 {
        return Some("needs root".into());
    }
    ["crun", "busybox", "unshare"].iter().find_map(|tool| {
        let found = Command::new(tool).arg("--help").output().is_ok();
        (!found).then(|| format!("{tool} is not installed"))
    })
}

/// A root file system with busybox and the libraries that it needs.
pub fn make_rootfs(dir: &Path) {
    for sub in ["bin", "dev", "proc", "sys", "tmp", "etc", "root", "lib", "lib64", "usr", "data", "more", "cgroup"] {
        fs::create_dir_all(dir.join(sub)).unwrap();
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|file| Path::new(file).exists()).unwrap();
    fs::copy(busybox, dir.join("bin/busybox")).unwrap();
    let applets = String::from_utf8(Command::new(busybox).arg("--list").output().unwrap().stdout).unwrap();
    for applet in applets.lines().filter(|name| *name != "busybox") {
        let _ = std::os::unix::fs::symlink("busybox", dir.join("bin").join(applet));
    }
    let needed = Command::new("ldd").arg(busybox).output().map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
    for library in needed.unwrap_or_default().split_whitespace().filter(|word| word.starts_with('/')) {
        let target = dir.join(library.trim_start_matches('/'));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(library, target).unwrap();
    }
    fs::write(dir.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
}

impl HostAgent {
    pub fn start(name: &str) -> (Self, Guest) {
        Self::start_with(name, &[])
    }

    /// With further arguments of the agent.
    pub fn start_with(name: &str, more: &[&str]) -> (Self, Guest) {
        let dir = std::env::temp_dir().join(format!("bulkhead-agent-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        make_rootfs(&dir.join("rootfs"));
        let socket = dir.join("agent.sock");
        // crun refuses to work where both versions of cgroups have controllers.
        let script = r#"umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@""#;
        let child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
            .arg(env!("CARGO_BIN_EXE_bulkhead-agent"))
            .args(["--listen", &format!("unix://{}", socket.display()), "--state"])
            .arg(dir.join("state"))
            .args(more)
            .spawn()
            .unwrap();
        let agent = Self { child, dir: dir.clone() };
        let mut stream = None;
        eventually("the agent listens", || {
            stream = UnixStream::connect(&socket).ok();
            stream.is_some()
        });
        let rootfs = dir.join("rootfs").display().to_string();
        (agent, Guest { client: Client::new(stream.unwrap()), rootfs, is_machine: false })
    }

    pub fn connect(&self) -> Client {
        Client::new(UnixStream::connect(self.socket()).unwrap())
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.join("agent.sock")
    }

    /// Processor time of the agent so far, in hundredths of a second.
    pub fn processor_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// The agent's own process (`unshare` and the shell have replaced themselves by it).
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }
}

impl Drop for HostAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

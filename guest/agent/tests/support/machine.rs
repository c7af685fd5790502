//! Boots a virtual machine from the built guest image, with a disk that holds a root file system for containers.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::client::Client;
use super::host::make_rootfs;
use super::pb::*;
use super::{Guest, eventually};

const COMMAND_LINE: &str =
    "console=ttyS0 quiet panic=1 root=/dev/vda ro rootfstype=erofs no_timer_check cryptomgr.notests reboot=t";
const QEMU: &str = "qemu-system-x86_64";
pub const ROOTFS: &str = "/run/test/rootfs";

pub struct Machine {
    child: Child,
    dir: PathBuf,
    console: Arc<Mutex<String>>,
}

/// Where kernel and image are.
fn share() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../build/share/bulkhead")
}

pub fn obstacle() -> Option<String> {
    for file in ["vmlinux", "image"] {
        if !share().join(file).exists() {
            return Some(format!("{} does not exist: build the guest image first", share().join(file).display()));
        }
    }
    [QEMU, "mkfs.erofs"].iter().find_map(|tool| {
        let found = Command::new(tool).arg("--help").output().is_ok();
        (!found).then(|| format!("{tool} is not installed"))
    })
}

impl Machine {
    pub fn start(name: &str, more: &[&str]) -> (Self, Guest) {
        Self::start_from(&share(), name, more)
    }

    /// Boots kernel and image of another folder.
    pub fn start_from(share: &Path, name: &str, more: &[&str]) -> (Self, Guest) {
        let dir = std::env::temp_dir().join(format!("bulkhead-machine-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        make_rootfs(&dir.join("rootfs"));
        let disk = dir.join("rootfs.img");
        let made = Command::new("mkfs.erofs").args(["-d0", "--all-root"]).arg(&disk).arg(dir.join("rootfs")).output();
        assert!(made.unwrap().status.success(), "mkfs.erofs");
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut command = Command::new(QEMU);
        let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let virtual_cpu = flags.split_whitespace().any(|flag| flag == "vmx" || flag == "svm");
        let accelerator = if virtual_cpu && Path::new("/dev/kvm").exists() { "kvm" } else { "tcg" };
        command
            .args(["-machine", &format!("q35,accel={accelerator}"), "-cpu", "max", "-m", "512", "-smp", "1"])
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"])
            .arg("-kernel")
            .arg(share.join("vmlinux"))
            .args(["-append", COMMAND_LINE])
            .args([
                "-blockdev",
                &format!("driver=file,node-name=image,read-only=on,filename={}", share.join("image").display()),
            ])
            .args(["-device", "virtio-blk-pci,drive=image,addr=02", "-device", "virtio-rng-pci,addr=03"])
            .args(["-blockdev", &format!("driver=file,node-name=rootfs,read-only=on,filename={}", disk.display())])
            .args(["-device", "virtio-blk-pci,drive=rootfs,addr=04,serial=rootfs"])
            .args(["-device", "virtio-serial-pci,addr=05", "-chardev", "socket,id=agent,fd=3"])
            .args(["-device", "virtserialport,chardev=agent,name=org.bulkhead.agent.0"])
            .args([
                "-device",
                "pcie-root-port,id=port0,addr=06,chassis=1",
                "-device",
                "pcie-root-port,id=port1,addr=07,chassis=2",
            ])
            .arg("-monitor")
            .arg(format!("unix:{},server=on,wait=off", dir.join("monitor.sock").display()))
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let theirs: OwnedFd = theirs.into();
        let raw = theirs.as_raw_fd();
        // SAFETY: dup2 may be called between fork and exec; descriptor 3 of the child is not used otherwise there.
        unsafe {
            command.pre_exec(move || {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                if libc::dup2(raw, 3) < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
            });
        }
        let mut child = command.spawn().unwrap();
        drop(theirs);
        let console = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), console.clone());
        collect(child.stderr.take().unwrap(), console.clone());
        let machine = Self { child, dir, console };
        let guest = Guest { client: Client::new(ours), rootfs: ROOTFS.into(), is_machine: true };
        let answer = guest.call::<HealthCheckResponse>("Check", &CheckRequest::default());
        assert!(answer.is_ok(), "the agent does not answer: {answer:?}\n{}", machine.console());
        (machine, guest)
    }

    pub fn console(&self) -> String {
        self.console.lock().unwrap().clone()
    }

    /// A command for QEMU's monitor.
    pub fn monitor(&self, command: &str) {
        let mut stream = UnixStream::connect(self.dir.join("monitor.sock")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut said = String::new();
        let mut prompt = |stream: &mut UnixStream| {
            said.clear();
            let mut byte = [0];
            while !said.ends_with("(qemu) ") {
                stream.read_exact(&mut byte).unwrap();
                said.push(byte[0] as char);
            }
            said.clone()
        };
        prompt(&mut stream);
        stream.write_all(format!("{command}\n").as_bytes()).unwrap();
        let answer = prompt(&mut stream);
        assert!(!answer.contains("Error"), "{command}: {answer}");
    }

    /// A file of zeros for a disk.
    pub fn make_file(&self, name: &str, bytes: u64) -> String {
        let path = self.dir.join(name);
        fs::File::create(&path).unwrap().set_len(bytes).unwrap();
        path.display().to_string()
    }

    /// Processor time of the whole machine; less touched by what else runs here than the clock.
    pub fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().flatten();
        let of = |task: fs::DirEntry| {
            fs::read_to_string(task.path().join("schedstat")).ok()?.split(' ').next()?.parse::<u64>().ok()
        };
        Duration::from_nanos(tasks.filter_map(of).sum())
    }

    pub fn ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }
}

/// Makes the sandbox with the root file system's disk.
pub fn create_sandbox(guest: &Guest) {
    let disk = Storage {
        driver: "blk".into(),
        source: "04".into(),
        fstype: "erofs".into(),
        options: vec!["ro".into()],
        mount_point: ROOTFS.into(),
        ..Default::default()
    };
    let request = CreateSandboxRequest {
        hostname: "pod".into(),
        sandbox_id: "pod".into(),
        storages: vec![disk],
        dns: vec!["nameserver 192.0.2.1".into()],
        ..Default::default()
    };
    guest.call::<()>("CreateSandbox", &request).unwrap();
}

fn collect(mut from: impl Read + Send + 'static, into: Arc<Mutex<String>>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
    });
}

impl Drop for Machine {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("console of the machine:\n{}", self.console());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Waits for the machine to be switched off.
pub fn wait_for_end(machine: &mut Machine) {
    eventually("the machine is switched off", || machine.ended());
}

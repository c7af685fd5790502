//! What the first process of a machine has to do: mounts, control groups, loopback, and switching off.

mod cgroups;
mod mounts;

use std::fs;
use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::reboot::{RebootMode, reboot};

const SETTINGS: [(&str, &str); 3] = [
    // Files that a container may open are limited by its own limits, not by a kernel default below them.
    ("/proc/sys/fs/nr_open", "1073741816"),
    // Moving a process into a cgroup or a namespace waits for all processors to pass a certain point. On a machine of
    // a few processors it costs nothing to urge them instead of waiting for the next ticks.
    ("/sys/kernel/rcu_expedited", "1"),
    // A process traces its descendants only, unless it may trace all. Debian's kernels leave it to the user.
    ("/proc/sys/kernel/yama/ptrace_scope", "1"),
];
const HOSTNAME: &str = "bulkhead";
/// The host gives a machine that goes less time than this.
const SYNC_LIMIT: Duration = Duration::from_secs(10);

/// Makes the bare kernel a place where containers can run. Anything that fails is told on the console and does not
/// keep the agent from answering, so that the host gets to know what is wrong.
pub fn set_up() {
    let complain = |what: &str, error: &dyn std::fmt::Display| eprintln!("bulkhead-agent: {what}: {error}");
    for (what, error) in mounts::mount_all() {
        complain(&what, &error);
    }
    if let Err(error) = cgroups::enable_controllers() {
        complain("control groups", &error);
    }
    for (file, value) in SETTINGS {
        match fs::write(file, value) {
            // Another kernel may lack it.
            Err(error) if error.kind() != io::ErrorKind::NotFound => complain(file, &error),
            _ => {}
        }
    }
    if let Err(error) = nix::unistd::sethostname(HOSTNAME) {
        complain("host name", &error);
    }
    if let Err(error) = crate::net::set_up_loopback() {
        complain("loopback", &error);
    }
}

/// Writes everything back, as far as it can be in that time, and switches the machine off.
pub fn power_off() -> ! {
    let (done, over) = mpsc::channel();
    // On a thread: a file system that does not answer would be waited for.
    thread::spawn(move || {
        nix::unistd::sync();
        let _ = done.send(());
    });
    if over.recv_timeout(SYNC_LIMIT).is_err() {
        eprintln!("bulkhead-agent: not everything could be written within {SYNC_LIMIT:?}");
    }
    let Err(error) = reboot(RebootMode::RB_POWER_OFF);
    // Ending makes the kernel panic, which the host notices as well.
    panic!("power off: {error}");
}

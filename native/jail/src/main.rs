//! Run by the shim: starts the VMM or the files daemon where it can reach only what it needs, and stays as its parent.
//!
//! The one argument is the request as JSON (`request.rs`). Descriptors from 3 on are the program's. The launcher writes
//! the program's pid to `status_fd` before the program runs, waits for it and exits in the same way. The kernel kills
//! the launcher when the shim dies, and the program when the launcher dies.
//!
//! Nothing here needs undoing: everything made (namespaces, the root on a tmpfs) goes away with the processes.

mod child;
mod device_filter;
mod privileges;
mod request;
mod root;
mod seccomp;

use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use bulkhead_kernel::checked;
use nix::sched::{CloneFlags, setns, unshare};

use request::Request;

/// Exit code when the program could not be started; stderr says why.
pub const FAILED: u8 = 125;

fn main() -> ExitCode {
    let outcome = std::env::args()
        .nth(1)
        .ok_or_else(|| "usage: bulkhead-jail REQUEST (JSON; this is run by bulkhead's shim)".to_owned())
        .and_then(|text| serde_json::from_str(&text).map_err(|e| format!("the request is invalid: {e}")))
        .and_then(|request| run(&request));
    match outcome {
        Ok(end) => end.become_it(),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(FAILED)
        }
    }
}

fn run(request: &Request) -> Result<child::End, String> {
    privileges::die_with(request.parent).map_err(|e| e.to_string())?;
    // SAFETY: the shim passes it to this process, and nothing else here uses it.
    let status = unsafe { OwnedFd::from_raw_fd(request.status_fd) };
    close_strangers(request.status_fd).map_err(said("cannot close stray inherited descriptors"))?;
    // Opened while they are visible; joined last, so that their limits do not apply to building the root.
    let cgroups = open_cgroups(request)?;
    if let Some(score) = request.oom_score_adj {
        set_oom_score(score);
    }
    let network = match &request.netns {
        Some(path) => Some(fs::File::open(path).map_err(|e| format!("cannot open the network namespace {path}: {e}"))?),
        None => None,
    };
    let root = root::Parts::gather(request)?;
    if let Some(network) = &network {
        setns(network.as_fd(), CloneFlags::CLONE_NEWNET).map_err(|e| {
            format!("cannot enter the network namespace {}: {e}", request.netns.as_deref().unwrap_or(""))
        })?;
    }
    unshare(namespaces(network.is_none())).map_err(said("cannot create namespaces"))?;
    root.enter(Path::new(&request.root))?;
    join(cgroups)?;
    child::start(request, status)
}

/// Closes descriptors that whoever started the container manager may have leaked.
fn close_strangers(last: i32) -> io::Result<()> {
    // SAFETY: nothing here has opened any of them yet.
    checked(unsafe { libc::syscall(libc::SYS_close_range, last + 1, libc::c_uint::MAX, 0) }).map(drop)
}

/// Opens the files for joining the cgroups while they are visible, and attaches the device filter.
fn open_cgroups(request: &Request) -> Result<Vec<(&str, fs::File)>, String> {
    if let Some(filter) = &request.device_filter {
        attach_filter(filter)?;
    }
    let open = |path| fs::OpenOptions::new().write(true).open(path);
    let files = request.cgroup_procs.iter();
    files
        .map(|path| Ok((path.as_str(), open(path).map_err(said(&format!("cannot open {path} to join the cgroup")))?)))
        .collect()
}

/// Defence in depth: in the jail no device node but the program's own can be opened anyway. So it is not fatal if the
/// kernel does not support the filter, or does not permit it.
fn attach_filter(filter: &request::DeviceFilter) -> Result<(), String> {
    match device_filter::attach(Path::new(&filter.cgroup), &filter.devices) {
        Err(e) if matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput) => {
            eprintln!("{e}; going on without it");
            Ok(())
        }
        other => other.map_err(|e| e.to_string()),
    }
}

fn join(cgroups: Vec<(&str, fs::File)>) -> Result<(), String> {
    for (path, mut file) in cgroups {
        file.write_all(b"0").map_err(said(&format!("cannot join the cgroup through {path}")))?;
    }
    Ok(())
}

fn namespaces(with_network: bool) -> CloneFlags {
    let always =
        CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    if with_network { always | CloneFlags::CLONE_NEWNET } else { always }
}

/// Going below the lowest value that this process ever had takes CAP_SYS_RESOURCE. Without that the value stays as it
/// is, which is not fatal.
fn set_oom_score(score: i32) {
    let _ = fs::write("/proc/self/oom_score_adj", score.to_string());
}

/// Prefixes an error with what failed.
pub fn said<E: Display>(what: &str) -> impl FnOnce(E) -> String {
    let what = what.to_owned();
    move |error| format!("{what}: {error}")
}

//! The guest as a machine: kernel parameters, details, clock, hot-plugged processors and memory, volumes, metrics.

mod clock;
mod details;
mod files;
mod hotplug;
mod metrics;
mod volume;

pub use clock::{adjust, reseed, set_time};
pub use details::details;
pub use files::forget_files;
pub use hotplug::{online, probe_memory};
pub use metrics::metrics;
pub use volume::volume_stats;

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::blocking;
use crate::reaper::Reaper;
use crate::ttrpc::{Context, Result, Status};

/// Sets a kernel parameter given by its dotted name.
pub fn set_sysctl(name: &str, value: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '_' | '-');
    if name.contains("..") || !name.chars().all(fine) {
        return Err(Status::invalid(format!("{name:?} is no sysctl")));
    }
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    fs::write(&path, value).context(|| format!("sysctl {name}={value}"))
}

/// Uses a block device for swapping.
pub async fn add_swap(device: PathBuf) -> Result<()> {
    let what = format!("swap on {}", device.display());
    let swap = move || {
        let path = CString::new(device.as_os_str().as_bytes()).context(|| device.display())?;
        // SAFETY: a terminated text; no flags.
        let done = Errno::result(unsafe { libc::swapon(path.as_ptr(), 0) });
        done.map(drop).context(|| format!("swap on {}", device.display()))
    };
    blocking::run(what, swap).await
}

/// Loads a kernel module. One that is built into the kernel counts as loaded.
pub async fn load_module(reaper: &Reaper, name: &str, parameters: &[String]) -> Result<()> {
    if fs::metadata(format!("/sys/module/{}", name.replace('-', "_"))).is_ok() {
        return Ok(());
    }
    let mut arguments = vec!["--", name];
    arguments.extend(parameters.iter().map(String::as_str));
    crate::tool::run(reaper, "modprobe", &arguments, b"").await.map(drop)
}

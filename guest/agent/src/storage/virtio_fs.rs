//! The folders that the host shares.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::{major, minor};

use super::mount_plain;
use super::options::MountOptions;
use crate::r#gen::grpc::Storage;
use crate::ttrpc::Result;

/// How much is read ahead. Each request to the host costs as much as some hundred KiB of data: with the kernel's 128 KiB
/// a large file took 156 ms where it takes 109 so, a program's first start 23 ms where it takes 20 (both emulated).
const READ_AHEAD_KIB: u32 = 512;

/// Mounts the share, with its read-ahead.
pub fn mount_shared(storage: &Storage, options: &MountOptions, at: &Path) -> Result<()> {
    mount_plain(&storage.source, &storage.fstype, options, at)?;
    // What the host mounts below it shares the setting. Without it everything works, too.
    if let Ok(device) = fs::metadata(at).map(|metadata| metadata.dev()) {
        let setting = format!("/sys/class/bdi/{}:{}/read_ahead_kb", major(device), minor(device));
        let _ = fs::write(setting, READ_AHEAD_KIB.to_string());
    }
    Ok(())
}

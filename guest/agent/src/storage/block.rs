//! Volumes on block devices.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::mount_plain;
use super::options::MountOptions;
use crate::device;
use crate::r#gen::grpc::Storage;
use crate::ttrpc::{Context, Result, Status};

const MKFS: &str = "mkfs.ext4";

/// Waits for the device of a storage that has one.
pub async fn device_of(storage: &Storage) -> Result<Option<PathBuf>> {
    Ok(match storage.driver.as_str() {
        "blk" => Some(device::block_device(&storage.source).await?),
        "mmioblk" | "nvdimm" => Some(device::device_node(Path::new(&storage.source)).await?),
        "scsi" => Some(device::scsi_device(&storage.source).await?),
        _ => None,
    })
}

/// The storage, with the nodes of further disks that its options name (`device=serial:<text>`, of an erofs that has its data
/// on them).
pub async fn with_devices(storage: &Storage) -> Result<Storage> {
    let mut named = storage.clone();
    for option in &mut named.options {
        let Some(source) = option.strip_prefix("device=").filter(|source| source.starts_with("serial:")) else {
            continue;
        };
        *option = format!("device={}", device::block_device(source).await?.display());
    }
    Ok(named)
}

/// Mounts the device, after making a file system on it if the request says so.
pub fn mount_device(storage: &Storage, device: &Path, options: &MountOptions, at: &Path) -> Result<()> {
    if storage.driver_options.iter().any(|option| option.starts_with("encryption_key=")) {
        return Err(Status::unimplemented("this guest image has no encryption of block devices"));
    }
    if storage.driver_options.iter().any(|option| option == "create_filesystem") {
        make_filesystem(device)?;
    }
    let fstype = if storage.fstype.is_empty() { "ext4" } else { &storage.fstype };
    mount_plain(&device.display().to_string(), fstype, options, at)
}

fn make_filesystem(device: &Path) -> Result<()> {
    // The agent's own reaper may collect the child first; then the exit is not known here and the mount will tell.
    let made = Command::new(MKFS).args(["-q", "-F", "-O", "^has_journal", "-m", "0"]).arg(device).output();
    match made {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(Status::unimplemented(format!("this guest image has no {MKFS}")))
        }
        Err(e) if e.raw_os_error() == Some(libc::ECHILD) => Ok(()),
        made => {
            let made = made.context(|| MKFS)?;
            if made.status.success() {
                return Ok(());
            }
            Err(Status::internal(format!("{MKFS}: {}", String::from_utf8_lossy(&made.stderr).trim())))
        }
    }
}

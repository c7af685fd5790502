//! Volumes on block devices.

use std::path::{Path, PathBuf};

use super::mount_plain;
use super::options::MountOptions;
use crate::device;
use crate::r#gen::grpc::Storage;
use crate::reaper::Reaper;
use crate::tool;
use crate::ttrpc::{Result, Status};

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

/// Makes a file system on the device if the request says so.
pub async fn prepare(reaper: &Reaper, storage: &Storage, device: &Path) -> Result<()> {
    if storage.driver_options.iter().any(|option| option.starts_with("encryption_key=")) {
        return Err(Status::unimplemented("this guest image has no encryption of block devices"));
    }
    if !storage.driver_options.iter().any(|option| option == "create_filesystem") {
        return Ok(());
    }
    let device = device.to_str().ok_or_else(|| Status::invalid("the device's path is no text"))?;
    tool::run(reaper, MKFS, &["-q", "-F", "-O", "^has_journal", "-m", "0", device], b"").await.map(drop)
}

/// Mounts the device.
pub fn mount_device(storage: &Storage, device: &Path, options: &MountOptions, at: &Path) -> Result<()> {
    let fstype = if storage.fstype.is_empty() { "ext4" } else { &storage.fstype };
    mount_plain(&device.display().to_string(), fstype, options, at)
}

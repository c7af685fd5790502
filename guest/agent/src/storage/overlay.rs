//! A root file system made of layers.

use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::Path;

use super::mount_plain;
use super::options::MountOptions;
use crate::ttrpc::{Context, Result};

/// Mounts an overlay of the layers in the options. If the writable layer is the agent's task, it lies beside the mount
/// point, in the guest's memory.
pub fn mount_overlay(options: &MountOptions, at: &Path) -> Result<()> {
    make_folders(options)?;
    // What the host has mounted in the share becomes a mount of the guest when somebody goes there; an overlay's own look-up
    // does not, and then finds a folder that it refuses.
    for lower in options.value("lowerdir").unwrap_or("").split(':') {
        fs::metadata(lower).context(|| format!("lower folder {lower}"))?;
    }
    if !options.overlay_rw {
        return mount_plain("overlay", "overlay", options, at);
    }
    let beside = at.parent().unwrap_or(at);
    let (upper, work) = (beside.join("upper"), beside.join("work"));
    for dir in [&upper, &work] {
        fs::create_dir_all(dir).context(|| format!("make {}", dir.display()))?;
    }
    let data = format!("{},upperdir={},workdir={}", options.data, upper.display(), work.display());
    let with_upper = MountOptions { flags: options.flags, data, ..MountOptions::default() };
    mount_plain("overlay", "overlay", &with_upper, at)
}

/// Makes the folders that the options ask for. One that is there keeps its owner and mode: a container may have changed them.
pub fn make_folders(options: &MountOptions) -> Result<()> {
    for folder in &options.folders {
        let about = || format!("make {}", folder.path.display());
        match DirBuilder::new().mode(0o700).create(&folder.path) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => continue,
            made => made.context(about)?,
        }
        chown(&folder.path, Some(folder.owner.0), Some(folder.owner.1)).context(about)?;
        fs::set_permissions(&folder.path, Permissions::from_mode(folder.mode)).context(about)?;
    }
    Ok(())
}

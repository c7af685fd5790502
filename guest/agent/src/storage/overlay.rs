//! A root file system made of layers.

use std::fs;
use std::path::Path;

use super::mount_plain;
use super::options::MountOptions;
use crate::ttrpc::{Context, Result};

/// Mounts an overlay of the layers in the options. If the writable layer is the agent's task, it lies beside the mount
/// point, in the guest's memory.
pub fn mount_overlay(options: &MountOptions, at: &Path) -> Result<()> {
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

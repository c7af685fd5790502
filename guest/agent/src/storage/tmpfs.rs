//! Volumes that live in the guest: `ephemeral` (memory or huge pages) and `local` (a folder).

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use nix::mount::{MntFlags, umount2};
use nix::sys::stat::Mode;

use super::options::MountOptions;
use super::{hugepages, mount_plain};
use crate::r#gen::grpc::Storage;
use crate::safe_path;
use crate::ttrpc::{Context, Result};

const SETGID: u32 = 0o2000;
/// A local volume is everybody's unless its options say otherwise, as the kubelet's emptyDir is.
const DEFAULT_LOCAL_MODE: u32 = 0o777;

/// A tmpfs or hugetlbfs with all its options.
pub fn mount_ephemeral(storage: &Storage, options: &MountOptions, at: &Path) -> Result<()> {
    let fstype = if storage.fstype.is_empty() { "tmpfs" } else { &storage.fstype };
    if fstype == "hugetlbfs" {
        hugepages::provide(options)?;
    }
    let source = if storage.source.is_empty() { fstype } else { &storage.source };
    mount_plain(source, fstype, options, at)?;
    give_to_group(options, at).inspect_err(|_| {
        let _ = umount2(at, MntFlags::MNT_DETACH);
    })
}

/// A folder with mode and group.
pub fn make_local(options: &MountOptions, at: &Path) -> Result<()> {
    // It may lie in another volume, in which containers can write.
    let parents = Mode::from_bits_retain(0o755);
    let folder = safe_path::make_dirs(at, parents).context(|| format!("make {}", at.display()))?;
    let folder = safe_path::path_of(&folder);
    let mode = options.mode.unwrap_or(DEFAULT_LOCAL_MODE);
    let id = |key| options.value(key).map(str::parse).transpose().context(|| format!("option {key}"));
    chown(&folder, id("uid")?, id("gid")?).context(|| format!("owner of {}", at.display()))?;
    fs::set_permissions(&folder, Permissions::from_mode(mode)).context(|| format!("mode of {}", at.display()))?;
    give_to_group(options, &folder)
}

/// Makes the group own the folder and all that will be made in it.
fn give_to_group(options: &MountOptions, at: &Path) -> Result<()> {
    let Some(group) = options.group else { return Ok(()) };
    chown(at, None, Some(group)).context(|| format!("group of {}", at.display()))?;
    let mode = fs::metadata(at).context(|| format!("mode of {}", at.display()))?.permissions().mode();
    fs::set_permissions(at, Permissions::from_mode(mode | SETGID | 0o070))
        .context(|| format!("mode of {}", at.display()))
}

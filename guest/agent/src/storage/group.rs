//! A volume's fsGroup: everything in it belongs to the group and is writable for it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;

use crate::r#gen::grpc::FsGroup;
use crate::r#gen::types::FsGroupChangePolicy;
use crate::ttrpc::{Context, Result};

const SETGID: u32 = 0o2000;

/// Applies the group to `root` and all below it; with the policy `OnRootMismatch` only if the root does not have it.
pub fn apply(root: &Path, group: &FsGroup) -> Result<()> {
    let about = fs::metadata(root).context(|| format!("group of {}", root.display()))?;
    let fits = about.gid() == group.group_id && about.mode() & (SETGID | 0o070) == SETGID | 0o070;
    if fits && group.group_change_policy() == FsGroupChangePolicy::OnRootMismatch {
        return Ok(());
    }
    walk(root, group.group_id).context(|| format!("group of {}", root.display()))
}

fn walk(path: &Path, gid: u32) -> std::io::Result<()> {
    let about = fs::symlink_metadata(path)?;
    lchown(path, None, Some(gid))?;
    let mode = about.mode() & 0o7777;
    if about.is_dir() {
        fs::set_permissions(path, Permissions::from_mode(mode | SETGID | 0o070))?;
        for entry in fs::read_dir(path)? {
            walk(&entry?.path(), gid)?;
        }
    } else if about.is_file() {
        let execute = if mode & 0o100 != 0 { 0o010 } else { 0 };
        fs::set_permissions(path, Permissions::from_mode(mode | 0o060 | execute))?;
    }
    Ok(())
}

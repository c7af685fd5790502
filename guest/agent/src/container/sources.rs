//! Sources of a container's bind mounts.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::Value;

use crate::r#gen::grpc::Storage;
use crate::safe_path;
use crate::ttrpc::{Context, Result, Status};

/// A source that does not exist gives a clear message here and an obscure one, with a bind on it half made, in crun.
pub fn check(spec: &Value) -> Result<()> {
    let root = spec["root"]["path"].as_str().unwrap_or("");
    if !Path::new(root).is_dir() {
        return Err(Status::invalid(format!("the root file system {root} does not exist in the guest")));
    }
    for mount in spec["mounts"].as_array().into_iter().flatten() {
        let is_bind = mount["type"] == "bind"
            || mount["options"].as_array().is_some_and(|all| all.iter().any(|o| o == "bind" || o == "rbind"));
        let source = mount["source"].as_str().unwrap_or("");
        let destination = &mount["destination"];
        if is_bind && !source.starts_with('/') {
            return Err(Status::invalid(format!("mount {destination}: source {source:?} is not absolute")));
        }
        if is_bind && fs::symlink_metadata(source).is_err() {
            return Err(Status::invalid(format!("mount {destination}: {source} does not exist in the guest")));
        }
    }
    Ok(())
}

/// Copies of watched folders are written by the agent, which must not follow what a container puts there.
pub fn protect_copies(spec: &mut Value, storages: &[Storage]) {
    let copies: Vec<&Path> =
        storages.iter().filter(|s| s.driver == "watchable-bind").map(|s| Path::new(s.mount_point.as_str())).collect();
    for mount in spec["mounts"].as_array_mut().into_iter().flatten() {
        let source = PathBuf::from(mount["source"].as_str().unwrap_or(""));
        if !copies.iter().any(|copy| source.starts_with(copy)) {
            continue;
        }
        let options = mount["options"].as_array().cloned().unwrap_or_default();
        let kept = options.into_iter().filter(|option| option != "rw");
        mount["options"] = kept.chain([Value::from("ro")]).collect();
    }
}

/// A mount of one source at a place that only the agent knows; taken away when dropped, which does not touch the
/// container's own mount of it.
pub struct Held(PathBuf);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

/// Mounts the sources that lie in volumes below `dir`, and names those places instead: containers can put a symbolic
/// link in the place of a folder of a volume, at any time, and crun would follow it.
pub fn hold(volumes: &[PathBuf], spec: &mut Value, dir: &Path) -> Result<Vec<Held>> {
    let mut held = Vec::new();
    for mount in spec["mounts"].as_array_mut().into_iter().flatten() {
        let source = PathBuf::from(mount["source"].as_str().unwrap_or(""));
        if !source.is_absolute() || !volumes.iter().any(|volume| source.starts_with(volume)) {
            continue;
        }
        let place = dir.join(format!("source{}", held.len()));
        hold_one(&source, &place).map_err(|e| Status::invalid(format!("mount {}: {e}", mount["destination"])))?;
        mount["source"] = Value::from(place.display().to_string());
        held.push(Held(place));
    }
    Ok(held)
}

fn hold_one(source: &Path, place: &Path) -> Result<()> {
    let opened = safe_path::open(source).context(|| source.display())?;
    let opened = safe_path::path_of(&opened);
    if fs::metadata(&opened).context(|| source.display())?.is_dir() {
        fs::create_dir(place).context(|| place.display())?;
    } else {
        File::create(place).context(|| place.display())?;
    }
    let none = None::<&str>;
    mount(Some(&opened), place, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).context(|| source.display())
}

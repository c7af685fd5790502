//! Storages: mounts that the host asks for, shared between containers and counted by their mount point.

mod block;
mod group;
mod hugepages;
mod options;
mod overlay;
mod tmpfs;
mod virtio_fs;
mod watchable;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::r#gen::grpc::Storage;
use crate::ttrpc::{Context, Result, Status};
use options::MountOptions;

/// Drivers that this agent has, as reported to the host.
pub const DRIVERS: [&str; 10] =
    ["virtio-fs", "ephemeral", "local", "overlayfs", "blk", "mmioblk", "nvdimm", "scsi", "bind", "watchable-bind"];

/// What takes a storage away again.
enum Undo {
    Unmount,
    /// Writes what is not on the disk yet, and unmounts.
    Disk,
    /// Stops copying, and unmounts.
    Watch(watchable::Watching),
    /// Nothing: volumes of the pod stay as long as the sandbox, so that a container that is restarted finds its data.
    Keep,
}

struct Entry {
    uses: usize,
    undo: Undo,
}

/// All storages by mount point.
#[derive(Default)]
pub struct Storages {
    table: RefCell<BTreeMap<String, Entry>>,
    adding: Mutex<()>,
}

impl Storages {
    /// Adds all, or none; returns their mount points for [`Self::release_all`].
    pub async fn add_all(&self, storages: &[Storage]) -> Result<Vec<String>> {
        let mut added = Vec::new();
        for storage in storages {
            match self.add(storage).await {
                Ok(()) => added.push(storage.mount_point.clone()),
                Err(status) => {
                    self.release_all(&added);
                    let what = format!("storage {} at {}", storage.driver, storage.mount_point);
                    return Err(Status::new(status.code, format!("{what}: {status}")));
                }
            }
        }
        Ok(added)
    }

    async fn add(&self, storage: &Storage) -> Result<()> {
        let mount_point = check_mount_point(&storage.mount_point)?;
        if self.count_if_there(&storage.mount_point) {
            return Ok(());
        }
        // A device that has yet to appear must not keep others waiting.
        let device = block::device_of(storage).await?;
        let _turn = self.adding.lock().await;
        if self.count_if_there(&storage.mount_point) {
            return Ok(());
        }
        let owned = block::with_devices(storage).await?;
        // Not on the agent's thread: a mount talks to the host and can take its time.
        let undo = spawn_blocking(move || make(&owned, device, &mount_point)).await.context(|| "mount")??;
        self.table.borrow_mut().insert(storage.mount_point.clone(), Entry { uses: 1, undo });
        Ok(())
    }

    /// Whether containers can write around this place: it is a volume of the sandbox, or lies in one.
    pub fn is_in_volume(&self, path: &Path) -> bool {
        let table = self.table.borrow();
        table.iter().any(|(mount_point, entry)| matches!(entry.undo, Undo::Keep) && path.starts_with(mount_point))
    }

    /// The host says that the source of a followed folder has changed.
    pub fn refresh(&self, mount_point: &str) -> Result<()> {
        match self.table.borrow().get(mount_point).map(|entry| &entry.undo) {
            Some(Undo::Watch(watching)) => {
                watching.told();
                Ok(())
            }
            _ => Err(Status::not_found(format!("nothing is followed at {mount_point:?}"))),
        }
    }

    fn count_if_there(&self, mount_point: &str) -> bool {
        self.table.borrow_mut().get_mut(mount_point).map(|entry| entry.uses += 1).is_some()
    }

    /// Writes out what containers have written to the disks among these. What else a dying process still holds can keep
    /// an unmount from doing so.
    pub async fn sync(&self, mount_points: &[String]) -> Result<()> {
        let is_disk = |at: &&String| matches!(self.table.borrow().get(*at), Some(Entry { undo: Undo::Disk, .. }));
        let disks: Vec<String> = mount_points.iter().filter(is_disk).cloned().collect();
        for disk in disks {
            let synced = spawn_blocking(move || sync_disk(&disk).context(|| format!("write out {disk}")));
            synced.await.context(|| "sync")??;
        }
        Ok(())
    }

    /// Gives back one use of each; what nobody uses any more is taken away.
    pub fn release_all(&self, mount_points: &[String]) {
        for mount_point in mount_points.iter().rev() {
            let mut table = self.table.borrow_mut();
            let Some(entry) = table.get_mut(mount_point) else { continue };
            entry.uses = entry.uses.saturating_sub(1);
            if entry.uses > 0 || matches!(entry.undo, Undo::Keep) {
                continue;
            }
            table.remove(mount_point);
            // Lazily: a process that still stands in it must not keep the container from being removed.
            if let Err(e) = umount2(mount_point.as_str(), MntFlags::MNT_DETACH) {
                eprintln!("bulkhead-agent: unmount {mount_point}: {e}");
            }
            let _ = fs::remove_dir(mount_point);
        }
    }

    /// Mounts anew with other options what the driver `ephemeral` has mounted.
    pub fn remount_ephemeral(&self, storages: &[Storage]) -> Result<()> {
        for storage in storages.iter().filter(|s| s.driver == "ephemeral") {
            if !self.table.borrow().contains_key(&storage.mount_point) {
                return Err(Status::invalid(format!("nothing is mounted at {}", storage.mount_point)));
            }
            let options = MountOptions::parse(&storage.options)?;
            let flags = options.flags | MsFlags::MS_REMOUNT;
            mount(None::<&str>, storage.mount_point.as_str(), None::<&str>, flags, Some(options.data.as_str()))
                .context(|| format!("remount {}", storage.mount_point))?;
        }
        Ok(())
    }
}

fn check_mount_point(mount_point: &str) -> Result<PathBuf> {
    let path = Path::new(mount_point);
    let climbs = path.components().any(|c| matches!(c, std::path::Component::ParentDir));
    if !path.is_absolute() || climbs || path.parent().is_none() {
        return Err(Status::invalid(format!("mount point {mount_point:?} is not an absolute path below /")));
    }
    Ok(path.to_owned())
}

fn make(storage: &Storage, device: Option<PathBuf>, at: &Path) -> Result<Undo> {
    let options = MountOptions::parse(&storage.options)?;
    match storage.driver.as_str() {
        "ephemeral" => tmpfs::mount_ephemeral(storage, &options, at)?,
        "local" => tmpfs::make_local(&options, at)?,
        "overlayfs" => overlay::mount_overlay(&options, at)?,
        "virtio-fs" => virtio_fs::mount_shared(storage, &options, at)?,
        "bind" => {
            overlay::make_folders(&options)?;
            bind(Path::new(&storage.source), &options, at)?;
        }
        "blk" | "mmioblk" | "nvdimm" | "scsi" => {
            let device = device.ok_or_else(|| Status::invalid("no device"))?;
            block::mount_device(storage, &device, &options, at)?;
        }
        "watchable-bind" => {
            let watching = watchable::watch(Path::new(&storage.source), at)?;
            return match watching {
                Some(watching) => Ok(Undo::Watch(watching)),
                None => bind(Path::new(&storage.source), &options, at).map(|()| Undo::Unmount),
            };
        }
        other => return Err(Status::unimplemented(format!("there is no storage driver {other:?} in this guest"))),
    }
    if let Some(group) = &storage.fs_group {
        if let Err(status) = group::apply(at, group) {
            let _ = umount2(at, MntFlags::MNT_DETACH);
            return Err(status);
        }
    }
    Ok(match storage.driver.as_str() {
        "ephemeral" | "local" => Undo::Keep,
        "blk" | "mmioblk" | "nvdimm" | "scsi" => Undo::Disk,
        _ => Undo::Unmount,
    })
}

fn sync_disk(mount_point: &str) -> std::io::Result<()> {
    let top = fs::File::open(mount_point)?;
    nix::unistd::syncfs(top).map_err(std::io::Error::from)
}

/// Makes the folder and mounts on it.
fn mount_plain(source: &str, fstype: &str, options: &MountOptions, at: &Path) -> Result<()> {
    fs::create_dir_all(at).context(|| format!("make {}", at.display()))?;
    let data = Some(options.data.as_str()).filter(|data| !data.is_empty());
    mount(Some(source), at, Some(fstype), options.flags, data)
        .context(|| format!("mount {fstype} {source} ({})", options.data))
}

/// Binds a file or a folder, with the flags applied in a second step as the kernel wants it.
fn bind(source: &Path, options: &MountOptions, at: &Path) -> Result<()> {
    let kind = fs::metadata(source).context(|| format!("source {}", source.display()))?;
    if kind.is_dir() {
        fs::create_dir_all(at).context(|| format!("make {}", at.display()))?;
    } else {
        if let Some(parent) = at.parent() {
            fs::create_dir_all(parent).context(|| format!("make {}", parent.display()))?;
        }
        fs::OpenOptions::new().create(true).append(true).open(at).context(|| format!("make {}", at.display()))?;
    }
    let none = None::<&str>;
    mount(Some(source), at, none, MsFlags::MS_BIND | (options.flags & MsFlags::MS_REC), none)
        .context(|| format!("bind {}", source.display()))?;
    let flags = options.flags - MsFlags::MS_REC - MsFlags::MS_BIND;
    if !flags.is_empty() {
        let remount = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | flags;
        if let Err(e) = mount(none, at, none, remount, none) {
            let _ = umount2(at, MntFlags::MNT_DETACH);
            return Err(Status::internal(format!("flags of the bind of {}: {e}", source.display())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_absolute_and_do_not_climb() {
        assert!(check_mount_point("/run/x").is_ok());
        for bad in ["", "/", "run/x", "/run/../etc"] {
            assert!(check_mount_point(bad).is_err(), "{bad}");
        }
    }
}

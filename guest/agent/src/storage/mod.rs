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
use std::rc::Rc;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tokio::sync::SetOnce;
use tokio::time::{Instant, timeout_at};

use crate::blocking;
use crate::r#gen::grpc::Storage;
use crate::reaper::Reaper;
use crate::ttrpc::{Code, Context, Result, Status};
use options::MountOptions;

/// Drivers that this agent has, as reported to the host.
pub const DRIVERS: [&str; 10] =
    ["virtio-fs", "ephemeral", "local", "overlayfs", "blk", "mmioblk", "nvdimm", "scsi", "bind", "watchable-bind"];
/// How long it may take to write out what containers have left to be written to a disk.
const SYNC_LIMIT: Duration = Duration::from_secs(600);

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

/// A storage that is there; taken away when dropped, which can take as long as the file system does.
struct Made {
    at: PathBuf,
    undo: Undo,
}

impl Drop for Made {
    fn drop(&mut self) {
        if matches!(self.undo, Undo::Keep) {
            return;
        }
        // Lazily: a process that still stands in it must not keep the container from being removed.
        if let Err(e) = umount2(&self.at, MntFlags::MNT_DETACH) {
            eprintln!("bulkhead-agent: unmount {}: {e}", self.at.display());
        }
        let _ = fs::remove_dir(&self.at);
    }
}

enum Entry {
    /// Being made or taken away, until this is set.
    Changing(Rc<SetOnce<()>>),
    There {
        uses: usize,
        made: Made,
    },
}

type Table = Rc<RefCell<BTreeMap<String, Entry>>>;

/// All storages by mount point.
#[derive(Default)]
pub struct Storages(Table);

/// The right to change what is at a mount point. One that hangs keeps back only those who want the same.
struct Turn {
    table: Table,
    mount_point: String,
    over: Rc<SetOnce<()>>,
}

impl Turn {
    /// Puts an entry in place of what is there.
    fn take(table: &Table, mount_point: &str) -> (Self, Option<Entry>) {
        let turn = Self { table: table.clone(), mount_point: mount_point.to_owned(), over: Rc::default() };
        let before = table.borrow_mut().insert(turn.mount_point.clone(), Entry::Changing(turn.over.clone()));
        (turn, before)
    }

    fn fill(self, made: Made) {
        self.table.borrow_mut().insert(self.mount_point.clone(), Entry::There { uses: 1, made });
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut table = self.table.borrow_mut();
        if matches!(table.get(&self.mount_point), Some(Entry::Changing(_))) {
            table.remove(&self.mount_point);
        }
        let _ = self.over.set(());
    }
}

impl Storages {
    /// Adds all and notes their mount points in `added`, for [`Self::release_all`], also when one of them fails.
    pub async fn add_all(&self, reaper: &Reaper, storages: &[Storage], added: &mut Vec<String>) -> Result<()> {
        for storage in storages {
            let what = || format!("storage {} at {}", storage.driver, storage.mount_point);
            let done = self.add(reaper, storage).await;
            done.map_err(|status| Status::new(status.code, format!("{}: {status}", what())))?;
            added.push(storage.mount_point.clone());
        }
        Ok(())
    }

    async fn add(&self, reaper: &Reaper, storage: &Storage) -> Result<()> {
        let at = check_mount_point(&storage.mount_point)?;
        let Some(turn) = self.turn(&storage.mount_point).await? else { return Ok(()) };
        let device = block::device_of(storage).await?;
        if let Some(device) = &device {
            block::prepare(reaper, storage, device).await?;
        }
        let owned = block::with_devices(storage).await?;
        let (made, turn) = blocking::keeping("mount", turn, move || make(&owned, device, &at)).await?;
        turn.fill(made);
        Ok(())
    }

    /// The turn to make what is not there; nothing if it is there, which then is used once more.
    async fn turn(&self, mount_point: &str) -> Result<Option<Turn>> {
        let end = Instant::now() + blocking::LIMIT;
        loop {
            let over = match self.0.borrow_mut().get_mut(mount_point) {
                Some(Entry::There { uses, .. }) => {
                    *uses += 1;
                    return Ok(None);
                }
                Some(Entry::Changing(over)) => over.clone(),
                None => break,
            };
            let late = |_| {
                let message = format!("what is mounted or unmounted there has not ended within {:?}", blocking::LIMIT);
                Status::new(Code::DeadlineExceeded, message)
            };
            timeout_at(end, over.wait()).await.map_err(late)?;
        }
        Ok(Some(Turn::take(&self.0, mount_point).0))
    }

    /// Volumes of the sandbox: containers can write in them, and so around all that lies there.
    pub fn volumes(&self) -> Vec<PathBuf> {
        let table = self.0.borrow();
        let kept = |entry: &Entry| matches!(entry, Entry::There { made: Made { undo: Undo::Keep, .. }, .. });
        table.iter().filter(|(_, entry)| kept(entry)).map(|(mount_point, _)| PathBuf::from(mount_point)).collect()
    }

    /// The host says that the source of a followed folder has changed.
    pub fn refresh(&self, mount_point: &str) -> Result<()> {
        match self.0.borrow().get(mount_point) {
            Some(Entry::There { made: Made { undo: Undo::Watch(watching), .. }, .. }) => {
                watching.told();
                Ok(())
            }
            _ => Err(Status::not_found(format!("nothing is followed at {mount_point:?}"))),
        }
    }

    /// Writes out what containers have written to the disks among these. What else a dying process still holds can keep
    /// an unmount from doing so.
    pub async fn sync(&self, mount_points: &[String]) -> Result<()> {
        let is_disk = |at: &&String| {
            matches!(self.0.borrow().get(*at), Some(Entry::There { made: Made { undo: Undo::Disk, .. }, .. }))
        };
        let disks: Vec<String> = mount_points.iter().filter(is_disk).cloned().collect();
        for disk in disks {
            let name = disk.clone();
            let synced = blocking::within(SYNC_LIMIT, format!("write out {name}"), (), move || {
                sync_disk(&disk).context(|| format!("write out {disk}"))
            });
            synced.await?;
        }
        Ok(())
    }

    /// Gives back one use of each; what nobody uses any more is taken away.
    pub async fn release_all(&self, mount_points: &[String]) {
        for mount_point in mount_points.iter().rev() {
            if !self.give_back(mount_point) {
                continue;
            }
            let (turn, Some(Entry::There { made, .. })) = Turn::take(&self.0, mount_point) else { continue };
            blocking::undo(format!("unmount {mount_point}"), turn, move || drop(made)).await;
        }
    }

    /// Whether that was the last use of what goes with it.
    fn give_back(&self, mount_point: &str) -> bool {
        let mut table = self.0.borrow_mut();
        let Some(Entry::There { uses, made }) = table.get_mut(mount_point) else { return false };
        *uses = uses.saturating_sub(1);
        *uses == 0 && !matches!(made.undo, Undo::Keep)
    }

    /// Mounts anew with other options what the driver `ephemeral` has mounted.
    pub async fn remount_ephemeral(&self, storages: Vec<Storage>) -> Result<()> {
        for storage in storages.into_iter().filter(|s| s.driver == "ephemeral") {
            if !matches!(self.0.borrow().get(&storage.mount_point), Some(Entry::There { .. })) {
                return Err(Status::invalid(format!("nothing is mounted at {}", storage.mount_point)));
            }
            let options = MountOptions::parse(&storage.options)?;
            let what = format!("remount {}", storage.mount_point);
            let remount = move || {
                let flags = options.flags | MsFlags::MS_REMOUNT;
                mount(None::<&str>, storage.mount_point.as_str(), None::<&str>, flags, Some(options.data.as_str()))
                    .context(|| format!("remount {}", storage.mount_point))
            };
            blocking::run(what, remount).await?;
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

fn make(storage: &Storage, device: Option<PathBuf>, at: &Path) -> Result<Made> {
    let options = MountOptions::parse(&storage.options)?;
    let mut undo = Undo::Unmount;
    match storage.driver.as_str() {
        "ephemeral" => {
            tmpfs::mount_ephemeral(storage, &options, at)?;
            undo = Undo::Keep;
        }
        "local" => {
            tmpfs::make_local(&options, at)?;
            undo = Undo::Keep;
        }
        "overlayfs" => overlay::mount_overlay(&options, at)?,
        "virtio-fs" => virtio_fs::mount_shared(storage, &options, at)?,
        "bind" => {
            overlay::make_folders(&options)?;
            bind(Path::new(&storage.source), &options, at)?;
        }
        "blk" | "mmioblk" | "nvdimm" | "scsi" => {
            let device = device.ok_or_else(|| Status::invalid("no device"))?;
            block::mount_device(storage, &device, &options, at)?;
            undo = Undo::Disk;
        }
        "watchable-bind" => match watchable::watch(Path::new(&storage.source), at)? {
            Some(watching) => undo = Undo::Watch(watching),
            None => bind(Path::new(&storage.source), &options, at)?,
        },
        other => return Err(Status::unimplemented(format!("there is no storage driver {other:?} in this guest"))),
    }
    let made = Made { at: at.to_owned(), undo };
    if let (Some(group), true) = (&storage.fs_group, storage.driver != "watchable-bind") {
        group::apply(at, group).inspect_err(|_| {
            if matches!(made.undo, Undo::Keep) {
                let _ = umount2(at, MntFlags::MNT_DETACH);
            }
        })?;
    }
    Ok(made)
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
